import { setPriority } from 'node:os';

const NICENESS = 10;

/** Lets a server on the same machine go first. */
export function stepAside(): void {
  try {
    setPriority(NICENESS);
  } catch {
    // A sandbox may forbid it: then this process takes its full share.
  }
}
