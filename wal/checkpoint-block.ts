import { crc32 } from 'node:zlib';
import type { OpenFile } from './disk.js';

/*
 * The files of a checkpoint are sequences of blocks: a header of 32 bytes, then up to 256 KiB of entries. Little endian:
 *
 *    0 u32  magic "KCKB"
 *    4 u16  kind
 *    6 u16  format version (1)
 *    8 u32  bytes of the payload
 *   12 u32  entries in it
 *   16 u32  lowest route of an entry
 *   20 u32  highest route of an entry
 *   24 u32  crc32 of the payload
 *   28 u32  crc32 of the 28 bytes before
 *
 * A shard reads the headers of all blocks and the payloads of those that reach into its slice of the routes.
 */

export const BlockKind = { head: 1, ids: 2, accounts: 3, holds: 4, reversals: 5, foot: 6 } as const;

export const ROUTE_MAX = 0xffffffff;
const HEADER_BYTES = 32;
const BLOCK_VERSION = 1;
const MAGIC = 0x424b434b;
/** Payload bytes at which a block is written; one entry more may make it longer. */
const TARGET_BYTES = 1 << 18;
const PAYLOAD_BYTES_MAX = 1 << 20;
/** The log's commits wait for the same disk, so a long write is synced in pieces of 1 to 2 ms each. */
const SYNC_EVERY_BYTES = 2 << 20;

/** What a checkpoint's files say cannot be what was written. The answer is to make the checkpoint anew from the log. */
export class CheckpointFault extends Error {
  override readonly name = 'CheckpointFault';
}

/** Thrown to leave long work when the ledger stops. */
export class Stopped extends Error {}

/** A block in memory that the next one overwrites. */
export interface Block {
  readonly kind: number;
  readonly count: number;
  /** Bytes of the payload, which starts at offset 0 of `bytes`. */
  readonly length: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

/** Where entries are gathered into blocks of one kind and written one after the other. */
export class BlockWriter {
  /** The gathered payload. */
  readonly bytes: Buffer;
  readonly view: DataView;
  /** Where the next entry goes. */
  end = 0;
  private readonly whole = Buffer.alloc(HEADER_BYTES + PAYLOAD_BYTES_MAX);
  private kind = 0;
  private count = 0;
  private first = 0;
  private last = 0;
  private unsynced = 0;

  /** @param at where in the file the first block goes */
  constructor(
    private readonly file: OpenFile,
    public at = 0,
  ) {
    this.bytes = this.whole.subarray(HEADER_BYTES);
    this.view = new DataView(this.whole.buffer, this.whole.byteOffset + HEADER_BYTES, PAYLOAD_BYTES_MAX);
  }

  /** Ends the block before and starts to gather entries of this kind. */
  start(kind: number): void {
    this.flush();
    this.kind = kind;
  }

  /** An entry was put at `end` and ends at `end` now. */
  added(end: number, route: number): void {
    if (this.count === 0) {
      this.first = route;
      this.last = route;
    } else if (route < this.first) this.first = route;
    else if (route > this.last) this.last = route;
    this.count++;
    this.end = end;
    if (end >= TARGET_BYTES) this.flush();
  }

  /** A copied entry of the block's kind. */
  copy(from: Uint8Array, at: number, size: number, route: number): void {
    this.bytes.set(from.subarray(at, at + size), this.end);
    this.added(this.end + size, route);
  }

  /** A block that is one JSON text. */
  json(kind: number, value: unknown): void {
    this.start(kind);
    const size = this.bytes.write(JSON.stringify(value), 0, 'utf8');
    this.added(size, 0);
    // For every shard to read.
    this.last = ROUTE_MAX;
    this.flush();
  }

  /** Writes what was gathered. */
  flush(): void {
    if (this.count === 0) return;
    const { whole, end } = this;
    whole.writeUInt32LE(MAGIC, 0);
    whole.writeUInt16LE(this.kind, 4);
    whole.writeUInt16LE(BLOCK_VERSION, 6);
    whole.writeUInt32LE(end, 8);
    whole.writeUInt32LE(this.count, 12);
    whole.writeUInt32LE(this.first, 16);
    whole.writeUInt32LE(this.last, 20);
    whole.writeUInt32LE(crc32(whole.subarray(HEADER_BYTES, HEADER_BYTES + end)), 24);
    whole.writeUInt32LE(crc32(whole.subarray(0, 28)), 28);
    const size = HEADER_BYTES + end;
    for (let done = 0; done < size; ) done += this.file.write(whole, done, size - done, this.at + done);
    this.at += size;
    this.count = 0;
    this.end = 0;
    this.unsynced += size;
    if (this.unsynced >= SYNC_EVERY_BYTES) this.sync();
  }

  /** Everything up to here is on the disk when this returns. */
  sync(): void {
    this.flush();
    if (this.unsynced > 0) this.file.sync();
    this.unsynced = 0;
  }
}

/** Reads the blocks of a file one by one, each into the same memory. */
export class BlockReader {
  /** Where the next block starts. */
  at: number;
  private readonly header = Buffer.alloc(HEADER_BYTES);
  private payload = Buffer.alloc(0);
  private view = new DataView(this.payload.buffer, this.payload.byteOffset, 0);

  /** @param end where the last block ends. @param name of the file, for faults */
  constructor(
    private readonly file: OpenFile,
    private readonly name: string,
    from: number,
    private readonly end: number,
  ) {
    this.at = from;
  }

  /**
   * The next block that reaches into the routes from `low` to `high`, payload checked; those that do not are passed over.
   * @param passed called with kind and count of each block, taken or not
   * @returns undefined at the end of the file
   * @throws {CheckpointFault} and where `at` has moved on, the next block can be read all the same
   */
  next(low = 0, high = ROUTE_MAX, passed?: (kind: number, count: number) => void): Block | undefined {
    const { header } = this;
    for (;;) {
      if (this.at === this.end) return undefined;
      this.read(header, HEADER_BYTES, this.at);
      const length = header.readUInt32LE(8);
      const sound =
        header.readUInt32LE(0) === MAGIC &&
        header.readUInt32LE(28) === crc32(header.subarray(0, 28)) &&
        length <= PAYLOAD_BYTES_MAX;
      if (!sound) throw this.fault('no block');
      if (header.readUInt16LE(6) !== BLOCK_VERSION) throw this.fault('a block of a newer Kassa');
      const kind = header.readUInt16LE(4);
      const count = header.readUInt32LE(12);
      const isWanted = header.readUInt32LE(20) >= low && header.readUInt32LE(16) <= high;
      if (isWanted) {
        if (this.payload.length < length) {
          // A buffer of its own, so that 32-bit words can be laid over it.
          this.payload = Buffer.from(new ArrayBuffer(Math.max(length, TARGET_BYTES + 65536)));
          this.view = new DataView(this.payload.buffer);
        }
        this.read(this.payload, length, this.at + HEADER_BYTES);
      }
      const { at } = this;
      if (at + HEADER_BYTES + length > this.end) throw this.fault('a block beyond the end');
      this.at += HEADER_BYTES + length;
      if (isWanted && crc32(this.payload.subarray(0, length)) !== header.readUInt32LE(24)) {
        throw this.fault('a block whose checksum does not match', at);
      }
      passed?.(kind, count);
      if (isWanted) return { kind, count, length, bytes: this.payload, view: this.view };
    }
  }

  private read(into: Uint8Array, length: number, position: number): void {
    if (position + length > this.end) throw this.fault('the end too early');
    for (let done = 0; done < length; ) {
      const got = this.file.read(into, done, length - done, position + done);
      if (got === 0) throw this.fault('the end too early');
      done += got;
    }
  }

  fault(what: string, at = this.at): CheckpointFault {
    return new CheckpointFault(`the checkpoint's file ${this.name} has ${what} at byte ${at}`);
  }
}
