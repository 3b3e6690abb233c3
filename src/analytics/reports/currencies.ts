import { type Asked, big } from './asked.js';
import { equal, type Filter } from './filters.js';

export interface CurrencyCount {
  readonly currency: string;
  /** Postings. */
  readonly count: bigint;
}

/** All currencies of the tenant, the one with the most postings first. */
export async function currenciesOf(asked: Asked): Promise<CurrencyCount[]> {
  const rows =
    asked.basis === 'committed'
      ? `SELECT currency, count() AS n FROM postings WHERE tenant = {tenant:String} AND amount > 0 AND lsn <= ${asked.lsn}`
      : 'SELECT currency, sum(count) AS n FROM sums_month WHERE tenant = {tenant:String}';
  const found = await asked.rows(`${rows} GROUP BY currency HAVING n > 0 ORDER BY n DESC, currency`);
  return found.map(([currency, count]) => ({ currency: currency as string, count: big(count) }));
}

/** The one currency of a report of series, and all there are. Empty when there is none yet and none was asked for. */
export async function oneCurrency(asked: Asked): Promise<{
  readonly currency: string;
  readonly currencies: readonly CurrencyCount[];
  readonly filter: Filter;
}> {
  const currencies = await currenciesOf(asked);
  const currency = asked.filters.currency ?? currencies[0]?.currency ?? '';
  return { currency, currencies, filter: equal('currency', currency) };
}

/** The currency filter of a report that tells currencies apart. */
export function anyCurrency({ filters }: Asked): Filter {
  return filters.currency === undefined
    ? { conditions: [], params: {} }
    : equal('currency', filters.currency);
}
