import type { Control } from '../../engine/control.js';
import { RingConsumer } from '../../engine/mailbox.js';
import { loadLmdb } from '../../wal/local-disk.js';
import type { openLog } from '../../wal/log.js';
import type { LogStore } from '../../wal/store.js';
import { Writer } from '../../wal/writer.js';
import { type LogData, ledgerTime, type RunnerData, startClock, type WriterReady } from '../ledger/wiring.js';

/** The log writer on its thread: opens the log and tells where it ends. */
export class RunningWriter {
  readonly ready: WriterReady;
  private readonly writer: Writer;

  static async open(data: RunnerData, log: LogData, control: Control): Promise<RunningWriter> {
    // Now, and not with the first sale. No other thread is there yet whose end could come in between.
    loadLmdb();
    const module = (await import(log.module)) as { openLog: typeof openLog };
    const { segmentBytes } = log;
    const store = module.openLog({
      data: data.data,
      now: Date.now,
      ...(segmentBytes === undefined ? {} : { segmentBytes }),
    });
    return new RunningWriter(store, data, control);
  }

  private constructor(
    private readonly store: LogStore,
    { wiring, shards, fronts }: RunnerData,
    private readonly control: Control,
  ) {
    const clock = startClock(store.last.timeMs);
    control.startAt(store.last.lsn);
    const shardBells = Array.from({ length: shards }, (_, shard) => control.shardBell(shard));
    const frontBells = fronts.map((_, front) => control.frontBell(front));
    this.writer = new Writer(
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
    const { ledger, last } = store;
    this.ready = { ledgerId: ledger.id, key: ledger.key, lsn: last.lsn, timeMs: last.timeMs, clock };
  }

  /** Commits what is there. @returns whether there was anything */
  step(): boolean {
    if (!this.writer.step()) return false;
    this.control.addWriterProgress();
    return true;
  }

  close(): void {
    this.store.close();
  }
}
