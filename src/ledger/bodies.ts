import { AccountFlag } from '../../engine/account-desk.js';
import { ACCOUNT_TYPES } from '../../engine/accounts.js';
import { IdKind } from '../../engine/ids.js';
import { Has, RecordKind, type RecordView } from '../../engine/record.js';
import type {
  AccountBody,
  BalanceBody,
  EndBody,
  Metadata,
  PostingBody,
  ReversalBody,
  TransactionBody,
  TransactionStatus,
} from '../../engine/types.js';
import { type Fact, viewOf } from './facts.js';

/** From answers and stored records to bodies of the contract. */

let lastMs = Number.NaN;
let lastIso = '';

/** RFC 3339 of a time in ms since the epoch. The last one is remembered: all that one commit wrote has the same. */
export function isoTime(ms: number): string {
  if (ms !== lastMs) {
    lastIso = new Date(ms).toISOString();
    lastMs = ms;
  }
  return lastIso;
}

/** Where the texts of an account's answer begin: currency, group, metadata. */
const TEXTS_AT = 50;

/** An account's answer: its sums and properties, true at `lsn`. */
export function accountBody(payload: Uint8Array, id: string, lsn: number): AccountBody {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const balance = balanceBody(payload, id, lsn);
  const flags = payload[49]!;
  const groupAt = TEXTS_AT + 1 + payload[TEXTS_AT]!;
  const group = textAt(payload, groupAt);
  const metadataAt = groupAt + 1 + payload[groupAt]!;
  const metadata = Buffer.from(
    payload.buffer,
    payload.byteOffset + metadataAt + 2,
    view.getUint16(metadataAt, true),
  ).toString('utf8');
  return {
    id,
    ...balance,
    type: ACCOUNT_TYPES[payload[48]!]!,
    min_balance: flags & AccountFlag.hasMin ? view.getBigInt64(32, true) : null,
    max_balance: flags & AccountFlag.hasMax ? view.getBigInt64(40, true) : null,
    frozen: (flags & AccountFlag.frozen) !== 0,
    closed: (flags & AccountFlag.closed) !== 0,
    ...(group === '' ? {} : { group }),
    ...(metadata === '' ? {} : { metadata: JSON.parse(metadata) as Metadata }),
  };
}

/** The part of an account's answer that is its balance. */
export function balanceBody(payload: Uint8Array, id: string, lsn: number): BalanceBody {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const debits = view.getBigInt64(0, true);
  const credits = view.getBigInt64(8, true);
  const debitsPending = view.getBigInt64(16, true);
  const creditsPending = view.getBigInt64(24, true);
  const isDebitNormal = payload[48]! < 2;
  const balance = isDebitNormal ? debits - credits : credits - debits;
  const outflow = isDebitNormal ? creditsPending : debitsPending;
  const hasMin = (payload[49]! & AccountFlag.hasMin) !== 0;
  return {
    account: id,
    currency: textAt(payload, TEXTS_AT),
    balance,
    available: hasMin ? balance - view.getBigInt64(32, true) - outflow : null,
    debits_posted: debits,
    credits_posted: credits,
    debits_pending: debitsPending,
    credits_pending: creditsPending,
    lsn,
  };
}

/** A text with its length before it. */
function textAt(payload: Uint8Array, at: number): string {
  return Buffer.from(payload.buffer, payload.byteOffset + at + 1, payload[at]!).toString('latin1');
}

/** What is known of an id: where its facts are. */
export interface Lookup {
  readonly kind: number;
  /** 0 while it has not ended. */
  readonly endKind: number;
  readonly lsn: number;
  readonly endLsn: number;
  /** Reversed so far by leg; legs beyond are 0. */
  readonly sums: readonly bigint[];
  readonly reversals: readonly number[];
}

export function parseLookup(payload: Uint8Array): Lookup {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  let at = 18;
  const sums: bigint[] = [];
  for (let count = payload[at++]!; count > 0; count--, at += 8) sums.push(view.getBigInt64(at, true));
  const reversals: number[] = [];
  for (let count = payload[at++]!; count > 0; count--, at += 8) reversals.push(view.getFloat64(at, true));
  return {
    kind: payload[0]!,
    endKind: payload[1]!,
    lsn: view.getFloat64(2, true),
    endLsn: view.getFloat64(10, true),
    sums,
    reversals,
  };
}

/** Whether the lookup is of a transaction that was posted, at once or by its end. */
export function isPosted(lookup: Lookup): boolean {
  if (lookup.kind === IdKind.pending) return lookup.endKind === IdKind.endPosted;
  return lookup.kind === IdKind.posted || lookup.kind === IdKind.reversal;
}

export function statusOf(kind: number, endKind: number): TransactionStatus {
  if (kind === IdKind.tombstone) return 'voided';
  if (kind !== IdKind.pending) return 'posted';
  if (endKind === IdKind.endPosted) return 'posted';
  if (endKind === IdKind.endVoided) return 'voided';
  return endKind === IdKind.endExpired ? 'expired' : 'pending';
}

function postingsOf(view: RecordView): PostingBody[] {
  const postings: PostingBody[] = [];
  for (let leg = 0; leg < view.n; leg++) {
    const amount = view.amounts[leg]!;
    if (amount === 0n) continue;
    const tag = view.tag(leg);
    postings.push({
      account: view.account(leg),
      ...(view.isCredit(leg) ? { credit: amount } : { debit: amount }),
      ...(tag === '' ? {} : { tag }),
    });
  }
  return postings;
}

/** Who, from where, and what was said about it. */
function described(view: RecordView) {
  return {
    ...(view.byLength === 0 ? {} : { by: view.by }),
    ...(view.terminalLength === 0 ? {} : { terminal: view.terminal }),
    ...(view.has(Has.code) ? { code: view.code } : {}),
    ...(view.has(Has.reference) ? { reference: view.reference } : {}),
    ...(view.has(Has.metadata) ? { metadata: JSON.parse(view.metadata) as Metadata } : {}),
  };
}

/** What an end was. @param view of its record */
export function endBody(view: RecordView, lsn: number, timeMs: number): EndBody {
  const postings = postingsOf(view);
  let status: EndBody['status'] = 'expired';
  if (view.kind === RecordKind.post) status = 'posted';
  else if (view.kind === RecordKind.void) status = 'voided';
  const effective = view.has(Has.effectiveAt) ? view.effectiveAt : timeMs;
  const isDated = status === 'posted' || view.has(Has.effectiveAt);
  return {
    status,
    lsn,
    committed_at: isoTime(timeMs),
    ...(isDated ? { effective_at: isoTime(effective) } : {}),
    ...described(view),
    ...(postings.length === 0 ? {} : { postings }),
  };
}

function reversalBody(fact: Fact): ReversalBody {
  const view = viewOf(fact);
  return { id: view.id, lsn: fact.lsn, committed_at: isoTime(fact.timeMs), postings: postingsOf(view) };
}

/** What a transaction was when it was made: posted, pending, or voided before it was ever seen. @param view of its record */
export function creationBody(view: RecordView, lsn: number, timeMs: number): TransactionBody {
  const isHold = view.kind === RecordKind.pending;
  let status: TransactionStatus = isHold ? 'pending' : 'posted';
  if (view.kind === RecordKind.tombstone) status = 'voided';
  const effective = view.has(Has.effectiveAt) ? view.effectiveAt : timeMs;
  return {
    id: view.id,
    status,
    lsn,
    committed_at: isoTime(timeMs),
    ...(view.kind === RecordKind.tombstone
      ? {}
      : { effective_at: isoTime(effective), postings: postingsOf(view) }),
    ...(view.has(Has.currency) ? { currency: view.currency } : {}),
    ...(isHold
      ? {
          pending: {
            ...(view.has(Has.expiresAt) ? { expires_at: isoTime(view.expiresAt) } : {}),
            ...(view.has(Has.approval) ? { approval: true as const } : {}),
          },
        }
      : {}),
    ...described(view),
    ...(view.has(Has.original) ? { reverses: view.original } : {}),
  };
}

/** What a transaction was and how it stands, out of its stored facts. */
export function transactionBody(
  created: Fact,
  end: Fact | undefined,
  reversals: readonly Fact[],
): TransactionBody {
  const body = creationBody(viewOf(created), created.lsn, created.timeMs);
  const ended = end === undefined ? undefined : endBody(viewOf(end), end.lsn, end.timeMs);
  return {
    ...body,
    ...(ended === undefined ? {} : { status: ended.status, end: ended }),
    ...(reversals.length === 0 ? {} : { reversals: reversals.map(reversalBody) }),
  };
}
