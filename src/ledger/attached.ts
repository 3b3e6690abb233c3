import { Control } from '../../engine/control.js';
import { FeedLine } from '../feed/line.js';
import { Front } from './front.js';
import { ReaderClient } from './reader-client.js';
import { noRoom } from './room.js';
import type { Threads } from './threads.js';
import { type Attachment, ledgerTime } from './wiring.js';

/** A front on another thread than the one that started the ledger. Threads and files are that one's business. */
export class AttachedThreads implements Threads {
  readonly ledgerId: string;
  readonly key: Uint8Array;
  readonly shards: number;
  readonly control: Control;
  readonly front: Front;
  readonly reader: ReaderClient;
  readonly feed: FeedLine;
  /** Known to the main thread only. */
  readonly checkpointLsn = 0;
  readonly attachments = [];
  readonly failed: Promise<Error>;
  private fatal: Error | undefined;
  private closing: Promise<void> | undefined;

  constructor(private readonly attachment: Attachment) {
    const { wiring, front } = attachment;
    this.ledgerId = attachment.ledgerId;
    this.key = attachment.key;
    this.shards = attachment.shards;
    this.control = new Control(wiring.control);
    this.reader = new ReaderClient(attachment.reader);
    this.feed = new FeedLine(
      (join) => attachment.feed.postMessage(join, [join.port]),
      () => this.control.durableLsn(),
    );
    attachment.feed.on('message', () => this.feed.lost());
    this.front = new Front({
      front,
      control: this.control,
      commands: wiring.commands[front]!,
      results: wiring.results[front]!,
      now: () => this.now(),
    });
    for (const port of attachment.doorbells) port.on('message', this.front.drain);
    this.failed = new Promise((resolve) => {
      attachment.failure.once('message', (reason: string) => {
        this.fatal = new Error(reason);
        resolve(this.fatal);
      });
    });
  }

  now(): number {
    return ledgerTime(this.attachment.clock);
  }

  notReady(): string | undefined {
    if (this.fatal !== undefined) return `the ledger stopped: ${this.fatal.message}`;
    return this.closing === undefined ? undefined : 'shutting down';
  }

  noRoom(): string | undefined {
    return noRoom(this.control);
  }

  guard(): void {
    throw new Error('only the thread that opened the ledger guards others');
  }

  release(): void {
    throw new Error('only the thread that opened the ledger guards others');
  }

  close(): Promise<void> {
    this.closing ??= this.stop();
    return this.closing;
  }

  private async stop(): Promise<void> {
    await Promise.race([settled(this.front, this.reader), this.failed]);
    this.reader.close();
    this.feed.close();
    this.attachment.feed.close();
    this.attachment.failure.close();
    for (const port of this.attachment.doorbells) port.close();
  }
}

/**
 * Resolves when no operation is under way. One may take several commands (a reversal, balances from other shards): its next follows in the
 * same turn of the event loop as the last answer, so it is over when a whole turn finds nothing.
 */
export async function settled(front: Front, reader: ReaderClient): Promise<void> {
  do {
    await front.whenIdle();
    await reader.whenIdle();
    await front.nextTurn();
  } while (front.inFlight > 0 || reader.isBusy);
}
