import type { Batch } from './batch.js';

/*
 * What the layers above know of the log. Nothing here speaks of a file: a log that is replicated elsewhere can
 * stand behind the same two interfaces.
 */

/** Random per ledger, repeated in every segment's header. */
export interface LedgerIdentity {
  /** A UUID. */
  readonly id: string;
  /** 16 bytes; the key of the ledger's id fingerprints. */
  readonly key: Uint8Array;
  /** Milliseconds since 1970. */
  readonly createdMs: number;
}

/** The end of the log. */
export interface LogPosition {
  /** The highest durable LSN; 0 for an empty log. */
  readonly lsn: number;
  /** Commit time of the last batch, milliseconds since 1970; 0 for an empty log. */
  readonly timeMs: number;
  /** SHA-256 of the last batch; 32 zero bytes for an empty log. */
  readonly hash: Uint8Array;
}

/** The writer's side. There is one at a time. */
export interface LogStore {
  readonly ledger: LedgerIdentity;
  readonly last: LogPosition;
  /**
   * Appends the next records and returns after they are synced. The store seals the batch: LSN, commit number,
   * hash of the previous batch, checksum. Any error is final: what was appended is unknown, every later call is
   * refused, and the caller must stop.
   * @param batch 72 bytes of room, then the records of LSN `last.lsn + 1` on; at most 4 MiB, not in shared memory.
   *   May be reused after the call
   * @param count of records, at least 1
   * @param timeMs commit time, milliseconds since 1970, never below `last.timeMs`
   */
  append(batch: Uint8Array, count: number, timeMs: number): void;
  close(): void;
}

/** Reads what was written, while the writer goes on; what of it is durable the writer says, not the reader. Any number of threads and processes may have one each. */
export interface LogReader {
  readonly ledger: LedgerIdentity;
  /** The batch that holds this LSN, checked; undefined beyond the end. @throws DamagedLogError, NewerFormatError */
  batchAt(lsn: number): Batch | undefined;
  /** Batches from the one that holds `lsn` on, up to what is there now. @throws as `batchAt` */
  batchesFrom(lsn: number): IterableIterator<Batch>;
  close(): void;
}
