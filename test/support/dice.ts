import { randomFrom } from './random.js';

/** Choices drawn from a seed. */
export class Dice {
  private draw: (n: number) => number;

  constructor(seed: number) {
    this.draw = randomFrom(seed);
  }

  /** Goes on with the choices of another seed. */
  reseed(seed: number): void {
    this.draw = randomFrom(seed);
  }

  /** A whole number from 0 to n - 1. */
  below(n: number): number {
    return this.draw(n);
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }
}

/** A seed for one of many streams of choices, so that leaving out one stream leaves the others as they are (32-bit FNV-1a, then mixed). */
export function seedOf(...parts: readonly (number | string)[]): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(parts.join(' '))) hash = Math.imul(hash ^ byte, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x7feb352d);
  hash = Math.imul(hash ^ (hash >>> 15), 0x846ca68b);
  return (hash ^ (hash >>> 16)) >>> 0;
}
