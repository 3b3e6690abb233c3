import { type Batch, hashBatch, NO_HASH } from './batch.js';
import { highestNamed } from './checkpoint-files.js';
import type { Disk } from './disk.js';
import { markedLsn, markName } from './durable-mark.js';
import { damaged } from './errors.js';
import { LOCAL_DISK } from './local-disk.js';
import { listSegments, type SegmentHeader, segmentPath } from './segment.js';
import { SegmentFile } from './segment-file.js';
import type { LogPosition } from './store.js';

/** Where an empty log ends. */
export const LOG_START: LogPosition = { lsn: 0, timeMs: 0, hash: NO_HASH };

/** Where the log ends after `batch`. */
export function positionAfter(batch: Batch): LogPosition {
  return { lsn: batch.firstLsn + batch.count - 1, timeMs: batch.timeMs, hash: hashBatch(batch.bytes) };
}

/** How a log stands, judged by the header and the last batch of every segment. */
export interface LogChain {
  /** The newest segment's. */
  readonly header: SegmentHeader;
  readonly last: LogPosition;
  /** Segments that hold batches: all, or all but the newest. */
  readonly filledSegments: number;
}

/**
 * Checks each segment's meta pages, header and last batch, and that every header continues the segment before.
 * Batches in between are the business of `checkedBatches`.
 * @returns undefined when there is no log
 * @throws {DamagedLogError}
 * @throws {NewerFormatError}
 */
export function checkChain(data: string, disk: Disk = LOCAL_DISK): LogChain | undefined {
  let last = LOG_START;
  let previous: SegmentHeader | undefined;
  let filledSegments = 0;
  for (const firstLsn of listSegments(data, disk)) {
    const segment = new SegmentFile(data, firstLsn, disk);
    try {
      checkContinues(data, segment.header, previous, last);
      previous = segment.header;
      const batch = segment.last();
      if (batch === undefined) continue;
      last = positionAfter(batch);
      filledSegments++;
    } finally {
      segment.close();
    }
  }
  return previous === undefined ? undefined : { header: previous, last, filledSegments };
}

/**
 * Holds the end of the log against what says, beside it, how far it once went: the mark and the names of the checkpoint's runs.
 * @throws {DamagedLogError} when it ends before that
 */
export function checkEnd(data: string, lsn: number, disk: Disk): void {
  checkMark(data, lsn, disk);
  const checkpoint = highestNamed(data, disk);
  if (checkpoint > lsn) throw endsEarly(data, lsn, `there is a checkpoint of LSN ${checkpoint}`, disk);
}

/** Holds the end of the log against the mark. @throws {DamagedLogError} when it ends before that */
export function checkMark(data: string, lsn: number, disk: Disk): void {
  const marked = markedLsn(data, disk);
  if (marked <= lsn) return;
  throw endsEarly(data, lsn, `LSN ${marked} was durable once, as the file ${markName(marked)} says`, disk);
}

function endsEarly(data: string, lsn: number, proof: string, disk: Disk): Error {
  const segments = listSegments(data, disk);
  const ends = segments.length === 0 ? 'the log is gone' : `the log ends at LSN ${lsn}`;
  return damaged(segmentPath(data, segments.at(-1) ?? 1), lsn + 1, `${ends}, but ${proof}`);
}

/**
 * Checks that a segment continues the one before.
 * @param previous header of the segment before; undefined for the first
 * @param end where the segment before ends
 */
export function checkContinues(
  data: string,
  header: SegmentHeader,
  previous: SegmentHeader | undefined,
  end: LogPosition,
): void {
  const path = segmentPath(data, header.firstLsn);
  const lsn = end.lsn + 1;
  if (header.firstLsn !== lsn) {
    throw damaged(path, lsn, `the segment before it ends at LSN ${end.lsn}`);
  }
  if (Buffer.compare(header.previous.hash, end.hash) !== 0 || header.previous.timeMs !== end.timeMs) {
    throw damaged(path, lsn, 'it does not continue the last batch of the segment before it');
  }
  if (previous === undefined) return;
  const isSameLedger =
    header.ledger.id === previous.ledger.id && Buffer.compare(header.ledger.key, previous.ledger.key) === 0;
  if (!isSameLedger) throw damaged(path, lsn, `it belongs to another ledger, ${header.ledger.id}`);
}
