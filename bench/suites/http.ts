import type { Contender, Suite } from '../bench.js';
import { runNode, type Server } from '../process.js';
import type { HttpLoadOptions, HttpLoadResult } from './http-load.js';

/** Shops and back offices over HTTP: balances and single sales, by autocannon, which never pipelines here. */

const RUN = new URL('./http-load.js', import.meta.url);
const CASES = ['balances', 'posts'] as const;
const CONNECTIONS = 200;

export const http: Suite = {
  name: 'http',
  about: 'balance reads and transaction posts over HTTP, beside a bare uWebSockets.js handler',

  async run(bench) {
    const { accounts, quick, warmupS, seconds } = bench.settings;
    const echo = await bench.startEcho();
    const kassa = await bench.startKassa({ accounts });
    const connections = quick ? 4 : CONNECTIONS;
    let run = 0;
    const contender = (name: string, server: Server, what: (typeof CASES)[number]): Contender => ({
      name,
      isBaseline: server === echo,
      measure: async () => {
        const options: HttpLoadOptions = {
          port: server.port,
          what,
          connections,
          accounts,
          warmupS,
          seconds,
          run: `h${(run++).toString(36).padStart(3, '0')}`,
          serverPids: server.pids,
        };
        const { rate, ...rest } = await runNode<HttpLoadResult>(RUN, options);
        return { value: rate, ...rest };
      },
    });
    for (const what of CASES) {
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
