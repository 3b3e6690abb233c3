import type { Code, RefusalCode } from '../../engine/codes.js';
import type { PartInput } from '../../engine/types.js';
import { type Ask, type ModelTransaction, type Obstacles, takeFrom } from './model-state.js';
import { descriptionOf, type Leg, legsOf, partForm } from './statics.js';

/** What the contract allows as the answer, and what an `ok` changes. */
export interface Verdict {
  /** "Static faults are named first. When several of the others apply, any one of them is named." */
  readonly codes: ReadonlySet<Code>;
  /** Takes the change over. @param lsn what the answer gave */
  readonly apply?: (lsn: number) => void;
  readonly shortages?: Obstacles['shortages'];
}

export function refused(codes: Iterable<Code>): Verdict {
  return { codes: new Set(codes) };
}

export function allowed(code: 'ok' | 'duplicate'): Verdict {
  return { codes: new Set([code]) };
}

/** What reaches for accounts beyond the caller's prefixes is not done, whatever else stands against it. */
export function beyondReach({ codes, shortages }: Verdict): Verdict {
  const refusals = [...codes].filter((code) => code !== 'ok' && code !== 'duplicate');
  return { codes: new Set([...refusals, 'forbidden']), ...(shortages !== undefined && { shortages }) };
}

/** The same content gives the same answer; the same part in another form may count as the same or not. */
export function repeated(
  first: Ask,
  ask: Ask,
  same: Code,
  other: RefusalCode,
  codes: ReadonlySet<Code>,
): Verdict {
  if (first.description !== ask.description) return refused([...codes, other]);
  if (first.form === ask.form) return { codes: new Set([...codes, first.text === ask.text ? same : other]) };
  const known = first.takes !== undefined && ask.takes !== undefined;
  if (known && first.takes !== ask.takes) return refused([...codes, other]);
  return { codes: new Set([...codes, same, other]) };
}

/** @param whole whether the whole, when nothing else is said, is all of the legs and not what happens to remain */
export function askOf(body: PartInput, legs: readonly Leg[], whole: boolean): Ask {
  const ask = { ...partForm(body), description: descriptionOf(body) };
  const amounts = amountsOf(legs);
  if (ask.form === 'whole') return { ...ask, takes: whole ? amounts.join() : undefined };
  if (ask.form === 'amount') return { ...ask, takes: legs.map(() => ask.text).join() };
  const taken = takeFrom(legs, amounts, legsOf(body));
  return { ...ask, takes: typeof taken === 'string' ? taken : taken.join() };
}

export function amountsOf(legs: readonly Leg[]): bigint[] {
  return legs.map((leg) => leg.amount);
}

/** Whether an amount will do where two legs were captured of a hold of more is left open. */
export function openTo(original: ModelTransaction, body: PartInput): RefusalCode[] {
  return body.amount !== undefined && original.legs.length > 2 ? ['invalid_request'] : [];
}

/** The same legs, each of this amount. */
export function amountLegs(legs: readonly Leg[], amount: bigint): Leg[] {
  return legs.map((leg) => ({ ...leg, amount }));
}
