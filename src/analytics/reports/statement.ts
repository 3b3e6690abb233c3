import type { Row } from '../database.js';
import { accountOf } from './account.js';
import { type Asked, big, isDebitNormal, iso, msOf, optional, type Report, tableOf } from './asked.js';
import { anyCurrency } from './currencies.js';
import { readCursor, writeCursor } from './cursor.js';
import { both, equal, type Filter, where } from './filters.js';
import { accountSource, comparable, rawRange, type Span, timeColumn, timeLiteral } from './source.js';
import { openSpan } from './spans.js';

/*
 * A page begins behind a key (time, lsn, index, leg) in the order of the postings' own key, so that it costs the same wherever it lies.
 * Its rows' balances are what the account had before the page's oldest row, from the sums, plus what postings from there on add up to.
 */

interface Line {
  /** Of the account. */
  readonly type: string;
  readonly currency: string;
  readonly timeMs: number;
  readonly lsn: number;
  readonly index: number;
  readonly leg: number;
  /** From the page's oldest row on. */
  readonly run: bigint;
  readonly row: Row;
}

const KEY = ['number', 'number', 'number', 'number'] as const;
const ORDERS = ['asc', 'desc'] as const;
const LIMIT_MAX = 1_000;
const CSV_LIMIT_MAX = 10_000;

const COLUMNS =
  'lsn, index, leg, transaction, kind, toUnixTimestamp64Milli(effective_at), toUnixTimestamp64Milli(committed_at), ' +
  'side, amount, code, reference, tag, terminal, who, type, currency';

const CSV_COLUMNS = [
  ...[
    'lsn',
    'index',
    'leg',
    'transaction',
    'kind',
    'effective_at',
    'committed_at',
    'side',
    'amount',
    'balance',
  ],
  ...['code', 'reference', 'tag', 'terminal', 'by', 'counterparts'],
];

/** What narrows the rows that are shown; what is not shown still moves the balance. */
interface Shown {
  /** What sums know of too. */
  readonly words: Filter;
  /** All of it, for postings. */
  readonly all: Filter;
  readonly amounts: Filter;
  /** Nothing: every posting is shown. */
  readonly isAll: boolean;
}

interface Page {
  readonly span: Span;
  readonly shown: Shown;
  readonly order: 'asc' | 'desc';
  readonly limit: number;
  readonly cursor: Place | undefined;
}

/** An account's postings with the balance after each. */
export async function statement(asked: Asked): Promise<Report> {
  const { parameters } = asked;
  const isCsv = parameters.text('format') === 'csv';
  const page: Page = {
    span: openSpan(asked),
    shown: shownOf(asked),
    order: parameters.choice('order', ORDERS) ?? 'asc',
    limit: parameters.integer('limit', 1, isCsv ? CSV_LIMIT_MAX : LIMIT_MAX) ?? (isCsv ? CSV_LIMIT_MAX : 100),
    cursor: readCursor(parameters, KEY) as Page['cursor'],
  };
  const summing = totalsOf(asked, page);
  const reading = pageOf(asked, page, summing);
  const [totals, found, before, running, counterparts] = await Promise.all([
    summing,
    reading,
    reading.then((lines) => balanceBefore(asked, page, lines, summing)),
    reading.then((lines) => (page.shown.isAll ? undefined : runningSums(asked, lines, page.shown))),
    reading.then((lines) => counterpartsOf(asked, lines.slice(0, page.limit))),
  ]);
  const { type, currency } = found[0] ?? (await accountOf(asked));
  const lines = found.slice(0, page.limit);
  const last = lines.at(-1);
  const next =
    found.length > page.limit && last !== undefined
      ? writeCursor([last.timeMs, last.lsn, last.index, last.leg])
      : undefined;
  const onSide = (sum: bigint) => (isDebitNormal(type) ? sum : -sum);
  const rows = lines.map((line) => {
    const run = running === undefined ? line.run : running.get(keyOf(line))!;
    return lineBody(line, onSide(before + run), counterparts.get(`${line.lsn} ${line.index}`) ?? []);
  });
  const { opening, movement, debits, credits, count } = totals;
  return {
    body: {
      ...{ account: asked.id, currency, type },
      ...{ opening: onSide(opening), closing: onSide(opening + movement), debits, credits, count },
      rows,
      cursor: next,
    },
    table: tableOf(
      CSV_COLUMNS,
      rows.map((row) => ({ ...row, counterparts: row.counterparts.join(' ') })),
      next,
    ),
  };
}

function shownOf(asked: Asked): Shown {
  const words = both(anyCurrency(asked), asked.filters.others);
  const amounts = amountFilter(asked);
  const all = both(words, amounts);
  return { words, amounts, all, isAll: all.conditions.length === 0 };
}

function amountFilter({ parameters }: Asked): Filter {
  const min = parameters.amount('amount_min');
  const max = parameters.amount('amount_max');
  return {
    conditions: [
      ...(min === undefined ? [] : [`amount >= ${min}`]),
      ...(max === undefined ? [] : [`amount <= ${max}`]),
    ],
    params: {},
  };
}

/** The account's own postings; what only reserves is none. */
function own(asked: Asked, ...more: readonly string[]): string {
  return where(equal('account', asked.id), 'amount > 0', ...more);
}

/**
 * The page, and one row more when there are more. An hour from where it begins is tried first, which fills a page where there is much trade;
 * otherwise the sums know how far to look.
 */
async function pageOf(asked: Asked, page: Page, summing: Promise<Totals>): Promise<Line[]> {
  const { span, shown, order, limit, cursor } = page;
  const start = cursor?.[0] ?? (order === 'asc' ? span.from : span.to);
  if (asked.basis === 'effective' && shown.isAll && start !== undefined) {
    const near = await readPage(asked, page, order === 'asc' ? start + HOUR_MS : start - HOUR_MS);
    if (near.length > limit) return near;
  }
  const { reach } = await summing;
  return readPage(asked, page, reach);
}

/** Up to a time, if one is given. Of each row its sum, from the page's oldest row on, debits counting up. */
async function readPage(
  asked: Asked,
  { span, shown, order, limit, cursor }: Page,
  reach: number | undefined,
): Promise<Line[]> {
  const key = orderKey(asked);
  const behind =
    cursor === undefined
      ? []
      : [
          `${timeColumn(asked)} ${order === 'asc' ? '>=' : '<='} ${comparable(cursor[0])}`,
          `(${key}) ${order === 'asc' ? '>' : '<'} (${keyLiteral(asked, cursor)})`,
        ];
  const ordered = key
    .split(', ')
    .map((column) => `${column} ${order}`)
    .join(', ');
  const near =
    reach === undefined ? [] : [`effective_at ${order === 'asc' ? '<' : '>='} ${comparable(reach)}`];
  const conditions = [...rawRange(asked, span), ...behind, ...near, ...shown.all.conditions];
  const rows = await asked.rows(
    `SELECT ${COLUMNS}, sum(${SIGNED}) OVER (ORDER BY ${key} ROWS UNBOUNDED PRECEDING) FROM ` +
      `(SELECT * FROM postings ${own(asked, ...conditions)} ORDER BY ${ordered} LIMIT ${limit + 1}) ORDER BY ${ordered}`,
    { account: asked.id, ...shown.all.params },
  );
  return rows.map((row) => ({
    timeMs: msOf(row[asked.basis === 'effective' ? 5 : 6]),
    lsn: msOf(row[0]),
    index: Number(row[1]),
    leg: Number(row[2]),
    type: row[14] as string,
    currency: row[15] as string,
    run: big(row[16]),
    row,
  }));
}

const SIGNED = "toInt128(if(side = 'debit', amount, -amount))";

/** Postings are sorted so; by commit, time and LSN have the same order. */
function orderKey(asked: Asked): string {
  return asked.basis === 'effective' ? 'effective_at, lsn, index, leg' : 'lsn, index, leg';
}

function keyLiteral(asked: Asked, [time, lsn, index, leg]: Place): string {
  const place = `toUInt64(${lsn}), toUInt16(${index}), toUInt8(${leg})`;
  return asked.basis === 'effective' ? `${timeLiteral(time)}, ${place}` : place;
}

/**
 * What all postings from the page's oldest row on add up to, those between that are not shown too: by `keyOf`, debits counting up.
 */
async function runningSums(asked: Asked, found: readonly Line[], shown: Shown): Promise<Map<string, bigint>> {
  if (found.length === 0) return new Map();
  const key = orderKey(asked);
  const time = timeColumn(asked);
  const [oldest, newest] = endsOf(found);
  const rows = await asked.rows(
    `SELECT lsn, index, leg, run FROM (SELECT lsn, index, leg, ${shown.all.conditions.join(' AND ')} AS is_shown, ` +
      `sum(${SIGNED}) OVER (ORDER BY ${key} ROWS UNBOUNDED PRECEDING) AS run FROM postings ` +
      own(
        asked,
        `${time} >= ${comparable(oldest.timeMs)}`,
        `${time} <= ${comparable(newest.timeMs)}`,
        `(${key}) >= (${keyLiteral(asked, placeOf(oldest))})`,
        `(${key}) <= (${keyLiteral(asked, placeOf(newest))})`,
      ) +
      ') WHERE is_shown',
    { account: asked.id, ...shown.all.params },
  );
  return new Map(rows.map(([lsn, index, leg, run]) => [`${lsn} ${index} ${leg}`, big(run)]));
}

interface Totals {
  /** Debits minus credits of all before the span, of all within, and of all before where the page's rows begin or, newest first, end. */
  readonly opening: bigint;
  readonly movement: bigint;
  readonly start: bigint;
  /** The highest LSN in them, where it was asked for. */
  readonly newestLsn: number;
  /** Of what is shown. */
  readonly debits: bigint;
  readonly credits: bigint;
  readonly count: bigint;
  /** A time by which there are rows enough for the page, where that is known: a page is read from few parts then. */
  readonly reach: number | undefined;
}

/** Debits minus credits of all before the page's oldest row. */
async function balanceBefore(
  asked: Asked,
  page: Page,
  found: readonly Line[],
  summing: Promise<Totals>,
): Promise<bigint> {
  if (found.length === 0) return 0n;
  if (page.shown.isAll) {
    const { start, newestLsn } = await summing;
    if (page.order === 'asc') return start;
    // From the page's end back over its rows, if nothing has come in between the two questions that only one of them saw.
    const isSame = newestLsn <= asked.lsn && found.every(({ lsn }) => lsn <= asked.lsn);
    if (isSame) return start - found[0]!.run;
  }
  const [oldest] = endsOf(found);
  const filter = equal('account', asked.id);
  const columns = ['debits', 'credits', 'lsn', 'index', 'leg'] as const;
  // All before the next millisecond; of the row's own, posting by posting, what comes before it.
  const spans = cutAt([{ to: oldest.timeMs + 1 }], oldest.timeMs);
  const [row] = await asked.rows(
    `SELECT sumIf(debits - credits, ${isBefore(asked, placeOf(oldest), '<')}) FROM ${accountSource(asked, spans, { filter, columns })}`,
    filter.params,
  );
  return big(row![0]);
}

/** Opening and closing balance of the span, what the filter shows of it, and where the page lies. */
async function totalsOf(asked: Asked, page: Page): Promise<Totals> {
  const { span, shown } = page;
  const filter = equal('account', asked.id);
  const { words, amounts, all } = shown;
  const [sums, details, raw] = await Promise.all([
    sumsOf(asked, page),
    words.conditions.length === 0 || amounts.conditions.length > 0
      ? undefined
      : asked.rows(
          `SELECT sum(debits), sum(credits), sum(count) FROM ${accountSource(asked, [span], { filter: both(filter, words), columns: ['debits', 'credits', 'count'], detailed: true })}`,
          { ...filter.params, ...words.params },
        ),
    amounts.conditions.length === 0
      ? undefined
      : asked.rows(
          `SELECT sumIf(toInt128(amount), side = 'debit'), sumIf(toInt128(amount), side = 'credit'), count() FROM postings ` +
            own(asked, ...rawRange(asked, span), ...all.conditions),
          { ...filter.params, ...all.params },
        ),
  ]);
  const [opening, movement, start, ...whole] = sums.slice(0, 6).map(big);
  const [debits, credits, count] = (raw ?? details)?.[0]?.map(big) ?? whole;
  return {
    ...{
      opening: opening!,
      movement: movement!,
      start: start!,
      debits: debits!,
      credits: credits!,
      count: count!,
    },
    newestLsn: Number(sums[6]),
    reach: reachOf(sums[7] as readonly (readonly [string, string])[], page),
  };
}

const HOUR_MS = 3_600_000;

/**
 * One row: debits minus credits before the span, within, and before the page (oldest first) or up to its end; debits, credits and count within;
 * newest first the highest LSN; the hours nearest to the page's beginning with their counts.
 */
async function sumsOf(asked: Asked, { span, shown, order, limit, cursor }: Page): Promise<Row> {
  const filter = equal('account', asked.id);
  let spans: readonly Span[] = span.from === undefined ? [span] : [{ to: span.from }, span];
  // The cursor's millisecond by itself is looked at posting by posting.
  if (cursor !== undefined) spans = cutAt(cutAt(spans, cursor[0]), cursor[0] + 1);
  const newest = order === 'desc' ? (['lsn'] as const) : [];
  const place = cursor === undefined ? newest : (['lsn', 'index', 'leg'] as const);
  const columns = ['debits', 'credits', 'count', ...place] as const;
  const isWithin = span.from === undefined ? 'true' : `time >= ${comparable(span.from)}`;
  let isPassed = order === 'asc' ? `NOT (${isWithin})` : 'true';
  if (cursor !== undefined) isPassed = isBefore(asked, cursor, order === 'asc' ? '<=' : '<');
  let hours = '[]';
  if (asked.basis === 'effective' && shown.isAll) {
    // Sums of whole hours: the first or last one of the page counts when all of it lies behind the cursor.
    const ms = 'toUnixTimestamp64Milli(time)';
    const [isAhead, key] =
      order === 'asc'
        ? [cursor === undefined ? 'true' : `${ms} > ${cursor[0]}`, ms]
        : [cursor === undefined ? 'true' : `${ms} + ${HOUR_MS} <= ${cursor[0]}`, `-${ms}`];
    hours = `groupArraySortedIf(${limit + 1})((${key}, count), ${isWithin} AND ${isAhead} AND count > 0)`;
  }
  const rows = accountSource(asked, spans, { filter, columns });
  const [row] = await asked.rows(
    `SELECT sumIf(debits - credits, NOT (${isWithin})), sumIf(debits - credits, ${isWithin}), sumIf(debits - credits, ${isPassed}), ` +
      `sumIf(debits, ${isWithin}), sumIf(credits, ${isWithin}), sumIf(count, ${isWithin}), ${order === 'asc' ? 0 : 'max(lsn)'}, ${hours} FROM ${rows}`,
    filter.params,
  );
  return row!;
}

type Place = readonly [timeMs: number, lsn: number, index: number, leg: number];

/** Whether a row of a source lies before a posting, or is it. Sums do, or do not, as a whole. */
function isBefore(asked: Asked, [timeMs, ...inLog]: Place, than: '<' | '<='): string {
  const isEarlierInLog = `(lsn, index, leg) ${than} (${inLog.join(', ')})`;
  if (asked.basis === 'committed') return isEarlierInLog;
  const time = comparable(timeMs);
  return `(time < ${time} OR (time = ${time} AND ${isEarlierInLog}))`;
}

/** A time by which there are more than so many rows, in the page's order; undefined when the hours do not tell. */
function reachOf(
  hours: readonly (readonly [key: string, count: string])[],
  { order, limit }: Page,
): number | undefined {
  let rows = 0;
  for (const [key, count] of hours) {
    rows += Number(count);
    if (rows > limit) return order === 'asc' ? Number(key) + HOUR_MS : -Number(key);
  }
  return undefined;
}

/** The same spans, the one that a moment lies in as two. */
function cutAt(spans: readonly Span[], ms: number): readonly Span[] {
  return spans.flatMap(({ from, to }) => {
    const isInside = (from === undefined || from < ms) && (to === undefined || ms < to);
    return isInside
      ? [
          { from, to: ms },
          { from: ms, to },
        ]
      : [{ from, to }];
  });
}

/** The other accounts of each row's transaction that the caller may see, by `lsn index`: from the projection of postings by LSN. */
async function counterpartsOf(asked: Asked, lines: readonly Line[]): Promise<Map<string, string[]>> {
  if (lines.length === 0) return new Map();
  const lsns = [...new Set(lines.map(({ lsn }) => lsn))];
  const { reach } = asked.question;
  const isSeen =
    reach === undefined ? '' : ' AND arrayExists(p -> startsWith(account, p), {reach:Array(String)})';
  const rows = await asked.rows(
    `SELECT lsn, index, account FROM postings WHERE tenant = {tenant:String} AND lsn IN (${lsns.join(', ')}) ` +
      `AND account != {account:String}${isSeen}`,
    { account: asked.id, ...(reach !== undefined && { reach }) },
  );
  const accounts = new Map<string, Set<string>>();
  for (const [lsn, index, account] of rows) {
    const key = `${lsn} ${index}`;
    const others = accounts.get(key);
    if (others === undefined) accounts.set(key, new Set([account as string]));
    else others.add(account as string);
  }
  return new Map([...accounts].map(([key, others]) => [key, [...others].sort()]));
}

function lineBody({ row }: Line, balance: bigint, counterparts: readonly string[]) {
  const [
    lsn,
    index,
    leg,
    transaction,
    kind,
    effective,
    committed,
    side,
    amount,
    code,
    reference,
    tag,
    terminal,
    who,
  ] = row;
  return {
    ...{ lsn: msOf(lsn), index, leg, transaction, kind },
    effective_at: iso(msOf(effective)),
    committed_at: iso(msOf(committed)),
    ...{ side, amount: big(amount), balance },
    ...optional('code', code),
    ...optional('reference', reference),
    ...optional('tag', tag),
    ...optional('terminal', terminal),
    ...optional('by', who),
    counterparts,
  };
}

function keyOf({ lsn, index, leg }: Line): string {
  return `${lsn} ${index} ${leg}`;
}

function placeOf({ timeMs, lsn, index, leg }: Line): Place {
  return [timeMs, lsn, index, leg];
}

/** The oldest and the newest of a page, whichever way it is ordered. */
function endsOf(found: readonly Line[]): readonly [Line, Line] {
  const [first, last] = [found[0]!, found.at(-1)!];
  const steps = [
    first.timeMs - last.timeMs,
    first.lsn - last.lsn,
    first.index - last.index,
    first.leg - last.leg,
  ];
  return (steps.find((step) => step !== 0) ?? 0) <= 0 ? [first, last] : [last, first];
}
