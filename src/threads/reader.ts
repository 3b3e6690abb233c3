import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
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

/** A batch that has rotted fails the question about it, not the ledger: what the shards know does not rest on it any more. */
function answer(lsns: readonly number[]): { facts: readonly Fact[] } | { failure: string } {
  try {
    return { facts: lsns.map(factAt) };
  } catch (error) {
    return { failure: (error as Error).message };
  }
}

/** Answers the questions of one front. */
function serve(port: MessagePort): void {
  port.on('message', (message: { request: number; lsns: readonly number[] } | MessagePort | 'close') => {
    if (message === 'close') {
      // The main thread closes last; a front elsewhere only ends its own port.
      if (port === parentPort) reader.close();
      port.close();
    } else if ('lsns' in message) {
      port.postMessage({ request: message.request, ...answer(message.lsns) });
    } else {
      serve(message);
    }
  });
}

serve(parentPort!);
parentPort!.postMessage('ready');
