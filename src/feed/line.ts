import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { FeedJoin } from './host.js';
import { WINDOW_BYTES } from './limits.js';
import {
  type FeedDelivery,
  type FeedFrame,
  type FeedRequest,
  FIGURES_BYTES,
  type Interest,
} from './messages.js';

/** Bytes that have left for a socket are told in sums of this, not frame by frame. */
const TOLD_BYTES = WINDOW_BYTES / 4;

/** Takes what a subscription is given. */
export interface FeedListener {
  /** What it is given is to be acknowledged with {@link Subscription.taken}. */
  frame(frame: FeedFrame): void;
  /** It is over, behind the frames so far. @param reason for the server's log @param lsn the one that cannot be read, if that is why */
  ended(reason: string, lsn: number | undefined): void;
}

/** A subscription, as its gateway holds it. */
export interface Subscription {
  /** So many bytes of its frames have left for the socket. */
  taken(bytes: number): void;
  /** Nothing more is wanted; nothing more comes. */
  stop(): void;
}

/** One gateway's line to the feed's thread. Made at once, it connects with the first subscription, and anew after the thread died. */
export class FeedLine {
  private port: MessagePort | undefined;
  private slowest: Float64Array = new Float64Array(1);
  private readonly listeners = new Map<number, FeedListener>();
  private next = 1;

  /**
   * @param join makes the feed's thread take the other end
   * @param durableLsn of the ledger, now
   */
  constructor(
    private readonly join: (join: FeedJoin) => void,
    readonly durableLsn: () => number,
  ) {}

  /** Subscriptions that stand. */
  get size(): number {
    return this.listeners.size;
  }

  /** LSNs that the slowest subscription is behind. */
  lag(): number {
    const behind = this.durableLsn() - this.slowest[0]!;
    return this.size === 0 ? 0 : Math.max(0, behind);
  }

  /** @param rid what its frames carry @param isBinary MessagePack, else JSON @param goalLsn the durable LSN that its client was told */
  subscribe(
    interest: Interest,
    rid: number,
    isBinary: boolean,
    goalLsn: number,
    listener: FeedListener,
  ): Subscription {
    const subscription = this.next++;
    this.listeners.set(subscription, listener);
    this.port ??= this.connect();
    const { port } = this;
    this.ask({ start: { ...interest, subscription, rid, isBinary, goalLsn } });
    let untold = 0;
    return {
      taken: (bytes) => {
        untold += bytes;
        if (untold < TOLD_BYTES || port !== this.port) return;
        this.ask({ taken: subscription, bytes: untold });
        untold = 0;
      },
      stop: () => {
        if (this.listeners.delete(subscription) && port === this.port) this.ask({ stop: subscription });
      },
    };
  }

  close(): void {
    const { port } = this;
    this.port = undefined;
    this.listeners.clear();
    port?.close();
  }

  private ask(request: FeedRequest): void {
    this.port?.postMessage(request);
  }

  private connect(): MessagePort {
    const { port1: port, port2 } = new MessageChannel();
    const figures = new SharedArrayBuffer(FIGURES_BYTES);
    this.slowest = new Float64Array(figures);
    this.slowest[0] = Number.POSITIVE_INFINITY;
    port.on('message', (delivery: FeedDelivery) => this.deliver(delivery));
    this.join({ port: port2, figures });
    return port;
  }

  private deliver({ frames, faults }: FeedDelivery): void {
    for (const frame of frames) this.listeners.get(frame.subscription)?.frame(frame);
    for (const { subscription, lsn, reason } of faults) {
      const listener = this.listeners.get(subscription);
      this.listeners.delete(subscription);
      listener?.ended(reason, lsn);
    }
  }

  /** The feed's thread is gone, and with it all that stood. */
  lost(): void {
    this.port?.close();
    this.port = undefined;
    const listeners = [...this.listeners.values()];
    this.listeners.clear();
    for (const listener of listeners) listener.ended("the feed's thread ended", undefined);
  }
}
