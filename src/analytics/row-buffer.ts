import { Buffer } from 'node:buffer';

const FIRST_BYTES = 1 << 16;
/** So much room is kept in any case. */
const KEPT_BYTES = 8 << 20;
const FIRST_RECORDS = 1 << 12;
const TWO_32 = 2 ** 32;

/**
 * Rows as ClickHouse's RowBinary in a buffer that grows and is used again. Small pieces are copied byte by byte: for some tens of bytes that is
 * quicker than a call to `set`, and leaves no views behind.
 */
export class RowBuffer {
  bytes = new Uint8Array(FIRST_BYTES);
  at = 0;
  rows = 0;
  /** Where the rows of the n-th record begin. */
  private starts = new Uint32Array(FIRST_RECORDS);
  private records = 0;
  private view = new DataView(this.bytes.buffer);

  /** Forgets the rows; and most of the room, if they took little of it. */
  clear(): void {
    if (this.bytes.length > KEPT_BYTES && this.at < this.bytes.length / 8) {
      this.bytes = new Uint8Array(FIRST_BYTES);
      this.view = new DataView(this.bytes.buffer);
    }
    this.at = 0;
    this.rows = 0;
    this.records = 0;
  }

  /** The rows of the next record follow. */
  mark(): void {
    if (this.records === this.starts.length) {
      const more = new Uint32Array(2 * this.records);
      more.set(this.starts);
      this.starts = more;
    }
    this.starts[this.records++] = this.at;
  }

  /** The rows of the records from the n-th on, before another one. */
  slice(from: number, to: number): Uint8Array {
    return this.bytes.subarray(
      from < this.records ? this.starts[from] : this.at,
      to < this.records ? this.starts[to] : this.at,
    );
  }

  /** What was written; valid until the next clear. */
  get filled(): Uint8Array {
    return this.bytes.subarray(0, this.at);
  }

  /** Makes room for so many bytes; what follows does not check. */
  ensure(bytes: number): void {
    if (this.at + bytes <= this.bytes.length) return;
    let length = this.bytes.length;
    while (length < this.at + bytes) length *= 2;
    const larger = new Uint8Array(length);
    larger.set(this.filled);
    this.bytes = larger;
    this.view = new DataView(larger.buffer);
  }

  u8(value: number): void {
    this.bytes[this.at++] = value;
  }

  u16(value: number): void {
    this.view.setUint16(this.at, value, true);
    this.at += 2;
  }

  u32(value: number): void {
    this.view.setUint32(this.at, value, true);
    this.at += 4;
  }

  /** 64 bits as two words, each taken modulo 2^32. */
  u64(low: number, high: number): void {
    this.view.setInt32(this.at, low | 0, true);
    this.view.setInt32(this.at + 4, high | 0, true);
    this.at += 8;
  }

  /** A whole number within 2^53, of either sign, as 64 bits. */
  i64(value: number): void {
    const high = Math.floor(value / TWO_32);
    this.view.setUint32(this.at, value - high * TWO_32, true);
    this.view.setInt32(this.at + 4, high, true);
    this.at += 8;
  }

  nullable(value: bigint | undefined): void {
    this.u8(value === undefined ? 1 : 0);
    if (value === undefined) return;
    this.view.setBigInt64(this.at, value, true);
    this.at += 8;
  }

  /** Bytes as they are. */
  copy(source: Uint8Array, from: number, length: number): void {
    const { bytes } = this;
    let to = this.at;
    for (let at = from, end = from + length; at < end; at++) bytes[to++] = source[at]!;
    this.at = to;
  }

  put(source: Uint8Array): void {
    this.copy(source, 0, source.length);
  }

  /** Bytes of this buffer once more. */
  again(from: number, to: number): void {
    if (to - from > 100) {
      this.bytes.copyWithin(this.at, from, to);
      this.at += to - from;
    } else this.copy(this.bytes, from, to - from);
  }

  /** A text that stands in `source` with its length byte before it, as both here and in records up to 127 bytes. */
  text(source: Uint8Array, at: number, length: number): void {
    this.copy(source, at - 1, length + 1);
  }

  /** A text of up to 16,383 bytes. */
  long(source: Uint8Array, from: number, length: number): void {
    if (length < 128) this.u8(length);
    else {
      this.u8((length & 127) | 128);
      this.u8(length >> 7);
    }
    if (length < 100) this.copy(source, from, length);
    else {
      this.bytes.set(source.subarray(from, from + length), this.at);
      this.at += length;
    }
  }
}

/** A short ASCII text as RowBinary. */
export function binaryText(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'latin1');
  return Uint8Array.of(bytes.length, ...bytes);
}
