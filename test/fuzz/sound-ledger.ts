import { openLedger } from '../../src/ledger.js';
import { tradeDay, untilCheckpointed } from '../support/recovery.js';

const NEVER = Number.MAX_SAFE_INTEGER;

/**
 * A data directory as the real ledger leaves it: several days of trade with holds, ends and reversals over several segments, batches small and
 * large, three runs of a checkpoint, and a rest of the log that is in none of them. The days are traded by different numbers of shards.
 */
export async function makeSoundLedger(data: string): Promise<void> {
  for (const [day, shards] of [1, 2, 3].entries()) {
    const ledger = await openLedger({ data, shards, segmentBytes: 1 << 16, checkpointRecords: 1 });
    await tradeDay(ledger, day);
    await untilCheckpointed(ledger);
    await ledger.close();
  }
  const ledger = await openLedger({ data, shards: 2, segmentBytes: 1 << 17, checkpointRecords: NEVER });
  await tradeDay(ledger, 3);
  await tradeBatches(ledger);
  await tradeDay(ledger, 4);
  await ledger.close();
}

/** Batches that do not fit into one page. */
async function tradeBatches(ledger: Awaited<ReturnType<typeof openLedger>>): Promise<void> {
  const session = ledger.as({ tenant: 'riga', by: 'ann' });
  for (let batch = 0; batch < 4; batch++) {
    const transactions = Array.from({ length: 60 }, (_, i) => ({
      id: `batch-${batch}-${i}`,
      debit: 'cash',
      credit: '{t}:gift',
      amount: 1,
      pending: i % 10 === 0,
    }));
    const outcome = await session.batch({ transactions });
    if (!outcome.ok) throw new Error(`refused with ${outcome.code}`);
  }
}
