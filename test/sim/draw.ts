import { Dice } from '../support/dice.js';

/** Choices of one action: they depend on the seed and the action's number alone, so that an action can be left out. */
export class Draw extends Dice {
  constructor(seed: number, action: number) {
    super(mixed(seed, action));
  }

  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  /** One of the newest, most likely; any of all now and then. */
  recent<T>(from: readonly T[], near = 12): T | undefined {
    if (from.length === 0) return undefined;
    if (this.chance(20)) return this.pick(from);
    return from[from.length - 1 - this.below(Math.min(near, from.length))];
  }

  /** One of the names, as often as its weight says. */
  weighted<T extends string>(weights: Readonly<Record<T, number>>): T {
    const entries = Object.entries(weights) as [T, number][];
    let left = this.below(entries.reduce((sum, [, weight]) => sum + weight, 0));
    for (const [name, weight] of entries) {
      if (left < weight) return name;
      left -= weight;
    }
    throw new Error('no weight');
  }

  shuffled<T>(from: readonly T[]): T[] {
    const items = from.slice();
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [items[i], items[j]] = [items[j]!, items[i]!];
    }
    return items;
  }
}

/**
 * Weights for one world: some things more often than usual, some not at all. What drowns in a mixture of everything comes out where half of it
 * is missing (Groce et al., Swarm Testing, 2012).
 */
export function swarm<T extends string>(
  seed: number,
  stream: number,
  weights: Readonly<Record<T, number>>,
): Record<T, number> {
  const draw = new Draw(seed, stream);
  const entries = Object.entries<number>(weights).map(([name, weight]) => [
    name,
    weight * draw.pick([0, 1, 1, 1, 3]),
  ]);
  return entries.some(([, weight]) => weight !== 0)
    ? (Object.fromEntries(entries) as Record<T, number>)
    : weights;
}

/** Two numbers as one that looks like neither (the finalizer of MurmurHash3). */
function mixed(a: number, b: number): number {
  let h = Math.imul(a ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(b + 0x7f4a7c15, 0xc2b2ae35);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
