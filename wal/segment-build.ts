import { hashBatch, sealBatch } from './batch.js';
import type { EntryReader, EntryWriter } from './disk.js';
import { createUnsyncedEntries, LOCAL_DISK } from './local-disk.js';
import { FREE_BYTES_MIN } from './log.js';
import {
  encodeSegmentHeader,
  fitsInto,
  logDirectory,
  makeDirectory,
  nameSegment,
  type SegmentHeader,
  segmentPath,
  syncSegment,
} from './segment.js';
import type { LogPosition } from './store.js';

/**
 * A segment that is made as a whole: nothing of it is anybody's until it is finished, and then all of it is at once.
 *
 * The log's own writer syncs every commit, because somebody waits for each. Here nobody does (a restore, an import, the end of a
 * backup), so LMDB runs without syncs and the file is synced once, before it gets its name. A commit then costs 15 µs and not 200.
 * What a crash leaves lies in the directory that it was made in, which whoever made it removes at the next start.
 *
 * The pages keep the rules of `pages.ts`: one entry more with every commit, the header first.
 */
export class SegmentBuilder {
  readonly #entries: EntryWriter;
  readonly #pages: EntryReader;
  #commits = 0;
  #end: LogPosition;

  /** @param directory laid out as a data directory, in which the segment is made; it must not be there yet */
  constructor(
    private readonly directory: string,
    readonly header: SegmentHeader,
  ) {
    const path = segmentPath(directory, header.firstLsn);
    LOCAL_DISK.makeDirectory(path);
    this.#entries = createUnsyncedEntries(path);
    this.#pages = LOCAL_DISK.openEntries(path);
    this.#end = header.previous;
    this.#commit(0, encodeSegmentHeader(header));
  }

  /** Where the log ends with this segment. */
  get end(): LogPosition {
    return this.#end;
  }

  /** Batches put so far. */
  get batches(): number {
    return this.#commits - 1;
  }

  /** Whether a batch of `bytes` may be added so that the segment stays within `segmentBytes`; the first one always may. */
  hasRoomFor(bytes: number, segmentBytes: number): boolean {
    if (this.batches === 0) return true;
    const { pageSize } = this.#pages;
    return fitsInto(segmentBytes, (this.#pages.meta().lastPage + 1) * pageSize, bytes, pageSize);
  }

  /** Seals the next batch and adds it. @param bytes 72 bytes of room, then `count` records; sealed in place */
  append(bytes: Uint8Array, count: number, timeMs: number): void {
    const firstLsn = this.#end.lsn + 1;
    sealBatch(bytes, { firstLsn, count, timeMs, prevHash: this.#end.hash, commitNumber: this.batches + 1 });
    this.#commit(firstLsn, bytes);
    this.#end = { lsn: firstLsn + count - 1, timeMs, hash: hashBatch(bytes) };
  }

  /** Closes the file and makes it durable where it was made; {@link nameSegment} then makes it part of a log. */
  finish(): void {
    const { txnid } = this.#pages.meta();
    if (txnid !== this.#commits)
      throw new Error(`the segment is at commit ${txnid} and not ${this.#commits}`);
    this.close();
    syncSegment(this.directory, this.header.firstLsn, LOCAL_DISK);
  }

  close(): void {
    this.#pages.close();
    this.#entries.close();
  }

  #commit(key: number, value: Uint8Array): void {
    const free = LOCAL_DISK.freeBytes(this.directory);
    if (free < value.length + FREE_BYTES_MIN)
      throw new Error(`no room: ${free} bytes are left on the disk of ${this.directory}`);
    this.#entries.put(key, value);
    this.#commits++;
  }
}

/** Moves a finished segment out of the directory that it was made in and into a log, at once and durably. */
export function moveSegment(from: string, data: string, firstLsn: number): void {
  makeDirectory(logDirectory(data));
  nameSegment(segmentPath(from, firstLsn), segmentPath(data, firstLsn), LOCAL_DISK);
}
