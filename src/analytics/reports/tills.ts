import { type Asked, ascending, descending, optional, type Report, tableOf } from './asked.js';
import { oneCurrency } from './currencies.js';
import { FIGURES_SQL, figuresOf } from './figures.js';
import { both, readKey } from './filters.js';
import { figuresBy } from './overview.js';
import { drawers } from './shops.js';
import { source } from './source.js';
import { closedSpan } from './spans.js';

const COLUMNS = [
  ...['till', 'shop', 'sales', 'refunds', 'net', 'vat', 'expense', 'profit'],
  ...['count', 'refund_count', 'average', 'refund_rate'],
] as const;

/** All tills that sent something in the span, largest net first. */
export async function tills(asked: Asked): Promise<Report> {
  const span = closedSpan(asked);
  const key = readKey(asked.parameters);
  const { currency, filter: ofCurrency } = await oneCurrency(asked);
  const filter = both(ofCurrency, asked.filters.others);
  const sent = both(filter, { conditions: ["terminal != ''"], params: {} });
  const [rows, groups] = await Promise.all([
    asked.rows(
      `SELECT t, any(shop), ${FIGURES_SQL} FROM (SELECT toString(terminal) AS t, shop, type, tag, debits, credits, count, debit_count ` +
        `FROM ${source(asked, span, { filter: sent })} AS rows LEFT JOIN ${drawers(asked)} AS drawers ON toString(terminal) = drawer) ` +
        'GROUP BY t',
      filter.params,
    ),
    key === undefined ? undefined : figuresBy(asked, span, sent, key),
  ]);
  const list = rows
    .map((row) => ({ till: row[0] as string, ...optional('shop', row[1]), ...figuresOf(row, 2) }))
    .sort((a, b) => descending(a.net, b.net) || ascending(a.till, b.till));
  return {
    body: { currency, tills: list, ...(groups !== undefined && { groups }) },
    table: tableOf(COLUMNS, list),
  };
}
