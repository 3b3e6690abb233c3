import type { Batch } from './batch.js';
import { DamagedLogError } from './errors.js';
import { checkContinues, positionAfter } from './log-chain.js';
import { checkFollows } from './log-reader.js';
import { SegmentFile } from './segment-file.js';
import type { LogPosition } from './store.js';

/**
 * The batches of one segment, each checked as `checkedBatches` does, given where the log ended before it. For segments that do not lie
 * beside those before them.
 * @param directory laid out as a data directory
 * @param named the data directory that errors shall speak of
 * @throws {DamagedLogError}, {NewerFormatError}
 */
export function* segmentBatches(
  directory: string,
  firstLsn: number,
  before: LogPosition,
  named = directory,
): Generator<Batch, void, undefined> {
  let segment: SegmentFile | undefined;
  try {
    segment = new SegmentFile(directory, firstLsn);
    checkContinues(directory, segment.header, undefined, before);
    let end = before;
    let commitNumber = 1;
    for (let batch = segment.batchAt(firstLsn); batch !== undefined; batch = segment.batchAt(end.lsn + 1)) {
      checkFollows(segment.path, batch, end, commitNumber++);
      end = positionAfter(batch);
      yield batch;
    }
  } catch (error) {
    if (!(error instanceof DamagedLogError)) throw error;
    throw new DamagedLogError(named, error.segment, error.lsn, error.reason);
  } finally {
    segment?.close();
  }
}
