import type { Suite } from '../bench.js';
import { runNode } from '../process.js';
import type { MicroOptions, MicroResult } from './micro-run.js';

/** What each step of a sale costs by itself, on one thread. */

const RUN = new URL('./micro-run.js', import.meta.url);
const QUICK_MS = 5;
const TASK_MS = 60;

export const micro: Suite = {
  name: 'micro',
  about: 'the steps of a sale by themselves (tinybench): decode, look up, decide, encode, hop, commit',

  async run(bench) {
    const { place, settings } = bench;
    const { quick, profile } = settings;
    // One process measures all steps of a round.
    const rounds = new Map<number, Promise<MicroResult>>();
    const roundOf = (round: number) => {
      let running = rounds.get(round);
      if (running === undefined) {
        const options: MicroOptions = {
          data: place.directory('micro'),
          taskMs: quick ? QUICK_MS : TASK_MS,
          quick,
        };
        running = runNode<MicroResult>(RUN, options, { profile });
        rounds.set(round, running);
      }
      return running;
    };
    const steps = Object.keys((await roundOf(0)).ns);
    await bench.compare({
      name: 'steps of a sale',
      unit: 'ns',
      contenders: steps.map((name) => ({
        name,
        measure: async (round) => ({ value: (await roundOf(round)).ns[name]! }),
      })),
    });
  },
};
