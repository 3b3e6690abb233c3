import type { Batch } from '../../wal/batch.js';

/** Batches of the log kept at hand, in bytes and number: subscriptions in different places take turns. */
const KEPT_BYTES = 32 << 20;
const KEPT_BATCHES = 64;

/** The batches read last. A batch is up to 4 MiB and serves many turns, so it is not read and checked anew for each. */
export class RecentBatches {
  /** The one used last at the end. */
  private readonly kept: Batch[] = [];
  private bytes = 0;

  /** @param read gives the batch that holds an LSN, checked; may throw */
  constructor(private readonly read: (lsn: number) => Batch | undefined) {}

  /** @throws as `read`, and when the log ends before `lsn` */
  at(lsn: number): Batch {
    const { kept } = this;
    const index = kept.findLastIndex(({ firstLsn, count }) => firstLsn <= lsn && lsn < firstLsn + count);
    if (index === kept.length - 1 && index >= 0) return kept[index]!;
    const known = index < 0 ? undefined : kept.splice(index, 1)[0]!;
    const batch = known ?? this.read(lsn);
    if (batch === undefined) throw new Error(`LSN ${lsn} is not in the log`);
    kept.push(batch);
    if (known === undefined) {
      this.bytes += batch.bytes.length;
      while (kept.length > 1 && (this.bytes > KEPT_BYTES || kept.length > KEPT_BATCHES)) {
        this.bytes -= kept.shift()!.bytes.length;
      }
    }
    return batch;
  }
}
