/**
 * The live feed: gives each subscription the committed transactions that it wants, in the order of the log, at the pace of its reader.
 *
 * It tails the log by a reader of its own and asks nothing of shards, writer or fronts. A subscription is a place in the log (`next`) and a
 * window: so many bytes of its frames may be on their way to its socket. Is the window used up, the subscription rests, and nothing is
 * read, built or kept for it; what the gateway gives back as sent opens it again. So a slow reader costs one window, whatever it is behind.
 *
 * Invariants
 * - Nothing above the durable LSN is read: a commit can be seen in the log before it is synced.
 * - A subscription's frames hold every transaction that it wants, once, in the order of their LSNs. (At least once comes of clients that
 *   begin again at an LSN which they may have seen.)
 * - A turn is bounded, in records and in bytes, and turns go round: one that is far behind takes as long as it needs, the others do not wait for it.
 *
 * No thread, clock, port or file in here: all that comes in by {@link FeedSurroundings} and {@link FeedOutbox}.
 */
import { RecordView } from '../../engine/record.js';
import { type Batch, recordOffset, recordSize } from '../../wal/batch.js';
import { RecentBatches } from './batches.js';
import { EventEncoder, progressEvent } from './events.js';
import { FrameBuilder } from './frame.js';
import { WINDOW_BYTES } from './limits.js';
import type { FeedFault, FeedFrame, SubscriptionStart } from './messages.js';
import { Sieve } from './sieve.js';

/** Records of one turn: passing over one takes a fraction of a microsecond. */
const RECORDS_PER_TURN = 2048;
/** A subscription that sees nothing hears so often how far it is. */
const PROGRESS_MS = 2000;

export interface FeedSurroundings {
  durableLsn(): number;
  /** The batch that holds an LSN. @throws when it is damaged */
  batchAt(lsn: number): Batch | undefined;
  /** Milliseconds that only go forward. */
  now(): number;
}

/** Where the frames of one gateway go. */
export interface FeedOutbox {
  frame(frame: FeedFrame): void;
  fault(fault: FeedFault): void;
}

interface Subscriber {
  readonly start: SubscriptionStart;
  readonly outbox: FeedOutbox;
  readonly sieve: Sieve;
  /** The next LSN to look at. */
  next: number;
  /** Bytes that may still be sent. */
  window: number;
  /** The LSN of the last event, and when it was sent. */
  told: number;
  toldAtMs: number;
}

export class Feed {
  private readonly subscribers: Subscriber[] = [];
  private turn = 0;
  private readonly batches: RecentBatches;
  private readonly encoder = new EventEncoder();
  private readonly view = new RecordView();

  constructor(private readonly around: FeedSurroundings) {
    this.batches = new RecentBatches((lsn) => around.batchAt(lsn));
  }

  get size(): number {
    return this.subscribers.length;
  }

  add(outbox: FeedOutbox, start: SubscriptionStart): void {
    this.subscribers.push({
      start,
      outbox,
      sieve: new Sieve(start),
      next: start.fromLsn,
      window: WINDOW_BYTES,
      told: start.fromLsn - 1,
      toldAtMs: this.around.now(),
    });
  }

  remove(outbox: FeedOutbox, subscription: number): void {
    this.removeWhere((s) => s.outbox === outbox && s.start.subscription === subscription);
  }

  /** The gateway is gone. */
  removeAll(outbox: FeedOutbox): void {
    this.removeWhere((s) => s.outbox === outbox);
  }

  /** So many bytes of a subscription's frames have reached its socket. */
  taken(outbox: FeedOutbox, subscription: number, bytes: number): void {
    const found = this.subscribers.find((s) => s.outbox === outbox && s.start.subscription === subscription);
    if (found !== undefined) found.window += bytes;
  }

  /** How far the slowest subscription of a gateway is: an LSN, or Infinity without any. */
  slowest(outbox: FeedOutbox): number {
    let slowest = Number.POSITIVE_INFINITY;
    for (const s of this.subscribers) if (s.outbox === outbox) slowest = Math.min(slowest, s.next - 1);
    return slowest;
  }

  /** Gives the next subscription that can go on its turn. @returns false when there is none */
  step(): boolean {
    const { subscribers, around } = this;
    const durable = around.durableLsn();
    const nowMs = around.now();
    for (let looked = 0; looked < subscribers.length; looked++) {
      if (this.turn >= subscribers.length) this.turn = 0;
      const s = subscribers[this.turn++]!;
      if (s.window <= 0) continue;
      if (s.next > durable && !owesProgress(s, nowMs)) continue;
      this.serve(s, durable, nowMs);
      return true;
    }
    return false;
  }

  private serve(s: Subscriber, durable: number, nowMs: number): void {
    const { isBinary, rid, subscription } = s.start;
    const frame = new FrameBuilder(rid, isBinary);
    let fault: Error | undefined;
    try {
      this.collect(s, durable, frame);
    } catch (error) {
      fault = error as Error;
    }
    const transactions = frame.count;
    if (transactions > 0) s.toldAtMs = nowMs;
    if (owesProgress(s, nowMs)) {
      s.told = s.next - 1;
      s.toldAtMs = nowMs;
      frame.add(progressEvent(s.told, isBinary));
    }
    if (frame.count > 0) {
      const bytes = frame.build();
      s.window -= bytes.length;
      s.outbox.frame({ subscription, bytes, transactions });
    }
    if (fault === undefined) return;
    this.remove(s.outbox, subscription);
    s.outbox.fault({ subscription, lsn: s.next, reason: fault.message });
  }

  /** Moves on until the frame is full, the turn is over or the log ends. @throws when the record at `next` cannot be read */
  private collect(s: Subscriber, durable: number, frame: FrameBuilder): void {
    const { view } = this;
    let left = RECORDS_PER_TURN;
    while (s.next <= durable && left > 0 && !frame.isFull) {
      const batch = this.batches.at(s.next);
      const { bytes, timeMs } = batch;
      const last = Math.min(batch.firstLsn + batch.count - 1, durable);
      view.over(bytes);
      let at = recordOffset(batch, s.next);
      for (; s.next <= last && left > 0 && !frame.isFull; left--) {
        if (s.sieve.takes(view.read(at))) {
          frame.add(this.encoder.transactionEvent(view, s.next, timeMs, s.start.isBinary));
          s.told = s.next;
        }
        at += recordSize(bytes, at);
        s.next++;
      }
    }
  }

  private removeWhere(isGone: (s: Subscriber) => boolean): void {
    const { subscribers } = this;
    let kept = 0;
    let turn = this.turn;
    for (let i = 0; i < subscribers.length; i++) {
      if (!isGone(subscribers[i]!)) subscribers[kept++] = subscribers[i]!;
      else if (i < this.turn) turn--;
    }
    subscribers.length = kept;
    this.turn = turn;
  }
}

/** Whether it has passed LSNs of which nothing tells: for some time, or up to what it asked for first. */
function owesProgress(s: Subscriber, nowMs: number): boolean {
  const passed = s.next - 1;
  if (s.told >= passed) return false;
  const { goalLsn } = s.start;
  return nowMs - s.toldAtMs >= PROGRESS_MS || (s.told < goalLsn && passed >= goalLsn);
}
