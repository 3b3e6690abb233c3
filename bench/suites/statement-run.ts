import { join } from 'node:path';
import { type Database, ONE_BLOCK, settingsClause } from '../../src/analytics/database.js';
import { openEmbedded } from '../../src/analytics/embedded-database.js';
import { migrate } from '../../src/analytics/migrate.js';
import { Reports } from '../../src/analytics/reports/reports.js';
import { Latencies, type Percentiles, percentiles } from '../load/latencies.js';

/** The steps of the benchmark of statements, each in a process of its own. Prints one JSON line. */

export type Where = 'from a moment' | 'behind a cursor' | 'newest first';

export type StatementTask =
  | { readonly do: 'fill'; readonly directory: string; readonly postings: number }
  | {
      readonly do: 'ask';
      readonly directory: string;
      readonly postings: number;
      readonly pages: number;
      readonly where: Where;
    };

export interface AskResult {
  readonly latencyMs: Percentiles;
  /** Of a page. */
  readonly cpuMs: number;
  readonly seconds: number;
}

const TENANT = 'shop';
const BEGIN_MS = Date.UTC(2025, 0, 1);
const YEAR_MS = 365 * 86_400_000;
const TILLS = 500;
/** Sales in one insert, as a sink that catches up delivers them. */
const STEP = 150_000;
const WARM_UP = 5;

/** One account that takes a year's sales of many tills. Straight into the tables: how they come there is another benchmark. */
async function fill(database: Database, postings: number): Promise<void> {
  await migrate(database, 'benchmark', 0);
  const account = (id: string, lsn: string, type: string, group: string) =>
    `SELECT '${TENANT}', ${id}, ${lsn}, '${type}', 'EUR', '${group}', NULL, NULL, false, false, '', 'bench', '', ` +
    `fromUnixTimestamp64Milli(toInt64(${BEGIN_MS}), 'UTC')`;
  await database.command(
    `INSERT INTO accounts ${account("'till:' || toString(number)", 'number + 1', 'asset', 'tills')} FROM numbers(${TILLS})`,
  );
  await database.command(`INSERT INTO accounts ${account("'sales'", `${TILLS + 1}`, 'revenue', '')}`);
  const till = `'till:' || toString(sipHash64(number) % ${TILLS})`;
  const time = `fromUnixTimestamp64Milli(toInt64(${BEGIN_MS} + intDiv(number * ${YEAR_MS}, ${postings})), 'UTC')`;
  for (let at = 0; at < postings; at += STEP) {
    await database.command(
      `INSERT INTO postings SELECT '${TENANT}', number + ${lsnOf(0)}, 0, leg, 'posted', 'sale:' || toString(number), ` +
        `if(leg = 0, ${till}, 'sales'), if(leg = 0, 'asset', 'revenue'), if(leg = 0, 'tills', ''), 'EUR', if(leg = 0, 'debit', 'credit'), ` +
        `100 + number % 5000, 0, ['sale', 'lunch', 'promo'][1 + number % 3], toString(number), '', 'bench', ${till}, ${time}, ${time}, '' ` +
        `FROM (SELECT number, arrayJoin([0, 1]) AS leg FROM numbers(${at}, ${Math.min(STEP, postings - at)}))` +
        settingsClause({ ...ONE_BLOCK, max_block_size: 2 * STEP, max_partitions_per_insert_block: 0 }),
    );
  }
}

function lsnOf(sale: number): number {
  return TILLS + 2 + sale;
}

async function ask(database: Database, task: StatementTask & { readonly do: 'ask' }): Promise<AskResult> {
  const { postings, pages, where } = task;
  const lsn = lsnOf(postings - 1);
  const reports = new Reports({
    ...{ database, sqlDatabase: undefined, zone: 'UTC' },
    sink: {
      status: () => ({
        ...{ type: 'status', state: 'running', cursor: lsn, lagLsns: 0, lagSeconds: 0, rowsPerSecond: 0 },
        ...{ rows: 0, batches: 0, retries: 0, deadLetters: 0, remakes: 0, rssBytes: 0 },
      }),
      cursor: () => ({ lsn, timeMs: BEGIN_MS + YEAR_MS }),
      reached: async () => true,
      resume: () => {},
    },
    durableLsn: () => lsn,
    onTiming: () => {},
    log: (_, message) => console.error(message),
  });
  const page = async (i: number): Promise<number> => {
    // Spread over the year, never twice the same place.
    const sale = Math.floor((((i + 1) * 0.6180339887) % 1) * (postings - 200));
    const timeMs = BEGIN_MS + Math.floor((sale * YEAR_MS) / postings);
    const key = Buffer.from(JSON.stringify([timeMs, lsnOf(sale), 0, 1])).toString('base64url');
    const query = {
      'from a moment': `from=${new Date(timeMs + 1).toISOString()}`,
      'behind a cursor': `cursor=${key}`,
      'newest first': `order=desc&to=${new Date(timeMs + 1).toISOString()}`,
    }[where];
    const begun = performance.now();
    const answer = await reports.answer(
      {
        type: 'ask',
        who: 'bench',
        id: i,
        tenant: TENANT,
        method: 'GET',
        path: 'analytics/accounts/sales/statement',
        query,
      },
      new AbortController().signal,
    );
    const ms = performance.now() - begun;
    if (!answer.ok) throw new Error(answer.refusal.detail);
    return ms;
  };
  for (let i = 0; i < WARM_UP; i++) await page(i);
  const latencies = new Latencies();
  const cpu = process.cpuUsage();
  const begun = performance.now();
  for (let i = 0; i < pages; i++) latencies.add(await page(WARM_UP + i));
  const seconds = (performance.now() - begun) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return {
    latencyMs: percentiles(latencies.histogram()),
    cpuMs: (user + system) / 1000 / pages,
    seconds,
  };
}

const task = JSON.parse(process.argv[2]!) as StatementTask;
const database = await openEmbedded(join(task.directory, 'analytics'));
const result = task.do === 'fill' ? await fill(database, task.postings) : await ask(database, task);
await database.close();
process.stdout.write(`${JSON.stringify(result ?? {})}\n`);
