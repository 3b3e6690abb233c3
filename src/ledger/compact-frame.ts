import { CommandFlag, Op } from '../../engine/command.js';
import { BATCH_MAX, POSTINGS_MAX, POSTINGS_MIN } from '../../engine/limits.js';
import { asciiText } from '../../engine/record.js';
import { decodeMsgpack } from '../gateway/msgpack.js';
import type { CallerPrefix, CommandEncoder, Fault } from './encoder.js';
import { parseTime } from './fields.js';
import { encodeCompact } from './requests.js';

/** The entries of a compact batch, one after the other. */
export interface CompactEntries {
  readonly count: number;
  /** Composes the next entry. @returns what is wrong with it */
  put(enc: CommandEncoder, caller: CallerPrefix): Fault | undefined;
}

/** Entries that were decoded. */
export class CompactList implements CompactEntries {
  readonly count: number;
  private at = 0;

  constructor(private readonly list: readonly unknown[]) {
    this.count = list.length;
  }

  put(enc: CommandEncoder, caller: CallerPrefix): Fault | undefined {
    const entry = this.list[this.at++];
    return Array.isArray(entry) ? encodeCompact(enc, caller, entry, 0) : ENTRY_FAULT;
  }
}

const ENTRY_FAULT: Fault = { code: 'invalid_request', detail: 'an entry of a compact batch is an array' };

/** Arrays in an entry: itself, its postings, a posting. */
const ENTRY_LEVELS = 3;
const NIL = 0xc0;
const TEXT8 = 0xd9;
const ARRAY16 = 0xdc;
/** The types of a fixed width, in bytes 1 << (type & 3) but for the two floats, which come to the same. */
const FLOAT32 = 0xca;
const UINT8 = 0xcc;
const INT8 = 0xd0;
const INT64 = 0xd3;

/**
 * The compact form read from a frame's MessagePack (https://github.com/msgpack/msgpack/blob/master/spec.md) straight into commands, without
 * a string or an array made of it: decoding and composing a sale of a batch took 0.74 µs by way of values, and takes 0.43 µs, half of which
 * is hashing.
 *
 * What is read here is what terminals ordinarily send. Everything else (a fault, another type or a longer spelling of one, an amount beyond 2^53)
 * is left to the general way, {@link decodeMsgpack} and {@link encodeCompact}: it alone says what is wrong. So a command composed here must
 * be, byte for byte, what comes out there. A test holds the one against the other.
 */
export class CompactFrame implements CompactEntries {
  private bytes: Uint8Array = new Uint8Array(0);
  private at = 0;
  private end = 0;
  private fields = 0;
  rid = 0;
  /** Entries of the batch, once {@link openBatch} was asked. */
  count = 0;

  /** Begins a frame. @returns whether it begins as a compact one, and so has a rid */
  open(bytes: Uint8Array): boolean {
    this.bytes = bytes;
    this.at = 0;
    this.end = bytes.length;
    this.fields = this.arraySize();
    this.rid = this.integer();
    return this.fields >= 2 && this.rid >= 0 && this.rid <= 0xffffffff;
  }

  /** Whether the frame is a batch. */
  get isBatch(): boolean {
    return this.isArray();
  }

  /** Composes the transaction of a frame that is not a batch. @returns false when it is not an ordinary one */
  putSingle(enc: CommandEncoder, caller: CallerPrefix): boolean {
    return this.putEntry(enc, caller, this.fields - 1) && this.at === this.end;
  }

  /**
   * Goes once over the whole batch, since entries are sent as they are composed and a frame that cannot be decoded does nothing.
   * @returns false when its form is not an ordinary one
   */
  openBatch(): boolean {
    const count = this.arraySize();
    if (this.fields !== 2 || count < 1 || count > BATCH_MAX) return false;
    const from = this.at;
    for (let i = 0; i < count; i++) if (!this.skipArray(ENTRY_LEVELS)) return false;
    if (this.at !== this.end) return false;
    this.at = from;
    this.count = count;
    return true;
  }

  /** Composes the next entry of the batch. */
  put(enc: CommandEncoder, caller: CallerPrefix): Fault | undefined {
    const from = this.at;
    if (this.putEntry(enc, caller, this.arraySize())) return undefined;
    this.at = from;
    this.skipArray(ENTRY_LEVELS);
    const { buffer, byteOffset } = this.bytes;
    const entry = decodeMsgpack(Buffer.from(buffer, byteOffset + from, this.at - from));
    return encodeCompact(enc, caller, entry as unknown[], 0);
  }

  private putEntry(enc: CommandEncoder, caller: CallerPrefix, fields: number): boolean {
    enc.begin(caller, Op.transaction, CommandFlag.shareCurrency);
    const length = this.text();
    if (!enc.putTransactionIdBytes(this.bytes, this.at - length, length)) return false;
    const isSound = this.isArray() ? this.putLong(enc, fields - 2) : this.putShort(enc, fields - 4);
    if (isSound) enc.hashContent();
    return isSound;
  }

  /** `debit, credit, amount` and so many options. */
  private putShort(enc: CommandEncoder, options: number): boolean {
    const debitLength = this.text();
    const debitAt = this.at - debitLength;
    const creditLength = this.text();
    const creditAt = this.at - creditLength;
    const amount = this.integer();
    if (options !== 0 && !this.putOptions(enc, options)) return false;
    enc.startPosting(false, false, -1);
    if (!enc.putAmount(amount, false)) return false;
    if (!enc.putPostingAccountBytes(this.bytes, debitAt, debitLength)) return false;
    enc.startPosting(true, false, -1);
    enc.putAmount(amount, true);
    return enc.putPostingAccountBytes(this.bytes, creditAt, creditLength);
  }

  /** `[[account, signed amount, tag?], ...]` and so many options, which a payload has before the postings. */
  private putLong(enc: CommandEncoder, options: number): boolean {
    enc.flags = 0;
    if (options === 0) return this.putPostings(enc);
    const from = this.at;
    if (!this.skipArray(ENTRY_LEVELS - 1) || !this.putOptions(enc, options)) return false;
    const behind = this.at;
    this.at = from;
    const isSound = this.putPostings(enc);
    this.at = behind;
    return isSound;
  }

  private putPostings(enc: CommandEncoder): boolean {
    const count = this.arraySize();
    if (count < POSTINGS_MIN || count > POSTINGS_MAX) return false;
    for (let i = 0; i < count; i++) if (!this.putPosting(enc)) return false;
    return enc.isBalanced;
  }

  private putPosting(enc: CommandEncoder): boolean {
    const size = this.arraySize();
    if (size !== 2 && size !== 3) return false;
    const length = this.text();
    const from = this.at - length;
    const signed = this.integer();
    const isCredit = signed < 0;
    const hasTag = size === 3 && !this.skipNil();
    enc.startPosting(isCredit, hasTag, -1);
    if (!enc.putAmount(isCredit ? -signed : signed, isCredit)) return false;
    if (!enc.putPostingAccountBytes(this.bytes, from, length)) return false;
    if (!hasTag) return true;
    const tagLength = this.text();
    return enc.putTagBytes(this.bytes, this.at - tagLength, tagLength);
  }

  /** `code, reference, effective_at`, as many of them as there are. */
  private putOptions(enc: CommandEncoder, options: number): boolean {
    if (options < 1 || options > 3) return false;
    if (!this.skipNil()) {
      const length = this.text();
      if (!enc.putCodeBytes(this.bytes, this.at - length, length)) return false;
    }
    if (options > 1 && !this.skipNil()) {
      const length = this.text();
      if (!enc.putReferenceBytes(this.bytes, this.at - length, length)) return false;
    }
    if (options > 2 && !this.skipNil()) {
      const length = this.text();
      const ms = length < 0 ? undefined : parseTime(asciiText(this.bytes, this.at - length, length));
      if (ms === undefined) return false;
      enc.putEffectiveAt(ms);
    }
    return true;
  }

  private isArray(): boolean {
    if (this.at >= this.end) return false;
    const type = this.bytes[this.at]!;
    return (type & 0xf0) === 0x90 || type === ARRAY16;
  }

  /** Goes into an array. @returns its size, or -1 when there is none or it claims more than 65,535 items */
  private arraySize(): number {
    const { bytes, at } = this;
    if (!this.isArray()) return -1;
    const type = bytes[at]!;
    if (type !== ARRAY16) {
      this.at = at + 1;
      return type & 0x0f;
    }
    if (at + 3 > this.end) return -1;
    this.at = at + 3;
    return (bytes[at + 1]! << 8) | bytes[at + 2]!;
  }

  private skipNil(): boolean {
    if (this.at >= this.end || this.bytes[this.at] !== NIL) return false;
    this.at++;
    return true;
  }

  /** Goes behind a text of at most 255 bytes. @returns its length, or -1 when there is none */
  private text(): number {
    const { bytes, at, end } = this;
    if (at >= end) return -1;
    const type = bytes[at]!;
    let from = at + 1;
    let length = type & 0x1f;
    if (type === TEXT8) {
      if (from >= end) return -1;
      length = bytes[from++]!;
    } else if ((type & 0xe0) !== 0xa0) return -1;
    if (length > end - from) return -1;
    this.at = from + length;
    return length;
  }

  /** Goes behind an integer. @returns it, or NaN when there is none within 2^53 */
  private integer(): number {
    const { bytes, at } = this;
    if (at >= this.end) return Number.NaN;
    const type = bytes[at]!;
    if (type < 0x80 || type >= 0xe0) {
      this.at = at + 1;
      return (type << 24) >> 24;
    }
    const last = at + (1 << (type & 3));
    if (type < UINT8 || type > INT64 || last >= this.end) return Number.NaN;
    const first = bytes[at + 1]!;
    let value = type < INT8 ? first : (first << 24) >> 24;
    for (let i = at + 2; i <= last; i++) value = value * 256 + bytes[i]!;
    this.at = last + 1;
    return Number.isSafeInteger(value) ? value : Number.NaN;
  }

  /** Goes behind an array with arrays in it, so many levels in all, and else numbers, nil, booleans and short ASCII texts. */
  private skipArray(levels: number): boolean {
    const size = this.arraySize();
    for (let i = 0; i < size; i++) {
      const isSkipped = levels > 1 && this.isArray() ? this.skipArray(levels - 1) : this.skipScalar();
      if (!isSkipped) return false;
    }
    return size >= 0;
  }

  private skipScalar(): boolean {
    const { bytes, at, end } = this;
    if (at >= end) return false;
    const type = bytes[at]!;
    if (type === TEXT8 || (type & 0xe0) === 0xa0) return this.skipText();
    let behind = at + 1;
    if (type >= FLOAT32 && type <= INT64) behind += 1 << (type & 3);
    else if (type >= 0x80 && type < 0xe0 && (type < NIL || type > 0xc3 || type === 0xc1)) return false;
    this.at = behind;
    return behind <= end;
  }

  /** Other texts than ASCII are valid UTF-8 or not: of that the general way knows. */
  private skipText(): boolean {
    const length = this.text();
    if (length < 0) return false;
    const { bytes, at } = this;
    let bits = 0;
    for (let i = at - length; i < at; i++) bits |= bytes[i]!;
    return bits < 0x80;
  }
}
