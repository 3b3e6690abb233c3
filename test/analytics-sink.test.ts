import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { RecordKind } from '../engine/record.js';
import { AccountLookup, type LookupSizes } from '../src/analytics/account-lookup.js';
import { BatchMaker, LIMITS } from '../src/analytics/batch-maker.js';
import { checkTables } from '../src/analytics/checks.js';
import type { Database } from '../src/analytics/database.js';
import { ROW_TABLES } from '../src/analytics/delivery.js';
import { openEmbedded } from '../src/analytics/embedded-database.js';
import type { EngineBalance } from '../src/analytics/messages.js';
import { RowEncoder } from '../src/analytics/rows.js';
import { BUCKETS, SCHEMA_VERSION, sumsSelect } from '../src/analytics/schema.js';
import { PACE } from '../src/analytics/sink.js';
import { openLogReader } from '../wal/log.js';
import { Dice } from './support/dice.js';
import { FaultyDatabase, refusedConnection } from './support/faulty-database.js';
import { accounts, move, must, until, World } from './support/ledger.js';
import { MadeLog, RandomTrade } from './support/made-log.js';
import { MadeShop } from './support/made-shop.js';
import { answerOf } from './support/one-report.js';
import { auditTables } from './support/table-audit.js';
import { temporaryDirectory } from './support/wal.js';
import { AT_ONCE, deliver, embedded, expectViews, stateOf, watchedSink } from './support/watched-sink.js';

/** The sink against the embedded engine, on logs that were made for it. */

interface Setup {
  readonly data: string;
  readonly log: MadeLog;
  readonly trade: RandomTrade;
  readonly database: Database;
}

async function setup(seed: number, timeMs?: number): Promise<Setup> {
  const data = temporaryDirectory();
  const log = new MadeLog(data, timeMs);
  return { data, log, trade: new RandomTrade(log, seed), database: await embedded(data) };
}

describe('what is delivered', () => {
  it('is the log row for row, records of every kind, and goes on where it stopped', async () => {
    const { data, log, trade, database } = await setup(1);
    trade.run(3000);
    await deliver(data, database, log.lsn);
    await auditTables(database, data);
    const kinds = await database.rows('SELECT DISTINCT kind FROM transactions ORDER BY kind');
    const all = ['expire', 'pending', 'post', 'posted', 'reversal', 'tombstone', 'void'];
    expect(kinds.flat()).toEqual(all);
    trade.run(500);
    await deliver(data, database, log.lsn - 100);
    await deliver(data, database, log.lsn);
    await auditTables(database, data);
    log.close();
  });

  it('depends on the LSN alone, whoever encodes it and wherever he begins', async () => {
    const { data, log, trade, database } = await setup(19);
    trade.run(900);
    await deliver(data, database, log.lsn);
    const reader = openLogReader({ data });
    const encode = async (from: number, to: number) => {
      const lookup = new AccountLookup(database);
      const encoder = new RowEncoder(lookup);
      const maker = new BatchMaker(reader, lookup, []);
      await maker.make(encoder, from, to, Promise.resolve(), { ...LIMITS, postings: Infinity });
      return encoder;
    };
    const whole = await encode(1, 900);
    for (const [from, to] of [
      [2, 900],
      [300, 500],
      [451, 451],
      [700, 900],
      [899, 900],
    ] as const) {
      const part = await encode(from, to);
      for (const table of ROW_TABLES) {
        const same = Buffer.compare(part[table].filled, whole[table].slice(from - 1, to)) === 0;
        expect({ table, from, to, same }).toEqual({ table, from, to, same: true });
      }
    }
    reader.close();
    log.close();
  });

  it('is the same where more accounts are used than are remembered, each in a group of its own', async () => {
    const { data, log, database } = await setup(26);
    const ids = Array.from({ length: 600 }, (_, i) => `a${i}`);
    for (const id of ids)
      log.add(RecordKind.account, { tenant: 'shop', id, currency: 'EUR', group: `g.${id}` });
    log.flush();
    const firstLsn = log.lsn + 1;
    const dice = new Dice(26);
    for (let i = 0; i < 500; i++) {
      const legs = Array.from({ length: 2 + dice.below(31) }, (_, leg) => ({
        ...{ account: dice.pick(ids), credit: leg % 2 === 1, amount: 1n },
      }));
      log.add(RecordKind.posted, { tenant: 'shop', id: `sale-${i}` }, legs);
    }
    log.flush();
    await deliver(data, database, log.lsn);
    const reader = openLogReader({ data });
    const encode = async (...sizes: [LookupSizes?]) => {
      const lookup = new AccountLookup(database, ...sizes);
      const [encoder, maker] = [new RowEncoder(lookup), new BatchMaker(reader, lookup, [])];
      await maker.make(encoder, firstLsn, log.lsn, Promise.resolve());
      return encoder.postings.filled;
    };
    const forgetful = await encode({ accounts: 128, labels: 128, wanted: 48 });
    expect(Buffer.compare(forgetful, await encode())).toBe(0);
    reader.close();
    log.close();
  });

  it('adds up to what the ledger itself says of each account', async () => {
    const world = await World.open(2);
    const session = world.as('shop', 'ann');
    await accounts(session, ['cash', 'bank', 'sales', 'vat'], { type: 'asset', group: 'riga.store1' });
    await accounts(session, ['usd'], { currency: 'USD' });
    for (let i = 0; i < 30; i++) {
      await session.transaction({
        id: `sale-${i}`,
        postings: [
          { account: 'cash', debit: 119 + i },
          { account: 'sales', credit: 100 + i },
          { account: 'vat', credit: 19, tag: 'vat19' },
        ],
      });
    }
    const hold = async (id: string, more = {}) =>
      must(
        await session.transaction({ id, debit: 'bank', credit: 'cash', amount: 50, pending: true, ...more }),
      );
    for (const id of ['whole', 'part', 'void', 'open', 'two', 'short']) await hold(id);
    await hold('expiring', { pending: { expires_in: 1 } });
    must(await session.post('whole'));
    must(await session.post('part', { amount: 20, effective_at: '2020-02-29T12:00:00.000Z' }));
    must(await session.void('void'));
    must(await session.void('never-seen'));
    const legs = [
      { account: 'bank', debit: 30 },
      { account: 'cash', credit: 30 },
    ];
    must(await session.post('two', { postings: legs }));
    must(await session.reverse('sale-3', { id: 'back-3' }));
    must(await session.reverse('part', { id: 'back-part', amount: 5 }));
    must(await session.updateAccount('vat', { group: 'riga.tax' }));
    await move(session, 'after', 'cash', 'vat', 3);
    await until('the expiry', async () => must(await session.status('expiring')).status === 'expired');
    const bodies = [];
    for (const id of ['cash', 'bank', 'sales', 'vat', 'usd']) bodies.push(must(await session.balance(id)));
    const lsn = world.ledger.stats().durableLsn;
    await world.close();

    const database = await embedded(world.data);
    await deliver(world.data, database, lsn);
    await auditTables(database, world.data);
    const sums = (from: string, amount: string, held: string) =>
      database.rows(`SELECT account, ${amount}, ${held} FROM ${from} GROUP BY account ORDER BY account`);
    const side = (of: string) => `sumIf(${of}, side = 'debit'), sumIf(${of}, side = 'credit')`;
    const expected = bodies
      .filter(({ account }) => account !== 'usd')
      .map(({ account, ...b }) => [
        account,
        ...[b.debits_posted, b.credits_posted, b.debits_pending, b.credits_pending].map(String),
      ])
      .sort(([a], [b]) => (a! < b! ? -1 : 1));
    expect(await sums('postings', side('amount'), side('held'))).toEqual(expected);
    expect(
      await sums('sums_month', 'sum(debits), sum(credits)', 'sum(debits_held), sum(credits_held)'),
    ).toEqual(expected);
    // A posting keeps the group that its account had then.
    const groups = await database.rows(
      "SELECT DISTINCT `group` FROM postings WHERE account = 'vat' ORDER BY lsn",
    );
    expect(groups.flat()).toEqual(['riga.store1', 'riga.tax']);
    const early = await database.rows(
      "SELECT kind, amount, held FROM postings WHERE effective_at = '2020-02-29 12:00:00' ORDER BY leg",
    );
    expect(early).toEqual([
      ['post', '20', '-50'],
      ['post', '20', '-50'],
    ]);
  });

  it('is cut where a month of commits ends, and lies in that partition', async () => {
    const { data, log, trade, database } = await setup(2, Date.UTC(2025, 10, 30, 23, 59, 59));
    for (const month of [10, 11, 12, 13]) {
      trade.run(100);
      log.timeMs = Math.max(log.timeMs, Date.UTC(2025, month + 1, 1) - 1);
      trade.run(50);
      log.timeMs = Math.max(log.timeMs, Date.UTC(2025, month + 1, 1));
    }
    await deliver(data, database, log.lsn);
    await auditTables(database, data);
    const months = await database.rows(
      'SELECT DISTINCT toYYYYMM(committed_at) AS month FROM postings ORDER BY month',
    );
    expect(months.length).toBeGreaterThan(3);
    const mixed = await database.rows(
      'SELECT last_lsn FROM batches, transactions WHERE lsn BETWEEN first_lsn AND last_lsn ' +
        'GROUP BY last_lsn HAVING uniq(toYYYYMM(transactions.committed_at)) > 1',
    );
    expect(mixed).toEqual([]);
    log.close();
  });

  it('is nothing beyond what is said to be durable', async () => {
    const { data, log, trade, database } = await setup(3);
    trade.run(300);
    const sink = watchedSink(data, database);
    sink.durable(100);
    expect(await sink.reached(100, 30_000)).toBe(true);
    expect(await sink.reached(101, 300)).toBe(false);
    expect(sink.cursor().lsn).toBe(100);
    const [row] = await database.rows(
      'SELECT max(lsn) FROM (SELECT lsn FROM accounts UNION ALL SELECT lsn FROM transactions)',
    );
    expect(row).toEqual(['100']);
    log.close();
  });

  it('is told of each second, with what is behind', async () => {
    const { data, log, trade, database } = await setup(4, Date.now() - 60_000);
    trade.run(400);
    const sink = watchedSink(data, database);
    sink.durable(0);
    await stateOf(sink, 'running');
    expect(sink.status()).toMatchObject({ cursor: 0, lagLsns: 0, lagSeconds: 0, rows: 0 });
    const before = sink.statuses.length;
    await until('two heartbeats', () => sink.statuses.length >= before + 2);
    sink.durable(log.lsn);
    const behind = sink.status();
    expect(behind.lagLsns).toBe(400);
    expect(behind.lagSeconds).toBeGreaterThan(50);
    expect(await sink.reached(log.lsn, 30_000)).toBe(true);
    const [postings] = await database.rows('SELECT count() FROM postings');
    expect(sink.status()).toMatchObject({
      cursor: 400,
      lagLsns: 0,
      lagSeconds: 0,
      rows: Number(postings![0]),
    });
    expect(sink.status().rowsPerSecond).toBeGreaterThan(0);
    log.close();
  });

  it('is a lone sale within about a second', async () => {
    const { data, log, database } = await setup(5);
    const shop = new MadeShop(log);
    log.flush();
    const watched = new FaultyDatabase(database);
    let begunMs = 0;
    watched.fault = (when, statement) => {
      if (when === 'before' && statement === 'INSERT INTO postings') begunMs = performance.now();
    };
    const sink = watchedSink(data, watched, { pace: PACE });
    sink.durable(log.lsn);
    await sink.reached(log.lsn, 30_000);
    // Until its insert begins, and the quickest of a few: a machine that has much else to do is not the sink's fault.
    const waited: number[] = [];
    for (let i = 0; i < 4; i++) {
      const lsn = shop.sell(5n);
      log.flush();
      const from = performance.now();
      sink.durable(lsn);
      expect(await sink.reached(lsn, 30_000)).toBe(true);
      waited.push(begunMs - from);
    }
    expect(Math.min(...waited)).toBeGreaterThan(0);
    expect(Math.min(...waited)).toBeLessThan(1500);
    log.close();
  });
});

describe('a delivery that was cut off', () => {
  it('is made whole, whichever statement was the last, carried out or not', async () => {
    const { data, log, trade, database } = await setup(6);
    trade.run(200);
    await deliver(data, database, log.lsn);
    for (const when of ['before', 'after'] as const) {
      for (const table of ['accounts', 'transactions', 'postings', 'batches', 'account_lookups']) {
        trade.run(60);
        const faulty = new FaultyDatabase(database);
        let cuts = 0;
        faulty.fault = (now, statement) => {
          // From then on this sink has no more say: it was killed.
          if (cuts > 0 || (now === when && statement.startsWith(`INSERT INTO ${table}`))) {
            cuts++;
            throw refusedConnection();
          }
        };
        const killed = watchedSink(data, faulty);
        killed.durable(log.lsn);
        await until(`the cut ${when} ${table}`, () => cuts > 0);
        await killed.close();
        await deliver(data, database, log.lsn);
      }
    }
    await auditTables(database, data);
    log.close();
  });

  it('between postings and a view is mended, whichever it is', async () => {
    const { data, log, trade, database } = await setup(7);
    trade.run(200);
    await deliver(data, database, log.lsn);
    for (const bucket of BUCKETS) {
      await database.command(`DROP VIEW sums_${bucket}_view SYNC`);
      trade.run(100);
      await deliver(data, database, log.lsn);
      await database.command(
        `CREATE MATERIALIZED VIEW sums_${bucket}_view TO sums_${bucket} AS ${sumsSelect(bucket)}`,
      );
      trade.run(100);
      await deliver(data, database, log.lsn);
      await auditTables(database, data);
    }
    log.close();
  });
});

describe('a ClickHouse that is away', () => {
  it('is asked again until it is back, and has then missed nothing', async () => {
    const { data, log, trade, database } = await setup(8);
    trade.run(200);
    const faulty = new FaultyDatabase(database);
    const sink = watchedSink(data, faulty);
    sink.durable(log.lsn);
    expect(await sink.reached(log.lsn, 30_000)).toBe(true);
    let asked: string[] = [];
    faulty.fault = (when, statement) => {
      if (when === 'before') asked.push(statement);
      throw refusedConnection();
    };
    trade.run(300);
    sink.durable(log.lsn);
    const away = await stateOf(sink, 'retrying');
    expect(away.reason).toContain('ECONNREFUSED');
    // After some failures each try is one small question.
    await until('the breaker', () => asked.filter((statement) => statement === 'SELECT 1').length > 1);
    const opened = asked.indexOf('SELECT 1');
    expect(opened).toBeLessThanOrEqual(5);
    expect(asked.slice(opened)).toEqual(asked.slice(opened).map(() => 'SELECT 1'));
    expect(sink.status()).toMatchObject({ lagLsns: 300, retries: expect.any(Number) });
    asked = [];
    faulty.fault = () => {};
    expect(await sink.reached(log.lsn, 30_000)).toBe(true);
    expect(sink.status().state).toBe('running');
    expect(sink.logged.filter((line) => line.includes('try again')).length).toBe(1);
    await auditTables(database, data);
    log.close();
  });

  it('at the start is not a reason to throw', async () => {
    const { data, log, trade, database } = await setup(9);
    trade.run(50);
    const faulty = new FaultyDatabase(database);
    faulty.fault = () => {
      throw refusedConnection();
    };
    const sink = watchedSink(data, faulty);
    sink.durable(log.lsn);
    await stateOf(sink, 'retrying');
    faulty.fault = () => {};
    expect(await sink.reached(log.lsn, 30_000)).toBe(true);
    log.close();
  });

  it('has smaller batches when its memory does not do, and all of them', async () => {
    const { data, log, trade, database } = await setup(10);
    trade.run(3000);
    const faulty = new FaultyDatabase(database);
    let tries = 0;
    faulty.fault = (when, statement) => {
      // Oftener than what may be for the content is tried.
      if (when === 'before' && statement === 'INSERT INTO postings' && ++tries <= 5)
        throw Object.assign(new Error('memory limit exceeded'), { code: '241' });
    };
    const sink = watchedSink(data, faulty, { pace: { ...AT_ONCE, postings: 50_000 } });
    sink.durable(log.lsn);
    expect(await sink.reached(log.lsn, 50_000)).toBe(true);
    await auditTables(database, data);
    const [batches] = await database.rows('SELECT count() FROM batches');
    expect(Number(batches![0])).toBeGreaterThan(1);
    log.close();
  });
});

describe('records that ClickHouse refuses', () => {
  const CASES = [
    ['postings', 'amount != 666'],
    ['transactions', "transaction != 'bad'"],
  ] as const;

  it.each(CASES)(
    'for their content, in %s, are put aside, and left out only when told',
    async (table, rule) => {
      const { data, log, database } = await setup(11);
      const shop = new MadeShop(log);
      for (let i = 1n; i < 40n; i++) shop.sell(i);
      const bad = shop.sell(666n, { id: 'bad' });
      for (let i = 1n; i < 40n; i++) shop.sell(i);
      const worse = shop.sell(666n, table === 'postings' ? {} : { id: 'bad' });
      for (let i = 1n; i < 40n; i++) shop.sell(i);
      log.flush();
      await deliver(data, database, 1);
      await database.command(`ALTER TABLE ${table} ADD CONSTRAINT rule CHECK ${rule}`);
      const sink = watchedSink(data, database);
      sink.durable(log.lsn);

      const halted = await stateOf(sink, 'halted');
      expect(halted).toMatchObject({ deadLetters: 1, reason: expect.stringContaining(`LSN ${bad}`) });
      const letter = readFileSync(`${data}/analytics/dead-letters/${bad}-${bad}.ndjson`, 'utf8')
        .trim()
        .split('\n');
      expect(letter.map((line) => JSON.parse(line))).toEqual([
        expect.objectContaining({
          refused_by: table,
          first_lsn: bad,
          reason: expect.stringContaining('rule'),
        }),
        expect.objectContaining({ lsn: bad, op: 'transaction', id: 'bad' }),
      ]);
      expect(await sink.reached(bad, 300)).toBe(false);
      // Whoever starts anew stops there too.
      await sink.close();
      const next = watchedSink(data, database);
      next.durable(log.lsn);
      await stateOf(next, 'halted');

      next.resume();
      await until('the second one', () => next.status().reason?.includes(`LSN ${worse}`));
      // The cause is gone: nothing is left out then.
      await database.command(`ALTER TABLE ${table} DROP CONSTRAINT rule`);
      next.resume();
      expect(await next.reached(log.lsn, 30_000)).toBe(true);
      const missing = await database.rows(
        `SELECT number FROM numbers(3, ${log.lsn - 2}) WHERE number NOT IN (SELECT lsn FROM ${table}) ORDER BY number`,
      );
      expect(missing).toEqual([[String(bad)]]);
      expect(await checkTables(database)).toEqual([]);
      await expectViews(database);
      await next.close();
      await deliver(data, database, log.lsn);
      log.close();
    },
  );

  it('by a view halt it, until the view takes them', async () => {
    const { data, log, database } = await setup(12);
    const shop = new MadeShop(log);
    const lsn = shop.sell(666n);
    log.flush();
    await deliver(data, database, 2);
    await database.command('ALTER TABLE sums_day ADD CONSTRAINT rule CHECK debits != 666');
    const sink = watchedSink(data, database);
    sink.durable(lsn);
    const halted = await stateOf(sink, 'halted');
    expect(halted.reason).toContain('sums_day');
    await database.command('ALTER TABLE sums_day DROP CONSTRAINT rule');
    sink.resume();
    expect(await sink.reached(lsn, 30_000)).toBe(true);
    await auditTables(database, data);
    log.close();
  });
});

describe('tables that are not what they should be', () => {
  it('of another ledger are left alone', async () => {
    const { data, log, trade, database } = await setup(13);
    trade.run(20);
    await deliver(data, database, log.lsn);
    const other = temporaryDirectory();
    const stranger = new MadeLog(other);
    new RandomTrade(stranger, 1).run(20);
    const sink = watchedSink(other, database);
    sink.durable(stranger.lsn);
    expect((await stateOf(sink, 'halted')).reason).toContain('another ledger');
    await auditTables(database, data);
    stranger.close();
    log.close();
  });

  it('of an older Kassa are brought up, with all that they hold', async () => {
    const { data, log, trade, database } = await setup(25);
    trade.run(20);
    await deliver(data, database, log.lsn);
    // As the first version left them.
    await database.command('ALTER TABLE sums_account RESET SETTING min_bytes_for_wide_part');
    await database.command(
      'ALTER TABLE schema_versions DELETE WHERE version > 1 SETTINGS mutations_sync = 2',
    );
    trade.run(20);
    await deliver(data, database, log.lsn);
    await auditTables(database, data);
    const versions = await database.rows('SELECT version FROM schema_versions ORDER BY version');
    expect(versions).toEqual(Array.from({ length: SCHEMA_VERSION }, (_, i) => [i + 1]));
    const [table] = await database.rows(
      "SELECT engine_full FROM system.tables WHERE database = currentDatabase() AND name = 'sums_account'",
    );
    expect(table![0]).toContain('min_bytes_for_wide_part');
    log.close();
  });

  it('of a newer Kassa are left alone', async () => {
    const { data, log, trade, database } = await setup(14);
    trade.run(20);
    await deliver(data, database, log.lsn);
    await database.command(
      'INSERT INTO schema_versions (version, ledger) SELECT 999, any(ledger) FROM schema_versions',
    );
    const sink = watchedSink(data, database);
    sink.durable(log.lsn);
    expect((await stateOf(sink, 'halted')).reason).toContain('newer Kassa');
    log.close();
  });

  it('that know more than the log halt the sink', async () => {
    const { data, log, trade, database } = await setup(15);
    trade.run(20);
    await deliver(data, database, log.lsn);
    const sink = watchedSink(data, database);
    sink.durable(log.lsn - 1);
    expect((await stateOf(sink, 'halted')).reason).toContain('went further');
    log.close();
  });

  it('that lost rows halt the sink, and are made anew once they are dropped', async () => {
    const { data, log, trade, database } = await setup(16);
    trade.run(100);
    await deliver(data, database, log.lsn);
    await database.command(
      'ALTER TABLE postings DELETE WHERE lsn = 60 OR lsn = 61 OR lsn = 62 SETTINGS mutations_sync = 2',
    );
    const sink = watchedSink(data, database);
    sink.durable(log.lsn);
    expect((await stateOf(sink, 'halted')).reason).toMatch(
      /does not hold what was delivered.*Drop its tables, all but rates, and resume/,
    );
    for (const [name] of await database.rows(
      "SELECT name FROM system.tables WHERE database = currentDatabase() ORDER BY engine = 'MaterializedView' DESC",
    )) {
      await database.command(`DROP TABLE ${name} SYNC`);
    }
    sink.resume();
    trade.run(1);
    sink.durable(log.lsn);
    expect(await sink.reached(log.lsn, 30_000)).toBe(true);
    await auditTables(database, data);
    log.close();
  });

  it('but are only a view are mended, whichever it is', async () => {
    const { data, log, trade, database } = await setup(17, Date.UTC(2026, 3, 30, 23, 59));
    trade.run(100);
    log.timeMs = Date.UTC(2026, 4, 1);
    trade.run(100);
    await deliver(data, database, log.lsn);
    for (const bucket of BUCKETS) {
      await database.command(`INSERT INTO sums_${bucket} SELECT * FROM sums_${bucket} WHERE month = 202604`);
      await deliver(data, database, log.lsn);
      await auditTables(database, data);
    }
    log.close();
  });

  it('are old rows that went after their days, and sums stay', async () => {
    const { data, log, trade, database } = await setup(18, Date.now() - 40 * 86_400_000);
    trade.run(200);
    log.timeMs = Date.now();
    trade.run(200);
    await deliver(data, database, log.lsn);
    const legs = 'SELECT sum(legs) FROM sums_month';
    const before = await database.rows(legs);
    const sink = watchedSink(data, database, { ttlDays: 30 });
    sink.durable(log.lsn);
    await stateOf(sink, 'running');
    await sink.close();
    for (const table of ['postings', 'transactions']) {
      await database.command(`OPTIMIZE TABLE ${table} FINAL`);
      const [row] = await database.rows(`SELECT count(), countIf(lsn <= 200) FROM ${table}`);
      expect(Number(row![0])).toBeGreaterThan(0);
      expect(row![1]).toBe('0');
    }
    expect(await database.rows(legs)).toEqual(before);
    trade.run(100);
    const again = watchedSink(data, database, { ttlDays: 30 });
    again.durable(log.lsn);
    expect(await again.reached(log.lsn, 30_000)).toBe(true);
    expect(await checkTables(database)).toEqual([]);
    await again.close();
    // What went does not come back, and is still not missed.
    await deliver(data, database, log.lsn);
    const [engine] = await database.rows(
      "SELECT engine_full FROM system.tables WHERE database = currentDatabase() AND name = 'postings'",
    );
    expect(engine![0]).not.toContain('TTL');
    await database.command(
      'ALTER TABLE postings DELETE WHERE lsn = (SELECT max(lsn) FROM postings) SETTINGS mutations_sync = 2',
    );
    expect(await checkTables(database)).not.toEqual([]);
    log.close();
  });

  it('are left as they are while the disk has no room but for the log', async () => {
    const { data, log, trade, database } = await setup(19);
    trade.run(100);
    await deliver(data, database, log.lsn);
    const before = log.lsn;
    trade.run(100);
    const full = await openEmbedded(join(data, 'analytics'), 2 ** 60);
    onTestFinished(() => full.close());
    const sink = watchedSink(data, full);
    sink.durable(log.lsn);
    await stateOf(sink, 'retrying');
    expect(sink.status()).toMatchObject({ cursor: before, reason: /are kept for the log/ });
    await sink.close();
    await deliver(data, database, log.lsn);
    await auditTables(database, data);
    log.close();
  });

  it('are not summed up by commit once some went after their days', async () => {
    const data = temporaryDirectory();
    const log = new MadeLog(data, Date.now() - 40 * 86_400_000);
    const database = await embedded(data);
    const shop = new MadeShop(log);
    shop.sell(100n);
    log.flush();
    log.timeMs = Date.now();
    shop.sell(20n);
    log.flush();
    const ask = (ttlDays: number, path: string, query: string, engine?: EngineBalance) =>
      report({ data, database, log, ttlDays }, path, query, engine);
    const balance = 'analytics/accounts/till/balance';
    expect(await ask(0, balance, 'basis=committed')).toMatchObject({ balance: 120 });
    expect(await ask(30, balance, '')).toMatchObject({ balance: 120 });
    const refused = { code: 'invalid_request', detail: /analytics-ttl-days/ };
    expect(await ask(30, balance, 'basis=committed')).toMatchObject(refused);
    // The sums of all time, without what came in later, are as good.
    const engine = { lsn: log.lsn, balance: 120n, debits_posted: 120n, credits_posted: 0n };
    expect(
      await ask(30, 'analytics/accounts/till/reconcile', '', {
        ...engine,
        ...{ debits_pending: 0n, credits_pending: 0n },
      }),
    ).toMatchObject({ equal: true, difference: 0 });
    log.close();
  });

  it('are still counted to the minute in reports once they went after their days', async () => {
    const data = temporaryDirectory();
    const log = new MadeLog(data, Date.now() - 40 * 86_400_000);
    const database = await embedded(data);
    const shop = new MadeShop(log);
    shop.sell(1200n, { effectiveAt: Date.parse('2020-01-01T10:05:00Z') });
    shop.sell(30n, { effectiveAt: Date.parse('2020-01-01T10:14:00Z') });
    shop.sell(4n, { effectiveAt: Date.parse('2020-01-01T10:14:30Z') });
    log.flush();
    log.timeMs = Date.now();
    const recent = log.timeMs - 86_400_000;
    shop.sell(50_000n, { effectiveAt: recent });
    log.flush();
    const ask = (path: string, query: string) =>
      report({ data, database, log, ttlDays: 30 }, path, query) as Promise<Record<string, unknown>>;
    await ask('analytics/balances', '');
    await database.command('OPTIMIZE TABLE postings FINAL');
    expect(await database.rows('SELECT sum(amount), count() FROM postings')).toEqual([['100000', '2']]);
    const at = async (time: string) => {
      const query = `at=${time}`;
      const { types } = (await ask('analytics/balances', query)) as {
        types: readonly { type: string; balance: number }[];
      };
      const { balance } = await ask('analytics/accounts/till/balance', query);
      const { accounts } = (await ask('analytics/accounts', `${query}&type=asset`)) as {
        accounts: readonly { balance: number }[];
      };
      const figures = [types.find(({ type }) => type === 'asset')?.balance ?? 0, balance];
      return [...figures, accounts[0]!.balance];
    };
    const thrice = (figure: number) => [figure, figure, figure];
    expect(await at('2020-01-01T10:04:59.999Z')).toEqual(thrice(0));
    expect(await at('2020-01-01T10:13:59.999Z')).toEqual(thrice(1200));
    // Within a minute there is all of it, or nothing.
    for (const time of ['10:14:00Z', '10:14:15Z', '10:14:59.999Z', '10:17:00Z']) {
      expect(await at(`2020-01-01T${time}`)).toEqual(thrice(1234));
    }
    // What is younger than the days is there to the millisecond.
    expect(await at(new Date(recent - 1).toISOString())).toEqual(thrice(1234));
    expect(await at(new Date(recent).toISOString())).toEqual(thrice(51_234));
    const sales = async (from: string, to: string) => {
      const query = `from=2020-01-01T${from}&to=2020-01-01T${to}`;
      const { totals } = await ask('analytics/profit-loss', query);
      return (totals as { revenue: number }).revenue;
    };
    // Two spans that touch have everything once.
    expect(await sales('10:00:00Z', '10:14:15Z')).toBe(1234);
    expect(await sales('10:14:15Z', '11:00:00Z')).toBe(0);
    expect(await sales('10:05:00Z', '10:14:00Z')).toBe(1200);
    expect(await sales('10:14:00Z', '11:00:00Z')).toBe(34);
    expect(await ask('analytics/status', '')).toMatchObject({
      first_effective_at: '2020-01-01T10:00:00.000Z',
      last_effective_at: new Date(recent).toISOString(),
    });
    log.close();
  });
});

interface Delivered {
  readonly data: string;
  readonly database: Database;
  readonly log: MadeLog;
  readonly ttlDays: number;
}

/** What a report answers, or why not, once all of the log has come in. */
async function report(
  { data, database, log, ttlDays }: Delivered,
  path: string,
  query: string,
  engine?: EngineBalance,
): Promise<object> {
  const sink = watchedSink(data, database, { ttlDays });
  sink.durable(log.lsn);
  await stateOf(sink, 'running');
  expect(await sink.reached(log.lsn, 30_000)).toBe(true);
  const answer = await answerOf({ database, sink, tenant: 'shop' }, path, query, engine);
  await sink.close();
  return answer.ok ? (JSON.parse(answer.body) as object) : answer.refusal;
}
