import { Result } from '../../engine/command.js';
import type { RingConsumer } from '../../engine/mailbox.js';
import { type Answer, copyAnswer } from './answers.js';
import type { CommandEncoder } from './encoder.js';
import type { Front, Handler, Waiting } from './front.js';

/** Batches are numbered so that those under way at a front have different numbers; 0 is none. */
const BATCH_NUMBER_MAX = 0xffffffff;
let batches = 0;

/** Entries that share a reading of the clock: they are sent within some 20 µs. */
const TIME_EVERY = 32;

/** An entry that another of the batch waits for, until it is decided. */
interface Entry {
  readonly home: number;
  /** All its accounts are at its home, and it was sent at once: what follows it there, with the batch's number, is decided after it. */
  readonly isOrdered: boolean;
  isDecided: boolean;
  /** Entries that it waits for. */
  waits: number;
  held: Waiting | undefined;
  readonly followers: Entry[];
}

/**
 * The entries of one batch on their way. Those that share an account or an id are decided in their order: with one shard the order in its
 * mailbox does that; with several an entry is held back until the earlier ones are decided, unless both belong wholly to one shard. That shard
 * knows the batch by its number: should the earlier one wait there for its id, the later one waits behind it.
 */
export class BatchRun implements Handler {
  private readonly run: number;
  private time = 0;
  private untilTime = 0;
  private answersByEntry: (Answer | undefined)[] = [];
  private readonly codesByEntry: Uint8Array;
  private left: number;
  private highestLsn = 0;
  private isComplete = false;
  private onCodes: ((codes: Uint8Array, lsn: number) => void) | undefined;
  private onAnswers: ((answers: readonly (Answer | undefined)[]) => void) | undefined;
  private readonly entries: (Entry | undefined)[] = [];
  /** The last entry that named an account or id, by its hash: of two with one hash the later merely waits in vain. */
  private readonly last = new Map<number, Entry>();
  private readonly unwatch: (() => void) | undefined;
  private readonly batch: number;

  constructor(
    private readonly front: Front,
    size: number,
    resultBytes: number,
  ) {
    this.run = front.openRun(this, size, resultBytes);
    this.left = size;
    this.codesByEntry = new Uint8Array(size);
    batches = (batches % BATCH_NUMBER_MAX) + 1;
    this.batch = batches;
    this.unwatch = front.shards > 1 ? front.watchDecisions() : undefined;
  }

  /** An entry that was refused before it was sent. */
  skip(): void {
    this.front.skipOf(this.run);
    this.left--;
    this.checkComplete();
  }

  /** Sends the entry that the encoder holds, or holds it back. Room for the whole batch was there when it began. */
  add(encoder: CommandEncoder, index: number): void {
    if (this.untilTime-- === 0) {
      this.time = this.front.now();
      this.untilTime = TIME_EVERY - 1;
    }
    if (this.front.shards === 1) this.front.sendOf(this.run, encoder, index, this.time);
    else this.addOrdered(encoder, index);
  }

  private addOrdered(encoder: CommandEncoder, index: number): void {
    encoder.argument = this.batch;
    const home = encoder.shard(this.front.shards);
    const isLocal = encoder.isLocal(this.front.shards);
    const earlier = new Set<Entry>();
    const keys = keysOf(encoder);
    for (const key of keys) {
      const other = this.last.get(key);
      if (other === undefined || other.isDecided) continue;
      if (!(isLocal && other.isOrdered && other.home === home)) earlier.add(other);
    }
    const entry: Entry = {
      home,
      isOrdered: isLocal && earlier.size === 0,
      isDecided: false,
      waits: earlier.size,
      held: undefined,
      followers: [],
    };
    for (const key of keys) this.last.set(key, entry);
    for (const other of earlier) other.followers.push(entry);
    this.entries[index] = entry;
    if (earlier.size === 0) this.front.sendOf(this.run, encoder, index, this.time);
    else entry.held = this.front.holdOf(this.run, encoder, index, this.time);
  }

  decided(index: number): void {
    const entry = this.entries[index];
    if (entry === undefined || entry.isDecided) return;
    entry.isDecided = true;
    for (const follower of entry.followers) {
      if (--follower.waits === 0) this.front.sendHeld(follower.held!);
    }
  }

  done(index: number, ring: RingConsumer, m: number): void {
    const lsn = ring.f64[(m + Result.lsn) >> 3]!;
    if (lsn > this.highestLsn) this.highestLsn = lsn;
    this.codesByEntry[index] = ring.bytes[m + Result.code]!;
    if (this.onAnswers !== undefined) this.answersByEntry[index] = copyAnswer(ring, m);
    this.left--;
    this.checkComplete();
  }

  private checkComplete(): void {
    if (this.left > 0 || this.isComplete) return;
    if (this.onCodes === undefined && this.onAnswers === undefined) return;
    this.isComplete = true;
    this.unwatch?.();
    this.onCodes?.(this.codesByEntry, this.highestLsn);
    this.onAnswers?.(this.answersByEntry);
  }

  /** Gives codes by entry and the highest LSN when all are answered. Call it once all entries are added, in the same turn. */
  codes(then: (codes: Uint8Array, lsn: number) => void): void {
    this.onCodes = then;
    this.checkComplete();
  }

  /** Whole answers by entry; undefined for those that were skipped. Call it as {@link codes}. */
  answers(): Promise<readonly (Answer | undefined)[]> {
    this.answersByEntry = new Array(this.codesByEntry.length).fill(undefined);
    return new Promise((resolve) => {
      this.onAnswers = resolve;
      this.checkComplete();
    });
  }
}

/** The id and the accounts of a transaction, each as 53 bits of its hash. */
function keysOf({ fp, words, n }: CommandEncoder): number[] {
  const keys = [keyOf(fp[2]!, fp[3]!)];
  for (let leg = 0; leg < n; leg++) keys.push(keyOf(words[leg * 2]!, words[leg * 2 + 1]!));
  return keys;
}

function keyOf(high: number, low: number): number {
  return (high & 0x1fffff) * 0x1_0000_0000 + low;
}
