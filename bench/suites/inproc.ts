import type { Bench, Contender, Suite } from '../bench.js';
import type { CommitShape } from '../commit-shape.js';
import { lmdbContender } from '../contenders.js';
import { runNode } from '../process.js';
import type { Measure } from '../report/result.js';
import type { InprocOptions, InprocResult } from './inproc-run.js';

/** The ledger inside the caller's own process: no network, no frames. */

const CALLERS = [1, 50, 1000, 5000];
const RUN = new URL('./inproc-run.js', import.meta.url);

export const inproc: Suite = {
  name: 'inproc',
  about: '1, 50, 1,000 and 5,000 callers of openLedger in one process, each awaiting one sale, beside LMDB',

  async run(bench) {
    const { accounts, quick } = bench.settings;
    for (const callers of quick ? [50] : CALLERS) {
      const ours = new InprocContender(bench, callers);
      await bench.compare({
        name: `${callers} ${callers === 1 ? 'caller' : 'callers'}`,
        unit: 'sales/s',
        base: 'lmdb commits',
        settings: { callers, accounts },
        contenders: [ours, lmdbContender(bench, ours)],
      });
    }
  },
};

/** Each round in a process of its own over an empty directory. */
class InprocContender implements Contender {
  readonly name = 'kassa';
  shape: CommitShape | undefined;

  constructor(
    private readonly bench: Bench,
    private readonly callers: number,
  ) {}

  async measure(round: number): Promise<Measure> {
    const { place, settings } = this.bench;
    const { accounts, warmupS, heatS, seconds, profile } = settings;
    const data = place.directory('inproc');
    const options: InprocOptions = {
      data,
      accounts,
      callers: this.callers,
      warmupS: Math.max(warmupS, heatS),
      seconds,
      seed: round + 1,
    };
    const result = await runNode<InprocResult>(RUN, options, { profile });
    place.remove(data);
    this.shape = { bytes: result.logBytesPerCommit, sales: result.salesPerCommit };
    return {
      value: result.rate,
      latencyMs: result.latencyMs,
      // Caller and ledger are one process.
      serverCores: result.cpuS / result.seconds,
      refused: result.refused,
      also: { salesPerCommit: result.salesPerCommit },
    };
  }
}
