import type { Code } from '../../engine/codes.js';
import type {
  BalanceBody,
  Outcome,
  PostingBody,
  TransactionBody,
  TransactionReply,
} from '../../engine/types.js';
import type { Command, Model } from './model.js';
import { availableOf, balanceOf, type ModelAccount } from './model-state.js';
import { type Leg, legsText } from './statics.js';

/** Holds the real ledger's answers against the model's. */

export interface AuditOptions {
  /** The commands ran one after the other, so that an answer shows exactly its own moment. */
  readonly sequential: boolean;
}

/**
 * Decides the command in the model, compares, and takes an accepted change over.
 * @returns why the answer is not what the contract says, undefined when it is
 */
export function disagreement(
  model: Model,
  command: Command,
  outcome: Outcome<object>,
  options: AuditOptions,
): string | undefined {
  const verdict = model.decide(command);
  const code = observedCode(command, outcome);
  if (!verdict.codes.has(code)) return `answered ${code}, and ${[...verdict.codes].join(' or ')} was due`;
  if (!outcome.ok) {
    if (outcome.code !== 'insufficient_funds') return undefined;
    const facts = outcome.account === undefined ? undefined : verdict.shortages?.get(outcome.account);
    if (facts === undefined) return `lacks funds on ${outcome.account}, which does not`;
    return differing(
      { available: outcome.available, required: outcome.required, shortage: outcome.shortage },
      { ...facts, shortage: facts.required - facts.available },
    );
  }
  if (code === 'ok') verdict.apply?.((outcome.body as { lsn: number }).lsn);
  return bodyDisagreement(model, command, outcome.body, code, options);
}

/** As a code: what was created before, with just this, is a `duplicate`. */
function observedCode(command: Command, outcome: Outcome<object>): Code {
  if (!outcome.ok) return outcome.code;
  if (command.op === 'createAccount') return outcome.created ? 'ok' : 'duplicate';
  return (outcome.body as { duplicate?: true }).duplicate === true ? 'duplicate' : 'ok';
}

function bodyDisagreement(
  model: Model,
  command: Command,
  body: object,
  code: Code,
  options: AuditOptions,
): string | undefined {
  const { tenant } = command.caller;
  switch (command.op) {
    case 'transaction':
    case 'reverse':
      return replyDisagreement(model, tenant, body as TransactionReply, command.body.id, code, options);
    case 'post':
    case 'void':
    case 'status':
      if (model.transaction(tenant, command.id)?.kind === 'tombstone') {
        return differing({ ...body }, { id: command.id, status: 'voided' });
      }
      return statusDisagreement(model, tenant, command.id, body as TransactionBody, {
        sequential: options.sequential || command.op === 'status',
      });
    default: {
      const id = command.op === 'createAccount' ? command.body.id : command.id;
      if (!options.sequential && command.op === 'updateAccount') return undefined;
      return balanceDisagreement(model.account(tenant, id)!, body as BalanceBody);
    }
  }
}

function replyDisagreement(
  model: Model,
  tenant: string,
  body: TransactionReply,
  id: string,
  code: Code,
  options: AuditOptions,
): string | undefined {
  const known = model.transaction(tenant, id)!;
  const first = known.wasPending ? 'pending' : 'posted';
  const wrong = differing({ ...body }, { id, lsn: known.lsn, status: first });
  if (wrong !== undefined) return wrong;
  if (code === 'duplicate') return body.balances === undefined ? undefined : 'a duplicate with balances';
  if (body.balances === undefined) return 'no balances';
  const named = Object.keys(body.balances).sort().join();
  const due = [...new Set(known.legs.map((leg) => leg.account))].sort().join();
  if (named !== due) return `balances of ${named}, and ${due} was due`;
  if (!options.sequential) return undefined;
  for (const [account, balance] of Object.entries(body.balances)) {
    const expected = balanceOf(model.account(tenant, account)!);
    if (balance !== expected) return `balance of ${account} is ${balance}, and ${expected} was due`;
  }
  return undefined;
}

/** Compares a transaction's body with how the model knows it. */
export function statusDisagreement(
  model: Model,
  tenant: string,
  id: string,
  body: TransactionBody,
  options: AuditOptions = { sequential: true },
): string | undefined {
  const known = model.transaction(tenant, id)!;
  const ended = known.wasPending && known.status !== 'pending';
  const captured = known.wasPending && known.status === 'posted' ? legsText(known.posted) : '';
  const due = {
    id,
    status: known.status,
    lsn: known.lsn,
    postings: legsText(known.legs),
    end: ended ? known.status : undefined,
    captured,
    reverses: known.reverses?.original,
    ...(options.sequential && { reversals: known.reversals.join() }),
  };
  return differing(
    {
      id: body.id,
      status: body.status,
      lsn: body.lsn,
      postings: legsText(toLegs(body.postings ?? [])),
      end: body.end?.status,
      captured: legsText(toLegs(body.end?.postings ?? [])),
      reverses: body.reverses,
      reversals: (body.reversals ?? []).map((reversal) => reversal.id).join(),
    },
    due,
  );
}

/** What a balance's body says of an account, but for its LSN. */
export function balanceFacts(account: ModelAccount) {
  return {
    account: account.id,
    currency: account.currency,
    balance: balanceOf(account),
    available: availableOf(account),
    debits_posted: account.debits,
    credits_posted: account.credits,
    debits_pending: account.debitsPending,
    credits_pending: account.creditsPending,
  };
}

/** Compares an account's figures with the model's. */
export function balanceDisagreement(account: ModelAccount, body: BalanceBody): string | undefined {
  const facts = balanceFacts(account);
  if (!('type' in body)) return differing({ ...body }, facts);
  const state = {
    id: account.id,
    type: account.type,
    min_balance: account.min,
    max_balance: account.max,
    frozen: account.frozen,
    closed: account.closed,
    group: account.group ?? undefined,
  };
  return differing({ ...body }, { ...facts, ...state });
}

export function toLegs(postings: readonly PostingBody[]): Leg[] {
  return postings.map(({ account, debit, credit, tag }) => ({
    account,
    side: debit === undefined ? 'credit' : 'debit',
    amount: debit ?? credit ?? 0n,
    ...(tag !== undefined && { tag }),
  }));
}

/** Names the first due field in which the two differ. */
function differing(body: Record<string, unknown>, due: Record<string, unknown>): string | undefined {
  for (const [field, value] of Object.entries(due)) {
    if (body[field] !== value) return `${field} is ${String(body[field])}, and ${String(value)} was due`;
  }
  return undefined;
}
