import { AMOUNT_MAX } from '../../engine/limits.js';
import { RecordKind, type RecordView } from '../../engine/record.js';
import type { PartInput, PostingInput } from '../../engine/types.js';
import { isPlainObject } from '../ledger/fields.js';
import type { Part } from './format.js';
import { LineFault } from './line-fault.js';

/** A leg as an end's or a reversal's line states it: what came of the request. */
export interface StatedLeg {
  readonly account: string;
  readonly isCredit: boolean;
  readonly amount: bigint;
  readonly tag: string;
  /** Of the original; 0 where there is none. */
  readonly leg: number;
  readonly released: bigint;
}

const FIELDS = new Set(['account', 'debit', 'credit', 'tag', 'leg', 'released']);

/** @throws {LineFault} */
export function parseLegs(value: unknown): StatedLeg[] {
  if (!Array.isArray(value)) throw new LineFault('invalid_request', '/postings: postings is an array');
  return value.map((item, i) => {
    const at = `/postings/${i}`;
    if (!isPlainObject(item)) throw new LineFault('invalid_request', `${at}: an object is expected`);
    for (const field of Object.keys(item)) {
      if (!FIELDS.has(field))
        throw new LineFault('invalid_request', `${at}: unknown field ${JSON.stringify(field)}`);
    }
    const { account, debit, credit, tag = '', leg = 0, released = 0 } = item;
    if ((debit === undefined) === (credit === undefined)) {
      throw new LineFault('invalid_request', `${at}: a posting has debit or credit, and not both`);
    }
    if (typeof account !== 'string' || typeof tag !== 'string' || typeof leg !== 'number') {
      throw new LineFault('invalid_request', `${at}: account and tag are texts, leg is a number`);
    }
    const amount = parseAmount(debit ?? credit, at);
    return { account, isCredit: credit !== undefined, amount, tag, leg, released: parseAmount(released, at) };
  });
}

function parseAmount(value: unknown, at: string): bigint {
  const isInteger = typeof value === 'bigint' || (typeof value === 'number' && Number.isSafeInteger(value));
  const isDigits = typeof value === 'string' && /^[0-9]{1,19}$/.test(value);
  const amount = isInteger || isDigits ? BigInt(value as bigint | number | string) : -1n;
  if (amount >= 0n && amount <= AMOUNT_MAX) return amount;
  throw new LineFault('invalid_amount', `${at}: an amount is an integer from 0 to 2^63-1`);
}

/**
 * The request that these legs came of.
 * @param mirrored whether it names the other sides, as a reversal does
 */
export function requestOf(part: Part, legs: readonly StatedLeg[], mirrored: boolean): PartInput {
  if (part === 'whole') return {};
  if (part === 'amount') return { amount: legs[0]?.amount ?? 0n };
  const postings = legs
    .filter(({ amount }) => amount > 0n)
    .map((leg): PostingInput => {
      const side = leg.isCredit === mirrored ? { debit: leg.amount } : { credit: leg.amount };
      return { account: leg.account, ...side, ...(leg.tag === '' ? {} : { tag: leg.tag }) };
    });
  return { postings };
}

/** Whether a record's postings are the stated ones. */
export function isAsStated(view: RecordView, legs: readonly StatedLeg[]): boolean {
  return (
    view.n === legs.length &&
    legs.every(
      (leg, i) =>
        view.account(i) === leg.account &&
        view.isCredit(i) === leg.isCredit &&
        view.amounts[i] === leg.amount &&
        view.tag(i) === leg.tag &&
        view.released[i] === leg.released &&
        (view.kind !== RecordKind.reversal || view.legs[i] === leg.leg),
    )
  );
}
