import { shardOf } from './hash.js';
import type { Hold } from './holds.js';
import type { RefusalDetail } from './outbox.js';
import { RecordKind } from './record.js';
import type { State } from './state.js';

/** Bytes and legs that a new job has room for; more grow it. Jobs that grew beyond {@link BODY_BYTES_KEPT} are not used again. */
const BODY_BYTES = 256;
const LEGS = 4;
const BODY_BYTES_KEPT = 4096;

/** A command copied out of its ring because it must wait. */
export interface WaitingCommand {
  readonly front: number;
  readonly command: Uint8Array;
}

/**
 * A transaction, end, expiry or reversal under way. Jobs are used again: made anew, each cost ten objects and, in memory outside the heap, the
 * copy of its command. Nothing may refer to a job that has ended.
 */
export class Job {
  /** The next job of the same bucket in {@link Home}. */
  next: Job | undefined;
  slot = -1;
  /** -1 when nobody waits for an answer (an expiry). */
  front = -1;
  commandSlot = 0;
  flags = 0;
  kind = 0;
  n = 0;
  presence = 0;
  c0 = 0;
  c1 = 0;
  readonly fingerprint = new Uint32Array(4);
  /** Words, then the payload, as they follow the header of a command and of an ask. */
  u32 = new Uint32Array(BODY_BYTES / 4);
  bytes = new Uint8Array(this.u32.buffer);
  view = new DataView(this.u32.buffer);
  /** Two words a leg; a reversal: then the original's fingerprint (4) and amounts by leg (2 each). */
  words = 0;
  payloadBytes = 0;
  /** Shards to ask, ascending; so many of them. */
  readonly participants: Uint16Array;
  participantCount = 0;
  /** How many participants have said yes. */
  asked = 0;
  /** Currency codes by leg, as far as owners have told them. */
  currencies = new Float64Array(LEGS);
  readonly waiting: WaitingCommand[] = [];
  /** Batches of which entries are waiting. */
  readonly batches: number[] = [];
  /** The hold that an end ends. */
  hold: Hold | undefined;
  /** Code of the currency that all accounts must have, or 0. */
  currency = 0;

  constructor(shards: number) {
    this.participants = new Uint16Array(shards);
  }

  begin(
    front: number,
    commandSlot: number,
    flags: number,
    fingerprint: Uint32Array,
    kind: number,
    n: number,
    presence: number,
    c0: number,
    c1: number,
  ): void {
    this.front = front;
    this.commandSlot = commandSlot;
    this.flags = flags;
    for (let i = 0; i < 4; i++) this.fingerprint[i] = fingerprint[i]!;
    this.kind = kind;
    this.n = n;
    this.presence = presence;
    this.c0 = c0;
    this.c1 = c1;
    if (this.currencies.length < n) this.currencies = new Float64Array(n);
    for (let leg = 0; leg < n; leg++) this.currencies[leg] = 0;
  }

  /** Where the payload begins, in bytes. */
  get payloadAt(): number {
    return this.words * 4;
  }

  /** Copies words and the payload behind them from word `from` on of a message, which is padded to whole words. */
  copyBody(u32: Uint32Array, from: number, words: number, payloadBytes: number): void {
    this.reserve(words, payloadBytes);
    const count = words + ((payloadBytes + 3) >>> 2);
    // A loop and not `set`, here and where an ask is written: for some twenty words the view that `set` wants costs more than the copy.
    for (let i = 0; i < count; i++) this.u32[i] = u32[from + i]!;
  }

  /** Words of a hold, and a payload that was written for its end. */
  setBody(words: Uint32Array, payload: Uint8Array): void {
    this.reserve(words.length, payload.length);
    this.u32.set(words);
    this.bytes.set(payload, this.payloadAt);
  }

  private reserve(words: number, payloadBytes: number): void {
    this.words = words;
    this.payloadBytes = payloadBytes;
    const size = words * 4 + payloadBytes;
    if (size <= this.bytes.length) return;
    let room = this.bytes.length;
    while (room < size) room *= 2;
    this.u32 = new Uint32Array(room / 4);
    this.bytes = new Uint8Array(this.u32.buffer);
    this.view = new DataView(this.u32.buffer);
  }

  /** Finds the shards to ask. */
  findParticipants({ shards }: State): void {
    for (let leg = 0; leg < this.n; leg++) this.addParticipant(shardOf(this.u32[leg * 2]!, shards));
    if (this.kind === RecordKind.reversal) this.addParticipant(shardOf(this.u32[2 * this.n]!, shards));
  }

  private addParticipant(shard: number): void {
    const { participants } = this;
    let at = this.participantCount;
    while (at > 0 && participants[at - 1]! > shard) at--;
    if (at > 0 && participants[at - 1] === shard) return;
    for (let i = this.participantCount++; i > at; i--) participants[i] = participants[i - 1]!;
    participants[at] = shard;
  }

  isAbout(fp: Uint32Array): boolean {
    const { fingerprint } = this;
    return (
      fingerprint[0] === fp[0] &&
      fingerprint[1] === fp[1] &&
      fingerprint[2] === fp[2] &&
      fingerprint[3] === fp[3]
    );
  }

  /** Forgets what it was about. @returns whether it may be used again */
  clear(): boolean {
    this.next = undefined;
    this.slot = -1;
    this.participantCount = 0;
    this.asked = 0;
    this.hold = undefined;
    this.currency = 0;
    if (this.waiting.length > 0) this.waiting.length = 0;
    if (this.batches.length > 0) this.batches.length = 0;
    return this.bytes.length <= BODY_BYTES_KEPT;
  }
}

/** A shard's refusal of its part of a job, to be taken up between messages. */
export class No {
  constructor(
    readonly job: Job,
    readonly code: number,
    readonly wait: number,
    readonly detail: RefusalDetail | undefined,
  ) {}
}
