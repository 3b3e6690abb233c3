import { join } from 'node:path';
import type { Disk } from './disk.js';

/*
 * An empty file in the data directory whose name says how far the log once went: `durable-<LSN, 16 digits>`.
 *
 * Nothing in a log speaks of its newest segment, apart from that segment: each header ties a segment to the one before. So if the newest one
 * went missing as a whole (a directory lost by a repair of the file system, a copy that left it out), what remains looks like a sound log
 * that is shorter. A checkpoint knows better, but only up to its own LSN. The mark is set once the first batch of a segment is durable and
 * before it is acknowledged, and when the log is closed; so a segment that holds anything acknowledged does not vanish unnoticed.
 *
 * What it says is in its name alone: there is no content that could be damaged, and giving it another name is one step. A log without a mark
 * (of an older Kassa, or restored from a backup) is as sound as one with it.
 */

const NAME = /^durable-(\d{16})$/;

/** The highest LSN that is marked; 0 without a mark. */
export function markedLsn(data: string, disk: Disk): number {
  return marks(data, disk).at(-1)?.lsn ?? 0;
}

/** Marks an LSN as durable, durably. It is never below what is marked. */
export function markDurable(data: string, lsn: number, disk: Disk): void {
  const name = markName(lsn);
  const before = marks(data, disk).at(-1);
  if (before?.name === name) return;
  if (before === undefined) disk.open(join(data, name), 'write').close();
  else disk.rename(join(data, before.name), join(data, name));
  disk.syncDirectory(data);
}

/** The name of the file that marks an LSN. */
export function markName(lsn: number): string {
  return `durable-${String(lsn).padStart(16, '0')}`;
}

function marks(data: string, disk: Disk): { readonly name: string; readonly lsn: number }[] {
  return disk
    .list(data)
    .flatMap((name) => {
      const digits = NAME.exec(name)?.[1];
      return digits === undefined ? [] : [{ name, lsn: Number(digits) }];
    })
    .sort((a, b) => a.lsn - b.lsn);
}
