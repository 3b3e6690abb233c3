import { dirname, join, resolve } from 'node:path';
import { crc32 } from 'node:zlib';
import { HASH_BYTES } from './batch.js';
import { DATA_FILE, type Disk, type EntryReader, type EntryWriter } from './disk.js';
import { damaged, NewerFormatError } from './errors.js';
import { LOCAL_DISK } from './local-disk.js';
import type { LedgerIdentity, LogPosition } from './store.js';

/*
 * A segment is one LMDB environment in the directory `<data>/log/<first LSN, 16 digits>/`. Key 0 holds the segment's
 * header, written by the first commit. Every later commit adds one batch under its first LSN (8 bytes, big endian).
 *
 * A new segment is made in a directory of another name and renamed once its header is synced. So whatever has a
 * segment's name has a header: an empty or cut-off file there is damage, never a crash at a bad moment.
 */

/** What the first entry of a segment says; it ties the segment to the one before. */
export interface SegmentHeader {
  readonly ledger: LedgerIdentity;
  /** The segment's first batch starts with this LSN. */
  readonly firstLsn: number;
  /** The end of the previous segment: `lsn` is `firstLsn - 1`. */
  readonly previous: LogPosition;
}

/*
 * Little endian: 0 u32 magic "KSEG", 4 u16 kind (1), 6 u16 format version (1), 8 u64 first LSN, 16 u32 crc32 of the
 * whole with this field zero, 24 i64 when the ledger was created, 32 [16] its id, 48 [16] its key,
 * 64 [32] hash of the previous segment's last batch, 96 i64 that batch's time.
 */
const HEADER_BYTES = 104;
const HEADER_MAGIC = 0x4745534b;
const HEADER_KIND = 1;
const HEADER_VERSION = 1;
const AT_CRC = 16;
const KEY_OF_LEDGER_BYTES = 16;

const NAME = /^\d{16}$/;
const NEW_PREFIX = 'new-';

/** Pages that a commit may need beside its value's: a new path through the tree and LMDB's own bookkeeping. */
const TREE_PAGES_PER_COMMIT = 12;

/** Whether a segment of `usedBytes` stays within `segmentBytes` when a batch of `bytes` is added. */
export function fitsInto(segmentBytes: number, usedBytes: number, bytes: number, pageSize: number): boolean {
  return usedBytes + bytesOfCommit(bytes, pageSize) <= segmentBytes;
}

/** What a commit of a batch of `bytes` takes at most. */
function bytesOfCommit(bytes: number, pageSize: number): number {
  return (Math.ceil(bytes / pageSize) + TREE_PAGES_PER_COMMIT) * pageSize;
}

export function logDirectory(data: string): string {
  return join(data, 'log');
}

export function segmentPath(data: string, firstLsn: number): string {
  return join(logDirectory(data), segmentName(firstLsn));
}

function segmentName(firstLsn: number): string {
  return String(firstLsn).padStart(16, '0');
}

/** First LSNs of the segments that are there, ascending. Empty without a log. */
export function listSegments(data: string, disk: Disk = LOCAL_DISK): number[] {
  return disk
    .list(logDirectory(data))
    .filter((name) => NAME.test(name))
    .map(Number)
    .sort((a, b) => a - b);
}

/** Removes what a crash left of a segment before it got its name. Nothing in it was ever part of the log. */
export function removeUnfinishedSegments(data: string, disk: Disk): void {
  for (const name of disk.list(logDirectory(data))) {
    if (name.startsWith(NEW_PREFIX)) disk.remove(join(logDirectory(data), name));
  }
}

export function encodeSegmentHeader(header: SegmentHeader): Uint8Array {
  const bytes = Buffer.alloc(HEADER_BYTES);
  bytes.writeUInt32LE(HEADER_MAGIC, 0);
  bytes.writeUInt16LE(HEADER_KIND, 4);
  bytes.writeUInt16LE(HEADER_VERSION, 6);
  bytes.writeBigUInt64LE(BigInt(header.firstLsn), 8);
  bytes.writeBigInt64LE(BigInt(header.ledger.createdMs), 24);
  bytes.write(header.ledger.id.replaceAll('-', ''), 32, 'hex');
  bytes.set(header.ledger.key, 48);
  bytes.set(header.previous.hash, 64);
  bytes.writeBigInt64LE(BigInt(header.previous.timeMs), 96);
  bytes.writeUInt32LE(crc32(bytes), AT_CRC);
  return bytes;
}

/**
 * @param path of the segment, for the error
 * @throws {DamagedLogError} when these are not the bytes that were written
 * @throws {NewerFormatError} for a whole header of an unknown kind or version
 */
export function decodeSegmentHeader(value: Uint8Array, path: string, firstLsn: number): SegmentHeader {
  const bytes = Buffer.from(value);
  const isWhole = bytes.length >= HEADER_BYTES && bytes.readUInt32LE(0) === HEADER_MAGIC;
  const crc = isWhole ? bytes.readUInt32LE(AT_CRC) : 0;
  if (isWhole) bytes.writeUInt32LE(0, AT_CRC);
  if (!isWhole || crc32(bytes) !== crc) throw damaged(path, firstLsn, "the segment's header is damaged");
  const kind = bytes.readUInt16LE(4);
  const version = bytes.readUInt16LE(6);
  if (kind !== HEADER_KIND || version !== HEADER_VERSION) {
    throw new NewerFormatError(`written by a newer Kassa: segment kind ${kind} version ${version}`);
  }
  return {
    ledger: {
      id: bytes.toString('hex', 32, 48).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'),
      key: bytes.subarray(48, 48 + KEY_OF_LEDGER_BYTES),
      createdMs: Number(bytes.readBigInt64LE(24)),
    },
    firstLsn: Number(bytes.readBigUInt64LE(8)),
    previous: {
      lsn: Number(bytes.readBigUInt64LE(8)) - 1,
      timeMs: Number(bytes.readBigInt64LE(96)),
      hash: bytes.subarray(64, 64 + HASH_BYTES),
    },
  };
}

/** The newest segment, opened for appending. A log that is opened again goes on in a new segment: see `LmdbEntries`. */
export class SegmentWriter {
  readonly #entries: EntryWriter;
  readonly #pages: EntryReader;
  #txnid = 0;
  #usedBytes = 0;

  /** @param path of an empty directory */
  private constructor(
    path: string,
    private readonly segmentBytes: number,
    disk: Disk,
  ) {
    this.#entries = disk.createEntries(path);
    this.#pages = disk.openEntries(path);
  }

  /**
   * Makes a segment, durably, with its header as the only entry; in place of one of the same name without a batch.
   * @param segmentBytes it is filled ahead of its batches up to here at most
   */
  static create(
    data: string,
    header: SegmentHeader,
    segmentBytes: number,
    disk: Disk = LOCAL_DISK,
  ): SegmentWriter {
    const made = join(logDirectory(data), NEW_PREFIX + segmentName(header.firstLsn));
    disk.makeDirectory(made);
    const writer = new SegmentWriter(made, segmentBytes, disk);
    try {
      writer.put(0, encodeSegmentHeader(header));
      nameSegment(made, segmentPath(data, header.firstLsn), disk);
    } catch (error) {
      writer.close();
      throw error;
    }
    return writer;
  }

  /** Batches committed so far. */
  get commits(): number {
    return this.#txnid - 1;
  }

  /** Whether the segment stays within its size when a batch of `bytes` is added. */
  hasRoomFor(bytes: number): boolean {
    return fitsInto(this.segmentBytes, this.#usedBytes, bytes, this.#pages.pageSize);
  }

  /** One commit of one entry; returns after it is synced. @throws what the disk says, and then nothing was committed */
  put(key: number, value: Uint8Array): void {
    const bytes = bytesOfCommit(value.length, this.#pages.pageSize);
    this.#entries.reserve(this.#usedBytes, bytes, this.segmentBytes);
    this.#entries.put(key, value);
    this.#txnid++;
    this.#measure();
  }

  close(): void {
    this.#pages.close();
    this.#entries.close();
  }

  /** Holds what is in the file against what was committed, and notes how much of the segment is used. */
  #measure(): void {
    const { txnid, lastPage } = this.#pages.meta();
    if (txnid !== this.#txnid) throw new Error(`the segment is at commit ${txnid} and not ${this.#txnid}`);
    this.#usedBytes = (lastPage + 1) * this.#pages.pageSize;
  }
}

/** Gives a segment its name, at once and durably; who writes it goes on with the files that are open. */
export function nameSegment(made: string, path: string, disk: Disk): void {
  if (disk.exists(path)) {
    disk.rename(join(made, DATA_FILE), join(path, DATA_FILE));
    disk.remove(made);
  } else {
    disk.syncDirectory(made);
    disk.rename(made, path);
  }
  disk.syncDirectory(path);
  disk.syncDirectory(dirname(path));
}

/** Makes what is in a segment durable: a writer that died may have left it in the page cache only. */
export function syncSegment(data: string, firstLsn: number, disk: Disk): void {
  const path = segmentPath(data, firstLsn);
  const file = join(path, DATA_FILE);
  if (!disk.exists(file)) return;
  disk.syncFile(file);
  disk.syncDirectory(path);
}

/** Makes a directory and its parents, each durable in its own parent, the directory in any case. */
export function makeDirectory(path: string, disk: Disk = LOCAL_DISK): void {
  const whole = resolve(path);
  const parent = dirname(whole);
  if (!disk.exists(whole)) {
    if (!disk.exists(parent)) makeDirectory(parent, disk);
    disk.makeDirectory(whole);
  }
  disk.syncDirectory(parent);
}
