import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runQuery } from '../src/analytics/query/query.js';
import { ServerDatabase } from '../src/analytics/server-database.js';
import { fill, SECRET } from './support/analytics-sql.js';
import { type ClickHouseFront, startClickHouse } from './support/clickhouse-http.js';

const DATABASE = `kassa_test_${randomBytes(4).toString('hex')}`;
/** A real server, where there is one: the same tests, and none of the faults. */
const REAL = process.env['KASSA_TEST_CLICKHOUSE_URL'];

/** RowBinary of `n UInt32, t String`. */
function rows(from: number, count: number): Uint8Array {
  const parts: Buffer[] = [];
  for (let n = from; n < from + count; n++) {
    const head = Buffer.alloc(5);
    head.writeUInt32LE(n);
    head[4] = 3;
    parts.push(head, Buffer.from([0x00, 0xff, 0x27]));
  }
  return Buffer.concat(parts);
}

const fronts: ClickHouseFront[] = [];
afterAll(async () => {
  for (const front of fronts) await front.stop();
});

function contract(open: () => Promise<URL>) {
  let database: ServerDatabase;
  beforeAll(async () => {
    const url = await open();
    url.pathname = `/${DATABASE}`;
    database = new ServerDatabase(url);
    await database.prepare();
  });
  afterAll(async () => {
    await database.command(`DROP DATABASE IF EXISTS ${DATABASE}`);
    await database.close();
  });

  it('makes its database, more than once, and works in it', async () => {
    await database.prepare();
    expect(await database.rows('SELECT currentDatabase()')).toEqual([[DATABASE]]);
  });

  it('gives rows back exactly, parameters as they are', async () => {
    const text = 'it\'s "odd" \\ {x:String} \n\t €';
    const all = await database.rows(
      'SELECT {text:String}, {list:Array(String)}, {big:UInt64}, toInt128(-9007199254740993), {none:Nullable(String)} IS NULL',
      { text, list: [text, ''], big: 18446744073709551615n, none: null },
      { settings: { max_threads: 1 } },
    );
    expect(all).toEqual([[text, [text, ''], '18446744073709551615', '-9007199254740993', 1]]);
    expect(await database.rows('SELECT number FROM numbers(3) WHERE number > 7')).toEqual([]);
  });

  it('gives any format as text', async () => {
    expect(await database.text("SELECT 1 AS a, 'x\"y' AS b", 'CSVWithNames')).toBe('"a","b"\n1,"x""y"\n');
  });

  it('inserts binary rows as one part, and what a view makes of them as one', async () => {
    await database.command('CREATE TABLE things (n UInt32, t String) ENGINE = MergeTree ORDER BY n');
    await database.command('CREATE TABLE sums (k UInt8, s UInt64) ENGINE = SummingMergeTree ORDER BY k');
    await database.command(
      'CREATE MATERIALIZED VIEW sums_view TO sums AS SELECT n % 7 AS k, sum(n) AS s FROM things GROUP BY k',
    );
    await database.insert({ table: 'things', structure: 'n UInt32, t String', bytes: rows(0, 300_000) });
    expect(await database.rows('SELECT count(), sum(n), min(hex(t)), max(hex(t)) FROM things')).toEqual([
      ['300000', '44999850000', '00FF27', '00FF27'],
    ]);
    const parts =
      'SELECT table, sum(rows) FROM system.parts WHERE database = currentDatabase() AND active GROUP BY table, name ORDER BY table';
    expect(await database.rows(parts)).toEqual([
      ['sums', '7'],
      ['things', '300000'],
    ]);
  });

  it('takes types with quotes in them', async () => {
    await database.command("CREATE TABLE times (t DateTime64(3, 'UTC')) ENGINE = MergeTree ORDER BY t");
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(1_767_225_600_123n);
    await database.insert({ table: 'times', structure: "t DateTime64(3, 'UTC')", bytes });
    expect(await database.rows('SELECT toString(t) FROM times')).toEqual([['2026-01-01 00:00:00.123']]);
  });

  it("passes ClickHouse's errors on, by their codes", async () => {
    await expect(database.rows('SELECT nosuch')).rejects.toMatchObject({ code: '47' });
    await expect(database.rows('SELECT * FROM nosuch')).rejects.toMatchObject({ code: '60' });
    await expect(database.rows('SELECT FROM WHERE')).rejects.toMatchObject({ code: '62' });
    await expect(
      database.insert({ table: 'nosuch', structure: 'n UInt32', bytes: Buffer.alloc(4) }),
    ).rejects.toMatchObject({ code: '60' });
    await expect(
      database.rows('SELECT sum(number) FROM numbers(1e12)', {}, { settings: { max_execution_time: 1 } }),
    ).rejects.toMatchObject({ code: '159' });
    expect(await database.rows('SELECT 1')).toEqual([[1]]);
  });

  it('an error in the middle of an answer is an error, not half an answer', async () => {
    const late = 'SELECT number, throwIf(number = 200000) FROM numbers(300000)';
    await expect(
      database.rows(late, {}, { settings: { max_block_size: 1000, max_threads: 1 } }),
    ).rejects.toMatchObject({ code: '395' });
  });

  it('answers many at once', async () => {
    const many = await Promise.all(
      Array.from({ length: 40 }, (_, i) => database.rows('SELECT {i:UInt32}', { i })),
    );
    expect(many).toEqual(Array.from({ length: 40 }, (_, i) => [[i]]));
  });

  it('an aborted question ends', async () => {
    const signal = AbortSignal.timeout(200);
    await expect(database.rows('SELECT sleep(2)', {}, { signal })).rejects.toThrow();
    expect(await database.rows('SELECT 1')).toEqual([[1]]);
  });
}

describe('a ClickHouse server over HTTP', () => {
  contract(async () => {
    const front = await startClickHouse();
    fronts.push(front);
    return front.urlOf('kassa', 'secret word');
  });
});

if (REAL !== undefined) {
  describe('a real ClickHouse server', () => contract(async () => new URL(REAL)));
}

describe('a server in trouble', () => {
  let front: ClickHouseFront;
  let database: ServerDatabase;
  const insert = (from: number) =>
    database.insert({ table: 'things', structure: 'n UInt32, t String', bytes: rows(from, 10) });
  const count = async () => Number((await database.rows('SELECT count() FROM things'))[0]![0]);

  beforeAll(async () => {
    front = await startClickHouse();
    fronts.push(front);
    database = new ServerDatabase(front.url);
    await database.prepare();
    await database.command('CREATE TABLE things (n UInt32, t String) ENGINE = MergeTree ORDER BY n');
    await insert(0);
  });

  it('that is away is an error at once, and works again when it is back', async () => {
    await front.away(true);
    await expect(database.rows('SELECT 1')).rejects.toThrow();
    await expect(insert(10)).rejects.toThrow();
    await front.away(false);
    expect(await count()).toBe(10);
  });

  it('that answers with an error of a proxy', async () => {
    await front.fault({ how: 'error', times: 2 });
    await expect(database.rows('SELECT 1')).rejects.toThrow('upstream connect error');
    await expect(insert(10)).rejects.toThrow('upstream connect error');
    expect(await count()).toBe(10);
  });

  it('that has no room', async () => {
    await front.fault({ how: 'refuse', match: 'INSERT' });
    await expect(insert(10)).rejects.toMatchObject({ code: '252' });
    expect(await count()).toBe(10);
  });

  it('that ends the connection before it did anything', async () => {
    await front.fault({ how: 'cut before', match: 'INSERT' });
    await expect(insert(10)).rejects.toThrow();
    expect(await count()).toBe(10);
  });

  it('that ends it behind the insert: an error, although the rows are there', async () => {
    await front.fault({ how: 'cut after', match: 'INSERT' });
    await expect(insert(10)).rejects.toThrow();
    expect(await count()).toBe(20);
  });

  it('that ends it in the middle of an answer', async () => {
    await front.fault({ how: 'cut after', match: 'numbers' });
    await expect(database.rows('SELECT number FROM numbers(1000)')).rejects.toThrow();
    expect(await database.rows('SELECT count() FROM numbers(1000)')).toEqual([['1000']]);
  });

  it('is asked to answer when it is done, so that a late error is none in the middle of an answer', async () => {
    await database.rows('SELECT 17');
    expect(front.seen.at(-1)).toMatchObject({ statement: expect.stringContaining('SELECT 17'), waits: true });
  });

  it('that hangs: the caller may leave, and KILL QUERY ends what waits', async () => {
    await front.fault({ how: 'hang', match: 'numbers', times: 2 });
    await expect(
      database.rows('SELECT sum(number) FROM numbers(10)', {}, { signal: AbortSignal.timeout(200) }),
    ).rejects.toThrow();
    const hanging = database.rows('SELECT max(number) FROM numbers(10)', {}, { queryId: 'q-17' });
    const outcome = hanging.catch((error: Error) => error);
    await expect.poll(() => front.seen.some(({ id }) => id === 'q-17')).toBe(true);
    await database.command("KILL QUERY WHERE query_id = 'q-17' SYNC");
    expect(await outcome).toMatchObject({ code: '394' });
  });

  it('that is killed and starts again', async () => {
    await front.kill();
    await expect(database.rows('SELECT 1')).rejects.toThrow();
    await front.start();
    expect(await count()).toBe(20);
  });

  it('that does not know the user, or the database', async () => {
    const wrong = new ServerDatabase(front.urlOf('kassa', 'wrong'));
    await expect(wrong.rows('SELECT 1')).rejects.toMatchObject({ code: '516' });
    await wrong.close();
    const missing = new ServerDatabase(front.urlOf('default', '', 'nosuch'));
    await expect(missing.rows('SELECT 1')).rejects.toMatchObject({ code: '81' });
    await missing.close();
  });
});

describe('SQL for analysts on a server', () => {
  let front: ClickHouseFront;
  let owner: ServerDatabase;
  const signal = new AbortController().signal;
  const open = (user: string, password: string) => new ServerDatabase(front.urlOf(user, password));

  beforeAll(async () => {
    front = await startClickHouse();
    fronts.push(front);
    owner = open('kassa', 'secret word');
    await owner.prepare();
  });

  it('before the tables are there is not ready, and works once they are', async () => {
    const reader = open('reader', 'read/only');
    const ask = () =>
      runQuery({
        database: reader,
        tenant: 'mine',
        body: { sql: 'SELECT count(), max(reference) FROM postings' },
        signal,
      });
    await expect(ask()).rejects.toMatchObject({ code: 'not_ready', detail: 'the tables are not there yet' });
    await fill(owner);
    expect((await ask()).rows).toEqual([[1000, '999']]);
    await expect(
      reader.command("INSERT INTO rates VALUES ('mine','a','b',now(),1,'x',now())"),
    ).rejects.toMatchObject({ code: '164' });
    await reader.close();
  });

  it('sends nothing of the text, and limits and a filter with each statement', async () => {
    const reader = open('reader', 'read/only');
    const sql = "SELECT /* words */ sum ( amount ) FROM postings WHERE code='1' -- end";
    await runQuery({ database: reader, tenant: 'mine', body: { sql }, signal });
    const { statement } = front.seen.at(-1)!;
    expect(statement).not.toContain('words');
    expect(statement).toContain(
      "`kassa`.`postings` WHERE tenant = {tenant:String} AND `code` = '1' LIMIT 18446744073709551615",
    );
    expect(statement).toContain('max_execution_time = 10');
    expect(statement).toMatch(/additional_table_filters = '\{\\'kassa\.postings\\'/);
    expect(statement).not.toMatch(/\breadonly = /);
    await reader.close();
  });

  it('by a user who may write is read-only all the same', async () => {
    await runQuery({ database: owner, tenant: 'mine', body: { sql: 'SELECT 1' }, signal });
    expect(front.seen.at(-1)!.statement).toContain('readonly = 1');
  });

  it('by a user who may not set limits says what is wrong', async () => {
    const strict = open('strict', 'strict');
    await expect(
      runQuery({ database: strict, tenant: 'mine', body: { sql: 'SELECT 1' }, signal }),
    ).rejects.toMatchObject({ code: 'not_ready', detail: expect.stringContaining('readonly = 2') });
    await strict.close();
  });

  it('when the server is away is not ready, without its address', async () => {
    const reader = open('reader', 'read/only');
    await front.away(true);
    await expect(
      runQuery({ database: reader, tenant: 'mine', body: { sql: 'SELECT 1' }, signal }),
    ).rejects.toMatchObject({ code: 'not_ready', detail: 'ClickHouse does not answer' });
    await front.away(false);
    expect(
      (await runQuery({ database: reader, tenant: 'mine', body: { sql: 'SELECT 1' }, signal })).rows,
    ).toEqual([[1]]);
    expect(JSON.stringify(await reader.rows('SELECT count() FROM postings'))).not.toContain(SECRET);
    await reader.close();
  });
});
