import { parentPort, workerData } from 'node:worker_threads';
import { recordOffset, recordSize } from '../../wal/batch.js';
import { openLogReader } from '../../wal/log.js';
import type { Fact } from '../ledger/facts.js';

/** The reader's thread: gives stored records by LSN, so that no shard ever waits for a disk. */

const { data } = workerData as { data: string };
const reader = openLogReader({ data });

function factAt(lsn: number): Fact {
  const batch = reader.batchAt(lsn);
  if (batch === undefined) throw new Error(`LSN ${lsn} is not in the log`);
  const offset = recordOffset(batch, lsn);
  return {
    lsn,
    timeMs: batch.timeMs,
    record: batch.bytes.slice(offset, offset + recordSize(batch.bytes, offset)),
  };
}

parentPort!.on('message', (message: { request: number; lsns: readonly number[] } | 'close') => {
  if (message === 'close') {
    reader.close();
    parentPort!.close();
    return;
  }
  parentPort!.postMessage({ request: message.request, facts: message.lsns.map(factAt) });
});
