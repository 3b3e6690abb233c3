import { join } from 'node:path';
import { openTerminal, type RefusedSale, type SettledEvent, type Terminal } from '../../src/client/index.js';
import type { Caller } from '../../src/session.js';
import { type Deed, keyOf } from '../support/deeds.js';
import { ROLES } from '../support/ledger.js';
import { within } from '../support/server.js';
import { makeToken } from '../support/token.js';
import type { Book, Said } from './book.js';

/**
 * Real terminals with their queues on disk: they sell on while the server is gone, and deliver by themselves when it is back. What they were told,
 * at once or by an event later, goes into the book.
 */

/** A till that has so much to deliver waits. */
const PENDING_MAX = 40;
const LANES = 4;
const DRAIN_MS = 60_000;

export class Till {
  private terminal: Terminal | undefined;
  private readonly caller: Caller;
  private readonly holds: { readonly id: string; readonly amount: number }[] = [];
  private failure: Error | undefined;
  /** Of the last outcome that could not be known for a while. */
  private undecided = '';

  constructor(
    private readonly name: string,
    private readonly port: number,
    private readonly directory: string,
    private readonly book: Book,
  ) {
    this.caller = { tenant: 'shop', by: name, terminal: name, permissions: ROLES.pos };
  }

  async open(): Promise<void> {
    this.terminal = await openTerminal({
      url: `ws://127.0.0.1:${this.port}`,
      token: makeToken({ sub: this.name, role: 'pos', terminal: this.name }),
      queue: join(this.directory, this.name),
      name: this.name,
      journal: this.book.random(2) === 0 ? 'always' : 'offline',
      timeout_ms: 500,
      heartbeat_ms: 500,
      reconnect_min_ms: 5,
      reconnect_max_ms: 100,
      window: 8,
      onSettled: (event) => this.noting(() => this.settled(event)),
      onRefused: (sale) => this.noting(() => this.refused(sale)),
      onProblem: ({ kind, detail }) => {
        // While the server comes and goes an outcome may be unknown for a while; everything else is a fault.
        if (kind === 'undecided') this.undecided = detail;
        else this.failure ??= new Error(`${this.name}: ${kind}: ${detail}`);
      },
    });
  }

  /** Sells until told to stop, with and without a server. */
  async trade(isOver: () => boolean): Promise<void> {
    const lane = async () => {
      while (!isOver()) {
        if (this.terminal!.pending < PENDING_MAX) await this.one();
        else await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    this.check();
  }

  /** Everything in the queue has been delivered, and all events have come. */
  async drained(): Promise<void> {
    await within(
      this.terminal!.drained(),
      DRAIN_MS,
      () => `${this.terminal!.pending} wait in ${this.name}; ${this.undecided}`,
    );
    this.check();
    for (const { id } of this.terminal!.refused()) await this.terminal!.dismiss(id);
  }

  /** The till is switched off; its queue stays. */
  async close(): Promise<void> {
    await this.terminal?.close();
    this.check();
  }

  private check(): void {
    if (this.failure !== undefined) throw this.failure;
  }

  private noting(note: () => void): void {
    try {
      note();
    } catch (error) {
      this.failure ??= error as Error;
    }
  }

  private async one(): Promise<void> {
    const { book } = this;
    const dice = book.random(12);
    const hold = dice <= 3 ? this.holds.shift() : undefined;
    if (hold !== undefined) await (book.random(3) === 0 ? this.void(hold.id) : this.capture(hold));
    else if (dice <= 4) await this.hold();
    else await this.sell(dice === 5);
  }

  private say(deed: Deed): Said {
    return this.book.say('map', [deed])[0]!;
  }

  private async sell(isGivenUp: boolean): Promise<void> {
    const { book } = this;
    const id = book.nextId(this.name);
    const body = { id, debit: book.anyTill(), credit: 'sales', amount: 1 + book.random(30) };
    const sale = this.say({ op: 'transaction', caller: this.caller, body });
    // A refusal whose other copies may be under way is made sure of by a void, which the log then has.
    const void_ = this.say({ op: 'void', caller: this.caller, id });
    const selling = this.terminal!.sell(body);
    if (isGivenUp) {
      const ending = await this.terminal!.giveUp(id);
      if (ending.status === 'given_up') this.end(sale, void_, 'given_up', ending.lsn);
      else if (ending.status === 'posted') this.end(sale, void_, 'posted', ending.lsn);
    }
    const result = await selling;
    if (result.status === 'posted') this.end(sale, void_, 'posted', result.lsn);
    else if (result.status === 'refused') this.end(sale, void_, result.code, 0);
  }

  private async hold(): Promise<void> {
    const { deed } = this.say(this.book.hold(this.caller));
    const body = (deed as Deed & { op: 'transaction' }).body as {
      id: string;
      debit: string;
      credit: string;
      amount: number;
      pending: true | { expires_in: number };
    };
    this.say({ op: 'void', caller: this.caller, id: body.id });
    this.say({ op: 'post', caller: this.caller, id: body.id, body: {} });
    const { id, debit, credit, amount, pending } = body;
    const expiry = pending === true ? {} : pending;
    const result = await this.terminal!.hold({ id, debit, credit, amount, ...expiry });
    this.outcome(`transaction ${id}`, result);
    if (result.status === 'pending') this.holds.push({ id, amount });
  }

  private async capture({ id }: { readonly id: string }): Promise<void> {
    this.outcome(`post ${id}`, await this.terminal!.capture(id));
  }

  private async void(id: string): Promise<void> {
    this.outcome(`void ${id}`, await this.terminal!.void(id));
  }

  private outcome(
    key: string,
    result: { readonly status: string; readonly code?: string; readonly lsn?: number },
  ): void {
    if (result.status === 'queued') return;
    const said = this.book.said.get(key)!;
    if (result.code !== undefined) this.book.refuse(said, result.code);
    else this.book.answered(said, { lsn: result.lsn!, isExact: false, isAgain: false });
  }

  private settled({ kind, id, status, lsn }: SettledEvent): void {
    const { said } = this.book;
    const sale = said.get(`transaction ${id}`)!;
    const void_ = said.get(`void ${id}`)!;
    if (kind === 'sale' || kind === 'give_up') this.end(sale, void_, status, lsn);
    else if (kind === 'hold') this.outcome(`transaction ${id}`, { status, lsn });
    else this.outcome(kind === 'capture' ? `post ${id}` : `void ${id}`, { status, lsn });
  }

  private refused({ kind, id, code }: RefusedSale): void {
    const { said } = this.book;
    if (kind === 'sale') this.end(said.get(`transaction ${id}`)!, said.get(`void ${id}`)!, code, 0);
    else
      this.outcome(kind === 'capture' ? `post ${id}` : kind === 'void' ? `void ${id}` : `transaction ${id}`, {
        status: 'refused',
        code,
      });
  }

  /** How a sale ended, by itself or by being given up; the second word about it must agree with the first. */
  private end(sale: Said, void_: Said, status: string, lsn: number): void {
    const isBooked = status === 'posted';
    if (sale.state !== 'sent') {
      if ((sale.state === 'done') !== isBooked)
        throw new Error(`${keyOf(sale.deed)} is ${sale.state} and then ${status}`);
      return;
    }
    const verdict = { lsn, isExact: false, isAgain: false };
    if (isBooked) {
      this.book.answered(sale, verdict);
      // There is nothing to void then, and nothing was voided.
      this.book.giveUp(void_);
    } else if (status === 'given_up') {
      this.book.giveUp(sale);
      this.book.answered(void_, verdict);
    } else this.book.refuse(sale, status);
  }
}
