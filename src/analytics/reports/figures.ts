import type { Row } from '../database.js';
import { big } from './asked.js';

/** The revenue words of a report, as SQL over a source and as the answer's fields. */

/** Six columns. */
export const FIGURES_SQL =
  "sumIf(credits, type = 'revenue') AS f_sales, sumIf(debits, type = 'revenue') AS f_refunds, " +
  "sumIf(credits - debits, type = 'liability' AND startsWith(tag, 'vat')) AS f_vat, " +
  "sumIf(debits - credits, type = 'expense') AS f_expense, sumIf(count, type = 'revenue') AS f_count, " +
  "sumIf(debit_count, type = 'revenue') AS f_refund_count";

const FIGURES_WIDTH = 6;

export interface Figures {
  readonly sales: bigint;
  readonly refunds: bigint;
  readonly net: bigint;
  readonly vat: bigint;
  readonly expense: bigint;
  readonly profit: bigint;
  /** Legs on revenue accounts. */
  readonly count: bigint;
  readonly refund_count: bigint;
  /** Of a sale, in minor units, rounded half up. */
  readonly average: bigint;
  /** Refunds over sales, 0-1. */
  readonly refund_rate: number;
}

/** @param at where the six columns begin */
export function figuresOf(row: Row | undefined, at = 0): Figures {
  const [sales, refunds, vat, expense, count, refundCount] =
    row === undefined ? Array<bigint>(FIGURES_WIDTH).fill(0n) : row.slice(at, at + FIGURES_WIDTH).map(big);
  const net = sales! - refunds!;
  return {
    ...{ sales: sales!, refunds: refunds!, net, vat: vat!, expense: expense! },
    profit: net - expense!,
    count: count!,
    refund_count: refundCount!,
    average: roundedQuotient(sales!, count! - refundCount!),
    refund_rate: rate(refunds!, sales!),
  };
}

/** Rounded half up, of two that are not negative; 0 when there is nothing to divide by. */
export function roundedQuotient(sum: bigint, count: bigint): bigint {
  return count === 0n ? 0n : (2n * sum + count) / (2n * count);
}

/** At most 1: what goes back without a sale, or beyond sales, is all of it. */
function rate(refunds: bigint, sales: bigint): number {
  if (refunds === 0n) return 0;
  return refunds >= sales ? 1 : Number((refunds * 1_000_000n) / sales) / 1_000_000;
}
