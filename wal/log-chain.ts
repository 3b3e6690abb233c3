import { type Batch, hashBatch, NO_HASH } from './batch.js';
import type { Disk } from './disk.js';
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
