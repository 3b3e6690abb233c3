import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Database } from '../src/analytics/database.js';
import { runQuery } from '../src/analytics/query/query.js';
import { wordsOf } from '../src/analytics/query/refusal.js';
import { ReportError } from '../src/analytics/report-error.js';
import { ask, type Book, openBook, SECRET, shown } from './support/analytics-sql.js';
import { HONEST } from './support/honest-sql.js';

let book: Book;
let database: Database;
beforeAll(async () => {
  book = await openBook();
  database = book.database;
});
afterAll(() => book.close());

async function answer(sql: string, limit?: number) {
  const outcome = await ask(database, sql, limit);
  if (outcome instanceof ReportError) throw new Error(`${outcome.code}: ${outcome.detail} — ${sql}`);
  return outcome;
}

async function refusal(sql: string) {
  const outcome = await ask(database, sql, 1000);
  if (!(outcome instanceof ReportError)) throw new Error(`answered: ${shown(outcome).slice(0, 200)}`);
  return outcome;
}

describe('what analysts write is answered', () => {
  it.each(HONEST)('%s', async (sql, rows) => {
    expect((await answer(sql)).rows).toEqual(rows);
  });
});

describe('an answer', () => {
  it('names its columns as the statement does, and tells their types', async () => {
    const { columns } = await answer(
      "SELECT sum(amount), countIf(side = 'debit') AS n, max(lsn)+1, p.code FROM postings AS p GROUP BY p.code",
    );
    expect(columns).toEqual([
      { name: 'sum(amount)', type: 'Int64' },
      { name: 'n', type: 'UInt64' },
      { name: 'max(lsn)+1', type: 'UInt64' },
      { name: 'code', type: 'String' },
    ]);
  });

  it('has all columns of a table but the tenant', async () => {
    const { columns } = await answer('SELECT * FROM rates');
    expect(columns.map(({ name }) => name)).toEqual(['source', 'target', 'at', 'rate', 'who', 'set_at']);
  });

  it('has whole numbers as such whatever the server quotes by itself', async () => {
    const quoting: Database = Object.create(database, {
      text: {
        value: (sql, format, params, options) =>
          database.text(sql, format, params, {
            ...options,
            settings: { output_format_json_quote_64bit_integers: 1, ...options?.settings },
          }),
      } satisfies TypedPropertyDescriptor<Database['text']>,
    });
    expect((await ask(quoting, 'SELECT toInt64(5) AS a, toUInt128(7) AS b')) as object).toMatchObject({
      rows: [[5, 7]],
    });
  });

  it("is no refusal when it is a fault of the server's own", async () => {
    const fault = new TypeError('a fault');
    const faulty: Database = Object.create(database, {
      text: {
        value: (sql, ...more) =>
          sql.includes('postings') ? Promise.reject(fault) : database.text(sql, ...more),
      } satisfies TypedPropertyDescriptor<Database['text']>,
    });
    await expect(ask(faulty, 'SELECT count() FROM postings')).rejects.toBe(fault);
  });

  it('ends at the limit, and says so', async () => {
    const all = await answer('SELECT lsn FROM postings ORDER BY lsn DESC', 3);
    expect(all).toMatchObject({ rows: [[1000], [999], [998]], truncated: true });
    expect((await answer('SELECT lsn FROM postings ORDER BY lsn LIMIT 3', 3)).truncated).toBe(false);
    expect(
      (await answer('SELECT lsn FROM postings UNION ALL SELECT lsn FROM transactions', 7)).rows,
    ).toHaveLength(7);
    expect((await answer('(SELECT lsn FROM postings)', 7)).rows).toHaveLength(7);
  });

  it('keeps the order asked for, also of many rows', async () => {
    const { rows } = await answer(
      'SELECT a.lsn * 1000 + b.lsn AS n FROM postings AS a, postings AS b ORDER BY n DESC',
      10_000,
    );
    expect(rows).toHaveLength(10_000);
    expect(rows.every(([n], i) => n === 1_001_000 - i)).toBe(true);
  });
});

describe('a request', () => {
  const run = (body: unknown, on: Database | undefined = database) =>
    runQuery({ database: on, tenant: 'mine', body, signal: new AbortController().signal });

  it.each([
    [undefined, undefined],
    [[], undefined],
    [{}, '/sql'],
    [{ sql: 1 }, '/sql'],
    [{ sql: 'SELECT 1', limit: 0 }, '/limit'],
    [{ sql: 'SELECT 1', limit: 10_001 }, '/limit'],
    [{ sql: 'SELECT 1', limit: 1.5 }, '/limit'],
    [{ sql: 'SELECT 1', limit: '1' }, '/limit'],
    [{ sql: 'SELECT 1', tenant: 'other' }, '/tenant'],
    [{ sql: 'SELECT 1', settings: {} }, '/settings'],
  ])('%j is not one', async (body, pointer) => {
    await expect(run(body)).rejects.toMatchObject({ code: 'invalid_request', pointer });
  });

  it('of more than 64 KiB is too large', async () => {
    await expect(run({ sql: `SELECT '${'x'.repeat(66_000)}'` })).rejects.toMatchObject({ code: 'too_large' });
  });

  it('on a server without a read-only user says what is missing', async () => {
    await expect(
      runQuery({
        database: undefined,
        tenant: 'mine',
        body: { sql: 'SELECT 1' },
        signal: new AbortController().signal,
      }),
    ).rejects.toMatchObject({
      code: 'not_ready',
      detail: expect.stringContaining('KASSA_ANALYTICS_SQL_URL'),
    });
  });

  it('whose caller has gone is not waited for, and counts until the engine is done', async () => {
    const gone = new AbortController();
    const long = 'SELECT sum(a.amount) FROM postings AS a, postings AS b, postings AS c';
    const first = [ask(database, long, 1, gone.signal), ask(database, long, 1, gone.signal)];
    expect(shown(await ask(database, 'SELECT 1'))).toMatch(/^overloaded 2 statements are running/);
    gone.abort();
    expect((await Promise.all(first)).map(shown)).toEqual(
      Array(2).fill('overloaded the question was taken back'),
    );
    await expect
      .poll(async () => shown(await ask(database, 'SELECT 1')), { timeout: 25_000 })
      .toContain('"rows":[[1]]');
  }, 60_000);
});

describe('limits', () => {
  it.each([
    [
      'time',
      'SELECT sum(a.amount * b.amount) FROM postings AS a, postings AS b, postings AS c, postings AS d',
      'overloaded',
      /10 s/,
    ],
    [
      'memory of a group',
      "SELECT groupArray(repeat('xy', 100000)) FROM postings AS a, postings AS b",
      'too_large',
      /1 GB/,
    ],
    [
      'memory of a sort',
      'SELECT x FROM (SELECT repeat(toString(a.lsn + b.lsn), 2000) AS x FROM postings AS a, postings AS b) ORDER BY x LIMIT 1 BY x',
      'too_large',
      /1 GB/,
    ],
    [
      'memory of an expression',
      'SELECT arraySum(arrayMap(x -> arraySum(arrayMap(y -> x * y, range(100000))), range(100000)))',
      'too_large',
      /1 GB/,
    ],
    ['the size of an answer', "SELECT repeat('x', 100000) FROM postings", 'too_large', /8 MB/],
    [
      'the size of one value',
      "SELECT repeat('x', 1000000), repeat(repeat('y', 1000), 100000)",
      'too_large',
      /8 MB/,
    ],
    ['the size of a range', 'SELECT length(range(100000000))', 'invalid_request', /range/],
    ['brackets', `SELECT ${'('.repeat(500)}1${')'.repeat(500)}`, 'invalid_request', /brackets/],
    ['signs', `SELECT ${'-'.repeat(500)} 1`, 'invalid_request', /./],
    ['signs with space', `SELECT ${'- '.repeat(500)} 1`, 'invalid_request', /brackets/],
    [
      'queries within queries',
      `SELECT * FROM ${'(SELECT * FROM '.repeat(300)} postings${')'.repeat(300)}`,
      'invalid_request',
      /brackets/,
    ],
    ['words', `SELECT ${'1,'.repeat(15_000)}1`, 'invalid_request', /words/],
    ['tables', `SELECT 1 FROM postings${' , postings'.repeat(100)}`, 'invalid_request', /64 times/],
    [
      'what WITH multiplies',
      `WITH c0 AS (SELECT lsn FROM postings), ${Array.from({ length: 20 }, (_, i) => `c${i + 1} AS (SELECT * FROM c${i} UNION ALL SELECT * FROM c${i})`).join(', ')} SELECT count() FROM c20`,
      'invalid_request',
      /64 times/,
    ],
    [
      'what WITH multiplies without a table',
      `WITH c0 AS (SELECT 1 AS x), ${Array.from({ length: 24 }, (_, i) => `c${i + 1} AS (SELECT * FROM c${i} UNION ALL SELECT * FROM c${i})`).join(', ')} SELECT count() FROM c24`,
      'invalid_request',
      /too large/,
    ],
    [
      'what aliases multiply',
      `SELECT ${Array.from({ length: 30 }, (_, i) => `${i === 0 ? '1' : `(a${i - 1}, a${i - 1})`} AS a${i}`).join(', ')}`,
      'invalid_request',
      /too big/,
    ],
  ])(
    'on %s',
    async (_, sql, code, words) => {
      expect(await refusal(sql)).toMatchObject({ code, detail: expect.stringMatching(words) });
      expect((await answer('SELECT count() FROM postings')).rows).toEqual([[1000]]);
    },
    40_000,
  );

  it('a chain of hundreds of terms is a statement like any other; one of thousands ends nothing', async () => {
    expect((await answer(`SELECT 0${' + 1'.repeat(400)}`)).rows).toEqual([[400]]);
    const long = await ask(database, `SELECT 0${' + 1'.repeat(9000)}`);
    expect(shown(long)).toMatch(/^invalid_request|"rows":\[\[9000\]\]/);
  });
});

describe('words of a refusal', () => {
  it.each([
    ['SELECT nosuch FROM postings', 'Unknown expression identifier `nosuch`'],
    ['SELECT amount AS a, code AS a FROM postings', /^Multiple expressions/],
    ['SELECT sum(amount), account FROM postings', /not under aggregate function/],
    ["SELECT toInt64('x')", /^Cannot parse string 'x' as Int64/],
    ["SELECT amount + 'x' FROM postings", /^Illegal types Int64 and String/],
    ['SELECT sum(amount FROM postings', '")" is expected, found "FROM" (at character 19)'],
    [
      'SELECT * FROM orders',
      /^there is no table "orders": there are postings, transactions, accounts, rates, sums_minute/,
    ],
    ['SELECT sleep(3)', 'the function "sleep" is not there for analysts (at character 8)'],
  ])('%s', async (sql, words) => {
    const { detail, pointer, code } = await refusal(sql);
    expect(code).toBe('invalid_request');
    expect(pointer).toBe('/sql');
    if (typeof words === 'string') expect(detail).toBe(words);
    else expect(detail).toMatch(words);
    expect(detail).not.toMatch(/__table|tenant = |LIMIT 1844|In scope|executing/);
  });

  it('leave the inside of the engine out', () => {
    expect(
      wordsOf("Bad thing 'x': while executing 'FUNCTION f(__table1.a)': While executing MergeTreeSelect"),
    ).toBe("Bad thing 'x'");
    expect(wordsOf('Odd __table2.code and __set_12. In scope SELECT 1')).toBe('Odd code and …');
    expect(wordsOf('x'.repeat(1000))).toHaveLength(301);
  });
});

describe('a statement that fails in the middle of its answer', () => {
  it('leaves nothing of it to the next one', async () => {
    const failing = `SELECT number, '${SECRET}', throwIf(number = 200000) FROM numbers(300000)`;
    const settings = { max_block_size: 1000, max_threads: 1 };
    for (let i = 0; i < 12; i++) {
      await expect(database.rows(failing, {}, { settings })).rejects.toThrow();
      const all = await Promise.all([
        database.rows('SELECT 1'),
        ask(database, 'SELECT count() FROM postings'),
        database.rows('SELECT 2'),
      ]);
      expect(all[0]).toEqual([[1]]);
      expect(shown(all[1] as ReportError)).not.toContain(SECRET);
      expect(all[2]).toEqual([[2]]);
    }
  });
});
