import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Batch, BatchError, parseBatch } from './batch.js';
import { BlockReader, CheckpointFault } from './checkpoint-block.js';
import { checkpointDirectory, idsPath, type Run } from './checkpoint-files.js';
import { DamagedLogError } from './errors.js';
import { LOCAL_DISK } from './local-disk.js';
import { type Entry, walkEntries } from './page-walk.js';
import { decodeSegmentHeader, segmentPath } from './segment.js';

/*
 * Files by themselves, each to its end: the first thing that is wrong does not hide the next. What the parts say of each other, from segment to
 * segment and between checkpoint and log, is for `verify` to hold together.
 */

/** Says that something is wrong with the entry that starts at `lsn`, or from there on. */
export type ReportEntry = (lsn: number, problem: string) => void;

/**
 * Every live byte of a segment: its pages, its header, each batch, and that the batches follow each other.
 * @returns steps, one for each entry: so long work can be done in turns
 * @throws {NewerFormatError}, and PageFault when its meta pages do not lead to anything
 */
export function* checkSegment(
  data: string,
  first: number,
  report: ReportEntry,
): Generator<void, void, undefined> {
  const path = segmentPath(data, first);
  let before: Batch | undefined;
  const problemAt: ReportEntry = (key, problem) => {
    before = undefined;
    report(key === 0 ? first : key, problem);
  };
  for (const entry of walkEntries(path, problemAt)) {
    if (entry.key === 0) checkHeader(entry, path, first, report);
    else before = checkBatch(entry, before, problemAt);
    yield;
  }
}

function checkHeader({ value }: Entry, path: string, first: number, report: ReportEntry): void {
  try {
    decodeSegmentHeader(value, path, first);
  } catch (error) {
    if (!(error instanceof DamagedLogError)) throw error;
    report(first, error.reason);
  }
}

/** @returns the batch, when it is one */
function checkBatch(
  { key, value }: Entry,
  before: Batch | undefined,
  report: ReportEntry,
): Batch | undefined {
  let batch: Batch;
  try {
    batch = parseBatch(value);
  } catch (error) {
    if (!(error instanceof BatchError)) throw error;
    report(key, error.message);
    return undefined;
  }
  // Its checksum is right, so it is the key that is not.
  if (batch.firstLsn !== key) report(batch.firstLsn, `the batch is stored under the key ${key}`);
  if (before === undefined) return batch;
  const next = before.firstLsn + before.count;
  if (batch.firstLsn !== next) report(next, 'a batch is missing');
  else if (batch.commitNumber !== before.commitNumber + 1) {
    report(batch.firstLsn, `the batch is of commit ${batch.commitNumber} and not ${before.commitNumber + 1}`);
  }
  return batch;
}

/**
 * Every block of a checkpoint's files: those that its runs name or, where there is no telling which those are, all runs that are there.
 * @param runs as `readRuns` gives them; undefined when it did not
 */
export function checkBlocks(
  data: string,
  runs: readonly Run[] | undefined,
  report: (problem: string) => void,
): void {
  const directory = checkpointDirectory(data);
  const paths =
    runs?.map((run) => run.path) ??
    readdirSync(directory)
      .filter((name) => name.endsWith('.run') && !name.startsWith('new-'))
      .map((name) => join(directory, name));
  for (const path of paths) checkFile(path, undefined, report);
  const last = runs?.at(-1);
  if (last !== undefined) checkFile(idsPath(data), last.idsBytes, report);
}

/** @param bytes that count; the whole file when undefined */
function checkFile(path: string, bytes: number | undefined, report: (problem: string) => void): void {
  if (!LOCAL_DISK.exists(path)) {
    report(`the checkpoint's file ${path} is missing`);
    return;
  }
  const file = LOCAL_DISK.open(path, 'read');
  try {
    const reader = new BlockReader(file, path, 0, bytes ?? file.size());
    for (let at = -1; reader.at > at; ) {
      at = reader.at;
      try {
        reader.next();
      } catch (error) {
        if (!(error instanceof CheckpointFault)) throw error;
        report(error.message);
      }
    }
  } finally {
    file.close();
  }
}
