import { type Batch, BatchError, parseBatch } from './batch.js';
import type { Disk, EntryReader } from './disk.js';
import { DamagedLogError, damaged } from './errors.js';
import { LOCAL_DISK } from './local-disk.js';
import { PageFault } from './pages.js';
import { decodeSegmentHeader, type SegmentHeader, segmentPath } from './segment.js';

/** A segment, opened for reading; the writer may go on appending to it. One thread, any number of calls. */
export class SegmentFile {
  readonly header: SegmentHeader;
  readonly firstLsn: number;
  readonly path: string;
  readonly #file: EntryReader;
  /** The batch read last. Batches never change, so it is as good as read again. */
  #recent: Batch | undefined;

  /**
   * Opens a segment and checks its meta pages, its header and its last batch.
   * @throws {DamagedLogError}
   * @throws {NewerFormatError}
   */
  constructor(data: string, firstLsn: number, disk: Disk = LOCAL_DISK) {
    this.firstLsn = firstLsn;
    this.path = segmentPath(data, firstLsn);
    this.#file = this.#guard(firstLsn, () => disk.openEntries(this.path));
    try {
      this.header = this.#readHeader();
      this.last();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** No batch was there yet when it was last read. A writer that starts puts a file of its own in place of such a one. */
  get wasEmpty(): boolean {
    return this.#recent === undefined;
  }

  close(): void {
    this.#file.close();
  }

  /** The last batch; undefined when the segment has none yet. Its commit number is held against the meta pages. */
  last(): Batch | undefined {
    const { meta } = this.#guard(this.firstLsn, () => this.#file.seek(Number.MAX_SAFE_INTEGER));
    const index = this.#file.leafSize - 1;
    const key = this.#guard(this.firstLsn, () => this.#file.leafKey(index));
    const batch = key === 0 ? undefined : this.#guard(Math.max(key, this.firstLsn), () => this.#batch(index));
    const commits = batch === undefined ? 0 : batch.commitNumber;
    if (commits !== meta.txnid - 1) {
      const lsn = batch === undefined ? this.firstLsn : batch.firstLsn + batch.count;
      throw damaged(this.path, lsn, `the last batch is of commit ${commits} and not ${meta.txnid - 1}`);
    }
    return batch;
  }

  /**
   * The batch that holds `lsn`, or undefined when the segment ends before it.
   * @param lsn at or above the segment's first
   * @throws {DamagedLogError} also for a gap
   */
  batchAt(lsn: number): Batch | undefined {
    return this.#guard(lsn, () => {
      const known = this.#covering(this.#file.leafFloor(lsn), lsn);
      if (known !== undefined) return known;
      const { isLastLeaf } = this.#file.seek(lsn);
      const index = this.#file.leafFloor(lsn);
      const found = this.#covering(index, lsn);
      if (found === undefined && !(isLastLeaf && index === this.#file.leafSize - 1)) {
        throw new PageFault('a batch is missing');
      }
      return found;
    });
  }

  #readHeader(): SegmentHeader {
    const value = this.#guard(this.firstLsn, () => {
      this.#file.seek(0);
      if (this.#file.leafFloor(0) !== 0) throw new PageFault('its header is missing');
      return this.#file.leafValue(0);
    });
    const header = decodeSegmentHeader(value, this.path, this.firstLsn);
    if (header.firstLsn !== this.firstLsn) {
      throw damaged(this.path, this.firstLsn, `its header is that of segment ${header.firstLsn}`);
    }
    return header;
  }

  /** The batch at an entry of the current leaf, if it holds `lsn`. The copy may be old: what it holds stays true. */
  #covering(index: number, lsn: number): Batch | undefined {
    if (index < 0 || this.#file.leafKey(index) === 0) return undefined;
    const batch = this.#batch(index);
    return lsn < batch.firstLsn + batch.count ? batch : undefined;
  }

  #batch(index: number): Batch {
    const key = this.#file.leafKey(index);
    if (this.#recent?.firstLsn === key) return this.#recent;
    const batch = parseBatch(this.#file.leafValue(index));
    if (batch.firstLsn !== key)
      throw new BatchError('lsn', `the batch says that it starts at LSN ${batch.firstLsn}`);
    this.#recent = batch;
    return batch;
  }

  #guard<T>(lsn: number, read: () => T): T {
    try {
      return read();
    } catch (error) {
      if (error instanceof DamagedLogError) throw error;
      if (error instanceof PageFault || error instanceof BatchError)
        throw damaged(this.path, lsn, error.message);
      throw error;
    }
  }
}
