import type { Batch } from './batch.js';
import type { Disk } from './disk.js';
import { damaged } from './errors.js';
import { LOCAL_DISK } from './local-disk.js';
import { checkContinues, LOG_START, positionAfter } from './log-chain.js';
import { listSegments, segmentPath } from './segment.js';
import { SegmentFile } from './segment-file.js';
import type { LedgerIdentity, LogPosition, LogReader } from './store.js';

/** Files that a reader keeps open: one that tails needs one, one that looks up old transactions a few. */
const OPEN_FILES_MAX = 16;

/**
 * Opens the log for reading, beside the writer or without one.
 * @throws {Error} when there is no log
 * @throws {DamagedLogError}
 * @throws {NewerFormatError}
 */
export function openLogReader(options: { readonly data: string; readonly disk?: Disk }): LogReader {
  return new SegmentedReader(options.data, options.disk ?? LOCAL_DISK);
}

/**
 * Every batch from the one that holds `fromLsn` to the end, with all that is promised about it checked: checksum,
 * contiguous LSNs, commit numbers, times that never go back, the SHA-256 chain and, between segments, the headers.
 * @param fromLsn at most one beyond the end: whoever asks for more has seen something that is no longer there
 * @param expectedPrevHash of the batch before the first one given; taken from the log itself when absent
 * @throws {DamagedLogError} at the first thing that is wrong; what was given before is sound
 * @throws {NewerFormatError}
 */
export function* checkedBatches(
  data: string,
  fromLsn: number,
  expectedPrevHash?: Uint8Array,
  disk: Disk = LOCAL_DISK,
): Generator<Batch, void, undefined> {
  const reader = new SegmentedReader(data, disk);
  try {
    let end = reader.endBefore(fromLsn);
    if (expectedPrevHash !== undefined && Buffer.compare(expectedPrevHash, end.hash) !== 0) {
      const reason = `the batch before LSN ${end.lsn + 1} is not the one that was expected`;
      throw damaged(reader.pathAt(end.lsn + 1), end.lsn + 1, reason);
    }
    let commitNumber: number | undefined;
    for (const batch of reader.batchesFrom(end.lsn + 1)) {
      const segment = reader.segmentAt(batch.firstLsn);
      if (batch.firstLsn === segment.firstLsn) {
        const previous = batch.firstLsn === 1 ? undefined : reader.segmentAt(batch.firstLsn - 1).header;
        checkContinues(data, segment.header, previous, end);
        commitNumber = 1;
      }
      checkFollows(segment.path, batch, end, commitNumber ?? batch.commitNumber);
      commitNumber = batch.commitNumber + 1;
      end = positionAfter(batch);
      yield batch;
    }
  } finally {
    reader.close();
  }
}

export function checkFollows(path: string, batch: Batch, end: LogPosition, commitNumber: number): void {
  const { firstLsn } = batch;
  if (firstLsn !== end.lsn + 1) throw damaged(path, end.lsn + 1, `the next batch starts at LSN ${firstLsn}`);
  if (Buffer.compare(batch.prevHash, end.hash) !== 0) {
    throw damaged(path, firstLsn, 'the batch does not carry the hash of the batch before it');
  }
  if (batch.commitNumber !== commitNumber) {
    throw damaged(path, firstLsn, `the batch is of commit ${batch.commitNumber} and not ${commitNumber}`);
  }
  if (batch.timeMs < end.timeMs) throw damaged(path, firstLsn, 'the batch is older than the one before it');
}

class SegmentedReader implements LogReader {
  readonly ledger: LedgerIdentity;
  readonly #data: string;
  readonly #disk: Disk;
  /** First LSNs of the segments known so far, ascending. */
  readonly #segments: number[];
  /** Open files, the one used last at the end. */
  readonly #open = new Map<number, SegmentFile>();

  constructor(data: string, disk: Disk) {
    this.#data = data;
    this.#disk = disk;
    this.#segments = listSegments(data, disk);
    if (this.#segments.length === 0) throw new Error(`there is no log in ${data}`);
    this.ledger = this.segmentAt(Number.MAX_SAFE_INTEGER).header.ledger;
  }

  batchAt(lsn: number): Batch | undefined {
    if (!Number.isSafeInteger(lsn) || lsn < 1) throw new RangeError(`there is no LSN ${lsn}`);
    for (;;) {
      const segment = this.segmentAt(lsn);
      const batch = segment.batchAt(lsn);
      if (batch !== undefined) return batch;
      if (segment.firstLsn !== this.#segments.at(-1)) {
        throw damaged(segment.path, lsn, 'the segment ends too early: the next one starts later');
      }
      if (!this.#discoverAfter(segment)) return undefined;
    }
  }

  *batchesFrom(lsn: number): Generator<Batch, void, undefined> {
    let batch = this.batchAt(lsn);
    while (batch !== undefined) {
      const next: number = batch.firstLsn + batch.count;
      yield batch;
      batch = this.batchAt(next);
    }
  }

  /** The end of the batch before the one that holds `lsn`. @throws DamagedLogError when the log ends before `lsn - 1` */
  endBefore(lsn: number): LogPosition {
    const firstLsn = this.batchAt(lsn)?.firstLsn ?? lsn;
    if (firstLsn === 1) return LOG_START;
    const before = this.batchAt(firstLsn - 1);
    if (before !== undefined) return positionAfter(before);
    const segment = this.segmentAt(firstLsn);
    const last = segment.last();
    const end = last === undefined ? segment.firstLsn : last.firstLsn + last.count;
    throw damaged(
      segment.path,
      end,
      `the log ends at LSN ${end - 1}, but LSN ${firstLsn - 1} was once known`,
    );
  }

  /** The segment that holds `lsn`, or would hold it. */
  segmentAt(lsn: number): SegmentFile {
    const firstLsn = this.#segments.findLast((first) => first <= lsn);
    if (firstLsn === undefined) {
      const path = segmentPath(this.#data, lsn);
      throw damaged(path, lsn, `the log starts at LSN ${this.#segments[0]}`);
    }
    let segment = this.#open.get(firstLsn);
    this.#open.delete(firstLsn);
    if (segment?.wasEmpty) {
      segment.close();
      segment = undefined;
    }
    segment ??= new SegmentFile(this.#data, firstLsn, this.#disk);
    this.#open.set(firstLsn, segment);
    if (this.#open.size > OPEN_FILES_MAX) this.#closeOldest();
    return segment;
  }

  pathAt(lsn: number): string {
    return this.segmentAt(lsn).path;
  }

  close(): void {
    for (const segment of this.#open.values()) segment.close();
    this.#open.clear();
  }

  /** Looks for the segment that follows the newest known one, or for more in that one. */
  #discoverAfter(newest: SegmentFile): boolean {
    const last = newest.last();
    if (last === undefined) return false;
    const next = last.firstLsn + last.count;
    if (!this.#disk.exists(segmentPath(this.#data, next))) return false;
    this.#segments.push(next);
    return true;
  }

  #closeOldest(): void {
    for (const [firstLsn, segment] of this.#open) {
      this.#open.delete(firstLsn);
      segment.close();
      return;
    }
  }
}
