import { inMacrotask } from './microtasks.js';
import { play } from './world.js';

/** A child process that plays worlds by their seeds, one message each. */

export interface SeedJob {
  readonly seed: number;
  readonly steps: number | undefined;
}

/** What a parent hears of one world. */
export interface SeedResult {
  readonly seed: number;
  readonly steps: number;
  readonly records: number;
  readonly calls: number;
  readonly lives: number;
  readonly events: readonly (readonly [string, number])[];
  /** What was found wrong. */
  readonly finding: string | undefined;
}

process.on('message', (job: SeedJob) => {
  void inMacrotask(() => {
    const { seed } = job;
    const outcome = play({ seed, ...(job.steps !== undefined && { steps: job.steps }) });
    const { steps, records, calls, lives, events, finding } = outcome;
    const result: SeedResult = {
      seed,
      steps,
      records,
      calls,
      lives,
      events: [...events],
      finding: finding?.message,
    };
    process.send!(result);
  });
});
