import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { workerData } from 'node:worker_threads';

/**
 * Loaded into every thread of a server (`--import`), it makes one stop for good where it goes to sleep: while a file with the thread's name is in the
 * directory that KASSA_TEST_STUCK names. `<name>.stuck` tells that it has.
 */

const directory = process.env['KASSA_TEST_STUCK']!;
const LOOK_MS = 5;

function threadName(): string | undefined {
  if (typeof workerData !== 'object' || workerData === null) return undefined;
  if (!('shardNumbers' in workerData)) return undefined;
  return workerData.log === undefined ? `shard-${workerData.shardNumbers[0]}` : 'writer';
}

const name = threadName();
if (name !== undefined) {
  const wait = Atomics.wait;
  const never = new Int32Array(new SharedArrayBuffer(4));
  const stick = () => {
    writeFileSync(join(directory, `${name}.stuck`), '');
    while (existsSync(join(directory, name))) wait(never, 0, 0, LOOK_MS);
  };
  Atomics.wait = ((array: Int32Array, index: number, value: number, timeoutMs?: number) => {
    if (existsSync(join(directory, name))) stick();
    return wait(array, index, value, timeoutMs);
  }) as typeof Atomics.wait;
}
