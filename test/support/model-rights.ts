import type { Caller, Permission } from '../../src/session.js';
import type { ModelTransaction } from './model-state.js';

/** Who may do what, for the naive model. */

export function may(caller: Caller, permission: Permission): boolean {
  return caller.permissions === undefined || caller.permissions.has(permission);
}

export function mayTouch(caller: Caller, legs: readonly { readonly account: string }[]): boolean {
  const prefixes = caller.accounts;
  return (
    prefixes === undefined || legs.every((leg) => prefixes.some((prefix) => leg.account.startsWith(prefix)))
  );
}

function mayEnd(caller: Caller, hold: ModelTransaction): boolean {
  return may(caller, 'transactions:end_any') || (hold.by === caller.by && may(caller, 'transactions:end'));
}

export function mayPost(caller: Caller, hold: ModelTransaction): boolean {
  if (!hold.approval) return mayEnd(caller, hold);
  return may(caller, 'transactions:approve') && hold.by !== caller.by;
}

export function mayVoid(caller: Caller, hold: ModelTransaction): boolean {
  if (!hold.approval) return mayEnd(caller, hold);
  return may(caller, 'transactions:approve') || hold.by === caller.by;
}
