import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { BATCH_HEADER_BYTES } from '../../wal/batch.js';
import type { LogStore } from '../../wal/store.js';

/** An empty directory that goes away with the test. */
export function temporaryDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), 'kassa-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** 72 bytes of room and records of the given sizes, each filled with a byte of its own. */
export function composeBatch(sizes: readonly number[], seed = 1): Uint8Array {
  const bytes = Buffer.alloc(sizes.reduce((sum, size) => sum + size, BATCH_HEADER_BYTES));
  let offset = BATCH_HEADER_BYTES;
  sizes.forEach((size, index) => {
    bytes.fill(seed + index, offset, offset + size);
    bytes.writeUInt32LE(size, offset);
    offset += size;
  });
  return bytes;
}

/** Appends one batch of equal records; its time is its first LSN. */
export function append(log: LogStore, count = 1, recordBytes = 100): void {
  const first = log.last.lsn + 1;
  log.append(
    composeBatch(new Array(count).fill(recordBytes), first),
    count,
    Math.max(first, log.last.timeMs),
  );
}

/** The data file of a segment. */
export function dataFile(data: string, firstLsn: number): string {
  return join(data, 'log', String(firstLsn).padStart(16, '0'), 'data.mdb');
}

/** Where in a segment's file the batch that starts at `lsn` begins: LMDB leaves old copies of small ones behind. */
export function findBatch(data: string, firstLsn: number, lsn: number): number[] {
  const bytes = readFileSync(dataFile(data, firstLsn));
  const start = Buffer.from('KBAT\x01\x00\x01\x00________', 'latin1');
  start.writeBigUInt64LE(BigInt(lsn), 8);
  const found: number[] = [];
  for (let at = bytes.indexOf(start); at >= 0; at = bytes.indexOf(start, at + 1)) found.push(at);
  if (found.length === 0) throw new Error(`no batch of LSN ${lsn} in segment ${firstLsn}`);
  return found;
}
