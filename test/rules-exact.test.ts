import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Accounts } from '../engine/accounts.js';
import { CODES } from '../engine/codes.js';
import { type Changes, judge, noStanding, PARK, type Standing, shortfall, YES } from '../engine/ledger.js';
import { AMOUNT_MAX } from '../engine/limits.js';

/** The rules reckon with 64-bit words; here they are held against the same rules in integers without bounds. */

const LOWEST = -(1n << 63n);

/** 0 to `max`, mostly near the ends of ranges. */
function upTo(max: bigint): fc.Arbitrary<bigint> {
  const edges = [0n, 1n, 2n, 1n << 31n, 1n << 32n, 1n << 53n, (1n << 62n) - 1n, 1n << 62n, max - 1n, max];
  return fc.oneof(
    fc.constantFrom(...edges.filter((edge) => edge >= 0n && edge <= max)),
    fc.bigInt(0n, max),
    fc.bigInt(0n, max < 1000n ? max : 1000n),
  );
}

interface Sums {
  readonly debits: bigint;
  readonly credits: bigint;
  readonly debitsPending: bigint;
  readonly creditsPending: bigint;
}

/** An account as it can be: each side's sums within the range, the limits kept. */
interface Case {
  readonly isDebitNormal: boolean;
  readonly has: Sums;
  readonly min: bigint | null;
  readonly max: bigint | null;
  readonly change: Sums;
  readonly standing: Standing | null;
}

const side = upTo(AMOUNT_MAX).chain((posted) => fc.tuple(fc.constant(posted), upTo(AMOUNT_MAX - posted)));

const sums: fc.Arbitrary<Sums> = fc
  .tuple(side, side)
  .map(([[debits, debitsPending], [credits, creditsPending]]) => ({
    debits,
    credits,
    debitsPending,
    creditsPending,
  }));

/** Posted, pending, or an end, which takes from what is pending at least what it posts. */
function changeOf(has: Sums): fc.Arbitrary<Sums> {
  const two = fc.tuple(upTo(AMOUNT_MAX), upTo(AMOUNT_MAX));
  const end = (pending: bigint) => upTo(pending).chain((taken) => fc.tuple(upTo(taken), fc.constant(-taken)));
  return fc.oneof(
    two.map(([debits, credits]) => ({ debits, credits, debitsPending: 0n, creditsPending: 0n })),
    two.map(([debitsPending, creditsPending]) => ({
      debits: 0n,
      credits: 0n,
      debitsPending,
      creditsPending,
    })),
    fc
      .tuple(end(has.debitsPending), end(has.creditsPending))
      .map(([[debits, debitsPending], [credits, creditsPending]]) => ({
        debits,
        credits,
        debitsPending,
        creditsPending,
      })),
  );
}

const standings: fc.Arbitrary<Standing | null> = fc.oneof(
  fc.constant(null),
  fc.record({
    lowDown: upTo(AMOUNT_MAX),
    lowUp: upTo(AMOUNT_MAX),
    highUp: upTo(AMOUNT_MAX),
    highDown: upTo(AMOUNT_MAX),
    debitsUp: upTo(AMOUNT_MAX),
    debitsDown: upTo(AMOUNT_MAX),
    creditsUp: upTo(AMOUNT_MAX),
    creditsDown: upTo(AMOUNT_MAX),
  }),
);

const cases: fc.Arbitrary<Case> = fc.tuple(fc.boolean(), sums).chain(([isDebitNormal, has]) => {
  const { low, high } = flows(isDebitNormal, has);
  const min = low < LOWEST ? fc.constant(null) : fc.option(upTo(low - LOWEST).map((room) => low - room));
  const max =
    high > AMOUNT_MAX ? fc.constant(null) : fc.option(upTo(AMOUNT_MAX - high).map((room) => high + room));
  return fc.record({
    isDebitNormal: fc.constant(isDebitNormal),
    has: fc.constant(has),
    min,
    max,
    change: changeOf(has),
    standing: standings,
  });
});

/** (balance - pending outflow) and (balance + pending inflow). */
function flows(isDebitNormal: boolean, of: Sums): { low: bigint; high: bigint } {
  const { debits, credits, debitsPending, creditsPending } = of;
  return isDebitNormal
    ? { low: debits - credits - creditsPending, high: debits - credits + debitsPending }
    : { low: credits - debits - debitsPending, high: credits - debits + creditsPending };
}

/** The rules, plainly. */
function expected({ isDebitNormal, has, min, max, change, standing }: Case): number {
  const still = standing ?? noStanding();
  const moreDebits = change.debits + change.debitsPending;
  const moreCredits = change.credits + change.creditsPending;
  const debitRoom = AMOUNT_MAX - has.debits - has.debitsPending;
  const creditRoom = AMOUNT_MAX - has.credits - has.creditsPending;
  if (moreDebits > debitRoom + still.debitsDown || moreCredits > creditRoom + still.creditsDown)
    return CODES.overflow.n;
  let parked = moreDebits > debitRoom - still.debitsUp || moreCredits > creditRoom - still.creditsUp;
  const now = flows(isDebitNormal, has);
  const by = flows(isDebitNormal, change);
  if (min !== null && by.low < 0n) {
    if (-by.low > now.low - min + still.lowUp) return CODES.insufficient_funds.n;
    if (-by.low > now.low - min - still.lowDown) parked = true;
  }
  if (max !== null && by.high > 0n) {
    if (by.high > max - now.high + still.highDown) return CODES.limit_exceeded.n;
    if (by.high > max - now.high - still.highUp) parked = true;
  }
  return parked ? PARK : YES;
}

function accountOf({ isDebitNormal, has, min, max }: Case): Accounts {
  const accounts = new Accounts();
  accounts.add(1, 0, new Uint8Array([65]), 0, 1, isDebitNormal ? 0 : 2, 'EUR', 0, 0);
  accounts.addSums(0, has.debits, has.credits, has.debitsPending, has.creditsPending);
  if (min !== null) accounts.setMin(0, min);
  if (max !== null) accounts.setMax(0, max);
  return accounts;
}

function changesOf({ change }: Case): Changes {
  return {
    debits: BigInt64Array.of(change.debits),
    credits: BigInt64Array.of(change.credits),
    debitsPending: BigInt64Array.of(change.debitsPending),
    creditsPending: BigInt64Array.of(change.creditsPending),
  };
}

describe('the rules in 64-bit words', () => {
  test('judge as they do in integers without bounds', () => {
    const seen = new Set<number>();
    const check = (given: Case): void => {
      const verdict = judge(accountOf(given), 0, changesOf(given), 0, given.standing);
      expect(verdict).toBe(expected(given));
      seen.add(verdict);
      if (verdict === CODES.insufficient_funds.n) {
        const { low } = flows(given.isDebitNormal, given.has);
        expect(shortfall).toEqual({
          available: low - given.min!,
          required: -flows(given.isDebitNormal, given.change).low,
        });
      }
    };
    // So many that most run as compiled code.
    fc.assert(fc.property(cases, check), { numRuns: 20_000 });
    const all = [YES, PARK, CODES.overflow.n, CODES.insufficient_funds.n, CODES.limit_exceeded.n];
    expect([...seen].sort()).toEqual(all.sort());
  });
});
