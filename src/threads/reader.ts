import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { openLogReader } from '../../wal/log.js';
import { storedFacts } from '../ledger/stored-facts.js';

/** The reader's thread: gives stored records by LSN, so that no shard ever waits for a disk. */

const { data } = workerData as { data: string };
const reader = openLogReader({ data });

/** Answers the questions of one front. */
function serve(port: MessagePort): void {
  port.on('message', (message: { request: number; lsns: readonly number[] } | MessagePort | 'close') => {
    if (message === 'close') {
      // The main thread closes last; a front elsewhere only ends its own port.
      if (port === parentPort) reader.close();
      port.close();
    } else if ('lsns' in message) {
      port.postMessage({ request: message.request, ...storedFacts(reader, message.lsns) });
    } else {
      serve(message);
    }
  });
}

serve(parentPort!);
parentPort!.postMessage('ready');
