/**
 * One terminal's connection, and the way out for everything it is owed.
 *
 * Answers come from the ledger in runs: all that one group commit made durable, for many connections, one after the
 * other. Sending each at once would cost a system call per answer. So an answer is only noted on its connection, the
 * connection is put on the flusher's list, and when the run is over each listed connection sends all it has in one
 * cork. Compact answers in MessagePack, the hot path, are noted as three numbers and encoded while sending: nothing is
 * allocated for them.
 *
 * Invariants: a connection that has something to send is on the list (`dirty`) once; after `closed` it sends and keeps
 * nothing, but its commands in flight still count until their answers came.
 */
import { CODES } from '../../engine/codes.js';
import type { Refusal } from '../../engine/types.js';
import type { FeedLine } from '../feed/line.js';
import type { CompactSink, Session } from '../session.js';
import type { Admission } from './admission.js';
import { encodeJson } from './json.js';
import type { Metrics } from './metrics.js';
import { encodeAnswer, encodeMsgpack } from './msgpack.js';
import { type FeedLog, Outlet } from './outlet.js';
import type { WebSocket } from './uws.js';

/** Numbers kept for one compact answer: rid, code number, lsn. */
const ANSWER_FIELDS = 3;
const NOT_SAMPLED = -1;
/** What `ws.send` returns when the socket took all of it. */
const SENT = 1;

/** Close codes of the contract and of RFC 6455. */
export const CLOSE = {
  goingAway: 1001,
  tooLarge: 1009,
  internal: 1011,
  slowReader: 1013,
  tokenExpired: 4001,
} as const;

export interface ConnectionLimits {
  readonly inFlightPerConnection: number;
  readonly backpressureBytes: number;
}

export class Connection {
  open = true;
  dirty = false;
  inFlight = 0;
  readonly binary: CompactSink;
  readonly text: CompactSink;
  private answers = new Float64Array(16 * ANSWER_FIELDS);
  private answersLength = 0;
  private readonly frames: (string | Uint8Array)[] = [];
  /** Bytes of replies that the socket has not taken yet, as of the last look. */
  private unread = 0;
  /** Once it has subscribed to something. */
  private outlet: Outlet | undefined;
  private sampledRid = NOT_SAMPLED;
  private sampledAtMs = 0;
  private readonly sendAll = () => this.sendQueued();

  constructor(
    private readonly ws: WebSocket<unknown>,
    /** Takes amounts as JSON has them: integers and strings of digits. */
    private readonly textSession: Session,
    /** Takes amounts as MessagePack has them: integers. */
    private readonly binarySession: Session,
    readonly expiresAtMs: number,
    private readonly limits: ConnectionLimits,
    private readonly flusher: Flusher,
    private readonly admission: Admission,
    private readonly metrics: Metrics,
  ) {
    this.binary = new BinaryAnswers(this);
    this.text = new TextAnswers(this);
  }

  /** The session for frames in one of the encodings. */
  sessionFor(isBinary: boolean): Session {
    return isBinary ? this.binarySession : this.textSession;
  }

  /** Where its subscriptions are. */
  subscriptions(feed: FeedLine, log: FeedLog): Outlet {
    this.outlet ??= new Outlet(this.ws, feed, log);
    return this.outlet;
  }

  /** Why a new command of this connection is refused now; undefined when it is welcome. */
  refusal(): 'not_ready' | 'overloaded' | undefined {
    return this.inFlight >= this.limits.inFlightPerConnection ? 'overloaded' : this.admission.refusal();
  }

  /** A command is given to the ledger. */
  begin(rid: number): void {
    this.inFlight++;
    this.admission.enter();
    if (this.metrics.sample()) {
      this.sampledRid = rid;
      this.sampledAtMs = performance.now();
    }
  }

  /** The command was not given to the ledger after all. */
  withdraw(rid: number): void {
    this.inFlight--;
    this.admission.leave();
    if (rid === this.sampledRid) this.sampledRid = NOT_SAMPLED;
  }

  /** The command was answered. @param n number of the answer's code */
  settle(rid: number, n: number): void {
    this.inFlight--;
    this.admission.leave();
    this.metrics.count('ws', n);
    if (rid === this.sampledRid) {
      this.sampledRid = NOT_SAMPLED;
      this.metrics.observe('ws', this.sampledAtMs);
    }
  }

  queueAnswer(rid: number, n: number, lsn: number): void {
    if (!this.open) return;
    const i = this.answersLength;
    if (i === this.answers.length) this.growAnswers();
    this.answers[i] = rid;
    this.answers[i + 1] = n;
    this.answers[i + 2] = lsn;
    this.answersLength = i + ANSWER_FIELDS;
    this.flusher.mark(this);
  }

  queueFrame(frame: string | Uint8Array): void {
    if (!this.open) return;
    this.frames.push(frame);
    this.flusher.mark(this);
  }

  /** Queues a map reply in the encoding of its request. */
  queueReply(isBinary: boolean, reply: object): void {
    if (this.open) this.queueFrame(isBinary ? encodeMsgpack(reply) : encodeJson(reply));
  }

  /** A refusal that the gateway itself decides, of a command that never was in flight. */
  queueRefusal(isBinary: boolean, rid: unknown, refusal: Refusal): void {
    this.metrics.count('ws', CODES[refusal.code].n);
    this.queueReply(isBinary, isRid(rid) ? { rid, ...refusal } : refusal);
  }

  /**
   * Sends what is queued. Closes the connection when its client leaves too much unread. One run of large replies may go
   * over the limit by itself; adding to a backlog may not.
   */
  flush(): void {
    const queued = this.answersLength / ANSWER_FIELDS + this.frames.length;
    if (queued === 0) return;
    if (queued === 1) {
      // Whether all of it went is told for one send, not for those in a cork.
      if (this.sendQueued() === SENT && this.unread === 0) return;
    } else this.ws.cork(this.sendAll);
    const unread = this.unreadReplies();
    const slow = this.unread > 0 && unread > this.limits.backpressureBytes;
    this.unread = unread;
    if (slow) this.end(CLOSE.slowReader, 'replies are not read');
  }

  /** The socket has taken some of what was left unread. */
  drained(): void {
    if (!this.open) return;
    this.unread = this.unreadReplies();
    this.outlet?.send();
  }

  private unreadReplies(): number {
    const buffered = this.ws.getBufferedAmount();
    return this.outlet === undefined ? buffered : this.outlet.repliesIn(buffered);
  }

  /** Closes with a code; what is queued behind it is lost, and `status` tells. */
  end(code: number, reason: string): void {
    if (!this.open) return;
    this.closed();
    this.ws.end(code, reason);
  }

  /** The socket is gone. */
  closed(): void {
    this.open = false;
    this.answersLength = 0;
    this.frames.length = 0;
    this.outlet?.close();
  }

  /** @returns what became of the last one */
  private sendQueued(): number {
    const { ws, answers, frames } = this;
    let status = 0;
    for (let i = 0; i < this.answersLength; i += ANSWER_FIELDS) {
      status = ws.send(encodeAnswer(answers[i]!, answers[i + 1]!, answers[i + 2]!), true);
    }
    for (let i = 0; i < frames.length; i++) {
      const frame = frames[i]!;
      status = ws.send(frame, typeof frame !== 'string');
    }
    this.answersLength = 0;
    frames.length = 0;
    return status;
  }

  private growAnswers(): void {
    const larger = new Float64Array(this.answers.length * 2);
    larger.set(this.answers);
    this.answers = larger;
  }
}

/** Whether a frame's `rid` can be echoed: an integer from 0 to 2^32-1. */
export function isRid(rid: unknown): rid is number {
  return typeof rid === 'number' && rid >>> 0 === rid;
}

class BinaryAnswers implements CompactSink {
  constructor(private readonly connection: Connection) {}

  answer(rid: number, n: number, lsn: number): void {
    this.connection.settle(rid, n);
    this.connection.queueAnswer(rid, n, lsn);
  }

  answerBatch(rid: number, lsn: number, refused: readonly (readonly [number, number])[]): void {
    this.connection.settle(rid, CODES.ok.n);
    if (this.connection.open) this.connection.queueFrame(encodeMsgpack([rid, CODES.ok.n, lsn, refused]));
  }
}

class TextAnswers implements CompactSink {
  constructor(private readonly connection: Connection) {}

  answer(rid: number, n: number, lsn: number): void {
    this.connection.settle(rid, n);
    this.connection.queueFrame(n <= CODES.duplicate.n ? `[${rid},${n},${lsn}]` : `[${rid},${n}]`);
  }

  answerBatch(rid: number, lsn: number, refused: readonly (readonly [number, number])[]): void {
    this.connection.settle(rid, CODES.ok.n);
    if (this.connection.open) this.connection.queueFrame(JSON.stringify([rid, CODES.ok.n, lsn, refused]));
  }
}

/** The connections that have something to send. */
export class Flusher {
  private listed: Connection[] = [];
  private spare: Connection[] = [];
  private scheduled = false;

  /** @param onError called when a connection could not be flushed; it is closed then */
  constructor(private readonly onError: (error: unknown) => void) {}

  mark(connection: Connection): void {
    if (connection.dirty) return;
    connection.dirty = true;
    this.listed.push(connection);
  }

  /** Flushes when the microtasks at hand are done: answers by promise come in runs too. */
  soon(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    queueMicrotask(() => this.flush());
  }

  flush(): void {
    this.scheduled = false;
    const list = this.listed;
    this.listed = this.spare;
    this.spare = list;
    for (let i = 0; i < list.length; i++) this.flushOne(list[i]!);
    list.length = 0;
  }

  private flushOne(connection: Connection): void {
    connection.dirty = false;
    try {
      connection.flush();
    } catch (error) {
      connection.closed();
      this.onError(error);
    }
  }
}
