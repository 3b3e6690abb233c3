import type {
  AccountBody,
  AccountInput,
  AccountUpdateInput,
  BalanceBody,
  BatchBody,
  DescribedInput,
  Outcome,
  PartInput,
  ReversalInput,
  TransactionBody,
  TransactionInput,
  TransactionReply,
} from '../engine/types.js';
import type { CompactFrame } from './ledger/compact-frame.js';

/** What a caller may do. Roles are mapped to these in one table at the gateway. */
export const PERMISSIONS = [
  'accounts:create',
  'accounts:read',
  'accounts:update',
  'transactions:create',
  'transactions:read',
  'transactions:end',
  'transactions:end_any',
  'transactions:approve',
  'transactions:reverse',
  'analytics:read',
  'analytics:sql',
  'analytics:rates',
] as const;
export type Permission = (typeof PERMISSIONS)[number];

/** On whose behalf commands are given; kept in every record they lead to. */
export interface Caller {
  /** 1-64 bytes of the id alphabet. */
  readonly tenant: string;
  /** Who: the token's `sub`. 1-64 printable ASCII characters. */
  readonly by: string;
  /** From where: the token's `terminal`. 1-64 printable ASCII characters. */
  readonly terminal?: string;
  /** All of them when absent. */
  readonly permissions?: ReadonlySet<Permission>;
  /** Prefixes of account ids that may be debited, credited or read; all when absent. */
  readonly accounts?: readonly string[];
}

/** Takes the answers of compact commands, in the order they become durable. */
export interface CompactSink {
  /**
   * One compact command was answered.
   * @param rid the frame's own number
   * @param n code number: 0 done, 1 duplicate, otherwise refused
   * @param lsn of the transaction (n 0 or 1), otherwise 0
   */
  answer(rid: number, n: number, lsn: number): void;
  /**
   * A compact batch was answered.
   * @param lsn the highest of its entries (0 when none was accepted)
   * @param refused index and code of each entry that is not `ok` (duplicates, n = 1, included)
   */
  answerBatch(rid: number, lsn: number, refused: readonly (readonly [index: number, n: number])[]): void;
}

/**
 * Every operation of the ledger as a typed call on behalf of one caller. Bodies are checked at run time: what comes
 * from a socket may be passed on as it was decoded, and a fault comes back as a refusal with a `pointer`.
 * An answer is given only when all that it shows is durable.
 */
export interface Session {
  readonly caller: Caller;
  transaction(body: TransactionInput): Promise<Outcome<TransactionReply>>;
  batch(body: {
    readonly transactions: readonly TransactionInput[];
  }): Promise<Outcome<BatchBody<TransactionReply>>>;
  post(id: string, body?: PartInput): Promise<Outcome<TransactionBody>>;
  void(id: string, body?: DescribedInput): Promise<Outcome<TransactionBody>>;
  reverse(original: string, body: ReversalInput): Promise<Outcome<TransactionReply>>;
  status(id: string): Promise<Outcome<TransactionBody>>;
  createAccount(body: AccountInput): Promise<Outcome<AccountBody>>;
  createAccounts(body: {
    readonly accounts: readonly AccountInput[];
  }): Promise<Outcome<BatchBody<AccountBody>>>;
  account(id: string): Promise<Outcome<AccountBody>>;
  balance(id: string): Promise<Outcome<BalanceBody>>;
  updateAccount(id: string, body: AccountUpdateInput): Promise<Outcome<AccountBody>>;
  /**
   * The terminals' way in: a decoded compact frame, `[rid, id, ...]` or `[rid, [[id, ...], ...]]`, without a promise. Answers, refusals
   * included, come through the sink; what is wrong with the frame itself is answered before this returns.
   * @returns false when the frame has no usable rid: nothing was done
   */
  compact(frame: readonly unknown[], sink: CompactSink): boolean;
  /**
   * The same from the bytes of a MessagePack frame, read before this returns: the short way, for what terminals ordinarily send.
   * @param frame opened, with a rid
   * @returns false when it holds anything else: nothing was done; decoded, it can go the long way, which says what it is
   */
  compactFrame(frame: CompactFrame, sink: CompactSink): boolean;
}
