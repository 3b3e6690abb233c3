import type { Skip } from './batch-maker.js';
import type { Database } from './database.js';
import { clampTime, type RowEncoder } from './rows.js';
import { ACCOUNTS, type Column, POSTINGS, structureOf, TRANSACTIONS } from './schema.js';

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

/** A table did not take rows. The cause says whether it ever will. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
  constructor(
    readonly table: RowTable,
    override readonly cause: unknown,
  ) {
    super(cause instanceof Error ? cause.message : String(cause));
  }
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

  /** Inserts what each table lacks of a batch. @param cursors how far they were before this or any batch before it @throws {RefusedError} */
  async insert(batch: RowEncoder, cursors: Cursors): Promise<void> {
    for (const table of ROW_TABLES) await this.insertRows(batch, table, cursors[table] + 1, batch.lastLsn);
    await this.finish(batch);
  }

  /** Inserts a table's rows of the LSNs from `from` to `to`. @throws {RefusedError} */
  async insertRows(batch: RowEncoder, table: RowTable, from: number, to: number): Promise<void> {
    const bytes = batch[table].slice(Math.max(0, from - batch.firstLsn), to + 1 - batch.firstLsn);
    if (bytes.length === 0) return;
    try {
      await this.database.insert({ table, structure: structureOf(COLUMNS[table]), bytes });
    } catch (error) {
      throw new RefusedError(table, error);
    }
  }

  /** Says that all of a batch is there. */
  private async finish(batch: RowEncoder): Promise<void> {
    await this.database.write(
      'INSERT INTO batches (ledger, first_lsn, last_lsn, committed_at, postings) SELECT {ledger:String}, {first:UInt64}, {last:UInt64}, ' +
        "fromUnixTimestamp64Milli({time:Int64}, 'UTC'), {postings:UInt64} WHERE {last:UInt64} > (SELECT max(last_lsn) FROM batches) " +
        'SETTINGS async_insert = 0',
      {
        ledger: this.ledgerId,
        first: batch.firstLsn,
        last: batch.lastLsn,
        time: clampTime(batch.timeMs),
        postings: batch.postings.rows,
      },
    );
  }

  /** The LSNs that were given up. */
  async skips(): Promise<readonly Skip[]> {
    const rows = await this.database.rows('SELECT DISTINCT first_lsn, last_lsn FROM skipped');
    return rows.map(([first, last]) => ({ firstLsn: Number(first), lastLsn: Number(last) }));
  }

  /** Gives a record up for good. @param postings that it has; they are all that is missing if it was `postings` that refused it */
  async skip(lsn: number, table: RowTable, postings: number, reason: string): Promise<void> {
    const isRecord = table !== 'postings';
    await this.database.write(
      'INSERT INTO skipped (first_lsn, last_lsn, records, postings, reason) SELECT {lsn:UInt64}, {lsn:UInt64}, {records:UInt64}, ' +
        '{postings:UInt64}, {reason:String} WHERE {lsn:UInt64} NOT IN (SELECT first_lsn FROM skipped) SETTINGS async_insert = 0',
      { lsn, records: isRecord ? 1 : 0, postings: isRecord ? 0 : postings, reason },
    );
  }
}
