import type { Bench, Suite } from '../bench.js';
import { baseline, heat, KassaContender, lmdbContender } from '../contenders.js';
import { generate, type Load } from '../load/generate.js';
import { POSTINGS, type Postings } from '../load/template.js';
import { median } from '../report/result.js';

/** Many sales a frame: importers, and gateways that gather. */

/** Sales a frame and connections: a few frames under way, as many as the mailboxes hold of the largest. */
const SIZES = [
  { batch: 100, connections: 50 },
  { batch: 1000, connections: 8 },
  { batch: 8190, connections: 3 },
];
const MILLION = 1_000_000;

export const batch: Suite = {
  name: 'batch',
  hasPeers: true,
  about:
    '100, 1,000 and 8,190 sales a frame, two and four postings, beside echo and LMDB; --bend: 20 million in a row',

  async run(bench) {
    for (const postings of POSTINGS) {
      await bySize(bench, postings);
      await bench.stopServers();
    }
    if (bench.settings.bendMillions > 0) await bend(bench, bench.settings.bendMillions);
  },
};

async function bySize(bench: Bench, postings: Postings): Promise<void> {
  const { accounts, quick } = bench.settings;
  const echo = await bench.startEcho();
  const kassa = await bench.startKassa({ accounts });
  const tigerbeetle = postings === 2 ? await bench.peers.tigerbeetle?.start(bench, accounts) : undefined;
  const others = tigerbeetle === undefined ? [] : [tigerbeetle];
  await heat(bench, [echo, kassa, ...others], { connections: 8, batch: 1000, postings, accounts });
  for (const size of quick ? [{ batch: 100, connections: 2 }] : SIZES) {
    const load: Load = { ...size, postings, accounts };
    const ours = new KassaContender(bench, kassa, load);
    await bench.compare({
      name: `${size.batch} a frame, ${postings} postings`,
      unit: 'sales/s',
      base: 'echo',
      settings: { ...size, window: 1, postings, accounts },
      contenders: [
        baseline(bench, 'echo', echo, load),
        ours,
        ...others.map((server) => baseline(bench, 'tigerbeetle', server, load)),
        lmdbContender(bench, ours),
      ],
    });
  }
}

/** Whether the rate bends as the ledger grows: million after million on one server. The first, in which code is still being compiled, is heat. */
async function bend(bench: Bench, millions: number): Promise<void> {
  const { accounts, quick } = bench.settings;
  const sales = quick ? 2000 : MILLION;
  const load: Load = { batch: quick ? 100 : 8190, connections: 3, accounts, sales };
  const kassa = await bench.startKassa({ accounts });
  await generate(kassa, load, bench.settings);
  const rates: number[] = [];
  const measureOne = async () => {
    const measure = await generate(kassa, load, bench.settings);
    rates.push(measure.value);
    return measure;
  };
  const first = await measureOne();
  while (rates.length < millions - 1) await measureOne();
  const last = await measureOne();
  await bench.compare({
    name: `the last million of ${millions}`,
    unit: 'sales/s',
    base: 'first million',
    rounds: 1,
    settings: {
      batch: load.batch!,
      connections: load.connections,
      accounts,
      millions,
      median: median(rates),
    },
    contenders: [
      { name: 'first million', measure: async () => first },
      { name: 'last million', measure: async () => last },
    ],
  });
}
