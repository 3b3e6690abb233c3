import { NewerRecordError } from '../engine/record.js';
import type { Batch } from './batch.js';
import { CheckpointFault, Stopped } from './checkpoint-block.js';
import {
  checkpointDirectory,
  idsPath,
  makeCheckpointDirectory,
  NO_CHECKPOINT,
  type Run,
  readRuns,
  removeCheckpoint,
  removeLeftovers,
  writeRun,
} from './checkpoint-files.js';
import { mergeRuns } from './checkpoint-merge.js';
import { Round } from './checkpoint-round.js';
import type { Disk } from './disk.js';
import { damaged, NewerFormatError } from './errors.js';
import { LOCAL_DISK } from './local-disk.js';
import { checkedBatches } from './log.js';
import { positionAfter } from './log-chain.js';
import { listSegments, segmentPath } from './segment.js';
import type { LedgerIdentity, LogPosition } from './store.js';

/** Records of one round at most, and accounts that it touches: they bound its memory, to some 100 MB. */
const ROUND_RECORDS_MAX = 500_000;
const ROUND_ACCOUNTS_MAX = 1_000_000;
/** What a round may write, and what is left free for the log. */
const ROUND_BYTES_MAX = 150 << 20;
const FREE_BYTES_MIN = 64 << 20;
/** Runs beside the oldest that a start has to add up. */
const LATER_RUNS_MAX = 12;

/**
 * Keeps the checkpoint of a ledger up: adds up what the log did since the last one and writes that as a run behind it (see
 * `checkpoint-files.ts`). The shards are not asked and do not wait: it reads the log as a start does, which so is rehearsed all day.
 *
 * Invariants
 * - A run ends where a batch ends, and nothing above the durable LSN is in it.
 * - Each batch is held against the SHA-256 of the one before, the first against the one that the last run ended with.
 * - At any moment there is a whole checkpoint in the directory, or none.
 */
export class Checkpointer {
  private runs: readonly Run[];

  /**
   * Opens the checkpoint of a data directory, removing what is left of unfinished work. One that is damaged is removed whole.
   * @param rebuild to remove it in any case
   */
  constructor(
    private readonly data: string,
    private readonly ledger: LedgerIdentity,
    rebuild: boolean,
    private readonly disk: Disk = LOCAL_DISK,
  ) {
    if (rebuild) removeCheckpoint(data, disk);
    makeCheckpointDirectory(data, disk);
    try {
      this.runs = readRuns(data, ledger.id, disk);
    } catch (error) {
      if (!(error instanceof CheckpointFault)) throw error;
      this.runs = this.startAnew();
    }
    // A process that died may have left the newest run's name in the cache only: what it stands for goes after it is durable.
    disk.syncDirectory(checkpointDirectory(data));
    removeLeftovers(data, this.runs, disk);
  }

  /** Where the log stood when the newest checkpoint was made. */
  get position(): LogPosition {
    return this.runs.at(-1)?.end ?? NO_CHECKPOINT;
  }

  /**
   * Moves the checkpoint on by one round.
   * @param toLsn the durable LSN. @param shouldStop asked often; when it says yes, nothing is changed
   * @returns whether it stopped early because the round was full: there is more
   * @throws {DamagedLogError}, {NewerFormatError}, and what the file system says
   */
  advance(toLsn: number, shouldStop: () => boolean): boolean {
    try {
      const isMore = this.addRun(toLsn, shouldStop);
      this.merge(shouldStop);
      return isMore;
    } catch (error) {
      if (error instanceof Stopped) return false;
      if (!(error instanceof CheckpointFault)) throw error;
      this.runs = this.startAnew();
      return true;
    }
  }

  /** The log needs the disk more: a checkpoint leaves it alone when little is left. @throws when there is too little */
  private checkDisk(bytes: number): void {
    const free = this.disk.freeBytes(this.data);
    if (free >= bytes + FREE_BYTES_MIN) return;
    throw new Error(`${free} bytes are left on the disk of ${this.data}, too few for ${bytes} more`);
  }

  private startAnew(): readonly Run[] {
    removeCheckpoint(this.data, this.disk);
    makeCheckpointDirectory(this.data, this.disk);
    return [];
  }

  private addRun(toLsn: number, shouldStop: () => boolean): boolean {
    const { data, ledger, position, disk } = this;
    this.checkDisk(ROUND_BYTES_MAX);
    const last = this.runs.at(-1);
    const round = new Round(ledger.key, idsPath(data), last?.idsBytes ?? 0, disk);
    try {
      let end: Batch | undefined;
      let isFull = false;
      for (const batch of checkedBatches(data, position.lsn + 1, position.hash, disk)) {
        if (shouldStop()) throw new Stopped('stopped');
        if (batch.firstLsn + batch.count - 1 > toLsn) break;
        addTo(round, data, batch, disk);
        end = batch;
        isFull =
          batch.firstLsn + batch.count - 1 - position.lsn >= ROUND_RECORDS_MAX ||
          round.accounts >= ROUND_ACCOUNTS_MAX;
        if (isFull) break;
      }
      if (end === undefined) return false;
      const idsBytes = round.syncIds();
      // The first run must not be there without the facts that it counts on, whatever order a disk keeps names in.
      if (last === undefined) disk.syncDirectory(checkpointDirectory(data));
      const span = {
        from: position.lsn,
        end: positionAfter(end),
        idsBytes,
        ids: (last?.ids ?? 0) + round.facts,
      };
      this.runs = [
        ...this.runs,
        writeRun(data, ledger.id, span, disk, (block) => round.write(block, shouldStop)),
      ];
      return isFull;
    } finally {
      round.close();
    }
  }

  /**
   * Keeps the runs few. All become one when the later ones have grown as large as the oldest, so that an account is rewritten no more often
   * than it was changed; until then, the later ones become one from time to time.
   */
  private merge(shouldStop: () => boolean): void {
    const { runs, data, ledger, disk } = this;
    const later = runs.slice(1);
    const laterBytes = later.reduce((sum, run) => sum + run.bytes, 0);
    if (later.length === 0 || (laterBytes < runs[0]!.bytes && later.length <= LATER_RUNS_MAX)) return;
    this.checkDisk(runs.reduce((sum, run) => sum + run.bytes, 0));
    if (laterBytes >= runs[0]!.bytes) this.runs = [mergeRuns(data, ledger.id, runs, disk, shouldStop)];
    else this.runs = [runs[0]!, mergeRuns(data, ledger.id, later, disk, shouldStop)];
    removeLeftovers(data, this.runs, disk);
  }
}

function addTo(round: Round, data: string, batch: Batch, disk: Disk): void {
  try {
    round.add(batch);
  } catch (error) {
    throw damagedRecord(data, batch, round.lsn, error as Error, disk);
  }
}

/** Of a batch whose checksum is right but whose records are not. */
export function damagedRecord(data: string, batch: Batch, lsn: number, error: Error, disk: Disk): Error {
  if (error instanceof NewerRecordError) return new NewerFormatError(`${error.message}, at LSN ${lsn}`);
  const segment = listSegments(data, disk).findLast((first) => first <= batch.firstLsn) ?? batch.firstLsn;
  return damaged(segmentPath(data, segment), lsn, error.message);
}
