import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { goesBeyond } from './backup-check.js';
import { BackupError, type BackupSegment, type Manifest, readManifest } from './backup-manifest.js';
import { BATCH_HEADER_BYTES, type Batch, forEachRecord } from './batch.js';
import { DATA_FILE } from './disk.js';
import { DamagedLogError } from './errors.js';
import { copyFile } from './file-copy.js';
import { LOCAL_DISK } from './local-disk.js';
import { lockDirectory } from './lock.js';
import { LOG_START, positionAfter } from './log-chain.js';
import { openLogReader } from './log-reader.js';
import { logDirectory, segmentPath } from './segment.js';
import { segmentBatches } from './segment-batches.js';
import { SegmentBuilder } from './segment-build.js';
import { SegmentFile } from './segment-file.js';
import type { LogPosition } from './store.js';
import { RESTORING } from './unfinished.js';
import { verify } from './verify.js';

export interface RestoreOptions {
  readonly from: string;
  readonly data: string;
  /** The last LSN to be there. */
  readonly toLsn?: number;
  /** All that was committed at or before, ms since the epoch. */
  readonly toTimeMs?: number;
  /** `done` and `total` are bytes in the phase `copy`, else LSNs. */
  readonly onProgress?: (progress: {
    readonly phase: string;
    readonly done: number;
    readonly total: number;
  }) => void;
}

export interface RestoreReport {
  readonly ledger: string;
  readonly lsn: number;
  /** Of the last record, ms since the epoch. */
  readonly timeMs: number;
  readonly leftOut: LeftOut | undefined;
  readonly transactions: number;
  readonly accounts: number;
}

/** Records of the backup that were left out, and when the first and the last of them were committed. */
export interface LeftOut {
  readonly records: number;
  /** Undefined when it cannot be read: the backup is damaged behind the point that was restored. */
  readonly firstMs: number | undefined;
  readonly lastMs: number;
}

/**
 * Makes a data directory from a backup, up to a point, and verifies it from its first byte to its last before it is one. Until then all of it
 * lies under another name.
 * @throws {BackupError} when there is no sound backup, the point is not in it, or the directory is not empty
 * @throws {DamagedLogError} when the backup is damaged; {DirectoryInUseError}
 */
export async function restore(options: RestoreOptions): Promise<RestoreReport> {
  const { from, data } = options;
  const manifest = readManifest(from);
  const cut = cutOf(options, manifest);
  if (existsSync(data)) checkEmpty(data);
  const lock = lockDirectory(data);
  try {
    checkEmpty(data);
    const staging = join(data, RESTORING);
    rmSync(staging, { recursive: true, force: true });
    mkdirSync(logDirectory(staging), { recursive: true });
    const end = copyLog(options, manifest, cut, staging);
    const { onProgress } = options;
    const report = await verify({ data: staging, ...(onProgress === undefined ? {} : { onProgress }) });
    const [finding] = report.findings;
    if (finding !== undefined)
      throw new BackupError(`the backup in ${from} is damaged: ${finding.where}: ${finding.problem}`);
    renameSync(logDirectory(staging), logDirectory(data));
    LOCAL_DISK.syncDirectory(data);
    rmSync(staging, { recursive: true });
    LOCAL_DISK.syncDirectory(data);
    return {
      ledger: manifest.ledger,
      lsn: end.lsn,
      timeMs: end.timeMs,
      leftOut: leftOut(from, end.lsn, manifest),
      transactions: report.transactions,
      accounts: report.accounts,
    };
  } finally {
    lock.release();
  }
}

/** Empty but for its lock and what an interrupted restore left. */
function checkEmpty(data: string): void {
  const others = readdirSync(data).filter((name) => name !== 'lock' && name !== RESTORING);
  if (others.length === 0) return;
  throw new BackupError(
    `${data} is not empty (it holds ${others[0]}): restore into an empty directory or a new one`,
  );
}

/** The last LSN to be restored. */
function cutOf({ from, toLsn, toTimeMs }: RestoreOptions, manifest: Manifest): number {
  const { end, takenMs } = manifest;
  if (toLsn !== undefined) {
    if (toLsn <= end.lsn) return toLsn;
    throw new BackupError(`the backup in ${from} ends at LSN ${end.lsn}: there is no LSN ${toLsn} in it`);
  }
  if (toTimeMs === undefined) return end.lsn;
  const knownMs = Math.max(takenMs, end.timeMs);
  if (toTimeMs > knownMs) {
    throw new BackupError(
      `the backup in ${from} was taken at ${iso(takenMs)}: it cannot tell what was committed up to ${iso(toTimeMs)}. ` +
        'Without --to-time all of it is restored',
    );
  }
  const lsn = lastLsnAt(from, manifest, toTimeMs);
  if (lsn > 0) return lsn;
  throw new BackupError(`nothing in the backup in ${from} was committed at or before ${iso(toTimeMs)}`);
}

/** The last LSN committed at or before a time: commit times never go back. */
function lastLsnAt(from: string, { segments, end }: Manifest, timeMs: number): number {
  if (end.timeMs <= timeMs) return end.lsn;
  const segment = segments.findLast(({ firstLsn }) => {
    const file = new SegmentFile(from, firstLsn);
    file.close();
    return file.header.previous.timeMs <= timeMs;
  });
  if (segment === undefined) return 0;
  let lsn = segment.firstLsn - 1;
  const reader = openLogReader({ data: from });
  try {
    for (const batch of reader.batchesFrom(segment.firstLsn)) {
      if (batch.timeMs > timeMs) break;
      lsn = batch.firstLsn + batch.count - 1;
    }
  } finally {
    reader.close();
  }
  return lsn;
}

/** Copies the segments up to the cut. @returns where the log then ends */
function copyLog(
  { from, onProgress }: RestoreOptions,
  manifest: Manifest,
  cut: number,
  staging: string,
): LogPosition {
  const wanted = manifest.segments.filter(({ firstLsn }) => firstLsn <= Math.max(cut, 1));
  const total = wanted.reduce((sum, { bytes }) => sum + bytes, 0);
  let done = 0;
  const onBytes = (bytes: number): void => {
    done += bytes;
    onProgress?.({ phase: 'copy', done: Math.min(done, total), total });
  };
  let end = LOG_START;
  for (const segment of wanted) {
    const isWhole = segment.lastLsn <= cut && copyWhole(from, staging, segment, manifest, onBytes);
    if (!isWhole) copyUpTo(from, staging, segment.firstLsn, end, cut, onBytes);
    for (const batch of segmentBatches(staging, segment.firstLsn, end, from)) end = positionAfter(batch);
  }
  if (end.lsn === cut) return end;
  throw new BackupError(
    `the log in ${from} ends at LSN ${end.lsn}, before LSN ${cut}. Run \`kassa verify --data ${from}\``,
  );
}

/**
 * Copies a file that was written as the manifest says.
 * @returns false when a later backup, interrupted before its manifest, has put a longer one in its place
 */
function copyWhole(
  from: string,
  staging: string,
  { firstLsn, sha256 }: BackupSegment,
  manifest: Manifest,
  onBytes: (bytes: number) => void,
): boolean {
  const path = segmentPath(staging, firstLsn);
  mkdirSync(path);
  const copied = copyFile(join(segmentPath(from, firstLsn), DATA_FILE), join(path, DATA_FILE), onBytes);
  if (copied.sha256 === sha256) return true;
  rmSync(path, { recursive: true });
  if (firstLsn === manifest.segments.at(-1)!.firstLsn && goesBeyond(from, manifest)) return false;
  throw new BackupError(
    `the backup in ${from} is damaged: the file of segment ${firstLsn} is not the one that was written. ` +
      `Run \`kassa verify --data ${from}\` to see more`,
  );
}

/** Makes a segment anew up to an LSN. A batch that goes beyond it is sealed again with the records up to it. */
function copyUpTo(
  from: string,
  staging: string,
  firstLsn: number,
  before: LogPosition,
  cut: number,
  onBytes: (bytes: number) => void,
): void {
  const source = new SegmentFile(from, firstLsn);
  source.close();
  const builder = new SegmentBuilder(staging, source.header);
  try {
    for (const batch of segmentBatches(from, firstLsn, before)) {
      if (batch.firstLsn > cut) break;
      const { bytes, count } = cutBatch(batch, cut);
      builder.append(bytes, count, batch.timeMs);
      onBytes(bytes.length);
    }
  } catch (error) {
    builder.close();
    throw error;
  }
  builder.finish();
}

function cutBatch(batch: Batch, cut: number): { bytes: Uint8Array; count: number } {
  let end = BATCH_HEADER_BYTES;
  let count = 0;
  forEachRecord(batch, (_bytes, offset, size, lsn) => {
    if (lsn > cut) return;
    end = offset + size;
    count++;
  });
  return { bytes: Buffer.from(batch.bytes.subarray(0, end)), count };
}

function leftOut(from: string, lsn: number, { end }: Manifest): LeftOut | undefined {
  if (lsn >= end.lsn) return undefined;
  const reader = openLogReader({ data: from });
  try {
    return { records: end.lsn - lsn, firstMs: reader.batchAt(lsn + 1)?.timeMs, lastMs: end.timeMs };
  } catch (error) {
    if (!(error instanceof DamagedLogError)) throw error;
    return { records: end.lsn - lsn, firstMs: undefined, lastMs: end.timeMs };
  } finally {
    reader.close();
  }
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
