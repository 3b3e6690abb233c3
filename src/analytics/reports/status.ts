import type { Asked, Report } from './asked.js';
import { iso, msOf } from './asked.js';
import { currenciesOf } from './currencies.js';
import { timeLiteral } from './source.js';

const QUARTER_MS = 900_000;

/** When the books begin and end, and in which currencies they are. */
export async function extent(asked: Asked): Promise<Report['body']> {
  const [first, last, currencies] = await Promise.all([
    end(asked, 'min', 'ASC'),
    end(asked, 'max', 'DESC'),
    currenciesOf(asked),
  ]);
  return { first_effective_at: first, last_effective_at: last, currencies };
}

/**
 * The first or last posting: its quarter and accounts are at an end of the sums, and lead to the posting itself. Where it has gone after its days, its
 * quarter's start.
 */
async function end(asked: Asked, best: 'min' | 'max', order: 'ASC' | 'DESC'): Promise<string | null> {
  const [found] = await asked.rows(
    'SELECT toUnixTimestamp64Milli(bucket) FROM sums_quarter WHERE tenant = {tenant:String} AND count > 0 ' +
      `ORDER BY bucket ${order} LIMIT 1`,
  );
  if (found === undefined) return null;
  const start = msOf(found[0]);
  const [row] = await asked.rows(
    `SELECT count(), toUnixTimestamp64Milli(${best}(effective_at)) FROM postings WHERE tenant = {tenant:String} ` +
      `AND account IN (SELECT account FROM sums_quarter WHERE tenant = {tenant:String} AND bucket = ${timeLiteral(start)}) ` +
      `AND effective_at >= ${timeLiteral(start)} AND effective_at < ${timeLiteral(start + QUARTER_MS)} AND amount > 0`,
  );
  return iso(row![0] === '0' ? start : msOf(row![1]));
}
