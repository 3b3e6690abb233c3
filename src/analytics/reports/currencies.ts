import { type Asked, big } from './asked.js';
import { equal, type Filter, NO_FILTER } from './filters.js';

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

/**
 * The one currency of a report of series. Empty when there is none yet and none was asked for.
 * @param known all of them, where they have been looked up
 */
export async function oneCurrency(
  asked: Asked,
  known?: readonly CurrencyCount[],
): Promise<{ readonly currency: string; readonly filter: Filter }> {
  const currency = asked.filters.currency ?? (known ?? (await currenciesOf(asked)))[0]?.currency ?? '';
  return { currency, filter: equal('currency', currency) };
}

/** The currency filter of a report that tells currencies apart. */
export function anyCurrency({ filters }: Asked): Filter {
  return filters.currency === undefined ? NO_FILTER : equal('currency', filters.currency);
}
