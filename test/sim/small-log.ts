import { BATCH_HEADER_BYTES } from '../../wal/batch.js';
import type { LogStore } from '../../wal/store.js';
import { KEY } from '../support/world.js';
import { Hash } from './hash.js';

/** A log in memory: what was appended is durable. */
export class SmallLog implements LogStore {
  readonly ledger = { id: 'small', key: KEY, createdMs: 0 };
  readonly last: LogStore['last'];
  /** Records by LSN - 1. */
  readonly records: Uint8Array[];
  readonly hash = new Hash();

  /** @param records what is durable already */
  constructor(
    records: readonly Uint8Array[],
    timeMs: number,
    private readonly onAppend: () => void,
  ) {
    this.records = [...records];
    this.last = { lsn: records.length, timeMs, hash: new Uint8Array(32) };
    for (const record of records) this.hash.bytes(record);
  }

  append(batch: Uint8Array, count: number): void {
    let at = BATCH_HEADER_BYTES;
    for (let i = 0; i < count; i++) {
      const size = new DataView(batch.buffer, batch.byteOffset + at).getUint32(0, true);
      const record = batch.slice(at, at + size);
      this.records.push(record);
      this.hash.bytes(record);
      at += size;
    }
    if (at !== batch.length) throw new Error(`a batch of ${batch.length} bytes holds ${at} bytes of records`);
    this.onAppend();
  }

  close(): void {
    // Memory has nothing to close.
  }
}
