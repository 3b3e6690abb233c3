import { type Batch, forEachRecord, recordOffset } from '../../wal/batch.js';
import type { RecordPlace } from '../../wal/bulk-log.js';
import { checkedBatches, openLogReader } from '../../wal/log.js';
import type { LogReader } from '../../wal/store.js';
import { LineFault } from './line-fault.js';

/** The records that a ledger holds already, from an LSN on, in order. */
export class KnownRecords {
  private readonly batches: Generator<Batch, void, undefined>;
  private readonly reader: LogReader | undefined;
  /** Of the batch that was read last: LSN by LSN where each record begins and ends. */
  private batch: Batch | undefined;
  private ends: number[] = [];

  constructor(
    data: string,
    private readonly fromLsn: number,
    lastLsn: number,
  ) {
    const isAny = lastLsn > 0;
    this.reader = isAny ? openLogReader({ data }) : undefined;
    this.batches = isAny ? checkedBatches(data, fromLsn) : nothing();
  }

  /** Commit time of the record before the first. */
  timeBefore(): number {
    return this.reader!.batchAt(this.fromLsn - 1)!.timeMs;
  }

  /** Holds a record against the one of the same LSN; LSNs come in order. @throws {LineFault} when it is another */
  check(lsn: number, record: Uint8Array, timeMs: number): void {
    const { batch, ends } = this.batchOf(lsn);
    const end = ends[lsn - batch.firstLsn]!;
    const known = batch.bytes.subarray(end - record.length, end);
    const isWhole = end - record.length === (ends[lsn - batch.firstLsn - 1] ?? recordOffset(batch, lsn));
    if (isWhole && batch.timeMs === timeMs && Buffer.compare(known, record) === 0) return;
    throw new LineFault('other_record', `the ledger has another record at LSN ${lsn}`);
  }

  recordAt(lsn: number): RecordPlace {
    const batch = this.reader!.batchAt(lsn)!;
    return { bytes: batch.bytes, offset: recordOffset(batch, lsn) };
  }

  close(): void {
    this.batches.return();
    this.reader?.close();
  }

  private batchOf(lsn: number): { readonly batch: Batch; readonly ends: readonly number[] } {
    let { batch } = this;
    while (batch === undefined || lsn >= batch.firstLsn + batch.count) {
      batch = this.batches.next().value!;
      const ends: number[] = [];
      forEachRecord(batch, (_bytes, offset, size) => ends.push(offset + size));
      this.ends = ends;
    }
    this.batch = batch;
    return { batch, ends: this.ends };
  }
}

function* nothing(): Generator<Batch, void, undefined> {}
