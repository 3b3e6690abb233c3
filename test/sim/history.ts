import type { Outcome } from '../../engine/types.js';
import type { Caller, CompactSink, Session } from '../../src/session.js';
import { perform } from '../support/perform.js';
import { Call, type Deed, describeCall, type What } from './call.js';

/** A ledger that is up, as its clients meet it. */
export interface Connection {
  as(caller: Caller): Session;
  /** Ledger time of the fronts, ms since the epoch. */
  now(): number;
  /** The durable LSN: no answer shows more. */
  durable(): number;
  /** By how much {@link now} may differ from what a front saw at that moment, ms. Default 0. */
  readonly clockErrorMs?: number;
  /** Whether a call may fail without an answer now: the process is dying, or what it asks for has rotted on the disk. */
  isExcused?(): boolean;
}

/**
 * Everything that clients said and heard, in the order in which they could know of it. An answer counts from the moment its client has it;
 * whatever is asked after that must take it into account.
 */
export class History {
  readonly calls: Call[] = [];
  /** Calls that were answered, in that order. */
  readonly answers: Call[] = [];
  /** Without an answer yet. */
  inFlight = 0;
  private highestLsn = 0;
  private connection: Connection | undefined;
  private readonly faults: Error[] = [];
  private readonly sinks = new Map<number, Call>();
  /** Called with each call that was answered, in the moment in which its client hears it. */
  onAnswered: ((call: Call) => void) | undefined;

  /** The ledger is up. */
  connect(connection: Connection): void {
    this.connection = connection;
  }

  /** The ledger went down: what was not answered never will be. */
  disconnect(): void {
    this.connection = undefined;
    for (const call of this.calls) if (call.isOpen) call.isLost = true;
    this.inFlight = 0;
  }

  get isConnected(): boolean {
    return this.connection !== undefined;
  }

  get now(): number {
    return this.connection!.now();
  }

  /** All that is durable counts as known: for questions that are asked when nothing else is under way. */
  knowDurable(): void {
    this.highestLsn = Math.max(this.highestLsn, this.connection!.durable());
  }

  /** The number that the next call will have. */
  get nextCall(): number {
    return this.calls.length + 1;
  }

  /** Starts a call; its answer is noted when it comes. */
  start(action: number, caller: Caller, what: What): Call {
    const connection = this.connection!;
    const begun = {
      told: this.answers.length,
      lsn: this.highestLsn,
      durable: connection.durable(),
      now: connection.now(),
      clockErrorMs: connection.clockErrorMs ?? 0,
    };
    const call = new Call(this.calls.length + 1, action, caller, what, begun);
    this.calls.push(call);
    this.inFlight++;
    this.send(connection.as(caller), call);
    return call;
  }

  private send(session: Session, call: Call): void {
    const { what } = call;
    if (what.kind === 'compact' || what.kind === 'compactBatch') {
      this.sinks.set(call.n, call);
      if (!session.compact(what.frame, this.sink)) this.fault(new Error(`no frame: ${describeCall(call)}`));
      return;
    }
    let answer: Promise<Outcome<object>>;
    if (what.kind === 'batch') answer = session.batch({ transactions: what.bodies });
    else if (what.kind === 'accounts') answer = session.createAccounts({ accounts: what.bodies });
    else answer = perform(session, what.command);
    answer.then(
      (outcome) => this.answered(call, () => call.takeOutcome(outcome)),
      (error: unknown) => this.failed(call, error),
    );
  }

  private failed(call: Call, error: unknown): void {
    if (!call.isOpen) return;
    if (this.connection?.isExcused?.()) {
      call.isLost = true;
      this.inFlight--;
    } else this.fault(new Error(`${String(error)}: ${describeCall(call)}`, { cause: error }));
  }

  private readonly sink: CompactSink = {
    answer: (rid, n, lsn) => this.compactAnswer(rid, (call) => call.takeCompact(n, lsn)),
    answerBatch: (rid, lsn, refused) =>
      this.compactAnswer(rid, (call) => call.takeCompactBatch(lsn, refused)),
  };

  private compactAnswer(rid: number, take: (call: Call) => void): void {
    const call = this.sinks.get(rid);
    if (call === undefined) this.fault(new Error(`an answer to frame ${rid}, which nobody sent`));
    else this.answered(call, () => take(call));
  }

  private answered(call: Call, take: () => void): void {
    if (!call.isOpen) {
      this.fault(
        new Error(`answered ${call.isLost ? 'after the ledger went down' : 'twice'}: ${describeCall(call)}`),
      );
      return;
    }
    try {
      take();
    } catch (error) {
      this.fault(error as Error);
    }
    const connection = this.connection!;
    call.answered({ order: this.answers.length, durable: connection.durable(), now: connection.now() });
    this.answers.push(call);
    this.inFlight--;
    this.highestLsn = Math.max(this.highestLsn, call.shownLsn);
    if (call.shownLsn > connection.durable()) {
      this.fault(
        new Error(`shows LSN ${call.shownLsn}, durable is ${connection.durable()}: ${describeCall(call)}`),
      );
    }
    this.onAnswered?.(call);
  }

  private fault(error: Error): void {
    this.faults.push(error);
  }

  /** @throws what was wrong about an answer by itself */
  check(): void {
    if (this.faults[0] !== undefined) throw this.faults[0];
  }

  /** The commands of the calls from the nth on. */
  *deedsFrom(call: number): Generator<Deed> {
    for (let n = call; n < this.calls.length; n++) yield* this.calls[n]!.deeds;
  }
}
