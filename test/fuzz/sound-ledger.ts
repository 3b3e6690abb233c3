import { type Ledger, openLedger } from '../../src/ledger.js';
import { tradeDay, untilCheckpointed } from '../support/recovery.js';

const NEVER = Number.MAX_SAFE_INTEGER;
/** So small that a day of trade rolls some. */
const SEGMENT_BYTES = 1 << 17;

/**
 * A data directory as the real ledger leaves it: days of trade with holds, ends and reversals over several segments, batches small and large,
 * a checkpoint of three runs, and a rest of the log that is in none of them. The days are traded by different numbers of shards.
 */
export async function makeSoundLedger(data: string): Promise<void> {
  const run = async (
    shards: number,
    checkpointRecords: number,
    trade: (ledger: Ledger) => Promise<unknown>,
  ) => {
    const ledger = await openLedger({ data, shards, segmentBytes: SEGMENT_BYTES, checkpointRecords });
    await trade(ledger);
    await ledger.close();
  };
  await run(2, 1, async (ledger) => {
    await tradeDay(ledger, 0);
    await tradeDay(ledger, 1);
    await untilCheckpointed(ledger);
  });
  // Small runs, which are not worth merging yet.
  for (const part of ['a', 'b']) {
    await run(3, 1, async (ledger) => {
      await sellAndReserve(ledger, part);
      await untilCheckpointed(ledger);
    });
  }
  await run(1, NEVER, async (ledger) => {
    await tradeDay(ledger, 2);
    await tradeBatches(ledger);
  });
  await run(2, NEVER, (ledger) => tradeDay(ledger, 3));
}

async function sellAndReserve(ledger: Ledger, part: string): Promise<void> {
  const session = ledger.as({ tenant: 'riga', by: 'ann' });
  const sale = { debit: 'cash', credit: 'sales', amount: 3 };
  await must(session.transaction({ ...sale, id: `sold-${part}` }));
  await must(session.transaction({ ...sale, id: `held-${part}`, pending: true }));
  await must(session.reverse(`sold-${part}`, { id: `unsold-${part}`, amount: 1 }));
}

/** Batches that do not fit into one page: with one shard each is decided, and so committed, at once. */
async function tradeBatches(ledger: Ledger): Promise<void> {
  const session = ledger.as({ tenant: 'riga', by: 'ann' });
  for (let batch = 0; batch < 4; batch++) {
    const transactions = Array.from({ length: 80 }, (_, i) => ({
      id: `batch-${batch}-${i}`,
      debit: 'cash',
      credit: '{t}:gift',
      amount: 1,
      pending: i % 10 === 0,
    }));
    await must(session.batch({ transactions }));
  }
}

async function must(outcome: Promise<{ readonly ok: boolean }>): Promise<void> {
  if (!(await outcome).ok) throw new Error('refused, and it should not have been');
}
