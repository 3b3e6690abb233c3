import type { RefusalCode } from '../../engine/codes.js';
import { AMOUNT_MAX } from '../../engine/limits.js';
import type { AccountType, Metadata, TransactionStatus } from '../../engine/types.js';
import type { Leg } from './statics.js';

/** An account of the naive model. */
export interface ModelAccount {
  readonly id: string;
  readonly currency: string;
  readonly type: AccountType;
  /** What it was created with, as given and with the defaults filled in. */
  readonly created: { readonly asGiven: string; readonly filled: string };
  min: bigint | null;
  max: bigint | null;
  frozen: boolean;
  closed: boolean;
  group: string | null;
  metadata: Metadata | null;
  debits: bigint;
  credits: bigint;
  debitsPending: bigint;
  creditsPending: bigint;
}

/** How a part was asked for: copies of it are equal, another form of the same part may count as one. */
export interface Ask {
  readonly form: 'whole' | 'amount' | 'postings';
  readonly text: string;
  readonly description: string;
  /** What it takes of each leg, where that can be told without knowing what was left. */
  readonly takes: string | undefined;
}

/** A remembered id of the naive model. */
export interface ModelTransaction {
  readonly id: string;
  readonly kind: 'transaction' | 'reversal' | 'tombstone';
  readonly lsn: number;
  readonly by: string;
  readonly content: string;
  readonly legs: readonly Leg[];
  readonly wasPending: boolean;
  readonly approval: boolean;
  /** Of a reversal: the original, and how the part was asked for. */
  readonly reverses?: { readonly original: string; readonly ask: Ask };
  status: TransactionStatus;
  /** How the end was asked for. */
  end?: Ask;
  /** What stands in the books, and what of it no reversal has taken yet; empty until posted. */
  posted: readonly Leg[];
  left: bigint[];
  reversals: string[];
}

/** What keeps a set of legs out of the books. Several may hold at once. */
export interface Obstacles {
  readonly codes: Set<RefusalCode>;
  /** Of each account that lacks funds. */
  readonly shortages: Map<string, { available: bigint; required: bigint }>;
  /** A sum of posted and reserved leaves the range: the contract leaves open whether it counts before the capture. */
  mayOverflow: boolean;
}

const isDebitNormal = (account: ModelAccount) => account.type === 'asset' || account.type === 'expense';

export function balanceOf(account: ModelAccount): bigint {
  return isDebitNormal(account) ? account.debits - account.credits : account.credits - account.debits;
}

export function pendingOut(account: ModelAccount): bigint {
  return isDebitNormal(account) ? account.creditsPending : account.debitsPending;
}

export function pendingIn(account: ModelAccount): bigint {
  return isDebitNormal(account) ? account.debitsPending : account.creditsPending;
}

export function availableOf(account: ModelAccount): bigint | null {
  return account.min === null ? null : balanceOf(account) - account.min - pendingOut(account);
}

/** True when the balance with its pending flows is within both limits. */
export function withinLimits(account: ModelAccount, min: bigint | null, max: bigint | null): boolean {
  const balance = balanceOf(account);
  if (min !== null && balance - pendingOut(account) < min) return false;
  return max === null || balance + pendingIn(account) <= max;
}

/** Judges the legs of one transaction on one account: a posted one by its net, a pending one leg by leg. */
export function judgeAccount(
  account: ModelAccount,
  legs: readonly Leg[],
  pending: boolean,
  to: Obstacles,
): void {
  if (account.frozen) to.codes.add('account_frozen');
  if (account.closed) to.codes.add('account_closed');
  const debits = sum(legs, 'debit');
  const credits = sum(legs, 'credit');
  const inflow = isDebitNormal(account) ? debits : credits;
  const outflow = isDebitNormal(account) ? credits : debits;
  const net = inflow - outflow;
  const required = pending ? outflow : -net;
  const available = availableOf(account);
  if (available !== null && required > 0n && required > available) {
    to.codes.add('insufficient_funds');
    to.shortages.set(account.id, { available, required });
  }
  const arriving = pending ? inflow : net;
  const most = balanceOf(account) + pendingIn(account) + arriving;
  if (account.max !== null && arriving > 0n && most > account.max) to.codes.add('limit_exceeded');
  judgeSums(account, debits, credits, pending, to);
}

function judgeSums(account: ModelAccount, debits: bigint, credits: bigint, pending: boolean, to: Obstacles) {
  const [debitsNow, creditsNow] = pending
    ? [account.debitsPending, account.creditsPending]
    : [account.debits, account.credits];
  if (debitsNow + debits > AMOUNT_MAX || creditsNow + credits > AMOUNT_MAX) to.codes.add('overflow');
  const allDebits = account.debits + account.debitsPending + debits;
  const allCredits = account.credits + account.creditsPending + credits;
  if (allDebits > AMOUNT_MAX || allCredits > AMOUNT_MAX) to.mayOverflow = true;
}

/**
 * Takes a part from legs, of which `left` remains: each posting of the part takes from the legs of its account, side and tag, in
 * their order. @returns what is taken of each leg; 'unmatched' when nothing has that name, 'exceeds' when too little is left
 */
export function takeFrom(
  legs: readonly Leg[],
  left: readonly bigint[],
  part: readonly Leg[],
): bigint[] | 'unmatched' | 'exceeds' {
  const taken = legs.map(() => 0n);
  for (const wanted of part) {
    let missing = wanted.amount;
    let found = false;
    for (const [index, leg] of legs.entries()) {
      if (leg.account !== wanted.account || leg.side !== wanted.side || leg.tag !== wanted.tag) continue;
      found = true;
      const free = left[index]! - taken[index]!;
      if (free >= missing) {
        taken[index] = taken[index]! + missing;
        missing = 0n;
      } else {
        taken[index] = taken[index]! + free;
        missing -= free;
      }
    }
    if (!found) return 'unmatched';
    if (missing > 0n) return 'exceeds';
  }
  return taken;
}

/** The legs with these amounts, those of nothing left out. */
export function legsOfPart(legs: readonly Leg[], amounts: readonly bigint[]): Leg[] {
  return legs.flatMap((leg, index) => (amounts[index]! > 0n ? [{ ...leg, amount: amounts[index]! }] : []));
}

export function mirrored(legs: readonly Leg[]): Leg[] {
  return legs.map((leg) => ({ ...leg, side: leg.side === 'debit' ? 'credit' : 'debit' }));
}

function sum(legs: readonly Leg[], side: 'debit' | 'credit'): bigint {
  return legs.reduce((total, leg) => (leg.side === side ? total + leg.amount : total), 0n);
}
