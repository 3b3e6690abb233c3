import type { RefusalCode } from './codes.js';

/** A positive count of minor units on the way in: exact integer, bigint, or digits. */
export type AmountInput = number | bigint | string;

export type AccountType = 'asset' | 'expense' | 'liability' | 'equity' | 'revenue';

export type Metadata = { readonly [key: string]: unknown };

export interface PostingInput {
  readonly account: string;
  readonly debit?: AmountInput;
  readonly credit?: AmountInput;
  readonly tag?: string;
}

/** What may be said about a transaction or an end. */
export interface DescribedInput {
  readonly code?: string;
  /** 1-64 printable ASCII characters. */
  readonly reference?: string;
  /** RFC 3339, UTC. When it happened for the books; the commit's time when absent. */
  readonly effective_at?: string;
  readonly metadata?: Metadata;
}

export interface PendingInput {
  /** Whole seconds, 1 to ten years. */
  readonly expires_in?: number;
  /** Someone else, with `transactions:approve`, must post it. */
  readonly approval?: boolean;
}

/** A transaction: `postings`, or `debit`, `credit` and `amount` for the two-posting form. */
export interface TransactionInput extends DescribedInput {
  readonly id: string;
  readonly postings?: readonly PostingInput[];
  readonly debit?: string;
  readonly credit?: string;
  readonly amount?: AmountInput;
  readonly currency?: string;
  readonly pending?: boolean | PendingInput;
}

/** Part of a pending or posted transaction: `amount` (two postings) or `postings`; the whole when neither. */
export interface PartInput extends DescribedInput {
  readonly amount?: AmountInput;
  readonly postings?: readonly PostingInput[];
}

export interface ReversalInput extends PartInput {
  /** The id of the new transaction. */
  readonly id: string;
}

export interface AccountInput {
  readonly id: string;
  readonly currency: string;
  readonly type: AccountType;
  /** On the normal side; negative = overdraft limit; null = none. Default 0 for asset and liability, null otherwise. */
  readonly min_balance?: AmountInput | null;
  readonly max_balance?: AmountInput | null;
  readonly group?: string;
  readonly metadata?: Metadata;
}

export interface AccountUpdateInput {
  readonly frozen?: boolean;
  readonly closed?: boolean;
  readonly min_balance?: AmountInput | null;
  readonly max_balance?: AmountInput | null;
  readonly group?: string | null;
  readonly metadata?: Metadata | null;
}

export type TransactionStatus = 'posted' | 'pending' | 'voided' | 'expired';

/** The answer to a transaction, reversal or tombstone. Amounts are bigint, times RFC 3339. */
export interface TransactionReply {
  readonly id: string;
  readonly status: TransactionStatus;
  readonly lsn: number;
  readonly committed_at: string;
  /** Absent in a duplicate's answer. */
  readonly balances?: { readonly [account: string]: bigint };
  readonly duplicate?: true;
}

export interface PostingBody {
  readonly account: string;
  readonly debit?: bigint;
  readonly credit?: bigint;
  readonly tag?: string;
}

export interface EndBody {
  readonly status: 'posted' | 'voided' | 'expired';
  readonly lsn: number;
  readonly committed_at: string;
  readonly by?: string;
  readonly terminal?: string;
  /** What was captured; absent when nothing was. */
  readonly postings?: readonly PostingBody[];
  readonly code?: string;
  readonly reference?: string;
  readonly effective_at?: string;
  readonly metadata?: Metadata;
}

export interface ReversalBody {
  readonly id: string;
  readonly lsn: number;
  readonly committed_at: string;
  readonly postings: readonly PostingBody[];
}

/** What a transaction was and how it stands: the body of `GET /v1/transactions/{id}`. */
export interface TransactionBody {
  readonly id: string;
  readonly status: TransactionStatus;
  readonly lsn: number;
  readonly committed_at: string;
  readonly effective_at?: string;
  readonly by?: string;
  readonly terminal?: string;
  readonly postings?: readonly PostingBody[];
  readonly currency?: string;
  readonly pending?: { readonly expires_at?: string; readonly approval?: true };
  readonly code?: string;
  readonly reference?: string;
  readonly metadata?: Metadata;
  /** Set on a reversal: the transaction it undoes. */
  readonly reverses?: string;
  readonly end?: EndBody;
  readonly reversals?: readonly ReversalBody[];
}

/** Exactly the balance at `lsn`. */
export interface BalanceBody {
  readonly account: string;
  readonly currency: string;
  /** On the normal side. */
  readonly balance: bigint;
  /** balance - min_balance - pending outflow; null without a minimum. */
  readonly available: bigint | null;
  readonly debits_posted: bigint;
  readonly credits_posted: bigint;
  readonly debits_pending: bigint;
  readonly credits_pending: bigint;
  readonly lsn: number;
}

export interface AccountBody extends BalanceBody {
  readonly id: string;
  readonly type: AccountType;
  readonly min_balance: bigint | null;
  readonly max_balance: bigint | null;
  readonly frozen: boolean;
  readonly closed: boolean;
  readonly group?: string;
  readonly metadata?: Metadata;
}

/** A refusal is a value: the code and what the contract adds to it. Nothing was changed. */
export interface Refusal {
  readonly ok: false;
  readonly code: RefusalCode;
  readonly detail: string;
  /** JSON pointer to the field at fault. */
  readonly pointer?: string;
  readonly permission?: string;
  readonly account?: string;
  readonly available?: bigint;
  readonly required?: bigint;
  readonly shortage?: bigint;
  readonly limit?: number;
}

/** `created` tells a 201 from a 200. */
export interface Accepted<T> {
  readonly ok: true;
  readonly created: boolean;
  readonly body: T;
}

export type Outcome<T> = Accepted<T> | Refusal;

/** One entry of a batch's results: the body, or the refusal with the entry's id. */
export type BatchEntry<T> = ({ readonly ok: true } & T) | (Refusal & { readonly id?: string });
export interface BatchBody<T> {
  readonly results: readonly BatchEntry<T>[];
}
