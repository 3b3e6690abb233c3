import { describe, expect, it, onTestFinished } from 'vitest';
import { Delivery } from '../src/analytics/delivery.js';
import { ServerDatabase } from '../src/analytics/server-database.js';
import { mendSums } from '../src/analytics/sums.js';
import { type ClickHouseFront, startClickHouse } from './support/clickhouse-http.js';
import { until } from './support/ledger.js';
import { MadeLog, RandomTrade } from './support/made-log.js';
import { temporaryDirectory } from './support/wal.js';
import { expectTablesOf, type WatchedSink, watchedSink } from './support/watched-sink.js';

/** The sink against a ClickHouse server over HTTP, which fails in every way that a server does. */

interface Setup {
  readonly data: string;
  readonly log: MadeLog;
  readonly trade: RandomTrade;
  readonly front: ClickHouseFront;
  readonly database: ServerDatabase;
  readonly sink: WatchedSink;
}

async function setup(seed: number): Promise<Setup> {
  const data = temporaryDirectory();
  const log = new MadeLog(data);
  const front = await startClickHouse();
  onTestFinished(() => front.stop());
  const database = new ServerDatabase(front.urlOf('kassa', 'secret word', 'books'));
  onTestFinished(() => database.close());
  const sink = watchedSink(data, database);
  return { data, log, trade: new RandomTrade(log, seed), front, database, sink };
}

async function deliverAll({ log, sink }: Setup): Promise<void> {
  sink.durable(log.lsn);
  expect(await sink.reached(log.lsn, 60_000), JSON.stringify(sink.status())).toBe(true);
}

describe('the sink and a server', () => {
  it('whose answers are lost, or never come: each row is there once', async () => {
    const all = await setup(1);
    const { log, trade, front, sink } = all;
    trade.run(100);
    await deliverAll(all);
    for (const how of ['cut before', 'cut after', 'refuse', 'error'] as const) {
      for (const table of ['accounts', 'transactions', 'postings', 'batches']) {
        trade.run(60);
        const { retries } = sink.status();
        await front.fault({ how, match: `INSERT INTO ${table}` });
        await deliverAll(all);
        expect(sink.status().retries, `${how} ${table}`).toBeGreaterThan(retries);
      }
    }
    await expectTablesOf(all.database, all.data);
    expect(sink.status().state).toBe('running');
    log.close();
  }, 240_000);

  it('that carries out what was given up, after it was repeated: nothing is there twice', async () => {
    const all = await setup(4);
    const { data, database, front, log, sink, trade } = all;
    trade.run(100);
    await deliverAll(all);
    await front.fault({ how: 'late', match: 'INSERT INTO batches' });
    trade.run(60);
    await deliverAll(all);
    expect(sink.status().retries).toBe(1);
    await expectTablesOf(database, data);
    await sink.close();

    await database.command('TRUNCATE TABLE sums_day');
    await front.fault({ how: 'late', match: 'INSERT INTO sums_day' });
    await expect(mendSums(database, log.lsn, 0)).rejects.toMatchObject({ code: 'ECONNRESET' });
    await database.settle();
    await mendSums(database, log.lsn, 0);
    await expectTablesOf(database, data);
    const skip = () => new Delivery(database, 'books').skip(7, 'postings', 2, 'a test');
    await front.fault({ how: 'late', match: 'INSERT INTO skipped' });
    await expect(skip()).rejects.toMatchObject({ code: 'ECONNRESET' });
    await skip();
    expect(await database.rows('SELECT first_lsn, postings FROM skipped')).toEqual([['7', '2']]);
    log.close();
  });

  it('that is killed and started again in the middle of it', async () => {
    const all = await setup(2);
    const { log, trade, front, sink } = all;
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
    await expectTablesOf(all.database, all.data);
    log.close();
  }, 240_000);

  it('names each insert, and gives it a time after which it does not begin', async () => {
    const { database, front, log, trade, sink } = await setup(3);
    trade.run(20);
    sink.durable(log.lsn);
    await sink.reached(log.lsn, 60_000);
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
    log.close();
  });
});
