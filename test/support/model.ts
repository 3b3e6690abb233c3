import type { Code, RefusalCode } from '../../engine/codes.js';
import type {
  AccountInput,
  AccountUpdateInput,
  DescribedInput,
  PartInput,
  ReversalInput,
  TransactionInput,
} from '../../engine/types.js';
import type { Caller } from '../../src/session.js';
import { type Accounts, createAccount, updateAccount } from './model-accounts.js';
import { may, mayPost, mayTouch, mayVoid } from './model-rights.js';
import {
  type Ask,
  judgeAccount,
  legsOfPart,
  type ModelAccount,
  type ModelTransaction,
  mirrored,
  type Obstacles,
  takeFrom,
} from './model-state.js';
import {
  allowed,
  amountLegs,
  amountsOf,
  askOf,
  beyondReach,
  openTo,
  refused,
  repeated,
  type Verdict,
} from './model-verdict.js';
import { contentOf, ID, type Leg, legsOf, partFaults, sumOf, transactionFaults } from './statics.js';

/**
 * The contract's Accounts and Transactions sections as plain Maps and bigint: the independent auditor. It knows no shards, no
 * log and no clock; whoever drives it gives the commands in the order in which they took effect, and says when a hold expired.
 */

/** One command of one caller. */
export type Command = { readonly caller: Caller } & (
  | { readonly op: 'transaction'; readonly body: TransactionInput }
  | { readonly op: 'post'; readonly id: string; readonly body: PartInput }
  | { readonly op: 'void'; readonly id: string; readonly body?: DescribedInput }
  | { readonly op: 'reverse'; readonly original: string; readonly body: ReversalInput }
  | { readonly op: 'status'; readonly id: string }
  | { readonly op: 'createAccount'; readonly body: AccountInput }
  | { readonly op: 'account'; readonly id: string }
  | { readonly op: 'balance'; readonly id: string }
  | { readonly op: 'updateAccount'; readonly id: string; readonly body: AccountUpdateInput }
);

interface State {
  readonly accounts: Accounts;
  readonly transactions: Map<string, ModelTransaction>;
}

export class Model {
  constructor(private readonly state: State = { accounts: new Map(), transactions: new Map() }) {}

  clone(): Model {
    return new Model(structuredClone(this.state));
  }

  /** Equal for two models in the same state. */
  fingerprint(): string {
    const sorted = (map: Map<string, unknown>) => [...map].sort(([a], [b]) => (a < b ? -1 : 1));
    const { accounts, transactions } = this.state;
    const big = (_: string, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value);
    return JSON.stringify([sorted(accounts), sorted(transactions)], big);
  }

  account(tenant: string, id: string): ModelAccount | undefined {
    return this.state.accounts.get(`${tenant}/${id}`);
  }

  transaction(tenant: string, id: string): ModelTransaction | undefined {
    return this.state.transactions.get(`${tenant}/${id}`);
  }

  accountIds(tenant: string): string[] {
    return [...this.state.accounts.keys()].flatMap((key) =>
      key.startsWith(`${tenant}/`) ? [key.slice(tenant.length + 1)] : [],
    );
  }

  transactionIds(tenant: string): string[] {
    return [...this.state.transactions.keys()].flatMap((key) =>
      key.startsWith(`${tenant}/`) ? [key.slice(tenant.length + 1)] : [],
    );
  }

  decide(command: Command): Verdict {
    const { caller } = command;
    const named = command.op === 'reverse' ? command.original : 'id' in command ? command.id : undefined;
    if (named !== undefined && !ID.test(named)) return refused(['invalid_request']);
    switch (command.op) {
      case 'transaction':
        return this.create(caller, command.body);
      case 'post':
        return this.reached(caller, command.id, this.post(caller, command.id, command.body));
      case 'void':
        return this.reached(caller, command.id, this.void(caller, command.id, command.body ?? {}));
      case 'reverse':
        return this.reverseReached(caller, command.original, command.body);
      case 'status':
        return this.reached(caller, command.id, this.status(caller, command.id));
      case 'createAccount':
        return createAccount(this.state.accounts, caller, command.body);
      case 'updateAccount':
        return updateAccount(this.state.accounts, caller, command.id, command.body);
      default:
        return this.read(caller, command.id);
    }
  }

  /** A hold ran out of time: the ledger logs it by itself. */
  expire(tenant: string, id: string): void {
    const hold = this.transaction(tenant, id)!;
    if (hold.status !== 'pending') return;
    this.release(tenant, hold);
    hold.status = 'expired';
  }

  /** The accounts are the transaction's: a caller of limited reach must reach them all. */
  private reached(caller: Caller, id: string, verdict: Verdict): Verdict {
    const known = this.transaction(caller.tenant, id);
    return known === undefined || mayTouch(caller, known.legs) ? verdict : beyondReach(verdict);
  }

  private create(caller: Caller, body: TransactionInput): Verdict {
    const faults = transactionFaults(body);
    const legs = legsOf(body);
    if (!may(caller, 'transactions:create') || !mayTouch(caller, legs)) faults.add('forbidden');
    if (faults.size > 0) return refused(faults);
    const known = this.transaction(caller.tenant, body.id);
    if (known !== undefined) {
      if (known.kind === 'tombstone') return refused(['already_voided']);
      const same = known.kind === 'transaction' && known.content === contentOf(body);
      return same ? allowed('duplicate') : refused(['id_reused']);
    }
    const pending = body.pending !== undefined && body.pending !== false;
    const obstacles = this.judge(caller.tenant, legs, pending, {
      currency: body.currency,
      single: body.postings === undefined,
    });
    return this.verdict(obstacles, [], (lsn) => {
      const approval = typeof body.pending === 'object' && body.pending.approval === true;
      this.book(caller.tenant, legs, pending ? 'pending' : 'posted', 1n);
      this.remember(caller, body.id, lsn, {
        kind: 'transaction',
        content: contentOf(body),
        legs,
        wasPending: pending,
        approval,
        status: pending ? 'pending' : 'posted',
        posted: pending ? [] : legs,
      });
    });
  }

  private post(caller: Caller, id: string, body: PartInput): Verdict {
    const faults = partFaults(body, []);
    if (!may(caller, 'transactions:end') && !may(caller, 'transactions:end_any')) faults.add('forbidden');
    if (!mayTouch(caller, body.postings ?? [])) faults.add('forbidden');
    if (faults.size > 0) return refused(faults);
    const hold = this.transaction(caller.tenant, id);
    if (hold === undefined) return refused(['transaction_not_found']);
    const codes = new Set<Code>();
    if (!mayPost(caller, hold)) codes.add('forbidden');
    if (hold.kind === 'tombstone') return refused([...codes, 'already_voided']);
    if (!hold.wasPending) return refused([...codes, 'not_pending']);
    const ask = askOf(body, hold.legs, true);
    if (hold.status !== 'pending') {
      if (hold.status === 'posted') return repeated(hold.end!, ask, 'ok', 'already_posted', codes);
      return refused([...codes, hold.status === 'expired' ? 'expired' : 'already_voided']);
    }
    return this.capture(caller, hold, body, codes, ask);
  }

  private capture(
    caller: Caller,
    hold: ModelTransaction,
    body: PartInput,
    codes: Set<Code>,
    ask: Ask,
  ): Verdict {
    const { tenant } = caller;
    const part = this.part(tenant, hold.legs, amountsOf(hold.legs), body);
    if (part instanceof Set) {
      const frozen = hold.legs.some((leg) => this.account(tenant, leg.account)?.frozen === true);
      return refused([...codes, ...part, ...(frozen ? (['account_frozen'] as const) : [])]);
    }
    const captured = legsOfPart(hold.legs, part);
    let mayBeFrozen = false;
    for (const leg of hold.legs) {
      if (this.account(tenant, leg.account)?.frozen !== true) continue;
      // Whether a frozen account that the captured part leaves out stands in the way is left open.
      if (captured.some((taken) => taken.account === leg.account)) codes.add('account_frozen');
      else mayBeFrozen = true;
    }
    if (this.capturedSumsOverflow(tenant, captured)) codes.add('overflow');
    if (codes.size > 0) return refused(codes);
    return {
      codes: new Set(mayBeFrozen ? ['ok', 'account_frozen'] : ['ok']),
      apply: () => {
        this.release(tenant, hold);
        this.book(tenant, captured, 'posted', 1n);
        hold.status = 'posted';
        hold.end = ask;
        hold.posted = captured;
        hold.left = amountsOf(captured);
      },
    };
  }

  private void(caller: Caller, id: string, body: DescribedInput): Verdict {
    const end = askOf(body, [], true);
    if (!may(caller, 'transactions:end') && !may(caller, 'transactions:end_any'))
      return refused(['forbidden']);
    const hold = this.transaction(caller.tenant, id);
    if (hold === undefined) {
      const apply = (lsn: number) => {
        this.remember(caller, id, lsn, { kind: 'tombstone', content: '', legs: [], status: 'voided', end });
      };
      return { codes: new Set(['ok']), apply };
    }
    if (hold.kind === 'tombstone') {
      const own = may(caller, 'transactions:end_any') || hold.by === caller.by;
      return repeated(hold.end!, end, 'ok', 'already_voided', new Set(own ? [] : ['forbidden']));
    }
    const codes = new Set<Code>();
    if (!mayVoid(caller, hold)) codes.add('forbidden');
    if (!hold.wasPending) return refused([...codes, 'not_pending']);
    if (hold.status === 'posted') return refused([...codes, 'already_posted']);
    if (hold.status === 'expired') return refused([...codes, 'expired']);
    if (hold.status === 'voided') return repeated(hold.end!, end, 'ok', 'already_voided', codes);
    if (codes.size > 0) return refused(codes);
    return {
      codes: new Set(['ok']),
      apply: () => {
        this.release(caller.tenant, hold);
        hold.status = 'voided';
        hold.end = end;
      },
    };
  }

  /** Where a caller does not reach all accounts of the original, whether that or what else stands in the way is named is left open. */
  private reverseReached(caller: Caller, originalId: string, body: ReversalInput): Verdict {
    const verdict = this.reverse(caller, originalId, body);
    const original = this.transaction(caller.tenant, originalId);
    if (original === undefined || mayTouch(caller, original.posted)) return verdict;
    return { ...verdict, codes: new Set([...verdict.codes, 'forbidden']) };
  }

  private reverse(caller: Caller, originalId: string, body: ReversalInput): Verdict {
    const { tenant } = caller;
    const faults = partFaults(body, ['id']);
    if (!ID.test(body.id)) faults.add('invalid_request');
    if (!may(caller, 'transactions:reverse') || !mayTouch(caller, body.postings ?? []))
      faults.add('forbidden');
    if (faults.size > 0) return refused(faults);
    const original = this.transaction(tenant, originalId);
    const ask = askOf(body, original?.posted ?? [], false);
    const known = this.transaction(tenant, body.id);
    if (known?.kind === 'tombstone') return refused(['already_voided']);
    if (known !== undefined) {
      if (known.reverses?.original !== originalId) return refused(['id_reused']);
      return repeated(known.reverses.ask, ask, 'duplicate', 'id_reused', new Set());
    }
    if (original === undefined) return refused(['transaction_not_found']);
    if (original.status !== 'posted') return refused(['not_posted']);
    const part = this.part(tenant, original.posted, original.left, body);
    if (part instanceof Set) return this.refusedReversal(tenant, original, body, part);
    const legs = mirrored(legsOfPart(original.posted, part));
    const obstacles = this.judge(tenant, legs, false, {});
    const verdict = this.verdict(obstacles, openTo(original, body), (lsn) => {
      this.book(tenant, legs, 'posted', 1n);
      original.left = original.left.map((amount, index) => amount - part[index]!);
      original.reversals.push(body.id);
      this.remember(caller, body.id, lsn, {
        kind: 'reversal',
        content: '',
        legs,
        status: 'posted',
        posted: legs,
        reverses: { original: originalId, ask },
      });
    });
    return mayTouch(caller, legs) ? verdict : beyondReach(verdict);
  }

  /** The part itself is refused; what stands against it on the accounts may be named as well. */
  private refusedReversal(
    tenant: string,
    original: ModelTransaction,
    body: PartInput,
    codes: ReadonlySet<RefusalCode>,
  ): Verdict {
    const asked = body.amount === undefined ? legsOf(body) : amountLegs(original.posted, BigInt(body.amount));
    const { codes: others, shortages } = this.judge(tenant, mirrored(asked), false, {});
    // All that remains is nothing: no account lacks funds for it, but its accounts may be frozen or closed.
    const untouched = this.judge(tenant, mirrored(original.posted), false, {}).codes;
    const shut = (['account_frozen', 'account_closed'] as const).filter((code) => untouched.has(code));
    return { codes: new Set([...codes, ...others, ...shut, ...openTo(original, body)]), shortages };
  }

  private status(caller: Caller, id: string): Verdict {
    if (!may(caller, 'transactions:read')) return refused(['forbidden']);
    return this.transaction(caller.tenant, id) === undefined
      ? refused(['transaction_not_found'])
      : allowed('ok');
  }

  private read(caller: Caller, id: string): Verdict {
    if (!may(caller, 'accounts:read') || !mayTouch(caller, [{ account: id }])) return refused(['forbidden']);
    return this.account(caller.tenant, id) === undefined ? refused(['account_not_found']) : allowed('ok');
  }

  /** What stands against these legs, on accounts and currencies. */
  private judge(
    tenant: string,
    legs: readonly Leg[],
    pending: boolean,
    rule: { readonly currency?: string | undefined; readonly single?: boolean },
  ): Obstacles {
    const obstacles: Obstacles = { codes: new Set(), shortages: new Map(), mayOverflow: false };
    const currencies = new Set<string>();
    for (const id of new Set(legs.map((leg) => leg.account))) {
      const account = this.account(tenant, id);
      if (account === undefined) obstacles.codes.add('account_not_found');
      else {
        currencies.add(account.currency);
        judgeAccount(
          account,
          legs.filter((leg) => leg.account === id),
          pending,
          obstacles,
        );
      }
    }
    const stray =
      rule.currency !== undefined && [...currencies].some((currency) => currency !== rule.currency);
    if (stray || (rule.single === true && currencies.size > 1)) obstacles.codes.add('currency_mismatch');
    if (!obstacles.codes.has('account_not_found') && !this.balanced(tenant, legs))
      obstacles.codes.add('unbalanced');
    // The sum over all legs is not an account's, and the contract does not say whether it is bounded too.
    if (sumOf(legs, 'debit') >= 1n << 63n) obstacles.mayOverflow = true;
    return obstacles;
  }

  private balanced(tenant: string, legs: readonly Leg[]): boolean {
    const sums = new Map<string, bigint>();
    for (const leg of legs) {
      const currency = this.account(tenant, leg.account)!.currency;
      sums.set(currency, (sums.get(currency) ?? 0n) + (leg.side === 'debit' ? leg.amount : -leg.amount));
    }
    return [...sums.values()].every((sum) => sum === 0n);
  }

  /** What a part takes of each leg, or the codes that refuse it. */
  private part(
    tenant: string,
    legs: readonly Leg[],
    left: readonly bigint[],
    body: PartInput,
  ): bigint[] | Set<RefusalCode> {
    if (body.amount !== undefined) {
      if (legs.length !== 2) return new Set(['invalid_request']);
      const amount = BigInt(body.amount);
      return left.every((free) => amount <= free) ? [amount, amount] : new Set(['exceeds_original']);
    }
    if (body.postings === undefined) {
      return left.some((amount) => amount > 0n) ? [...left] : new Set(['exceeds_original']);
    }
    const taken = takeFrom(legs, left, legsOf(body));
    // The contract has no code of its own for a leg that was never there.
    if (taken === 'unmatched') return new Set(['exceeds_original', 'invalid_request']);
    if (taken === 'exceeds') return new Set(['exceeds_original']);
    return this.balanced(tenant, legsOfPart(legs, taken)) ? taken : new Set(['unbalanced']);
  }

  private capturedSumsOverflow(tenant: string, captured: readonly Leg[]): boolean {
    return captured.some(({ account: id, side }) => {
      const account = this.account(tenant, id)!;
      const mine = captured.filter((leg) => leg.account === id);
      const posted = side === 'debit' ? account.debits : account.credits;
      return posted + sumOf(mine, side) >= 1n << 63n;
    });
  }

  /** @param alternatives what may be answered as well, by what the contract leaves open */
  private verdict(
    obstacles: Obstacles,
    alternatives: readonly Code[],
    apply: (lsn: number) => void,
  ): Verdict {
    const { codes, shortages, mayOverflow } = obstacles;
    const other: Code[] = mayOverflow ? [...alternatives, 'overflow'] : [...alternatives];
    if (codes.size > 0) return { codes: new Set([...codes, ...other]), shortages };
    return { codes: new Set(['ok', ...other]), apply };
  }

  private book(tenant: string, legs: readonly Leg[], to: 'posted' | 'pending', sign: 1n | -1n): void {
    for (const leg of legs) {
      const account = this.account(tenant, leg.account)!;
      const field = leg.side === 'debit' ? 'debits' : 'credits';
      account[to === 'posted' ? field : (`${field}Pending` as const)] += sign * leg.amount;
    }
  }

  private release(tenant: string, hold: ModelTransaction): void {
    this.book(tenant, hold.legs, 'pending', -1n);
  }

  private remember(
    caller: Caller,
    id: string,
    lsn: number,
    facts: Pick<ModelTransaction, 'kind' | 'content' | 'legs' | 'status'> & Partial<ModelTransaction>,
  ): void {
    const posted = facts.posted ?? [];
    const defaults = { wasPending: false, approval: false, posted, left: amountsOf(posted), reversals: [] };
    this.state.transactions.set(`${caller.tenant}/${id}`, { ...defaults, ...facts, id, lsn, by: caller.by });
  }
}
