import { readdirSync, readFileSync } from 'node:fs';

/** Linux counts CPU time in ticks of 10 ms (USER_HZ, fixed for /proc). */
const TICKS_PER_S = 100;
const PARENT = 1;
const USER_TIME = 11;
const SYSTEM_TIME = 12;

/** Fields of /proc/PID/stat behind the command's name. */
function statOf(pid: string | number): readonly string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

/** CPU seconds so far of some processes and their living children; 0 where /proc does not tell. */
export function cpuSeconds(pids: readonly number[]): number {
  if (pids.length === 0 || process.platform !== 'linux') return 0;
  let ticks = 0;
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (Number.isNaN(pid)) continue;
    const stat = statOf(pid);
    if (stat === undefined || !(pids.includes(pid) || pids.includes(Number(stat[PARENT])))) continue;
    ticks += Number(stat[USER_TIME]) + Number(stat[SYSTEM_TIME]);
  }
  return ticks / TICKS_PER_S;
}
