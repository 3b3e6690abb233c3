import type { Params, Row } from '../database.js';
import type { Question } from '../messages.js';
import type { Filters } from './filters.js';
import type { Parameters } from './parameters.js';
import type { Zone } from './zone.js';

export const BASES = ['effective', 'committed'] as const;
export type Basis = (typeof BASES)[number];

/** A question on its way to an answer: what it asks, and the way to the rows. */
export interface Asked {
  readonly question: Question;
  /** Of the path: `{id}`, decoded. */
  readonly id: string;
  readonly parameters: Parameters;
  readonly filters: Filters;
  readonly basis: Basis;
  /** Nothing above it counts with the basis `committed`; all up to it counts with either. */
  readonly lsn: number;
  /** When `lsn` was committed, or the tenant's newest record up to it with the basis `committed`; 0: nothing has come in. */
  readonly asOfMs: number;
  /** Now; with the basis `committed`, the commit time of `lsn`, so that a repeated question has the same span. */
  readonly nowMs: number;
  readonly zone: Zone;
  /** Postings that were committed before may have been dropped after their days (ms); undefined: all are there. */
  readonly lackingBefore: number | undefined;
  /** All rows of a SELECT over the tenant's rows: `{tenant:String}` is given. */
  rows(sql: string, params?: Params): Promise<readonly Row[]>;
  command(sql: string, params: Params): Promise<void>;
}

/** What a report answers besides the envelope. */
export interface Report {
  readonly body: object;
  /** As a table, where there is one. */
  readonly table?: Table;
}

/** A list as a table, with some of its items' fields. @param cursor where the next page begins */
export function tableOf(columns: readonly string[], list: readonly object[], cursor?: string): Table {
  const rows = list.map((item) => columns.map((name) => (item as Record<string, unknown>)[name]));
  return { columns, rows, cursor };
}

export interface Table {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly unknown[])[];
  /** Where the next page begins. */
  readonly cursor?: string | undefined;
}

/** RFC 3339 of milliseconds since the epoch. */
export function iso(ms: number): string {
  return new Date(ms).toISOString();
}

/** Milliseconds of a number that came as text. */
export function msOf(value: unknown): number {
  return Number(value);
}

/** An exact integer of a row. */
export function big(value: unknown): bigint {
  return BigInt(value as string);
}

/** A balance on the type's normal side. */
export function normal(type: string, debits: bigint, credits: bigint): bigint {
  return isDebitNormal(type) ? debits - credits : credits - debits;
}

export function isDebitNormal(type: string): boolean {
  return type === 'asset' || type === 'expense';
}

/** `field` is there when the text is not empty. */
export function optional<N extends string>(field: N, value: unknown): { readonly [name in N]?: string } {
  return value === '' || value === null || value === undefined
    ? {}
    : ({ [field]: value } as { readonly [name in N]: string });
}

/** By their characters' numbers, in every language the same. */
export function ascending(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** Highest first. */
export function descending(a: bigint, b: bigint): number {
  if (a === b) return 0;
  return a > b ? -1 : 1;
}
