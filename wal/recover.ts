import { RecordError, RecordView } from '../engine/record.js';
import type { State } from '../engine/state.js';
import { type Batch, forEachRecord } from './batch.js';
import { damaged } from './errors.js';
import { openLogReader } from './log.js';
import type { LogReader } from './store.js';

/**
 * Brings a shard's state to `lsn`.
 * @param onProgress called now and then with the LSN reached
 */
export function recover(state: State, data: string, lsn: number, onProgress?: (lsn: number) => void): void {
  const reader = openLogReader({ data });
  try {
    replayLog(state, reader, data, 0, lsn, onProgress);
  } finally {
    reader.close();
  }
}

/**
 * Replays the log onto a shard's state: from the state's LSN (0, or its checkpoint's) up to `toLsn`.
 * @param onProgress called now and then with the LSN reached
 * @throws DamagedLogError when the log ends before `toLsn` or a record cannot be what was written
 */
export function replayLog(
  state: State,
  reader: LogReader,
  data: string,
  fromLsn: number,
  toLsn: number,
  onProgress?: (lsn: number) => void,
): void {
  let lsn = fromLsn;
  if (lsn < toLsn) {
    for (const batch of reader.batchesFrom(fromLsn + 1)) {
      replayBatch(state, batch, fromLsn, toLsn);
      lsn = batch.firstLsn + batch.count - 1;
      onProgress?.(lsn);
      if (lsn >= toLsn) break;
    }
  }
  if (lsn < toLsn)
    throw damaged(`${data}/log/?`, lsn + 1, `the log ends at ${lsn}, but ${toLsn} was durable`);
}

const view = new RecordView();

/** Replays the records of a batch that lie above `fromLsn`, up to `toLsn`. */
function replayBatch(state: State, batch: Batch, fromLsn: number, toLsn: number): void {
  view.over(batch.bytes);
  forEachRecord(batch, (_bytes, offset, _size, lsn) => {
    if (lsn <= fromLsn || lsn > toLsn) return;
    try {
      state.replay(view.read(offset), lsn);
    } catch (error) {
      if (error instanceof RecordError) throw new RecordError(`LSN ${lsn}: ${error.message}`);
      throw error;
    }
  });
}
