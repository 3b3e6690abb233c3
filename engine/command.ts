/**
 * The messages between threads, little endian; each begins with its length (see the mailbox). A command's payload is laid out as the
 * record's, so the shard copies it. Offsets are from the start of the message, which is 8-aligned.
 */

export const Op = {
  transaction: 1,
  pending: 2,
  post: 3,
  void: 4,
  reverse: 5,
  /** What is known of an id: facts by LSN. */
  lookup: 6,
  createAccount: 7,
  updateAccount: 8,
  readAccount: 9,
  /** The time passes: holds may expire. No answer. */
  tick: 10,
} as const;

/** Front to shard. */
export const Command = {
  op: 4,
  flags: 5,
  n: 6,
  /** `reverse` without postings: the code to refuse with unless the id is known. */
  code: 7,
  slot: 8,
  presence: 12,
  /** Words between header and payload: route and hash of each posting's account; `reverse`: then the original's fingerprint. */
  words: 14,
  payloadBytes: 16,
  /** `lookup`: the first reversal asked for. A transaction: the number of its batch at its front, or 0. */
  argument: 20,
  /** float64, ledger time in ms since the epoch. */
  time: 24,
  /** Four words: the id's fingerprint, or an account's route and hash in the first two. */
  fingerprint: 32,
  /** Two words. */
  content: 48,
  header: 56,
} as const;

export const CommandFlag = {
  /** The answer shall carry balances and the details of a refusal. */
  full: 1,
  /** All accounts must share a currency. */
  shareCurrency: 2,
  mayEndAny: 4,
  mayApprove: 8,
  /** `post`: one posting without an account gives the amount. */
  amountForm: 16,
  /** `post`, `void`: only if the id was never seen; else `forbidden` with n = 2. */
  ifUnknown: 32,
} as const;

/** Shard to front. The answer may leave when the durable LSN has reached `wait`. */
export const Result = {
  slot: 4,
  code: 8,
  flags: 9,
  n: 10,
  payloadBytes: 12,
  lsn: 16,
  wait: 24,
  header: 32,
} as const;

export const ResultFlag = {
  /** It was there before, with the same content. */
  known: 1,
  /** `lookup`: there are more reversals than were listed. */
  more: 2,
  /** Some balances could not be told at once; ask for them. */
  partial: 4,
} as const;

/** Reversals listed in one answer to a lookup. */
export const LOOKUP_REVERSALS = 32;

/** Shard to shard. */
export const Peer = {
  type: 4,
  kind: 5,
  n: 6,
  code: 7,
  /** The job at the home that asked. */
  slot: 8,
  words: 12,
  /** settle: the transaction's LSN; answer no: the LSN that must be durable before it is told. */
  lsn: 16,
  presence: 24,
  payloadBytes: 28,
  header: 32,
} as const;

export const PeerType = { ask: 1, answer: 2, settle: 3, release: 4 } as const;

/** Shard to writer: LSN as float64, then the record. */
export const LogMessage = { lsn: 8, record: 16 } as const;
