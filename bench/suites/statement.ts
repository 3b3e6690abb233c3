import type { Bench, Contender, Suite } from '../bench.js';
import { runNode } from '../process.js';
import type { AskResult, StatementTask, Where } from './statement-run.js';

/** How long a page of a statement takes, of an account with ten million postings, wherever the page lies. */

const RUN = new URL('./statement-run.js', import.meta.url);
const SIZE = { postings: 10_000_000, pages: 100 };
const QUICK_SIZE = { postings: 5_000, pages: 3 };
/** Long and alike. */
const ROUNDS = 3;

export const statement: Suite = {
  name: 'statement',
  about: 'milliseconds of a page of 100 rows in the statement of an account with ten million postings',

  async run(bench) {
    const { quick, rounds } = bench.settings;
    const { postings, pages } = quick ? QUICK_SIZE : SIZE;
    const directory = bench.place.directory('statement');
    await runNode(RUN, { do: 'fill', directory, postings } satisfies StatementTask);
    const contender = (where: Where): Contender =>
      asking(bench, { do: 'ask', directory, postings, pages, where });
    await bench.compare({
      name: `a page of 100 among ${postings}`,
      unit: 'ms',
      rounds: Math.min(ROUNDS, rounds),
      settings: { postings, pages },
      contenders: [contender('from a moment'), contender('behind a cursor'), contender('newest first')],
    });
    bench.place.remove(directory);
  },
};

function asking(bench: Bench, task: StatementTask & { readonly do: 'ask' }): Contender {
  return {
    name: `kassa, ${task.where}`,
    measure: async () => {
      const { profile } = bench.settings;
      const { latencyMs, cpuMs, seconds } = await runNode<AskResult>(RUN, task, { profile });
      return {
        value: latencyMs.p50,
        latencyMs,
        serverCores: (cpuMs * task.pages) / 1000 / seconds,
        also: { cpuMs },
      };
    },
  };
}
