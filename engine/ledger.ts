import { type Accounts, CLOSED, FROZEN, HAS_MAX, HAS_MIN } from './accounts.js';
import { CODES } from './codes.js';
import { hashAccount, shardOf, type TenantKeys } from './hash.js';
import { AMOUNT_MAX, POSTINGS_MAX } from './limits.js';
import { RecordKind, type RecordView } from './record.js';

/**
 * The rules of the ledger, pure: {@link fillPlan} turns postings into changes of accounts, {@link judge} says whether an account allows its
 * change, {@link applyPlan} makes them. No clock, no randomness, no I/O. Refusals are values, found before anything is changed.
 */

/** The changes that one transaction makes to accounts of this shard: one row per account, netted by side. Reused. */
export class Plan {
  /** Accounts changed. */
  n = 0;
  readonly rows = new Int32Array(POSTINGS_MAX);
  readonly debits = new BigInt64Array(POSTINGS_MAX);
  readonly credits = new BigInt64Array(POSTINGS_MAX);
  readonly debitsPending = new BigInt64Array(POSTINGS_MAX);
  readonly creditsPending = new BigInt64Array(POSTINGS_MAX);
  /** The account's row by leg; -1 when another shard owns it. */
  readonly rowOfLeg = new Int32Array(POSTINGS_MAX);
  /** Legs on accounts of other shards. */
  remote = 0;
  /** The leg at fault when {@link fillPlan} refuses. */
  leg = 0;
}

/** Route and hash of each posting's account, two words a leg, into `out`. */
export function hashPostings(view: RecordView, keys: TenantKeys, out: Uint32Array): void {
  for (let i = 0; i < view.n; i++) {
    const at = view.accountAt[i]!;
    hashAccount(view.bytes, at, at + view.accountLength[i]!, keys, out, i * 2);
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
      const sum = posted[at]! + amount;
      if (sum > AMOUNT_MAX) return overflowAt(plan, leg);
      posted[at] = sum;
    } else if (kind === RecordKind.pending) {
      const sum = pending[at]! + amount;
      if (sum > AMOUNT_MAX) return overflowAt(plan, leg);
      pending[at] = sum;
    }
    if (kind === RecordKind.post || kind === RecordKind.void || kind === RecordKind.expire) {
      pending[at] = pending[at]! - amount - view.released[leg]!;
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
  const outflow = accounts.isDebitNormal(row) ? accounts.creditsPending(row) : accounts.debitsPending(row);
  return BigInt.asUintN(64, accounts.balance(row) - outflow - accounts.min(row));
}

function roomBelowMax(accounts: Accounts, row: number): bigint {
  const inflow = accounts.isDebitNormal(row) ? accounts.debitsPending(row) : accounts.creditsPending(row);
  return BigInt.asUintN(64, accounts.max(row) - accounts.balance(row) - inflow);
}

/**
 * Whether an account allows a change, given what standing earmarks may still do: {@link YES} if every outcome of them allows it, a
 * code if none does, else {@link PARK}. A posted change counts with its net, a pending one leg by leg.
 * @param standing null when no earmark stands
 */
export function judge(
  accounts: Accounts,
  row: number,
  debits: bigint,
  credits: bigint,
  debitsPending: bigint,
  creditsPending: bigint,
  standing: Standing | null,
): number {
  const flags = accounts.flags(row);
  if (flags & (FROZEN | CLOSED)) return flags & CLOSED ? CODES.account_closed.n : CODES.account_frozen.n;
  let parked = false;

  const moreDebits = debits + debitsPending;
  const moreCredits = credits + creditsPending;
  const debitRoom = AMOUNT_MAX - accounts.debitsPosted(row) - accounts.debitsPending(row);
  const creditRoom = AMOUNT_MAX - accounts.creditsPosted(row) - accounts.creditsPending(row);
  if (standing === null) {
    if (moreDebits > debitRoom || moreCredits > creditRoom) return CODES.overflow.n;
  } else {
    if (moreDebits > debitRoom + standing.debitsDown || moreCredits > creditRoom + standing.creditsDown)
      return CODES.overflow.n;
    parked = moreDebits > debitRoom - standing.debitsUp || moreCredits > creditRoom - standing.creditsUp;
  }

  const isDebitNormal = accounts.isDebitNormal(row);
  if (flags & HAS_MIN) {
    const need = -lowChange(isDebitNormal, debits, credits, debitsPending, creditsPending);
    if (need > 0n) {
      const room = available(accounts, row);
      if (need > (standing === null ? room : room + standing.lowUp)) {
        shortfall.available = room;
        shortfall.required = need;
        return CODES.insufficient_funds.n;
      }
      if (standing !== null && need > room - standing.lowDown) parked = true;
    }
  }
  if (flags & HAS_MAX) {
    const need = highChange(isDebitNormal, debits, credits, debitsPending, creditsPending);
    if (need > 0n) {
      const room = roomBelowMax(accounts, row);
      if (need > (standing === null ? room : room + standing.highDown)) return CODES.limit_exceeded.n;
      if (standing !== null && need > room - standing.highUp) parked = true;
    }
  }
  return parked ? PARK : YES;
}

/** Makes the planned changes, as of the record at `lsn`. */
export function applyPlan(plan: Plan, accounts: Accounts, lsn: number): void {
  for (let at = 0; at < plan.n; at++) {
    const row = plan.rows[at]!;
    accounts.addSums(
      row,
      plan.debits[at]!,
      plan.credits[at]!,
      plan.debitsPending[at]!,
      plan.creditsPending[at]!,
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
