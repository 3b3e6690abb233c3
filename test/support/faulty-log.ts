import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type OpenLogOptions, openLog as openRealLog } from '../../wal/log.js';
import type { LedgerIdentity, LogPosition, LogStore } from '../../wal/store.js';

// Runs in the writer's thread of a child process, where vitest is not: nothing of the tests is imported here.
const directory = process.env['KASSA_TEST_FAULTS']!;
const LOOK_MS = 2;

/** The real log, held or broken by files in a directory (see faults.ts). */
export function openLog(options: OpenLogOptions): LogStore {
  waitWhile('hold-open');
  return new FaultyLog(openRealLog(options));
}

/** Blocks the thread while the file is there. */
function waitWhile(name: string): void {
  const path = join(directory, name);
  while (existsSync(path)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOOK_MS);
}

class FaultyLog implements LogStore {
  constructor(private readonly log: LogStore) {}

  get ledger(): LedgerIdentity {
    return this.log.ledger;
  }

  get last(): LogPosition {
    return this.log.last;
  }

  append(batch: Uint8Array, count: number, timeMs: number): void {
    const failure = join(directory, 'fail');
    if (existsSync(failure)) throw new Error(readFileSync(failure, 'utf8'));
    this.log.append(batch, count, timeMs);
    if (existsSync(join(directory, 'hold'))) writeFileSync(join(directory, 'held'), '');
    waitWhile('hold');
  }

  close(): void {
    this.log.close();
  }
}
