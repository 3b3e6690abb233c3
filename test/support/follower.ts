import type { Fields } from './exact-json.js';
import { until } from './server.js';
import type { Encoding, Wire } from './wire.js';

/** One subscription as its client sees it; throws on whatever the contract does not have. */
export class Follower {
  /** The reply's. */
  lsn = 0;
  rid = 0;
  /** The bodies of the events, in their order. */
  readonly transactions: Fields[] = [];
  /** How far it is: the LSN of the last event of either kind. */
  reached: number;
  frames = 0;
  progress = 0;
  /** The frame that ended it. */
  end: Fields | undefined;
  fault: Error | undefined;

  private constructor(fromLsn: number) {
    this.reached = fromLsn - 1;
  }

  /** @throws when it is refused */
  static async open(wire: Wire, fields: Fields = {}, encoding?: Encoding): Promise<Follower> {
    const follower = new Follower((fields['from_lsn'] as number | undefined) ?? 1);
    const reply = await wire.subscribe(fields, (frame) => follower.receive(frame), encoding);
    if (!reply.ok) throw new Error(`refused: ${JSON.stringify(reply)}`);
    follower.lsn = reply['lsn'] as number;
    follower.rid = reply.rid;
    return follower;
  }

  /** Waits until everything up to an LSN is behind it. */
  async through(lsn: number, deadlineMs = 30_000): Promise<void> {
    await until(
      () => this.fault !== undefined || this.end !== undefined || this.reached >= lsn,
      deadlineMs,
      () => `at ${this.reached} and not ${lsn}, ${this.transactions.length} transactions`,
    );
    if (this.fault !== undefined) throw this.fault;
    if (this.end !== undefined) throw new Error(`ended: ${JSON.stringify(this.end)}`);
  }

  get ids(): unknown[] {
    return this.transactions.map(({ id }) => id);
  }

  private receive(frame: Fields): void {
    try {
      if (this.end !== undefined) throw new Error('a frame behind the end');
      if (frame['ok'] === false) this.end = frame;
      else this.take(frame);
    } catch (error) {
      this.fault ??= error as Error;
    }
  }

  private take(frame: Fields): void {
    const { rid: _, events, ...rest } = frame as { rid: number; events: Fields[] };
    if (Object.keys(rest).length > 0) throw new Error(`unknown fields: ${JSON.stringify(rest)}`);
    if (events.length === 0) throw new Error('an empty frame');
    this.frames++;
    for (const { event, lsn, transaction, ...more } of events as Fields[]) {
      if (Object.keys(more).length > 0) throw new Error(`unknown fields: ${JSON.stringify(more)}`);
      if (!((lsn as number) > this.reached)) throw new Error(`LSN ${lsn} after ${this.reached}`);
      this.reached = lsn as number;
      if (event === 'progress' && transaction === undefined) this.progress++;
      else if (event === 'transaction' && (transaction as Fields)['lsn'] === lsn)
        this.transactions.push(transaction as Fields);
      else throw new Error(`not an event: ${JSON.stringify({ event, lsn, transaction })}`);
    }
  }
}
