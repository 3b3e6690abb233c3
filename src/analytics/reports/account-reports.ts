import { setTimeout } from 'node:timers/promises';
import { expiredUpTo } from '../checks.js';
import type { Row } from '../database.js';
import { ReportError } from '../report-error.js';
import { accountOf } from './account.js';
import { type Asked, big, iso, msOf, normal, type Report } from './asked.js';
import { anyCurrency } from './currencies.js';
import { roundedQuotient } from './figures.js';
import { both, equal, where } from './filters.js';
import { accountSource, bucketStart, inMinutes, rawRange, timeColumn } from './source.js';
import { openSpan, untilAt } from './spans.js';

/** What an account had at a moment, and what was reserved then. */
export async function balanceAt(asked: Asked): Promise<Report> {
  const { span, at } = untilAt(asked);
  const account = await accountOf(asked);
  const words = both(anyCurrency(asked), asked.filters.others);
  const filter = both(equal('account', account.id), words);
  const rows = accountSource(asked, [inMinutes(asked, span)], {
    filter,
    columns: SIDES,
    detailed: words.conditions.length > 0,
  });
  const [row] = await asked.rows(`SELECT ${ALL_SIDES} FROM ${rows}`, filter.params);
  const [debits, credits, debitsPending, creditsPending] = row!.map(big);
  return {
    body: {
      ...{ account: account.id, currency: account.currency, type: account.type, at: iso(at) },
      balance: normal(account.type, debits!, credits!),
      ...{ debits, credits, debits_pending: debitsPending, credits_pending: creditsPending },
    },
  };
}

const SIDES = ['debits', 'credits', 'debits_held', 'credits_held'] as const;
const ALL_SIDES = SIDES.map((name) => `sum(${name})`).join(', ');

const GROUPINGS = ['day', 'hour', 'month', 'code', 'tag', 'terminal'] as const;
const BUCKETS_MAX = 10_000;

/** Count, sum, average and largest of an account's postings. */
export async function summary(asked: Asked): Promise<Report> {
  const { parameters, zone } = asked;
  const span = openSpan(asked);
  const groupBy = parameters.choice('group_by', GROUPINGS);
  const account = await accountOf(asked);
  const filter = both(equal('account', account.id), anyCurrency(asked), asked.filters.others);
  const rows = where(filter, 'amount > 0', ...rawRange(asked, span));
  let key = "materialize('')";
  let nameOf = (text: string) => text;
  if (groupBy === 'day' || groupBy === 'hour' || groupBy === 'month') {
    const time = timeColumn(asked);
    const [ends] = await asked.rows(
      `SELECT toUnixTimestamp64Milli(min(${time})), toUnixTimestamp64Milli(max(${time})), count() FROM postings ${rows}`,
      filter.params,
    );
    const starts =
      ends![2] === '0' ? [] : zone.starts(msOf(ends![0]), msOf(ends![1]) + 1, groupBy, BUCKETS_MAX);
    // A number, so that buckets are in the order of time.
    key = bucketStart(starts, time);
    nameOf = (text) => bucketName(Number(text));
  } else if (groupBy !== undefined) key = `toString(${groupBy})`;
  const bucketName = (ms: number) => {
    if (groupBy === 'hour') return iso(ms);
    return groupBy === 'day' ? zone.dateOf(ms) : zone.dateOf(ms).slice(0, 7);
  };
  const found = await asked.rows(
    `SELECT grouping(k), ${key} AS k, count(), sumIf(toInt128(amount), side = 'debit'), ` +
      `sumIf(toInt128(amount), side = 'credit'), max(amount) FROM postings ${rows} GROUP BY GROUPING SETS ((k), ()) ORDER BY k`,
    filter.params,
  );
  const figures = (row: Row | undefined) => {
    const [count, debits, credits, max] = row === undefined ? [0n, 0n, 0n, 0n] : row.slice(2).map(big);
    return {
      ...{ count, debits, credits },
      sum: normal(account.type, debits!, credits!),
      avg: roundedQuotient(debits! + credits!, count!),
      max,
    };
  };
  const groups = found.filter(([level]) => groupBy !== undefined && level === '0');
  return {
    body: {
      ...{ account: account.id, currency: account.currency, type: account.type },
      groups: groups.map((row) => ({ key: nameOf(row[1] as string), ...figures(row) })),
      totals: figures(found.find(([level]) => level === '1')),
    },
  };
}

/** The engine's own balance against the sum of all postings up to the same LSN. */
export async function reconcile(asked: Asked): Promise<Report> {
  const { engine } = asked.question;
  if (engine === undefined)
    throw new ReportError('not_ready', 'not ready: the ledger did not give its balance');
  const account = await accountOf(asked);
  const { lsn: expired } = await expiredUpTo(asked);
  const row =
    expired === 0n
      ? await sumOfPostings(asked, account.id, engine.lsn)
      : await sumOfSums(asked, account.id, engine.lsn);
  const [debits, credits, debitsPending, creditsPending] = row.map(big);
  const postings = {
    balance: normal(account.type, debits!, credits!),
    ...{ debits_posted: debits!, credits_posted: credits! },
    ...{ debits_pending: debitsPending!, credits_pending: creditsPending! },
  };
  const { lsn, balance, debits_posted, credits_posted, debits_pending, credits_pending } = engine;
  const sums = { balance, debits_posted, credits_posted, debits_pending, credits_pending };
  const names = Object.keys(postings) as (keyof typeof postings)[];
  return {
    body: {
      account: account.id,
      lsn,
      engine: sums,
      postings,
      difference: balance - postings.balance,
      equal: names.every((name) => sums[name] === postings[name]),
    },
  };
}

async function sumOfPostings(asked: Asked, account: string, lsn: number): Promise<Row> {
  const filter = equal('account', account);
  const rows = accountSource({ ...asked, basis: 'committed', lsn }, [{}], { filter, columns: SIDES });
  const [row] = await asked.rows(`SELECT ${ALL_SIDES} FROM ${rows}`, filter.params);
  return row!;
}

const TRIES = 50;
const PAUSE_MS = 100;

/** Where postings have gone after their days: all that was ever summed up, without what came in after the LSN. */
async function sumOfSums(asked: Asked, account: string, lsn: number): Promise<Row> {
  const filter = equal('account', account);
  const later = accountSource({ ...asked, basis: 'committed', lsn: Number.MAX_SAFE_INTEGER }, [{}], {
    filter: both(filter, { conditions: [`lsn > ${lsn}`], params: {} }),
    columns: [...SIDES, 'lsn'],
  });
  for (let tries = 0; tries < TRIES; tries++) {
    const [row] = await asked.rows(
      `SELECT ${ALL_SIDES}, max(summed), max(seen) FROM (` +
        `SELECT ${SIDES.join(', ')}, lsn AS summed, toUInt64(0) AS seen FROM sums_account ${where(filter)} UNION ALL ` +
        `SELECT ${SIDES.map((name) => `-${name} AS ${name}`).join(', ')}, toUInt64(0) AS summed, lsn AS seen FROM ${later})`,
      filter.params,
    );
    const [summed, seen] = row!.slice(4).map(big);
    // A batch comes into one table after the other: only between two of them do both tell of the same postings.
    if (seen === 0n ? summed! <= BigInt(lsn) : summed === seen) return row!.slice(0, 4);
    await setTimeout(PAUSE_MS);
  }
  throw new ReportError('not_ready', 'not ready: the account was moved all the while');
}
