import { runNode, type Server } from '../process.js';
import type { Measure } from '../report/result.js';
import type { Settings } from '../settings.js';
import { merged, percentiles } from './latencies.js';
import type { LoadOptions, LoadResult } from './load.js';

/** What is to be sent; what is left out is a plain sale of two postings over WebSocket, closed loop. */
export type Load = Pick<LoadOptions, 'connections' | 'accounts'> &
  Partial<
    Pick<
      LoadOptions,
      'dialect' | 'window' | 'rate' | 'batch' | 'postings' | 'tags' | 'distribution' | 'sales'
    >
  >;

const LOAD = new URL('./load.js', import.meta.url);
const RUNS_MAX = 36 ** 3;
/** An open loop is measured so many times as long: its tail needs more sales than its rate gives. */
const OPEN_TIMES = 2;
let runs = 0;

/** Ids of different runs differ. */
function nextRun(): string {
  if (runs === RUNS_MAX) throw new Error(`more than ${RUNS_MAX} runs`);
  return `r${(runs++).toString(36).padStart(3, '0')}`;
}

/** Puts a server under load for the time of the settings. */
export async function generate(
  server: Server,
  load: Load,
  settings: Pick<Settings, 'seconds' | 'warmupS' | 'loadProcesses'>,
): Promise<Measure> {
  const processes = Math.max(1, Math.min(settings.loadProcesses, load.connections));
  const run = nextRun();
  const share = (total: number, i: number) =>
    Math.floor((total * (i + 1)) / processes) - Math.floor((total * i) / processes);
  const results = await Promise.all(
    Array.from({ length: processes }, (_, i) => {
      const options: LoadOptions = {
        dialect: 'websocket',
        window: 1,
        batch: 0,
        postings: 2,
        tags: 0,
        distribution: 'uniform',
        warmupS: settings.warmupS,
        seconds: settings.seconds * (load.rate === undefined ? 1 : OPEN_TIMES),
        ...load,
        port: server.port,
        serverPids: server.pids,
        connections: share(load.connections, i),
        rate: (load.rate ?? 0) / processes,
        sales: Math.ceil((load.sales ?? 0) / processes),
        run,
        firstConnection: Math.floor((load.connections * i) / processes),
      };
      return runNode<LoadResult>(LOAD, options);
    }),
  );
  const sum = (of: (result: LoadResult) => number) => results.reduce((all, result) => all + of(result), 0);
  const serverCores = results.map((result) => result.serverCpuS / result.seconds);
  return {
    value: sum((result) => result.rate),
    latencyMs: percentiles(merged(results.map((result) => result.histogram))),
    clientCores: sum((result) => result.clientCpuS / result.seconds),
    serverCores: serverCores.reduce((all, cores) => all + cores, 0) / serverCores.length,
    refused: sum((result) => result.refused + result.unanswered),
  };
}
