import { createHash } from 'node:crypto';
import { checkTables } from '../../src/analytics/checks.js';
import type { Database } from '../../src/analytics/database.js';
import { ROW_TABLES } from '../../src/analytics/delivery.js';
import { BUCKETS, type Bucket, sumsSelect } from '../../src/analytics/schema.js';
import { type ExpectedRows, expectedRows } from './expected-rows.js';

/** Whether the tables in ClickHouse hold a log, found out from the log alone. */

/** What of a posting goes into the hash: columns of the table, and their places in an expected row. */
const HASHED = [
  ['tenant', 0],
  ['lsn', 1],
  ['leg', 3],
  ['account', 6],
  ['side', 10],
  ['amount', 11],
  ['held', 12],
] as const;
/** So many LSNs are fetched at a time. */
const LSNS_A_LOOK = 20_000;
const LSN_AT = { accounts: 2, transactions: 1, postings: 1 } as const;

/** Of the table `postings`. */
export interface PostingsDigest {
  readonly count: number;
  /** Of all amounts. */
  readonly sum: bigint;
  /** Wrapping sum of a hash of each row: rows that are missing, twice there or of another LSN or leg change it. */
  readonly hash: bigint;
}

export interface TableAudit extends PostingsDigest {
  /** LSNs. */
  readonly records: number;
  /** Rows of all views. */
  readonly viewRows: number;
}

/**
 * Holds the tables against the log: `postings` by count, sum and hash, all rows of all tables one by one, each view against a recount, and what the
 * sink's own check says.
 * @throws Error that says what differs
 */
export async function auditTables(database: Database, data: string): Promise<TableAudit> {
  const expected = expectedRows(data);
  const due = digestOf(expected.postings);
  const found = await digestIn(database);
  for (const name of ['count', 'sum', 'hash'] as const) {
    if (found[name] !== due[name])
      throw new Error(`the ${name} of postings is ${found[name]}, and of the log ${due[name]}`);
  }
  await compareRows(database, expected);
  let viewRows = 0;
  for (const bucket of BUCKETS) {
    const { more, less, rows } = await viewAgainstPostings(database, bucket);
    if (more + less > 0)
      throw new Error(`sums_${bucket} has ${more} rows that a recount has not, and lacks ${less}`);
    viewRows += rows;
  }
  const [difference] = await checkTables(database);
  if (difference !== undefined)
    throw new Error(`${difference.what}: ${difference.found} and not ${difference.expected}`);
  await checkBatches(database);
  return { ...due, records: expected.accounts.length + expected.transactions.length, viewRows };
}

function digestOf(postings: ExpectedRows['postings']): PostingsDigest {
  let [sum, hash] = [0n, 0n];
  for (const row of postings) {
    sum += BigInt(row[11] as string);
    const text = HASHED.map(([, at]) => row[at]).join('/');
    hash += createHash('md5').update(text).digest().readBigUInt64LE();
  }
  return { count: postings.length, sum, hash: BigInt.asUintN(64, hash) };
}

async function digestIn(database: Database): Promise<PostingsDigest> {
  const text = HASHED.map(([name]) => `toString(${name})`).join(", '/', ");
  const [row] = await database.rows(
    `SELECT count(), sum(toInt128(amount)), sum(reinterpretAsUInt64(substring(MD5(concat(${text})), 1, 8))) FROM postings`,
  );
  const [count, sum, hash] = row as [string, string, string];
  return { count: Number(count), sum: BigInt(sum), hash: BigInt(hash) };
}

async function compareRows(database: Database, expected: ExpectedRows): Promise<void> {
  for (const table of ROW_TABLES) {
    const rows = expected[table];
    const last = Number(rows.at(-1)?.[LSN_AT[table]] ?? 0);
    const order = table === 'postings' ? 'lsn, leg' : 'lsn';
    let next = 0;
    for (let from = 1; from <= last; from += LSNS_A_LOOK) {
      const found = await database.rows(
        `SELECT * FROM ${table} WHERE lsn >= ${from} AND lsn < ${from + LSNS_A_LOOK} ORDER BY ${order}`,
      );
      for (const row of found) {
        const [is, due] = [JSON.stringify(row), JSON.stringify(rows[next++])];
        if (is !== due) throw new Error(`${table} has ${is}, and the log ${due}`);
      }
    }
    if (next !== rows.length) throw new Error(`${table} lacks ${JSON.stringify(rows[next])}`);
    const [beyond] = await database.rows(`SELECT count() FROM ${table} WHERE lsn > ${last} OR lsn < 1`);
    if (beyond![0] !== '0') throw new Error(`${table} has ${beyond![0]} rows of no LSN of the log`);
  }
}

/** Each LSN is in one batch. */
async function checkBatches(database: Database): Promise<void> {
  let next = 1;
  for (const [first, last] of await database.rows(
    'SELECT first_lsn, last_lsn FROM batches ORDER BY first_lsn, last_lsn',
  )) {
    if (Number(first) !== next) throw new Error(`a batch begins at LSN ${first}, and not at ${next}`);
    next = Number(last) + 1;
  }
}

/** How a view differs from what its own question gives when asked of `postings` now, in rows. */
export async function viewAgainstPostings(
  database: Database,
  bucket: Bucket,
): Promise<{ more: number; less: number; rows: number }> {
  const names = await database.rows(
    `SELECT name FROM system.columns WHERE database = currentDatabase() AND table = 'sums_${bucket}'`,
  );
  const columns = names.map(([name]) => `\`${name}\``);
  const dimensions = columns.slice(0, columns.indexOf('`debits`')).join(', ');
  const figures = columns.slice(columns.indexOf('`debits`'));
  const sums = figures.map((name) => (name === '`lsn`' ? `max(${name}) AS x_lsn` : `sum(${name})`));
  const merged = `SELECT ${dimensions}, ${sums.join(', ')} FROM sums_${bucket} GROUP BY ${dimensions}`;
  const again = `SELECT ${columns.join(', ')} FROM (${sumsSelect(bucket)})`;
  const count = async (sql: string) => Number((await database.rows(`SELECT count() FROM (${sql})`))[0]![0]);
  return {
    more: await count(`${merged} EXCEPT ${again}`),
    less: await count(`${again} EXCEPT ${merged}`),
    rows: await count(merged),
  };
}
