import type { Row } from '../database.js';
import { type Account, accountOf } from './account.js';
import { type Asked, big, isDebitNormal, iso, msOf, normal, optional, type Report } from './asked.js';
import { anyCurrency } from './currencies.js';
import { readCursor, writeCursor } from './cursor.js';
import { both, equal, type Filter, where } from './filters.js';
import { rawRange, type Span, source, timeColumn, timeLiteral } from './source.js';
import { openSpan } from './spans.js';

/*
 * A page begins behind a key (time, lsn, index, leg) in the order of the postings' own key, so that it costs the same wherever it lies.
 * Its rows' balances are what the account had before the page's oldest row, from the sums, plus what postings from there on add up to.
 */

interface Line {
  readonly timeMs: number;
  readonly lsn: number;
  readonly index: number;
  readonly leg: number;
  readonly row: Row;
}

const KEY = ['number', 'number', 'number', 'number'] as const;
const ORDERS = ['asc', 'desc'] as const;
const LIMIT_MAX = 1_000;
const CSV_LIMIT_MAX = 10_000;

const COLUMNS =
  'lsn, index, leg, transaction, toString(kind), toUnixTimestamp64Milli(effective_at), toUnixTimestamp64Milli(committed_at), ' +
  'toString(side), amount, toString(code), reference, toString(tag), toString(terminal), toString(who)';

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

/** An account's postings with the balance after each. */
export async function statement(asked: Asked): Promise<Report> {
  const { parameters } = asked;
  const span = openSpan(asked);
  const order = parameters.choice('order', ORDERS) ?? 'asc';
  const isCsv = parameters.text('format') === 'csv';
  const limit =
    parameters.integer('limit', 1, isCsv ? CSV_LIMIT_MAX : LIMIT_MAX) ?? (isCsv ? CSV_LIMIT_MAX : 100);
  const cursor = readCursor(parameters, KEY) as readonly [number, number, number, number] | undefined;
  const amounts = amountFilter(asked);
  const words = both(anyCurrency(asked), asked.filters.others);
  const account = await accountOf(asked);
  const [page, totals] = await Promise.all([
    readPage(asked, span, both(words, amounts), order, limit, cursor),
    totalsOf(asked, account, span, words, amounts),
  ]);
  const lines = page.slice(0, limit);
  const [balances, counterparts] = await Promise.all([
    balancesOf(asked, account, page, both(words, amounts)),
    counterpartsOf(asked, lines),
  ]);
  const last = lines.at(-1);
  const next =
    page.length > limit && last !== undefined
      ? writeCursor([last.timeMs, last.lsn, last.index, last.leg])
      : undefined;
  const rows = lines.map((line) =>
    lineBody(line, balances.get(keyOf(line))!, counterparts.get(`${line.lsn} ${line.index}`) ?? []),
  );
  return {
    body: {
      ...{ account: account.id, currency: account.currency, type: account.type },
      ...totals,
      rows,
      cursor: next,
    },
    table: {
      columns: CSV_COLUMNS,
      rows: rows.map((row) => {
        const cells = row as unknown as Record<string, unknown>;
        return CSV_COLUMNS.map((name) =>
          name === 'counterparts' ? row.counterparts.join(' ') : cells[name],
        );
      }),
      cursor: next,
    },
  };
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

/** The page, and one row more when there are more. */
async function readPage(
  asked: Asked,
  span: Span,
  filter: Filter,
  order: 'asc' | 'desc',
  limit: number,
  cursor: readonly [number, number, number, number] | undefined,
): Promise<Line[]> {
  const key = orderKey(asked);
  const behind =
    cursor === undefined
      ? []
      : [
          `${timeColumn(asked)} ${order === 'asc' ? '>=' : '<='} ${timeLiteral(cursor[0])}`,
          `(${key}) ${order === 'asc' ? '>' : '<'} (${keyLiteral(asked, cursor)})`,
        ];
  const ordered = key
    .split(', ')
    .map((column) => `${column} ${order}`)
    .join(', ');
  const rows = await asked.rows(
    `SELECT ${COLUMNS} FROM postings ${own(asked, ...rawRange(asked, span), ...behind, ...filter.conditions)} ` +
      `ORDER BY ${ordered} LIMIT ${limit + 1}`,
    { account: asked.id, ...filter.params },
  );
  return rows.map((row) => ({
    timeMs: msOf(row[asked.basis === 'effective' ? 5 : 6]),
    lsn: msOf(row[0]),
    index: Number(row[1]),
    leg: Number(row[2]),
    row,
  }));
}

/** Postings are sorted so; by commit, time and LSN have the same order. */
function orderKey(asked: Asked): string {
  return asked.basis === 'effective' ? 'effective_at, lsn, index, leg' : 'lsn, index, leg';
}

function keyLiteral(
  asked: Asked,
  [time, lsn, index, leg]: readonly [number, number, number, number],
): string {
  const place = `toUInt64(${lsn}), toUInt16(${index}), toUInt8(${leg})`;
  return asked.basis === 'effective' ? `${timeLiteral(time)}, ${place}` : place;
}

/** The balance after each row: keyed by `keyOf`. */
async function balancesOf(
  asked: Asked,
  account: Account,
  page: readonly Line[],
  filter: Filter,
): Promise<Map<string, bigint>> {
  const [first, last] = [page[0], page.at(-1)];
  if (first === undefined || last === undefined) return new Map();
  const [oldest, newest] = isBefore(first, last) ? [first, last] : [last, first];
  const key = orderKey(asked);
  const bounds = [oldest, newest].map((line) =>
    keyLiteral(asked, [line.timeMs, line.lsn, line.index, line.leg]),
  );
  const time = timeColumn(asked);
  const signed = `toInt128(if(side = '${isDebitNormal(account.type) ? 'debit' : 'credit'}', amount, -amount))`;
  const params = { account: asked.id, ...filter.params };
  const shown = filter.conditions.length === 0 ? '1' : filter.conditions.join(' AND ');
  const [before, running] = await Promise.all([
    balanceBefore(asked, account, oldest),
    asked.rows(
      `SELECT lsn, index, leg, run FROM (SELECT lsn, index, leg, ${shown} AS is_shown, ` +
        `sum(${signed}) OVER (ORDER BY ${key} ROWS UNBOUNDED PRECEDING) AS run FROM postings ` +
        `${own(asked, `${time} >= ${timeLiteral(oldest.timeMs)}`, `${time} <= ${timeLiteral(newest.timeMs)}`, `(${key}) >= (${bounds[0]})`, `(${key}) <= (${bounds[1]})`)}) ` +
        'WHERE is_shown',
      params,
    ),
  ]);
  return new Map(running.map(([lsn, index, leg, run]) => [`${lsn} ${index} ${leg}`, before + big(run)]));
}

/** What the account had right before a posting. */
async function balanceBefore(asked: Asked, account: Account, line: Line): Promise<bigint> {
  const filter = equal('account', account.id);
  if (asked.basis === 'committed') {
    const before = `(lsn, index, leg) < (${keyLiteral(asked, [line.timeMs, line.lsn, line.index, line.leg])})`;
    return balanceFrom(asked, account, `(SELECT ${SIDES_OF_ROW} FROM postings ${own(asked, before)})`);
  }
  const same = own(
    asked,
    `effective_at = ${timeLiteral(line.timeMs)}`,
    `(lsn, index, leg) < (toUInt64(${line.lsn}), toUInt16(${line.index}), toUInt8(${line.leg}))`,
  );
  const earlier = source(asked, { to: line.timeMs }, { filter, ofAccount: true });
  return balanceFrom(
    asked,
    account,
    `(SELECT debits, credits FROM ${earlier} UNION ALL SELECT ${SIDES_OF_ROW} FROM postings ${same})`,
  );
}

const SIDES_OF_ROW =
  "toInt128(if(side = 'debit', amount, 0)) AS debits, toInt128(if(side = 'credit', amount, 0)) AS credits";

async function balanceFrom(asked: Asked, account: Account, rows: string): Promise<bigint> {
  const [row] = await asked.rows(`SELECT sum(debits), sum(credits) FROM ${rows}`, { account: account.id });
  return normal(account.type, big(row![0]), big(row![1]));
}

/** Opening and closing balance of the span, and what the filter shows of it. */
async function totalsOf(asked: Asked, account: Account, span: Span, words: Filter, amounts: Filter) {
  const filter = equal('account', account.id);
  const sides = 'sum(debits) AS d, sum(credits) AS c, sum(count) AS n';
  const within = source(asked, span, { filter, ofAccount: true });
  const shownIf = words.conditions.length === 0 ? '1' : words.conditions.join(' AND ');
  const [before, all, raw] = await Promise.all([
    span.from === undefined
      ? undefined
      : asked.rows(
          `SELECT ${sides} FROM ${source(asked, { to: span.from }, { filter, ofAccount: true })}`,
          filter.params,
        ),
    asked.rows(
      `SELECT ${sides}, sumIf(debits, ${shownIf}), sumIf(credits, ${shownIf}), sumIf(count, ${shownIf}) FROM ${within}`,
      { ...filter.params, ...words.params },
    ),
    amounts.conditions.length === 0
      ? undefined
      : asked.rows(
          `SELECT sumIf(toInt128(amount), side = 'debit'), sumIf(toInt128(amount), side = 'credit'), count() FROM postings ` +
            own(asked, ...rawRange(asked, span), ...words.conditions, ...amounts.conditions),
          { ...filter.params, ...words.params },
        ),
  ]);
  const opening = before === undefined ? 0n : normal(account.type, big(before[0]![0]), big(before[0]![1]));
  const [debits, credits, , shownDebits, shownCredits, count] = all[0]!.map(big);
  const shown = raw === undefined ? [shownDebits, shownCredits, count] : raw[0]!.map(big);
  return {
    opening,
    closing: opening + normal(account.type, debits!, credits!),
    ...{ debits: shown[0], credits: shown[1], count: shown[2] },
  };
}

/** The other accounts of each row's transaction that the caller may see, by `lsn index`. */
async function counterpartsOf(asked: Asked, lines: readonly Line[]): Promise<Map<string, string[]>> {
  if (lines.length === 0) return new Map();
  const commits = lines.map(({ row }) => msOf(row[6]));
  const lsns = [...new Set(lines.map(({ lsn }) => lsn))];
  const { reach } = asked.question;
  const isSeen =
    reach === undefined ? '' : 'AND arrayExists(p -> startsWith(account, p), {reach:Array(String)}) ';
  const rows = await asked.rows(
    'SELECT lsn, index, arraySort(groupUniqArray(account)) FROM postings WHERE tenant = {tenant:String} ' +
      `AND committed_at >= ${timeLiteral(Math.min(...commits))} AND committed_at <= ${timeLiteral(Math.max(...commits))} ` +
      `AND lsn IN (${lsns.join(', ')}) AND account != {account:String} ${isSeen}GROUP BY lsn, index`,
    { account: asked.id, ...(reach !== undefined && { reach }) },
  );
  return new Map(rows.map(([lsn, index, accounts]) => [`${lsn} ${index}`, accounts as string[]]));
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

function isBefore(a: Line, b: Line): boolean {
  return (
    a.timeMs - b.timeMs < 0 ||
    (a.timeMs === b.timeMs &&
      (a.lsn < b.lsn || (a.lsn === b.lsn && (a.index < b.index || (a.index === b.index && a.leg <= b.leg)))))
  );
}
