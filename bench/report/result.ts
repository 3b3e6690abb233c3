import type { Percentiles } from '../load/latencies.js';

export const UNITS = ['sales/s', 'requests/s', 'postings/s', 'ms', 's', 'ns', 'bytes'] as const;
export type Unit = (typeof UNITS)[number];

/** Of these, more is better; of the others, less. */
export function isRate(unit: Unit): boolean {
  return unit.endsWith('/s');
}

/** What one round of one contender gave. */
export interface Measure {
  /** In the unit of its case. */
  readonly value: number;
  readonly latencyMs?: Percentiles;
  /** Processors kept busy, on average: by the load generator, by the server. */
  readonly clientCores?: number;
  readonly serverCores?: number;
  /** Messages answered with anything but success, or never. */
  readonly refused?: number;
  /** Further figures by name. */
  readonly also?: Readonly<Record<string, number>>;
}

/** Median and extremes over rounds. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export interface ContenderResult {
  readonly name: string;
  readonly rounds: readonly Measure[];
  readonly value: Spread;
  /** Value over the base's value, round by round. Absent for the base itself. */
  readonly ratio?: Spread;
  /** Medians of the rest, field by field. */
  readonly typical: Measure;
}

/** One comparison: one line of the table for each contender. */
export interface CaseResult {
  readonly suite: string;
  readonly name: string;
  readonly unit: Unit;
  /** Whose figures the ratios are to. */
  readonly base?: string;
  readonly settings: Readonly<Record<string, string | number>>;
  readonly contenders: readonly ContenderResult[];
}

export function spread(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

/** Of an even number the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2;
}

/** Field by field; of a field that some rounds lack, the median of the others. */
export function typical(rounds: readonly Measure[]): Measure {
  const of = (read: (measure: Measure) => number | undefined): number | undefined => {
    const values = rounds.map(read).filter((value) => value !== undefined);
    return values.length === 0 ? undefined : median(values);
  };
  const latency = (key: keyof Percentiles) => of((measure) => measure.latencyMs?.[key])!;
  const clientCores = of((measure) => measure.clientCores);
  const serverCores = of((measure) => measure.serverCores);
  const names = new Set(rounds.flatMap((measure) => Object.keys(measure.also ?? {})));
  const hasRefusals = rounds.some((measure) => measure.refused !== undefined);
  return {
    value: median(rounds.map((measure) => measure.value)),
    ...(rounds.some((measure) => measure.latencyMs !== undefined) && {
      latencyMs: { p50: latency('p50'), p99: latency('p99'), p999: latency('p999'), max: latency('max') },
    }),
    ...(clientCores !== undefined && { clientCores }),
    ...(serverCores !== undefined && { serverCores }),
    // Not the median: one refusal in one round is one too many.
    ...(hasRefusals && { refused: rounds.reduce((sum, measure) => sum + (measure.refused ?? 0), 0) }),
    ...(names.size > 0 && {
      also: Object.fromEntries([...names].map((name) => [name, of((measure) => measure.also?.[name])!])),
    }),
  };
}
