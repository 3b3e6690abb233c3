import { parentPort, workerData } from 'node:worker_threads';
import { Control } from '../../engine/control.js';
import { RingConsumer } from '../../engine/mailbox.js';
import { loadLmdb } from '../../wal/local-disk.js';
import type { openLog } from '../../wal/log.js';
import { Writer } from '../../wal/writer.js';
import { ledgerTime, startClock, type WriterData, type WriterReady } from '../ledger/wiring.js';

/** The log writer's thread: opens the log, tells where it ends, then blocks in its loop. An error leaves it and ends the process. */

/** So long it sleeps at most before it looks again; a lost wake-up would be a bug, and cost this. */
const SLEEP_MS = 1000;

const { data, wiring, shards, logModule, segmentBytes, fronts } = workerData as WriterData;
// Now, and not with the first sale. No other thread is there yet whose end could come in between.
loadLmdb();
const module = (await import(logModule)) as { openLog: typeof openLog };
const store = module.openLog({
  data,
  now: Date.now,
  ...(segmentBytes === undefined ? {} : { segmentBytes }),
});
const clock = startClock(store.last.timeMs);
const control = new Control(wiring.control);
control.startAt(store.last.lsn);

const bell = control.writerBell();
const shardBells = Array.from({ length: shards }, (_, shard) => control.shardBell(shard));
const frontBells = fronts.map((_, front) => control.frontBell(front));
const writer = new Writer(
  store,
  wiring.log.map((buffer) => new RingConsumer(buffer)),
  {
    now: () => ledgerTime(clock),
    setInCommit: (inCommit) => control.setInCommit(inCommit),
    committed(firstLsn, lastLsn, timeMs) {
      control.committed(firstLsn, lastLsn, timeMs);
      for (let front = 0; front < fronts.length; front++)
        if (frontBells[front]!.take()) fronts[front]!.postMessage(0);
    },
    drained() {
      for (const shardBell of shardBells) shardBell.ring();
    },
  },
);

const ready: WriterReady = {
  ledgerId: store.ledger.id,
  key: store.ledger.key,
  lsn: store.last.lsn,
  timeMs: store.last.timeMs,
  clock,
};
parentPort!.postMessage(ready);

for (;;) {
  // Read before looking: what shards published before they stopped is found by the step that follows.
  const isLast = control.stopStage() === 2;
  if (writer.step()) {
    control.addWriterProgress();
    continue;
  }
  if (isLast) break;
  bell.arm();
  if (writer.step()) {
    control.addWriterProgress();
    bell.disarm();
  } else if (control.stopStage() !== 2) bell.wait(SLEEP_MS);
}
store.close();
for (const port of fronts) port.close();
