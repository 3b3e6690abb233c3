import { setPriority } from 'node:os';
import { join } from 'node:path';
import { AccountLookup } from '../../src/analytics/account-lookup.js';
import { BatchMaker } from '../../src/analytics/batch-maker.js';
import { openEmbedded } from '../../src/analytics/embedded-database.js';
import { RowEncoder } from '../../src/analytics/rows.js';
import { startSink } from '../../src/analytics/sink.js';
import { openLogReader } from '../../wal/log.js';
import { fillLog, type LogSize } from '../log-filler.js';

/** The steps of the benchmark of analytics, each in a process of its own. Prints one JSON line. */

export type SinkTask =
  | ({ readonly do: 'fill'; readonly data: string } & LogSize)
  | { readonly do: 'rows' | 'deliver'; readonly data: string; readonly engine: string; readonly lsn: number };

export interface SinkResult {
  readonly postings: number;
  readonly seconds: number;
  readonly cpuS: number;
  readonly peakMB: number;
}

const LOWEST_PRIORITY = 19;
const DEADLINE_MS = 600_000;
const task = JSON.parse(process.argv[2]!) as SinkTask;

/** Time, CPU time and the most memory from now on. */
class Watch {
  private readonly begun = performance.now();
  private readonly cpu = process.cpuUsage();

  result(postings: number): SinkResult {
    const { user, system } = process.cpuUsage(this.cpu);
    return {
      postings,
      seconds: (performance.now() - this.begun) / 1000,
      cpuS: (user + system) / 1e6,
      peakMB: process.resourceUsage().maxRSS / 1000,
    };
  }
}

/** What Node.js does, without ClickHouse. The log begins with its accounts, so none is asked for. */
async function rows(data: string, lsn: number): Promise<SinkResult> {
  const reader = openLogReader({ data });
  const lookup = new AccountLookup(undefined as never);
  const encoder = new RowEncoder(lookup);
  const maker = new BatchMaker(reader, lookup, []);
  const watch = new Watch();
  let postings = 0;
  for (let next = 1; next <= lsn; next = encoder.lastLsn + 1) {
    await maker.make(encoder, next, lsn, Promise.resolve());
    postings += encoder.postings.rows;
  }
  return watch.result(postings);
}

/** From an engine that holds nothing to one that holds all. The clock starts when the engine is open. */
async function deliver(data: string, engine: string, lsn: number): Promise<SinkResult> {
  setPriority(LOWEST_PRIORITY);
  const database = await openEmbedded(join(engine, 'analytics'));
  const watch = new Watch();
  const sink = startSink({
    data,
    database,
    ttlDays: 0,
    mayRemake: false,
    onStatus: () => {},
    log: console.error,
  });
  sink.durable(lsn);
  const isReached = await sink.reached(lsn, DEADLINE_MS);
  const result = watch.result(sink.status().rows);
  await sink.close();
  await database.close();
  if (!isReached) throw new Error(`not delivered in time: ${JSON.stringify(sink.status())}`);
  return result;
}

if (task.do === 'fill') fillLog(task.data, task);
const nothing: SinkResult = { postings: 0, seconds: 0, cpuS: 0, peakMB: 0 };
const result =
  task.do === 'fill'
    ? nothing
    : await (task.do === 'rows' ? rows(task.data, task.lsn) : deliver(task.data, task.engine, task.lsn));
process.stdout.write(`${JSON.stringify(result)}\n`);
