import { build, decodeFromCompressedBase64, type Histogram } from 'hdr-histogram-js';

/** Percentiles in milliseconds. */
export interface Percentiles {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** Steps of 1 µs up to here, of 100 µs above. */
const FINE_US = 1 << 17;
const COARSE_US = 100;
const COARSE_STEPS = 1 << 17;

/**
 * Counts latencies while the clock runs, and gives an HDR histogram of microseconds afterwards. Recording straight into hdr-histogram-js
 * costs 110 ns a value (Node.js 20), which at a million replies a second would be a tenth of the load generator; a table costs 5 ns.
 */
export class Latencies {
  private readonly fine = new Uint32Array(FINE_US);
  private readonly coarse = new Uint32Array(COARSE_STEPS);

  /** @param ms at most 13 s are told apart */
  add(ms: number): void {
    const us = ms > 0 ? Math.round(ms * 1000) : 0;
    if (us < FINE_US) this.fine[us]!++;
    else this.coarse[Math.min(COARSE_STEPS - 1, (us / COARSE_US) | 0)]!++;
  }

  clear(): void {
    this.fine.fill(0);
    this.coarse.fill(0);
  }

  histogram(): Histogram {
    const histogram = emptyHistogram();
    for (const [table, step] of [
      [this.fine, 1],
      [this.coarse, COARSE_US],
    ] as const) {
      table.forEach((count, at) => {
        if (count > 0) histogram.recordValueWithCount(Math.max(1, at * step), count);
      });
    }
    return histogram;
  }
}

export function emptyHistogram(): Histogram {
  return build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: FINE_US * COARSE_US * 2,
    numberOfSignificantValueDigits: 3,
    bitBucketSize: 64,
  });
}

/** One histogram of several load generators' own, as they encoded them. */
export function merged(encoded: readonly string[]): Histogram {
  const sum = emptyHistogram();
  for (const text of encoded) sum.add(decodeFromCompressedBase64(text, 64));
  return sum;
}

export function percentiles(histogram: Histogram): Percentiles {
  // A percentile is the upper end of its bucket, the maximum is itself.
  const ms = (percentile: number) =>
    Math.min(histogram.getValueAtPercentile(percentile), histogram.maxValue) / 1000;
  return { p50: ms(50), p99: ms(99), p999: ms(99.9), max: histogram.maxValue / 1000 };
}
