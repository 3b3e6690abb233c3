import {
  type Accounts,
  CLOSED,
  CREDITS_PENDING,
  CREDITS_POSTED,
  DEBITS_PENDING,
  DEBITS_POSTED,
  FROZEN,
  HAS_MAX,
  HAS_MIN,
  MAX,
  MIN,
} from './accounts.js';
import { CODES } from './codes.js';
import { hashAccount, shardOf, type TenantKeys } from './hash.js';
import { AMOUNT_MAX } from './limits.js';
import { RecordKind, type RecordView } from './record.js';

/**
 * The rules of the ledger, pure: {@link fillPlan} turns postings into changes of accounts, {@link judge} says whether an account allows its
 * change, {@link applyPlan} makes them. No clock, no randomness, no I/O. Refusals are values, found before anything is changed.
 */

/** What accounts are changed by, netted by side; by place. All within 64 bits. */
export interface Changes {
  readonly debits: BigInt64Array;
  readonly credits: BigInt64Array;
  readonly debitsPending: BigInt64Array;
  readonly creditsPending: BigInt64Array;
}

/** The changes that one transaction makes to accounts of this shard: one row per account, netted by side. Reused. */
export class Plan implements Changes {
  /** Accounts changed. */
  n = 0;
  readonly rows: Int32Array;
  readonly debits: BigInt64Array;
  readonly credits: BigInt64Array;
  readonly debitsPending: BigInt64Array;
  readonly creditsPending: BigInt64Array;
  /** The account's row by leg; -1 when another shard owns it. */
  readonly rowOfLeg: Int32Array;
  /** Legs on accounts of other shards. */
  remote = 0;
  /** The leg at fault when {@link fillPlan} refuses. */
  leg = 0;

  /** @param legs that it has room for */
  constructor(legs: number) {
    this.rows = new Int32Array(legs);
    this.debits = new BigInt64Array(legs);
    this.credits = new BigInt64Array(legs);
    this.debitsPending = new BigInt64Array(legs);
    this.creditsPending = new BigInt64Array(legs);
    this.rowOfLeg = new Int32Array(legs);
  }
}

/** Route and hash of each posting's account, two words a leg, into `out`. */
export function hashPostings(view: RecordView, keys: TenantKeys, out: Uint32Array): void {
  for (let i = 0; i < view.n; i++) {
    const at = view.accountAt[i]!;
    hashAccount(view.view, at, at + view.accountLength[i]!, keys, out, i * 2);
  }
}

/**
 * The plan of a record or of a command's payload.
 * @param words route and hash of each leg's account, from `wordsAt`
 * @returns 0, or the code that refuses: an account of this shard that is not there, a sum beyond 2^63-1
 */
export function fillPlan(
  plan: Plan,
  view: RecordView,
  words: Uint32Array,
  wordsAt: number,
  accounts: Accounts,
  tenant: number,
  shard: number,
  shards: number,
): number {
  plan.n = 0;
  plan.remote = 0;
  const { kind } = view;
  for (let leg = 0; leg < view.n; leg++) {
    if (shards > 1 && shardOf(words[wordsAt + leg * 2]!, shards) !== shard) {
      plan.rowOfLeg[leg] = -1;
      plan.remote++;
      continue;
    }
    const row = accounts.find(
      words[wordsAt + leg * 2 + 1]!,
      tenant,
      view.bytes,
      view.accountAt[leg]!,
      view.accountLength[leg]!,
    );
    plan.rowOfLeg[leg] = row;
    if (row < 0) {
      plan.leg = leg;
      return CODES.account_not_found.n;
    }
    let at = 0;
    while (at < plan.n && plan.rows[at] !== row) at++;
    if (at === plan.n) {
      plan.rows[plan.n++] = row;
      plan.debits[at] = 0n;
      plan.credits[at] = 0n;
      plan.debitsPending[at] = 0n;
      plan.creditsPending[at] = 0n;
    }
    const isCredit = view.isCredit(leg);
    const posted = isCredit ? plan.credits : plan.debits;
    const pending = isCredit ? plan.creditsPending : plan.debitsPending;
    const amount = view.amounts[leg]!;
    if (kind === RecordKind.posted || kind === RecordKind.reversal || kind === RecordKind.post) {
      const sum = BigInt.asIntN(64, posted[at]! + amount);
      if (sum < 0n) return overflowAt(plan, leg);
      posted[at] = sum;
    } else if (kind === RecordKind.pending) {
      const sum = BigInt.asIntN(64, pending[at]! + amount);
      if (sum < 0n) return overflowAt(plan, leg);
      pending[at] = sum;
    }
    if (kind === RecordKind.post || kind === RecordKind.void || kind === RecordKind.expire) {
      pending[at] = BigInt.asIntN(64, pending[at]! - amount - view.released[leg]!);
    }
  }
  return 0;
}

function overflowAt(plan: Plan, leg: number): number {
  plan.leg = leg;
  return CODES.overflow.n;
}

/** What standing earmarks may still do to an account; sums of magnitudes, all >= 0. */
export interface Standing {
  /** To balance - pending outflow: taken and brought. */
  lowDown: bigint;
  lowUp: bigint;
  /** To balance + pending inflow: brought and taken. */
  highUp: bigint;
  highDown: bigint;
  /** To the sum of posted and pending debits, and of credits. */
  debitsUp: bigint;
  debitsDown: bigint;
  creditsUp: bigint;
  creditsDown: bigint;
}

/** Nothing stands. */
export function noStanding(): Standing {
  return {
    lowDown: 0n,
    lowUp: 0n,
    highUp: 0n,
    highDown: 0n,
    debitsUp: 0n,
    debitsDown: 0n,
    creditsUp: 0n,
    creditsDown: 0n,
  };
}

export const YES = 0;
/** Neither every nor no outcome of the standing earmarks allows it. */
export const PARK = -1;

/** Filled when {@link judge} refuses with insufficient_funds. */
export const shortfall = { available: 0n, required: 0n };

/** The change of (balance - pending outflow) that a planned change makes. */
export function lowChange(
  isDebitNormal: boolean,
  debits: bigint,
  credits: bigint,
  debitsPending: bigint,
  creditsPending: bigint,
): bigint {
  return isDebitNormal ? debits - credits - creditsPending : credits - debits - debitsPending;
}

/** The change of (balance + pending inflow). */
export function highChange(
  isDebitNormal: boolean,
  debits: bigint,
  credits: bigint,
  debitsPending: bigint,
  creditsPending: bigint,
): bigint {
  return isDebitNormal ? debits - credits + debitsPending : credits - debits + creditsPending;
}

/** balance - pending outflow - min_balance. Never negative; may exceed 2^63. Only with a minimum. */
export function available(accounts: Accounts, row: number): bigint {
  const figures = accounts.figures(row);
  const at = accounts.figuresAt(row);
  const up = accounts.isDebitNormal(row) ? 0 : 1;
  const down = 1 - up;
  return BigInt.asUintN(
    64,
    figures[at + up]! - figures[at + down]! - figures[at + DEBITS_PENDING + down]! - figures[at + MIN]!,
  );
}

/**
 * Whether an account allows a change, given what standing earmarks may still do: {@link YES} if every outcome of them allows it, a
 * code if none does, else {@link PARK}. A posted change counts with its net, a pending one leg by leg.
 *
 * Without standing earmarks all of it is 64-bit arithmetic that the compiler keeps in registers, so a sale leaves no bigints behind (it was
 * 300 bytes of them). Exact because each step stays in range: sums are 0 to 2^63-1, and a change is either all posted, all pending, or
 * an end, which takes from pending at least what it posts.
 * @param place of the account in `changes`
 * @param standing null when no earmark stands
 */
export function judge(
  accounts: Accounts,
  row: number,
  changes: Changes,
  place: number,
  standing: Standing | null,
): number {
  const flags = accounts.flags(row);
  if (flags & (FROZEN | CLOSED)) return flags & CLOSED ? CODES.account_closed.n : CODES.account_frozen.n;
  let parked = false;

  const figures = accounts.figures(row);
  const at = accounts.figuresAt(row);
  const moreDebits = BigInt.asIntN(64, changes.debits[place]! + changes.debitsPending[place]!);
  const moreCredits = BigInt.asIntN(64, changes.credits[place]! + changes.creditsPending[place]!);
  const debitRoom = BigInt.asIntN(
    64,
    AMOUNT_MAX - figures[at + DEBITS_POSTED]! - figures[at + DEBITS_PENDING]!,
  );
  const creditRoom = BigInt.asIntN(
    64,
    AMOUNT_MAX - figures[at + CREDITS_POSTED]! - figures[at + CREDITS_PENDING]!,
  );
  if (standing === null) {
    if (moreDebits > debitRoom || moreCredits > creditRoom) return CODES.overflow.n;
  } else {
    if (moreDebits > debitRoom + standing.debitsDown || moreCredits > creditRoom + standing.creditsDown)
      return CODES.overflow.n;
    parked = moreDebits > debitRoom - standing.debitsUp || moreCredits > creditRoom - standing.creditsUp;
  }
  if ((flags & (HAS_MIN | HAS_MAX)) === 0) return parked ? PARK : YES;

  // Words and columns of the side that raises the balance, and of the other.
  const up = accounts.isDebitNormal(row) ? 0 : 1;
  const down = 1 - up;
  const net = BigInt.asIntN(
    64,
    (up === 0 ? changes.debits : changes.credits)[place]! -
      (up === 0 ? changes.credits : changes.debits)[place]!,
  );
  if (flags & HAS_MIN) {
    const outflow = (up === 0 ? changes.creditsPending : changes.debitsPending)[place]!;
    // An end may give back up to 2^64, so it is compared before it is subtracted.
    if (outflow > net) {
      const need = BigInt.asIntN(64, outflow - net);
      const room = available(accounts, row);
      if (standing === null ? need > room : need > room + standing.lowUp) {
        shortfall.available = room;
        shortfall.required = need;
        return CODES.insufficient_funds.n;
      }
      if (standing !== null && need > room - standing.lowDown) parked = true;
    }
  }
  if (flags & HAS_MAX) {
    const inflow = (up === 0 ? changes.debitsPending : changes.creditsPending)[place]!;
    if (net > BigInt.asIntN(64, 0n - inflow)) {
      const need = BigInt.asIntN(64, net + inflow);
      const room = BigInt.asUintN(
        64,
        figures[at + MAX]! - figures[at + up]! + figures[at + down]! - figures[at + DEBITS_PENDING + up]!,
      );
      if (standing === null ? need > room : need > room + standing.highDown) return CODES.limit_exceeded.n;
      if (standing !== null && need > room - standing.highUp) parked = true;
    }
  }
  return parked ? PARK : YES;
}

/** Makes the planned changes, as of the record at `lsn`. */
export function applyPlan(plan: Plan, accounts: Accounts, lsn: number): void {
  for (let at = 0; at < plan.n; at++) {
    const row = plan.rows[at]!;
    // In place: as arguments of a call the sums are bigints, 176 bytes a sale where the call is not inlined.
    const figures = accounts.figures(row);
    const to = accounts.figuresAt(row);
    figures[to + DEBITS_POSTED] = BigInt.asIntN(64, figures[to + DEBITS_POSTED]! + plan.debits[at]!);
    figures[to + CREDITS_POSTED] = BigInt.asIntN(64, figures[to + CREDITS_POSTED]! + plan.credits[at]!);
    figures[to + DEBITS_PENDING] = BigInt.asIntN(64, figures[to + DEBITS_PENDING]! + plan.debitsPending[at]!);
    figures[to + CREDITS_PENDING] = BigInt.asIntN(
      64,
      figures[to + CREDITS_PENDING]! + plan.creditsPending[at]!,
    );
    accounts.touch(row, lsn);
  }
}

/** The code that forbids these limits for an account as it stands, or 0. */
export function judgeLimits(accounts: Accounts, row: number, min: bigint | null, max: bigint | null): number {
  const balance = accounts.balance(row);
  const isDebitNormal = accounts.isDebitNormal(row);
  const outflow = isDebitNormal ? accounts.creditsPending(row) : accounts.debitsPending(row);
  const inflow = isDebitNormal ? accounts.debitsPending(row) : accounts.creditsPending(row);
  if (min !== null && balance - outflow < min) return CODES.limit_exceeded.n;
  if (max !== null && balance + inflow > max) return CODES.limit_exceeded.n;
  return 0;
}

/** Whether an account may be closed: nothing on it and nothing pending. */
export function isEmpty(accounts: Accounts, row: number): boolean {
  return (
    accounts.balance(row) === 0n && accounts.debitsPending(row) === 0n && accounts.creditsPending(row) === 0n
  );
}

/** The leg named by the last {@link judgeCurrencies} refusal. */
export const mismatch = { leg: 0 };

/**
 * Whether debits equal credits in every currency. The plain sums are known to be equal.
 * @param currencies code of each leg's account
 * @param required code that all must have, or 0
 * @param share whether all must have the same
 */
export function judgeCurrencies(
  view: RecordView,
  currencies: Float64Array,
  required: number,
  share: boolean,
): number {
  const expected = required === 0 ? currencies[0]! : required;
  let differs = -1;
  for (let leg = 0; leg < view.n && differs < 0; leg++) if (currencies[leg] !== expected) differs = leg;
  if (differs < 0) return 0;
  if (share || required !== 0) {
    mismatch.leg = differs;
    return CODES.currency_mismatch.n;
  }
  const sums = new Map<number, bigint>();
  for (let leg = 0; leg < view.n; leg++) {
    const signed = view.isCredit(leg) ? -view.amounts[leg]! : view.amounts[leg]!;
    sums.set(currencies[leg]!, (sums.get(currencies[leg]!) ?? 0n) + signed);
  }
  for (const sum of sums.values()) if (sum !== 0n) return CODES.unbalanced.n;
  return 0;
}
