import { openLogReader } from '../wal/log.js';

/** What a ledger put into one commit, on average. */
export interface CommitShape {
  readonly bytes: number;
  readonly sales: number;
}

/** Batches looked at. */
const BATCHES_SAMPLED = 500;

/** What batches held on average, from the one with this LSN on. */
export function commitShape(data: string, lsn: number): CommitShape {
  const reader = openLogReader({ data });
  let batches = 0;
  let bytes = 0;
  let sales = 0;
  for (const batch of reader.batchesFrom(lsn)) {
    bytes += batch.bytes.length;
    sales += batch.count;
    if (++batches === BATCHES_SAMPLED) break;
  }
  reader.close();
  if (batches === 0) throw new Error(`nothing was committed from LSN ${lsn} on`);
  return { bytes: bytes / batches, sales: sales / batches };
}
