import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { openLedger } from '../../src/ledger.js';
import { must } from './ledger.js';
import { tradeDay } from './recovery.js';
import { temporaryDirectory } from './wal.js';

/** Trades in a data directory, in a ledger opened for it: the days, and after each a batch that is committed together. */
export async function trade(data: string, days: readonly number[]): Promise<number> {
  const ledger = await openLedger({ data, shards: 2, segmentBytes: 1 << 17 });
  for (const day of days) {
    await tradeDay(ledger, day);
    const transactions = Array.from({ length: 20 }, (_, i) => ({
      id: `batch-${day}-${i}`,
      debit: '{s}:till',
      credit: 'sales',
      amount: 1 + i,
    }));
    must(await ledger.as({ tenant: 'riga', by: 'bea' }).batch({ transactions }));
  }
  const lsn = ledger.stats().durableLsn;
  await ledger.close();
  return lsn;
}

/** A copy of a data directory, gone when the test is over. */
export function copyOf(data: string): string {
  const copy = join(temporaryDirectory(), 'copy');
  cpSync(data, copy, { recursive: true });
  return copy;
}
