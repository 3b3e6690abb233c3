/**
 * A naive model of the books: every leg that the log must hold, in a plain list, and reports as sums over it. It shares nothing with the reports
 * but the words: no sums tables, no spans, no zone code of theirs.
 */

export interface Leg {
  readonly lsn: number;
  readonly leg: number;
  readonly transaction: string;
  readonly kind: string;
  readonly account: string;
  readonly type: string;
  readonly group: string;
  readonly currency: string;
  readonly side: 'debit' | 'credit';
  /** Posted. */
  readonly amount: bigint;
  /** Change of what is reserved. */
  readonly held: bigint;
  readonly code: string;
  readonly reference: string;
  readonly tag: string;
  readonly by: string;
  readonly terminal: string;
  readonly committedMs: number;
  readonly effectiveMs: number;
}

export interface ModelAccount {
  readonly id: string;
  readonly type: string;
  readonly currency: string;
  /** As it stands. */
  group: string;
  /** Which it had from an LSN on. */
  readonly groups: [lsn: number, group: string][];
}

export interface View {
  readonly basis: 'effective' | 'committed';
  /** Committed: nothing above it. */
  readonly lsn: number;
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  readonly keep?: (leg: Leg) => boolean;
}

export class Model {
  readonly legs: Leg[] = [];
  readonly accounts = new Map<string, ModelAccount>();

  /** The group that an account has at an LSN; undefined when there is no such account then. */
  groupAt(id: string, lsn: number): string | undefined {
    return this.accounts.get(id)?.groups.findLast(([since]) => since <= lsn)?.[1];
  }

  /** Legs that count in a view. */
  select({ basis, lsn, from = Number.NEGATIVE_INFINITY, to = Number.POSITIVE_INFINITY, keep }: View): Leg[] {
    return this.legs.filter((leg) => {
      if (basis === 'committed' && leg.lsn > lsn) return false;
      const time = timeOf(leg, basis);
      return time >= from && time < to && (keep === undefined || keep(leg));
    });
  }
}

export function timeOf(leg: Leg, basis: 'effective' | 'committed'): number {
  return basis === 'effective' ? leg.effectiveMs : leg.committedMs;
}

export function sum(
  legs: readonly Leg[],
  keep: (leg: Leg) => boolean,
  of: 'amount' | 'held' = 'amount',
): bigint {
  let total = 0n;
  for (const leg of legs) if (keep(leg)) total += leg[of];
  return total;
}

export const isDebit = (leg: Leg) => leg.side === 'debit';
export const isCredit = (leg: Leg) => leg.side === 'credit';

/** Both sides. */
export function sidesOf(legs: readonly Leg[]) {
  return { debits: sum(legs, isDebit), credits: sum(legs, isCredit) };
}

export function onNormalSide(type: string, { debits, credits }: { debits: bigint; credits: bigint }): bigint {
  return type === 'asset' || type === 'expense' ? debits - credits : credits - debits;
}

export function figures(legs: readonly Leg[]) {
  const revenue = legs.filter(({ type, amount }) => type === 'revenue' && amount > 0n);
  const sales = sum(revenue, isCredit);
  const refunds = sum(revenue, isDebit);
  const vat = legs.filter(({ type, tag }) => type === 'liability' && tag.startsWith('vat'));
  const costs = sidesOf(legs.filter(({ type }) => type === 'expense'));
  const expense = costs.debits - costs.credits;
  const refundCount = revenue.filter(isDebit).length;
  const saleCount = BigInt(revenue.length - refundCount);
  return {
    ...{ sales, refunds, net: sales - refunds },
    vat: sum(vat, isCredit) - sum(vat, isDebit),
    ...{ expense, profit: sales - refunds - expense, count: revenue.length, refund_count: refundCount },
    average: saleCount === 0n ? 0n : (sales * 2n + saleCount) / (2n * saleCount),
    refund_rate: refundRate(refunds, sales),
  };
}

function refundRate(refunds: bigint, sales: bigint): number {
  if (refunds === 0n) return 0;
  return refunds >= sales ? 1 : Number((refunds * 1_000_000n) / sales) / 1_000_000;
}

/** Parts of a list by a key, in order of the key. */
export function grouped<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return new Map([...groups].sort(([a], [b]) => (a < b ? -1 : 1)));
}

const clocks = new Map<string, Intl.DateTimeFormat>();

/** `2010-12-01 08:26:00` on a wall clock in the zone. */
export function wallText(ms: number, zone: string): string {
  let clock = clocks.get(zone);
  if (clock === undefined) {
    clock = new Intl.DateTimeFormat('sv-SE', {
      ...{ timeZone: zone, year: 'numeric', month: '2-digit', day: '2-digit' },
      ...{ hour: '2-digit', minute: '2-digit', second: '2-digit' },
    });
    clocks.set(zone, clock);
  }
  return clock.format(ms);
}

export function dateText(ms: number, zone: string): string {
  return wallText(ms, zone).slice(0, 10);
}

/** The first quarter of an hour that has this date or a later one. */
export function firstOfDate(date: string, zone: string): number {
  const quarter = 900_000;
  for (let ms = Date.parse(`${date}T00:00:00Z`) - 26 * 4 * quarter; ; ms += quarter) {
    if (dateText(ms, zone) >= date) return ms;
  }
}

export function nextDate(date: string): string {
  return new Date(Date.parse(`${date}T00:00:00Z`) + 86_400_000).toISOString().slice(0, 10);
}
