import { currencyCode } from './currency.js';
import { IndexTable } from './index-table.js';

/** 64-bit words of an account: one cache line holds all that a posting touches. */
const WORDS = 8;
const DEBITS_POSTED = 0;
const CREDITS_POSTED = 1;
const DEBITS_PENDING = 2;
const CREDITS_PENDING = 3;
const MIN = 4;
const MAX = 5;
/** As float64: the LSN of the last record that touched the account. */
const LSN = 6;
/** As two 32-bit words: flags, and where the name is. */
const FLAGS = 14;
const NAME = 15;

/** Account types in the order of their numbers; the first two are debit-normal. */
export const ACCOUNT_TYPES = ['asset', 'expense', 'liability', 'equity', 'revenue'] as const;

const TYPE_MASK = 7;
export const FROZEN = 8;
export const CLOSED = 16;
export const HAS_MIN = 32;
export const HAS_MAX = 64;
/** Earmarks stand on the account or requests are parked on it. Never logged. */
export const CONTENDED = 128;
const CURRENCY_SHIFT = 8;
const CURRENCIES_MAX = 1 << 24;

const NAME_SEGMENT = 1 << 22;
/** The first segment of names begins so small and doubles, so that a shard of few accounts takes little. */
const NAME_FIRST = 1 << 14;

/** What an account carries besides its figures. */
interface Extras {
  readonly group: string;
  readonly metadata: string;
}
const NO_EXTRAS: Extras = { group: '', metadata: '' };

/**
 * The accounts of a shard, by row. Names are (tenant, id), compared byte by byte behind a keyed hash; looking one up makes no garbage.
 * Columns grow by doubling.
 */
export class Accounts {
  private capacity = 1024;
  private i64 = new BigInt64Array(this.capacity * WORDS);
  private f64 = new Float64Array(this.i64.buffer);
  private u32 = new Uint32Array(this.i64.buffer);
  private created = new Uint32Array(this.capacity * 2);
  private readonly index = new IndexTable();
  private readonly names: Uint8Array[] = [];
  private nameEnd = 0;
  private readonly currencies: string[] = [];
  private readonly currencyCodes: number[] = [];
  private readonly currencyIndexes = new Map<string, number>();
  private readonly extras = new Map<number, Extras>();
  count = 0;

  /** Bytes held in columns, index and names. */
  get byteLength(): number {
    const names = this.names.reduce((sum, segment) => sum + segment.length, 0);
    return this.i64.byteLength + this.created.byteLength + this.index.byteLength + names;
  }

  /** The row of an account, or -1. `hash` is word 1 of {@link hashAccount}. */
  find(hash: number, tenant: number, bytes: Uint8Array, at: number, length: number): number {
    for (let row = this.index.first(hash); row >= 0; row = this.index.next()) {
      if (this.isNamed(row, tenant, bytes, at, length)) return row;
    }
    return -1;
  }

  private isNamed(row: number, tenant: number, bytes: Uint8Array, at: number, length: number): boolean {
    const name = this.u32[row * 16 + NAME]!;
    const segment = this.names[(name / NAME_SEGMENT) | 0]!;
    let from = name % NAME_SEGMENT;
    if (segment[from + 4] !== length) return false;
    const owner =
      segment[from]! | (segment[from + 1]! << 8) | (segment[from + 2]! << 16) | (segment[from + 3]! << 24);
    if (owner !== tenant) return false;
    from += 5;
    for (let i = 0; i < length; i++) if (segment[from + i] !== bytes[at + i]) return false;
    return true;
  }

  /**
   * Fetches what finding these accounts will read, all of one kind after the other, so that the processor waits for many at a time.
   * @param rows scratch of the same length
   * @returns nothing of meaning
   */
  warm(hashes: Uint32Array, rows: Int32Array, n: number): number {
    const { index, u32, names } = this;
    let sum = 0;
    for (let i = 0; i < n; i++) rows[i] = index.peek(hashes[i]!);
    for (let i = 0; i < n; i++) rows[i] = rows[i]! < 0 ? -1 : u32[rows[i]! * 16 + NAME]!;
    for (let i = 0; i < n; i++) {
      const name = rows[i]!;
      if (name >= 0) sum ^= names[(name / NAME_SEGMENT) | 0]![name % NAME_SEGMENT]!;
    }
    return sum;
  }

  /** Adds an account; the caller has made sure that it is new. @returns its row */
  add(
    hash: number,
    tenant: number,
    bytes: Uint8Array,
    at: number,
    length: number,
    type: number,
    currency: string,
    c0: number,
    c1: number,
  ): number {
    if (this.count === this.capacity) this.grow();
    const row = this.count++;
    const need = 5 + length;
    const segment = this.segmentFor(need);
    const from = this.nameEnd;
    segment[from] = tenant;
    segment[from + 1] = tenant >>> 8;
    segment[from + 2] = tenant >>> 16;
    segment[from + 3] = tenant >>> 24;
    segment[from + 4] = length;
    for (let i = 0; i < length; i++) segment[from + 5 + i] = bytes[at + i]!;
    this.nameEnd += need;
    this.u32[row * 16 + NAME] = (this.names.length - 1) * NAME_SEGMENT + from;
    this.u32[row * 16 + FLAGS] = type | (this.currencyIndex(currency) << CURRENCY_SHIFT);
    this.created[row * 2] = c0;
    this.created[row * 2 + 1] = c1;
    this.index.add(hash, row);
    return row;
  }

  /** The segment in which the next name has room, at {@link nameEnd}. */
  private segmentFor(bytes: number): Uint8Array {
    const { names } = this;
    const last = names.at(-1);
    if (last !== undefined && this.nameEnd + bytes <= last.length) return last;
    let next: Uint8Array;
    if (last !== undefined && last.length < NAME_SEGMENT) {
      next = new Uint8Array(2 * last.length);
      next.set(last);
      names[names.length - 1] = next;
    } else {
      next = new Uint8Array(last === undefined ? NAME_FIRST : NAME_SEGMENT);
      names.push(next);
      this.nameEnd = 0;
    }
    return next;
  }

  private currencyIndex(currency: string): number {
    const found = this.currencyIndexes.get(currency);
    if (found !== undefined) return found;
    // Accounts fill the memory of a machine long before.
    if (this.currencies.length === CURRENCIES_MAX) throw new Error(`more than ${CURRENCIES_MAX} currencies`);
    this.currencyCodes.push(currencyCode(currency));
    const index = this.currencies.push(currency) - 1;
    this.currencyIndexes.set(currency, index);
    return index;
  }

  private grow(): void {
    this.capacity *= 2;
    const bigger = new BigInt64Array(this.capacity * WORDS);
    bigger.set(this.i64);
    this.i64 = bigger;
    this.f64 = new Float64Array(bigger.buffer);
    this.u32 = new Uint32Array(bigger.buffer);
    const created = new Uint32Array(this.capacity * 2);
    created.set(this.created);
    this.created = created;
  }

  /** The id of an account, for answers that name it. */
  name(row: number): string {
    const name = this.u32[row * 16 + NAME]!;
    const segment = this.names[(name / NAME_SEGMENT) | 0]!;
    const from = name % NAME_SEGMENT;
    return Buffer.from(segment.buffer, from + 5, segment[from + 4]!).toString('latin1');
  }

  /** The number that the tenant of an account has in this shard. */
  tenant(row: number): number {
    const name = this.u32[row * 16 + NAME]!;
    const segment = this.names[(name / NAME_SEGMENT) | 0]!;
    const at = name % NAME_SEGMENT;
    return segment[at]! | (segment[at + 1]! << 8) | (segment[at + 2]! << 16) | (segment[at + 3]! << 24);
  }

  flags(row: number): number {
    return this.u32[row * 16 + FLAGS]!;
  }

  setFlag(row: number, flag: number, on: boolean): void {
    const at = row * 16 + FLAGS;
    this.u32[at] = on ? this.u32[at]! | flag : this.u32[at]! & ~flag;
  }

  type(row: number): number {
    return this.flags(row) & TYPE_MASK;
  }

  isDebitNormal(row: number): boolean {
    return (this.flags(row) & TYPE_MASK) < 2;
  }

  /** {@link currencyCode} of the account's currency. */
  currencyCode(row: number): number {
    return this.currencyCodes[this.flags(row) >>> CURRENCY_SHIFT]!;
  }

  currency(row: number): string {
    return this.currencies[this.flags(row) >>> CURRENCY_SHIFT]!;
  }

  lsn(row: number): number {
    return this.f64[row * WORDS + LSN]!;
  }

  /** Notes that the record at `lsn` touched the account. Settles may come out of order, so the highest stays. */
  touch(row: number, lsn: number): void {
    const at = row * WORDS + LSN;
    if (lsn > this.f64[at]!) this.f64[at] = lsn;
  }

  debitsPosted(row: number): bigint {
    return this.i64[row * WORDS + DEBITS_POSTED]!;
  }
  creditsPosted(row: number): bigint {
    return this.i64[row * WORDS + CREDITS_POSTED]!;
  }
  debitsPending(row: number): bigint {
    return this.i64[row * WORDS + DEBITS_PENDING]!;
  }
  creditsPending(row: number): bigint {
    return this.i64[row * WORDS + CREDITS_PENDING]!;
  }
  /** Meaningful with {@link HAS_MIN}. */
  min(row: number): bigint {
    return this.i64[row * WORDS + MIN]!;
  }
  /** Meaningful with {@link HAS_MAX}. */
  max(row: number): bigint {
    return this.i64[row * WORDS + MAX]!;
  }

  setMin(row: number, min: bigint | null): void {
    this.setFlag(row, HAS_MIN, min !== null);
    this.i64[row * WORDS + MIN] = min ?? 0n;
  }
  setMax(row: number, max: bigint | null): void {
    this.setFlag(row, HAS_MAX, max !== null);
    this.i64[row * WORDS + MAX] = max ?? 0n;
  }

  /** Adds to the four sums. The rules have made sure that none leaves its range. */
  addSums(row: number, debits: bigint, credits: bigint, debitsPending: bigint, creditsPending: bigint): void {
    const at = row * WORDS;
    const i64 = this.i64;
    i64[at] = BigInt.asIntN(64, i64[at]! + debits);
    i64[at + 1] = BigInt.asIntN(64, i64[at + 1]! + credits);
    i64[at + 2] = BigInt.asIntN(64, i64[at + 2]! + debitsPending);
    i64[at + 3] = BigInt.asIntN(64, i64[at + 3]! + creditsPending);
  }

  /** Balance on the normal side. */
  balance(row: number): bigint {
    const at = row * WORDS;
    const net = BigInt.asIntN(64, this.i64[at]! - this.i64[at + 1]!);
    return this.isDebitNormal(row) ? net : BigInt.asIntN(64, -net);
  }

  createdWith(row: number, c0: number, c1: number): boolean {
    return this.created[row * 2] === c0 && this.created[row * 2 + 1] === c1;
  }
  createdHash(row: number, word: 0 | 1): number {
    return this.created[row * 2 + word]!;
  }

  group(row: number): string {
    return (this.extras.get(row) ?? NO_EXTRAS).group;
  }
  /** JSON text, or empty. */
  metadata(row: number): string {
    return (this.extras.get(row) ?? NO_EXTRAS).metadata;
  }
  setExtras(row: number, group: string, metadata: string): void {
    if (group === '' && metadata === '') this.extras.delete(row);
    else this.extras.set(row, { group, metadata });
  }
}
