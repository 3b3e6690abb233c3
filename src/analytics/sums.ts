import { type Difference, expiredUpTo } from './checks.js';
import { type Database, ONE_BLOCK, settingsClause } from './database.js';
import { meaningOf } from './failure.js';
import { HaltError, LostRowsError } from './halt-error.js';
import { BUCKETS, type Bucket, sumsSelect } from './schema.js';

/**
 * Brings the views up to `postings`, where an insert was cut off between them.
 * @param postings the highest LSN in it
 * @param month as toYYYYMM, from which on there may be something to do
 * @returns how many were behind
 * @throws {HaltError} when a view cannot take what `postings` took
 */
export async function mendSums(database: Database, postings: number, month: number): Promise<number> {
  let behind = 0;
  for (const bucket of BUCKETS) {
    const [row] = await database.rows(`SELECT max(lsn) FROM sums_${bucket} WHERE month >= {month:UInt32}`, {
      month,
    });
    if (Number(row![0]) >= postings) continue;
    await extend(database, bucket, month);
    behind++;
  }
  return behind;
}

async function extend(database: Database, bucket: Bucket, month: number): Promise<void> {
  const reached = `(SELECT max(lsn) FROM sums_${bucket} WHERE month >= ${month})`;
  const where = `toYYYYMM(committed_at) >= ${month} AND postings.lsn > ${reached}`;
  try {
    await database.write(
      `INSERT INTO sums_${bucket} ${sumsSelect(bucket, where)}${settingsClause(ONE_BLOCK)}`,
    );
  } catch (error) {
    if (meaningOf(error) !== 'content') throw error;
    throw new HaltError(
      `ClickHouse does not take into sums_${bucket} what postings holds: ${(error as Error).message}`,
    );
  }
}

/**
 * Makes the months of a view anew that differ from `postings`, each put in its place in one step.
 * @throws {LostRowsError} when the rows that it was made of may have expired
 */
export async function rebuildSums(database: Database, { view, what }: Difference): Promise<void> {
  const expired = await expiredUpTo(database);
  const months = await database.rows(
    'SELECT month FROM (SELECT toYYYYMM(committed_at) AS month, count() AS legs, 0 AS counted FROM postings GROUP BY month UNION ALL ' +
      `SELECT month, 0 AS legs, sum(legs) AS counted FROM sums_${view} GROUP BY month) GROUP BY month ` +
      'HAVING sum(legs) != sum(counted) AND month > {expired:UInt32}',
    { expired: expired.month },
  );
  if (months.length === 0)
    throw new LostRowsError(`${what} differ from what was delivered, in months that have expired`);
  const scratch = `sums_${view}_scratch`;
  for (const [month] of months) {
    await database.command(`DROP TABLE IF EXISTS ${scratch} SYNC`);
    await database.command(`CREATE TABLE ${scratch} AS sums_${view}`);
    const select = sumsSelect(view!, `toYYYYMM(committed_at) = ${month}`);
    await database.command(`INSERT INTO ${scratch} ${select}${settingsClause(ONE_BLOCK)}`);
    await database.command(`ALTER TABLE sums_${view} REPLACE PARTITION ${month} FROM ${scratch}`);
    await database.command(`DROP TABLE ${scratch} SYNC`);
  }
}
