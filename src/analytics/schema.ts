/*
 * The tables in ClickHouse, and what each of them rests on.
 *
 * Three tables take rows from the log, each row once: `accounts` (one row per account record, the account as it is after it), `transactions`
 * (one row per transaction record: created, reserved, ended, reversed) and `postings` (one row per leg of those records). Every LSN is one
 * row of `accounts` or of `transactions`.
 *
 * Exactly once without a word from ClickHouse about it. Each insert is one block of one partition (partitions are months of the *commit*, which only
 * moves forward), so in each table it becomes one part: it is there or not. And each table says for itself how far it got: the highest LSN
 * that it holds. So whoever starts again reads the cursor of each table, and gives each only what is above it. Tokens that ClickHouse
 * remembers are not needed; those of a plain MergeTree are written before the part is, and a kill in between would lose the batch.
 *
 * The sums are materialized views over `postings`. What an insert makes of a view is one part of the view's table too, and every row
 * carries the highest LSN in it: a view that a kill left behind is brought up from `postings` by itself. Views do not feed each other, so
 * that each can be mended alone. `legs` counts the rows of postings: all views and `postings` must agree.
 *
 * Times beyond what DateTime64 holds (1900 to 2299) are kept at its ends.
 */

const TIME = "DateTime64(3, 'UTC')";
/** What it holds, ms since the epoch: 1900 to 2299. */
export const TIME_MIN_MS = Date.UTC(1900, 0, 1);
export const TIME_MAX_MS = Date.UTC(2300, 0, 1) - 1;
const WORD = 'LowCardinality(String)';

/** Name and type of a column, and the type its values are encoded as. */
export interface Column {
  readonly name: string;
  readonly type: string;
}

function columns(text: string): readonly Column[] {
  return text
    .trim()
    .split('\n')
    .map((line) => {
      const [, name, type] = /^\s*(\w+)\s+(.*)$/.exec(line)!;
      return { name: name!, type: type!.replace('TIME', TIME).replace('WORD', WORD) };
    });
}

/** One row per account record: the account as it stands after it. */
export const ACCOUNTS = columns(`
  tenant WORD
  account String
  lsn UInt64
  type WORD
  currency WORD
  group WORD
  min_balance Nullable(Int64)
  max_balance Nullable(Int64)
  frozen Bool
  closed Bool
  metadata String
  who WORD
  terminal WORD
  committed_at TIME
`);

/**
 * One row per record of a transaction. `kind`: posted, pending, reversal, tombstone (they create an id), post, void, expire (they end a
 * hold: `created_lsn` is the hold's, otherwise the row's own). `amount`: the sum of the debits in the first leg's currency, posted or
 * reserved (of a void or an expiry: 0). `code` and `reference` of an end that names none are its hold's, here and in postings.
 */
export const TRANSACTIONS = columns(`
  tenant WORD
  lsn UInt64
  index UInt16
  transaction String
  kind WORD
  created_lsn UInt64
  original String
  legs UInt8
  amount Int128
  currency WORD
  code WORD
  reference String
  who WORD
  terminal WORD
  committed_at TIME
  effective_at TIME
  expires_at Nullable(TIME)
  approval Bool
  metadata String
`);

/**
 * One row per leg. `amount` is what was posted (0 for what only reserves or releases), `held` the change of what is reserved on that side:
 * the amount of a hold's leg, minus what its end takes or gives back.
 */
export const POSTINGS = columns(`
  tenant WORD
  lsn UInt64
  index UInt16
  leg UInt8
  kind WORD
  transaction String
  account String
  type WORD
  group WORD
  currency WORD
  side Enum8('debit' = 1, 'credit' = 2)
  amount Int64
  held Int64
  code WORD
  reference String
  tag WORD
  who WORD
  terminal WORD
  committed_at TIME
  effective_at TIME
  metadata String
`);

/** As the sink encodes them: LowCardinality is made by ClickHouse from plain text, six times as fast as when it reads it. */
export function structureOf(table: readonly Column[]): string {
  return table
    .map(
      ({ name, type }) => `\`${name}\` ${type === WORD ? 'String' : type.replace(/^Enum8\(.*\)$/, 'Int8')}`,
    )
    .join(', ');
}

/**
 * Buckets of the sums, finest first. Only `quarter` (15 minutes) fits every zone; `hour` fits zones of whole hours, `day` and `month` UTC.
 * `account` is by the hour too, and of accounts as such: where one has ten million postings with a thousand terminals, its balance at a
 * moment is still a few thousand rows.
 */
export const BUCKETS = ['minute', 'quarter', 'hour', 'day', 'month', 'account'] as const;
export type Bucket = (typeof BUCKETS)[number];

const HOUR_MS = 3_600_000;
const BUCKET_MS = {
  minute: 60_000,
  quarter: 900_000,
  hour: HOUR_MS,
  day: 86_400_000,
  account: HOUR_MS,
} as const;

/** The start of the bucket (UTC) that a posting counts to, as DateTime64(3). toStartOf… would be bound to 1970-2106. */
function bucketOf(bucket: Bucket): string {
  if (bucket === 'month') {
    return "toDateTime64(addDays(toDate32(effective_at), 1 - toDayOfMonth(effective_at)), 3, 'UTC')";
  }
  const ms = 'toUnixTimestamp64Milli(effective_at)';
  return `fromUnixTimestamp64Milli(${ms} - positiveModulo(${ms}, ${BUCKET_MS[bucket]}), 'UTC')`;
}

/** What the sums are told apart by, besides bucket and tenant. */
function dimensionsOf(bucket: Bucket): readonly Column[] {
  const all = columns(`
    account String
    type WORD
    group WORD
    currency WORD
    code WORD
    tag WORD
    terminal WORD
  `);
  return bucket === 'account'
    ? all.filter(({ name }) => ['account', 'type', 'currency'].includes(name))
    : all;
}

function namesOf(of: readonly Column[]): string {
  return of.map(({ name }) => `\`${name}\``).join(', ');
}

/** What a view makes of postings; also what mends it. */
export function sumsSelect(bucket: Bucket, where = ''): string {
  const dimensions = namesOf(dimensionsOf(bucket));
  return (
    `SELECT tenant, ${bucketOf(bucket)} AS bucket, ${dimensions}, toYYYYMM(committed_at) AS month, ` +
    "sumIf(toInt128(amount), side = 'debit') AS debits, sumIf(toInt128(amount), side = 'credit') AS credits, " +
    "sumIf(toInt128(held), side = 'debit') AS debits_held, sumIf(toInt128(held), side = 'credit') AS credits_held, " +
    "countIf(amount > 0) AS count, countIf(amount > 0 AND side = 'debit') AS debit_count, count() AS legs, max(postings.lsn) AS lsn " +
    `FROM postings${where === '' ? '' : ` WHERE ${where}`} GROUP BY tenant, bucket, ${dimensions}, month`
  );
}

/** Those of minutes and of accounts begin with the account, for balances and statements; the others with the bucket, for all accounts. */
function sumsTable(bucket: Bucket): string {
  const first = bucket === 'minute' || bucket === 'account' ? ['account', 'bucket'] : ['bucket', 'account'];
  const rest = ['currency', 'code', 'tag', 'terminal', 'type', 'group'];
  const dimensions = dimensionsOf(bucket);
  const order = [...first, ...rest.filter((name) => dimensions.some((column) => column.name === name))];
  const total = (type: string) => `SimpleAggregateFunction(sum, ${type})`;
  return (
    `CREATE TABLE IF NOT EXISTS sums_${bucket} (tenant ${WORD}, bucket ${TIME}, ` +
    `${dimensions.map(({ name, type }) => `\`${name}\` ${type}`).join(', ')}, month UInt32, ` +
    `debits ${total('Int128')}, credits ${total('Int128')}, debits_held ${total('Int128')}, credits_held ${total('Int128')}, ` +
    `count ${total('UInt64')}, debit_count ${total('UInt64')}, legs ${total('UInt64')}, ` +
    'lsn SimpleAggregateFunction(max, UInt64)) ENGINE = AggregatingMergeTree PARTITION BY month ' +
    `ORDER BY (tenant, ${order.map((name) => `\`${name}\``).join(', ')})` +
    // Of an account there are a few hundred hours in a part: larger granules would be mostly of others.
    (bucket === 'account' ? ' SETTINGS index_granularity = 1024' : '')
  );
}

function table(name: string, of: readonly Column[], order: string, more = ''): string {
  const list = of.map((column) => `\`${column.name}\` ${column.type}`).join(', ');
  return (
    `CREATE TABLE IF NOT EXISTS ${name} (${list}${more}) ENGINE = MergeTree ` +
    `PARTITION BY toYYYYMM(committed_at) ORDER BY (${order})`
  );
}

/**
 * Statements of each version, in order. They may be repeated: a kill in the middle of a migration is mended by the next start. A change adds
 * a migration; it never edits one.
 */
export const MIGRATIONS: readonly (readonly string[])[] = [
  [
    table('accounts', ACCOUNTS, 'tenant, account, lsn'),
    table(
      'transactions',
      TRANSACTIONS,
      'tenant, lsn, index',
      ', INDEX by_id transaction TYPE bloom_filter GRANULARITY 1, INDEX by_reference reference TYPE bloom_filter GRANULARITY 1, ' +
        'INDEX by_created created_lsn TYPE bloom_filter GRANULARITY 1',
    ),
    table(
      'postings',
      POSTINGS,
      'tenant, account, effective_at, lsn, index, leg',
      ', INDEX by_lsn lsn TYPE minmax GRANULARITY 1, INDEX by_time effective_at TYPE minmax GRANULARITY 1, ' +
        // Which accounts a transaction moved, for the counterparts in a statement: part of each part, as its rows are.
        'PROJECTION accounts_by_lsn (SELECT tenant, lsn, index, account ORDER BY tenant, lsn)',
    ),
    // One row per batch, once all of it is there: where the sink goes on, and which commit time an LSN had.
    'CREATE TABLE IF NOT EXISTS batches (ledger String, first_lsn UInt64, last_lsn UInt64, committed_at ' +
      `${TIME}, postings UInt64, delivered_at ${TIME} DEFAULT now64(3)) ENGINE = MergeTree ORDER BY last_lsn`,
    // Records that ClickHouse refused for their content and an operator gave up: how many of their rows are missing of accounts and transactions
    // together, and of postings.
    'CREATE TABLE IF NOT EXISTS skipped (first_lsn UInt64, last_lsn UInt64, records UInt64, postings UInt64, reason String, ' +
      `skipped_at ${TIME} DEFAULT now64(3)) ENGINE = MergeTree ORDER BY first_lsn`,
    "CREATE TABLE IF NOT EXISTS rates (tenant String, source String, target String, at DateTime64(3, 'UTC'), rate Decimal(38, 18), " +
      "who String, set_at DateTime64(3, 'UTC')) ENGINE = MergeTree ORDER BY (tenant, source, target, at, set_at)",
    ...BUCKETS.flatMap((bucket) => [
      sumsTable(bucket),
      `CREATE MATERIALIZED VIEW IF NOT EXISTS sums_${bucket}_view TO sums_${bucket} AS ${sumsSelect(bucket)}`,
    ]),
  ],
  [
    // A part of it in one file: a statement reads six columns of a few hundred rows in each part, and files to open are what that costs (4 of
    // 18 ms with 18 parts, for a quarter more of a small table).
    'ALTER TABLE sums_account MODIFY SETTING min_bytes_for_wide_part = 10000000000',
  ],
];

/** Of the tables. */
export const SCHEMA_VERSION = MIGRATIONS.length;
