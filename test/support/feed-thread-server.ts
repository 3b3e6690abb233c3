import type { Worker } from 'node:worker_threads';

/**
 * A server whose feed's thread can be killed from outside: SIGUSR2 ends the thread that was started last, which it is once somebody has subscribed.
 */
const workers: Worker[] = [];
process.on('worker', (worker) => workers.push(worker));
process.on('SIGUSR2', () => {
  void workers.at(-1)!.terminate();
});
await import('./lasting-server.js');
