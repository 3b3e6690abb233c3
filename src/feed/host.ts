import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { FeedLine } from './line.js';

/** What the feed's thread is started with. */
export interface FeedData {
  readonly data: string;
  /** The ledger's control words. */
  readonly control: SharedArrayBuffer;
}

/** A gateway that wants to talk to the feed's thread. */
export interface FeedJoin {
  readonly port: MessagePort;
  /** The LSN that the slowest of its subscriptions has reached, float64. */
  readonly figures: SharedArrayBuffer;
}

/**
 * The feed's thread, as the thread that opened the ledger sees it. It starts with the first gateway that wants it. Its death is no fault of
 * the ledger's: once it is over all gateways hear of it, and the next one that comes finds a new thread.
 */
export class FeedHost {
  /** For the gateway of this thread. */
  readonly line: FeedLine;
  /** To gateways on other threads. */
  private readonly others: MessagePort[] = [];
  private worker: Worker | undefined;
  private isClosed = false;

  constructor(
    private readonly feedData: FeedData,
    durableLsn: () => number,
  ) {
    this.line = new FeedLine((join) => this.join(join), durableLsn);
  }

  /** @returns what a {@link FeedLine} on another thread is made of: it takes what is to join, and brings word when the feed's thread died */
  attach(): MessagePort {
    const { port1, port2 } = new MessageChannel();
    port1.on('message', (join: FeedJoin) => this.join(join));
    // It must not keep a process running whose other threads are gone.
    port1.unref();
    this.others.push(port1);
    return port2;
  }

  /** Ends the thread. @returns when it has ended */
  async close(): Promise<void> {
    this.isClosed = true;
    this.line.close();
    for (const port of this.others) port.close();
    const { worker } = this;
    if (worker === undefined) return;
    const gone = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
    worker.postMessage('close');
    await gone;
  }

  private join(join: FeedJoin): void {
    if (this.isClosed) {
      join.port.close();
      return;
    }
    this.worker ??= this.start();
    this.worker.postMessage(join, [join.port]);
  }

  private start(): Worker {
    const worker = new Worker(new URL('../threads/feed.js', import.meta.url), {
      workerData: this.feedData,
      name: 'kassa-feed',
    } as ConstructorParameters<typeof Worker>[1]);
    let reason: string | undefined;
    worker.on('error', (error) => {
      reason = error instanceof Error ? error.message : String(error);
    });
    worker.on('exit', (code) => {
      this.worker = undefined;
      if (!this.isClosed) this.died(reason ?? `it ended (${code})`);
    });
    return worker;
  }

  private died(reason: string): void {
    process.stderr.write(
      `kassa: the thread of the live feed ended, the next subscription starts it anew: ${reason}\n`,
    );
    this.line.lost();
    for (const port of this.others) port.postMessage('lost');
  }
}
