/** Which accounts there are, what they are called, and which of them a sale takes. */

export const DISTRIBUTIONS = ['uniform', 'zipf', 'hot'] as const;
/** `uniform`: every account alike. `zipf`: exponent 0.99, as in YCSB. `hot`: every sale credits one and the same account. */
export type Distribution = (typeof DISTRIBUTIONS)[number];

export interface AccountSet {
  /** Half of them are debited (`a...`), half credited (`b...`). */
  readonly accounts: number;
  /** 0: ids without a tag. Otherwise a connection's sales and accounts share one of so many tags (at most 100). */
  readonly tags: number;
}

export const NUMBER_DIGITS = 8;
/** Exponent of YCSB's skewed workloads (Cooper et al., 2010). */
const ZIPF_EXPONENT = 0.99;
const ZIPF_SAMPLES = 1 << 20;
/** Ranks whose weight is summed one by one; beyond them the integral is as good. */
const ZIPF_EXACT_RANKS = 10_000;

/** `{t07}`, or nothing without tags. */
export function tagOf(set: AccountSet, connection: number): string {
  return set.tags === 0 ? '' : `{t${String(connection % set.tags).padStart(2, '0')}}`;
}

/** Accounts on each side of a sale, by tag. */
export function accountsPerSide({ accounts, tags }: AccountSet): number {
  return Math.max(1, Math.floor(accounts / 2 / Math.max(1, tags)));
}

/** All ids, in the order they are to be created. */
export function* accountIds(set: AccountSet): Generator<string> {
  for (let tag = 0; tag < Math.max(1, set.tags); tag++) {
    for (let n = 0; n < accountsPerSide(set); n++) {
      const number = String(n).padStart(NUMBER_DIGITS, '0');
      yield `${tagOf(set, tag)}a${number}`;
      yield `${tagOf(set, tag)}b${number}`;
    }
  }
}

/** Random but the same in every run (xorshift32). @returns a whole number below `below` */
export function randomNumbers(seed: number): (below: number) => number {
  let state = (seed ^ 0x9e3779b9) | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return Math.floor(((state >>> 0) / 4294967296) * below);
  };
}

/** Draws account numbers below `count`, of the debit side or the credit side. */
export function accountChooser(
  distribution: Distribution,
  count: number,
  seed: number,
): (isCredit: boolean) => number {
  const random = randomNumbers(seed);
  if (distribution === 'zipf') {
    const samples = zipfSamples(count, random);
    return () => samples[random(ZIPF_SAMPLES)]!;
  }
  if (distribution === 'hot') return (isCredit) => (isCredit ? 0 : random(count));
  return () => random(count);
}

/** Ranks below `count` by the inverse of their cumulated weights; drawn once, because a draw is a search. */
function zipfSamples(count: number, random: (below: number) => number): Uint32Array {
  const exact = Math.min(count, ZIPF_EXACT_RANKS);
  const cumulated = new Float64Array(exact);
  let sum = 0;
  for (let rank = 0; rank < exact; rank++) {
    sum += (rank + 1) ** -ZIPF_EXPONENT;
    cumulated[rank] = sum;
  }
  const power = 1 - ZIPF_EXPONENT;
  const integral = (to: number) => (to ** power - (exact + 0.5) ** power) / power;
  const total = sum + (count > exact ? integral(count + 0.5) : 0);
  return Uint32Array.from({ length: ZIPF_SAMPLES }, () => {
    const weight = (random(2 ** 31) / 2 ** 31) * total;
    if (weight >= sum) {
      const rank = ((weight - sum) * power + (exact + 0.5) ** power) ** (1 / power);
      return Math.min(count - 1, Math.floor(rank - 0.5));
    }
    let low = 0;
    for (let high = exact - 1; low < high; ) {
      const middle = (low + high) >> 1;
      if (cumulated[middle]! < weight) low = middle + 1;
      else high = middle;
    }
    return low;
  });
}
