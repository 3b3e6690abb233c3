import type { Contender, Suite } from '../bench.js';
import { runNode, type Server } from '../process.js';
import type { Measure } from '../report/result.js';
import type { HttpLoadOptions, HttpLoadResult } from './http-load.js';

/** Shops and back offices over HTTP: balances and single sales, by autocannon, which never pipelines here. */

const RUN = new URL('./http-load.js', import.meta.url);
const CASES = ['balances', 'posts'] as const;
const CONNECTIONS = 200;
/** autocannon takes more than a processor for what the bare handler answers with half of one: 35 k/s with one process, 57 k/s with two. */
const PROCESSES = 2;

export const http: Suite = {
  name: 'http',
  about: 'balance reads and transaction posts over HTTP, beside a bare uWebSockets.js handler',

  async run(bench) {
    const { accounts, quick, warmupS, seconds, heatS } = bench.settings;
    const echo = await bench.startEcho();
    const kassa = await bench.startKassa({ accounts });
    const connections = quick ? 4 : CONNECTIONS;
    let run = 0;
    const load = async (server: Server, what: (typeof CASES)[number], forS: number): Promise<Measure> => {
      const results = await Promise.all(
        Array.from({ length: PROCESSES }, () => {
          const options: HttpLoadOptions = {
            port: server.port,
            what,
            connections: connections / PROCESSES,
            accounts,
            warmupS,
            seconds: forS,
            run: `h${(run++).toString(36).padStart(3, '0')}`,
            serverPids: server.pids,
          };
          return runNode<HttpLoadResult>(RUN, options);
        }),
      );
      return combined(results);
    };
    const contender = (name: string, server: Server, what: (typeof CASES)[number]): Contender => ({
      name,
      isBaseline: server === echo,
      measure: () => load(server, what, seconds),
    });
    for (const what of CASES) {
      if (heatS > 0) for (const server of [echo, kassa]) await load(server, what, heatS);
      await bench.compare({
        name: `${what}, ${connections} connections`,
        unit: 'requests/s',
        base: 'bare handler',
        settings: { connections, accounts },
        contenders: [contender('bare handler', echo, what), contender('kassa', kassa, what)],
      });
    }
  },
};

/** What processes that ran at a time measured together; of latencies those of the slower one. */
function combined(results: readonly HttpLoadResult[]): Measure {
  const sum = (of: (result: HttpLoadResult) => number) => results.reduce((total, one) => total + of(one), 0);
  return {
    value: sum(({ rate }) => rate),
    refused: sum(({ refused }) => refused),
    latencyMs: results.map(({ latencyMs }) => latencyMs).reduce((a, b) => (a.p99 > b.p99 ? a : b)),
    clientCores: sum(({ clientCores }) => clientCores),
    serverCores: Math.max(...results.map(({ serverCores }) => serverCores)),
  };
}
