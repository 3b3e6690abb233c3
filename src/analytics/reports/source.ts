import type { Asked } from './asked.js';
import { type Filter, where } from './filters.js';
import { TIME_MAX, TIME_MIN } from './parameters.js';

/*
 * Where a report's figures come from. By effective time, a span is covered from the coarsest sums whose buckets fit, its ragged ends by finer ones,
 * and what is left by postings themselves, so that it is exact to the millisecond. By commit, postings are read up to an LSN.
 *
 * Whatever the tables, a source has the columns time (of the bucket or posting), account, type, group, currency, code, tag, terminal, debits,
 * credits, debits_held, credits_held, count, debit_count, lsn, index, leg (the highest LSN of a sum, and 0). Sums are added up only when parts are merged: always take sum() of them.
 */

/** From (included) to (not); milliseconds. Open where undefined. */
export interface Span {
  readonly from?: number | undefined;
  readonly to?: number | undefined;
}

/** Sums of all accounts' words, finest first. */
const TIERS = ['minute', 'quarter', 'hour', 'day', 'month'] as const;
type Tier = (typeof TIERS)[number];

interface Piece extends Span {
  readonly table: Tier | 'account' | 'postings';
}

export interface SourceOptions {
  readonly filter: Filter;
  /** Starts of the buckets that the report tells apart. */
  readonly starts?: readonly number[];
}

const MS = { minute: 60_000, quarter: 900_000, hour: 3_600_000, day: 86_400_000 } as const;
const DIMENSIONS = 'account, type, `group`, currency, code, tag, terminal';

/** A subquery, in parentheses. The filter's parameters and `{tenant}` go with it. */
export function source(asked: Asked, span: Span, { filter, starts = [] }: SourceOptions): string {
  if (asked.basis === 'committed') return committed(asked, [span], filter);
  const whole = clamp(span);
  const inner = starts.filter((start) => whole.from === undefined || start > whole.from);
  // Sums by minute begin with the account: over all accounts they are taken where nothing coarser will do.
  const fitting = TIERS.filter((tier) => inner.every((start) => floor(tier, start) === start)).reverse();
  const tiers = fitting.length > 1 ? fitting.filter((tier) => tier !== 'minute') : fitting;
  return union(cover(whole, tiers), filter);
}

/**
 * The same for few accounts, that the filter names, over spans that do not overlap: where spans touch, no sum reaches over. What the account's sums do not tell apart (code, tag, terminal,
 * group) is not among the columns unless the filter is `detailed`: it looks at them.
 */
export function accountSource(
  asked: Asked,
  spans: readonly Span[],
  filter: Filter,
  detailed: boolean,
): string {
  if (asked.basis === 'committed') return committed(asked, spans, filter);
  const tiers = detailed ? (['month', 'day', 'hour', 'minute'] as const) : (['hour', 'minute'] as const);
  const pieces = spans.flatMap((span) => cover(clamp(span), tiers));
  if (detailed) return union(pieces, filter);
  return union(
    pieces.map((piece) => (piece.table === 'hour' ? { ...piece, table: 'account' } : piece)),
    filter,
  );
}

function committed(asked: Asked, spans: readonly Span[], filter: Filter): string {
  const conditions = [...range('committed_at', spans.map(clamp)), `lsn <= ${asked.lsn}`];
  return `(${postings('committed_at', DIMENSIONS, where(filter, ...conditions))})`;
}

function union(pieces: readonly Piece[], filter: Filter): string {
  const some: readonly Piece[] = pieces.length === 0 ? [{ table: 'month', from: 0, to: 0 }] : pieces;
  const dimensions = some.some(({ table }) => table === 'account') ? 'account, type, currency' : DIMENSIONS;
  const tables = [...new Set(some.map(({ table }) => table))];
  const selects = tables.map((table) => {
    const column = table === 'postings' ? 'effective_at' : 'bucket';
    const own = some.filter((piece) => piece.table === table);
    const rows = where(filter, ...range(column, own));
    return table === 'postings' ? postings('effective_at', dimensions, rows) : sums(table, dimensions, rows);
  });
  return `(${selects.join(' UNION ALL ')})`;
}

/** The time column of postings by the question's basis. */
export function timeColumn(asked: Asked): 'effective_at' | 'committed_at' {
  return asked.basis === 'effective' ? 'effective_at' : 'committed_at';
}

/** Conditions on rows of postings or transactions themselves, by the question's basis. */
export function rawRange(asked: Asked, span: Span): string[] {
  const conditions = range(timeColumn(asked), [clamp(span)]);
  return asked.basis === 'committed' ? [...conditions, `lsn <= ${asked.lsn}`] : conditions;
}

/** The expression that gives the start of the bucket a row of the source lies in, as milliseconds. Never a constant: grouping by one is another thing. */
export function bucketStart(starts: readonly number[]): string {
  const ms = 'toUnixTimestamp64Milli(time)';
  const [first = 0, second] = starts;
  // No constant, which could not be grouped by.
  if (second === undefined) return `toInt64(${first}) + 0 * ${ms}`;
  const step = second - first;
  const isEven = starts.every((start, i) => start === first + i * step);
  if (isEven) return `${first} + intDiv(${ms} - ${first}, ${step}) * ${step}`;
  return `roundDown(${ms}, [${starts.map((start) => `toInt64(${start})`).join(',')}])`;
}

/** A time as a literal of SQL. */
export function timeLiteral(ms: number): string {
  return `fromUnixTimestamp64Milli(toInt64(${ms}), 'UTC')`;
}

function postings(time: string, dimensions: string, rows: string): string {
  const side = (name: string, column: string, value: string) =>
    `toInt128(if(side = '${value}', ${column}, 0)) AS ${name}`;
  return (
    `SELECT ${time} AS time, ${dimensions}, ${side('debits', 'amount', 'debit')}, ${side('credits', 'amount', 'credit')}, ` +
    `${side('debits_held', 'held', 'debit')}, ${side('credits_held', 'held', 'credit')}, toUInt64(amount > 0) AS count, ` +
    `toUInt64(amount > 0 AND side = 'debit') AS debit_count, lsn, index, leg FROM postings ${rows}`
  );
}

function sums(table: Tier | 'account', dimensions: string, rows: string): string {
  return (
    `SELECT bucket AS time, ${dimensions}, debits, credits, debits_held, credits_held, count, debit_count, lsn, toUInt16(0) AS index, toUInt8(0) AS leg ` +
    `FROM sums_${table} ${rows}`
  );
}

function range(column: string, spans: readonly Span[]): string[] {
  const texts = spans.map(({ from, to }) =>
    [
      ...(from === undefined ? [] : [`${column} >= ${timeLiteral(from)}`]),
      ...(to === undefined ? [] : [`${column} < ${timeLiteral(to)}`]),
    ].join(' AND '),
  );
  if (texts.some((text) => text === '')) return [];
  return [texts.length === 1 ? texts[0]! : `(${texts.map((text) => `(${text})`).join(' OR ')})`];
}

/** What lies beyond the tables' times is kept at their ends: a span that reaches there is open. */
function clamp({ from, to }: Span): Span {
  return {
    from: from === undefined || from <= TIME_MIN ? undefined : from,
    to: to === undefined || to > TIME_MAX ? undefined : Math.max(to, TIME_MIN),
  };
}

/** The whole span in pieces that do not overlap. */
function cover(span: Span, tiers: readonly Tier[]): Piece[] {
  const { from, to } = span;
  if (from !== undefined && to !== undefined && from >= to) return [];
  const [tier, ...finer] = tiers;
  if (tier === undefined) {
    // Both tables have to be scanned; sums are the smaller one.
    const isWhole = [from, to].every((end) => end !== undefined && end % MS.minute === 0);
    return [{ table: isWhole ? 'minute' : 'postings', ...span }];
  }
  const first = from === undefined ? undefined : ceil(tier, from);
  const last = to === undefined ? undefined : floor(tier, to);
  if (first !== undefined && last !== undefined && first >= last) return cover(span, finer);
  return [
    ...(from === first ? [] : cover({ from, to: first }, finer)),
    { table: tier, from: first, to: last },
    ...(to === last ? [] : cover({ from: last, to }, finer)),
  ];
}

function floor(bucket: Tier, ms: number): number {
  if (bucket !== 'month') return Math.floor(ms / MS[bucket]) * MS[bucket];
  const date = new Date(ms);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1);
}

function ceil(bucket: Tier, ms: number): number {
  const start = floor(bucket, ms);
  if (start === ms) return ms;
  if (bucket !== 'month') return start + MS[bucket];
  const date = new Date(start);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1);
}
