import type { Dice } from '../support/dice.js';

/** Small most of the time, now and then up to below - 1. */
export function skewed(dice: Dice, below: number): number {
  return dice.below(dice.below(below) + 1);
}

/** Any 64 bits. */
export function u64(dice: Dice): bigint {
  return (BigInt(dice.below(2 ** 31)) << 33n) | (BigInt(dice.below(2 ** 31)) << 2n) | BigInt(dice.below(4));
}
