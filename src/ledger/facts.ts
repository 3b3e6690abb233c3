import { RecordView } from '../../engine/record.js';

/** One stored record and when it was committed. */
export interface Fact {
  readonly lsn: number;
  /** ms since the epoch. */
  readonly timeMs: number;
  /** The record's bytes. */
  readonly record: Uint8Array;
}

/** Gets stored records by LSN. All of them must be durable. */
export interface FactReader {
  fetch(lsns: readonly number[]): Promise<readonly Fact[]>;
}

/** A view of a fact's record. */
export function viewOf(fact: Fact): RecordView {
  return new RecordView().over(fact.record).read(0);
}
