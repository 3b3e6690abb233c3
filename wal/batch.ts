import { hash as digest } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { NewerFormatError } from './errors.js';

/*
 * A batch is what one commit writes: a header of 72 bytes and the records of a contiguous run of LSNs.
 * All numbers are little endian. The header keeps its shape in every later version.
 *
 *    0 u32  magic "KBAT"
 *    4 u16  kind (1 = records)
 *    6 u16  format version (1)
 *    8 u64  first LSN
 *   16 u32  count of records
 *   20 u32  crc32 of the whole value with this field zero
 *   24 i64  commit time, milliseconds since 1970
 *   32 [32] SHA-256 of the previous batch's whole value; zeros in the first batch of a ledger
 *   64 u32  total byte length
 *   68 u32  commit number within the segment: 1, 2, ...
 *   72      records; each starts with its own u32 byte size, which counts these four bytes
 */

export const BATCH_HEADER_BYTES = 72;
export const BATCH_BYTES_MAX = 4 << 20;
export const HASH_BYTES = 32;
export const KIND_RECORDS = 1;
export const BATCH_VERSION = 1;
/** In place of the previous batch's hash in the first batch of a ledger. */
export const NO_HASH: Uint8Array = new Uint8Array(HASH_BYTES);

const MAGIC = 0x5441424b;
const AT_KIND = 4;
const AT_VERSION = 6;
const AT_FIRST_LSN = 8;
const AT_COUNT = 16;
const AT_CRC = 20;
const AT_TIME = 24;
const AT_PREV_HASH = 32;
const AT_LENGTH = 64;
const AT_COMMIT_NUMBER = 68;
const RECORD_BYTES_MIN = 4;
const TWO_32 = 2 ** 32;
const ZEROS = new Uint8Array(4);

/** A batch that was read and checked. `bytes` is the whole value; nobody may write to it. */
export interface Batch {
  readonly firstLsn: number;
  readonly count: number;
  /** Milliseconds since 1970. */
  readonly timeMs: number;
  /** 1, 2, ... within its segment. */
  readonly commitNumber: number;
  readonly bytes: Uint8Array;
  /** SHA-256 of the previous batch, or zeros. A view into `bytes`. */
  readonly prevHash: Uint8Array;
}

export type BatchFault = 'short' | 'magic' | 'length' | 'crc' | 'lsn' | 'count';

/** These bytes are not a batch as it was written. */
export class BatchError extends Error {
  override readonly name = 'BatchError';
  constructor(
    readonly fault: BatchFault,
    message: string,
  ) {
    super(message);
  }
}

export interface Seal {
  readonly firstLsn: number;
  readonly count: number;
  readonly timeMs: number;
  readonly prevHash: Uint8Array;
  readonly commitNumber: number;
}

/**
 * Writes the header into the first 72 bytes of a composed batch, checksum last. Runs once per commit.
 * @param bytes exactly the batch: 72 bytes of room, then the records
 */
export function sealBatch(bytes: Uint8Array, seal: Seal): void {
  writeU32(bytes, 0, MAGIC);
  writeU16(bytes, AT_KIND, KIND_RECORDS);
  writeU16(bytes, AT_VERSION, BATCH_VERSION);
  writeU64(bytes, AT_FIRST_LSN, seal.firstLsn);
  writeU32(bytes, AT_COUNT, seal.count);
  writeU32(bytes, AT_CRC, 0);
  writeU64(bytes, AT_TIME, seal.timeMs);
  bytes.set(seal.prevHash, AT_PREV_HASH);
  writeU32(bytes, AT_LENGTH, bytes.length);
  writeU32(bytes, AT_COMMIT_NUMBER, seal.commitNumber);
  writeU32(bytes, AT_CRC, crc32(bytes));
}

/**
 * Reads a batch and checks all that can be checked without its neighbours. The checksum is judged before kind and
 * version, so a flipped bit there is damage and not a newer Kassa.
 * @throws {BatchError} naming what is wrong
 * @throws {NewerFormatError} for a whole batch of an unknown kind or version
 */
export function parseBatch(bytes: Uint8Array): Batch {
  if (bytes.length < BATCH_HEADER_BYTES) {
    throw new BatchError('short', `${bytes.length} bytes are too few for a batch`);
  }
  if (readU32(bytes, 0) !== MAGIC) throw new BatchError('magic', 'a batch does not start with its magic');
  const length = readU32(bytes, AT_LENGTH);
  if (length !== bytes.length) {
    throw new BatchError('length', `a batch of ${length} bytes is ${bytes.length} bytes long`);
  }
  if (checksum(bytes) !== readU32(bytes, AT_CRC)) {
    throw new BatchError('crc', 'the checksum of a batch does not match');
  }
  const kind = readU16(bytes, AT_KIND);
  const version = readU16(bytes, AT_VERSION);
  if (kind !== KIND_RECORDS || version !== BATCH_VERSION) {
    throw new NewerFormatError(`written by a newer Kassa: kind ${kind} version ${version}`);
  }
  const firstLsn = readU64(bytes, AT_FIRST_LSN);
  const count = readU32(bytes, AT_COUNT);
  if (firstLsn < 1 || !Number.isSafeInteger(firstLsn + count)) {
    throw new BatchError('lsn', `a batch starts at the impossible LSN ${firstLsn}`);
  }
  const fault = recordsFault(bytes, count);
  if (fault !== undefined) throw new BatchError('count', fault);
  return {
    firstLsn,
    count,
    timeMs: readU64(bytes, AT_TIME),
    commitNumber: readU32(bytes, AT_COMMIT_NUMBER),
    bytes,
    prevHash: bytes.subarray(AT_PREV_HASH, AT_PREV_HASH + HASH_BYTES),
  };
}

/** What is wrong with the records of a batch (sizes that do not add up to `count` records), or undefined. */
export function recordsFault(bytes: Uint8Array, count: number): string | undefined {
  let offset = BATCH_HEADER_BYTES;
  let found = 0;
  while (offset < bytes.length) {
    const size = offset + RECORD_BYTES_MIN <= bytes.length ? readU32(bytes, offset) : 0;
    if (size < RECORD_BYTES_MIN || size > bytes.length - offset) {
      return `record ${found + 1} of a batch has the impossible size ${size}`;
    }
    offset += size;
    found++;
  }
  if (found === count && count > 0) return undefined;
  return `a batch of ${count} records holds ${found}`;
}

/** SHA-256 of a whole sealed batch: 32 bytes. */
export function hashBatch(bytes: Uint8Array): Uint8Array {
  return digest('sha256', bytes, 'buffer');
}

/** Calls `each` for every record in LSN order. Nothing is allocated per record. */
export function forEachRecord(
  batch: Batch,
  each: (bytes: Uint8Array, offset: number, size: number, lsn: number) => void,
): void {
  const { bytes } = batch;
  let lsn = batch.firstLsn;
  for (let offset = BATCH_HEADER_BYTES; offset < bytes.length; lsn++) {
    const size = readU32(bytes, offset);
    each(bytes, offset, size, lsn);
    offset += size;
  }
}

/** Where in `batch.bytes` the record of `lsn` starts, or -1 when the batch does not hold it. */
export function recordOffset(batch: Batch, lsn: number): number {
  if (lsn < batch.firstLsn || lsn >= batch.firstLsn + batch.count) return -1;
  let offset = BATCH_HEADER_BYTES;
  for (let at = batch.firstLsn; at < lsn; at++) offset += readU32(batch.bytes, offset);
  return offset;
}

/** The byte size of the record at `offset`, its four size bytes included. */
export function recordSize(bytes: Uint8Array, offset: number): number {
  return readU32(bytes, offset);
}

function checksum(bytes: Uint8Array): number {
  const head = crc32(ZEROS, crc32(bytes.subarray(0, AT_CRC)));
  return crc32(bytes.subarray(AT_CRC + 4), head);
}

function readU16(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8);
}

function readU32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

function readU64(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at) + readU32(bytes, at + 4) * TWO_32;
}

function writeU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
}

function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

function writeU64(bytes: Uint8Array, at: number, value: number): void {
  writeU32(bytes, at, value % TWO_32);
  writeU32(bytes, at + 4, Math.floor(value / TWO_32));
}
