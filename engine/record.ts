import { POSTINGS_MAX } from './limits.js';

/**
 * The layout of a record: one logged outcome, little endian.
 *
 * | at | | |
 * |---|---|---|
 * | 0 | u32 | bytes of the record, these included |
 * | 4 | u8 | kind |
 * | 5 | u8 | format version of the kind |
 * | 6 | u8 | postings (an account's record: its type) |
 * | 7 | u8 | zero |
 * | 8 | u16 | presence of optional fields |
 * | 10 | 8 bytes | content hash |
 * | 18 | | payload |
 *
 * Payload: tenant, by, terminal, id (each a length byte and ASCII; terminal and the `by` of an expiry may be empty), the fields that are
 * present in the order of their bits, the postings. A posting: flags u8, amount u64, account, then tag, leg u8, released u64 as flagged.
 * The payload of a command is that of the record it leads to, so a sale is copied, not rebuilt.
 *
 * Records are for ever: a new optional field gets a new bit, a new meaning a new kind or version.
 */
export const RECORD_HEADER_BYTES = 18;
export const RECORD_VERSION = 1;

export const RecordKind = {
  posted: 1,
  pending: 2,
  post: 3,
  void: 4,
  expire: 5,
  reversal: 6,
  tombstone: 7,
  account: 8,
  accountUpdate: 9,
} as const;
const KIND_MAX = RecordKind.accountUpdate;

export const Has = {
  currency: 1,
  code: 2,
  reference: 4,
  /** float64, ms since the epoch. */
  effectiveAt: 8,
  /** u16 length and JSON text; length 0 in an account's update removes it. */
  metadata: 16,
  /** float64, ms since the epoch, absolute. */
  expiresAt: 32,
  /** No bytes: someone else must post it. */
  approval: 64,
  /** A reversal's original: its id, and as float64 the LSN of the fact whose postings it mirrors. */
  original: 128,
  /** An end's transaction: float64, the LSN of its creation. */
  created: 256,
  /** Length 0 in an account's update removes it. */
  group: 512,
  min: 1024,
  max: 2048,
  /** u8 of an account's update: 1 frozen, 2 closed; as they are after it. */
  flags: 4096,
  /** No bytes: an account's update removes the limit. */
  noMin: 8192,
  noMax: 16384,
} as const;

export const Leg = { credit: 1, tag: 2, leg: 4, released: 8 } as const;
const LEG_FLAGS = 15;

/** Thrown for bytes that are not a record this version can read. */
export class RecordError extends Error {
  override readonly name = 'RecordError';
}

/** Thrown for a kind or version of record that only a newer Kassa knows. The batch's checksum was right, so it is not damage. */
export class NewerRecordError extends Error {
  override readonly name = 'NewerRecordError';
}

/**
 * A reusable view of one record or command payload: offsets into its bytes, no strings. Filled by {@link read} or {@link readPayload};
 * valid until the next fill or until the bytes change.
 */
export class RecordView {
  bytes: Uint8Array = new Uint8Array(0);
  /** The same memory. */
  view: DataView = new DataView(this.bytes.buffer);
  kind = 0;
  n = 0;
  presence = 0;
  c0 = 0;
  c1 = 0;
  /** Where the payload begins and ends. */
  from = 0;
  end = 0;
  tenantAt = 0;
  tenantLength = 0;
  byAt = 0;
  byLength = 0;
  terminalAt = 0;
  terminalLength = 0;
  idAt = 0;
  idLength = 0;
  currencyAt = 0;
  currencyLength = 0;
  codeAt = 0;
  codeLength = 0;
  referenceAt = 0;
  referenceLength = 0;
  effectiveAt = 0;
  metadataAt = 0;
  metadataLength = 0;
  expiresAt = 0;
  originalAt = 0;
  originalLength = 0;
  originalLsn = 0;
  createdLsn = 0;
  groupAt = 0;
  groupLength = 0;
  min = 0n;
  max = 0n;
  flags = 0;
  readonly legFlags = new Uint8Array(POSTINGS_MAX);
  readonly amounts = new BigInt64Array(POSTINGS_MAX);
  readonly released = new BigInt64Array(POSTINGS_MAX);
  private readonly amountWords = new Uint32Array(this.amounts.buffer);
  private readonly releasedWords = new Uint32Array(this.released.buffer);
  readonly accountAt = new Uint32Array(POSTINGS_MAX);
  readonly accountLength = new Uint8Array(POSTINGS_MAX);
  readonly tagAt = new Uint32Array(POSTINGS_MAX);
  readonly tagLength = new Uint8Array(POSTINGS_MAX);
  readonly legs = new Uint8Array(POSTINGS_MAX);
  /** Where the postings begin. */
  postingsAt = 0;

  /** Sets the bytes that the next reads are from; a view over the same memory is given to avoid making one. */
  over(bytes: Uint8Array, view?: DataView): this {
    this.bytes = bytes;
    this.view = view ?? new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return this;
  }

  /** Reads the record at `at`. @throws {RecordError} for lengths that do not fit; {NewerRecordError} for an unknown kind or version */
  read(at: number): this {
    const { view, bytes } = this;
    const size = view.getUint32(at, true);
    const kind = bytes[at + 4]!;
    const version = bytes[at + 5]!;
    if (kind < 1 || kind > KIND_MAX || version !== RECORD_VERSION) {
      throw new NewerRecordError(`written by a newer Kassa: a record of kind ${kind}, version ${version}`);
    }
    this.c0 = view.getUint32(at + 10, true);
    this.c1 = view.getUint32(at + 14, true);
    this.readPayload(at + RECORD_HEADER_BYTES, kind, bytes[at + 6]!, view.getUint16(at + 8, true));
    if (this.end !== at + size)
      throw new RecordError(`a record of ${size} bytes ends after ${this.end - at}`);
    return this;
  }

  /** Reads a payload at `at`. */
  readPayload(at: number, kind: number, n: number, presence: number): void {
    const { bytes, view } = this;
    this.kind = kind;
    this.n = n;
    this.presence = presence;
    this.from = at;
    this.tenantLength = bytes[at]!;
    this.tenantAt = at + 1;
    at += 1 + this.tenantLength;
    this.byLength = bytes[at]!;
    this.byAt = at + 1;
    at += 1 + this.byLength;
    this.terminalLength = bytes[at]!;
    this.terminalAt = at + 1;
    at += 1 + this.terminalLength;
    this.idLength = bytes[at]!;
    this.idAt = at + 1;
    at += 1 + this.idLength;
    if (presence !== 0) at = this.readOptional(at, presence);
    this.postingsAt = at;
    if (kind < RecordKind.account) {
      if (n > POSTINGS_MAX) throw new RecordError(`${n} postings`);
      for (let i = 0; i < n; i++) {
        const flags = bytes[at]!;
        if (flags > LEG_FLAGS) throw new RecordError(`unknown flags ${flags} of a posting`);
        this.legFlags[i] = flags;
        this.amountWords[i * 2] = view.getUint32(at + 1, true);
        this.amountWords[i * 2 + 1] = view.getUint32(at + 5, true);
        this.releasedWords[i * 2] = 0;
        this.releasedWords[i * 2 + 1] = 0;
        const length = bytes[at + 9]!;
        this.accountLength[i] = length;
        this.accountAt[i] = at + 10;
        at += 10 + length;
        if (flags > 1) at = this.readLegExtras(i, flags, at);
      }
    }
    this.end = at;
  }

  private readLegExtras(i: number, flags: number, at: number): number {
    const { bytes, view } = this;
    if (flags & Leg.tag) {
      this.tagLength[i] = bytes[at]!;
      this.tagAt[i] = at + 1;
      at += 1 + bytes[at]!;
    }
    if (flags & Leg.leg) this.legs[i] = bytes[at++]!;
    if (flags & Leg.released) {
      this.releasedWords[i * 2] = view.getUint32(at, true);
      this.releasedWords[i * 2 + 1] = view.getUint32(at + 4, true);
      at += 8;
    }
    return at;
  }

  private readOptional(at: number, presence: number): number {
    const { bytes, view } = this;
    if (presence & Has.currency) {
      this.currencyLength = bytes[at]!;
      this.currencyAt = at + 1;
      at += 1 + this.currencyLength;
    }
    if (presence & Has.code) {
      this.codeLength = bytes[at]!;
      this.codeAt = at + 1;
      at += 1 + this.codeLength;
    }
    if (presence & Has.reference) {
      this.referenceLength = bytes[at]!;
      this.referenceAt = at + 1;
      at += 1 + this.referenceLength;
    }
    if (presence & Has.effectiveAt) {
      this.effectiveAt = view.getFloat64(at, true);
      at += 8;
    }
    if (presence & Has.metadata) {
      this.metadataLength = view.getUint16(at, true);
      this.metadataAt = at + 2;
      at += 2 + this.metadataLength;
    }
    if (presence & Has.expiresAt) {
      this.expiresAt = view.getFloat64(at, true);
      at += 8;
    }
    if (presence & Has.original) {
      this.originalLength = bytes[at]!;
      this.originalAt = at + 1;
      at += 1 + this.originalLength;
      this.originalLsn = view.getFloat64(at, true);
      at += 8;
    }
    if (presence & Has.created) {
      this.createdLsn = view.getFloat64(at, true);
      at += 8;
    }
    if (presence & Has.group) {
      this.groupLength = bytes[at]!;
      this.groupAt = at + 1;
      at += 1 + this.groupLength;
    }
    if (presence & Has.min) {
      this.min = view.getBigInt64(at, true);
      at += 8;
    }
    if (presence & Has.max) {
      this.max = view.getBigInt64(at, true);
      at += 8;
    }
    if (presence & Has.flags) this.flags = bytes[at++]!;
    return at;
  }

  has(field: number): boolean {
    return (this.presence & field) !== 0;
  }

  /** ASCII text at an offset of these bytes. */
  text(at: number, length: number): string {
    return asciiText(this.bytes, at, length);
  }

  get tenant(): string {
    return this.text(this.tenantAt, this.tenantLength);
  }
  get by(): string {
    return this.text(this.byAt, this.byLength);
  }
  get terminal(): string {
    return this.text(this.terminalAt, this.terminalLength);
  }
  get id(): string {
    return this.text(this.idAt, this.idLength);
  }
  get currency(): string {
    return this.has(Has.currency) ? this.text(this.currencyAt, this.currencyLength) : '';
  }
  get code(): string {
    return this.has(Has.code) ? this.text(this.codeAt, this.codeLength) : '';
  }
  get reference(): string {
    return this.has(Has.reference) ? this.text(this.referenceAt, this.referenceLength) : '';
  }
  get original(): string {
    return this.has(Has.original) ? this.text(this.originalAt, this.originalLength) : '';
  }
  get group(): string {
    return this.has(Has.group) ? this.text(this.groupAt, this.groupLength) : '';
  }
  /** JSON text, or empty. */
  get metadata(): string {
    if (!this.has(Has.metadata)) return '';
    const { bytes, metadataAt, metadataLength } = this;
    return Buffer.from(bytes.buffer, bytes.byteOffset + metadataAt, metadataLength).toString('utf8');
  }
  account(leg: number): string {
    return this.text(this.accountAt[leg]!, this.accountLength[leg]!);
  }
  tag(leg: number): string {
    return this.legFlags[leg]! & Leg.tag ? this.text(this.tagAt[leg]!, this.tagLength[leg]!) : '';
  }
  isCredit(leg: number): boolean {
    return (this.legFlags[leg]! & Leg.credit) !== 0;
  }
}

/** ASCII bytes as a string. */
export function asciiText(bytes: Uint8Array, at: number, length: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + at, length).toString('latin1');
}

/** Writes payloads and records into a buffer of its own, which is reused. */
export class RecordWriter {
  /** Larger than any payload: 64 postings of 150 bytes, metadata and the rest. */
  readonly bytes = new Uint8Array(16384);
  readonly view = new DataView(this.bytes.buffer);
  /** The same memory. */
  readonly words = new Uint32Array(this.bytes.buffer);
  at = 0;

  start(): this {
    this.at = 0;
    return this;
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
  f64(value: number): void {
    this.view.setFloat64(this.at, value, true);
    this.at += 8;
  }
  i64(value: bigint): void {
    this.view.setBigInt64(this.at, value, true);
    this.at += 8;
  }
  /** A whole number below 2^53 as u64, without making a bigint. */
  u64(value: number): void {
    this.view.setUint32(this.at, value >>> 0, true);
    this.view.setUint32(this.at + 4, Math.floor(value / 4294967296), true);
    this.at += 8;
  }
  /** A length byte and ASCII. */
  text(value: string): void {
    const { bytes } = this;
    const length = value.length;
    let at = this.at;
    bytes[at++] = length;
    for (let i = 0; i < length; i++) bytes[at++] = value.charCodeAt(i);
    this.at = at;
  }
  /** A u16 length and bytes. */
  long(value: Uint8Array): void {
    this.u16(value.length);
    this.raw(value, 0, value.length);
  }
  raw(source: Uint8Array, from: number, to: number): void {
    for (let i = from; i < to; i++) this.bytes[this.at++] = source[i]!;
  }
  /** A length byte and bytes of another buffer. */
  copy(source: Uint8Array, from: number, length: number): void {
    this.u8(length);
    this.raw(source, from, from + length);
  }
}
