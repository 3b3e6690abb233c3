import { recordOffset, recordSize } from '../../wal/batch.js';
import type { LogReader } from '../../wal/store.js';
import type { Fact } from './facts.js';

/** What the reader's thread says to a question, beside which one it was. */
export type FactsAnswer = { readonly facts: readonly Fact[] } | { readonly failure: string };

/** Looks up stored records. A batch that has rotted fails the question about it, not the ledger: what the shards know does not rest on it any more. */
export function storedFacts(reader: LogReader, lsns: readonly number[]): FactsAnswer {
  try {
    return { facts: lsns.map((lsn) => factAt(reader, lsn)) };
  } catch (error) {
    return { failure: (error as Error).message };
  }
}

function factAt(reader: LogReader, lsn: number): Fact {
  const batch = reader.batchAt(lsn);
  if (batch === undefined) throw new Error(`LSN ${lsn} is not in the log`);
  const offset = recordOffset(batch, lsn);
  return {
    lsn,
    timeMs: batch.timeMs,
    record: batch.bytes.slice(offset, offset + recordSize(batch.bytes, offset)),
  };
}
