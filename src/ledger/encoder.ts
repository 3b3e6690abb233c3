import { CODES, type RefusalCode } from '../../engine/codes.js';
import { Command, CommandFlag, Result } from '../../engine/command.js';
import { digest, fingerprint, halfSip, hashAccount, shardOf, type TenantKeys } from '../../engine/hash.js';
import {
  AMOUNT_MAX,
  CODE_BYTES_MAX,
  ID_BYTES_MAX,
  POSTINGS_MAX,
  REFERENCE_BYTES_MAX,
} from '../../engine/limits.js';
import { Has, Leg, RecordWriter } from '../../engine/record.js';

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

const ID_ALPHABET = alphabet('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:@-{}');
const PRINTABLE = alphabet(Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i)).join(''));

function alphabet(characters: string): Uint8Array {
  const table = new Uint8Array(128);
  for (const character of characters) table[character.charCodeAt(0)] = 1;
  return table;
}

/** Answers without payload; with it: balances of all legs, or the texts of a refusal. */
const PLAIN_RESULT_BYTES = Result.header;
const FULL_RESULT_BYTES = Result.header + 192 + 8 * POSTINGS_MAX;
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
    this.caller = caller;
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
    const { payload } = this;
    const { bytes } = caller;
    for (let i = 0; i < bytes.length; i++) payload.bytes[i] = bytes[i]!;
    payload.at = bytes.length;
  }

  /** Writes text of an alphabet with its length, or nothing when it is not valid. */
  private putText(value: unknown, max: number, table: Uint8Array): boolean {
    if (typeof value !== 'string') return false;
    const length = value.length;
    if (length < 1 || length > max) return false;
    const { bytes } = this.payload;
    let at = this.payload.at;
    bytes[at++] = length;
    for (let i = 0; i < length; i++) {
      const c = value.charCodeAt(i);
      if (c > 127 || table[c] === 0) return false;
      bytes[at++] = c;
    }
    this.payload.at = at;
    return true;
  }

  /** The transaction id: written, fingerprinted. */
  putTransactionId(value: unknown): boolean {
    const from = this.payload.at + 1;
    if (!this.putText(value, ID_BYTES_MAX, ID_ALPHABET)) return false;
    fingerprint(this.payload.bytes, from, this.payload.at, this.caller.keys, this.fp);
    this.fieldsAt = this.payload.at;
    return true;
  }

  /** The id of the account that a command is about: written, hashed. */
  putAccountId(value: unknown): boolean {
    const from = this.payload.at + 1;
    if (!this.putText(value, ID_BYTES_MAX, ID_ALPHABET)) return false;
    hashAccount(this.payload.bytes, from, this.payload.at, this.caller.keys, this.fp, 0);
    this.fp[2] = 0;
    this.fp[3] = 0;
    this.fieldsAt = this.payload.at;
    this.checkPrefix(value as string);
    return true;
  }

  private checkPrefix(account: string): void {
    const { accounts } = this.caller;
    if (accounts === undefined || accounts.some((prefix) => account.startsWith(prefix))) return;
    this.forbidden ??= account;
  }

  putCurrency(value: unknown): boolean {
    if (typeof value !== 'string' || !/^[A-Z0-9]{3,8}$/.test(value)) return false;
    this.presence |= Has.currency;
    this.payload.text(value);
    return true;
  }

  putCode(value: unknown): boolean {
    this.presence |= Has.code;
    return this.putText(value, CODE_BYTES_MAX, ID_ALPHABET);
  }

  putReference(value: unknown): boolean {
    this.presence |= Has.reference;
    return this.putText(value, REFERENCE_BYTES_MAX, PRINTABLE);
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
    const from = this.payload.at + 1;
    if (!this.putText(value, ID_BYTES_MAX, ID_ALPHABET)) return false;
    hashAccount(this.payload.bytes, from, this.payload.at, this.caller.keys, this.words, this.wordCount);
    this.wordCount += 2;
    this.n++;
    if (this.caller.accounts !== undefined) this.checkPrefix(value as string);
    return true;
  }

  putTag(value: unknown): boolean {
    return this.putText(value, CODE_BYTES_MAX, ID_ALPHABET);
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
      hashContent(keys, this.op, this.n, this.presence, payload.bytes, this.fieldsAt, payload.at);
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
      hashContent(keys, this.op, this.n, this.presence, content.bytes, 0, content.at);
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

  /** Writes the message at `m`; the length word is the ring's. */
  writeTo(
    bytes: Uint8Array,
    u32: Uint32Array,
    f64: Float64Array,
    m: number,
    slot: number,
    time: number,
  ): void {
    const { payload, words } = this;
    bytes[m + Command.op] = this.op;
    bytes[m + Command.flags] = this.flags;
    bytes[m + Command.n] = this.n;
    bytes[m + Command.code] = this.code;
    u32[(m + Command.slot) >> 2] = slot;
    // presence and words are two 16-bit halves of one word.
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
    let to = at << 2;
    for (let i = 0; i < payload.at; i++) bytes[to++] = payload.bytes[i]!;
  }
}

/** The hash of a content, into {@link digest}: `bytes[from, to)` are the fields behind the id, in the form that counts, then the postings. */
export function hashContent(
  keys: TenantKeys,
  op: number,
  n: number,
  presence: number,
  bytes: Uint8Array,
  from: number,
  to: number,
): void {
  halfSip(bytes, from, to, keys.c0 ^ (op | (n << 8)), keys.c1 ^ presence);
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
