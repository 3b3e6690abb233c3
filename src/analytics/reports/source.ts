import { TIME_MAX_MS, TIME_MIN_MS } from '../schema.js';
import type { Asked } from './asked.js';
import { type Filter, where } from './filters.js';

/*
 * Where a report's figures come from. By effective time, a span is covered from the coarsest sums whose buckets fit, its ragged ends by finer ones,
 * and what is left by postings themselves, so that it is exact to the millisecond. By commit, postings are read up to an LSN. Where postings have
 * gone after their days, a minute that an end lies in counts as a whole with what is before that end: see inMinutes.
 *
 * Whatever the tables, a source has the column time (of the bucket or posting) and those below. Sums are added up only when parts are merged:
 * always take sum() of them.
 */

/** Of a posting. */
const OF_POSTINGS = {
  ...{ account: 'account', type: 'type', group: '`group`', currency: 'currency', code: 'code', tag: 'tag' },
  terminal: 'terminal',
  debits: "toInt128(if(side = 'debit', amount, 0)) AS debits",
  credits: "toInt128(if(side = 'credit', amount, 0)) AS credits",
  debits_held: "toInt128(if(side = 'debit', held, 0)) AS debits_held",
  credits_held: "toInt128(if(side = 'credit', held, 0)) AS credits_held",
  count: 'toUInt64(amount > 0) AS count',
  debit_count: "toUInt64(amount > 0 AND side = 'debit') AS debit_count",
  ...{ lsn: 'lsn', index: 'index', leg: 'leg' },
} as const;
type Column = keyof typeof OF_POSTINGS;

/** Of a sum, where it is not a column of the same name. Its LSN is its highest. */
const OF_SUMS: { readonly [column in Column]?: string } = {
  group: '`group`',
  index: 'toUInt16(0) AS index',
  leg: 'toUInt8(0) AS leg',
};

/** What a report over all accounts may need; what it does not name is not read. */
const ALL: readonly Column[] = (Object.keys(OF_POSTINGS) as Column[]).filter(
  (column) => column !== 'index' && column !== 'leg',
);

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

/** A subquery, in parentheses. The filter's parameters and `{tenant}` go with it. */
export function source(asked: Asked, span: Span, { filter, starts = [] }: SourceOptions): string {
  if (asked.basis === 'committed') return committed(asked, [span], filter, ALL);
  const whole = clamp(inMinutes(asked, span));
  const inner = starts.filter((start) => whole.from === undefined || start > whole.from);
  // Sums by minute begin with the account: over all accounts they are taken where nothing coarser will do, or postings have gone.
  const fitting = TIERS.filter((tier) => inner.every((start) => floor(tier, start) === start)).reverse();
  const isCoarse = fitting.length > 1 && asked.lackingBefore === undefined;
  const tiers = isCoarse ? fitting.filter((tier) => tier !== 'minute') : fitting;
  return union(cover(whole, tiers), filter, ALL);
}

export interface AccountSourceOptions {
  /** It names the accounts, few of them. */
  readonly filter: Filter;
  /** What is asked for: a statement's page is sooner planned than read. */
  readonly columns: readonly Column[];
  /** Whether filter or columns have what the sums of an account do not tell apart: code, tag, terminal, group. */
  readonly detailed?: boolean;
}

/** The same for few accounts, over spans that do not overlap. Where two spans touch, no sum reaches over. */
export function accountSource(
  asked: Asked,
  spans: readonly Span[],
  { filter, columns, detailed = false }: AccountSourceOptions,
): string {
  if (asked.basis === 'committed') return committed(asked, spans, filter, columns);
  const mayLackPostings = asked.lackingBefore !== undefined;
  // Where postings have gone after their days, sums by the minute are the next best; otherwise there are about as many of either.
  const tiers: readonly Tier[] = detailed ? ['month', 'day', 'hour', 'minute'] : ['hour', 'minute'];
  const pieces = spans.flatMap((span) => cover(clamp(span), mayLackPostings || detailed ? tiers : ['hour']));
  const tableOf = ({ table }: Piece): Piece['table'] => {
    if (detailed) return table;
    if (table === 'hour') return 'account';
    return mayLackPostings ? table : 'postings';
  };
  const placed = pieces.map((piece) => ({ ...piece, table: tableOf(piece) }));
  return union(placed, filter, columns);
}

/** The span with ends on whole minutes, the next ones, where postings may have gone: what sums cannot tell apart is on one side. */
export function inMinutes({ lackingBefore = Number.NEGATIVE_INFINITY }: Asked, { from, to }: Span): Span {
  const settled = (ms: number | undefined) =>
    ms === undefined || ms >= lackingBefore ? ms : ceil('minute', ms);
  return { from: settled(from), to: settled(to) };
}

function committed(asked: Asked, spans: readonly Span[], filter: Filter, columns: readonly Column[]): string {
  const conditions = [...range('committed_at', joined(spans.map(clamp))), `lsn <= ${asked.lsn}`];
  return `(${select('postings', 'committed_at', columns, where(filter, ...conditions))})`;
}

function union(pieces: readonly Piece[], filter: Filter, columns: readonly Column[]): string {
  const some: readonly Piece[] = pieces.length === 0 ? [{ table: 'postings', from: 0, to: 0 }] : pieces;
  const tables = [...new Set(some.map(({ table }) => table))];
  const selects = tables.map((table) => {
    const time = table === 'postings' ? 'effective_at' : 'bucket';
    const own = joined(some.filter((piece) => piece.table === table));
    return select(table, time, columns, where(filter, ...range(time, own)));
  });
  return `(${selects.join(' UNION ALL ')})`;
}

function select(table: Piece['table'], time: string, columns: readonly Column[], rows: string): string {
  const isPostings = table === 'postings';
  const list = columns.map((column) => (isPostings ? OF_POSTINGS[column] : (OF_SUMS[column] ?? column)));
  return `SELECT ${[`${time} AS time`, ...list].join(', ')} FROM ${isPostings ? table : `sums_${table}`} ${rows}`;
}

/** Spans in order, those that touch as one. */
function joined(spans: readonly Span[]): readonly Span[] {
  const whole: Span[] = [];
  for (const span of spans) {
    const last = whole.at(-1);
    if (last?.to !== undefined && last.to === span.from)
      whole.splice(-1, 1, { from: last.from, to: span.to });
    else whole.push(span);
  }
  return whole;
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
export function bucketStart(starts: readonly number[], column = 'time'): string {
  const ms = `toUnixTimestamp64Milli(${column})`;
  const [first = 0, second] = starts;
  // No constant, which could not be grouped by.
  if (second === undefined) return `toInt64(${first}) + 0 * ${ms}`;
  const step = second - first;
  const isEven = starts.every((start, i) => start === first + i * step);
  if (isEven) return `${first} + intDiv(${ms} - ${first}, ${step}) * ${step}`;
  return `roundDown(${ms}, [${starts.map((start) => `toInt64(${start})`).join(',')}])`;
}

/** A time as SQL. */
export function timeLiteral(ms: number): string {
  return `fromUnixTimestamp64Milli(toInt64(${ms}), 'UTC')`;
}

/** A time to compare a column with: text is read once, in the column's own type, and is sooner planned with than a function is. */
export function comparable(ms: number): string {
  if (ms < TIME_MIN_MS || ms > TIME_MAX_MS) return timeLiteral(ms);
  return `'${new Date(ms).toISOString().slice(0, -1).replace('T', ' ')}'`;
}

function range(column: string, spans: readonly Span[]): string[] {
  const texts = spans.map(({ from, to }) =>
    [
      ...(from === undefined ? [] : [`${column} >= ${comparable(from)}`]),
      ...(to === undefined ? [] : [`${column} < ${comparable(to)}`]),
    ].join(' AND '),
  );
  if (texts.some((text) => text === '')) return [];
  return [texts.length === 1 ? texts[0]! : `(${texts.map((text) => `(${text})`).join(' OR ')})`];
}

/** What lies beyond the tables' times is kept at their ends: a span that reaches there is open. */
function clamp({ from, to }: Span): Span {
  return {
    from: from === undefined || from <= TIME_MIN_MS ? undefined : from,
    to: to === undefined || to > TIME_MAX_MS ? undefined : Math.max(to, TIME_MIN_MS),
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
