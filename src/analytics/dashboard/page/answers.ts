import type { Amount } from './exact-json.js';
import type { BucketSize } from './times.js';

/** What the API answers, as far as the page reads it: see docs/analytics.md. Amounts are minor units. */

export interface Envelope {
  readonly as_of_lsn: number;
  readonly as_of?: string;
  readonly tz: string;
}

export interface SinkState {
  readonly state: 'starting' | 'running' | 'retrying' | 'halted';
  readonly cursor: number;
  readonly lag_lsns: number;
  readonly lag_seconds: number;
  readonly rows_per_second: number;
}

export interface Status extends Envelope, SinkState {
  readonly reason?: string;
  readonly durable_lsn: number;
  readonly first_effective_at?: string | null;
  readonly last_effective_at?: string | null;
  readonly currencies: readonly { readonly currency: string; readonly count: Amount }[];
}

export interface Live {
  readonly lsn: number;
  readonly durable_lsn: number;
  readonly transactions_per_second: number;
  readonly p50_ms: number | null;
  readonly p99_ms: number | null;
  readonly connections: number;
  readonly accounts: number;
  readonly open_holds: number;
  /** off: analytics is not there. down: its process is gone and comes again. */
  readonly sink:
    | SinkState
    | { readonly state: 'off' }
    | (Omit<SinkState, 'state'> & { readonly state: 'down' });
}

export interface Figures {
  readonly sales: Amount;
  readonly refunds: Amount;
  readonly net: Amount;
  readonly vat: Amount;
  readonly expense: Amount;
  readonly profit: Amount;
  readonly count: Amount;
  readonly refund_count: Amount;
  readonly average: Amount | null;
  readonly refund_rate: number | null;
}

export type Bucketed = readonly [
  start: string,
  sales: Amount,
  refunds: Amount,
  net: Amount,
  vat: Amount,
  count: Amount,
];

export interface TillFigures extends Figures {
  readonly till: string;
  readonly shop?: string | null;
}

export interface ShopFigures extends Figures {
  /** Empty or null: tills without one. */
  readonly shop: string | null;
  readonly previous_net: Amount;
  readonly tills: readonly TillFigures[];
}

export interface Overview extends Envelope {
  readonly currency: string;
  readonly currencies: readonly string[];
  readonly period: { readonly from: string; readonly to: string; readonly bucket: BucketSize };
  readonly previous: { readonly from: string; readonly to: string };
  readonly totals: Figures;
  readonly previous_totals: Figures;
  readonly series: readonly Bucketed[];
  readonly previous_series: readonly Bucketed[];
  readonly shops: readonly ShopFigures[];
}

export interface ProfitLoss extends Envelope {
  readonly currency: string;
  readonly days: readonly (readonly [day: string, revenue: Amount, expense: Amount, profit: Amount])[];
  readonly totals: { readonly revenue: Amount; readonly expense: Amount; readonly profit: Amount };
}

export type AccountType = 'asset' | 'liability' | 'equity' | 'revenue' | 'expense';

export interface Balances extends Envelope {
  readonly types: readonly {
    readonly type: AccountType;
    readonly currency: string;
    readonly balance: Amount;
    readonly debits: Amount;
    readonly credits: Amount;
    readonly accounts: number;
  }[];
}

export interface Anomalies extends Envelope {
  readonly anomalies: readonly {
    readonly lsn: number;
    readonly transaction: string;
    readonly account: string;
    readonly effective_at: string;
    readonly amount: Amount;
    readonly currency: string;
    readonly score: number;
    readonly reason: 'amount' | 'rate' | 'hour';
    readonly usual: number;
    readonly detail: string;
  }[];
}

export interface Top extends Envelope {
  readonly rows: readonly { readonly key: string; readonly value: Amount; readonly count: Amount }[];
}

export interface StatementRow {
  readonly lsn: number;
  readonly index: number;
  readonly leg: number;
  readonly transaction: string;
  readonly kind: string;
  readonly effective_at: string;
  readonly committed_at: string;
  readonly side: 'debit' | 'credit';
  readonly amount: Amount;
  readonly balance: Amount;
  readonly code?: string;
  readonly reference?: string;
  readonly tag?: string;
  readonly terminal?: string;
  readonly by?: string;
  readonly counterparts: readonly string[];
}

export interface Statement extends Envelope {
  readonly account: string;
  readonly currency: string;
  readonly type: AccountType;
  readonly opening: Amount;
  readonly closing: Amount;
  readonly debits: Amount;
  readonly credits: Amount;
  readonly count: Amount;
  readonly rows: readonly StatementRow[];
  readonly cursor?: string | undefined;
}

export interface Reconciled extends Envelope {
  readonly account: string;
  readonly lsn: number;
  readonly difference: Amount;
  readonly equal: boolean;
}

export interface ZReport extends Envelope {
  readonly till: string;
  readonly shop?: string | null;
  readonly date: string;
  readonly number: number;
  readonly first_at?: string | null;
  readonly last_at?: string | null;
  readonly currencies: readonly {
    readonly currency: string;
    readonly sales: Amount;
    readonly sales_count: Amount;
    readonly refunds: Amount;
    readonly refund_count: Amount;
    readonly net: Amount;
    readonly vat: Amount;
    readonly gross: Amount;
    readonly codes: readonly {
      readonly code: string;
      readonly debits: Amount;
      readonly credits: Amount;
      readonly count: Amount;
    }[];
    readonly vat_rates: readonly { readonly tag: string; readonly vat: Amount }[];
    readonly drawer: {
      readonly opening: Amount;
      readonly debits: Amount;
      readonly credits: Amount;
      readonly closing: Amount;
    } | null;
    readonly holds_open: { readonly count: Amount; readonly amount: Amount };
  }[];
}

export interface Accounts extends Envelope {
  readonly accounts: readonly {
    readonly id: string;
    readonly type: AccountType;
    readonly currency: string;
    readonly group?: string | null;
    readonly balance: Amount;
    readonly frozen: boolean;
    readonly closed: boolean;
    readonly last_effective_at?: string | null;
  }[];
  readonly cursor?: string | undefined;
}

export interface Transactions extends Envelope {
  readonly transactions: readonly {
    readonly id: string;
    readonly lsn: number;
    readonly status: string;
    readonly kind: string;
    readonly amount: Amount;
    readonly currency: string;
    readonly code?: string;
    readonly reference?: string;
    readonly effective_at: string;
    readonly reverses?: string;
  }[];
  readonly cursor?: string | undefined;
}
