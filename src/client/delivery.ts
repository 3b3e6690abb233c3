/**
 * How a sale gets from the till to the ledger: exactly once, in order, whatever fails in between.
 *
 * The naive way, "no answer: send it again", books twice when the first copy did arrive, and not at all when the till
 * dies between the two. What is done here, and what holds:
 *
 * 1. **Disk before wire.** With `journal: 'always'` an operation is in the journal, synced, before its first byte is
 *    sent; with `'offline'` before it is answered `queued`. So a process that dies leaves nothing in doubt: whatever
 *    it may have sent is in the journal and is sent again, unless its outcome is known.
 * 2. **One id, one content, for ever.** An unknown outcome (no answer in time, connection lost) is resolved by sending
 *    the same operation with the same id. The ledger remembers ids for ever: a second copy is answered `duplicate`.
 * 3. **Order.** Operations that nobody waits behind go out directly, up to a window. Once something waits (no
 *    connection, a full window, a refused batch, the same id in flight), everything later waits behind it, and the
 *    queue is drained by one frame at a time: the server keeps no order between requests in flight, but it decides
 *    entries of one batch in order where they touch. Nothing overtakes a queued operation.
 * 4. **A refusal is final.** By contract a refusal settles one delivery and not the id: another copy still under way
 *    (from a connection that was lost) would be judged afresh and could book after the till was told `refused`. So a
 *    refusal counts at once only if every copy sent was answered. Otherwise the id is voided first; the ledger's
 *    tombstone then stops every late copy. If the void finds the sale booked, it was booked, and that is the outcome.
 *    If the void itself is refused (`forbidden`, say), nothing is known: the sale stays pending, the void is tried
 *    again with growing pauses, the application is told of the problem, and the rest of the queue goes on.
 * 5. **A refusal is never forgotten.** If the caller still waits, it gets the refusal after its mark is synced (else
 *    a crash would bring the sale back). If it was told `queued`, the sale goes to the file of refusals, synced, then
 *    its mark, then the event.
 * 6. **Giving up** is an operation like the others: on disk first, then everything earlier under that id is taken out
 *    of the queue (never the other way round, or a crash in between would forget a sale without voiding it). The
 *    ledger has to say how the id stands before a giving up ends: it is never refused.
 * 7. `overloaded`, `not_ready`, `rate_limited` and `unauthenticated` say nothing about the sale: it stays at its place.
 */

import type { Code, RefusalCode } from '../../engine/codes.js';
import { Aside } from './aside.js';
import { Pause } from './backoff.js';
import type { DeliveryOptions } from './delivery-options.js';
import {
  type Caller,
  type Entry,
  frameOf,
  newEntry,
  type Outcome,
  runLength,
  type Settled,
  statusOf,
  takeCaller,
} from './entry.js';
import { ClosedError } from './errors.js';
import type { Unsettled } from './journal.js';
import { Live } from './live.js';
import type { Operation } from './operation.js';
import { type Answer, codeOf, lsnOf, type Reply } from './requests.js';
import type { Refused, RefusedSale } from './types.js';
import { isTransient, verdictOn } from './verdict.js';

export class Delivery {
  readonly #with: DeliveryOptions;
  readonly #live = new Live();
  /** In the order of their numbers. */
  #waiting: Entry[] = [];
  readonly #inFlight = new Set<Entry>();
  readonly #idsInFlight = new Set<string>();
  /** How many are being written: nothing later goes out directly before they are in the queue. */
  #entering = 0;
  readonly #aside = new Aside((entries) => {
    for (const entry of entries) this.#wait(entry);
    this.#drain();
  });
  /** A frame from the head of the queue is in flight: everything new waits behind it. */
  #draining = false;
  #link: 'connecting' | 'online' | 'offline' = 'connecting';
  readonly #pause = new Pause(() => this.#drain());
  #closed = false;
  #diskHasFailed = false;
  /** Refusals on their way to the disk. */
  readonly #concluding = new Set<Promise<void>>();

  constructor(options: DeliveryOptions, unsettled: readonly Unsettled[]) {
    this.#with = options;
    for (const { seq, op, bytes } of unsettled) this.#restore(seq, op, bytes);
  }

  get pending(): number {
    return this.#live.size;
  }

  /**
   * Takes an operation and answers with its outcome, or `queued` when the ledger does not answer in time.
   * @throws QueueError when it could not be written, ClosedError
   */
  async take(op: Operation): Promise<Outcome> {
    if (this.#closed) throw new ClosedError('the terminal is closed');
    const entry = newEntry(this.#with.journal.takeSeq(), op);
    this.#live.add(entry);
    const mayBeDirect = !this.#with.journalAlways && op.kind !== 'give_up' && this.#entering === 0;
    if (!mayBeDirect || !this.#mayGoDirectly(entry)) {
      this.#entering += 1;
      try {
        await this.#write(entry);
      } catch (error) {
        this.#live.remove(entry);
        this.#diskFailed(error as Error);
        throw error;
      } finally {
        this.#entering -= 1;
      }
    }
    if (op.kind === 'give_up') this.#cancelEarlier(entry);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => void this.#answerQueued(entry), this.#with.timeoutMs);
      entry.caller = { resolve, reject, timer };
      this.#admit(entry);
    });
  }

  /** Resolves when nothing is pending. @throws ClosedError */
  drained(): Promise<void> {
    if (this.#closed && this.#live.size > 0) return Promise.reject(new ClosedError('the terminal is closed'));
    return this.#live.emptied();
  }

  linkUp(): void {
    this.#link = 'online';
    this.#aside.reset();
    this.#drain();
  }

  /** What is in flight has an unknown outcome and goes back to the queue. Whoever waits is told `queued`. */
  linkDown(): void {
    this.#link = 'offline';
    this.#with.requests.lost();
    for (const entry of this.#live) if (entry.state === 'waiting') void this.#answerQueued(entry);
  }

  /** Takes nothing more, sends nothing more; whoever waits is told `queued`. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#pause.stop();
    this.#aside.stop();
    await Promise.all([...this.#live].map((entry) => this.#answerQueued(entry)));
    await Promise.all(this.#concluding);
    this.#live.abandon(new ClosedError('the terminal was closed'));
  }

  #restore(seq: number, op: Operation, bytes: number): void {
    const entry = newEntry(seq, op);
    entry.bytes = bytes;
    entry.written = Promise.resolve();
    entry.copies = 1;
    entry.state = 'waiting';
    this.#live.add(entry);
    this.#waiting.push(entry);
    if (op.kind === 'give_up') this.#cancelEarlier(entry);
  }

  /** Puts an entry into the journal, once. */
  #write(entry: Entry): Promise<void> {
    entry.written ??= this.#with.journal.add(entry.seq, entry.op).then((bytes) => {
      entry.bytes = bytes;
    });
    return entry.written;
  }

  #mayGoDirectly(entry: Entry): boolean {
    return (
      this.#mayDrain() &&
      !this.#draining &&
      this.#waiting.length === 0 &&
      this.#inFlight.size < this.#with.window &&
      !this.#idsInFlight.has(entry.op.id)
    );
  }

  #mayDrain(): boolean {
    return this.#link === 'online' && !this.#pause.active && !this.#closed;
  }

  #admit(entry: Entry): void {
    if (entry.cancelled) this.#finishCancelled(entry);
    else if (this.#mayGoDirectly(entry)) this.#send([entry], false);
    else {
      this.#wait(entry);
      if (this.#link === 'offline' || this.#closed) void this.#answerQueued(entry);
      this.#drain();
    }
  }

  /** Puts an entry at its place in the queue. */
  #wait(entry: Entry): void {
    entry.state = 'waiting';
    const last = this.#waiting.at(-1);
    this.#waiting.push(entry);
    if (last !== undefined && last.seq > entry.seq) this.#waiting.sort((a, b) => a.seq - b.seq);
    if (!this.#with.journalAlways) this.#write(entry).catch((error: Error) => this.#diskFailed(error));
  }

  /** Sends what waits, when nothing is in flight: one frame, and the next one when it is answered. */
  #drain(): void {
    if (!this.#mayDrain() || this.#inFlight.size > 0 || this.#waiting.length === 0) return;
    const run = this.#waiting.splice(0, runLength(this.#waiting));
    this.#draining = true;
    this.#send(run, true);
  }

  #send(run: readonly Entry[], draining: boolean): void {
    for (const entry of run) {
      entry.state = 'in_flight';
      entry.copies += 1;
      this.#inFlight.add(entry);
      this.#idsInFlight.add(entry.op.id);
    }
    this.#with.requests.request(
      (rid) => frameOf(run, rid),
      (answer) => this.#answered(run, answer, draining),
    );
  }

  #answered(run: readonly Entry[], answer: Answer, draining: boolean): void {
    if (draining) this.#draining = false;
    for (const { op } of run) this.#idsInFlight.delete(op.id);
    if (answer !== 'lost') for (const entry of run) entry.copies -= 1;
    if (answer === 'lost') for (const entry of run) this.#comeBack(entry);
    else if (run.length === 1) this.#decide(run[0]!, answer.code, answer.lsn);
    else this.#decideBatch(run, answer);
    this.#drain();
  }

  #decideBatch(run: readonly Entry[], reply: Reply): void {
    if (isTransient(reply.code)) {
      for (const entry of run) this.#comeBack(entry);
      this.#waitABit(reply.code);
      return;
    }
    if (reply.code !== 'ok') {
      for (const entry of run) entry.alone = true;
      for (const entry of run) this.#comeBack(entry);
      return;
    }
    const [results, codes] = [reply.body['results'] as Reply['body'][] | undefined, new Map(reply.entries)];
    run.forEach((entry, index) => {
      const result = results?.[index];
      if (result === undefined) this.#decide(entry, codes.get(index) ?? 'ok', reply.lsn);
      else this.#decide(entry, codeOf(result), lsnOf(result));
    });
  }

  #decide(entry: Entry, code: Code, lsn: number): void {
    const verdict = verdictOn(entry, code);
    if (verdict !== 'again') this.#pause.reset();
    if (verdict === 'find_posted') this.#findPosted(entry);
    else if (verdict === 'succeeded') this.#succeed(entry, lsn, code !== 'ok');
    else if (verdict === 'refused') this.#refuse(entry, entry.refusal ?? (code as RefusalCode));
    else if (verdict === 'void_first') {
      entry.refusal = code as RefusalCode;
      this.#comeBack(entry);
    } else this.#askAgain(entry, code);
  }

  /** A void found the transaction booked: asks for its LSN and says so. */
  #findPosted(entry: Entry): void {
    const { id } = entry.op;
    this.#with.requests.request(
      (rid) => ({ rid, op: 'status', id }),
      (answer) => {
        if (answer !== 'lost' && answer.code === 'ok') {
          this.#finish(entry, { status: 'posted', id, lsn: answer.lsn, duplicate: true });
        } else if (answer === 'lost') this.#comeBack(entry);
        else this.#askAgain(entry, answer.code);
        this.#drain();
      },
    );
  }

  #succeed(entry: Entry, lsn: number, duplicate: boolean): void {
    this.#finish(entry, { status: statusOf(entry.op), id: entry.op.id, lsn, duplicate });
  }

  #refuse(entry: Entry, code: RefusalCode): void {
    if (entry.cancelled) this.#finishCancelled(entry);
    else this.#finish(entry, { status: 'refused', id: entry.op.id, code });
  }

  /** It was not decided: back to its place, unless it was given up meanwhile. */
  #comeBack(entry: Entry): void {
    this.#inFlight.delete(entry);
    if (entry.cancelled) this.#finishCancelled(entry);
    else this.#wait(entry);
  }

  /** The answer decides nothing: everything waits if the server is busy, else this one alone; see `Aside`. */
  #askAgain(entry: Entry, code: Code): void {
    if (isTransient(code) || entry.cancelled) {
      this.#comeBack(entry);
      if (isTransient(code)) this.#waitABit(code);
      return;
    }
    this.#inFlight.delete(entry);
    entry.state = 'waiting';
    this.#aside.put(entry);
    if (entry.reported) return;
    entry.reported = true;
    const kind = code === 'forbidden' ? 'forbidden' : 'undecided';
    this.#with.onProblem({ kind, detail: `the outcome of ${entry.op.id} is not known: ${code}` });
  }

  /**
   * Given up: the operation that gave it up answers for the id, so this one leaves no trace. Whoever waits is told
   * `queued`: how the id ends is not known yet, and the one that gave it up is on disk and will tell.
   */
  #finishCancelled(entry: Entry): void {
    const caller = this.#leave(entry);
    if (entry.written !== undefined) this.#mark(entry);
    this.#live.remove(entry);
    caller?.resolve({ status: 'queued', id: entry.op.id });
  }

  #cancelEarlier(giveUp: Entry): void {
    for (const entry of this.#live) {
      if (entry.op.id !== giveUp.op.id || entry.seq >= giveUp.seq) continue;
      entry.cancelled = true;
      if (entry.state !== 'waiting') continue;
      this.#waiting = this.#waiting.filter((other) => other !== entry);
      this.#aside.remove(entry);
      this.#finishCancelled(entry);
    }
  }

  #finish(entry: Entry, outcome: Settled): void {
    const caller = this.#leave(entry);
    if (outcome.status === 'refused') {
      const concluding = this.#finishRefused(entry, outcome, caller);
      this.#concluding.add(concluding);
      void concluding.finally(() => this.#concluding.delete(concluding));
      return;
    }
    if (entry.written !== undefined) this.#mark(entry);
    if (entry.op.kind === 'give_up') {
      this.#with.refusals.dismiss(entry.op.id).catch((error: Error) => this.#diskFailed(error));
    }
    this.#live.remove(entry);
    if (caller !== undefined) caller.resolve(outcome);
    else this.#with.onSettled({ ...outcome, kind: entry.op.kind });
  }

  /** See 5 above. When the disk fails the entry stays pending, and on disk as far as it is, for the next start. */
  async #finishRefused(entry: Entry, outcome: Refused, caller: Caller | undefined): Promise<void> {
    const { kind, id, body } = entry.op;
    const sale: RefusedSale = { id, kind, code: outcome.code, refused_at: new Date().toISOString(), body };
    try {
      if (caller === undefined) await this.#with.refusals.add(entry.seq, sale);
      if (entry.written !== undefined) await this.#with.journal.settle(entry.seq, true);
    } catch (error) {
      this.#diskFailed(error as Error);
      caller?.reject(error as Error);
      return;
    }
    this.#live.remove(entry);
    if (caller !== undefined) caller.resolve(outcome);
    else this.#with.onRefused(sale);
  }

  /** A mark that may be lost: then the ledger answers `duplicate` after the next start. */
  #mark(entry: Entry): void {
    this.#with.journal.settle(entry.seq, false).catch((error: Error) => this.#diskFailed(error));
  }

  /** Tells whoever waits that it is on disk and will be delivered. */
  async #answerQueued(entry: Entry): Promise<void> {
    if (entry.caller === undefined) return;
    try {
      await this.#write(entry);
    } catch (error) {
      takeCaller(entry)?.reject(error as Error);
      return;
    }
    takeCaller(entry)?.resolve({ status: 'queued', id: entry.op.id });
  }

  /** The entry is decided: from here on nothing else can answer its caller. */
  #leave(entry: Entry): Caller | undefined {
    entry.state = 'settled';
    this.#inFlight.delete(entry);
    return takeCaller(entry);
  }

  /** The ledger is busy, or the token is no good: nothing is sent for a moment, longer each time. */
  #waitABit(code: Code): void {
    if (this.#pause.active || this.#closed) return;
    this.#pause.begin();
    if (code !== 'unauthenticated') return;
    this.#with.onProblem({ kind: 'unauthenticated', detail: 'the server no longer accepts the token' });
    this.#with.reconnect();
  }

  #diskFailed(error: Error): void {
    if (this.#diskHasFailed) return;
    this.#diskHasFailed = true;
    const cause = error.cause === undefined ? '' : `: ${String(error.cause)}`;
    this.#with.onProblem({ kind: 'disk', detail: `${error.message}${cause}` });
  }
}
