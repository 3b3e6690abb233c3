import type { Bench, Suite } from '../bench.js';
import { heat, KassaContender } from '../contenders.js';
import { DISTRIBUTIONS } from '../load/accounts.js';
import type { KassaServer } from '../peers/kassa.js';

/** Which accounts the sales take, and how many there are. */

const LOAD = { connections: 50, window: 100 };
const SIZES = [10_000, 1_000_000];
const FULL_SIZES = [...SIZES, 10_000_000];

export const accounts: Suite = {
  name: 'accounts',
  about: 'uniform, Zipf and one hot account; 10 thousand, 1 million and (--full) 10 million accounts',

  async run(bench) {
    const { quick, full } = bench.settings;
    const sizes = quick ? [100, 1000] : full ? FULL_SIZES : SIZES;
    const load = quick ? { connections: 4, window: 20 } : LOAD;
    const servers: KassaServer[] = [];
    for (const size of sizes) {
      const server = await bench.startKassa({ accounts: size });
      await heat(bench, [server], { ...load, accounts: size });
      servers.push(server);
    }
    await byDistribution(bench, servers[0]!, { ...load, accounts: sizes[0]! });
    await bench.compare({
      name: 'by number of accounts',
      unit: 'sales/s',
      base: count(sizes[0]!),
      settings: load,
      contenders: sizes.map(
        (size, i) => new KassaContender(bench, servers[i]!, { ...load, accounts: size }, count(size)),
      ),
    });
  },
};

async function byDistribution(
  bench: Bench,
  server: KassaServer,
  load: { readonly connections: number; readonly window: number; readonly accounts: number },
): Promise<void> {
  await bench.compare({
    name: 'by distribution',
    unit: 'sales/s',
    base: 'uniform',
    settings: load,
    contenders: DISTRIBUTIONS.map(
      (distribution) => new KassaContender(bench, server, { ...load, distribution }, distribution),
    ),
  });
}

function count(accounts: number): string {
  return `${accounts} accounts`;
}
