import canonicalize from 'canonicalize';
import type { RefusalCode } from '../../engine/codes.js';
import {
  AMOUNT_MAX,
  GROUP_BYTES_MAX,
  METADATA_BYTES_MAX,
  POSTINGS_MAX,
  POSTINGS_MIN,
} from '../../engine/limits.js';
import type { AccountInput, PartInput, TransactionInput } from '../../engine/types.js';

/**
 * What the contract says of a body alone, before any account or id is looked at: written again from the contract,
 * so that nothing here can share a mistake with the engine.
 */

export type Side = 'debit' | 'credit';

export interface Leg {
  readonly account: string;
  readonly side: Side;
  readonly amount: bigint;
  readonly tag?: string;
}

export const ID = /^[A-Za-z0-9._:@{}-]{1,64}$/;
const CODE = /^[A-Za-z0-9._:@{}-]{1,32}$/;
const REFERENCE = /^[\x20-\x7e]{1,64}$/;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z$/;

const DESCRIPTION = ['code', 'reference', 'effective_at', 'metadata'];
const SHORT = ['debit', 'credit', 'amount'];

/** An amount on the way in, or undefined where the contract says `invalid_amount`. */
export function amountOf(input: unknown): bigint | undefined {
  if (typeof input === 'number') return Number.isSafeInteger(input) ? inRange(BigInt(input)) : undefined;
  if (typeof input === 'bigint') return inRange(input);
  if (typeof input === 'string' && /^\d{1,40}$/.test(input)) return inRange(BigInt(input));
  return undefined;
}

function inRange(value: bigint): bigint | undefined {
  return value >= 1n && value <= AMOUNT_MAX ? value : undefined;
}

/** The postings of a body in either form; those without a good amount are left out (and are faults). */
export function legsOf(body: PartInput | TransactionInput): Leg[] {
  if (body.postings === undefined) return shortLegs(body as TransactionInput);
  const legs: Leg[] = [];
  for (const posting of body.postings) {
    const side: Side = posting.debit === undefined ? 'credit' : 'debit';
    const amount = amountOf(posting[side]);
    if (amount === undefined) continue;
    const tag = posting.tag === undefined ? {} : { tag: posting.tag };
    legs.push({ account: posting.account, side, amount, ...tag });
  }
  return legs;
}

function shortLegs({ debit, credit, amount: input }: TransactionInput): Leg[] {
  const amount = amountOf(input);
  if (amount === undefined || debit === undefined || credit === undefined) return [];
  return [
    { account: debit, side: 'debit', amount },
    { account: credit, side: 'credit', amount },
  ];
}

/** Every static fault of a transaction's body. */
export function transactionFaults(body: TransactionInput): Set<RefusalCode> {
  const faults = new Set<RefusalCode>();
  describedFaults(body, faults, ['id', 'postings', ...SHORT, 'currency', 'pending']);
  if (!ID.test(body.id)) faults.add('invalid_request');
  if (body.postings === undefined) {
    if (!ID.test(body.debit ?? '') || !ID.test(body.credit ?? '')) faults.add('invalid_request');
    if (amountOf(body.amount) === undefined) faults.add('invalid_amount');
  } else {
    if (SHORT.some((field) => field in body)) faults.add('invalid_request');
    postingsFaults(body, faults);
  }
  return faults;
}

/** Every static fault of a partial end or a reversal. @param fields allowed besides the common ones */
export function partFaults(body: PartInput, fields: readonly string[]): Set<RefusalCode> {
  const faults = new Set<RefusalCode>();
  describedFaults(body, faults, ['amount', 'postings', ...fields]);
  if (body.amount !== undefined && amountOf(body.amount) === undefined) faults.add('invalid_amount');
  if (body.postings !== undefined) {
    if (body.amount !== undefined) faults.add('invalid_request');
    postingsFaults(body, faults);
  }
  return faults;
}

function postingsFaults(body: PartInput, faults: Set<RefusalCode>): void {
  const postings = body.postings ?? [];
  if (postings.length < POSTINGS_MIN || postings.length > POSTINGS_MAX) faults.add('invalid_request');
  for (const posting of postings) {
    if (!ID.test(posting.account)) faults.add('invalid_request');
    if (posting.tag !== undefined && !CODE.test(posting.tag)) faults.add('invalid_request');
    if ((posting.debit === undefined) === (posting.credit === undefined)) faults.add('invalid_request');
    else if (amountOf(posting.debit ?? posting.credit) === undefined) faults.add('invalid_amount');
  }
  const legs = legsOf(body);
  if (legs.length === postings.length && sumOf(legs, 'debit') !== sumOf(legs, 'credit')) {
    faults.add('unbalanced');
  }
}

function describedFaults(body: PartInput, faults: Set<RefusalCode>, fields: readonly string[]): void {
  const known = new Set([...fields, ...DESCRIPTION]);
  if (Object.keys(body).some((field) => !known.has(field))) faults.add('invalid_request');
  if (body.code !== undefined && !CODE.test(body.code)) faults.add('invalid_request');
  if (body.reference !== undefined && !REFERENCE.test(body.reference)) faults.add('invalid_request');
  if (body.effective_at !== undefined && !TIME.test(body.effective_at)) faults.add('invalid_request');
  const metadata = body.metadata === undefined ? '' : JSON.stringify(body.metadata);
  if (Buffer.byteLength(metadata) > METADATA_BYTES_MAX) faults.add('too_large');
}

const CURRENCY = /^[A-Z0-9]{3,8}$/;
const GROUP = /^[A-Za-z0-9_:@{}-]+(\.[A-Za-z0-9_:@{}-]+)*$/;
const TYPES = ['asset', 'expense', 'liability', 'equity', 'revenue'];

/** Every static fault of an account's body. */
export function accountFaults(body: AccountInput): Set<RefusalCode> {
  const faults = new Set<RefusalCode>();
  if (!ID.test(body.id) || !CURRENCY.test(body.currency) || !TYPES.includes(body.type)) {
    faults.add('invalid_request');
  }
  const { group, metadata } = body;
  if (group !== undefined && (!GROUP.test(group) || group.length > GROUP_BYTES_MAX)) {
    faults.add('invalid_request');
  }
  for (const limit of [body.min_balance, body.max_balance]) {
    if (limit === undefined || limit === null) continue;
    const isWhole = typeof limit === 'number' ? Number.isSafeInteger(limit) : /^-?\d{1,19}$/.test(`${limit}`);
    if (!isWhole || BigInt(limit) > AMOUNT_MAX || BigInt(limit) < -AMOUNT_MAX) faults.add('invalid_amount');
  }
  if (metadata !== undefined && Buffer.byteLength(JSON.stringify(metadata)) > METADATA_BYTES_MAX) {
    faults.add('too_large');
  }
  return faults;
}

export function sumOf(legs: readonly Leg[], side: Side): bigint {
  return legs.reduce((sum, leg) => (leg.side === side ? sum + leg.amount : sum), 0n);
}

/** The parts of a body that say nothing about amounts, as canonical text; two times that name the same instant are the same. */
export function descriptionOf(body: PartInput): string {
  return canonical([
    body.code ?? null,
    body.reference ?? null,
    body.effective_at === undefined ? null : Date.parse(body.effective_at),
    body.metadata ?? null,
  ]);
}

/** Canonical content of a transaction: two bodies are copies of each other exactly when this is equal. */
export function contentOf(body: TransactionInput): string {
  const options = [body.currency ?? null, pendingText(body.pending)];
  return `${legsText(legsOf(body))} ${canonical(options)} ${descriptionOf(body)}`;
}

/** `true` and `{}` are the same, so are an absent approval and `false`. */
function pendingText(pending: TransactionInput['pending']): readonly unknown[] | null {
  if (pending === undefined || pending === false) return null;
  if (pending === true) return [null, false];
  return [pending.expires_in ?? null, pending.approval === true];
}

/** In which of the three ways a part is given, and the amounts as given. */
export function partForm(body: PartInput): { form: 'whole' | 'amount' | 'postings'; text: string } {
  if (body.postings !== undefined) return { form: 'postings', text: legsText(legsOf(body)) };
  if (body.amount !== undefined) return { form: 'amount', text: String(amountOf(body.amount)) };
  return { form: 'whole', text: '' };
}

export function legsText(legs: readonly Leg[]): string {
  return legs.map((leg) => `${leg.account} ${leg.side} ${leg.amount} ${leg.tag ?? ''}`).join(' | ');
}

function canonical(value: unknown): string {
  return canonicalize(value) ?? '';
}
