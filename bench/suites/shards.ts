import type { Suite } from '../bench.js';
import { heat, KassaContender } from '../contenders.js';

/** What it costs when sales cross shards, and what tags give back. */

const LOAD = { connections: 50, window: 100 };
const SHARDS = [1, 2, 4];
const QUICK_SHARDS = [1, 4];
const TAGS = 50;

export const shards: Suite = {
  name: 'shards',
  about: '1, 2 and 4 shards; ids without tags, whose sales cross shards, and with',

  async run(bench) {
    const { accounts, quick } = bench.settings;
    const load = quick ? { connections: 4, window: 20 } : LOAD;
    for (const tags of [0, TAGS]) {
      const contenders: KassaContender[] = [];
      for (const count of quick ? QUICK_SHARDS : SHARDS) {
        const server = await bench.startKassa({ accounts, tags, shards: count });
        await heat(bench, [server], { ...load, accounts, tags });
        contenders.push(new KassaContender(bench, server, { ...load, accounts, tags }, shardCount(count)));
      }
      await bench.compare({
        name: tags === 0 ? 'untagged ids' : 'tagged ids',
        unit: 'sales/s',
        base: shardCount(1),
        settings: { ...load, accounts, tags },
        contenders,
      });
      await bench.stopServers();
    }
  },
};

function shardCount(count: number): string {
  return `${count} ${count === 1 ? 'shard' : 'shards'}`;
}
