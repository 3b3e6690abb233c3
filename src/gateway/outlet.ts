/**
 * The subscriptions of one connection, and the way out for what the feed gives them.
 *
 * The feed may fill a socket only a little: a frame is added while no more than SOCKET_BYTES wait in it, the rest stays here, and of each
 * subscription no more than its window. So a client that reads the feed slowly slows down the feed, for itself alone, and is not closed for it;
 * what waits in the socket for the feed's sake is not counted among the replies that it leaves unread.
 */
import type { Refusal } from '../../engine/types.js';
import { SOCKET_BYTES, SUBSCRIPTIONS_PER_CONNECTION, SUBSCRIPTIONS_PER_GATEWAY } from '../feed/limits.js';
import type { FeedLine, Subscription } from '../feed/line.js';
import { readSubscribe } from '../feed/request.js';
import type { Caller } from '../session.js';
import { encodeJson } from './json.js';
import { encodeMsgpack } from './msgpack.js';
import type { Body } from './operations.js';
import { pointerTo, refuse } from './refusal.js';
import type { WebSocket } from './uws.js';

/** What is told to those who run the server. */
export interface FeedLog {
  /** Transactions given to a socket. */
  sent(transactions: number): void;
  /** A subscription ended by a fault of this side. */
  ended(reason: string, lsn: number | undefined): void;
  /** The connection cannot be written to any more. */
  failed(error: unknown): void;
}

interface Parcel {
  readonly bytes: string | Uint8Array;
  readonly isBinary: boolean;
  readonly transactions: number;
  /** Undefined for the last word of one that has ended. */
  readonly of: Subscription | undefined;
}

export class Outlet {
  /** By rid. */
  private readonly standing = new Map<number, Subscription>();
  private waiting: Parcel[] = [];
  /** Of what the socket has not taken, so many bytes can be the feed's. */
  private unread = 0;

  constructor(
    private readonly ws: WebSocket<unknown>,
    private readonly feed: FeedLine,
    private readonly log: FeedLog,
  ) {}

  /** @param rid which the frames carry @param body the frame without `rid` and `op` @returns what the reply carries */
  subscribe(caller: Caller, rid: number, isBinary: boolean, body: Body): { readonly lsn: number } | Refusal {
    const lsn = this.feed.durableLsn();
    const interest = readSubscribe(caller, body, lsn);
    if ('ok' in interest) return interest;
    if (this.standing.has(rid)) {
      return refuse('invalid_request', 'a subscription of this rid stands', { pointer: pointerTo('rid') });
    }
    if (this.standing.size >= SUBSCRIPTIONS_PER_CONNECTION) {
      const detail = `a connection has at most ${SUBSCRIPTIONS_PER_CONNECTION} subscriptions`;
      return refuse('invalid_request', detail, { limit: SUBSCRIPTIONS_PER_CONNECTION });
    }
    if (this.feed.size >= SUBSCRIPTIONS_PER_GATEWAY) {
      return refuse('overloaded', 'there are too many subscriptions on this server', {
        limit: SUBSCRIPTIONS_PER_GATEWAY,
      });
    }
    const subscription = this.feed.subscribe(interest, rid, isBinary, lsn, {
      frame: ({ bytes, transactions }) => this.add({ bytes, isBinary, transactions, of: subscription }),
      ended: (reason, at) => this.ended(rid, isBinary, reason, at),
    });
    this.standing.set(rid, subscription);
    return { lsn };
  }

  /** @param body the frame without `rid` and `op` @returns what the reply carries */
  unsubscribe(body: Body): object | Refusal {
    const { subscription: rid, ...rest } = body;
    const [unknown] = Object.keys(rest);
    if (unknown !== undefined)
      return refuse('invalid_request', 'unknown field', { pointer: pointerTo(unknown) });
    const subscription = this.standing.get(rid as number);
    if (subscription === undefined) {
      const detail = 'subscription must be the rid of a subscription that stands';
      return refuse('invalid_request', detail, { pointer: pointerTo('subscription') });
    }
    this.standing.delete(rid as number);
    subscription.stop();
    this.waiting = this.waiting.filter(({ of }) => of !== subscription);
    return {};
  }

  /** How much of what the socket has not taken can be replies. @param buffered all that it has not taken */
  repliesIn(buffered: number): number {
    this.unread = Math.min(this.unread, buffered);
    return buffered - this.unread;
  }

  /** Adds what waits as far as the socket has room for it. Never throws. */
  send(): void {
    try {
      this.sendWaiting();
    } catch (error) {
      this.close();
      this.log.failed(error);
    }
  }

  private sendWaiting(): void {
    const { ws, waiting } = this;
    let sent = 0;
    for (; sent < waiting.length && ws.getBufferedAmount() <= SOCKET_BYTES; sent++) {
      const { bytes, isBinary, transactions, of } = waiting[sent]!;
      ws.send(bytes, isBinary);
      this.unread = Math.min(this.unread + bytes.length, ws.getBufferedAmount());
      if (transactions > 0) this.log.sent(transactions);
      of?.taken(bytes.length);
    }
    waiting.splice(0, sent);
  }

  /** The connection is gone. */
  close(): void {
    for (const subscription of this.standing.values()) subscription.stop();
    this.standing.clear();
    this.waiting.length = 0;
  }

  private add(parcel: Parcel): void {
    this.waiting.push(parcel);
    this.send();
  }

  /** The client hears of it behind all that came before, under the rid of the subscription, which is free again. */
  private ended(rid: number, isBinary: boolean, reason: string, lsn: number | undefined): void {
    this.standing.delete(rid);
    this.log.ended(reason, lsn);
    const detail =
      lsn === undefined ? 'the feed was interrupted: subscribe again' : `LSN ${lsn} cannot be read`;
    const end = { rid, event: 'end', ...refuse('not_ready', detail), ...(lsn !== undefined && { lsn }) };
    const bytes = isBinary ? encodeMsgpack(end) : encodeJson(end);
    this.add({ bytes, isBinary, transactions: 0, of: undefined });
  }
}
