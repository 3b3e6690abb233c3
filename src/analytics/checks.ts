import type { Database } from './database.js';
import { BUCKETS, type Bucket } from './schema.js';

/** Rows may go a little before or after their time. */
const EXPIRY_SLACK_S = 3600;

/** A count that is not what others say it must be. */
export interface Difference {
  /** What is counted, in words. */
  readonly what: string;
  readonly expected: bigint;
  readonly found: bigint;
  /** The view that differs from `postings`, and can be made anew from it; undefined when it is rows that are missing or too many. */
  readonly view?: Bucket;
}

/**
 * Holds the tables against each other: every LSN that was delivered is a row of `accounts` or of `transactions`, every leg of a transaction
 * a row of `postings`, every row of `postings` counted once in each view. Made of counts that ClickHouse has at hand, so it may be asked at each start.
 * True between two deliveries, not during one. Rows that are old enough to have expired are left out.
 */
export async function checkTables(database: Database): Promise<readonly Difference[]> {
  const [last] = await database.rows('SELECT max(last_lsn) FROM batches');
  const end = BigInt(last![0] as string);
  const { lsn: from } = await expiredUpTo(database);
  const above = from === 0n ? '' : ` WHERE lsn > ${from}`;
  const ask = async (sql: string): Promise<bigint> => BigInt((await database.rows(sql))[0]![0] as string);
  const skipped = async (column: string): Promise<bigint> =>
    ask(`SELECT sum(${column}) FROM skipped WHERE first_lsn > ${from} AND last_lsn <= ${end}`);
  const differences: Difference[] = [];
  const check = (what: string, expected: bigint, found: bigint, view?: Bucket): void => {
    if (expected !== found) differences.push({ what, expected, found, ...(view !== undefined && { view }) });
  };

  const accounts = await ask(`SELECT count() FROM accounts${above}`);
  const transactions = await ask(`SELECT count() FROM transactions${above}`);
  const records = accounts + transactions + (await skipped('records'));
  check('rows of accounts and transactions', end - from, records);

  const postings = await ask(`SELECT count() FROM postings${above}`);
  const legs = await ask(`SELECT sum(legs) FROM transactions${above}`);
  check('rows of postings, by the legs of transactions', legs - (await skipped('postings')), postings);
  const delivered = await ask(`SELECT sum(postings) FROM batches WHERE first_lsn > ${from}`);
  check('rows of postings, by what was delivered', delivered, postings);

  const all = await ask('SELECT sum(postings) FROM batches');
  for (const bucket of BUCKETS) {
    check(`legs in sums_${bucket}`, all, await ask(`SELECT sum(legs) FROM sums_${bucket}`), bucket);
  }
  return differences;
}

/** What may have expired: all LSNs up to the end of a batch, all months up to one (as toYYYYMM), all commits up to a time (s; 0: none). */
export interface Expired {
  readonly lsn: bigint;
  readonly month: number;
  readonly time: number;
}

export async function expiredUpTo(database: Pick<Database, 'rows'>): Promise<Expired> {
  // Each span of retention lasted until the next one; what was older than its days at its end may be gone.
  const [span] = await database.rows(
    'SELECT count(), toUnixTimestamp(max(toDateTime(until) - days * 86400)) FROM (SELECT days, leadInFrame(since, 1, now64(3)) OVER ' +
      '(ORDER BY since ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS until FROM retention) WHERE days > 0',
  );
  if (Number(span![0]) === 0) return { lsn: 0n, month: 0, time: 0 };
  const cutoff = Number(span![1]) + EXPIRY_SLACK_S;
  // The first batch that is not old as a whole may be so in part.
  const [row] = await database.rows(
    'SELECT if(countIf(young) = 0, max(last_lsn), minIf(last_lsn, young)), any(toYYYYMM(time)) FROM ' +
      "(SELECT last_lsn, toDateTime64({cutoff:Int64}, 3, 'UTC') AS time, committed_at > time AS young FROM batches)",
    { cutoff },
  );
  return { lsn: BigInt(row![0] as string), month: Number(row![1]), time: cutoff };
}
