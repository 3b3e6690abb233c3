import type { RefusalCode } from '../../engine/codes.js';
import type {
  AmountInput,
  BalanceBody,
  Metadata,
  PostingInput,
  TransactionBody,
} from '../../engine/types.js';

interface Described {
  /** 1-32 bytes of `A-Z a-z 0-9 . _ : @ - { }`. */
  readonly code?: string;
  /** 1-64 printable ASCII characters. */
  readonly reference?: string;
  /** When it happened for the books: RFC 3339 in UTC, or a Date. */
  readonly effective_at?: string | Date;
  /** At most 1 KiB of JSON. The log is for ever: no personal data. */
  readonly metadata?: Metadata;
}

interface TwoPostings {
  readonly debit: string;
  readonly credit: string;
  readonly amount: AmountInput;
  readonly postings?: never;
}

interface ManyPostings {
  /** 2-64 postings whose debits equal their credits. */
  readonly postings: readonly PostingInput[];
  readonly debit?: never;
  readonly credit?: never;
  readonly amount?: never;
}

/** A sale: two accounts and an amount, or postings. */
export type SaleInput = Described & {
  /** Made from the terminal's name, the time and randomness when absent. */
  readonly id?: string;
  /** All accounts must have this currency. */
  readonly currency?: string;
} & (TwoPostings | ManyPostings);

/** A sale that only reserves, until it is captured or voided. */
export type HoldInput = SaleInput & {
  /** Whole seconds until it expires by itself; never when absent. */
  readonly expires_in?: number;
  /** Someone else, with the right to approve, must capture it. */
  readonly approval?: boolean;
};

/** What to take of a hold: `amount` (of two postings) or `postings`; all of it when neither. */
export interface CaptureInput extends Described {
  readonly amount?: AmountInput;
  readonly postings?: readonly PostingInput[];
}

/** The ledger has it, durably. */
export interface Delivered<Status extends string> {
  readonly status: Status;
  readonly id: string;
  /** The record's LSN; for what went in a batch, the batch's highest, by which it is in the log. */
  readonly lsn: number;
  /**
   * It had arrived before: an earlier copy won. Nothing was done twice. For a hold it does not say how the hold stands
   * now: it may have been captured or voided, or have expired, since that earlier copy; `status` tells.
   */
  readonly duplicate: boolean;
}

/**
 * The ledger refused it: this was not booked, and no copy of it can be booked later. `id_reused`, `already_posted` and
 * `already_voided` say that something else happened to that id before, which stands: another sale under it, a capture
 * of other content, a void.
 */
export interface Refused {
  readonly status: 'refused';
  readonly id: string;
  readonly code: RefusalCode;
}

/**
 * It is on disk, synced, and will be delivered; `onSettled` or `onRefused` tells how it ended. After a `giveUp` of its
 * id it is the giving up that is on disk and tells, by its answer or its event.
 */
export interface Queued {
  readonly status: 'queued';
  readonly id: string;
}

export type SaleResult = Delivered<'posted'> | Refused | Queued;
export type HoldResult = Delivered<'pending'> | Refused | Queued;
export type CaptureResult = Delivered<'posted'> | Refused | Queued;
export type VoidResult = Delivered<'voided'> | Refused | Queued;
/** `posted`: it was booked before it could be given up, and stands. */
export type GiveUpResult = Delivered<'given_up'> | Delivered<'posted'> | Queued;

/** What was asked of the ledger. */
export type OperationKind = 'sale' | 'hold' | 'capture' | 'void' | 'give_up';

/** Something taken as `queued` has reached the ledger. */
export interface SettledEvent extends Delivered<'posted' | 'pending' | 'voided' | 'given_up'> {
  readonly kind: OperationKind;
}

/** Something taken as `queued` and then refused by the ledger: kept until dismissed. */
export interface RefusedSale {
  readonly id: string;
  readonly kind: OperationKind;
  readonly code: RefusalCode;
  /** RFC 3339: when the refusal came. */
  readonly refused_at: string;
  /** The fields as they were sent. */
  readonly body: { readonly [field: string]: unknown };
}

/** Something a person should look at. Nothing was lost by it, and the terminal goes on trying. */
export type Problem =
  /**
   * The server does not accept the token (401, or it expired; or there is no usable one), or does not let it in (403).
   * Also `forbidden`: the token may not ask what would tell how something ended; it stays pending and is asked again.
   */
  | { readonly kind: 'unauthenticated' | 'forbidden'; readonly detail: string }
  /** How something ended cannot be known for now; it stays pending and is asked again. `giveUp` may end it. */
  | { readonly kind: 'undecided'; readonly detail: string }
  /** Part of the queue file was unreadable; what was readable is kept, the file as it was is at `copy`. */
  | { readonly kind: 'queue_damaged'; readonly detail: string; readonly copy: string }
  /** The queue's disk failed; the terminal takes no more sales. */
  | { readonly kind: 'disk'; readonly detail: string };

export type ConnectionState = 'connecting' | 'online' | 'offline' | 'closed';

export interface TerminalOptions {
  /** `ws://host:port` or `wss://…` (`http`, `https` likewise); the path defaults to `/v1/ws`. */
  readonly url: string;
  /** Bearer token, or a function that gives a fresh one before each connection. */
  readonly token?: string | (() => string | Promise<string>);
  /** Directory of the offline queue; made when it is not there; one terminal at a time. */
  readonly queue: string;
  /** Beginning of the ids made here, 1-32 bytes of the id alphabet; a `{tag}` in it chooses the shard. Default `till`. */
  readonly name?: string;
  /**
   * `always` (default): on disk before it is sent, so that even the death of this process leaves no sale in doubt.
   * `offline`: on disk only when the answer does not come in time; saves a sync of the disk for each sale.
   */
  readonly journal?: 'always' | 'offline';
  /** How long a caller waits for the ledger, in ms, before the answer is `queued`. Default 5,000. */
  readonly timeout_ms?: number;
  /** Without a sign of life for this long, in ms, the server is pinged; for as long again, the connection is given up. Default 5,000. */
  readonly heartbeat_ms?: number;
  /** First and longest pause between attempts to connect, in ms; each is twice the one before, jittered. Default 100 and 10,000. */
  readonly reconnect_min_ms?: number;
  readonly reconnect_max_ms?: number;
  /** Sales in flight at once, 1-1,024; more wait and go in one frame. Default 64. */
  readonly window?: number;
  /**
   * Give sales and holds taken offline, under ids made here, the time of this machine as `effective_at` when they have
   * none. Under an id of the application's own nothing is added, so that it can try that id again. Default true.
   */
  readonly stamp_offline?: boolean;

  readonly onConnection?: (state: ConnectionState) => void;
  readonly onSettled?: (event: SettledEvent) => void;
  readonly onRefused?: (sale: RefusedSale) => void;
  readonly onProblem?: (problem: Problem) => void;
}

/** A point of sale's connection to its ledger, with a queue on disk for when there is none. */
export interface Terminal {
  readonly name: string;
  readonly state: ConnectionState;
  /** Taken and not yet settled: in flight or queued. */
  readonly pending: number;
  /** @throws RangeError for a malformed input, QueueError when the disk failed, ClosedError */
  sell(sale: SaleInput): Promise<SaleResult>;
  /** Reserves. @throws like `sell` */
  hold(sale: HoldInput): Promise<HoldResult>;
  /** Books a hold, all of it or part; the rest is released. @throws like `sell` */
  capture(id: string, part?: CaptureInput): Promise<CaptureResult>;
  /** Ends a hold without booking it; an id never seen is closed for good. @throws like `sell` */
  void(id: string): Promise<VoidResult>;
  /**
   * Gives up whatever was asked under this id: the ledger voids the id first, then it is forgotten here, so no late
   * copy can be booked. A sale that was booked already stands, and the answer says `posted`. It is never refused: as
   * long as the ledger does not say how the id stands, `onProblem` tells why and it is tried again. Whoever still waits
   * for what is given up is told `queued`, unless the ledger has booked it. @throws like `sell`
   */
  giveUp(id: string): Promise<GiveUpResult>;
  /**
   * How a transaction stands; undefined when the ledger has not seen it, which does not mean that no copy is under
   * way: to be sure of that, `giveUp` it. @throws OfflineError, TimeoutError, LedgerError, ClosedError
   */
  status(id: string): Promise<TransactionBody | undefined>;
  /** @throws OfflineError, TimeoutError, LedgerError (`account_not_found`, `forbidden`), ClosedError */
  balance(account: string): Promise<BalanceBody>;
  /** What was taken as `queued` and then refused, oldest first. */
  refused(): readonly RefusedSale[];
  /** Forgets the refusals of an id: someone has dealt with them. @throws QueueError, ClosedError */
  dismiss(id: string): Promise<void>;
  /** Resolves when nothing is pending. @throws ClosedError when the terminal is closed before that */
  drained(): Promise<void>;
  /** Closes connection and queue. What is pending stays on disk for the next time. */
  close(): Promise<void>;
}
