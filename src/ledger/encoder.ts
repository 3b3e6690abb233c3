import { CODES, type RefusalCode } from '../../engine/codes.js';
import { Command, CommandFlag, Result } from '../../engine/command.js';
import {
  digest,
  fingerprint,
  halfSip,
  hashAccount,
  hashUntagged,
  shardOf,
  type TenantKeys,
} from '../../engine/hash.js';
import {
  AMOUNT_MAX,
  CODE_BYTES_MAX,
  ID_BYTES_MAX,
  POSTINGS_MAX,
  REFERENCE_BYTES_MAX,
} from '../../engine/limits.js';
import { asciiText, Has, Leg, RecordWriter } from '../../engine/record.js';
import { BRACE, FOREIGN, ID_ALPHABET, PRINTABLE } from './alphabet.js';

/** A fault of the request itself, found before anything is sent. */
export interface Fault {
  readonly code: RefusalCode;
  readonly detail: string;
  readonly pointer?: string;
  readonly account?: string;
  readonly permission?: string;
  readonly limit?: number;
}

/** What every command of a caller begins with. */
export interface CallerPrefix {
  /** tenant, by, terminal as a payload has them. */
  readonly bytes: Uint8Array;
  readonly keys: TenantKeys;
  /** Prefixes of account ids that may be used; undefined = all. */
  readonly accounts: readonly string[] | undefined;
  /** Whether amounts may come as strings of digits (JSON) or not (MessagePack). */
  readonly textAmounts: boolean;
}

/** Answers without payload; with it: balances of all legs, or the texts of a refusal. */
export const PLAIN_RESULT_BYTES = Result.header;
export const FULL_RESULT_BYTES = Result.header + 192 + 8 * POSTINGS_MAX;
/** An account with its group and metadata; a lookup with sums and reversals. */
export const READ_RESULT_BYTES = Result.header + 1408;

/** Amounts below this are summed as numbers: 64 of them stay exact. */
const SMALL_AMOUNT = 2 ** 46;

/**
 * Composes one command: checks each field as it writes it into the payload, so a sale is read once. Reused for every command of a front;
 * its bytes are copied into a ring before the next one begins.
 *
 * Every `put` returns whether the value was valid; the caller names the fault.
 */
export class CommandEncoder {
  readonly payload = new RecordWriter();
  private readonly content = new RecordWriter();
  /** Route and hash by leg, then what a reversal adds. */
  readonly words = new Uint32Array(2 * POSTINGS_MAX + 5 + 2 * POSTINGS_MAX);
  readonly fp = new Uint32Array(4);
  op = 0;
  flags = 0;
  n = 0;
  presence = 0;
  wordCount = 0;
  /** `reverse` without postings: the code to refuse with. */
  code = 0;
  /** `lookup`: the first reversal asked for. A transaction: the number of its batch, or 0. */
  argument = 0;
  c0 = 0;
  c1 = 0;
  resultBytes: number = PLAIN_RESULT_BYTES;
  /** An account that the caller may not use, if any was named. */
  forbidden: string | undefined;
  private caller!: CallerPrefix;
  private fieldsAt = 0;
  private metadataAt = -1;
  private metadataEnd = 0;
  private canonicalMetadata: Uint8Array | undefined;
  private expiresAt = -1;
  private expiresIn = 0;
  private net = 0;
  private netBig = 0n;

  /** Begins a command with the caller's prefix. */
  begin(caller: CallerPrefix, op: number, flags: number): void {
    this.op = op;
    this.flags = flags;
    this.n = 0;
    this.presence = 0;
    this.wordCount = 0;
    this.code = 0;
    this.argument = 0;
    this.forbidden = undefined;
    this.metadataAt = -1;
    this.expiresAt = -1;
    this.net = 0;
    this.netBig = 0n;
    this.resultBytes = flags & CommandFlag.full ? FULL_RESULT_BYTES : PLAIN_RESULT_BYTES;
    this.payload.at = caller.bytes.length;
    // Behind the prefix of the last command: in a batch it is there already.
    if (this.caller !== caller) this.copyPrefix(caller);
  }

  private copyPrefix(caller: CallerPrefix): void {
    const { bytes } = this.payload;
    for (let i = 0; i < caller.bytes.length; i++) bytes[i] = caller.bytes[i]!;
    this.caller = caller;
  }

  /** Writes text of an alphabet with its length. @returns what its characters are; FOREIGN when nothing was written */
  private putText(value: unknown, max: number, table: Uint8Array): number {
    if (typeof value !== 'string') return FOREIGN;
    const length = value.length;
    if (length < 1 || length > max) return FOREIGN;
    const { bytes } = this.payload;
    let at = this.payload.at;
    let found = 0;
    bytes[at++] = length;
    for (let i = 0; i < length; i++) {
      const c = value.charCodeAt(i);
      found |= c > 127 ? FOREIGN : table[c]!;
      bytes[at++] = c;
    }
    if (found & FOREIGN) return FOREIGN;
    this.payload.at = at;
    return found;
  }

  /** As {@link putText}, from bytes of a frame. */
  private putBytes(source: Uint8Array, from: number, length: number, max: number, table: Uint8Array): number {
    if (length < 1 || length > max) return FOREIGN;
    const { bytes } = this.payload;
    let at = this.payload.at;
    let found = 0;
    bytes[at++] = length;
    for (let i = from; i < from + length; i++) {
      const c = source[i]!;
      found |= table[c]!;
      bytes[at++] = c;
    }
    if (found & FOREIGN) return FOREIGN;
    this.payload.at = at;
    return found;
  }

  /** The transaction id: written, fingerprinted. */
  putTransactionId(value: unknown): boolean {
    return this.identify(this.payload.at + 1, this.putText(value, ID_BYTES_MAX, ID_ALPHABET));
  }

  /** As {@link putTransactionId}, from bytes of a frame. */
  putTransactionIdBytes(source: Uint8Array, from: number, length: number): boolean {
    const at = this.payload.at + 1;
    return this.identify(at, this.putBytes(source, from, length, ID_BYTES_MAX, ID_ALPHABET));
  }

  /** Fingerprints the id that was written from `at` on. @param found what its characters are */
  private identify(at: number, found: number): boolean {
    if (found & FOREIGN) return false;
    const { payload } = this;
    fingerprint(payload.view, at, payload.at, this.caller.keys, this.fp, (found & BRACE) !== 0);
    this.fieldsAt = payload.at;
    return true;
  }

  /** The id of the account that a command is about: written, hashed. */
  putAccountId(value: unknown): boolean {
    const from = this.payload.at + 1;
    if (this.putText(value, ID_BYTES_MAX, ID_ALPHABET) & FOREIGN) return false;
    hashAccount(this.payload.view, from, this.payload.at, this.caller.keys, this.fp, 0);
    this.fp[2] = 0;
    this.fp[3] = 0;
    this.fieldsAt = this.payload.at;
    this.checkReach(from);
    return true;
  }

  /** Notes the account written from `at` on if it is out of the caller's reach. */
  private checkReach(at: number): void {
    const accounts = this.caller.accounts;
    if (accounts === undefined) return;
    const account = asciiText(this.payload.bytes, at, this.payload.at - at);
    if (!accounts.some((prefix) => account.startsWith(prefix))) this.forbidden ??= account;
  }

  putCurrency(value: unknown): boolean {
    if (typeof value !== 'string' || !/^[A-Z0-9]{3,8}$/.test(value)) return false;
    this.presence |= Has.currency;
    this.payload.text(value);
    return true;
  }

  putCode(value: unknown): boolean {
    this.presence |= Has.code;
    return (this.putText(value, CODE_BYTES_MAX, ID_ALPHABET) & FOREIGN) === 0;
  }

  putCodeBytes(source: Uint8Array, from: number, length: number): boolean {
    this.presence |= Has.code;
    return (this.putBytes(source, from, length, CODE_BYTES_MAX, ID_ALPHABET) & FOREIGN) === 0;
  }

  putReference(value: unknown): boolean {
    this.presence |= Has.reference;
    return (this.putText(value, REFERENCE_BYTES_MAX, PRINTABLE) & FOREIGN) === 0;
  }

  putReferenceBytes(source: Uint8Array, from: number, length: number): boolean {
    this.presence |= Has.reference;
    return (this.putBytes(source, from, length, REFERENCE_BYTES_MAX, PRINTABLE) & FOREIGN) === 0;
  }

  /** @param ms since the epoch */
  putEffectiveAt(ms: number): void {
    this.presence |= Has.effectiveAt;
    this.payload.f64(ms);
  }

  /** Metadata as it came (JSON text) and in its canonical form, which alone counts as content. */
  putMetadata(text: Uint8Array, canonical: Uint8Array): void {
    this.presence |= Has.metadata;
    this.metadataAt = this.payload.at;
    this.payload.long(text);
    this.metadataEnd = this.payload.at;
    this.canonicalMetadata = canonical;
  }

  /** @param now ledger time in ms; the record keeps the sum, the content only the seconds asked for */
  putExpiry(now: number, seconds: number): void {
    this.presence |= Has.expiresAt;
    this.expiresAt = this.payload.at;
    this.expiresIn = seconds;
    this.payload.f64(now + seconds * 1000);
  }

  putGroup(value: string): void {
    this.presence |= Has.group;
    this.payload.text(value);
  }

  putOriginal(id: string, factLsn: number): void {
    this.presence |= Has.original;
    this.payload.text(id);
    this.payload.f64(factLsn);
  }

  /** Begins a posting. @param leg the original's leg, or -1 */
  startPosting(isCredit: boolean, hasTag: boolean, leg: number): void {
    this.payload.u8((isCredit ? Leg.credit : 0) | (hasTag ? Leg.tag : 0) | (leg >= 0 ? Leg.leg : 0));
  }

  /** An amount, 1 to 2^63-1, and its part of the sum of debits less credits. */
  putAmount(value: unknown, isCredit: boolean): boolean {
    if (typeof value === 'number') {
      if (!Number.isSafeInteger(value) || value < 1) return false;
      this.payload.u64(value);
      if (value < SMALL_AMOUNT) this.net += isCredit ? -value : value;
      else this.netBig += isCredit ? -BigInt(value) : BigInt(value);
      return true;
    }
    let amount: bigint;
    if (typeof value === 'bigint') amount = value;
    else if (typeof value === 'string' && this.caller.textAmounts && /^[0-9]{1,19}$/.test(value))
      amount = BigInt(value);
    else return false;
    if (amount < 1n || amount > AMOUNT_MAX) return false;
    this.payload.i64(amount);
    this.netBig += isCredit ? -amount : amount;
    return true;
  }

  /** The account of the posting that was begun: written, hashed. */
  putPostingAccount(value: unknown): boolean {
    return this.takePosting(this.payload.at + 1, this.putText(value, ID_BYTES_MAX, ID_ALPHABET));
  }

  /** As {@link putPostingAccount}, from bytes of a frame. */
  putPostingAccountBytes(source: Uint8Array, from: number, length: number): boolean {
    const at = this.payload.at + 1;
    return this.takePosting(at, this.putBytes(source, from, length, ID_BYTES_MAX, ID_ALPHABET));
  }

  /** Hashes the account that was written from `at` on. @param found what its characters are */
  private takePosting(at: number, found: number): boolean {
    if (found & FOREIGN) return false;
    const { payload, words, wordCount } = this;
    if (found & BRACE) hashAccount(payload.view, at, payload.at, this.caller.keys, words, wordCount);
    else hashUntagged(payload.view, at, payload.at, this.caller.keys, words, wordCount);
    this.wordCount = wordCount + 2;
    this.n++;
    this.checkReach(at);
    return true;
  }

  putTag(value: unknown): boolean {
    return (this.putText(value, CODE_BYTES_MAX, ID_ALPHABET) & FOREIGN) === 0;
  }

  putTagBytes(source: Uint8Array, from: number, length: number): boolean {
    return (this.putBytes(source, from, length, CODE_BYTES_MAX, ID_ALPHABET) & FOREIGN) === 0;
  }

  putLeg(leg: number): void {
    this.payload.u8(leg);
  }

  /** A reversal's original at its home: fingerprint, and the amounts of its legs. */
  putOriginalWords(fp: Uint32Array, amounts: readonly bigint[]): void {
    const { words } = this;
    let at = this.wordCount;
    for (let i = 0; i < 4; i++) words[at++] = fp[i]!;
    words[at++] = amounts.length;
    for (const amount of amounts) {
      words[at++] = Number(amount & 0xffffffffn);
      words[at++] = Number(amount >> 32n);
    }
    this.wordCount = at;
  }

  /** Whether the plain sums of debits and credits agree. */
  get isBalanced(): boolean {
    return this.netBig === 0n ? this.net === 0 : this.netBig + BigInt(this.net) === 0n;
  }

  /** Hashes the content: operation, fields and postings as given; canonical metadata; seconds instead of the time of expiry. */
  hashContent(): void {
    const { payload, content } = this;
    const { keys } = this.caller;
    if (this.metadataAt < 0 && this.expiresAt < 0) {
      hashContent(keys, this.op, this.n, this.presence, payload.view, this.fieldsAt, payload.at);
    } else {
      content.start();
      let from = this.fieldsAt;
      if (this.metadataAt >= 0) {
        content.raw(payload.bytes, from, this.metadataAt);
        content.long(this.canonicalMetadata!);
        from = this.metadataEnd;
      }
      if (this.expiresAt >= 0) {
        content.raw(payload.bytes, from, this.expiresAt);
        content.f64(this.expiresIn);
        from = this.expiresAt + 8;
      }
      content.raw(payload.bytes, from, payload.at);
      hashContent(keys, this.op, this.n, this.presence, content.view, 0, content.at);
    }
    this.c0 = digest[0]!;
    this.c1 = digest[1]!;
  }

  /** The shard that the command goes to: home of the id, or owner of the account. */
  shard(shards: number): number {
    return shards === 1 ? 0 : shardOf(this.fp[0]!, shards);
  }

  /** Whether every account of the command belongs to that shard too. */
  isLocal(shards: number): boolean {
    const home = this.shard(shards);
    for (let leg = 0; leg < this.n; leg++) if (shardOf(this.words[leg * 2]!, shards) !== home) return false;
    return true;
  }

  /** Bytes of the message. */
  get size(): number {
    return Command.header + this.wordCount * 4 + this.payload.at;
  }

  /** Writes the message at `m`, by whole words; the length word is the ring's. */
  writeTo(u32: Uint32Array, f64: Float64Array, m: number, slot: number, time: number): void {
    const { payload, words } = this;
    // Four bytes of one word, as are presence and words two halves of one.
    u32[(m + Command.op) >> 2] = this.op | (this.flags << 8) | (this.n << 16) | (this.code << 24);
    u32[(m + Command.slot) >> 2] = slot;
    u32[(m + Command.presence) >> 2] = this.presence | (this.wordCount << 16);
    u32[(m + Command.payloadBytes) >> 2] = payload.at;
    u32[(m + Command.argument) >> 2] = this.argument;
    f64[(m + Command.time) >> 3] = time;
    let at = (m + Command.fingerprint) >> 2;
    u32[at++] = this.fp[0]!;
    u32[at++] = this.fp[1]!;
    u32[at++] = this.fp[2]!;
    u32[at++] = this.fp[3]!;
    u32[at++] = this.c0;
    u32[at++] = this.c1;
    for (let i = 0; i < this.wordCount; i++) u32[at++] = words[i]!;
    const payloadWords = (payload.at + 3) >> 2;
    for (let i = 0; i < payloadWords; i++) u32[at++] = payload.words[i]!;
  }
}

/** The hash of a content, into {@link digest}: the bytes of `view` from `from` to `to` are the fields behind the id, in the form that counts, then the postings. */
export function hashContent(
  keys: TenantKeys,
  op: number,
  n: number,
  presence: number,
  view: DataView,
  from: number,
  to: number,
): void {
  halfSip(view, from, to, keys.c0 ^ (op | (n << 8)), keys.c1 ^ presence);
}

export const invalid = (detail: string, pointer: string): Fault => ({
  code: 'invalid_request',
  detail,
  pointer,
});
export const invalidAmount = (pointer: string): Fault => ({
  code: 'invalid_amount',
  detail: CODES.invalid_amount.title,
  pointer,
});
