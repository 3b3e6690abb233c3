import { setTimeout } from 'node:timers/promises';
import type { Bench, Contender, Suite } from '../bench.js';
import { heat, KassaContender } from '../contenders.js';
import { generate, type Load } from '../load/generate.js';
import { type KassaServer, startKassa } from '../peers/kassa.js';

/** What tills notice of analytics, and how fast a sink that was away catches up. ClickHouse is the embedded one. */

const CONNECTIONS = 1000;
const RATE = 20_000;
/** Sold while ClickHouse is away, a thousand a frame: what matters is that they are in the log. */
const BEHIND = 1_000_000;
const BATCH = 1000;
/** Tills that go on selling while the sink catches up. */
const CATCH_UP_RATE = 5000;
const CATCH_UP_ROUNDS = 3;
const POLL_MS = 20;
const WAIT_MS = 120_000;

export const analytics: Suite = {
  name: 'analytics',
  about: 'what tills notice of analytics, and how fast a sink that was away catches up',

  async run(bench) {
    await besideTills(bench);
    await catchUp(bench);
  },
};

async function besideTills(bench: Bench): Promise<void> {
  const { accounts, quick } = bench.settings;
  const load: Load = { connections: quick ? 8 : CONNECTIONS, rate: quick ? 500 : RATE, accounts };
  const off = await bench.startKassa({ accounts });
  const on = await bench.startKassa({ accounts, analytics: 'embedded' });
  await heat(bench, [off, on], { connections: 50, window: 100, accounts });
  await delivered(on);
  const withAnalytics = new KassaContender(bench, on, load);
  await bench.compare({
    name: `open loop ${load.rate}/s`,
    unit: 'sales/s',
    base: 'analytics off',
    settings: { ...load },
    contenders: [
      new KassaContender(bench, off, load, 'analytics off'),
      {
        name: withAnalytics.name,
        measure: async () => {
          const measure = await withAnalytics.measure();
          // What is under way would disturb the other one's round.
          await delivered(on);
          return measure;
        },
      },
    ],
  });
  await off.stop();
  await on.stop();
}

async function catchUp(bench: Bench): Promise<void> {
  const { accounts, quick, rounds } = bench.settings;
  const behind = quick ? 5000 : BEHIND;
  const tills: Load = { connections: quick ? 4 : 200, rate: quick ? 200 : CATCH_UP_RATE, accounts };
  const contender: Contender = {
    name: 'kassa',
    measure: async () => {
      const options = { accounts, tags: 0, shards: 1, data: bench.place.directory('analytics') };
      const away = bench.keep(await startKassa(options));
      const load: Load = { connections: 10, batch: BATCH, window: 2, accounts, sales: behind };
      await generate(away, load, { ...bench.settings, warmupS: 0, seconds: Number.MAX_SAFE_INTEGER });
      const { lsn } = await away.counters();
      await away.stop();
      const back = bench.keep(await startKassa({ ...options, analytics: 'embedded' }));
      const [postingsPerS, measure] = await Promise.all([
        rateUpTo(back, lsn),
        generate(back, tills, bench.settings),
      ]);
      await back.stop();
      bench.place.remove(options.data);
      return { ...measure, value: postingsPerS };
    },
  };
  await bench.compare({
    name: `catch-up of ${behind} sales, tills at ${tills.rate}/s`,
    unit: 'postings/s',
    settings: { behind, ...tills },
    rounds: Math.min(CATCH_UP_ROUNDS, rounds),
    contenders: [contender],
  });
}

/** Postings a second, from when none was delivered up to this LSN; told once a second. */
async function rateUpTo(server: KassaServer, lsn: number): Promise<number> {
  const end = performance.now() + WAIT_MS;
  let began = performance.now();
  while (performance.now() < end) {
    const figure = await server.figures();
    const rows = figure('kassa_analytics_rows_total');
    const now = performance.now();
    if (rows === 0) began = now;
    if (figure('kassa_analytics_cursor') >= lsn) return (rows / (now - began)) * 1000;
    await setTimeout(POLL_MS);
  }
  throw new Error(`the sink did not catch up in ${WAIT_MS / 1000} s`);
}

/** Resolves when all that is durable is in ClickHouse. */
async function delivered(server: KassaServer): Promise<void> {
  const end = performance.now() + WAIT_MS;
  while ((await server.figures())('kassa_analytics_lag_lsns') > 0) {
    if (performance.now() > end) throw new Error(`the sink is still behind after ${WAIT_MS / 1000} s`);
    await setTimeout(POLL_MS);
  }
}
