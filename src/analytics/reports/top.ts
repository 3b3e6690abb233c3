import { type Asked, big, type Report, tableOf } from './asked.js';
import { oneCurrency } from './currencies.js';
import { both } from './filters.js';
import { source } from './source.js';
import { closedSpan } from './spans.js';

const VALUES = {
  sales: "sumIf(credits, type = 'revenue')",
  refunds: "sumIf(debits, type = 'revenue')",
  count: "toInt128(sumIf(count, type = 'revenue'))",
  amount: 'sum(debits + credits)',
} as const;
const COUNTS = {
  sales: "sumIf(count - debit_count, type = 'revenue')",
  refunds: "sumIf(debit_count, type = 'revenue')",
  count: "sumIf(count, type = 'revenue')",
  amount: 'sum(count)',
} as const;
const KEYS = ['account', 'terminal', 'code', 'group'] as const;

/** The largest by a figure. What has no name is left out. */
export async function top(asked: Asked): Promise<Report> {
  const { parameters } = asked;
  const by = parameters.choice('by', Object.keys(VALUES) as (keyof typeof VALUES)[]) ?? 'sales';
  const of = parameters.choice('of', KEYS) ?? 'account';
  const limit = parameters.integer('limit', 1, 1_000) ?? 100;
  const span = closedSpan(asked);
  const { currency, filter: ofCurrency } = await oneCurrency(asked);
  const filter = both(ofCurrency, asked.filters.others);
  const found = await asked.rows(
    `SELECT toString(\`${of}\`) AS k, ${VALUES[by]} AS v, ${COUNTS[by]} FROM ${source(asked, span, { filter })} ` +
      `WHERE \`${of}\` != '' GROUP BY k HAVING v > 0 ORDER BY v DESC, k LIMIT ${limit}`,
    filter.params,
  );
  const rows = found.map(([key, value, count]) => ({
    key: key as string,
    value: big(value),
    count: big(count),
  }));
  return {
    body: { by, of, currency, rows },
    table: tableOf(['key', 'value', 'count'], rows),
  };
}
