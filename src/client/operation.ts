import { randomBytes } from 'node:crypto';
import {
  AMOUNT_MAX,
  EXPIRES_IN_S_MAX,
  METADATA_BYTES_MAX,
  POSTINGS_MAX,
  POSTINGS_MIN,
} from '../../engine/limits.js';
import type { AmountInput, Metadata, PostingInput } from '../../engine/types.js';
import type { CaptureInput, HoldInput, OperationKind, SaleInput } from './types.js';

/** Fields of a request as they go on the wire; amounts are numbers below 2^53, else bigint. */
export type Body = { readonly [field: string]: unknown };

/**
 * One thing asked of the ledger. What it says is fixed when it is taken and never changes after: every copy of it
 * that is sent, in whatever form, has the same content, so the ledger knows a copy by its id.
 */
export interface Operation {
  readonly kind: OperationKind;
  readonly id: string;
  readonly body: Body;
}

type Amount = number | bigint;

const ID = /^[A-Za-z0-9._:@{}-]{1,64}$/;
const NAME = /^[A-Za-z0-9._:@{}-]{1,32}$/;
const CURRENCY = /^[A-Z0-9]{3,8}$/;
const REFERENCE = /^[\x20-\x7e]{1,64}$/;
const TIME = /^\d{4}-\d\d-\d\dT[\d:.]{8,18}(Z|[+-]00:00)$/;
/** A surrogate without its other half; it has no UTF-8. */
const LONE_SURROGATE = /\p{Surrogate}/u;

/** @throws RangeError for anything but 1-32 bytes of the id alphabet */
export function checkName(name: string): string {
  if (!NAME.test(name)) throw new RangeError('a terminal name is 1-32 bytes of the id alphabet');
  return name;
}

/** An id nobody else makes: name, time, 72 random bits. At most 55 bytes. */
export function makeId(name: string): string {
  return `${name}:${Date.now().toString(36)}:${randomBytes(9).toString('base64url')}`;
}

/** @throws RangeError for what cannot be a sale */
export function saleOperation(input: SaleInput, id: string): Operation {
  return { kind: 'sale', id: checkId(id), body: { ...content(input), ...described(input) } };
}

/** @throws RangeError for what cannot be a hold */
export function holdOperation(input: HoldInput, id: string): Operation {
  const { expires_in, approval } = input;
  if (
    expires_in !== undefined &&
    !(Number.isInteger(expires_in) && expires_in >= 1 && expires_in <= EXPIRES_IN_S_MAX)
  ) {
    throw new RangeError(`expires_in is whole seconds from 1 to ${EXPIRES_IN_S_MAX}`);
  }
  const options = defined({ expires_in, approval: approval === true ? true : undefined });
  const pending = Object.keys(options).length === 0 ? true : options;
  return { kind: 'hold', id: checkId(id), body: { ...content(input), pending, ...described(input) } };
}

/** @throws RangeError for what cannot be a capture */
export function captureOperation(id: string, part: CaptureInput): Operation {
  const amount = part.amount === undefined ? undefined : toAmount(part.amount);
  const postings = part.postings?.map(toPosting);
  return { kind: 'capture', id: checkId(id), body: { ...defined({ amount, postings }), ...described(part) } };
}

/** @throws RangeError for a malformed id */
export function endOperation(kind: 'void' | 'give_up', id: string): Operation {
  return { kind, id: checkId(id), body: {} };
}

/** The same sale or hold with the time it happened, unless it has one. */
export function stamped(op: Operation, now: Date): Operation {
  if (op.body['effective_at'] !== undefined) return op;
  return { ...op, body: { ...op.body, effective_at: now.toISOString() } };
}

/** Whether it creates a transaction, and so may share a batch frame with others that do. */
export function creates(op: Operation): boolean {
  return op.kind === 'sale' || op.kind === 'hold';
}

/** Whether the compact form can say it. */
export function isCompact(op: Operation): boolean {
  return op.kind === 'sale' && op.body['currency'] === undefined && op.body['metadata'] === undefined;
}

/** The compact form without its `rid`: `[id, debit, credit, amount, ...]` or `[id, [[account, ±amount, tag?], ...], ...]`. */
export function compactForm(op: Operation): unknown[] {
  const { postings, debit, credit, amount, code, reference, effective_at } = op.body;
  const form: unknown[] = [op.id];
  if (postings === undefined) form.push(debit, credit, amount);
  else form.push((postings as readonly PostingInput[]).map(compactLeg));
  form.push(code ?? null, reference ?? null, effective_at ?? null);
  while (form.at(-1) === null) form.pop();
  return form;
}

function compactLeg(posting: PostingInput): unknown[] {
  const debit = posting.debit as Amount | undefined;
  const signed = debit ?? -(posting.credit as Amount);
  return posting.tag === undefined ? [posting.account, signed] : [posting.account, signed, posting.tag];
}

/** The map form without its `rid`. */
export function mapForm(op: Operation): Body {
  switch (op.kind) {
    case 'sale':
    case 'hold':
      return { op: 'transaction', id: op.id, ...op.body };
    case 'capture':
      return { op: 'post', id: op.id, ...op.body };
    case 'void':
    case 'give_up':
      return { op: 'void', id: op.id };
  }
}

/** @throws RangeError for anything but 1-64 bytes of the id alphabet */
export function checkId(id: string): string {
  if (typeof id !== 'string' || !ID.test(id)) throw new RangeError(`not an id: ${String(id)}`);
  return id;
}

function content(input: SaleInput): Body {
  if (input.postings === undefined) {
    const { debit, credit, amount } = input;
    return {
      debit: checkId(debit),
      credit: checkId(credit),
      amount: toAmount(amount),
      ...currencyOf(input),
    };
  }
  const count = input.postings.length;
  if (!(count >= POSTINGS_MIN && count <= POSTINGS_MAX)) throw new RangeError('a sale has 2-64 postings');
  return { postings: input.postings.map(toPosting), ...currencyOf(input) };
}

function currencyOf({ currency }: SaleInput): Body {
  return defined({ currency: matching(CURRENCY, 'currency', currency) });
}

function toPosting(posting: PostingInput): Body {
  const { account, debit, credit, tag } = posting;
  if ((debit === undefined) === (credit === undefined)) {
    throw new RangeError('a posting has a debit or a credit, and not both');
  }
  const side = debit === undefined ? { credit: toAmount(credit!) } : { debit: toAmount(debit) };
  return defined({ account: checkId(account), ...side, tag: matching(NAME, 'tag', tag) });
}

function described(input: CaptureInput | SaleInput): Body {
  const { effective_at } = input;
  const time = effective_at instanceof Date ? effective_at.toISOString() : effective_at;
  return defined({
    code: matching(NAME, 'code', input.code),
    reference: matching(REFERENCE, 'reference', input.reference),
    effective_at: matching(TIME, 'effective_at', time),
    metadata: input.metadata === undefined ? undefined : plainJson(input.metadata),
  });
}

/** A field that the server could not read would block the queue for ever, so it must not get in. */
function matching(form: RegExp, field: string, value: string | undefined): string | undefined {
  if (value === undefined || (typeof value === 'string' && form.test(value))) return value;
  throw new RangeError(`${field} has a form that the ledger does not take: ${String(value)}`);
}

/** A copy as JSON has it, which the caller cannot change any more, and which comes back from the queue as it went in. */
function plainJson(metadata: Metadata): Metadata {
  const text = JSON.stringify(metadata);
  if (Buffer.byteLength(text) > METADATA_BYTES_MAX) throw new RangeError('metadata is at most 1 KiB of JSON');
  const copy: unknown = JSON.parse(text, (key, value) => {
    if (LONE_SURROGATE.test(key) || (typeof value === 'string' && LONE_SURROGATE.test(value))) {
      throw new RangeError('metadata has a string that is not well-formed');
    }
    // The decoder gives it another name, so what is read from the queue would have another content.
    if (key === '__proto__') throw new RangeError('metadata has a key __proto__');
    return value;
  });
  if (typeof copy !== 'object' || copy === null || Array.isArray(copy))
    throw new RangeError('metadata is an object');
  return copy as Metadata;
}

/** One form for each amount: a number when that is exact, else a bigint. */
function toAmount(input: AmountInput): Amount {
  let amount: bigint;
  try {
    amount = BigInt(input);
  } catch {
    throw new RangeError(`not an amount: ${String(input)}`);
  }
  const exact = typeof input !== 'number' || Number.isSafeInteger(input);
  const digits = typeof input !== 'string' || /^[0-9]+$/.test(input);
  if (!exact || !digits || amount < 1n || amount > AMOUNT_MAX) {
    throw new RangeError('an amount is an integer from 1 to 2^63-1');
  }
  return amount <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(amount) : amount;
}

function defined(fields: { readonly [field: string]: unknown }): Body {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
