import { setPriority } from 'node:os';

/** Below the threads that answer: at full load who yields falls behind, about a tenth of a processor is left to it, and catches up afterwards. */
const NICENESS = 10;

/** Puts the calling thread behind the others. On Linux the priority is the thread's own; elsewhere it would be the whole process's. */
export function yieldToOthers(): void {
  if (process.platform !== 'linux') return;
  try {
    setPriority(0, NICENESS);
  } catch {
    // A sandbox may forbid it: then this thread takes its full share.
  }
}
