import { addDays, type Day, dayOf, daysBetween, isDay, longDay } from './times.js';

/** What the picker offers. */
export const PERIODS = [
  { key: '1d', name: '1 day', days: 1 },
  { key: '7d', name: '7 days', days: 7 },
  { key: '30d', name: '30 days', days: 30 },
  { key: '90d', name: '90 days', days: 90 },
  { key: '1y', name: '1 year', days: 365 },
] as const;
export type PeriodKey = (typeof PERIODS)[number]['key'];
const DEFAULT_KEY: PeriodKey = '1d';

/** What was picked: a length that ends now, or two days, both included. */
export type Choice =
  | { readonly kind: 'length'; readonly key: PeriodKey }
  | { readonly kind: 'days'; readonly from: Day; readonly through: Day };

export function choiceOf(params: URLSearchParams): Choice {
  const [from, through] = [params.get('from'), params.get('through')];
  if (isDay(from) && isDay(through) && from <= through) return { kind: 'days', from, through };
  const key = PERIODS.find((period) => period.key === params.get('period'))?.key ?? DEFAULT_KEY;
  return { kind: 'length', key };
}

/** The choice as the API's parameters, and what the page says about it. */
export interface Span {
  /** Of `overview`. */
  readonly overview: Readonly<Record<string, string>>;
  /** Days for `from` and `to` (not included) of everything else. */
  readonly from: Day;
  readonly to: Day;
  /** Where the period does not end now, though that was asked for. */
  readonly note?: string;
}

/**
 * A length ends now; where the newest trade is older than that, it ends with the day of the newest trade.
 * @param newest time of the newest trade, undefined where there is none
 * @param now milliseconds
 */
export function spanOf(choice: Choice, newest: string | undefined, zone: string, now: number): Span {
  if (choice.kind === 'days') {
    const to = addDays(choice.through, 1);
    return { overview: { from: choice.from, to }, from: choice.from, to };
  }
  const { key, days } = PERIODS.find((period) => period.key === choice.key)!;
  const today = dayOf(now, zone);
  const last = newest === undefined ? today : dayOf(newest, zone);
  if (newest !== undefined && daysBetween(last, today) >= days && last < today) {
    const to = addDays(last, 1);
    const from = addDays(to, -days);
    const note = `The newest trade is of ${longDay(last)}, so the period ends with that day.`;
    return { overview: { from, to }, from, to, note };
  }
  const to = addDays(today, 1);
  return { overview: { period: key }, from: addDays(to, -days), to };
}
