import type { Database } from './database.js';
import { ONE_BLOCK, settingsClause } from './database.js';
import { clampTime, type RowEncoder } from './rows.js';
import { ACCOUNTS, BUCKETS, type Column, POSTINGS, structureOf, sumsSelect, TRANSACTIONS } from './schema.js';

/** The tables that take rows from the log, in the order in which a batch is delivered. */
export const ROW_TABLES = ['accounts', 'transactions', 'postings'] as const;
export type RowTable = (typeof ROW_TABLES)[number];

const COLUMNS: { readonly [table in RowTable]: readonly Column[] } = {
  accounts: ACCOUNTS,
  transactions: TRANSACTIONS,
  postings: POSTINGS,
};

/** How far the tables say they got. */
export interface Cursors {
  /** Highest LSN of a batch that was delivered whole, and its commit time, ms. */
  readonly base: number;
  readonly baseTimeMs: number;
  readonly accounts: number;
  readonly transactions: number;
  readonly postings: number;
}

export function highest(cursors: Cursors): number {
  return Math.max(cursors.base, ...ROW_TABLES.map((table) => cursors[table]));
}

/** Brings batches into the tables, and says how far they are. */
export class Delivery {
  constructor(
    private readonly database: Database,
    private readonly ledgerId: string,
  ) {}

  async cursors(): Promise<Cursors> {
    const { database } = this;
    const [batch] = await database.rows(
      'SELECT last_lsn, toUnixTimestamp64Milli(committed_at), toYYYYMM(committed_at) FROM batches ORDER BY last_lsn DESC LIMIT 1',
    );
    const [base, baseTimeMs, month] = (batch ?? [0, 0, 0]).map(Number) as [number, number, number];
    const of = async (table: RowTable): Promise<number> => {
      const [row] = await database.rows(
        `SELECT max(lsn) FROM ${table} WHERE toYYYYMM(committed_at) >= {month:UInt32}`,
        { month },
      );
      return Number(row![0]);
    };
    return {
      base,
      baseTimeMs,
      accounts: await of('accounts'),
      transactions: await of('transactions'),
      postings: await of('postings'),
    };
  }

  /** Inserts what each table lacks of a batch. */
  async insert(batch: RowEncoder, cursors: Cursors): Promise<void> {
    for (const table of ROW_TABLES) await this.insertRows(batch, table, cursors[table] + 1, batch.lastLsn);
    await this.finish(batch);
  }

  /** Inserts a table's rows of the LSNs from `from` to `to`. */
  async insertRows(batch: RowEncoder, table: RowTable, from: number, to: number): Promise<void> {
    const bytes = batch[table].slice(Math.max(0, from - batch.firstLsn), to + 1 - batch.firstLsn);
    if (bytes.length === 0) return;
    await this.database.insert({ table, structure: structureOf(COLUMNS[table]), bytes });
  }

  /** Says that all of a batch is there. */
  private async finish(batch: RowEncoder): Promise<void> {
    await this.database.command(
      'INSERT INTO batches (ledger, first_lsn, last_lsn, committed_at, postings) SELECT {ledger:String}, {first:UInt64}, {last:UInt64}, ' +
        "fromUnixTimestamp64Milli({time:Int64}, 'UTC'), {postings:UInt64} SETTINGS async_insert = 0",
      {
        ledger: this.ledgerId,
        first: batch.firstLsn,
        last: batch.lastLsn,
        time: clampTime(batch.timeMs),
        postings: batch.postings.rows,
      },
    );
  }

  /** Brings the sums up to postings, where an insert was cut off between them. @returns the views that were behind */
  async mendSums(postings: number, month: number): Promise<string[]> {
    const behind: string[] = [];
    for (const bucket of BUCKETS) {
      const [row] = await this.database.rows(
        `SELECT max(lsn) FROM sums_${bucket} WHERE month >= {month:UInt32}`,
        { month },
      );
      const from = Number(row![0]);
      if (from >= postings) continue;
      behind.push(`sums_${bucket}`);
      const where = `toYYYYMM(committed_at) >= ${month} AND postings.lsn > ${from}`;
      await this.database.command(
        `INSERT INTO sums_${bucket} ${sumsSelect(bucket, where)}${settingsClause(ONE_BLOCK)}`,
      );
    }
    return behind;
  }
}
