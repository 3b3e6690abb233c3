import { workerData } from 'node:worker_threads';

/*
 * A thread of the analytics process. When the server's process ends, however it ends, this one has to end too; its main thread hears of that
 * by the closed channel, unless it is stuck in the engine. So this one looks too.
 */

const LOOK_MS = 1000;
const parent = workerData as number;

setInterval(() => {
  if (process.ppid !== parent) process.kill(process.pid, 'SIGKILL');
}, LOOK_MS);
