import { ACCOUNT_TYPES } from '../../engine/accounts.js';
import { Has, Leg as LegFlag, RecordKind, type RecordView } from '../../engine/record.js';
import type { Leg } from '../support/statics.js';

/** A record of the log in plain values. */
export interface LogFact {
  readonly lsn: number;
  readonly timeMs: number;
  readonly kind: keyof typeof RecordKind;
  readonly tenant: string;
  readonly by: string;
  readonly terminal: string | undefined;
  /** Of the transaction; of an account's record: the account. */
  readonly id: string;
  readonly legs: readonly LogLeg[];
  /** Fields with the contract's names, times in ms since the epoch. */
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface LogLeg extends Leg {
  /** Of a hold's end: what is given back. */
  readonly released: bigint;
  /** Of a reversal: the leg of the original's record. */
  readonly leg: number | undefined;
}

const KIND_NAMES = new Map(
  Object.entries(RecordKind).map(([name, kind]) => [kind as number, name as keyof typeof RecordKind]),
);

/** @param view over the record */
export function factOf(view: RecordView, lsn: number, timeMs: number): LogFact {
  const kind = KIND_NAMES.get(view.kind)!;
  const isAccount = kind === 'account' || kind === 'accountUpdate';
  const legs: LogLeg[] = [];
  for (let leg = 0; !isAccount && leg < view.n; leg++) {
    const tag = view.tag(leg);
    legs.push({
      account: view.account(leg),
      side: view.isCredit(leg) ? 'credit' : 'debit',
      amount: view.amounts[leg]!,
      released: view.released[leg]!,
      leg: view.legFlags[leg]! & LegFlag.leg ? view.legs[leg]! : undefined,
      ...(tag !== '' && { tag }),
    });
  }
  return {
    lsn,
    timeMs,
    kind,
    tenant: view.tenant,
    by: view.by,
    terminal: view.terminal === '' ? undefined : view.terminal,
    id: view.id,
    legs,
    fields: fieldsOf(view),
  };
}

function fieldsOf(view: RecordView): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  if (view.kind === RecordKind.account) fields['type'] = ACCOUNT_TYPES[view.n];
  if (view.has(Has.currency)) fields['currency'] = view.currency;
  if (view.has(Has.code)) fields['code'] = view.code;
  if (view.has(Has.reference)) fields['reference'] = view.reference;
  if (view.has(Has.effectiveAt)) fields['effective_at'] = view.effectiveAt;
  if (view.has(Has.metadata)) fields['metadata'] = view.metadata;
  if (view.has(Has.expiresAt)) fields['expires_at'] = view.expiresAt;
  if (view.has(Has.approval)) fields['approval'] = true;
  if (view.has(Has.original)) {
    fields['original'] = view.original;
    fields['originalLsn'] = view.originalLsn;
  }
  if (view.has(Has.created)) fields['created'] = view.createdLsn;
  if (view.has(Has.group)) fields['group'] = view.group;
  if (view.has(Has.min)) fields['min'] = view.min;
  if (view.has(Has.max)) fields['max'] = view.max;
  if (view.has(Has.noMin)) fields['min'] = null;
  if (view.has(Has.noMax)) fields['max'] = null;
  if (view.has(Has.flags)) fields['flags'] = view.flags;
  return fields;
}
