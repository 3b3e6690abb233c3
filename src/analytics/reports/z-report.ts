import { ReportError } from '../report-error.js';
import { findAccount } from './account.js';
import { type Asked, big, iso, msOf, normal, optional, type Report } from './asked.js';
import { anyCurrency } from './currencies.js';
import { FIGURES_SQL, figuresOf } from './figures.js';
import { both, equal, type Filter, NO_FILTER, where, withLeg } from './filters.js';
import { invalid } from './parameters.js';
import {
  accountSource,
  bucketStart,
  rawRange,
  type Span,
  source,
  timeColumn,
  timeLiteral,
} from './source.js';
import { DAY_MS } from './zone.js';

/** Days in one query of the number: they stand in its text. */
const DAYS_A_QUERY = 5_000;

/** The end of a till's day: what it sold, took back and still holds, and what moved in its drawer. */
export async function zReport(asked: Asked): Promise<Report> {
  const { parameters, zone, id } = asked;
  const given = parameters.time('date', zone);
  if (given !== undefined && !parameters.isDate('date')) throw invalid('date', 'a date, such as 2010-12-01');
  const from = given ?? zone.floor(asked.nowMs, 'day');
  const day = { from, to: zone.step(from, 'day', 1) };
  const till = equal('terminal', id, 'till');
  const filter = both(till, anyCurrency(asked), asked.filters.others);
  const account = await findAccount(asked);
  if (account === undefined && !(await hasTraded(asked))) {
    throw new ReportError('account_not_found', `no till ${JSON.stringify(id)}`);
  }
  const [figures, codes, rates, holds, drawer, times, number] = await Promise.all([
    asked.rows(
      `SELECT toString(currency) AS m, ${FIGURES_SQL} FROM ${source(asked, day, { filter })} GROUP BY m ORDER BY m`,
      filter.params,
    ),
    asked.rows(
      `SELECT toString(currency) AS m, toString(code) AS k, sum(debits), sum(credits), sum(count) AS n FROM ${source(asked, day, { filter })} ` +
        "WHERE type = 'revenue' GROUP BY m, k HAVING n > 0 ORDER BY m, k",
      filter.params,
    ),
    asked.rows(
      `SELECT toString(currency) AS m, toString(tag) AS k, sum(credits - debits) FROM ${source(asked, day, { filter })} ` +
        "WHERE type = 'liability' AND startsWith(tag, 'vat') GROUP BY m, k HAVING sum(count) > 0 ORDER BY m, k",
      filter.params,
    ),
    holdsOpen(asked, day.to),
    account === undefined ? undefined : drawerOf(asked, account.type, day),
    tradeTimes(asked, day, filter),
    // Days are numbered by all trade, whatever the report is narrowed to.
    numberOf(asked, day, till),
  ]);
  const currencies = new Set([
    ...figures.map(([currency]) => currency as string),
    ...holds.keys(),
    ...(drawer === undefined ? [] : [account!.currency]),
  ]);
  if (asked.filters.currency !== undefined) {
    for (const currency of currencies) if (currency !== asked.filters.currency) currencies.delete(currency);
  }
  return {
    body: {
      till: id,
      ...optional('shop', account?.group),
      date: zone.dateOf(from),
      number,
      first_at: times?.first ?? null,
      last_at: times?.last ?? null,
      currencies: [...currencies].sort().map((currency) => {
        const own = (row: readonly unknown[]) => row[0] === currency;
        const { sales, refunds, net, vat, count, refund_count } = figuresOf(figures.find(own), 1);
        return {
          ...{ currency, sales, sales_count: count - refund_count, refunds, refund_count, net, vat },
          gross: net + vat,
          codes: codes.filter(own).map(([, code, debits, credits, n]) => ({
            ...{ code, debits: big(debits), credits: big(credits), count: big(n) },
          })),
          vat_rates: rates.filter(own).map(([, tag, sum]) => ({ tag, vat: big(sum) })),
          drawer: account?.currency === currency ? (drawer ?? null) : null,
          holds_open: holds.get(currency) ?? { count: 0n, amount: 0n },
        };
      }),
    },
  };
}

async function hasTraded(asked: Asked): Promise<boolean> {
  const rows =
    asked.basis === 'committed'
      ? `postings WHERE tenant = {tenant:String} AND terminal = {till:String} AND lsn <= ${asked.lsn}`
      : 'sums_month WHERE tenant = {tenant:String} AND terminal = {till:String}';
  return (await asked.rows(`SELECT 1 FROM ${rows} LIMIT 1`, { till: asked.id })).length > 0;
}

/** What the till reserved up to the day's end that had not ended by then, with a leg that the filter shows, by the currency of its first leg. */
async function holdsOpen(asked: Asked, to: number): Promise<Map<string, { count: bigint; amount: bigint }>> {
  const till: Filter = equal('terminal', asked.id, 'till');
  const { others } = asked.filters;
  const until = rawRange(asked, { to });
  const rows = await asked.rows(
    `SELECT toString(currency) AS m, count(), sum(amount) FROM transactions ${where(till, "kind = 'pending'", ...until, ...withLeg(others, ...until))} ` +
      'AND lsn NOT IN (SELECT created_lsn FROM transactions ' +
      `${where(NO_FILTER, "kind IN ('post', 'void', 'expire')", ...until)}) GROUP BY m`,
    { ...till.params, ...others.params },
  );
  return new Map(
    rows.map(([currency, count, amount]) => [currency as string, { count: big(count), amount: big(amount) }]),
  );
}

/** The account of the till's name over the day, whoever moved it. */
async function drawerOf(asked: Asked, type: string, day: { from: number; to: number }) {
  const { others } = asked.filters;
  const filter = both(equal('account', asked.id), others);
  const rows = accountSource(asked, [{ to: day.from }, day], {
    filter,
    columns: ['debits', 'credits'],
    detailed: others.conditions.length > 0,
  });
  const start = timeLiteral(day.from);
  const [row] = await asked.rows(
    `SELECT sumIf(debits, time < ${start}), sumIf(credits, time < ${start}), sumIf(debits, time >= ${start}), ` +
      `sumIf(credits, time >= ${start}) FROM ${rows}`,
    filter.params,
  );
  const [earlierDebits, earlierCredits, debits, credits] = row!.map(big);
  const opening = normal(type, earlierDebits!, earlierCredits!);
  return { opening, debits: debits!, credits: credits!, closing: opening + normal(type, debits!, credits!) };
}

/** First and last trade of the day, to the millisecond. */
async function tradeTimes(asked: Asked, day: Span, filter: Filter) {
  const time = timeColumn(asked);
  // Which accounts the till moved is soon found in the sums; postings begin with the account.
  const accounts = `account IN (SELECT account FROM ${source(asked, day, { filter })} WHERE type = 'revenue' AND count > 0)`;
  const [row] = await asked.rows(
    `SELECT count(), toUnixTimestamp64Milli(min(${time})), toUnixTimestamp64Milli(max(${time})) FROM postings ` +
      where(filter, accounts, "type = 'revenue'", 'amount > 0', ...rawRange(asked, day)),
    filter.params,
  );
  return row![0] === '0' ? undefined : { first: iso(msOf(row![1])), last: iso(msOf(row![2])) };
}

/** The till's earlier days with trade, plus one; 0 when the day has none. */
async function numberOf(asked: Asked, day: { from: number; to: number }, filter: Filter): Promise<number> {
  const trade = both(filter, { conditions: ["type = 'revenue'"], params: {} });
  // UTC's days with trade come from the coarsest sums. Only the zone's days that touch them can have any.
  const ms = 'toUnixTimestamp64Milli(time)';
  const found = await asked.rows(
    `SELECT DISTINCT intDiv(${ms} - positiveModulo(${ms}, ${DAY_MS}), ${DAY_MS}) AS d ` +
      `FROM ${source(asked, { to: day.to }, { filter: trade, starts: [utcDay(day.from)] })} WHERE count > 0 ORDER BY d`,
    trade.params,
  );
  const starts = new Set<number>();
  for (const [utc] of found) {
    const from = Number(utc) * DAY_MS;
    for (
      let at = asked.zone.floor(from, 'day');
      at < Math.min(from + DAY_MS, day.to);
      at = asked.zone.step(at, 'day', 1)
    ) {
      starts.add(at);
    }
  }
  const days = [...starts].sort((a, b) => a - b);
  let number = 0;
  let last = Number.NaN;
  for (let at = 0; at < days.length; at += DAYS_A_QUERY) {
    const some = days.slice(at, at + DAYS_A_QUERY);
    const span = { from: some[0]!, to: days[at + DAYS_A_QUERY] ?? day.to };
    const [row] = await asked.rows(
      `SELECT uniqExact(b), max(b) FROM (SELECT ${bucketStart(some)} AS b FROM ${source(asked, span, { filter: trade, starts: some })} WHERE count > 0)`,
      trade.params,
    );
    if (row![0] === '0') continue;
    number += Number(row![0]);
    last = msOf(row![1]);
  }
  return last === day.from ? number : 0;
}

function utcDay(ms: number): number {
  return Math.floor(ms / DAY_MS) * DAY_MS;
}
