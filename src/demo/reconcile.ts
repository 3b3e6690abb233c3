/**
 * What the accounts must show, computed from the lines alone: without transactions, ids, holds or anything else that
 * the replay goes through. And the comparison with what they do show.
 */

import type { BalanceBody } from '../../engine/types.js';
import { customerAccount, salesAccount, tillAccount } from './booking.js';
import type { SaleLine } from './sales.js';

/** Pence that came in on either side. */
export interface Totals {
  readonly debits: bigint;
  readonly credits: bigint;
}

/** What a row shows of an account in Kassa. */
export type Balance = Pick<
  BalanceBody,
  'balance' | 'debits_posted' | 'credits_posted' | 'debits_pending' | 'credits_pending'
>;

export interface Row {
  readonly account: string;
  readonly file: Totals;
  /** Absent when the ledger does not know the account. */
  readonly kassa?: Totals;
  readonly equal: boolean;
}

export interface Reconciliation {
  readonly rows: readonly Row[];
  readonly differing: readonly Row[];
  /** Sum of all debits and of all credits in Kassa. */
  readonly sums: Totals;
  readonly zeroSum: boolean;
}

/** Debits and credits of every account that the lines touch. */
export function expectedTotals(lines: readonly SaleLine[]): Map<string, Totals> {
  const totals = new Map<string, Totals>();
  const add = (account: string, debit: bigint) => {
    const { debits, credits } = totals.get(account) ?? { debits: 0n, credits: 0n };
    totals.set(
      account,
      debit > 0n ? { debits: debits + debit, credits } : { debits, credits: credits - debit },
    );
  };
  for (const { net, vat, gross, till, country, customer } of lines) {
    if (net === 0n) continue;
    add(tillAccount(till), gross);
    add(salesAccount(country), -net);
    add('vat', -vat);
    if (customer === undefined) continue;
    add(customerAccount(customer), gross);
    add(customerAccount(customer), -gross);
  }
  return totals;
}

/** Compares account by account, both sides and nothing pending; an account on one side only is a difference. */
export function reconcile(
  expected: ReadonlyMap<string, Totals>,
  found: ReadonlyMap<string, Balance>,
): Reconciliation {
  const accounts = [...new Set([...expected.keys(), ...found.keys()])].sort();
  const rows = accounts.map((account) => row(account, expected.get(account), found.get(account)));
  const sums = total(rows.flatMap(({ kassa }) => kassa ?? []));
  return { rows, differing: rows.filter(({ equal }) => !equal), sums, zeroSum: sums.debits === sums.credits };
}

/** Adds totals up. */
export function total(all: readonly Totals[]): Totals {
  return all.reduce(
    (sum, { debits, credits }) => ({ debits: sum.debits + debits, credits: sum.credits + credits }),
    {
      debits: 0n,
      credits: 0n,
    },
  );
}

function row(account: string, expected: Totals | undefined, found: Balance | undefined): Row {
  const file = expected ?? { debits: 0n, credits: 0n };
  if (found === undefined) return { account, file, equal: false };
  const kassa = { debits: found.debits_posted, credits: found.credits_posted };
  const debitNormal = account.startsWith('till:') || account.startsWith('customer:');
  const balance = debitNormal ? kassa.debits - kassa.credits : kassa.credits - kassa.debits;
  const equal =
    kassa.debits === file.debits &&
    kassa.credits === file.credits &&
    found.debits_pending === 0n &&
    found.credits_pending === 0n &&
    found.balance === balance;
  return { account, file, kassa, equal };
}
