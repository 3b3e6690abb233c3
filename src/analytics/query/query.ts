import { parse } from 'lossless-json';
import { type Database, quote } from '../database.js';
import { ReportError } from '../report-error.js';
import { BUCKETS } from '../schema.js';
import { refusalOf } from './refusal.js';
import type { Place, Table } from './sources.js';
import { SqlError } from './sql-error.js';
import { type Statement, translate } from './statement.js';

/** Bytes of a statement. */
const SQL_BYTES_MAX = 65_536;
/** Rows of an answer. */
const ROWS_MAX = 10_000;
/** Bytes of an answer's values in ClickHouse. */
const ANSWER_BYTES_MAX = 8_000_000;
/** Statements at once; one that its caller has left still counts. */
const RUNNING_MAX = 2;
/** What ends a statement whose answer becomes too large. */
const ANSWER_MARK = 'kassa_answer_too_large';

/** @see docs/analytics.md, "SQL for analysts" */
export const LIMITS = {
  max_execution_time: 10,
  timeout_overflow_mode: 'throw',
  max_memory_usage: 1_000_000_000,
  // What does not fit into memory fails; it does not go to the disk that the log lives on.
  max_bytes_before_external_group_by: 0,
  max_bytes_before_external_sort: 0,
  max_bytes_ratio_before_external_group_by: 0,
  max_bytes_ratio_before_external_sort: 0,
  max_bytes_to_read: 20_000_000_000,
  read_overflow_mode: 'throw',
  max_threads: 2,
  // Time is looked at between blocks: small ones, where a row may cost much.
  max_block_size: 16_384,
  function_range_max_elements_in_block: 10_000_000,
  output_format_json_quote_decimals: 1,
  // On by default before ClickHouse 25.8.
  output_format_json_quote_64bit_integers: 0,
  query_plan_remove_redundant_sorting: 0,
  cancel_http_readonly_queries_on_client_close: 1,
} as const;

export interface QueryRequest {
  /** Undefined: a server without a read-only user. */
  readonly database: Database | undefined;
  readonly tenant: string;
  /** `{sql, limit?}` */
  readonly body: unknown;
  /** The caller has gone. */
  readonly signal: AbortSignal;
}

export interface QueryAnswer {
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  /** Integers of any size are exact (bigint); decimals are text. */
  readonly rows: readonly (readonly unknown[])[];
  /** There are more rows than the limit. */
  readonly truncated: boolean;
}

/**
 * One statement of an analyst over the tenant's own rows.
 * @throws {ReportError} invalid_request (pointer /sql or /limit) for what is refused and what ClickHouse finds wrong; too_large for memory, bytes
 * read and the answer's size; overloaded for time and too many at once; not_ready when ClickHouse is away
 */
export async function runQuery({ database, tenant, body, signal }: QueryRequest): Promise<QueryAnswer> {
  const { sql, limit } = requestOf(body);
  if (database === undefined) {
    throw new ReportError(
      'not_ready',
      'SQL on a ClickHouse server runs as a read-only user: set KASSA_ANALYTICS_SQL_URL to its URL',
    );
  }
  const release = admit(database);
  let answer: Promise<string>;
  try {
    const place = await placeOf(database);
    const statement = statementOf(sql, place, limit + 1);
    answer = database.text(
      bounded(statement, limit + 1),
      'JSONCompactEachRowWithNamesAndTypes',
      { tenant },
      {
        settings: {
          ...LIMITS,
          ...own(statement, place, tenant),
          ...(place.readonly === 0 && { readonly: 1 }),
        },
      },
    );
  } catch (error) {
    release();
    throw refusalOf(error, ANSWER_MARK);
  }
  // Until the engine is done with it, not until the caller is.
  answer.then(release, release);
  try {
    return read(await unlessGone(answer, signal), limit);
  } catch (error) {
    throw refusalOf(error, ANSWER_MARK);
  }
}

function requestOf(body: unknown): { sql: string; limit: number } {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new ReportError('invalid_request', 'an object with sql is expected');
  }
  const { sql, limit = ROWS_MAX, ...rest } = body as { sql?: unknown; limit?: unknown };
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) throw new ReportError('invalid_request', 'no such field', `/${unknown}`);
  if (typeof sql !== 'string') throw new ReportError('invalid_request', 'the text of a statement', '/sql');
  if (Buffer.byteLength(sql) > SQL_BYTES_MAX) {
    throw new ReportError('too_large', `a statement has at most ${SQL_BYTES_MAX} bytes`, '/sql');
  }
  if (typeof limit !== 'number' || !Number.isInteger(limit) || limit < 1 || limit > ROWS_MAX) {
    throw new ReportError('invalid_request', `a whole number from 1 to ${ROWS_MAX}`, '/limit');
  }
  return { sql, limit };
}

function statementOf(sql: string, place: Place, rows: number): Statement {
  try {
    return translate(sql, place, rows);
  } catch (error) {
    if (error instanceof SqlError) throw new ReportError('invalid_request', error.message, '/sql');
    throw error;
  }
}

/** The statement's first rows, as long as they are not too large together. ClickHouse's own limit does not see how large constant columns become. */
function bounded({ sql }: Statement, rows: number): string {
  return (
    `SELECT * FROM (SELECT * FROM (${sql}) LIMIT ${rows}) QUALIFY throwIf(sum(byteSize(*)) OVER ` +
    `(ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) > ${ANSWER_BYTES_MAX}, '${ANSWER_MARK}') = 0`
  );
}

/** A second wall: whatever reads one of the tables, in whatever way, gets the tenant's rows. */
function own({ tables }: Statement, place: Place, tenant: string): { readonly [name: string]: string } {
  if (tables.size === 0) return {};
  const filter = quote(`tenant = ${quote(tenant)}`);
  const entries = [...tables].map((table) => `${quote(`${place.database}.${table}`)}: ${filter}`);
  return { additional_table_filters: `{${entries.join(', ')}}` };
}

/** The tables analysts see, without the column `tenant`. */
const TABLES: readonly string[] = [
  'postings',
  'transactions',
  'accounts',
  'rates',
  ...BUCKETS.map((bucket) => `sums_${bucket}`),
];

/** A connection: whether its user may write (0), or only change settings (2). */
interface Connection extends Place {
  readonly readonly: number;
}

const places = new WeakMap<Database, Promise<Connection>>();

function placeOf(database: Database): Promise<Connection> {
  let place = places.get(database);
  if (place === undefined) {
    place = findPlace(database);
    places.set(database, place);
    place.catch(() => places.delete(database));
  }
  return place;
}

async function findPlace(database: Database): Promise<Connection> {
  // Without settings of its own, which such a user might not set.
  const text = await database.text(
    "SELECT currentDatabase(), toUInt8(getSetting('readonly'))",
    'JSONCompactEachRow',
  );
  const [name, readonly] = JSON.parse(text) as [string, number];
  if (readonly === 1) {
    throw new ReportError(
      'not_ready',
      'the read-only user needs readonly = 2: each statement sets its own limits',
    );
  }
  const columns = await database.rows(
    'SELECT table, name, type FROM system.columns WHERE database = {name:String} AND has({tables:Array(String)}, table) ' +
      'ORDER BY table, position',
    { name, tables: TABLES },
  );
  const tables = new Map<string, Table>();
  for (const table of TABLES) {
    const own = (columns as readonly [string, string, string][]).filter(([of]) => of === table);
    if (own.length === 0) throw new ReportError('not_ready', 'the tables are not there yet');
    tables.set(table, { name: table, columns: own.map(([, column, type]) => [column, type] as const) });
  }
  const functions = await database.rows('SELECT lower(name) FROM system.functions');
  return { database: name, readonly, tables, functions: new Set(functions.map(([of]) => of as string)) };
}

const running = new WeakMap<Database, number>();

function admit(database: Database): () => void {
  const count = running.get(database) ?? 0;
  if (count >= RUNNING_MAX) {
    throw new ReportError(
      'overloaded',
      `${RUNNING_MAX} statements are running; ask again when one has ended`,
    );
  }
  running.set(database, count + 1);
  return () => running.set(database, running.get(database)! - 1);
}

function unlessGone<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(new ReportError('overloaded', 'the question was taken back'));
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

/** Lines: names, types, rows. */
function read(text: string, limit: number): QueryAnswer {
  const lines = text.split('\n').filter((line) => line !== '');
  const [names, types] = lines.slice(0, 2).map((line) => JSON.parse(line) as string[]);
  if (names === undefined || types === undefined) throw new Error('an answer without columns');
  const rows = lines.slice(2, 2 + limit).map(readRow);
  return {
    columns: names.map((name, i) => ({ name, type: types[i]! })),
    rows,
    truncated: lines.length - 2 > limit,
  };
}

/** `JSON.parse` would lose digits of long integers. */
function readRow(line: string): readonly unknown[] {
  if (!/\d{16}/.test(line)) return JSON.parse(line) as unknown[];
  return parse(line, null, {
    parseNumber: (number) => (/^-?\d{16,}$/.test(number) ? BigInt(number) : Number(number)),
  }) as unknown[];
}
