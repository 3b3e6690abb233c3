import type { Span } from './period.js';
import type { Route } from './route.js';
import { type BucketSize, daysBetween } from './times.js';

/** How fine the sales over a period are shown, and how fine they can be. */
export interface Buckets {
  readonly options: readonly BucketSize[];
  current: BucketSize;
}

/** By days at most: what can be chosen, and what is shown unless it is. */
const BY_LENGTH: readonly (readonly [days: number, options: readonly BucketSize[], usual: BucketSize])[] = [
  [2, ['minute', 'hour'], 'hour'],
  [7, ['hour', 'day'], 'hour'],
  [100, ['hour', 'day'], 'day'],
  [Number.POSITIVE_INFINITY, ['day', 'month'], 'month'],
];

export function bucketsOf({ params }: Route, { from, to }: Span): Buckets {
  const days = daysBetween(from, to);
  const [, options, usual] = BY_LENGTH.find(([most]) => days <= most)!;
  const asked = params.get('by');
  return { options, current: options.find((option) => option === asked) ?? usual };
}
