import type { Suite } from '../bench.js';
import { runNode } from '../process.js';
import type { MemoryOptions, MemoryResult } from './memory-run.js';

/** What an account and a remembered id take in memory, tables' slack included. */

const RUN = new URL('./memory-run.js', import.meta.url);
const COUNTS = [1_000_000];
const FULL_COUNTS = [...COUNTS, 10_000_000];
const QUICK_COUNTS = [20_000];
const WHAT = { account: 'of an account with an id of 16 bytes', id: 'of a remembered id' } as const;

export const memory: Suite = {
  name: 'memory',
  about:
    'bytes per account and per remembered id: at a number of them, and at the worst moment on the way there',

  async run(bench) {
    const { quick, full, profile } = bench.settings;
    for (const what of ['account', 'id'] as const) {
      for (const count of quick ? QUICK_COUNTS : full ? FULL_COUNTS : COUNTS) {
        const options: MemoryOptions = { what, count };
        const { atCount, worst, worstCount } = await runNode<MemoryResult>(RUN, options, { profile });
        await bench.compare({
          name: `${WHAT[what]}, ${count} of them`,
          unit: 'bytes',
          // Sizes are the same every time.
          rounds: 1,
          settings: { count },
          contenders: [
            { name: 'kassa', measure: async () => ({ value: atCount }) },
            { name: 'kassa, worst', measure: async () => ({ value: worst, also: { count: worstCount } }) },
          ],
        });
      }
    }
  },
};
