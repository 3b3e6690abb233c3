import { randomBytes, randomUUID } from 'node:crypto';
import { BATCH_BYTES_MAX, BATCH_HEADER_BYTES, hashBatch, recordsFault, sealBatch } from './batch.js';
import type { Disk } from './disk.js';
import { markDurable } from './durable-mark.js';
import { SEGMENT_BYTES_DEFAULT, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN } from './limits.js';
import { LOCAL_DISK } from './local-disk.js';
import { checkChain, checkEnd, LOG_START } from './log-chain.js';
import {
  listSegments,
  logDirectory,
  makeDirectory,
  removeUnfinishedSegments,
  SegmentWriter,
  syncSegment,
} from './segment.js';
import type { LedgerIdentity, LogPosition, LogStore } from './store.js';

export { checkedBatches, openLogReader } from './log-reader.js';

/**
 * Left free on the disk. A full disk must be found before LMDB finds it: when a write fails, lmdb 3.5.6 composes its
 * message beyond the end of its buffer (mdb_page_flush), and one in six such failures aborted the whole process.
 */
export const FREE_BYTES_MIN = 8 << 20;

export interface OpenLogOptions {
  /** The data directory; made when it is not there. The caller holds its lock. */
  readonly data: string;
  /** A segment is rolled before it grows beyond this; it holds one batch at least. 64 KiB to 512 MiB, default 256 MiB. */
  readonly segmentBytes?: number;
  /** Milliseconds since 1970; read once, when a ledger is created. */
  readonly now?: () => number;
  /** Bytes that may still be written to the disk of the log; asked before every commit. Default: the disk's. */
  readonly freeBytes?: () => number;
  /** Default: the operating system's. */
  readonly disk?: Disk;
  /** The id and the 16-byte key of a ledger that is created. Default: random. */
  readonly makeIdentity?: () => Pick<LedgerIdentity, 'id' | 'key'>;
}

/** The log on the local disk, for its one writer. `segments` counts those that hold batches or are about to. */
export interface LocalLog extends LogStore {
  readonly segments: number;
}

/**
 * Opens the log for appending, or creates a ledger where there is none. Checks the chain of segments and the last
 * batch; the batches in between are checked by `checkedBatches`.
 * @throws {DamagedLogError} when something that was acknowledged may be missing
 * @throws {NewerFormatError} when a newer Kassa wrote it
 */
export function openLog(options: OpenLogOptions): LocalLog {
  const segmentBytes = options.segmentBytes ?? SEGMENT_BYTES_DEFAULT;
  if (!(segmentBytes >= SEGMENT_BYTES_MIN && segmentBytes <= SEGMENT_BYTES_MAX)) {
    throw new RangeError(`segmentBytes must be ${SEGMENT_BYTES_MIN} to ${SEGMENT_BYTES_MAX}`);
  }
  const { data, disk = LOCAL_DISK } = options;
  makeDirectory(data, disk);
  makeDirectory(logDirectory(data), disk);
  removeUnfinishedSegments(data, disk);
  // What is found is about to be called durable. All but the newest two segments were synced by the opening that followed them.
  for (const first of listSegments(data, disk).slice(-2)) syncSegment(data, first, disk);
  disk.syncDirectory(logDirectory(data));
  const freeBytes = options.freeBytes ?? (() => disk.freeBytes(logDirectory(data)));
  const place = { data, segmentBytes, freeBytes, disk };
  const chain = checkChain(data, disk);
  checkEnd(data, chain?.last.lsn ?? 0, disk);
  if (chain === undefined) {
    const ledger = { ...(options.makeIdentity ?? randomIdentity)(), createdMs: (options.now ?? Date.now)() };
    const header = { ledger, firstLsn: 1, previous: LOG_START };
    const writer = SegmentWriter.create(data, header, segmentBytes, disk);
    return new SegmentedLog(place, ledger, LOG_START, 1, writer);
  }
  const { header, last, filledSegments } = chain;
  return new SegmentedLog(place, header.ledger, last, filledSegments, undefined);
}

/** Where a log is and how far it may grow. */
interface Place {
  readonly data: string;
  readonly segmentBytes: number;
  readonly freeBytes: () => number;
  readonly disk: Disk;
}

class SegmentedLog implements LocalLog {
  readonly ledger: LedgerIdentity;
  readonly #place: Place;
  #last: LogPosition;
  #segments: number;
  #writer: SegmentWriter | undefined;
  #isUsable = true;

  /**
   * @param segments that hold batches, and the writer's
   * @param writer of the newest segment; undefined when the next append has to start one
   */
  constructor(
    place: Place,
    ledger: LedgerIdentity,
    last: LogPosition,
    segments: number,
    writer: SegmentWriter | undefined,
  ) {
    this.ledger = ledger;
    this.#place = place;
    this.#last = last;
    this.#segments = segments;
    this.#writer = writer;
  }

  get last(): LogPosition {
    return this.#last;
  }

  get segments(): number {
    return this.#segments;
  }

  append(batch: Uint8Array, count: number, timeMs: number): void {
    if (!this.#isUsable)
      throw new Error('the log is closed, or an append has failed: nothing more is appended');
    this.#isUsable = false;
    this.#checkInput(batch, count, timeMs);
    this.#checkDisk(batch.length);
    const firstLsn = this.#last.lsn + 1;
    const { data, disk } = this.#place;
    try {
      const writer = this.#writerFor(batch.length);
      const commitNumber = writer.commits + 1;
      sealBatch(batch, { firstLsn, count, timeMs, prevHash: this.#last.hash, commitNumber });
      const hash = hashBatch(batch);
      writer.put(firstLsn, batch);
      if (commitNumber === 1) markDurable(data, firstLsn + count - 1, disk);
      this.#last = { lsn: firstLsn + count - 1, timeMs, hash };
    } catch (error) {
      throw new Error(
        `the log in ${data} cannot be written at LSN ${firstLsn}: ${(error as Error).message}`,
        {
          cause: error,
        },
      );
    }
    this.#isUsable = true;
  }

  close(): void {
    if (this.#isUsable && this.#writer !== undefined && this.#last.lsn > 0) {
      markDurable(this.#place.data, this.#last.lsn, this.#place.disk);
    }
    this.#isUsable = false;
    this.#writer?.close();
    this.#writer = undefined;
  }

  /** What must never become durable: nobody could read it again. */
  #checkInput(batch: Uint8Array, count: number, timeMs: number): void {
    if (batch.length <= BATCH_HEADER_BYTES || batch.length > BATCH_BYTES_MAX) {
      throw new RangeError(`a batch of ${batch.length} bytes`);
    }
    if (batch.buffer instanceof SharedArrayBuffer) {
      // lmdb does not get at the address of shared memory and would commit other bytes, without an error.
      throw new TypeError('a batch in shared memory cannot be appended');
    }
    const fault = recordsFault(batch, count);
    if (fault !== undefined) throw new RangeError(fault);
    if (!Number.isSafeInteger(timeMs) || timeMs < this.#last.timeMs) {
      throw new RangeError(`a batch of ${timeMs} ms after one of ${this.#last.timeMs} ms`);
    }
  }

  #checkDisk(batchBytes: number): void {
    const free = this.#place.freeBytes();
    if (free >= batchBytes + FREE_BYTES_MIN) return;
    throw new Error(
      `no room for the log: ${free} bytes are left on the disk of ${this.#place.data}. Make room and start again`,
    );
  }

  #writerFor(batchBytes: number): SegmentWriter {
    if (this.#writer?.hasRoomFor(batchBytes)) return this.#writer;
    // A segment takes one batch whatever its size: the map has room for the largest.
    return this.#writer?.commits === 0 ? this.#writer : this.#roll();
  }

  #roll(): SegmentWriter {
    const header = { ledger: this.ledger, firstLsn: this.#last.lsn + 1, previous: this.#last };
    const { data, segmentBytes, disk } = this.#place;
    const next = SegmentWriter.create(data, header, segmentBytes, disk);
    this.#writer?.close();
    this.#writer = next;
    this.#segments++;
    return next;
  }
}

function randomIdentity(): Pick<LedgerIdentity, 'id' | 'key'> {
  return { id: randomUUID(), key: randomBytes(16) };
}
