import type { Suite } from '../bench.js';
import { baseline, heat, KassaContender, lmdbContender } from '../contenders.js';

/** Connections that have many sales under way, one a frame: gateways of a shop, queues that empty. */

const CONNECTIONS = 50;
const WINDOWS = [20, 100];

export const pipelined: Suite = {
  name: 'pipelined',
  hasPeers: true,
  about: 'one sale a frame, 50 connections with 20 and 100 under way each, beside echo and LMDB',

  async run(bench) {
    const { accounts, quick } = bench.settings;
    const connections = quick ? 4 : CONNECTIONS;
    const echo = await bench.startEcho();
    const kassa = await bench.startKassa({ accounts });
    const tigerbeetle = await bench.peers.tigerbeetle?.start(bench, accounts);
    const others = tigerbeetle === undefined ? [] : [tigerbeetle];
    await heat(bench, [echo, kassa, ...others], { connections, window: quick ? 20 : 100, accounts });
    for (const window of quick ? [20] : WINDOWS) {
      const load = { connections, window, accounts };
      const ours = new KassaContender(bench, kassa, load);
      await bench.compare({
        name: `${connections} × ${window}`,
        unit: 'sales/s',
        base: 'echo',
        settings: load,
        contenders: [
          baseline(bench, 'echo', echo, load),
          ours,
          ...others.map((server) => baseline(bench, 'tigerbeetle', server, load)),
          lmdbContender(bench, ours),
        ],
      });
    }
  },
};
