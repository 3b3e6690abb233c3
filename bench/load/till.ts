import type { Dialect, Line, Tally } from './dialect.js';
import type { Latencies } from './latencies.js';
import { type Template, writeDigits } from './template.js';

/** Numbers of accounts: of the debit side or the credit side. */
export type Chooser = (isCredit: boolean) => number;

/**
 * One connection that sends sales and counts replies.
 *
 * Messages lie one behind the other in a buffer made once; sending sets their digits and writes the buffer. As long as the kernel takes all
 * that is written at once, which it does while a few kilobytes are under way, nothing is copied or allocated.
 *
 * Replies may overtake each other; within a connection the first sent stands for the first answered, which leaves the counts of latencies
 * as they are.
 */
export class Till implements Tally {
  replies = 0;
  refused = 0;
  /** Called with the number of replies that just came. */
  onReplies: ((count: number) => void) | undefined;
  private out: Buffer;
  private readonly dueAt: Float64Array;
  private nextId = 0;
  private sent = 0;
  private rest: Buffer = Buffer.alloc(0);

  constructor(
    private readonly line: Line,
    private readonly dialect: Dialect,
    private readonly template: Template,
    private readonly choose: Chooser,
    private readonly latencies: Latencies,
    /** Messages that may be under way at once. */
    private readonly window: number,
    /** Messages written at once, at most. */
    together: number,
  ) {
    this.out = Buffer.alloc(template.bytes.length * together);
    for (let i = 0; i < together; i++) this.out.set(template.bytes, i * template.bytes.length);
    this.dueAt = new Float64Array(window);
    line.onBytes = (bytes) => this.take(bytes);
  }

  get unanswered(): number {
    return this.sent - this.replies;
  }

  /** Sends messages that were due at a time of `performance.now()`. @throws when more are unanswered than the window holds */
  send(count: number, dueAt: number): void {
    const { template, out, window } = this;
    if (this.unanswered + count > window)
      throw new Error(`${window} messages of one connection are unanswered`);
    const size = template.bytes.length;
    for (let i = 0; i < count; i++) {
      this.number(out, i * size);
      this.dueAt[this.sent++ % window] = dueAt;
    }
    const { socket } = this.line;
    socket.write(count * size === out.length ? out : out.subarray(0, count * size));
    // The kernel did not take all of it: the buffer is the socket's until it has.
    if (socket.writableLength > 0) this.out = Buffer.from(out);
  }

  private number(out: Buffer, at: number): void {
    const { idsAt, accountsAt } = this.template;
    const perSale = accountsAt.length / idsAt.length;
    let account = 0;
    for (let sale = 0; sale < idsAt.length; sale++) {
      writeDigits(out, at + idsAt[sale]!, this.nextId++);
      for (let leg = 0; leg < perSale; leg++)
        writeDigits(out, at + accountsAt[account++]!, this.choose(leg > 0));
    }
  }

  private take(news: Uint8Array): void {
    const bytes = this.rest.length === 0 ? news : Buffer.concat([this.rest, news]);
    const before = this.replies;
    const end = this.dialect.count(bytes, this);
    this.rest = end === bytes.length ? EMPTY : Buffer.from(bytes.subarray(end));
    if (this.replies === before) return;
    const now = performance.now();
    for (let reply = before; reply < this.replies; reply++)
      this.latencies.add(now - this.dueAt[reply % this.window]!);
    this.onReplies?.(this.replies - before);
  }
}

const EMPTY = Buffer.alloc(0);
