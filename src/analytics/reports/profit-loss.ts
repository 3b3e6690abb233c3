import type { Row } from '../database.js';
import { type Asked, big, msOf, type Report } from './asked.js';
import { oneCurrency } from './currencies.js';
import { both, GROUPS_MAX, readKey } from './filters.js';
import { bucketStart, source } from './source.js';
import { closedSpan } from './spans.js';

const DAYS_MAX = 10_000;
const SUMS =
  "sumIf(credits - debits, type = 'revenue') AS revenue, sumIf(debits - credits, type = 'expense') AS expense";

/** Revenue, expense and profit of each day. */
export async function profitLoss(asked: Asked): Promise<Report> {
  const span = closedSpan(asked);
  const key = readKey(asked.parameters);
  const starts = asked.zone.starts(span.from, span.to, 'day', DAYS_MAX);
  const { currency, filter: ofCurrency } = await oneCurrency(asked);
  const filter = both(ofCurrency, asked.filters.others);
  const [rows, groups] = await Promise.all([
    asked.rows(
      `SELECT grouping(b), b, ${SUMS} FROM (SELECT ${bucketStart(starts)} AS b, type, debits, credits ` +
        `FROM ${source(asked, span, { filter, starts })}) GROUP BY GROUPING SETS ((b), ())`,
      filter.params,
    ),
    key === undefined
      ? []
      : asked.rows(
          `SELECT ${key} AS k, ${SUMS} FROM ${source(asked, span, { filter })} GROUP BY k ` +
            `ORDER BY revenue DESC, k LIMIT ${GROUPS_MAX}`,
          filter.params,
        ),
  ]);
  const found = new Map(rows.filter(([level]) => level === '0').map((row) => [msOf(row[1]), result(row, 2)]));
  const total = rows.find(([level]) => level === '1');
  const days = starts.map((start) => {
    const { revenue, expense, profit } = found.get(start) ?? result(undefined, 0);
    return [asked.zone.dateOf(start), revenue, expense, profit] as const;
  });
  return {
    body: {
      currency,
      days,
      totals: result(total, 2),
      ...(key !== undefined && { groups: groups.map((row) => ({ key: row[0], ...result(row, 1) })) }),
    },
    table: { columns: ['date', 'revenue', 'expense', 'profit'], rows: days },
  };
}

function result(row: Row | undefined, at: number) {
  const revenue = row === undefined ? 0n : big(row[at]);
  const expense = row === undefined ? 0n : big(row[at + 1]);
  return { revenue, expense, profit: revenue - expense };
}
