import { RecordKind } from '../../engine/record.js';

/**
 * The export's format, documented in docs/export-format.md: a head, one line for each record in LSN order, a foot. This module names what
 * both directions must agree on.
 */
export const EXPORT_FORMAT = 1;

/** What a line's `op` says, by the record's kind; also what the live feed calls it. */
export const OPS: { readonly [kind: number]: string } = {
  [RecordKind.posted]: 'transaction',
  [RecordKind.pending]: 'transaction',
  [RecordKind.post]: 'post',
  [RecordKind.void]: 'void',
  [RecordKind.expire]: 'expire',
  [RecordKind.reversal]: 'reverse',
  [RecordKind.tombstone]: 'tombstone',
  [RecordKind.account]: 'account',
  [RecordKind.accountUpdate]: 'account_update',
};

/** How the request said how much it ends or reverses: all of it, one amount, or postings. */
export type Part = 'whole' | 'amount' | 'postings';

/** The first line. */
export interface Head {
  readonly kassa_export: number;
  /** Of an exported ledger; a file from elsewhere has none, and becomes a new ledger. */
  readonly ledger?: { readonly id: string; readonly key: string; readonly created_at: string };
  /** Of the first record; default 1. */
  readonly from_lsn?: number;
  /** Of the last record; `from_lsn - 1` when there is none. */
  readonly to_lsn?: number;
  /** For lines that name none. */
  readonly tenant?: string;
  readonly by?: string;
  /** For lines before the first that names a time; default: when the ledger was made. */
  readonly committed_at?: string;
}

/** The last line. */
export interface Foot {
  readonly kassa_export_end: number;
  readonly records: number;
  /** Over all lines before, with their line ends; hexadecimal. */
  readonly sha256: string;
}
