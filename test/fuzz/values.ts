import type { Dice } from '../support/dice.js';
import { skewed, u64 } from './odds.js';

/** Values as a request may hold them, with what lies at every boundary. */

export type Value = null | boolean | number | bigint | string | readonly Value[] | Entries;
/** A map as its pairs: a key may occur twice. */
export class Entries {
  constructor(readonly pairs: readonly (readonly [key: string, value: Value])[]) {}
}

const EDGES = [7n, 8n, 15n, 16n, 31n, 32n, 53n, 63n, 64n].flatMap((power) => {
  const n = 1n << power;
  return [n - 1n, n, n + 1n, -n, 1n - n, -n - 1n];
});
/** What 64 bits hold, signed or not. */
const INTEGERS = [0n, 1n, -1n, 5n, 100n, ...EDGES].filter((n) => n >= -(1n << 63n) && n < 1n << 64n);
const FLOATS = [0.5, -0.5, 1.5, 0.1, 1e15, 1e-7, 2 ** 53, 1e22, 1e300, -1e300, 5e-324, 1 / 3];
const TEXTS = [
  '',
  'id',
  'a',
  'till',
  '{store17}:till:3',
  'ä',
  '€',
  '😀',
  '\u0000',
  '\n',
  '"',
  '\\',
  '\u2028',
  '\ud7ff',
];
const NAMES = [
  '__proto__',
  'constructor',
  'toString',
  'length',
  'hasOwnProperty',
  '0',
  '1',
  '4294967295',
  'ﬁ',
];
const FIELDS = [
  'rid',
  'op',
  'id',
  'debit',
  'credit',
  'amount',
  'postings',
  'account',
  'metadata',
  'pending',
  'code',
];

export function makeInteger(dice: Dice): bigint {
  if (dice.chance(60)) return dice.pick(INTEGERS);
  return dice.chance(50) ? BigInt(dice.below(1000)) : u64(dice) >> BigInt(dice.below(64));
}

export function makeText(dice: Dice): string {
  if (dice.chance(40)) return dice.pick(FIELDS);
  if (dice.chance(50)) return dice.pick(TEXTS) + (dice.chance(30) ? dice.pick(TEXTS) : '');
  if (dice.chance(50)) return dice.pick(NAMES);
  return 'x'.repeat(
    dice.pick([30, 31, 32, 33, 63, 64, 65, 255, 256, 1024, 65_535, 65_536].slice(0, 6 + dice.below(7))),
  );
}

/** @param depth how deep it may still nest */
export function makeValue(dice: Dice, depth: number): Value {
  const what = dice.below(depth > 0 ? 10 : 6);
  if (what < 3) return makeText(dice);
  if (what < 4) return makeInteger(dice);
  if (what < 5) return dice.chance(50) ? dice.pick(FLOATS) : Number(makeInteger(dice));
  if (what < 6) return dice.pick([null, true, false]);
  const items = Array.from({ length: skewed(dice, dice.chance(5) ? 300 : 20) }, () =>
    makeValue(dice, depth - 1),
  );
  if (what < 8) return items;
  return new Entries(items.map((item) => [makeText(dice), item]));
}

/** A value in arrays so deep that it lies around the limit, or far beyond. */
export function nested(dice: Dice, value: Value, depth: number): Value {
  let result = value;
  for (let i = 0; i < depth; i++) result = dice.chance(50) ? [result] : new Entries([['a', result]]);
  return result;
}
