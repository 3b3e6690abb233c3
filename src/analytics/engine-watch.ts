import { writeSync } from 'node:fs';
import type { Database } from './database.js';

const TICK_MS = 1_000;
const ASK_TICKS = 5;
/** Counted in ticks, which come late while the process has to wait for a processor: so has its engine then, and is given longer. */
const SILENT_TICKS = 60;

/**
 * Asks the embedded engine for nothing now and then. An engine that hangs takes the process with it, which is then started again: its
 * heartbeat alone would not tell, as queries do not run on the thread that it comes from.
 * @param database a connection of its own, since queries of one wait for each other
 * @returns ends it
 */
export function watchEngine(
  database: Database,
  onHung: () => void = endProcess,
  tickMs = TICK_MS,
): () => void {
  let isAsked = false;
  let ticks = 0;
  const timer = setInterval(() => {
    ticks++;
    if (isAsked) {
      if (ticks === SILENT_TICKS) onHung();
      return;
    }
    if (ticks < ASK_TICKS) return;
    ticks = 0;
    isAsked = true;
    // An error is an answer too.
    database
      .rows('SELECT 1')
      .catch(() => undefined)
      .then(() => {
        isAsked = false;
        ticks = 0;
      });
  }, tickMs);
  return () => clearInterval(timer);
}

function endProcess(): void {
  writeSync(2, `the embedded ClickHouse has not answered for ${(SILENT_TICKS * TICK_MS) / 1000} s\n`);
  process.kill(process.pid, 'SIGKILL');
}
