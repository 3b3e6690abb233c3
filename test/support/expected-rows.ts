import { ACCOUNT_TYPES } from '../../engine/accounts.js';
import { Has, RecordKind, RecordView } from '../../engine/record.js';
import { readLog } from './log-records.js';

/**
 * The rows that the tables must hold, worked out from a log in the plainest way: objects and strings, one record after the other. Values as
 * ClickHouse gives them in JSON, 64-bit integers as text.
 */
export interface ExpectedRows {
  readonly accounts: unknown[][];
  readonly transactions: unknown[][];
  readonly postings: unknown[][];
}

interface Account {
  type: string;
  currency: string;
  group: string;
  min: string | null;
  max: string | null;
  frozen: boolean;
  closed: boolean;
  metadata: string;
}

const KINDS = new Map(Object.entries(RecordKind).map(([name, kind]) => [kind as number, name]));
const FIRST_MS = Date.parse('1900-01-01T00:00:00.000Z');
const LAST_MS = Date.parse('2299-12-31T23:59:59.999Z');

/** As DateTime64(3, 'UTC') is written. */
export function clickhouseTime(ms: number): string {
  const kept = Math.min(LAST_MS, Math.max(FIRST_MS, ms));
  return new Date(kept).toISOString().replace('T', ' ').replace('Z', '');
}

export function expectedRows(data: string): ExpectedRows {
  const rows: ExpectedRows = { accounts: [], transactions: [], postings: [] };
  const accounts = new Map<string, Account>();
  const holds = new Map<number, { readonly code: string; readonly reference: string }>();
  for (const { lsn, timeMs, record } of readLog(data)) {
    const view = new RecordView().over(record).read(0);
    const committed = clickhouseTime(timeMs);
    if (view.kind >= RecordKind.account) {
      const key = `${view.tenant}/${view.id}`;
      const account = view.kind === RecordKind.account ? created(view) : updated(view, accounts.get(key)!);
      accounts.set(key, account);
      const { type, currency, group, min, max, frozen, closed, metadata } = account;
      const state = [type, currency, group, min, max, frozen, closed, metadata];
      rows.accounts.push([view.tenant, view.id, String(lsn), ...state, view.by, view.terminal, committed]);
      continue;
    }
    const kind = KINDS.get(view.kind)!;
    if (kind === 'pending') holds.set(lsn, { code: view.code, reference: view.reference });
    const hold = view.has(Has.created) ? holds.get(view.createdLsn)! : { code: '', reference: '' };
    const code = view.code === '' ? hold.code : view.code;
    const reference = view.reference === '' ? hold.reference : view.reference;
    const effective = view.has(Has.effectiveAt) ? clickhouseTime(view.effectiveAt) : committed;
    let currency = '';
    let debits = 0n;
    for (let leg = 0; leg < view.n; leg++) {
      const account = accounts.get(`${view.tenant}/${view.account(leg)}`)!;
      const amount = view.amounts[leg]!;
      if (leg === 0) currency = account.currency;
      if (!view.isCredit(leg) && account.currency === currency) debits += amount;
      const isPosted = ['posted', 'reversal', 'post'].includes(kind);
      let held = 0n;
      if (kind === 'pending') held = amount;
      if (['post', 'void', 'expire'].includes(kind)) held = -(amount + view.released[leg]!);
      rows.postings.push([
        ...[view.tenant, String(lsn), 0, leg, kind, view.id, view.account(leg)],
        ...[account.type, account.group, account.currency, view.isCredit(leg) ? 'credit' : 'debit'],
        ...[String(isPosted ? amount : 0n), String(held), code, reference, view.tag(leg)],
        ...[view.by, view.terminal, committed, effective, view.metadata],
      ]);
    }
    rows.transactions.push([
      ...[view.tenant, String(lsn), 0, view.id, kind, String(view.has(Has.created) ? view.createdLsn : lsn)],
      ...[view.original, view.n, String(debits), currency, code, reference, view.by, view.terminal],
      ...[committed, effective, view.has(Has.expiresAt) ? clickhouseTime(view.expiresAt) : null],
      ...[view.has(Has.approval), view.metadata],
    ]);
  }
  return rows;
}

function created(view: RecordView): Account {
  return {
    type: ACCOUNT_TYPES[view.n]!,
    currency: view.currency,
    group: view.group,
    min: view.has(Has.min) ? String(view.min) : null,
    max: view.has(Has.max) ? String(view.max) : null,
    frozen: false,
    closed: false,
    metadata: view.metadata,
  };
}

function updated(view: RecordView, before: Account): Account {
  const after = { ...before };
  if (view.has(Has.group)) after.group = view.group;
  if (view.has(Has.metadata)) after.metadata = view.metadata;
  if (view.has(Has.min)) after.min = String(view.min);
  if (view.has(Has.noMin)) after.min = null;
  if (view.has(Has.max)) after.max = String(view.max);
  if (view.has(Has.noMax)) after.max = null;
  if (view.has(Has.flags)) {
    after.frozen = view.flags % 2 === 1;
    after.closed = view.flags >= 2;
  }
  return after;
}
