import { AMOUNT_MAX } from '../../engine/limits.js';
import type { AccountInput, AccountUpdateInput, PartInput, TransactionInput } from '../../engine/types.js';
import type { Command } from '../support/model.js';
import {
  balanceOf,
  legsOfPart,
  type ModelTransaction,
  mirrored,
  pendingIn,
  pendingOut,
  takeFrom,
  withinLimits,
} from '../support/model-state.js';
import { amountOf, type Leg, legsOf, legsText } from '../support/statics.js';
import { type Books, difference } from './books.js';
import { type Deed, plain } from './call.js';
import type { LogFact } from './log-fact.js';

/**
 * Whether a record is what a command leads to: operation, caller, content and outcome, worked out from the contract for the state before the
 * record. Nothing is taken from the record but to compare.
 */

/** The records that a command can lead to. */
const KINDS: { readonly [op: string]: readonly LogFact['kind'][] } = {
  transaction: ['posted', 'pending'],
  reverse: ['reversal'],
  post: ['post'],
  void: ['void', 'tombstone'],
  createAccount: ['account'],
  updateAccount: ['accountUpdate'],
};

/** What commands and records about the same have in common, so that they find each other. */
export function makingKey(command: Command): string | undefined {
  const kinds = KINDS[command.op];
  return kinds === undefined ? undefined : `${kinds[0]} ${command.caller.tenant}/${subjectOf(command)}`;
}

export function factKey(fact: LogFact): string {
  const kinds = Object.values(KINDS).find((all) => all.includes(fact.kind));
  return `${kinds?.[0]} ${fact.tenant}/${fact.id}`;
}

/** The id that a command is about; of a reversal the new one. */
export function subjectOf(command: Command): string {
  return 'id' in command ? command.id : command.body.id;
}

/** @returns why the record is not what the command leads to in this state, undefined when it is */
export function misfit(books: Books, deed: Deed, fact: LogFact): string | undefined {
  const { command } = deed;
  const { caller } = command;
  const who = `${fact.by}@${fact.terminal ?? ''}`;
  if (who !== `${caller.by}@${caller.terminal ?? ''}`) return `the record is by ${who}`;
  if (command.op === 'transaction' && isHold(command.body) !== (fact.kind === 'pending'))
    return `the record is of the kind ${fact.kind}`;
  const untimely = timeMisfit(deed, fact);
  if (untimely !== undefined) return untimely;
  const verdict = books.model.decide(command);
  if (!verdict.codes.has('ok') || verdict.apply === undefined) {
    return `${[...verdict.codes].join(' or ')} was due`;
  }
  const legs = impliedLegs(books, command);
  if (typeof legs === 'string') return legs;
  const shown =
    command.op === 'post' || command.op === 'void' ? capturedText(fact.legs) : legsText(fact.legs);
  if (shown !== legs.text)
    return `the record has ${shown || 'no postings'}, and ${legs.text || 'none'} is due`;
  return difference(fact.fields, impliedFields(books, deed, fact)) ?? lateEnd(books, deed);
}

function isHold({ pending }: TransactionInput): boolean {
  return pending !== undefined && pending !== false;
}

/** The commit's time lies between question and answer. */
function timeMisfit({ call }: Deed, { timeMs }: LogFact): string | undefined {
  const { begun, told } = call;
  const isEarly = timeMs < begun.now - begun.clockErrorMs;
  const isLate = told !== undefined && timeMs > told.now + begun.clockErrorMs;
  if (!isEarly && !isLate) return undefined;
  return `committed at ${timeMs}, asked for at ${begun.now}, told at ${told?.now ?? 'no time'}`;
}

function impliedLegs(books: Books, command: Command): { readonly text: string } | string {
  const { model } = books;
  const { tenant } = command.caller;
  switch (command.op) {
    case 'transaction':
      return { text: legsText(legsOf(command.body)) };
    case 'post': {
      const hold = model.transaction(tenant, command.id)!;
      return { text: endText(hold.legs, taken(command.body, hold.legs, amounts(hold.legs))) };
    }
    case 'void': {
      const hold = model.transaction(tenant, command.id);
      if (hold === undefined) return { text: '' };
      return {
        text: endText(
          hold.legs,
          hold.legs.map(() => 0n),
        ),
      };
    }
    case 'reverse': {
      const original = model.transaction(tenant, command.original) as ModelTransaction;
      const part = taken(command.body, original.posted, original.left);
      return { text: legsText(mirrored(legsOfPart(original.posted, part))) };
    }
    default:
      return { text: '' };
  }
}

const amounts = (legs: readonly Leg[]) => legs.map((leg) => leg.amount);

/** What a part takes of each leg; the model has allowed it. */
function taken(body: PartInput, legs: readonly Leg[], left: readonly bigint[]): readonly bigint[] {
  if (body.amount !== undefined) return legs.map(() => amountOf(body.amount)!);
  if (body.postings === undefined) return left;
  return takeFrom(legs, left, legsOf(body)) as bigint[];
}

/** Each leg of a hold with what was taken and what was given back. */
export function endText(legs: readonly Leg[], part: readonly bigint[]): string {
  return legs
    .map((leg, i) => `${legsText([{ ...leg, amount: part[i]! }])} releases ${leg.amount - part[i]!}`)
    .join(' | ');
}

export function capturedText(legs: LogFact['legs']): string {
  return legs.map((leg) => `${legsText([leg])} releases ${leg.released}`).join(' | ');
}

function impliedFields(books: Books, deed: Deed, fact: LogFact): object {
  const { command } = deed;
  const { tenant } = command.caller;
  switch (command.op) {
    case 'transaction':
      return { ...described(command.body), ...impliedPending(command.body, deed, fact) };
    case 'post':
    case 'void': {
      const created = books.transaction(tenant, command.id)?.created.fact.lsn;
      return { ...described(command.body ?? {}), ...(created !== undefined && { created }) };
    }
    case 'reverse': {
      const originalLsn = books.posted(tenant, command.original)!.lsn;
      return { ...described(command.body), original: command.original, originalLsn };
    }
    case 'createAccount':
      return accountFields(command.body);
    case 'updateAccount':
      return updateFields(books, tenant, command.id, command.body);
    default:
      return {};
  }
}

function described(body: PartInput): object {
  return {
    ...(body.code !== undefined && { code: body.code }),
    ...(body.reference !== undefined && { reference: body.reference }),
    ...(body.effective_at !== undefined && { effective_at: Date.parse(body.effective_at) }),
    ...(body.metadata !== undefined && { metadata: JSON.stringify(body.metadata) }),
  };
}

function impliedPending(body: TransactionInput, deed: Deed, fact: LogFact): object {
  const pending = typeof body.pending === 'object' ? body.pending : {};
  return {
    ...(body.currency !== undefined && { currency: body.currency }),
    ...(pending.approval === true && { approval: true }),
    ...(pending.expires_in !== undefined && { expires_at: impliedExpiry(pending.expires_in, deed, fact) }),
  };
}

/** So many seconds after it was asked for, by the clock of the front. */
function impliedExpiry(seconds: number, { call }: Deed, fact: LogFact): number {
  const { now, clockErrorMs } = call.begun;
  const due = now + seconds * 1000;
  const logged = Number(fact.fields['expires_at']);
  return Math.abs(logged - due) <= clockErrorMs ? logged : due;
}

function accountFields(body: AccountInput): object {
  const hasDefault = body.type === 'asset' || body.type === 'liability';
  const min = body.min_balance === undefined ? (hasDefault ? 0 : null) : body.min_balance;
  const max = body.max_balance ?? null;
  return {
    type: body.type,
    currency: body.currency,
    ...(min !== null && { min: BigInt(min) }),
    ...(max !== null && { max: BigInt(max) }),
    ...(body.group !== undefined && { group: body.group }),
    ...(body.metadata !== undefined && { metadata: JSON.stringify(body.metadata) }),
  };
}

function updateFields(books: Books, tenant: string, id: string, body: AccountUpdateInput): object {
  const account = books.model.account(tenant, id)!;
  const limit = (input: AccountUpdateInput['min_balance']) => (input === null ? null : BigInt(input!));
  const flags = ((body.frozen ?? account.frozen) ? 1 : 0) | ((body.closed ?? account.closed) ? 2 : 0);
  return {
    ...(body.min_balance !== undefined && { min: limit(body.min_balance) }),
    ...(body.max_balance !== undefined && { max: limit(body.max_balance) }),
    ...(body.group !== undefined && { group: body.group ?? '' }),
    ...(body.metadata !== undefined && {
      metadata: body.metadata === null ? '' : JSON.stringify(body.metadata),
    }),
    ...((body.frozen !== undefined || body.closed !== undefined) && { flags }),
  };
}

/** "An end that comes after `expires_at` finds the expiry logged first." */
function lateEnd(books: Books, { command, call }: Deed): string | undefined {
  if (command.op !== 'post' && command.op !== 'void') return undefined;
  const expiresAt = books.transaction(command.caller.tenant, command.id)?.created.fact.fields['expires_at'];
  if (expiresAt === undefined || call.begun.now - call.begun.clockErrorMs < Number(expiresAt))
    return undefined;
  return `it was asked for at ${call.begun.now}, when the hold had expired at ${Number(expiresAt)}`;
}

/** Why the accounts that a record touched are not as they must be at every LSN; undefined when they are. */
export function brokenAccount(books: Books, fact: LogFact): string | undefined {
  const sums = new Map<string, bigint>();
  for (const leg of fact.legs) {
    const account = books.model.account(fact.tenant, leg.account)!;
    const amount = leg.amount + leg.released;
    const signed = leg.side === 'debit' ? amount : -amount;
    sums.set(account.currency, (sums.get(account.currency) ?? 0n) + signed);
    if (!withinLimits(account, account.min, account.max)) {
      return `${account.id} stands at ${balanceOf(account)}, less ${pendingOut(account)}, plus ${pendingIn(account)} reserved, beyond its limits ${account.min} to ${account.max}`;
    }
    const all = [account.debits, account.credits, account.debitsPending, account.creditsPending];
    if (all.some((sum) => sum < 0n || sum > AMOUNT_MAX))
      return `a sum of ${account.id} is out of range: ${plain(all)}`;
  }
  const open = [...sums].find(([, sum]) => sum !== 0n);
  return open === undefined ? undefined : `debits and credits in ${open[0]} differ by ${open[1]}`;
}
