import { randomFrom } from '../support/random.js';

/** Random choices that a seed repeats. */
export class Dice {
  private readonly random: (below: number) => number;

  constructor(readonly seed: number) {
    this.random = randomFrom(seed);
  }

  /** A whole number from 0 to below - 1. */
  below(below: number): number {
    return this.random(below);
  }

  /** Whether something that happens so often in a hundred happens now. */
  chance(percent: number): boolean {
    return this.random(100) < percent;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.random(items.length)]!;
  }

  /** Small most of the time, now and then up to below - 1. */
  skewed(below: number): number {
    return this.random(this.random(below) + 1);
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.alloc(length);
    for (let i = 0; i < length; i++) bytes[i] = this.random(256);
    return bytes;
  }

  u64(): bigint {
    return (
      (BigInt(this.random(2 ** 31)) << 33n) | (BigInt(this.random(2 ** 31)) << 2n) | BigInt(this.random(4))
    );
  }
}
