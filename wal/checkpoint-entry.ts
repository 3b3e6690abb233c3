import type { BlockWriter } from './checkpoint-block.js';

/*
 * What a run of a checkpoint says of one account: what the records of the run did to it. All numbers little endian.
 *
 *    0 u16  bytes of the entry
 *    2 u16  which fields are there (`Change`)
 *    4 u32  route, 8 u32 table hash of the account
 *   12 f64  LSN of the last record that touched it
 *   20      tenant and id, each a length byte and ASCII
 *           created: u8 type, currency (length byte, ASCII), u32 u32 content hash
 *           i64 each: what was added to debits, credits, pending debits, pending credits; then min, max as they are
 *           u8 flags (1 frozen, 2 closed), as they are
 *           group (length byte), metadata (u16 length), as they are
 */

export const Change = {
  created: 1,
  debits: 2,
  credits: 4,
  debitsPending: 8,
  creditsPending: 16,
  min: 32,
  max: 64,
  noMin: 128,
  noMax: 256,
  flags: 512,
  group: 1024,
  metadata: 2048,
} as const;

/** Offsets of all entries. */
export const ENTRY_SIZE = 0;
export const ENTRY_ROUTE = 4;
const ENTRY_PRESENCE = 2;
const ENTRY_HASH = 8;
const ENTRY_LSN = 12;
const ENTRY_NAME = 20;
/** An account's entry has a name at least: two length bytes. */
export const ENTRY_BYTES_MIN = ENTRY_NAME + 2;

/** What happened to one account over a run of records; entries are read into it and written from it. Reused. */
export class AccountChange {
  presence = 0;
  route = 0;
  hash = 0;
  lsn = 0;
  tenant = '';
  id = '';
  type = 0;
  currency = '';
  c0 = 0;
  c1 = 0;
  debits = 0n;
  credits = 0n;
  debitsPending = 0n;
  creditsPending = 0n;
  min = 0n;
  max = 0n;
  flags = 0;
  group = '';
  /** JSON text. */
  metadata = '';

  has(field: number): boolean {
    return (this.presence & field) !== 0;
  }

  /** Reads the entry at `at`. @returns where it ends */
  read(bytes: Buffer, view: DataView, at: number): number {
    const end = at + view.getUint16(at, true);
    const presence = view.getUint16(at + ENTRY_PRESENCE, true);
    this.presence = presence;
    this.route = view.getUint32(at + ENTRY_ROUTE, true);
    this.hash = view.getUint32(at + ENTRY_HASH, true);
    this.lsn = view.getFloat64(at + ENTRY_LSN, true);
    at += ENTRY_NAME;
    this.tenant = bytes.toString('latin1', at + 1, at + 1 + bytes[at]!);
    at += 1 + bytes[at]!;
    this.id = bytes.toString('latin1', at + 1, at + 1 + bytes[at]!);
    at += 1 + bytes[at]!;
    if (presence & Change.created) {
      this.type = bytes[at++]!;
      this.currency = bytes.toString('latin1', at + 1, at + 1 + bytes[at]!);
      at += 1 + bytes[at]!;
      this.c0 = view.getUint32(at, true);
      this.c1 = view.getUint32(at + 4, true);
      at += 8;
    }
    this.debits = presence & Change.debits ? view.getBigInt64(at, true) : 0n;
    if (presence & Change.debits) at += 8;
    this.credits = presence & Change.credits ? view.getBigInt64(at, true) : 0n;
    if (presence & Change.credits) at += 8;
    this.debitsPending = presence & Change.debitsPending ? view.getBigInt64(at, true) : 0n;
    if (presence & Change.debitsPending) at += 8;
    this.creditsPending = presence & Change.creditsPending ? view.getBigInt64(at, true) : 0n;
    if (presence & Change.creditsPending) at += 8;
    return this.readSettings(bytes, view, at, end);
  }

  private readSettings(bytes: Buffer, view: DataView, at: number, end: number): number {
    const { presence } = this;
    if (presence & Change.min) {
      this.min = view.getBigInt64(at, true);
      at += 8;
    }
    if (presence & Change.max) {
      this.max = view.getBigInt64(at, true);
      at += 8;
    }
    if (presence & Change.flags) this.flags = bytes[at++]!;
    if (presence & Change.group) {
      this.group = bytes.toString('latin1', at + 1, at + 1 + bytes[at]!);
      at += 1 + bytes[at]!;
    }
    if (presence & Change.metadata) {
      const length = view.getUint16(at, true);
      this.metadata = bytes.toString('utf8', at + 2, at + 2 + length);
      at += 2 + length;
    }
    if (at !== end) throw new RangeError(`an account's entry ends at ${at} and not ${end}`);
    return end;
  }

  /** Adds what happened to the account afterwards. */
  add(later: AccountChange): void {
    this.lsn = Math.max(this.lsn, later.lsn);
    this.debits = BigInt.asIntN(64, this.debits + later.debits);
    this.credits = BigInt.asIntN(64, this.credits + later.credits);
    this.debitsPending = BigInt.asIntN(64, this.debitsPending + later.debitsPending);
    this.creditsPending = BigInt.asIntN(64, this.creditsPending + later.creditsPending);
    if (later.has(Change.min | Change.noMin)) {
      this.min = later.min;
      this.presence &= ~(Change.min | Change.noMin);
    }
    if (later.has(Change.max | Change.noMax)) {
      this.max = later.max;
      this.presence &= ~(Change.max | Change.noMax);
    }
    if (later.has(Change.flags)) this.flags = later.flags;
    if (later.has(Change.group)) this.group = later.group;
    if (later.has(Change.metadata)) this.metadata = later.metadata;
    this.presence |= later.presence;
  }

  /** Puts the entry into a block; which sums are there is worked out here. */
  write(block: BlockWriter): void {
    const { bytes, view, end } = block;
    let presence =
      this.presence & ~(Change.debits | Change.credits | Change.debitsPending | Change.creditsPending);
    let at = end + ENTRY_NAME;
    bytes[at] = bytes.write(this.tenant, at + 1, 'latin1');
    at += 1 + bytes[at]!;
    bytes[at] = bytes.write(this.id, at + 1, 'latin1');
    at += 1 + bytes[at]!;
    if (presence & Change.created) {
      bytes[at++] = this.type;
      bytes[at] = bytes.write(this.currency, at + 1, 'latin1');
      at += 1 + bytes[at]!;
      view.setUint32(at, this.c0, true);
      view.setUint32(at + 4, this.c1, true);
      at += 8;
    }
    if (this.debits !== 0n) {
      presence |= Change.debits;
      view.setBigInt64(at, this.debits, true);
      at += 8;
    }
    if (this.credits !== 0n) {
      presence |= Change.credits;
      view.setBigInt64(at, this.credits, true);
      at += 8;
    }
    if (this.debitsPending !== 0n) {
      presence |= Change.debitsPending;
      view.setBigInt64(at, this.debitsPending, true);
      at += 8;
    }
    if (this.creditsPending !== 0n) {
      presence |= Change.creditsPending;
      view.setBigInt64(at, this.creditsPending, true);
      at += 8;
    }
    if (presence & Change.min) {
      view.setBigInt64(at, this.min, true);
      at += 8;
    }
    if (presence & Change.max) {
      view.setBigInt64(at, this.max, true);
      at += 8;
    }
    if (presence & Change.flags) bytes[at++] = this.flags;
    if (presence & Change.group) {
      bytes[at] = bytes.write(this.group, at + 1, 'latin1');
      at += 1 + bytes[at]!;
    }
    if (presence & Change.metadata) {
      const length = bytes.write(this.metadata, at + 2, 'utf8');
      view.setUint16(at, length, true);
      at += 2 + length;
    }
    view.setUint16(end, at - end, true);
    view.setUint16(end + ENTRY_PRESENCE, presence, true);
    view.setUint32(end + ENTRY_ROUTE, this.route, true);
    view.setUint32(end + ENTRY_HASH, this.hash, true);
    view.setFloat64(end + ENTRY_LSN, this.lsn, true);
    block.added(at, this.route);
  }
}

/** The order of accounts in a run: by route, table hash, tenant, id. Of entries at offsets of two blocks. */
export function compareAccounts(a: Buffer, atA: number, b: Buffer, atB: number): number {
  const route = a.readUInt32LE(atA + ENTRY_ROUTE) - b.readUInt32LE(atB + ENTRY_ROUTE);
  if (route !== 0) return route;
  const hash = a.readUInt32LE(atA + ENTRY_HASH) - b.readUInt32LE(atB + ENTRY_HASH);
  if (hash !== 0) return hash;
  const tenantA = atA + ENTRY_NAME;
  const tenantB = atB + ENTRY_NAME;
  const tenant = compareTexts(a, tenantA, b, tenantB);
  if (tenant !== 0) return tenant;
  return compareTexts(a, tenantA + 1 + a[tenantA]!, b, tenantB + 1 + b[tenantB]!);
}

function compareTexts(a: Buffer, atA: number, b: Buffer, atB: number): number {
  return a.compare(b, atB + 1, atB + 1 + b[atB]!, atA + 1, atA + 1 + a[atA]!);
}

/*
 * Holds, by the LSN of their creation:
 *
 *    0 u16  bytes of the entry
 *    2 u8   1: opened in the run and open at its end; 0: ended in the run, but opened before it
 *    3 u8   postings
 *    4 u32  route
 *    8 f64  LSN of the creation
 *   16      opened: 12 bytes of the fingerprint's other words, u16 presence, the payload of the record
 */
export const HOLD_OPEN = 2;
export const HOLD_POSTINGS = 3;
export const HOLD_LSN = 8;
export const HOLD_FINGERPRINT = 16;
export const HOLD_PRESENCE = 28;
export const HOLD_PAYLOAD = 30;
export const HOLD_END_BYTES = 16;

/*
 * What was reversed in the run, by the LSN of the fact that it was taken from:
 *
 *    0 u16  bytes of the entry
 *    2 u16  legs
 *    4 u32  route
 *    8 f64  LSN of the original's fact
 *   16      12 bytes of the fingerprint's other words, then an i64 for each leg
 */
export const REVERSAL_LEGS = 2;
export const REVERSAL_LSN = 8;
export const REVERSAL_FINGERPRINT = 16;
export const REVERSAL_SUMS = 28;
