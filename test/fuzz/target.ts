import type { Dice } from '../support/dice.js';

/** A decoder under attack. */
export interface Target {
  readonly name: string;
  /** A new input, valid or not. */
  make(dice: Dice): Uint8Array;
  /**
   * Gives the input to the decoder and judges what it does with it.
   * @throws when that breaks a promise: an error of another kind than the decoder's, or another value than the reference gives
   */
  run(input: Uint8Array): void | Promise<void>;
}

/** Runs a decoder. @returns what it gave, or undefined when it refused @throws when it threw anything but a refusal */
export function accepted<T>(
  decode: () => T,
  ...refusals: readonly (new (
    ...args: never[]
  ) => Error)[]
): { value: T } | undefined {
  try {
    return { value: decode() };
  } catch (error) {
    if (refusals.some((refusal) => error instanceof refusal)) return undefined;
    throw error;
  }
}

/** @throws with this message unless it holds */
export function claim(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}

/**
 * Whether two decoders gave the same: objects and Maps by their members, in any order; numbers and bigints by their value, NaN and infinities as
 * one, since no field takes either.
 */
export function same(a: unknown, b: unknown): boolean {
  if (typeof a === 'number' || typeof a === 'bigint') {
    if (typeof b !== 'number' && typeof b !== 'bigint') return false;
    if (!Number.isFinite(Number(a))) return !Number.isFinite(Number(b));
    // biome-ignore lint/suspicious/noDoubleEquals: a number and a bigint of one value are the same here.
    return a == b;
  }
  if (Array.isArray(a))
    return Array.isArray(b) && a.length === b.length && a.every((item, i) => same(item, b[i]));
  if (typeof a !== 'object' || a === null || typeof b !== 'object' || b === null) return a === b;
  const [left, right] = [membersOf(a), membersOf(b)];
  if (left.size !== right.size) return false;
  return [...left].every(([key, item]) => right.has(key) && same(item, right.get(key)));
}

function membersOf(value: object): ReadonlyMap<unknown, unknown> {
  return value instanceof Map ? value : new Map(Object.entries(value));
}
