import { writeSync } from 'node:fs';
import type { Database } from './database.js';

const ASK_MS = 5_000;
/** Long, since at the lowest priority the engine may have to wait for a processor. */
const SILENCE_MS = 60_000;

/**
 * Asks the embedded engine for nothing now and then. An engine that hangs takes the process with it, which is then started again: its
 * heartbeat alone would not tell, as queries do not run on the thread that it comes from.
 * @param database a connection of its own, since queries of one wait for each other
 * @returns ends it
 */
export function watchEngine(
  database: Database,
  onHung: () => void = endProcess,
  silenceMs = SILENCE_MS,
): () => void {
  let hung: NodeJS.Timeout | undefined;
  let next: NodeJS.Timeout | undefined;
  let isWatching = true;
  const ask = () => {
    hung = setTimeout(onHung, silenceMs);
    // An error is an answer too.
    database
      .rows('SELECT 1')
      .catch(() => undefined)
      .then(() => {
        clearTimeout(hung);
        if (isWatching) next = setTimeout(ask, ASK_MS);
      });
  };
  ask();
  return () => {
    isWatching = false;
    clearTimeout(hung);
    clearTimeout(next);
  };
}

function endProcess(): void {
  writeSync(2, `the embedded ClickHouse has not answered for ${SILENCE_MS / 1000} s\n`);
  process.kill(process.pid, 'SIGKILL');
}
