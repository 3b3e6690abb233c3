import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import type { Database } from '../../src/analytics/database.js';
import { openEmbedded } from '../../src/analytics/embedded-database.js';
import type { SinkStatus } from '../../src/analytics/messages.js';
import { BUCKETS } from '../../src/analytics/schema.js';
import { PACE, type Pace, type Sink, startSink } from '../../src/analytics/sink.js';
import { until } from './ledger.js';
import { viewAgainstPostings } from './table-audit.js';

/** The sink against the embedded engine, in this process. */

/** The engine under a data directory; closed when the test is over. One at a time. */
export async function embedded(data: string): Promise<Database> {
  const database = await openEmbedded(join(data, 'analytics'));
  onTestFinished(() => database.close());
  return database;
}

export interface WatchedSink extends Sink {
  /** All that was told. */
  readonly statuses: SinkStatus[];
  readonly logged: string[];
}

/** Without pauses, which are only waited for where the pace is what is tested. */
export const AT_ONCE: Pace = { ...PACE, busyMs: 0, quietMs: 0 };

/** A sink that is closed when the test is over. */
export function watchedSink(
  data: string,
  database: Database,
  { ttlDays = 0, mayRemake = false, pace = AT_ONCE } = {},
): WatchedSink {
  const statuses: SinkStatus[] = [];
  const logged: string[] = [];
  const sink = startSink({
    data,
    database,
    ttlDays,
    mayRemake,
    pace,
    onStatus: (status) => statuses.push(status),
    log: (level, message) => logged.push(`${level}: ${message}`),
  });
  onTestFinished(() => sink.close());
  return Object.assign(sink, { statuses, logged });
}

/** Delivers up to an LSN with a sink of its own. */
export async function deliver(data: string, database: Database, lsn: number): Promise<void> {
  const sink = watchedSink(data, database);
  sink.durable(lsn);
  const isReached = await sink.reached(lsn, 60_000);
  expect(isReached, JSON.stringify(sink.status())).toBe(true);
  await sink.close();
}

/** Waits until the sink is in a state. */
export async function stateOf(sink: WatchedSink, state: SinkStatus['state']): Promise<SinkStatus> {
  return until(`the sink is ${state}: ${JSON.stringify(sink.status())}`, () => {
    const status = sink.status();
    return status.state === state ? status : undefined;
  });
}

/** Fails unless each view gives what its own question gives when asked of `postings` now. */
export async function expectViews(database: Database): Promise<void> {
  for (const bucket of BUCKETS) {
    const { more, less } = await viewAgainstPostings(database, bucket);
    expect({ bucket, more, less }).toEqual({ bucket, more: 0, less: 0 });
  }
}
