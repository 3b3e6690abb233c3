import { currencyCode } from './currency.js';
import { firstPlace, IndexTable, nextPlace } from './index-table.js';

/** 64-bit words of an account: one cache line holds all that a posting touches. */
const WORDS = 8;
/** The words that are sums and limits; the credits stand behind the debits. */
export const DEBITS_POSTED = 0;
export const CREDITS_POSTED = 1;
export const DEBITS_PENDING = 2;
export const CREDITS_PENDING = 3;
export const MIN = 4;
export const MAX = 5;
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

/** Row `r` is in segment `r >>> ROW_SHIFT`. */
const ROW_SHIFT = 13;
const ROW_MASK = (1 << ROW_SHIFT) - 1;
/**
 * Word `n` of the names is in segment `n >>> NAME_SHIFT`. A name is a word of tenant and length, then the id's bytes, four to a word and
 * padded with zeros, so that comparing takes a step for four bytes.
 */
const NAME_SHIFT = 20;
const NAME_SEGMENT = 1 << NAME_SHIFT;
const NAME_MASK = NAME_SEGMENT - 1;
/** An id has at most 64 bytes. */
const LENGTH_BITS = 7;
const LENGTH_MASK = (1 << LENGTH_BITS) - 1;
const TENANTS_MAX = 1 << (32 - LENGTH_BITS);
/** The first segments begin so small and double, so that a shard of few accounts takes little. */
const ROWS_FIRST = 1 << 10;
const NAME_FIRST = 1 << 12;

/** What an account carries besides its figures. */
interface Extras {
  readonly group: string;
  readonly metadata: string;
}
const NO_EXTRAS: Extras = { group: '', metadata: '' };

/**
 * The accounts of a shard, by row. Names are (tenant, id), compared byte by byte behind a keyed hash; looking one up makes no garbage.
 * Columns grow in segments, so growing never copies more than the first: no pause, and no moment at which they are there twice.
 */
export class Accounts {
  /** Segments of the figures, and the same memory as float64 and as 32-bit words. */
  private readonly i64: BigInt64Array[] = [];
  private readonly f64: Float64Array[] = [];
  private readonly u32: Uint32Array[] = [];
  private readonly created: Uint32Array[] = [];
  private capacity = 0;
  private nameWords = 0;
  private readonly index = new IndexTable();
  private readonly names: Int32Array[] = [];
  private nameEnd = 0;
  private readonly currencies: string[] = [];
  private readonly currencyCodes: number[] = [];
  private readonly currencyIndexes = new Map<string, number>();
  private readonly extras = new Map<number, Extras>();
  count = 0;

  /** Bytes held in columns, index and names. */
  get byteLength(): number {
    return this.capacity * (WORDS + 1) * 8 + this.index.byteLength + this.nameWords * 4;
  }

  /** The row of an account, or -1. `hash` is word 1 of {@link hashAccount}. */
  find(hash: number, tenant: number, bytes: Uint8Array, at: number, length: number): number {
    const part = this.index.part(hash);
    const wanted = hash | 0;
    for (let place = firstPlace(part, wanted); part[place + 1] !== 0; place = nextPlace(part, place)) {
      const row = part[place + 1]! - 1;
      if (part[place] === wanted && this.isNamed(row, tenant, bytes, at, length)) return row;
    }
    return -1;
  }

  private isNamed(row: number, tenant: number, bytes: Uint8Array, at: number, length: number): boolean {
    const name = this.word(row, NAME);
    const words = this.names[name >>> NAME_SHIFT]!;
    let from = name & NAME_MASK;
    if (words[from++] !== ((tenant << LENGTH_BITS) | length)) return false;
    const end = at + length;
    for (; at + 4 <= end; at += 4) {
      if (words[from++] !== wordAt(bytes, at)) return false;
    }
    return at === end || words[from] === lastWord(bytes, at, end);
  }

  /**
   * Fetches what finding these accounts will read, all of one kind after the other, so that the processor waits for many at a time.
   * @param rows scratch of the same length
   * @returns nothing of meaning
   */
  warm(hashes: Uint32Array, rows: Int32Array, n: number): number {
    const { index, names } = this;
    let sum = 0;
    for (let i = 0; i < n; i++) rows[i] = index.peek(hashes[i]!);
    for (let i = 0; i < n; i++) {
      const row = rows[i]!;
      rows[i] = row < 0 ? -1 : this.word(row, NAME);
      // Rows seldom begin where a cache line does: their sums are on another one than the name.
      if (row >= 0) sum ^= this.word(row, 0);
    }
    for (let i = 0; i < n; i++) {
      const name = rows[i]!;
      if (name !== -1) sum ^= names[name >>> NAME_SHIFT]![name & NAME_MASK]!;
    }
    return sum;
  }

  /** Until {@link endFill} accounts are only added, and none is looked up. See `IndexTable`. */
  beginFill(): void {
    this.index.beginFill();
  }
  endFill(): void {
    this.index.endFill();
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
    if (tenant >= TENANTS_MAX) throw new Error(`more than ${TENANTS_MAX} tenants`);
    if (this.count === this.capacity) this.grow();
    const row = this.count++;
    const name = this.addName(tenant, bytes, at, length);
    const words = this.u32[row >>> ROW_SHIFT]!;
    const place = row & ROW_MASK;
    words[place * 16 + NAME] = name;
    words[place * 16 + FLAGS] = type | (this.currencyIndex(currency) << CURRENCY_SHIFT);
    const created = this.created[row >>> ROW_SHIFT]!;
    created[place * 2] = c0;
    created[place * 2 + 1] = c1;
    this.index.add(hash, row);
    return row;
  }

  /** @returns the word at which the name begins */
  private addName(tenant: number, bytes: Uint8Array, at: number, length: number): number {
    const end = at + length;
    const words = this.segmentFor(1 + ((length + 3) >> 2));
    const from = (this.names.length - 1) * NAME_SEGMENT + this.nameEnd;
    words[this.nameEnd++] = (tenant << LENGTH_BITS) | length;
    for (; at + 4 <= end; at += 4) words[this.nameEnd++] = wordAt(bytes, at);
    if (at < end) words[this.nameEnd++] = lastWord(bytes, at, end);
    return from;
  }

  /** The segment in which the next name has room, at {@link nameEnd}. */
  private segmentFor(words: number): Int32Array {
    const { names } = this;
    const last = names.at(-1);
    if (last !== undefined && this.nameEnd + words <= last.length) return last;
    let next: Int32Array;
    if (last !== undefined && last.length < NAME_SEGMENT) {
      next = new Int32Array(2 * last.length);
      next.set(last);
      this.nameWords += last.length;
      names[names.length - 1] = next;
    } else {
      next = new Int32Array(last === undefined ? NAME_FIRST : NAME_SEGMENT);
      this.nameWords += next.length;
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

  /** Adds a segment, or doubles the first until it has a segment's length. */
  private grow(): void {
    const isFirst = this.capacity <= ROW_MASK;
    const at = isFirst ? 0 : this.i64.length;
    const rows = isFirst ? this.capacity * 2 || ROWS_FIRST : ROW_MASK + 1;
    const i64 = new BigInt64Array(rows * WORDS);
    const created = new Uint32Array(rows * 2);
    if (isFirst && this.capacity > 0) {
      i64.set(this.i64[0]!);
      created.set(this.created[0]!);
    }
    this.i64[at] = i64;
    this.f64[at] = new Float64Array(i64.buffer);
    this.u32[at] = new Uint32Array(i64.buffer);
    this.created[at] = created;
    this.capacity = at * (ROW_MASK + 1) + rows;
  }

  /** One of an account's 32-bit words. */
  private word(row: number, word: number): number {
    return this.u32[row >>> ROW_SHIFT]![(row & ROW_MASK) * 16 + word]!;
  }

  /** The segment in which an account's sums and limits are, from {@link figuresAt} on. */
  figures(row: number): BigInt64Array {
    return this.i64[row >>> ROW_SHIFT]!;
  }
  figuresAt(row: number): number {
    return (row & ROW_MASK) * WORDS;
  }

  private figure(row: number, word: number): bigint {
    return this.figures(row)[this.figuresAt(row) + word]!;
  }

  /** The id of an account, for answers that name it. */
  name(row: number): string {
    const name = this.word(row, NAME);
    const segment = this.names[name >>> NAME_SHIFT]!;
    const from = name & NAME_MASK;
    return Buffer.from(segment.buffer, 4 * (from + 1), segment[from]! & LENGTH_MASK).toString('latin1');
  }

  /** The number that the tenant of an account has in this shard. */
  tenant(row: number): number {
    const name = this.word(row, NAME);
    return this.names[name >>> NAME_SHIFT]![name & NAME_MASK]! >>> LENGTH_BITS;
  }

  flags(row: number): number {
    return this.word(row, FLAGS);
  }

  setFlag(row: number, flag: number, on: boolean): void {
    const words = this.u32[row >>> ROW_SHIFT]!;
    const at = (row & ROW_MASK) * 16 + FLAGS;
    words[at] = on ? words[at]! | flag : words[at]! & ~flag;
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
    return this.f64[row >>> ROW_SHIFT]![(row & ROW_MASK) * WORDS + LSN]!;
  }

  /** Notes that the record at `lsn` touched the account. Settles may come out of order, so the highest stays. */
  touch(row: number, lsn: number): void {
    const lsns = this.f64[row >>> ROW_SHIFT]!;
    const at = (row & ROW_MASK) * WORDS + LSN;
    if (lsn > lsns[at]!) lsns[at] = lsn;
  }

  debitsPosted(row: number): bigint {
    return this.figure(row, DEBITS_POSTED);
  }
  creditsPosted(row: number): bigint {
    return this.figure(row, CREDITS_POSTED);
  }
  debitsPending(row: number): bigint {
    return this.figure(row, DEBITS_PENDING);
  }
  creditsPending(row: number): bigint {
    return this.figure(row, CREDITS_PENDING);
  }
  /** Meaningful with {@link HAS_MIN}. */
  min(row: number): bigint {
    return this.figure(row, MIN);
  }
  /** Meaningful with {@link HAS_MAX}. */
  max(row: number): bigint {
    return this.figure(row, MAX);
  }

  setMin(row: number, min: bigint | null): void {
    this.setFlag(row, HAS_MIN, min !== null);
    this.figures(row)[this.figuresAt(row) + MIN] = min ?? 0n;
  }
  setMax(row: number, max: bigint | null): void {
    this.setFlag(row, HAS_MAX, max !== null);
    this.figures(row)[this.figuresAt(row) + MAX] = max ?? 0n;
  }

  /** Adds to the four sums. The rules have made sure that none leaves its range. */
  addSums(row: number, debits: bigint, credits: bigint, debitsPending: bigint, creditsPending: bigint): void {
    const figures = this.figures(row);
    const at = this.figuresAt(row);
    figures[at] = BigInt.asIntN(64, figures[at]! + debits);
    figures[at + 1] = BigInt.asIntN(64, figures[at + 1]! + credits);
    figures[at + 2] = BigInt.asIntN(64, figures[at + 2]! + debitsPending);
    figures[at + 3] = BigInt.asIntN(64, figures[at + 3]! + creditsPending);
  }

  /** Balance on the normal side. */
  balance(row: number): bigint {
    const side = this.isDebitNormal(row) ? 0 : 1;
    return BigInt.asIntN(64, this.figure(row, side) - this.figure(row, 1 - side));
  }

  createdWith(row: number, c0: number, c1: number): boolean {
    return this.createdHash(row, 0) === c0 && this.createdHash(row, 1) === c1;
  }
  createdHash(row: number, word: 0 | 1): number {
    return this.created[row >>> ROW_SHIFT]![(row & ROW_MASK) * 2 + word]!;
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

/** Four bytes as a word. */
function wordAt(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}

/** The one to three bytes from `at` to `end`, padded with zeros. */
function lastWord(bytes: Uint8Array, at: number, end: number): number {
  let word = bytes[at]!;
  if (at + 1 < end) word |= bytes[at + 1]! << 8;
  if (at + 2 < end) word |= bytes[at + 2]! << 16;
  return word;
}
