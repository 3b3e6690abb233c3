import { createHash } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { NewerFormatError } from './errors.js';
import { LOCAL_DISK } from './local-disk.js';
import type { LogPosition } from './store.js';

/*
 * A backup is laid out as a data directory without a checkpoint, and has beside its log a manifest that says how far it goes. The manifest
 * is what makes it a backup: it is written and renamed after the segment that it names, so what it says is there. The directory may hold
 * more than it says (a backup that was interrupted after a segment and before its manifest), which then does not count.
 */

export const MANIFEST = 'backup.json';
const FORMAT = 1;

export interface BackupSegment {
  readonly firstLsn: number;
  /** `firstLsn - 1` for the empty first segment of an empty ledger. */
  readonly lastLsn: number;
  readonly bytes: number;
  /** Of the data file, hexadecimal. */
  readonly sha256: string;
}

export interface Manifest {
  /** The ledger's id. */
  readonly ledger: string;
  /** Where the backup ends: a batch of the log ends there. */
  readonly end: LogPosition;
  /** Wall clock when that end was read, ms since the epoch: what was committed later is not in it. */
  readonly takenMs: number;
  readonly segments: readonly BackupSegment[];
}

/** A directory is not the backup that it should be, or cannot be used for what was asked. Says what to do. */
export class BackupError extends Error {
  override readonly name = 'BackupError';
}

/** As the file has it. */
interface ManifestFile {
  readonly kassa_backup: number;
  readonly ledger: string;
  readonly lsn: number;
  readonly committed_at: string;
  readonly hash: string;
  readonly taken_at: string;
  readonly segments: readonly {
    readonly first_lsn: number;
    readonly last_lsn: number;
    readonly bytes: number;
    readonly sha256: string;
  }[];
  /** SHA-256 over the JSON text of all of the above. */
  readonly sha256: string;
}

export function isBackup(directory: string): boolean {
  return existsSync(join(directory, MANIFEST));
}

/** Writes the manifest, at once and durably. */
export function writeManifest(directory: string, manifest: Manifest): void {
  const { ledger, end, takenMs, segments } = manifest;
  const said = {
    kassa_backup: FORMAT,
    ledger,
    lsn: end.lsn,
    committed_at: new Date(end.timeMs).toISOString(),
    hash: Buffer.from(end.hash).toString('hex'),
    taken_at: new Date(takenMs).toISOString(),
    segments: segments.map(({ firstLsn, lastLsn, bytes, sha256 }) => ({
      first_lsn: firstLsn,
      last_lsn: lastLsn,
      bytes,
      sha256,
    })),
  };
  const path = join(directory, MANIFEST);
  const fd = openSync(`${path}.new`, 'w');
  try {
    writeSync(fd, `${JSON.stringify({ ...said, sha256: sumOf(said) }, null, 1)}\n`);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(`${path}.new`, path);
  LOCAL_DISK.syncDirectory(directory);
}

/** @throws {BackupError} when there is none or it is not as it was written; {NewerFormatError} */
export function readManifest(directory: string): Manifest {
  const path = join(directory, MANIFEST);
  if (!existsSync(path)) throw new BackupError(`${directory} is not a backup: it has no ${MANIFEST}`);
  let file: ManifestFile;
  try {
    file = JSON.parse(readFileSync(path, 'utf8')) as ManifestFile;
  } catch (error) {
    throw new BackupError(`${path} is damaged: ${(error as Error).message}`);
  }
  const { sha256, ...said } = file ?? {};
  if (sha256 !== sumOf(said)) throw new BackupError(`${path} is damaged: it is not as it was written`);
  if (file.kassa_backup !== FORMAT) {
    throw new NewerFormatError(`${path} was written by a newer Kassa: backup format ${file.kassa_backup}`);
  }
  return {
    ledger: file.ledger,
    end: { lsn: file.lsn, timeMs: Date.parse(file.committed_at), hash: Buffer.from(file.hash, 'hex') },
    takenMs: Date.parse(file.taken_at),
    segments: file.segments.map((segment) => ({
      firstLsn: segment.first_lsn,
      lastLsn: segment.last_lsn,
      bytes: segment.bytes,
      sha256: segment.sha256,
    })),
  };
}

function sumOf(said: object): string {
  return createHash('sha256').update(JSON.stringify(said)).digest('hex');
}
