import { ACCOUNT_TYPES } from '../../../engine/accounts.js';
import { parseTime } from '../../ledger/fields.js';
import { ReportError } from '../report-error.js';
import { type Asked, big, isDebitNormal, iso, msOf, type Report } from './asked.js';
import { anyCurrency } from './currencies.js';
import { both } from './filters.js';
import { invalid } from './parameters.js';
import { type Span, source, timeLiteral } from './source.js';
import { untilAt } from './spans.js';

/** Exchange rates, kept beside the postings, and what all balances come to in one currency. */

const RATES_MAX = 1_000;
const CURRENCY = /^[A-Z0-9]{3,8}$/;
/** Decimal(38, 18), more than 0. */
const RATE = /^\d{1,20}(\.\d{1,18})?$/;
const ONE = '1000000000000000000';

interface Rate {
  readonly from: string;
  readonly to: string;
  readonly rate: string;
  readonly at: number;
}

/** Remembers rates; an earlier one of the same pair and time is replaced. */
export async function putRates(asked: Asked): Promise<Report> {
  const rates = readRates(asked.question.body);
  const list = (name: string, type: string) => `{${name}:Array(${type})}`;
  await asked.command(
    'INSERT INTO rates (tenant, source, target, at, rate, who, set_at) SELECT {tenant:String}, r.1, r.2, ' +
      "fromUnixTimestamp64Milli(r.4, 'UTC'), CAST(r.3, 'Decimal(38, 18)'), {who:String}, now64(3) FROM (SELECT arrayJoin(arrayZip(" +
      `${list('sources', 'String')}, ${list('targets', 'String')}, ${list('values', 'String')}, ${list('times', 'Int64')})) AS r)`,
    {
      sources: rates.map(({ from }) => from),
      targets: rates.map(({ to }) => to),
      values: rates.map(({ rate }) => rate),
      times: rates.map(({ at }) => at),
      who: asked.question.who,
    },
  );
  return { body: { rates: rates.length } };
}

/** Rates in force at a moment. */
export async function getRates(asked: Asked): Promise<Report> {
  const { span, at } = untilAt(asked);
  const rows = await asked.rows(
    `SELECT source, target, toString(r), toUnixTimestamp64Milli(t) FROM ${inForce(span, at)} ORDER BY source, target`,
  );
  const rates = rows.map(([from, to, rate, since]) => ({ from, to, rate, at: iso(msOf(since)) }));
  return { body: { at: iso(at), rates } };
}

/** Balances of each type in one currency. Where only the opposite rate is known, it divides. */
export async function totals(asked: Asked): Promise<Report> {
  const target = asked.parameters.text('in');
  if (target === undefined || !CURRENCY.test(target)) throw invalid('in', 'a currency, 3-8 of A-Z0-9');
  const { span, at } = untilAt(asked);
  const filter = both(anyCurrency(asked), asked.filters.others);
  const debitNormal = ACCOUNT_TYPES.filter(isDebitNormal).map((type) => `'${type}'`);
  const balance = `sum(if(type IN (${debitNormal.join(', ')}), debits - credits, credits - debits))`;
  const rows = await asked.rows(
    `SELECT t, sum(value), arraySort(groupArrayIf(toString(m), NOT is_known)) FROM (SELECT t, m, (${rounded()}) AS value, ` +
      'is_own OR direct > 0 OR opposite > 0 AS is_known FROM (' +
      `SELECT t, m, toInt256(b) AS amount, m = {in:String} AS is_own, ${scaled('direct.r')} AS direct, ${scaled('opposite.r')} AS opposite FROM ` +
      `(SELECT toString(type) AS t, toString(currency) AS m, ${balance} AS b FROM ${source(asked, span, { filter })} GROUP BY t, m HAVING sum(count) > 0) AS sums ` +
      `LEFT JOIN (SELECT source, r FROM ${inForce(span, at)} WHERE target = {in:String}) AS direct ON m = direct.source ` +
      `LEFT JOIN (SELECT target, r FROM ${inForce(span, at)} WHERE source = {in:String}) AS opposite ON m = opposite.target)) GROUP BY t ORDER BY t`,
    { ...filter.params, in: target },
  );
  return {
    body: {
      ...{ in: target, at: iso(at) },
      types: rows.map(([type, sum, missing]) => ({ type, balance: big(sum), missing })),
    },
  };
}

/** The newest rate of each pair that counts at the moment as postings do; of several for one time the one that was set last. */
function inForce({ to }: Span, at: number): string {
  return (
    '(SELECT source, target, argMax(rate, (rates.at, set_at)) AS r, max(rates.at) AS t FROM rates ' +
    `WHERE tenant = {tenant:String} AND rates.at < ${timeLiteral(to ?? at + 1)} GROUP BY source, target)`
  );
}

/** A rate times 10^18, exact. */
function scaled(rate: string): string {
  return `toInt256(toDecimal256(${rate}, 18) * toDecimal256('${ONE}', 0))`;
}

/** The amount in the other currency, rounded half away from zero; 0 where no rate is known. */
function rounded(): string {
  const one = `toInt256('${ONE}')`;
  const quotient = (dividend: string, divisor: string) =>
    `sign(amount) * intDiv(2 * abs(amount) * ${dividend} + ${divisor}, 2 * ${divisor})`;
  return `multiIf(is_own, amount, direct > 0, ${quotient('direct', one)}, ${quotient(one, 'greatest(opposite, 1)')} * (opposite > 0))`;
}

function readRates(body: unknown): Rate[] {
  const list = (body as { rates?: unknown } | null | undefined)?.rates;
  if (!Array.isArray(list) || list.length === 0) throw refused('/rates', 'a list of rates');
  if (Object.keys(body as object).length !== 1) throw refused('', 'the body has the field rates alone');
  if (list.length > RATES_MAX)
    throw new ReportError('too_large', `at most ${RATES_MAX} rates at once`, '/rates');
  const nowMs = Date.now();
  const places = new Set<string>();
  return list.map((item: unknown, i) => {
    const rate = readRate(item, `/rates/${i}`, nowMs);
    const place = `${rate.from} ${rate.to} ${rate.at}`;
    if (places.has(place)) throw refused(`/rates/${i}`, 'a second rate of the same pair and time');
    places.add(place);
    return rate;
  });
}

function readRate(item: unknown, at: string, nowMs: number): Rate {
  if (typeof item !== 'object' || item === null || Array.isArray(item))
    throw refused(at, 'a rate is an object');
  const fields = item as Record<string, unknown>;
  for (const name of Object.keys(fields)) {
    if (!['from', 'to', 'rate', 'at'].includes(name))
      throw refused(`${at}/${name}`, `unknown field ${JSON.stringify(name)}`);
  }
  const { from, to, rate } = fields;
  if (typeof from !== 'string' || !CURRENCY.test(from))
    throw refused(`${at}/from`, 'a currency is 3-8 of A-Z0-9');
  if (typeof to !== 'string' || !CURRENCY.test(to)) throw refused(`${at}/to`, 'a currency is 3-8 of A-Z0-9');
  if (from === to) throw refused(`${at}/to`, 'another currency than from');
  if (typeof rate !== 'string' || !RATE.test(rate) || /^[0.]*$/.test(rate)) {
    throw refused(
      `${at}/rate`,
      'a rate is decimal text above 0, with at most 20 digits before and 18 behind the point',
    );
  }
  const time = fields['at'] === undefined ? nowMs : parseTime(fields['at']);
  if (time === undefined) throw refused(`${at}/at`, 'a time is RFC 3339, UTC, with at most milliseconds');
  return { from, to, rate, at: time };
}

function refused(pointer: string, detail: string): ReportError {
  return new ReportError('invalid_request', detail, pointer);
}
