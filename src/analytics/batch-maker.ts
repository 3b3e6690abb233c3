import { RecordView } from '../../engine/record.js';
import { type Batch, recordOffset, recordSize } from '../../wal/batch.js';
import type { LogReader } from '../../wal/store.js';
import type { AccountLookup } from './account-lookup.js';
import { HaltError, LostRowsError } from './halt-error.js';
import { HoldTexts } from './hold-texts.js';
import { clampTime, type RowEncoder } from './rows.js';

/** What a batch takes at most. */
export interface BatchLimits {
  readonly records: number;
  readonly postings: number;
  readonly bytes: number;
}
export const LIMITS: BatchLimits = { records: 300_000, postings: 300_000, bytes: 64 << 20 };
/** Encoding lets others of this process have their turn after so many ms; the clock is looked at every so many records. */
const TURN_MS = 8;
const RECORDS_A_LOOK = 256;

/** LSNs that were given up. */
export interface Skip {
  readonly firstLsn: number;
  readonly lastLsn: number;
}

/** Encodes batches: ranges of LSNs of one month of commits. */
export class BatchMaker {
  private readonly ahead = new RecordView();
  private readonly holds: HoldTexts;

  constructor(
    private readonly reader: LogReader,
    private readonly lookup: AccountLookup,
    private readonly skips: readonly Skip[],
  ) {
    this.holds = new HoldTexts(reader);
  }

  /**
   * Encodes the next batch.
   * @param firstLsn of it
   * @param toLsn beyond which nothing is to be read
   * @param delivered resolves when everything below `firstLsn` is in ClickHouse
   * @throws {DamagedLogError}, {NewerFormatError}, {NewerRecordError}, {HaltError}
   */
  async make(
    encoder: RowEncoder,
    firstLsn: number,
    toLsn: number,
    delivered: Promise<unknown>,
    limits = LIMITS,
  ): Promise<void> {
    encoder.begin(firstLsn, this.holds);
    let turnEnds = performance.now() + TURN_MS;
    let month = -1;
    for (let lsn = firstLsn; lsn <= toLsn; ) {
      const batch = this.batchAt(lsn);
      const itsMonth = monthOf(batch.timeMs);
      if (month >= 0 && itsMonth !== month) return;
      month = itsMonth;
      const { view } = encoder;
      view.over(batch.bytes);
      const last = Math.min(toLsn, batch.firstLsn + batch.count - 1);
      for (let offset = recordOffset(batch, lsn); lsn <= last; lsn++) {
        if (this.isSkipped(lsn)) encoder.skip(batch.timeMs);
        else {
          view.read(offset);
          if (!encoder.add(batch.timeMs, false)) await this.ask(encoder, lsn, toLsn, batch.timeMs, delivered);
        }
        offset += recordSize(batch.bytes, offset);
        if (
          encoder.records >= limits.records ||
          encoder.postings.rows >= limits.postings ||
          encoder.bytes >= limits.bytes
        )
          return;
        if (lsn % RECORDS_A_LOOK === 0 && performance.now() > turnEnds) {
          await new Promise((resolve) => setImmediate(resolve));
          turnEnds = performance.now() + TURN_MS;
        }
      }
    }
  }

  /** Asks for the accounts of this record and of those that follow, and adds the record. */
  private async ask(
    encoder: RowEncoder,
    lsn: number,
    toLsn: number,
    timeMs: number,
    delivered: Promise<unknown>,
  ): Promise<void> {
    await delivered;
    await this.find(encoder, lsn, Math.min(toLsn, lsn + LIMITS.records));
    if (encoder.add(timeMs, false)) return;
    // The others may have driven out an account of this record that was known before.
    await this.find(encoder, lsn, lsn);
    if (encoder.add(timeMs, this.skips.length > 0)) return;
    throw new LostRowsError(
      `the table accounts in ClickHouse lacks an account that the record of LSN ${lsn} is about: rows were lost there`,
    );
  }

  private async find(encoder: RowEncoder, fromLsn: number, toLsn: number): Promise<void> {
    this.lookup.makeRoom();
    this.lookAhead(fromLsn, toLsn);
    await this.lookup.resolve(encoder.firstLsn);
  }

  private lookAhead(fromLsn: number, toLsn: number): void {
    const { ahead, lookup } = this;
    for (let lsn = fromLsn; lsn <= toLsn; ) {
      const batch = this.batchAt(lsn);
      ahead.over(batch.bytes);
      const last = Math.min(toLsn, batch.firstLsn + batch.count - 1);
      for (let offset = recordOffset(batch, lsn); lsn <= last; lsn++) {
        if (!lookup.want(ahead.read(offset))) return;
        offset += recordSize(batch.bytes, offset);
      }
    }
  }

  /** @throws {HaltError} when the log ends before */
  private batchAt(lsn: number): Batch {
    const batch = this.reader.batchAt(lsn);
    if (batch === undefined)
      throw new HaltError(`the log ends before LSN ${lsn}, which was said to be durable`);
    return batch;
  }

  private isSkipped(lsn: number): boolean {
    for (const { firstLsn, lastLsn } of this.skips) if (lsn >= firstLsn && lsn <= lastLsn) return true;
    return false;
  }
}

/** The partition, as toYYYYMM. */
export function monthOf(timeMs: number): number {
  const date = new Date(clampTime(timeMs));
  return date.getUTCFullYear() * 100 + date.getUTCMonth() + 1;
}
