import { CommandFlag, Op } from '../../engine/command.js';
import { EXPIRES_IN_S_MAX, POSTINGS_MAX, POSTINGS_MIN } from '../../engine/limits.js';
import { Has } from '../../engine/record.js';
import { type CallerPrefix, type CommandEncoder, type Fault, invalid, invalidAmount } from './encoder.js';
import { type Body, checkFields, DESCRIBED, ID_DETAIL, parseTime, putDescription } from './fields.js';

/**
 * From bodies as they came to commands. Everything that is wrong with a request by itself is found here, before anything is sent.
 * Fields are written in the order of their presence bits, whatever the order in the body.
 */

const TRANSACTION = new Set([
  'id',
  'postings',
  'debit',
  'credit',
  'amount',
  'currency',
  'pending',
  ...DESCRIBED,
]);
const PENDING = new Set(['expires_in', 'approval']);
const POSTING = new Set(['account', 'debit', 'credit', 'tag']);
const PART = new Set(['amount', 'postings', ...DESCRIBED]);
const VOID = new Set(DESCRIBED);
const REVERSAL = new Set(['id', 'amount', 'postings', ...DESCRIBED]);

/** One posting in the long form. */
function putPosting(enc: CommandEncoder, value: unknown, at: string): Fault | undefined {
  const fault = checkFields(value, POSTING, at);
  if (fault !== undefined) return fault;
  const posting = value as Body;
  const isCredit = posting['credit'] !== undefined;
  if (isCredit === (posting['debit'] !== undefined))
    return invalid('a posting has debit or credit, and not both', at);
  return putLeg(
    enc,
    posting['account'],
    posting[isCredit ? 'credit' : 'debit'],
    isCredit,
    posting['tag'],
    at,
    isCredit ? '/credit' : '/debit',
  );
}

function putLeg(
  enc: CommandEncoder,
  account: unknown,
  amount: unknown,
  isCredit: boolean,
  tag: unknown,
  at: string,
  amountField: string,
): Fault | undefined {
  enc.startPosting(isCredit, tag !== undefined, -1);
  if (!enc.putAmount(amount, isCredit)) return invalidAmount(at + amountField);
  if (!enc.putPostingAccount(account)) return invalid(ID_DETAIL, `${at}/account`);
  if (tag !== undefined && !enc.putTag(tag))
    return invalid('a tag is 1-32 characters of the id alphabet', `${at}/tag`);
  return undefined;
}

function putPostings(enc: CommandEncoder, value: unknown, min: number): Fault | undefined {
  if (!Array.isArray(value)) return invalid('postings is an array', '/postings');
  if (value.length < min || value.length > POSTINGS_MAX) {
    return invalid(`${min} to ${POSTINGS_MAX} postings, not ${value.length}`, '/postings');
  }
  for (let i = 0; i < value.length; i++) {
    const fault = putPosting(enc, value[i], `/postings/${i}`);
    if (fault !== undefined) return fault;
  }
  return checkBalanced(enc);
}

function checkBalanced(enc: CommandEncoder): Fault | undefined {
  if (enc.isBalanced) return undefined;
  return { code: 'unbalanced', detail: 'the sums of debits and credits differ', pointer: '/postings' };
}

/** @param now ledger time, ms since the epoch */
export function encodeTransaction(
  enc: CommandEncoder,
  caller: CallerPrefix,
  input: unknown,
  now: number,
): Fault | undefined {
  const fault = checkFields(input, TRANSACTION, '');
  if (fault !== undefined) return fault;
  const body = input as Body;
  const isShort = body['postings'] === undefined;
  const pending = body['pending'];
  const isPending = pending !== undefined && pending !== false;
  enc.begin(
    caller,
    isPending ? Op.pending : Op.transaction,
    CommandFlag.full | (isShort ? CommandFlag.shareCurrency : 0),
  );
  if (!enc.putTransactionId(body['id'])) return invalid(ID_DETAIL, '/id');
  if (body['currency'] !== undefined) {
    if (!enc.putCurrency(body['currency'])) return invalid('a currency is 3-8 of A-Z0-9', '/currency');
    enc.flags |= CommandFlag.shareCurrency;
  }
  const wrong = putDescription(enc, body) ?? (isPending ? putPending(enc, pending, now) : undefined);
  if (wrong !== undefined) return wrong;
  const postings = isShort
    ? putShort(enc, body['debit'], body['credit'], body['amount'])
    : ['debit', 'credit', 'amount'].some((field) => body[field] !== undefined)
      ? invalid('either postings or debit, credit and amount', '/postings')
      : putPostings(enc, body['postings'], POSTINGS_MIN);
  if (postings !== undefined) return postings;
  enc.hashContent();
  return undefined;
}

function putShort(enc: CommandEncoder, debit: unknown, credit: unknown, amount: unknown): Fault | undefined {
  enc.startPosting(false, false, -1);
  if (!enc.putAmount(amount, false))
    return amount === undefined ? invalid('amount is missing', '/amount') : invalidAmount('/amount');
  if (!enc.putPostingAccount(debit)) return invalid(ID_DETAIL, '/debit');
  enc.startPosting(true, false, -1);
  enc.putAmount(amount, true);
  if (!enc.putPostingAccount(credit)) return invalid(ID_DETAIL, '/credit');
  return undefined;
}

function putPending(enc: CommandEncoder, pending: unknown, now: number): Fault | undefined {
  if (pending === true) return undefined;
  const fault = checkFields(pending, PENDING, '/pending');
  if (fault !== undefined) return fault;
  const { expires_in: seconds, approval } = pending as Body;
  if (seconds !== undefined) {
    if (
      typeof seconds !== 'number' ||
      !Number.isInteger(seconds) ||
      seconds < 1 ||
      seconds > EXPIRES_IN_S_MAX
    ) {
      return invalid(
        `expires_in is a whole number of seconds from 1 to ${EXPIRES_IN_S_MAX}`,
        '/pending/expires_in',
      );
    }
    enc.putExpiry(now, seconds);
  }
  if (approval !== undefined && typeof approval !== 'boolean')
    return invalid('approval is true or false', '/pending/approval');
  if (approval === true) enc.presence |= Has.approval;
  return undefined;
}

/**
 * A compact entry from `at` on: `id, debit, credit, amount, code?, reference?, effective_at?` or
 * `id, [[account, signed amount, tag?], ...], code?, reference?, effective_at?`.
 */
export function encodeCompact(
  enc: CommandEncoder,
  caller: CallerPrefix,
  entry: readonly unknown[],
  at: number,
): Fault | undefined {
  const isLong = Array.isArray(entry[at + 1]);
  const optional = at + (isLong ? 2 : 4);
  if (entry.length < optional || entry.length > optional + 3)
    return invalid('a compact transaction has 4 to 7, or 2 to 5, fields', '');
  enc.begin(caller, Op.transaction, isLong ? 0 : CommandFlag.shareCurrency);
  if (!enc.putTransactionId(entry[at])) return invalid(ID_DETAIL, '');
  const code = entry[optional];
  if (code !== undefined && code !== null && !enc.putCode(code)) return invalid('code', '');
  const reference = entry[optional + 1];
  if (reference !== undefined && reference !== null && !enc.putReference(reference))
    return invalid('reference', '');
  const effective = entry[optional + 2];
  if (effective !== undefined && effective !== null) {
    const ms = parseTime(effective);
    if (ms === undefined) return invalid('effective_at', '');
    enc.putEffectiveAt(ms);
  }
  const fault = isLong
    ? putCompactPostings(enc, entry[at + 1] as unknown[])
    : putShort(enc, entry[at + 1], entry[at + 2], entry[at + 3]);
  if (fault !== undefined) return fault;
  enc.hashContent();
  return undefined;
}

function putCompactPostings(enc: CommandEncoder, postings: readonly unknown[]): Fault | undefined {
  if (postings.length < POSTINGS_MIN || postings.length > POSTINGS_MAX)
    return invalid('2 to 64 postings', '');
  for (const posting of postings) {
    if (!Array.isArray(posting) || posting.length < 2 || posting.length > 3)
      return invalid('a posting is [account, amount, tag?]', '');
    const signed = posting[1] as unknown;
    const isNumber = typeof signed === 'number' || typeof signed === 'bigint';
    const isCredit = isNumber ? signed < 0 : typeof signed === 'string' && signed.startsWith('-');
    let amount: unknown = signed;
    if (isCredit) amount = isNumber ? -signed : (signed as string).slice(1);
    const tag = posting[2] === null ? undefined : (posting[2] as unknown);
    const fault = putLeg(enc, posting[0], amount, isCredit, tag, '', '');
    if (fault !== undefined) return fault;
  }
  return checkBalanced(enc);
}

/** Post, with what part of the hold, or void. */
export function encodeEnd(
  enc: CommandEncoder,
  caller: CallerPrefix,
  op: number,
  flags: number,
  id: string,
  input: unknown,
): Fault | undefined {
  const fault = checkFields(input, op === Op.post ? PART : VOID, '');
  if (fault !== undefined) return fault;
  const body = input as Body;
  enc.begin(caller, op, CommandFlag.full | flags);
  if (!enc.putTransactionId(id)) return invalid(ID_DETAIL, '/id');
  const wrong = putDescription(enc, body);
  if (wrong !== undefined) return wrong;
  if (body['amount'] !== undefined && body['postings'] !== undefined)
    return invalid('either amount or postings', '/postings');
  if (body['amount'] !== undefined) {
    enc.flags |= CommandFlag.amountForm;
    enc.startPosting(false, false, -1);
    if (!enc.putAmount(body['amount'], false)) return invalidAmount('/amount');
    enc.payload.u8(0);
    enc.n = 1;
  } else if (body['postings'] !== undefined) {
    const postings = putPostings(enc, body['postings'], 1);
    if (postings !== undefined) return postings;
  }
  enc.hashContent();
  // The hold knows the hashes of its accounts.
  enc.wordCount = 0;
  return undefined;
}

/** What part of the original a reversal asks for, checked but not yet worked out. */
export interface ReversalPart {
  readonly amount: bigint | undefined;
  readonly postings:
    | readonly { account: string; isCredit: boolean; tag: string; amount: bigint }[]
    | undefined;
}

/**
 * Begins a reversal: id, description and content. The postings follow in {@link putReversalPostings}, once the original is known.
 * @returns the part asked for, or the fault
 */
export function encodeReversal(
  enc: CommandEncoder,
  caller: CallerPrefix,
  original: string,
  input: unknown,
): ReversalPart | Fault {
  const fault = checkFields(input, REVERSAL, '') ?? encodeReversalPart(enc, caller, original, input as Body);
  if (fault !== undefined) return fault;
  const body = input as Body;
  const list = body['postings'] as readonly Body[] | undefined;
  return {
    amount: body['amount'] === undefined ? undefined : BigInt(body['amount'] as string),
    postings: list?.map((posting) => ({
      account: posting['account'] as string,
      isCredit: posting['credit'] !== undefined,
      tag: (posting['tag'] as string | undefined) ?? '',
      amount: BigInt((posting['credit'] ?? posting['debit']) as string),
    })),
  };
}

/** Checks the whole body and hashes it as content; what it wrote is thrown away. */
function encodeReversalPart(
  enc: CommandEncoder,
  caller: CallerPrefix,
  original: string,
  body: Body,
): Fault | undefined {
  enc.begin(caller, Op.reverse, CommandFlag.full);
  if (!enc.putTransactionId(original)) return invalid(ID_DETAIL, '/original');
  if (!enc.putTransactionId(body['id'])) return invalid(ID_DETAIL, '/id');
  const wrong = putDescription(enc, body);
  if (wrong !== undefined) return wrong;
  enc.putOriginal(original, 0);
  if (body['amount'] !== undefined && body['postings'] !== undefined)
    return invalid('either amount or postings', '/postings');
  if (body['amount'] !== undefined) {
    enc.presence |= Has.min;
    enc.startPosting(false, false, -1);
    if (!enc.putAmount(body['amount'], false)) return invalidAmount('/amount');
  } else if (body['postings'] !== undefined) {
    const postings = putPostings(enc, body['postings'], 1);
    if (postings !== undefined) return postings;
  }
  enc.hashContent();
  return undefined;
}

/** One leg of the original and how much of it is reversed. */
export interface ReversedLeg {
  readonly leg: number;
  readonly account: string;
  readonly isCredit: boolean;
  readonly tag: string;
  readonly amount: bigint;
}

/** Composes the reversal with its mirrored postings. The content is that of {@link encodeReversal}. */
export function putReversal(
  enc: CommandEncoder,
  caller: CallerPrefix,
  original: string,
  factLsn: number,
  input: { readonly [field: string]: unknown },
  legs: readonly ReversedLeg[],
  content: readonly [number, number],
): void {
  enc.begin(caller, Op.reverse, CommandFlag.full);
  enc.putTransactionId(input['id']);
  putDescription(enc, input);
  enc.putOriginal(original, factLsn);
  for (const leg of legs) {
    enc.startPosting(!leg.isCredit, leg.tag !== '', leg.leg);
    enc.putAmount(leg.amount, !leg.isCredit);
    enc.putPostingAccount(leg.account);
    if (leg.tag !== '') enc.putTag(leg.tag);
    enc.putLeg(leg.leg);
  }
  enc.c0 = content[0];
  enc.c1 = content[1];
}

/** A command that only names an account or a transaction. */
export function encodeQuestion(
  enc: CommandEncoder,
  caller: CallerPrefix,
  op: number,
  id: unknown,
): Fault | undefined {
  enc.begin(caller, op, CommandFlag.full);
  const isValid = op === Op.lookup ? enc.putTransactionId(id) : enc.putAccountId(id);
  return isValid ? undefined : invalid(ID_DETAIL, '/id');
}
