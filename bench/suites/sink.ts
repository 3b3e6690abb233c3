import type { Bench, Contender, Suite } from '../bench.js';
import { runNode } from '../process.js';
import type { SinkResult, SinkTask } from './sink-run.js';

/** How fast ClickHouse, embedded, catches up with a log it knows nothing of; and what of it is making the rows. */

const RUN = new URL('./sink-run.js', import.meta.url);
const SIZE = { accounts: 10_000, transactions: 1_000_000 };
const QUICK_SIZE = { accounts: 100, transactions: 3000 };
/** Long and alike. */
const ROUNDS = 3;

export const sink: Suite = {
  name: 'sink',
  about:
    'postings a second from the log into the embedded ClickHouse, from nothing, and of that making the rows',

  async run(bench) {
    const { quick, rounds } = bench.settings;
    const size = quick ? QUICK_SIZE : SIZE;
    const data = bench.place.directory('sink');
    await runNode<SinkResult>(RUN, { do: 'fill', data, ...size } satisfies SinkTask);
    const lsn = size.accounts + size.transactions;
    await bench.compare({
      name: `catch-up of ${size.transactions} transactions`,
      unit: 'postings/s',
      rounds: Math.min(ROUNDS, rounds),
      settings: { ...size },
      contenders: [
        contender(bench, 'kassa', 'deliver', data, lsn),
        contender(bench, 'rows', 'rows', data, lsn),
      ],
    });
    bench.place.remove(data);
  },
};

function contender(
  bench: Bench,
  name: string,
  step: 'rows' | 'deliver',
  data: string,
  lsn: number,
): Contender {
  return {
    name,
    measure: async () => {
      const engine = bench.place.directory('engine');
      const task: SinkTask = { do: step, data, engine, lsn };
      const { profile } = bench.settings;
      const { postings, seconds, cpuS, peakMB } = await runNode<SinkResult>(RUN, task, { profile });
      bench.place.remove(engine);
      return { value: postings / seconds, serverCores: cpuS / seconds, also: { seconds, cpuS, peakMB } };
    },
  };
}
