import autocannon from 'autocannon';
import { cpuSeconds } from '../cpu.js';
import { type AccountSet, accountChooser, accountIds, accountsPerSide } from '../load/accounts.js';
import type { Percentiles } from '../load/latencies.js';
import { AMOUNT } from '../load/template.js';

/** The load generator of HTTP, a process of its own: autocannon, without pipelining (uWebSockets.js closes pipelined connections). Prints one JSON line. */

export interface HttpLoadOptions {
  readonly port: number;
  readonly what: 'balances' | 'posts';
  readonly connections: number;
  readonly accounts: number;
  readonly warmupS: number;
  readonly seconds: number;
  readonly run: string;
  readonly serverPids: readonly number[];
}

export interface HttpLoadResult {
  readonly rate: number;
  /** Answers other than 2xx, and errors. */
  readonly refused: number;
  readonly latencyMs: Percentiles;
  readonly clientCores: number;
  readonly serverCores: number;
}

const options = JSON.parse(process.argv[2]!) as HttpLoadOptions;
const set: AccountSet = { accounts: options.accounts, tags: 0 };
const ids = [...accountIds(set)];
const choose = accountChooser('uniform', accountsPerSide(set), 1);
let sales = 0;

/** Sets path or body of the next request. */
function next(request: autocannon.Request): autocannon.Request {
  const debit = ids[choose(false) * 2]!;
  if (options.what === 'balances') return { ...request, path: `/v1/accounts/${debit}/balance` };
  const credit = ids[choose(true) * 2 + 1]!;
  const id = `${options.run}${String(sales++).padStart(12, '0')}`;
  return { ...request, body: `{"id":"${id}","debit":"${debit}","credit":"${credit}","amount":${AMOUNT}}` };
}

function run(seconds: number): Promise<autocannon.Result> {
  return autocannon({
    url: `http://127.0.0.1:${options.port}`,
    connections: options.connections,
    duration: seconds,
    // Shorter than its second, so that short runs are counted too.
    sampleInt: 100,
    requests: [
      {
        method: options.what === 'balances' ? 'GET' : 'POST',
        path: '/v1/transactions',
        headers: { 'content-type': 'application/json' },
        setupRequest: next,
      },
    ],
  });
}

await run(options.warmupS);
const cpu = process.cpuUsage();
const serverCpuS = cpuSeconds(options.serverPids);
const begun = performance.now();
let measured: autocannon.Result;
// Without any request there is no rate. A server that answers none ends the load by its errors.
do measured = await run(options.seconds);
while (measured.requests.total === 0 && measured.errors === 0);
const { requests, latency, non2xx, errors } = measured;
const seconds = (performance.now() - begun) / 1000;
const { user, system } = process.cpuUsage(cpu);
const result: HttpLoadResult = {
  rate: requests.total / seconds,
  refused: non2xx + errors,
  latencyMs: { p50: latency.p50, p99: latency.p99, p999: latency.p99_9, max: latency.max },
  clientCores: (user + system) / 1e6 / seconds,
  serverCores: (cpuSeconds(options.serverPids) - serverCpuS) / seconds,
};
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
