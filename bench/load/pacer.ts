import { parentPort, workerData } from 'node:worker_threads';

/**
 * Wakes the load generator every so many microseconds. Timers of the event loop know whole milliseconds only, which would add half of one to
 * every latency; a loop that never sleeps would take the processor from the server.
 */

const { intervalMs } = workerData as { intervalMs: number };
const words = new Int32Array(new SharedArrayBuffer(4));
for (;;) {
  Atomics.wait(words, 0, 0, intervalMs);
  parentPort!.postMessage(0);
}
