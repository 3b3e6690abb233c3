import { existsSync, mkdirSync, readdirSync, realpathSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isEndedBy } from './backup-check.js';
import {
  BackupError,
  type BackupSegment,
  isBackup,
  MANIFEST,
  type Manifest,
  readManifest,
  writeManifest,
} from './backup-manifest.js';
import { NO_HASH } from './batch.js';
import { DATA_FILE, type EntryReader } from './disk.js';
import { durableEnd } from './durable-end.js';
import { DamagedLogError } from './errors.js';
import { copyFile, hashFile } from './file-copy.js';
import { LOCAL_DISK } from './local-disk.js';
import { lockDirectory } from './lock.js';
import { positionAfter } from './log-chain.js';
import { openLogReader } from './log-reader.js';
import { PageFault } from './page.js';
import { listSegments, makeDirectory, segmentPath } from './segment.js';
import { segmentBatches } from './segment-batches.js';
import { moveSegment, SegmentBuilder } from './segment-build.js';
import { SegmentFile } from './segment-file.js';
import type { LedgerIdentity, LogPosition } from './store.js';

/*
 * A backup while the server runs. The log is a chain of segments of which only the newest is still written to, so there is nothing to
 * stop: closed segments are copied as files; of the newest one the batches up to the end that was noted at the start are put into a file of
 * the backup's own, since its bytes change under the reader's hands.
 *
 * Invariants
 * - After each segment the manifest moves on. So at every moment the backup is the log up to one LSN, and an interruption costs the work on
 *   one segment.
 * - A segment takes its place by one rename, when it is synced and was read back; it then holds all that the one in its place held.
 * - Batches are chained by SHA-256, so if the batch at the backup's end is the source's, so is everything below it.
 */

/** Segments are made here and moved into the log when they are whole. */
const STAGING = 'incoming';

export interface BackupOptions {
  readonly data: string;
  readonly to: string;
  /** Called now and then; bytes of data files. */
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
  /** Wall clock, ms since the epoch. */
  readonly now?: () => number;
}

export interface BackupReport {
  readonly ledger: string;
  readonly lsn: number;
  /** Of the batch that the backup ends with, ms since the epoch. */
  readonly timeMs: number;
  /** Where the backup ended before; 0 for the first one. */
  readonly fromLsn: number;
  readonly segments: number;
  readonly segmentsWritten: number;
  readonly bytesWritten: number;
}

/**
 * Brings a backup up to where the log ends now; makes it when there is none. Reads the source only, beside a server or without one.
 * @throws {BackupError} when the target is something else, another ledger's, or knows more than the source
 * @throws {DamagedLogError} when the source is damaged; {DirectoryInUseError} while another backup is made there
 */
export function backup(options: BackupOptions): BackupReport {
  const { data, to } = options;
  if (listSegments(data).length === 0) throw new Error(`there is no ledger in ${data}`);
  makeDirectory(to);
  checkApart(data, to);
  const lock = lockDirectory(to);
  try {
    return new Backup(options).run();
  } finally {
    lock.release();
  }
}

function checkApart(data: string, to: string): void {
  const [source, target] = [realpathSync(data), realpathSync(to)];
  const isWithin = (a: string, b: string) => a === b || a.startsWith(`${b}/`);
  if (isWithin(source, target) || isWithin(target, source)) {
    throw new BackupError(`${to} and ${data} lie within each other: give the backup a place of its own`);
  }
}

class Backup {
  private readonly data: string;
  private readonly to: string;
  private readonly staging: string;
  /** Where the source ended at the start. */
  private readonly end: LogPosition;
  private manifest: Manifest;
  private bytesDone = 0;
  private bytesTotal = 0;

  constructor(private readonly options: BackupOptions) {
    this.data = options.data;
    this.to = options.to;
    this.staging = join(this.to, STAGING);
    const takenMs = (options.now ?? Date.now)();
    const { ledger, end } = durableEnd(this.data);
    this.end = end;
    this.manifest = this.openTarget(ledger, takenMs);
    this.checkContinues();
    this.manifest = { ...this.manifest, takenMs };
  }

  run(): BackupReport {
    const fromLsn = this.manifest.end.lsn;
    rmSync(this.staging, { recursive: true, force: true });
    const parts = this.missing();
    this.bytesTotal = parts.reduce((sum, { firstLsn }) => sum + this.sourceBytes(firstLsn), 0);
    for (const part of parts) this.add(part);
    rmSync(this.staging, { recursive: true, force: true });
    // Also when nothing was new: the backup now speaks for a later time.
    writeManifest(this.to, this.manifest);
    const { ledger, end, segments } = this.manifest;
    return {
      ledger,
      lsn: end.lsn,
      timeMs: end.timeMs,
      fromLsn,
      segments: segments.length,
      segmentsWritten: parts.length,
      bytesWritten: this.bytesDone,
    };
  }

  /** The manifest of the backup that is there, or of a new one, which is then written before anything else is. */
  private openTarget(ledger: LedgerIdentity, takenMs: number): Manifest {
    const { to } = this;
    if (isBackup(to)) {
      const manifest = readManifest(to);
      if (manifest.ledger === ledger.id) return manifest;
      throw new BackupError(
        `${to} is a backup of another ledger, ${manifest.ledger}; ${this.data} is ${ledger.id}. Choose another directory`,
      );
    }
    const others = readdirSync(to).filter((name) => name !== 'lock' && name !== `${MANIFEST}.new`);
    if (others.length > 0) {
      throw new BackupError(
        `${to} is not empty and not a backup (it holds ${others[0]}). Choose another directory`,
      );
    }
    const end = { lsn: 0, timeMs: 0, hash: NO_HASH };
    const manifest = { ledger: ledger.id, end, takenMs, segments: [] };
    writeManifest(to, manifest);
    return manifest;
  }

  /** That the source holds what the backup holds. */
  private checkContinues(): void {
    const { end } = this;
    const { lsn } = this.manifest.end;
    if (lsn === 0) return;
    const place = `the backup in ${this.to} ends at LSN ${lsn}`;
    const next =
      'Nothing was changed. If the source was restored to an earlier point, begin a new backup elsewhere';
    if (lsn > end.lsn)
      throw new BackupError(`${place}, ahead of ${this.data}, which ends at LSN ${end.lsn}. ${next}`);
    const reader = openLogReader({ data: this.data });
    try {
      if (!isEndedBy(this.manifest.end, reader.batchAt(lsn)!))
        throw new BackupError(`${place}, where ${this.data} has another history. ${next}`);
    } finally {
      reader.close();
    }
  }

  /** The segments that the backup does not hold as far as the source did at the start, oldest first. */
  private missing(): Part[] {
    const { end } = this;
    const segments = listSegments(this.data);
    const parts: Part[] = [];
    segments.forEach((firstLsn, i) => {
      if (firstLsn > Math.max(end.lsn, 1)) return;
      const nextLsn = segments[i + 1];
      const isClosed = nextLsn !== undefined && nextLsn - 1 <= end.lsn;
      const lastLsn = isClosed ? nextLsn - 1 : end.lsn;
      const known = this.manifest.segments.find((segment) => segment.firstLsn === firstLsn);
      if (known?.lastLsn === lastLsn && existsSync(join(segmentPath(this.to, firstLsn), DATA_FILE))) return;
      parts.push({ firstLsn, lastLsn, isClosed });
    });
    return parts;
  }

  private sourceBytes(firstLsn: number): number {
    return statSync(join(segmentPath(this.data, firstLsn), DATA_FILE)).size;
  }

  private readonly onBytes = (bytes: number): void => {
    this.bytesDone += bytes;
    this.options.onProgress?.({ done: this.bytesDone, total: this.bytesTotal });
  };

  private add(part: Part): void {
    const { firstLsn } = part;
    const source = new SegmentFile(this.data, firstLsn);
    const { header } = source;
    source.close();
    const made = part.isClosed ? this.copy(part) : this.build(part, header.previous);
    const end = this.checkStaged(part, header.previous);
    moveSegment(this.staging, this.to, firstLsn);
    const segment: BackupSegment = { ...made, firstLsn, lastLsn: end.lsn };
    const others = this.manifest.segments.filter((other) => other.firstLsn !== firstLsn);
    const segments = [...others, segment].sort((a, b) => a.firstLsn - b.firstLsn);
    const isFurther = end.lsn >= this.manifest.end.lsn;
    this.manifest = { ...this.manifest, end: isFurther ? end : this.manifest.end, segments };
    writeManifest(this.to, this.manifest);
  }

  private copy({ firstLsn }: Part): { bytes: number; sha256: string } {
    const path = segmentPath(this.staging, firstLsn);
    mkdirSync(path, { recursive: true });
    const file = join(path, DATA_FILE);
    const source = segmentPath(this.data, firstLsn);
    const copied = copyFile(join(source, DATA_FILE), file, this.onBytes, usedBytes(source));
    if (hashFile(file).sha256 !== copied.sha256) {
      throw new BackupError(
        `${file} reads back other than it was written: the disk of ${this.to} cannot be trusted`,
      );
    }
    return copied;
  }

  private build({ firstLsn, lastLsn }: Part, before: LogPosition): { bytes: number; sha256: string } {
    const source = new SegmentFile(this.data, firstLsn);
    source.close();
    const builder = new SegmentBuilder(this.staging, source.header);
    try {
      if (lastLsn >= firstLsn) {
        for (const batch of segmentBatches(this.data, firstLsn, before)) {
          builder.append(Buffer.from(batch.bytes), batch.count, batch.timeMs);
          this.onBytes(batch.bytes.length);
          if (builder.end.lsn >= lastLsn) break;
        }
      }
    } catch (error) {
      builder.close();
      throw error;
    }
    builder.finish();
    return hashFile(join(segmentPath(this.staging, firstLsn), DATA_FILE));
  }

  /** Reads a staged segment batch by batch. What is wrong with it is wrong with the source, of which it is a copy. @returns its end */
  private checkStaged({ firstLsn, lastLsn }: Part, before: LogPosition): LogPosition {
    let end = before;
    for (const batch of segmentBatches(this.staging, firstLsn, before, this.data)) end = positionAfter(batch);
    if (end.lsn !== lastLsn) {
      const name = segmentPath(this.data, firstLsn).slice(-16);
      throw new DamagedLogError(
        this.data,
        name,
        end.lsn + 1,
        `the segment ends at LSN ${end.lsn} and not ${lastLsn}`,
      );
    }
    return end;
  }
}

/** A segment to be copied, or as far as it was written to be made anew. */
interface Part {
  readonly firstLsn: number;
  readonly lastLsn: number;
  /** A later segment follows, so nothing is ever added to it. */
  readonly isClosed: boolean;
}

/** Bytes of a segment's file without the zeros that its writer left behind its last batch; all of them where that cannot be told. */
function usedBytes(segment: string): number {
  let pages: EntryReader | undefined;
  try {
    pages = LOCAL_DISK.openEntries(segment);
    return (pages.meta().lastPage + 1) * pages.pageSize;
  } catch (error) {
    if (error instanceof PageFault) return Number.POSITIVE_INFINITY;
    throw error;
  } finally {
    pages?.close();
  }
}
