import type { BalanceBody, Outcome, Refusal, TransactionReply } from '../../engine/types.js';
import { balanceFacts } from '../support/audit.js';
import type { Command } from '../support/model.js';
import { balanceOf } from '../support/model-state.js';
import { legsOf } from '../support/statics.js';
import { type Books, difference, iso } from './books.js';
import { type Deed, describeCall } from './call.js';
import { subjectOf } from './making.js';

/** Why the books do not bear out what was answered; undefined when they do. */
export type Judge = (books: Books) => string | undefined;

/**
 * An answer that must be true of the books at some LSN. It was true at one moment between question and answer, so at an LSN from the highest
 * that had been told when it was asked to the durable one when it was answered.
 */
export class Question {
  /** Why the books, when last looked at, do not explain it; undefined when they do. */
  why: string | undefined = 'not looked at yet';
  isResolved = false;
  /** An LSN at which the books explained it, before they explained what had been told when it was asked. */
  earlyAt: number | undefined;
  /** Something that it rests on has changed since it was looked at. */
  isStale = true;
  keys: readonly string[] = [];

  constructor(
    readonly deed: Deed,
    readonly from: number,
    readonly to: number,
    private readonly judge: Judge,
  ) {}

  /** Answers that had been told when it was asked: what explains them comes no later. */
  get toldBefore(): number {
    return this.deed.call.begun.told;
  }

  get order(): number {
    return this.deed.call.told!.order;
  }

  look(books: Books): void {
    this.isStale = false;
    this.why = this.judge(books);
    this.keys = keysOf(books, this.deed.command);
  }

  get text(): string {
    return describeCall(this.deed.call);
  }
}

/** What the answer to a command may depend on: ids and accounts, as {@link factKeys} names them. */
export function keysOf(books: Books, command: Command): string[] {
  const { tenant } = command.caller;
  const keys: string[] = [];
  const addId = (id: string) => {
    keys.push(`t${tenant}/${id}`);
    for (const leg of books.model.transaction(tenant, id)?.legs ?? []) keys.push(`a${tenant}/${leg.account}`);
  };
  switch (command.op) {
    case 'createAccount':
    case 'updateAccount':
    case 'account':
    case 'balance':
      keys.push(`a${tenant}/${subjectOf(command)}`);
      break;
    case 'reverse':
      addId(command.original);
      addId(command.body.id);
      break;
    case 'transaction':
      addId(command.body.id);
      for (const leg of legsOf(command.body)) keys.push(`a${tenant}/${leg.account}`);
      break;
    default:
      addId(command.id);
  }
  return keys;
}

/** A refusal: the model gives it too, with the same figures. */
export function judgeRefusal({ command, result }: Deed): Judge {
  const { code } = result!;
  const refusal = result!.outcome as Refusal | undefined;
  return (books) => {
    const verdict = books.model.decide(command);
    if (!verdict.codes.has(code)) return `${[...verdict.codes].join(' or ')} is due`;
    if (refusal?.account === undefined) return undefined;
    const account = books.model.account(command.caller.tenant, refusal.account);
    switch (code) {
      case 'account_not_found':
        return account === undefined ? undefined : `${refusal.account} is there`;
      case 'account_frozen':
        return account?.frozen === true ? undefined : `${refusal.account} is not frozen`;
      case 'account_closed':
        return account?.closed === true ? undefined : `${refusal.account} is not closed`;
      case 'insufficient_funds': {
        const facts = verdict.shortages?.get(refusal.account);
        if (facts === undefined) return `${refusal.account} does not lack funds`;
        const { available, required, shortage } = refusal;
        const due = { ...facts, shortage: facts.required - facts.available };
        return difference({ available, required, shortage }, due);
      }
      default:
        return undefined;
    }
  };
}

/** A copy of what was there: it shows the first result. */
export function judgeDuplicate({ command, result }: Deed): Judge {
  const { tenant } = command.caller;
  const id = subjectOf(command);
  return (books) => {
    const { codes } = books.model.decide(command);
    if (!codes.has('duplicate')) return `${[...codes].join(' or ')} is due`;
    const known = books.model.transaction(tenant, id)!;
    if (result!.lsn !== undefined && result!.lsn !== known.lsn) {
      return `it names LSN ${result!.lsn}, and ${known.lsn} is due`;
    }
    if (result!.outcome === undefined) return undefined;
    const due = {
      id,
      status: known.wasPending ? 'pending' : 'posted',
      lsn: known.lsn,
      committed_at: iso(books.transaction(tenant, id)!.created.fact.timeMs),
      duplicate: true,
    };
    return difference(bodyOf(result!.outcome), due);
  };
}

/** The answer to `status`, or to an end: the transaction as it stood. */
export function judgeStanding({ command, result }: Deed): Judge {
  const { tenant } = command.caller;
  const id = subjectOf(command);
  return (books) => {
    const known = books.model.transaction(tenant, id);
    if (known === undefined) return 'there is no such transaction';
    if (command.op !== 'status' && known.status === 'pending') return 'it has not ended';
    const { codes } = books.model.decide(command);
    if (!codes.has('ok')) return `${[...codes].join(' or ')} is due`;
    return difference(bodyOf(result!.outcome!), books.transactionBody(tenant, id));
  };
}

/** An account as it was at the LSN that the answer names, with no change since that had been told. */
export function judgeAccount({ command, result }: Deed): Judge {
  const { tenant } = command.caller;
  const id = subjectOf(command);
  const { lsn, ...shown } = bodyOf(result!.outcome!) as BalanceBody;
  const { op } = command;
  return (books) => {
    const account = books.model.account(tenant, id);
    if (account === undefined) return 'there is no such account';
    const changedAt = books.changedAt.get(`${tenant}/${id}`)!;
    if (changedAt > lsn) return `LSN ${changedAt} changed the account, and LSN ${lsn} is shown`;
    if (op !== 'updateAccount') {
      const { codes } = books.model.decide(command);
      const due = op === 'createAccount' ? 'duplicate' : 'ok';
      if (!codes.has(due)) return `${[...codes].join(' or ')} is due`;
    }
    const due = op === 'balance' ? balanceFacts(account) : books.accountBody(tenant, id);
    return difference(shown, due);
  };
}

/** One of the balances in the answer to a transaction. */
export function judgeBalance({ command }: Deed, id: string, shown: bigint): Judge {
  return (books) => {
    const balance = balanceOf(books.model.account(command.caller.tenant, id)!);
    return balance === shown ? undefined : `the balance of ${id} is ${balance}, and ${shown} is shown`;
  };
}

/** Why the answer to a transaction that was done does not fit its record, but for what the balances are; undefined when it does. */
export function wrongReply(books: Books, { command, result }: Deed): string | undefined {
  const { tenant } = command.caller;
  const id = subjectOf(command);
  const known = books.model.transaction(tenant, id)!;
  const { balances, ...reply } = bodyOf(result!.outcome!) as TransactionReply;
  const due = {
    id,
    status: known.wasPending ? 'pending' : 'posted',
    lsn: known.lsn,
    committed_at: iso(books.transaction(tenant, id)!.created.fact.timeMs),
  };
  const wrong = difference(reply, due);
  if (wrong !== undefined) return wrong;
  if (balances === undefined) return 'it has no balances';
  const named = Object.keys(balances).sort().join();
  const accounts = [...new Set(known.legs.map((leg) => leg.account))].sort().join();
  return named === accounts ? undefined : `it has balances of ${named}, and of ${accounts} are due`;
}

/** The body of an answer that accepts. */
export function bodyOf(outcome: Outcome<object>): object {
  if (!outcome.ok) throw new Error('a refusal has no body');
  return outcome.body;
}
