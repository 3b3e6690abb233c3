import { join } from 'node:path';
import { BATCH_HEADER_BYTES, type Batch, recordOffset } from './batch.js';
import { LOCAL_DISK } from './local-disk.js';
import { openLogReader } from './log-reader.js';
import { moveSegment, SegmentBuilder } from './segment-build.js';
import { SegmentFile } from './segment-file.js';
import type { LedgerIdentity, LogPosition, LogReader } from './store.js';
import { IMPORTING } from './unfinished.js';

/** As the writer's: a commit of 1 MiB. */
const BATCH_TARGET_BYTES = 1 << 20;
const BATCH_RECORDS_MAX = 1 << 15;
/** Larger than any record. */
const RECORD_BYTES_MAX = 32768;
/** What an interruption costs at most: a few seconds of work. */
export const BULK_SEGMENT_BYTES = 64 << 20;

/** Where a record lies. */
export interface RecordPlace {
  readonly bytes: Uint8Array;
  readonly offset: number;
}

/**
 * The log of a directory that no server runs on, for appending much at once: whole segments at a time, each durable and part of the log when
 * it is full. Records committed at the same time share a batch.
 */
export class BulkLog {
  private readonly staging: string;
  private readonly batch = new Uint8Array(BATCH_HEADER_BYTES + BATCH_TARGET_BYTES + RECORD_BYTES_MAX);
  private readonly offsets = new Uint32Array(BATCH_RECORDS_MAX);
  private batchBytes = BATCH_HEADER_BYTES;
  private batchCount = 0;
  private batchMs = 0;
  private builder: SegmentBuilder | undefined;
  /** Of the segment that is being made. */
  private stagedFile: SegmentFile | undefined;
  private reader: LogReader | undefined;

  /**
   * Until {@link done}, the directory is marked as one that an import has not finished. The caller holds its lock.
   * @param end of the log as it is
   */
  constructor(
    private readonly data: string,
    private readonly ledger: LedgerIdentity,
    private end: LogPosition,
    private readonly segmentBytes: number,
  ) {
    this.staging = join(data, IMPORTING);
    LOCAL_DISK.remove(this.staging);
    LOCAL_DISK.makeDirectory(this.staging);
    LOCAL_DISK.syncDirectory(data);
  }

  /** The last LSN appended. */
  get lsn(): number {
    return this.end.lsn + this.batchCount;
  }

  /** Commit time of the last record, ms since the epoch. */
  get timeMs(): number {
    return this.batchCount > 0 ? this.batchMs : this.end.timeMs;
  }

  /** Appends the record in `bytes[from, to)`. @param timeMs never below {@link timeMs} */
  append(bytes: Uint8Array, from: number, to: number, timeMs: number): void {
    const isFull = this.batchBytes >= BATCH_TARGET_BYTES || this.batchCount === BATCH_RECORDS_MAX;
    if (this.batchCount > 0 && (isFull || timeMs !== this.batchMs)) this.commit();
    this.batchMs = timeMs;
    this.offsets[this.batchCount++] = this.batchBytes;
    let at = this.batchBytes;
    for (let i = from; i < to; i++) this.batch[at++] = bytes[i]!;
    this.batchBytes = at;
  }

  /** The record of an LSN at or below {@link lsn}; valid until the next append. */
  recordAt(lsn: number): RecordPlace {
    if (lsn > this.end.lsn) return { bytes: this.batch, offset: this.offsets[lsn - this.end.lsn - 1]! };
    const isStaged = this.builder !== undefined && lsn >= this.builder.header.firstLsn;
    const batch: Batch = isStaged ? this.stagedBatch(lsn) : this.durableBatch(lsn);
    return { bytes: batch.bytes, offset: recordOffset(batch, lsn) };
  }

  private stagedBatch(lsn: number): Batch {
    this.stagedFile ??= new SegmentFile(this.staging, this.builder!.header.firstLsn);
    return this.stagedFile.batchAt(lsn)!;
  }

  private durableBatch(lsn: number): Batch {
    this.reader ??= openLogReader({ data: this.data });
    return this.reader.batchAt(lsn)!;
  }

  /** Makes everything that was appended durable and part of the log. */
  flush(): void {
    if (this.batchCount > 0) this.commit();
    this.finishSegment();
  }

  /** As {@link flush}; then the directory is a ledger to work with, be it an empty one. */
  done(): void {
    if (this.lsn === 0) this.builder ??= this.nextSegment();
    this.flush();
    LOCAL_DISK.remove(this.staging);
    LOCAL_DISK.syncDirectory(this.data);
  }

  /** Gives everything free; what was not flushed is lost. */
  close(): void {
    this.builder?.close();
    this.builder = undefined;
    this.closeReaders();
  }

  private commit(): void {
    const bytes = this.batch.subarray(0, this.batchBytes);
    if (this.builder?.hasRoomFor(bytes.length, this.segmentBytes) === false) this.finishSegment();
    this.builder ??= this.nextSegment();
    this.builder.append(bytes, this.batchCount, this.batchMs);
    this.end = this.builder.end;
    this.batchBytes = BATCH_HEADER_BYTES;
    this.batchCount = 0;
  }

  private nextSegment(): SegmentBuilder {
    const { ledger, end } = this;
    return new SegmentBuilder(this.staging, { ledger, firstLsn: end.lsn + 1, previous: end });
  }

  private finishSegment(): void {
    const { builder } = this;
    if (builder === undefined) return;
    this.closeReaders();
    this.builder = undefined;
    builder.finish();
    moveSegment(this.staging, this.data, builder.header.firstLsn);
  }

  private closeReaders(): void {
    this.stagedFile?.close();
    this.stagedFile = undefined;
    this.reader?.close();
    this.reader = undefined;
  }
}
