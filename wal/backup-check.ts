import { statSync } from 'node:fs';
import { join } from 'node:path';
import { BackupError, type BackupSegment, type Manifest, readManifest } from './backup-manifest.js';
import { type Batch, hashBatch } from './batch.js';
import { DATA_FILE } from './disk.js';
import { hashFile } from './file-copy.js';
import { openLogReader } from './log-reader.js';
import { segmentPath } from './segment.js';
import type { LogPosition } from './store.js';

/**
 * What is wrong between a backup's manifest and its files. That the log hangs together is looked at elsewhere.
 * @throws {DamagedLogError} when the log cannot be read at the backup's end
 */
export function manifestProblems(directory: string): string[] {
  let manifest: Manifest;
  try {
    manifest = readManifest(directory);
  } catch (error) {
    if (error instanceof BackupError) return [error.message];
    throw error;
  }
  const problems = manifest.segments
    .map((segment) => segmentProblem(directory, manifest, segment))
    .filter((problem) => problem !== undefined);
  const end = manifest.segments.at(-1)?.lastLsn ?? 0;
  if (end !== manifest.end.lsn)
    problems.push(`it names segments up to LSN ${end} and ends at LSN ${manifest.end.lsn}`);
  if (manifest.end.lsn > 0 && problems.length === 0) problems.push(...endProblems(directory, manifest));
  return problems;
}

function segmentProblem(
  directory: string,
  manifest: Manifest,
  { firstLsn, bytes, sha256 }: BackupSegment,
): string | undefined {
  const path = join(segmentPath(directory, firstLsn), DATA_FILE);
  const size = statSync(path, { throwIfNoEntry: false })?.size;
  if (size === undefined) return `segment ${firstLsn} is missing`;
  if (size === bytes && hashFile(path).sha256 === sha256) return undefined;
  // An interrupted backup leaves a longer file in place of the last one: it is judged by its batches, down to the hash at the end.
  if (firstLsn === manifest.segments.at(-1)!.firstLsn && goesBeyond(directory, manifest)) return undefined;
  return `the file of segment ${firstLsn} is not the one that was written`;
}

/** Whether the log in a backup's directory goes on after the end that its manifest names. */
export function goesBeyond(directory: string, manifest: Manifest): boolean {
  const reader = openLogReader({ data: directory });
  try {
    return reader.batchAt(manifest.end.lsn + 1) !== undefined;
  } finally {
    reader.close();
  }
}

/** Whether a log that ends at this position ends with this batch. */
export function isEndedBy({ lsn, hash }: Pick<LogPosition, 'lsn' | 'hash'>, batch: Batch): boolean {
  return batch.firstLsn + batch.count - 1 === lsn && Buffer.compare(hashBatch(batch.bytes), hash) === 0;
}

function endProblems(directory: string, { end }: Manifest): string[] {
  const reader = openLogReader({ data: directory });
  try {
    const batch = reader.batchAt(end.lsn);
    const isSame = batch !== undefined && isEndedBy(end, batch) && batch.timeMs === end.timeMs;
    return isSame ? [] : [`the batch that ends at LSN ${end.lsn} is not the one that it names`];
  } finally {
    reader.close();
  }
}
