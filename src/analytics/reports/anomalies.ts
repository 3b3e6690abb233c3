import { type Asked, big, iso, msOf, type Report, tableOf } from './asked.js';
import { oneCurrency } from './currencies.js';
import { both, where } from './filters.js';
import { rawRange, timeColumn, timeLiteral } from './source.js';
import { closedSpan } from './spans.js';
import { DAY_MS } from './zone.js';

/*
 * Robust z-scores after Iglewicz and Hoaglin (How to Detect and Handle Outliers, 1993): 0.6745 · (x − median) / MAD, unusual beyond 3.5. Where more
 * than half of the values are equal, the MAD is 0, and 1.253314 times the mean absolute deviation takes the place of MAD / 0.6745.
 */

const UNUSUAL = 3.5;
/** Postings, or hours, below which an account has no habits. */
const HISTORY_MIN = 20;
/** An account's habits are those of so many days before the span, and of the span. */
const HISTORY_DAYS = 90;

/** What is unusual for its account in the span: amounts, postings an hour, hours of the day. The most unusual first, each transaction once. */
export async function anomalies(asked: Asked): Promise<Report> {
  const limit = asked.parameters.integer('limit', 1, 1_000) ?? 100;
  const span = closedSpan(asked);
  const { currency, filter: ofCurrency } = await oneCurrency(asked);
  const filter = both(ofCurrency, asked.filters.others);
  const time = timeColumn(asked);
  const rows = where(
    filter,
    'amount > 0',
    ...rawRange(asked, { from: span.from - HISTORY_DAYS * DAY_MS, to: span.to }),
  );
  const start = timeLiteral(span.from);
  const postings = `(SELECT ${time} AS time, effective_at AS effective, account, toString(side) AS side, amount, lsn, transaction FROM postings ${rows})`;
  const found = await asked.rows(
    'SELECT lsn, transaction, account, toUnixTimestamp64Milli(effective), amount, score, reason, value, usual, n FROM (' +
      `${amountSql(postings, start)} UNION ALL ${rateSql(postings, start)} UNION ALL ${hourSql(postings, start)}) ` +
      `WHERE abs(score) > ${UNUSUAL} ORDER BY abs(score) DESC, lsn DESC, account, reason LIMIT 1 BY lsn LIMIT ${limit}`,
    { ...filter.params, tz: asked.zone.sqlName },
  );
  const list = found.map(([lsn, transaction, account, at, amount, score, reason, value, usual, n]) => ({
    ...{ lsn: msOf(lsn), transaction, account, effective_at: iso(msOf(at)), amount: big(amount), currency },
    score: Math.round((score as number) * 100) / 100,
    reason,
    usual: Number(usual),
    detail: detail(reason as string, Number(value), Number(usual), Number(n)),
  }));
  const columns = [
    'lsn',
    'transaction',
    'account',
    'effective_at',
    'amount',
    'currency',
    'score',
    'reason',
    'detail',
  ];
  return {
    body: { currency, anomalies: list },
    table: tableOf(columns, list),
  };
}

/** Adds `score` and `usual` (the median) to rows with a value `x` of a series named by `keys`. */
function scored(rows: string, keys: string): string {
  const deviations = `SELECT *, quantileExact(0.5)(toFloat64(x)) OVER w AS usual, count() OVER w AS n FROM (${rows}) WINDOW w AS (PARTITION BY ${keys})`;
  const spread =
    'SELECT *, abs(toFloat64(x) - usual) AS away, quantileExact(0.5)(away) OVER w AS mad, avg(away) OVER w AS mean ' +
    `FROM (${deviations}) WINDOW w AS (PARTITION BY ${keys})`;
  return (
    'SELECT *, multiIf(mad > 0, 0.6745 * (toFloat64(x) - usual) / mad, mean > 0, (toFloat64(x) - usual) / (1.253314 * mean), 0) AS score ' +
    `FROM (${spread}) WHERE n >= ${HISTORY_MIN}`
  );
}

function amountSql(postings: string, start: string): string {
  const rows = `SELECT *, amount AS x FROM ${postings}`;
  return (
    "SELECT lsn, transaction, account, effective, amount, score, 'amount' AS reason, toFloat64(x) AS value, usual, n " +
    `FROM (${scored(rows, 'account, side')}) WHERE time >= ${start}`
  );
}

/** An hour is shown by its last posting. */
function rateSql(postings: string, start: string): string {
  const ms = 'toUnixTimestamp64Milli(time)';
  const rows =
    `SELECT account, ${ms} - positiveModulo(${ms}, 3600000) AS hour, count() AS x, argMax(lsn, (time, lsn)) AS last_lsn, ` +
    'argMax(transaction, (time, lsn)) AS last_transaction, argMax(amount, (time, lsn)) AS last_amount, max(time) AS last_time, ' +
    'argMax(effective, (time, lsn)) AS last_effective ' +
    `FROM ${postings} GROUP BY account, hour`;
  return (
    "SELECT last_lsn, last_transaction, account, last_effective, last_amount, score, 'rate' AS reason, toFloat64(x) AS value, usual, n " +
    `FROM (${scored(rows, 'account')}) WHERE last_time >= ${start}`
  );
}

/**
 * Hours go round: they are counted from the account's mean direction on the clock, -12 to 12. Of an hour with several postings the last one
 * is shown.
 */
function hourSql(postings: string, start: string): string {
  const hour = '(toHour(time, {tz:String}) + toMinute(time, {tz:String}) / 60)';
  const turned =
    `SELECT *, ${hour} AS hour, avg(sin(hour * pi() / 12)) OVER w AS s, avg(cos(hour * pi() / 12)) OVER w AS c ` +
    `FROM ${postings} WINDOW w AS (PARTITION BY account)`;
  const rows = `SELECT *, atan2(s, c) * 12 / pi() AS mean_hour, positiveModulo(hour - mean_hour + 12, 24) - 12 AS x FROM (${turned})`;
  return (
    "SELECT lsn, transaction, account, effective, amount, score, 'hour' AS reason, hour AS value, positiveModulo(mean_hour + usual, 24) AS usual, n " +
    `FROM (${scored(rows, 'account')}) WHERE time >= ${start} ORDER BY lsn DESC LIMIT 1 BY account, intDiv(toUnixTimestamp64Milli(time), 3600000)`
  );
}

function detail(reason: string, value: number, usual: number, n: number): string {
  if (reason === 'amount')
    return `${value} minor units; this account's median is ${usual} (of ${n} postings on this side)`;
  if (reason === 'rate')
    return `${value} postings in this hour; the account's median is ${usual} (of ${n} hours with postings)`;
  return `at ${clock(value)}; the account is usually moved at about ${clock(usual)} (of ${n} postings)`;
}

function clock(hour: number): string {
  const minutes = Math.round(hour * 60) % 1440;
  return `${String(Math.floor(minutes / 60)).padStart(2, '0')}:${String(minutes % 60).padStart(2, '0')}`;
}
