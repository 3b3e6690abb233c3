import { setTimeout } from 'node:timers/promises';
import { openLedger } from '../../src/ledger.js';
import type { Session } from '../../src/session.js';
import { commitShape } from '../commit-shape.js';
import { type AccountSet, accountChooser, accountIds, accountsPerSide } from '../load/accounts.js';
import { Latencies, type Percentiles, percentiles } from '../load/latencies.js';
import { AMOUNT } from '../load/template.js';
import { accountBody } from '../peers/kassa.js';

/** A process that opens a ledger and has many callers await one sale each, over and over. Prints one JSON line. */

export interface InprocOptions {
  readonly data: string;
  readonly accounts: number;
  readonly callers: number;
  readonly warmupS: number;
  readonly seconds: number;
  readonly seed: number;
}

export interface InprocResult {
  readonly rate: number;
  readonly refused: number;
  readonly seconds: number;
  readonly cpuS: number;
  readonly latencyMs: Percentiles;
  readonly salesPerCommit: number;
  readonly logBytesPerCommit: number;
}

const ACCOUNTS_TOGETHER = 8192;

const options = JSON.parse(process.argv[2]!) as InprocOptions;
const set: AccountSet = { accounts: options.accounts, tags: 0 };
const ledger = await openLedger({ data: options.data });
const session = ledger.as({ tenant: 'dev', by: 'bench' });
await createAccounts(session);

const latencies = new Latencies();
const ids = [...accountIds(set)];
const choose = accountChooser('uniform', accountsPerSide(set), options.seed);
let sales = 0;
let refused = 0;
let isRunning = true;

/** The ids lie in pairs: debited, credited. */
async function call(caller: number): Promise<void> {
  const prefix = `r000${caller.toString(36).padStart(4, '0')}`;
  for (let n = 0; isRunning; n++) {
    const begun = performance.now();
    const outcome = await session.transaction({
      id: prefix + String(n).padStart(8, '0'),
      debit: ids[choose(false) * 2]!,
      credit: ids[choose(true) * 2 + 1]!,
      amount: AMOUNT,
    });
    latencies.add(performance.now() - begun);
    if (!outcome.ok) refused++;
    sales++;
  }
}

const callers = Array.from({ length: options.callers }, (_, caller) => call(caller));
await setTimeout(options.warmupS * 1000);
latencies.clear();
const from = { sales, refused, ...ledger.stats(), cpu: process.cpuUsage(), at: performance.now() };
// Without any sale there is no rate.
do await setTimeout(options.seconds * 1000);
while (sales === from.sales);
const cpu = process.cpuUsage(from.cpu);
const seconds = (performance.now() - from.at) / 1000;
const to = { sales, refused, ...ledger.stats() };
isRunning = false;
await Promise.all(callers);
await ledger.close();
const shape = commitShape(options.data, from.durableLsn + 1);
const result: InprocResult = {
  rate: (to.sales - from.sales) / seconds,
  refused: to.refused - from.refused,
  seconds,
  cpuS: (cpu.user + cpu.system) / 1e6,
  latencyMs: percentiles(latencies.histogram()),
  salesPerCommit: shape.sales,
  logBytesPerCommit: shape.bytes,
};
process.stdout.write(`${JSON.stringify(result)}\n`);

async function createAccounts(to: Session): Promise<void> {
  const all = [...accountIds(set)].map(accountBody);
  for (let at = 0; at < all.length; at += ACCOUNTS_TOGETHER) {
    const body = { accounts: all.slice(at, at + ACCOUNTS_TOGETHER) } as Parameters<
      Session['createAccounts']
    >[0];
    const outcome = await to.createAccounts(body);
    if (!outcome.ok) throw new Error(`accounts were not created: ${outcome.code}`);
  }
}
