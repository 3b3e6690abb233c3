import { describe, expect, it, onTestFinished } from 'vitest';
import { Delivery } from '../src/analytics/delivery.js';
import { ServerDatabase } from '../src/analytics/server-database.js';
import { mendSums } from '../src/analytics/sums.js';
import { type ClickHouseFront, startClickHouse } from './support/clickhouse-http.js';
import { until } from './support/ledger.js';
import { MadeLog, RandomTrade } from './support/made-log.js';
import { auditTables } from './support/table-audit.js';
import { temporaryDirectory } from './support/wal.js';
import { type WatchedSink, watchedSink } from './support/watched-sink.js';

/** The sink against a ClickHouse server over HTTP, which fails in every way that a server does. */

interface Setup {
  readonly data: string;
  readonly log: MadeLog;
  readonly trade: RandomTrade;
  readonly front: ClickHouseFront;
  readonly database: ServerDatabase;
  readonly sink: WatchedSink;
}

async function startFront(): Promise<ClickHouseFront> {
  const front = await startClickHouse();
  onTestFinished(() => front.stop());
  return front;
}

function setup(front: ClickHouseFront, name: string, seed: number): Setup {
  const data = temporaryDirectory();
  const log = new MadeLog(data);
  const database = new ServerDatabase(front.urlOf('kassa', 'secret word', name));
  onTestFinished(() => database.close());
  const sink = watchedSink(data, database);
  return { data, log, trade: new RandomTrade(log, seed), front, database, sink };
}

async function deliverAll({ log, sink }: Setup): Promise<void> {
  sink.durable(log.lsn);
  expect(await sink.reached(log.lsn, 60_000), JSON.stringify(sink.status())).toBe(true);
}

/** Of a first delivery: what was on its way was ended before it, and each insert can be ended in its turn. */
async function expectNamed({ database, front }: Setup): Promise<void> {
  const late =
    "SELECT * FROM batches WHERE throwIf(now64(3) > fromUnixTimestamp64Milli(1000), 'it came too late') = 0";
  await expect(database.rows(late)).rejects.toMatchObject({ code: '395' });
  const inserts = front.seen.filter(({ statement }) => /^INSERT INTO (trans|post)/.test(statement));
  for (const { statement, id } of inserts) {
    expect(id).toMatch(/^kassa-sink-books-/);
    expect(statement).toMatch(/throwIf\(now64\(3\) > fromUnixTimestamp64Milli\(\d{13}\)/);
  }
  expect(inserts.length).toBeGreaterThan(0);
  const kills = front.seen.filter(({ statement }) => statement.startsWith('KILL QUERY'));
  expect(kills.length).toBe(1);
}

describe('the sink and a server', () => {
  it('whose answers are lost, or never come: each row is there once', async () => {
    const front = await startFront();
    const ways = ['cut before', 'cut after', 'refuse', 'error'] as const;
    // Each with tables of its own: nearly all the time is spent waiting until what was cut off can do nothing any more.
    const rounds = ways.map(async (how, i) => {
      const name = `books${i}`;
      const all = setup(front, name, i + 1);
      const { log, trade, sink } = all;
      trade.run(100);
      await deliverAll(all);
      for (const table of ['accounts', 'transactions', 'postings', 'batches']) {
        trade.run(60);
        const { retries } = sink.status();
        await front.fault({ how, match: `INSERT INTO ${table}`, database: name });
        await deliverAll(all);
        expect(sink.status().retries, `${how} ${table}`).toBeGreaterThan(retries);
      }
      await auditTables(all.database, all.data);
      expect(sink.status().state).toBe('running');
      log.close();
    });
    await Promise.all(rounds);
  }, 240_000);

  it('that carries out what was given up, after it was repeated: nothing is there twice', async () => {
    const front = await startFront();
    const all = setup(front, 'books', 6);
    const { data, database, log, sink, trade } = all;
    trade.run(100);
    await deliverAll(all);
    await front.fault({ how: 'late', match: 'INSERT INTO batches' });
    trade.run(60);
    await deliverAll(all);
    expect(sink.status().retries).toBe(1);
    await auditTables(database, data);
    await sink.close();

    await database.command('TRUNCATE TABLE sums_day');
    await front.fault({ how: 'late', match: 'INSERT INTO sums_day' });
    await expect(mendSums(database, log.lsn, 0)).rejects.toMatchObject({ code: 'ECONNRESET' });
    await database.settle();
    await mendSums(database, log.lsn, 0);
    await auditTables(database, data);
    const skip = () => new Delivery(database, 'books').skip(7, 'postings', 2, 'a test');
    await front.fault({ how: 'late', match: 'INSERT INTO skipped' });
    await expect(skip()).rejects.toMatchObject({ code: 'ECONNRESET' });
    await skip();
    expect(await database.rows('SELECT first_lsn, postings FROM skipped')).toEqual([['7', '2']]);
    log.close();
  });

  it('that is killed in the middle of inserts, each of which has a name and a time after which it does not begin', async () => {
    const front = await startFront();
    const all = setup(front, 'books', 5);
    const { log, trade, sink } = all;
    trade.run(20);
    await deliverAll(all);
    await expectNamed(all);
    for (let i = 0; i < 3; i++) {
      trade.run(400);
      const seen = front.seen.length;
      sink.durable(log.lsn);
      await until(
        'an insert',
        () => front.seen.slice(seen).some(({ statement }) => /^INSERT INTO (trans|post)/.test(statement)),
        60_000,
      );
      await front.kill();
      await front.start();
      await deliverAll(all);
    }
    await auditTables(all.database, all.data);
    log.close();
  }, 240_000);
});
