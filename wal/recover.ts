import { Replayer } from '../engine/replay.js';
import type { State } from '../engine/state.js';
import { BATCH_HEADER_BYTES, type Batch, NO_HASH } from './batch.js';
import { damagedRecord } from './checkpoint.js';
import { CheckpointFault } from './checkpoint-block.js';
import { NO_CHECKPOINT, readRuns } from './checkpoint-files.js';
import { loadCheckpoint } from './checkpoint-load.js';
import type { Disk } from './disk.js';
import { damaged } from './errors.js';
import { LOCAL_DISK } from './local-disk.js';
import { checkedBatches, openLogReader } from './log.js';
import { checkEnd } from './log-chain.js';
import { listSegments, segmentPath } from './segment.js';
import type { LogReader } from './store.js';

/** A state brought up to the end of the log. */
export interface Recovered {
  readonly state: State;
  /** The LSN of the checkpoint that it started from; 0 without one. */
  readonly checkpointLsn: number;
  /** Why the checkpoint could not be used; it has to be made anew. */
  readonly fault: string | undefined;
}

/**
 * Recovers a shard: the newest checkpoint's slice, then the rest of the log. A damaged checkpoint is passed over: what a shard knows follows
 * from the log alone, so the shards need not agree on where they started.
 * @param makeState gives an empty state; called twice when the checkpoint turns out to be damaged
 * @param lsn the end of the log
 * @param onProgress called now and then with the LSN reached
 * @throws {DamagedLogError} also when the checkpoint or the mark knows more than the log
 */
export function recover(
  makeState: () => State,
  data: string,
  lsn: number,
  onProgress?: (lsn: number) => void,
  disk: Disk = LOCAL_DISK,
): Recovered {
  checkEnd(data, lsn, disk);
  const reader = openLogReader({ data, disk });
  try {
    let state = makeState();
    let checkpointLsn = 0;
    let fault: string | undefined;
    try {
      const runs = readRuns(data, reader.ledger.id, disk);
      checkpointLsn = runs.at(-1)?.end.lsn ?? 0;
      if (runs.length > 0) loadCheckpoint(state, data, runs, disk);
    } catch (error) {
      if (!(error instanceof CheckpointFault)) throw error;
      fault = error.message;
      checkpointLsn = 0;
      state = makeState();
    }
    // checkTail, beside this, believes the heads of the runs and looks only above them; without the checkpoint all of the log is needed.
    const source =
      fault === undefined
        ? reader
        : { batchesFrom: (from: number) => checkedBatches(data, from, NO_HASH, disk) };
    replayLog(state, source, data, checkpointLsn, lsn, onProgress, disk);
    return { state, checkpointLsn, fault };
  } finally {
    reader.close();
  }
}

/**
 * Checks what a start relies on and the shards do not look at: that the log above the checkpoint hangs together, by hashes, times and
 * numbers, and goes on where the checkpoint was made. One pass for all shards, beside their own.
 * @throws {DamagedLogError}, {NewerFormatError}
 */
export function checkTail(data: string, lsn: number, disk: Disk = LOCAL_DISK): void {
  checkEnd(data, lsn, disk);
  let end = NO_CHECKPOINT;
  const reader = openLogReader({ data, disk });
  const { id } = reader.ledger;
  reader.close();
  try {
    const runs = readRuns(data, id, disk);
    end = runs.at(-1)?.end ?? NO_CHECKPOINT;
  } catch (error) {
    if (!(error instanceof CheckpointFault)) throw error;
  }
  for (const batch of checkedBatches(data, end.lsn + 1, end.hash, disk)) {
    if (batch.firstLsn + batch.count - 1 >= lsn) break;
  }
}

/**
 * Replays the log onto a shard's state, from the LSN that it stands at up to `toLsn`.
 * @param onProgress called now and then with the LSN reached
 * @throws {DamagedLogError} when the log ends before `toLsn` or a record cannot be what was written
 */
export function replayLog(
  state: State,
  reader: Pick<LogReader, 'batchesFrom'>,
  data: string,
  fromLsn: number,
  toLsn: number,
  onProgress?: (lsn: number) => void,
  disk: Disk = LOCAL_DISK,
): void {
  const replayer = new Replayer(state);
  let lsn = fromLsn;
  if (lsn < toLsn) {
    for (const batch of reader.batchesFrom(fromLsn + 1)) {
      replayBatch(replayer, data, batch, fromLsn, toLsn, disk);
      lsn = batch.firstLsn + batch.count - 1;
      onProgress?.(lsn);
      if (lsn >= toLsn) break;
    }
  }
  if (lsn >= toLsn) return;
  const segment = segmentPath(data, listSegments(data, disk).at(-1) ?? 1);
  throw damaged(segment, lsn + 1, `the log ends at LSN ${lsn}, but LSN ${toLsn} was durable`);
}

/** Replays the records of a batch that lie above `fromLsn`, up to `toLsn`. */
function replayBatch(
  replayer: Replayer,
  data: string,
  batch: Batch,
  fromLsn: number,
  toLsn: number,
  disk: Disk,
): void {
  try {
    replayer.replay(batch.bytes, BATCH_HEADER_BYTES, batch.firstLsn, fromLsn, toLsn);
  } catch (error) {
    throw damagedRecord(data, batch, replayer.lsn, error as Error, disk);
  }
}
