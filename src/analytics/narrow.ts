import { type Cursors, type Delivery, RefusedError, ROW_TABLES, type RowTable } from './delivery.js';
import { meaningOf } from './failure.js';
import type { RowEncoder } from './rows.js';

/** The record that a table does not take. */
export interface Refused {
  readonly lsn: number;
  readonly reason: string;
}

/**
 * Delivers a batch that a table refused, as far as it goes: by halves, so that all before the first record that is refused is there.
 * @param table that refused it
 * @returns the record, or undefined when now all was taken
 */
export async function narrow(
  delivery: Delivery,
  batch: RowEncoder,
  cursors: Cursors,
  table: RowTable,
): Promise<Refused | undefined> {
  for (const before of ROW_TABLES.slice(0, ROW_TABLES.indexOf(table))) {
    await delivery.insertRows(batch, before, cursors[before] + 1, batch.lastLsn);
  }
  let from = Math.max(batch.firstLsn, cursors[table] + 1);
  let to = batch.lastLsn;
  while (from <= to) {
    const middle = from + Math.floor((to - from) / 2);
    try {
      await delivery.insertRows(batch, table, from, middle);
      from = middle + 1;
    } catch (error) {
      // A view may have refused what the table took.
      const isTaken = (await delivery.cursors())[table] >= from;
      if (isTaken || !(error instanceof RefusedError) || meaningOf(error.cause) === 'passing') throw error;
      if (from === middle) return { lsn: from, reason: error.message };
      to = middle;
    }
  }
  return undefined;
}
