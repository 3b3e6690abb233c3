import { readdirSync, readFileSync } from 'node:fs';

/** What Linux says of a process. */

/** Whether `/proc` is there to ask. */
export const HAS_PROC = process.platform === 'linux';

/**
 * Bytes of memory that are the process's own: without the pages of files that it maps, which the kernel takes back at will (the log is
 * written through a map).
 */
export function ownBytes(pid: number): number {
  return field(pid, 'RssAnon') * 1024;
}

export function threads(pid: number): number {
  return field(pid, 'Threads');
}

export function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** How many files the process may have open. */
export function openFilesMax(pid: number): number {
  const limits = readFileSync(`/proc/${pid}/limits`, 'utf8');
  const soft = /^Max open files\s+(\d+|unlimited)/m.exec(limits)![1]!;
  return soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft);
}

function field(pid: number, name: string): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)![1]);
}
