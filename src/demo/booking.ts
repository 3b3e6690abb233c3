/** From lines of the sales file to the transactions that book them. */

import type { AccountInput, PostingInput } from '../../engine/types.js';
import { type SaleLine, TILLS } from './sales.js';

/** One transaction. */
export interface Step {
  readonly id: string;
  /** Reserved first, then captured whole. */
  readonly hold: boolean;
  readonly code: 'sale' | 'refund' | 'payment';
  readonly postings: readonly PostingInput[];
}

/** A line that moves money, with its one or two transactions in their order. */
export interface BookedLine {
  readonly line: SaleLine;
  readonly steps: readonly Step[];
}

const HOLD_EVERY = 10;
const TILLS_A_SHOP = 10;

/** Lines that come to nothing are left out. */
export function book(lines: readonly SaleLine[]): BookedLine[] {
  return lines.filter(({ net }) => net !== 0n).map((line) => ({ line, steps: stepsOf(line) }));
}

/** Every account that the booking of the lines touches. */
export function accountsOf(lines: readonly SaleLine[]): AccountInput[] {
  const booked = lines.filter(({ net }) => net !== 0n);
  const customers = new Set(booked.flatMap(({ customer }) => customer ?? []));
  const countries = new Set(booked.map(({ country }) => country));
  const free = { currency: 'GBP', min_balance: null } as const;
  return [
    { ...free, id: 'vat', type: 'liability', group: 'tax' },
    ...[...countries].sort().map((country) => ({
      ...{ ...free, id: salesAccount(country), type: 'revenue' as const, group: 'sales' },
    })),
    ...Array.from({ length: TILLS }, (_, till) => ({
      ...{ ...free, id: tillAccount(till), type: 'asset' as const, group: shopOf(till) },
    })),
    ...[...customers].sort().map((customer) => ({
      ...{ ...free, id: customerAccount(customer), type: 'asset' as const, group: 'customers' },
    })),
  ];
}

export function tillAccount(till: number): string {
  return `till:${String(till).padStart(2, '0')}`;
}

/** The file knows no shops; the demo puts ten tills into each of five. */
export function shopOf(till: number): string {
  return `uk.shop-${Math.floor(till / TILLS_A_SHOP) + 1}`;
}

export function salesAccount(country: string): string {
  return `sales:${country}`;
}

export function customerAccount(customer: string): string {
  return `customer:${customer}`;
}

function stepsOf(line: SaleLine): Step[] {
  const { number, net, gross, customer } = line;
  const till = tillAccount(line.till);
  const payer = customer === undefined ? till : customerAccount(customer);
  const sale: Step = {
    id: `line:${number}`,
    hold: net > 0n && number % HOLD_EVERY === 0,
    code: net > 0n ? 'sale' : 'refund',
    postings: saleLegs(line, payer),
  };
  if (customer === undefined) return [sale];
  const postings = [leg(till, gross), leg(payer, -gross)];
  return [sale, { id: `paid:${number}`, hold: false, code: 'payment', postings }];
}

/** The smallest amounts have no VAT: a posting of nothing does not exist. */
function saleLegs({ country, net, vat, gross }: SaleLine, payer: string): PostingInput[] {
  const legs = [leg(payer, gross), leg(salesAccount(country), -net)];
  if (vat !== 0n) legs.push({ ...leg('vat', -vat), tag: 'vat20' });
  return legs;
}

/** Positive = debit, negative = credit. */
function leg(account: string, signed: bigint): PostingInput {
  return signed > 0n ? { account, debit: signed } : { account, credit: -signed };
}
