import canonicalize from 'canonicalize';
import type { Code } from '../../engine/codes.js';
import type { AccountInput, AccountUpdateInput } from '../../engine/types.js';
import type { Caller } from '../../src/session.js';
import { may, mayTouch } from './model-rights.js';
import { balanceOf, type ModelAccount, pendingIn, pendingOut, withinLimits } from './model-state.js';
import { allowed, refused, type Verdict } from './model-verdict.js';
import { accountFaults } from './statics.js';

/** The accounts of the naive model, by tenant and id. */
export type Accounts = Map<string, ModelAccount>;

export function createAccount(accounts: Accounts, caller: Caller, body: AccountInput): Verdict {
  const faults = accountFaults(body);
  if (!may(caller, 'accounts:create') || !mayTouch(caller, [{ account: body.id }])) faults.add('forbidden');
  if (faults.size > 0) return refused(faults);
  const bounded = body.type === 'asset' || body.type === 'liability';
  const filled = {
    min: body.min_balance === undefined ? (bounded ? 0n : null) : limitOf(body.min_balance),
    max: body.max_balance === undefined ? null : limitOf(body.max_balance),
    group: body.group ?? null,
    metadata: body.metadata ?? null,
  };
  const created = {
    asGiven: text({ ...body }),
    filled: text([
      body.currency,
      body.type,
      String(filled.min),
      String(filled.max),
      filled.group,
      filled.metadata,
    ]),
  };
  const known = accounts.get(`${caller.tenant}/${body.id}`);
  if (known !== undefined) {
    if (known.created.asGiven === created.asGiven) return allowed('duplicate');
    if (known.created.filled !== created.filled) return refused(['account_exists']);
    return { codes: new Set(['duplicate', 'account_exists']) };
  }
  // An empty account would break it.
  const breaks = (filled.min !== null && filled.min > 0n) || (filled.max !== null && filled.max < 0n);
  if (breaks) return refused(['limit_exceeded']);
  const apply = () => {
    const sums = { debits: 0n, credits: 0n, debitsPending: 0n, creditsPending: 0n };
    const { id, currency, type } = body;
    const account = { id, currency, type, created, ...filled, ...sums, frozen: false, closed: false };
    accounts.set(`${caller.tenant}/${id}`, account);
  };
  return { codes: new Set(['ok']), apply };
}

export function updateAccount(
  accounts: Accounts,
  caller: Caller,
  id: string,
  body: AccountUpdateInput,
): Verdict {
  if (!may(caller, 'accounts:update') || !mayTouch(caller, [{ account: id }])) return refused(['forbidden']);
  const account = accounts.get(`${caller.tenant}/${id}`);
  if (account === undefined) return refused(['account_not_found']);
  const codes = new Set<Code>();
  const min = body.min_balance === undefined ? account.min : limitOf(body.min_balance);
  const max = body.max_balance === undefined ? account.max : limitOf(body.max_balance);
  if (!withinLimits(account, min, max)) codes.add('limit_exceeded');
  const busy = balanceOf(account) !== 0n || pendingOut(account) !== 0n || pendingIn(account) !== 0n;
  if (body.closed === true && busy) codes.add('balance_not_zero');
  if (codes.size > 0) return refused(codes);
  const apply = () => {
    Object.assign(account, { min, max });
    account.frozen = body.frozen ?? account.frozen;
    account.closed = body.closed ?? account.closed;
    if (body.group !== undefined) account.group = body.group;
    if (body.metadata !== undefined) account.metadata = body.metadata;
  };
  return { codes: new Set(['ok']), apply };
}

function limitOf(input: number | bigint | string | null): bigint | null {
  return input === null ? null : BigInt(input);
}

function text(value: unknown): string {
  const plain = JSON.stringify(value, (_, item) => (typeof item === 'bigint' ? `${item}` : item));
  return canonicalize(JSON.parse(plain)) ?? '';
}
