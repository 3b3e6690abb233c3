import type { FileHandle } from 'node:fs/promises';
import type { BalanceBody, TransactionBody } from '../../engine/types.js';
import type { Delivery } from './delivery.js';
import { ClosedError, LedgerError, OfflineError, TimeoutError } from './errors.js';
import type { Journal } from './journal.js';
import type { Link } from './link.js';
import { withAmounts } from './money.js';
import {
  captureOperation,
  checkId,
  endOperation,
  holdOperation,
  makeId,
  type Operation,
  saleOperation,
  stamped,
} from './operation.js';
import type { Refusals } from './refusals.js';
import type { Reply, Requests } from './requests.js';
import type {
  CaptureInput,
  CaptureResult,
  ConnectionState,
  GiveUpResult,
  HoldInput,
  HoldResult,
  RefusedSale,
  SaleInput,
  SaleResult,
  Terminal,
  VoidResult,
} from './types.js';

/** A request without an answer for this many timeouts means that the connection is of no use, pings or not. */
const ANSWER_TIMEOUTS = 4;

/** What a terminal is made of, wired by `openTerminal`. */
export interface Parts {
  readonly name: string;
  readonly timeoutMs: number;
  readonly stampOffline: boolean;
  readonly lock: FileHandle;
  readonly journal: Journal;
  readonly refusals: Refusals;
  readonly requests: Requests;
  readonly delivery: Delivery;
  readonly link: Link;
  readonly onConnection: (state: ConnectionState) => void;
}

export class LedgerTerminal implements Terminal {
  readonly #parts: Parts;
  #state: ConnectionState = 'connecting';
  #connected: (() => void)[] = [];
  #closing: Promise<void> | undefined;
  readonly #overdue: NodeJS.Timeout;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#overdue = setInterval(() => {
      if (parts.requests.oldestMs() > parts.timeoutMs * ANSWER_TIMEOUTS) parts.link.drop();
    }, parts.timeoutMs);
  }

  get name(): string {
    return this.#parts.name;
  }

  get state(): ConnectionState {
    return this.#state;
  }

  get pending(): number {
    return this.#parts.delivery.pending;
  }

  /** The link tells of every change here. */
  connection(state: ConnectionState): void {
    if (this.#state === state || this.#state === 'closed') return;
    this.#state = state;
    for (const wake of this.#connected) wake();
    this.#connected = [];
    this.#parts.onConnection(state);
  }

  async sell(sale: SaleInput): Promise<SaleResult> {
    return (await this.#create(sale, saleOperation)) as SaleResult;
  }

  async hold(sale: HoldInput): Promise<HoldResult> {
    return (await this.#create(sale, holdOperation)) as HoldResult;
  }

  async capture(id: string, part: CaptureInput = {}): Promise<CaptureResult> {
    return (await this.#take(captureOperation(id, part))) as CaptureResult;
  }

  async void(id: string): Promise<VoidResult> {
    return (await this.#take(endOperation('void', id))) as VoidResult;
  }

  async giveUp(id: string): Promise<GiveUpResult> {
    return (await this.#take(endOperation('give_up', id))) as GiveUpResult;
  }

  async status(id: string): Promise<TransactionBody | undefined> {
    const reply = await this.#ask({ op: 'status', id: checkId(id) });
    if (reply.code === 'transaction_not_found') return undefined;
    return bodyOf(reply) as TransactionBody;
  }

  async balance(account: string): Promise<BalanceBody> {
    const reply = await this.#ask({ op: 'balance', account: checkId(account) });
    const body = bodyOf(reply) as BalanceBody;
    return { ...body, lsn: Number(body.lsn) };
  }

  refused(): readonly RefusedSale[] {
    return this.#parts.refusals.list();
  }

  async dismiss(id: string): Promise<void> {
    this.#mustBeOpen();
    await this.#parts.refusals.dismiss(id);
  }

  drained(): Promise<void> {
    return this.#parts.delivery.drained();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { link, delivery, journal, refusals, lock } = this.#parts;
    clearInterval(this.#overdue);
    this.connection('closed');
    link.close();
    await delivery.close();
    await journal.close();
    await refusals.close();
    await lock.close();
  }

  /**
   * Takes a sale or a hold, with the time of this machine when it is taken offline under an id made here. Under an id
   * of the application's own it stays as it came: its next try of that id would have another time, and be another sale.
   */
  #create<T extends SaleInput>(input: T, operation: (input: T, id: string) => Operation) {
    const op = operation(input, input.id ?? makeId(this.name));
    const stamp = input.id === undefined && this.#state !== 'online' && this.#parts.stampOffline;
    return this.#take(stamp ? stamped(op, new Date()) : op);
  }

  #take(op: Operation) {
    return this.#parts.delivery.take(op);
  }

  /** Asks a question that changes nothing. */
  async #ask(question: { readonly [field: string]: unknown }): Promise<Reply> {
    this.#mustBeOpen();
    if (this.#state === 'connecting') await this.#stateChange();
    this.#mustBeOpen();
    if (this.#state !== 'online') throw new OfflineError('there is no connection to the ledger');
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new TimeoutError(`no answer in ${this.#parts.timeoutMs} ms`)),
        this.#parts.timeoutMs,
      );
      this.#parts.requests.request(
        (rid) => ({ rid, ...question }),
        (answer) => {
          clearTimeout(timer);
          if (answer === 'lost') reject(new OfflineError('the connection was lost'));
          else resolve(answer);
        },
      );
    });
  }

  /** Waits for the first connection to succeed or fail. */
  #stateChange(): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new TimeoutError(`no connection in ${this.#parts.timeoutMs} ms`)),
        this.#parts.timeoutMs,
      );
      this.#connected.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #mustBeOpen(): void {
    if (this.#state === 'closed') throw new ClosedError('the terminal is closed');
  }
}

function bodyOf(reply: Reply): unknown {
  if (reply.code !== 'ok' && reply.code !== 'duplicate') {
    throw new LedgerError(reply.code, String(reply.body['detail'] ?? reply.code));
  }
  const { rid: _rid, ok: _ok, ...body } = reply.body;
  return withAmounts(body);
}
