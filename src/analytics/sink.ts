import { NewerRecordError } from '../../engine/record.js';
import { DamagedLogError, NewerFormatError } from '../../wal/errors.js';
import { openLogReader } from '../../wal/log.js';
import type { LogReader } from '../../wal/store.js';
import { AccountLookup } from './account-lookup.js';
import { BatchMaker, monthOf, NO_LIMITS } from './batch-maker.js';
import type { Database } from './database.js';
import { type Cursors, Delivery, highest } from './delivery.js';
import { HaltError } from './halt-error.js';
import type { SinkStatus } from './messages.js';
import { migrate } from './migrate.js';
import { Rate } from './rate.js';
import { RowEncoder } from './rows.js';

/** Between two deliveries while there is always something new: parts are few, and tills undisturbed. */
const BUSY_MS = 1000;
/** What comes right behind a record that came after a pause is delivered with it. */
const QUIET_MS = 100;
/** So many records are a batch worth encoding while another is being inserted, and worth no wait. */
const BACKLOG = 50_000;
const STATUS_MS = 1000;
const RETRY_FIRST_MS = 100;
const RETRY_MAX_MS = 30_000;

export interface SinkOptions {
  /** The ledger's data directory. */
  readonly data: string;
  readonly database: Database;
  /** Called at each change of state, and at least each second. */
  readonly onStatus: (status: SinkStatus) => void;
  readonly log: (level: 'info' | 'warn' | 'error', message: string) => void;
  /** Days after which postings and transactions are dropped from ClickHouse; 0 keeps them. */
  readonly ttlDays: number;
}

export interface Sink {
  /** All records up to this LSN are durable: they may be delivered. */
  durable(lsn: number): void;
  /** Goes on behind what was put aside. */
  resume(): void;
  status(): SinkStatus;
  /** The highest LSN that is delivered, with all below it, and its commit time (ms). */
  cursor(): { readonly lsn: number; readonly timeMs: number };
  /** Resolves with true once the LSN is delivered, with false when the time is over before. */
  reached(lsn: number, timeoutMs: number): Promise<boolean>;
  close(): Promise<void>;
}

/**
 * Starts to deliver the log to ClickHouse. Never throws because ClickHouse is not there: it tries again.
 */
export function startSink(options: SinkOptions): Sink {
  return new LogSink(options);
}

interface Waiter {
  readonly lsn: number;
  readonly settle: (isReached: boolean) => void;
}

class LogSink implements Sink {
  private state: SinkStatus['state'] = 'starting';
  private reason: string | undefined;
  private durableLsn = -1;
  private delivered = { lsn: 0, timeMs: 0 };
  private rows = 0;
  private batches = 0;
  private retries = 0;
  private deadLetters = 0;
  private readonly rate = new Rate();
  private failures = 0;
  private isClosing = false;
  private isResumed = false;
  private isMigrated = false;
  private lastDeliveryMs = 0;
  private reader: LogReader | undefined;
  private readonly lookup: AccountLookup;
  private readonly encoders: readonly [RowEncoder, RowEncoder];
  private readonly waiters = new Set<Waiter>();
  private wake: (() => void) | undefined;
  private readonly timer: NodeJS.Timeout;
  private readonly ended: Promise<void>;

  constructor(private readonly options: SinkOptions) {
    this.lookup = new AccountLookup(options.database);
    this.encoders = [new RowEncoder(this.lookup), new RowEncoder(this.lookup)];
    this.timer = setInterval(() => this.tell(), STATUS_MS);
    this.ended = this.run();
  }

  durable(lsn: number): void {
    if (lsn <= this.durableLsn) return;
    this.durableLsn = lsn;
    this.wake?.();
  }

  resume(): void {
    this.isResumed = true;
    this.wake?.();
  }

  cursor(): { readonly lsn: number; readonly timeMs: number } {
    return this.delivered;
  }

  status(): SinkStatus {
    const lag = Math.max(0, this.durableLsn - this.delivered.lsn);
    return {
      type: 'status',
      state: this.state,
      ...(this.reason !== undefined && { reason: this.reason }),
      cursor: this.delivered.lsn,
      lagLsns: lag,
      lagSeconds: lag === 0 ? 0 : this.lagSeconds(),
      rowsPerSecond: this.rate.perSecond(performance.now()),
      rows: this.rows,
      batches: this.batches,
      retries: this.retries,
      deadLetters: this.deadLetters,
      rssBytes: process.memoryUsage.rss(),
    };
  }

  reached(lsn: number, timeoutMs: number): Promise<boolean> {
    if (lsn <= this.delivered.lsn) return Promise.resolve(true);
    return new Promise((resolve) => {
      const waiter: Waiter = {
        lsn,
        settle: (isReached) => {
          clearTimeout(timer);
          this.waiters.delete(waiter);
          resolve(isReached);
        },
      };
      const timer = setTimeout(() => waiter.settle(false), timeoutMs);
      this.waiters.add(waiter);
    });
  }

  async close(): Promise<void> {
    this.isClosing = true;
    this.wake?.();
    await this.ended;
    clearInterval(this.timer);
    for (const waiter of this.waiters) waiter.settle(false);
    this.reader?.close();
  }

  /** Age of the oldest record that is not delivered. */
  private lagSeconds(): number {
    try {
      const batch = this.reader?.batchAt(this.delivered.lsn + 1);
      return batch === undefined ? 0 : Math.max(0, (Date.now() - batch.timeMs) / 1000);
    } catch {
      // The loop meets the same damage, and says so.
      return 0;
    }
  }

  private tell(): void {
    this.options.onStatus(this.status());
  }

  private enter(state: SinkStatus['state'], reason?: string): void {
    const isNew = state !== this.state || reason !== this.reason;
    this.state = state;
    this.reason = reason;
    if (isNew) this.tell();
  }

  private async run(): Promise<void> {
    while (this.durableLsn < 0 && !this.isClosing) await this.sleep(STATUS_MS);
    while (!this.isClosing) {
      try {
        await this.deliverAll();
      } catch (error) {
        await this.fail(error);
      }
    }
  }

  private async fail(error: unknown): Promise<void> {
    const message = error instanceof Error ? error.message : String(error);
    const isFinal = [HaltError, DamagedLogError, NewerFormatError, NewerRecordError].some(
      (kind) => error instanceof kind,
    );
    if (isFinal) {
      this.options.log('error', `analytics halted: ${message}`);
      this.isResumed = false;
      this.enter('halted', message);
      while (!this.isResumed && !this.isClosing) await this.sleep(STATUS_MS);
      return;
    }
    this.retries++;
    if (this.failures === 0) this.options.log('warn', `analytics cannot reach ClickHouse: ${message}`);
    this.enter('retrying', message);
    const most = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** this.failures++);
    await this.pause(most * (0.5 + Math.random() / 2));
  }

  /** Delivers until it is closed or something fails. */
  private async deliverAll(): Promise<void> {
    const { data, database, ttlDays } = this.options;
    this.reader ??= openLogReader({ data });
    const { ledger } = this.reader;
    if (!this.isMigrated) await migrate(database, ledger.id, ttlDays);
    this.isMigrated = true;
    const delivery = new Delivery(database, ledger.id);
    const maker = new BatchMaker(this.reader, this.lookup);
    let cursors = await this.takeUp(delivery, maker);
    this.failures = 0;
    this.enter('running');
    for (;;) {
      await this.due();
      if (this.isClosing) return;
      let [encoder, other] = this.encoders;
      await maker.make(encoder, this.delivered.lsn + 1, this.durableLsn, Promise.resolve());
      for (;;) {
        this.lastDeliveryMs = performance.now();
        const inserting = delivery.insert(encoder, cursors);
        const next = encoder.lastLsn + 1;
        let isNext = false;
        if (!this.isClosing && this.durableLsn - next >= BACKLOG) {
          isNext = true;
          const making = maker.make(other, next, this.durableLsn, inserting);
          await Promise.all([inserting, making]).finally(() => Promise.allSettled([inserting, making]));
        } else await inserting;
        cursors = this.done(encoder, cursors);
        if (!isNext) break;
        [encoder, other] = [other, encoder];
      }
    }
  }

  /** Finds out how far the tables are, and makes whole what was cut off. */
  private async takeUp(delivery: Delivery, maker: BatchMaker): Promise<Cursors> {
    this.lookup.clear();
    const cursors = await delivery.cursors();
    const end = highest(cursors);
    if (end > this.durableLsn) {
      throw new HaltError(
        `ClickHouse holds LSN ${end}, but the log ends at ${this.durableLsn}: the tables belong to another state of this ledger`,
      );
    }
    this.delivered = { lsn: cursors.base, timeMs: cursors.baseTimeMs };
    await delivery.mendSums(cursors.postings, monthOf(cursors.baseTimeMs));
    if (end === cursors.base) return cursors;
    const [encoder] = this.encoders;
    await maker.make(encoder, cursors.base + 1, end, Promise.resolve(), NO_LIMITS);
    await delivery.insert(encoder, cursors);
    return this.done(encoder, cursors);
  }

  /** A batch is there. */
  private done(batch: RowEncoder, _before: Cursors): Cursors {
    const lsn = batch.lastLsn;
    this.delivered = { lsn, timeMs: batch.timeMs };
    this.batches++;
    this.rows += batch.postings.rows;
    this.rate.add(batch.postings.rows, performance.now());
    for (const waiter of this.waiters) if (waiter.lsn <= lsn) waiter.settle(true);
    return { base: lsn, baseTimeMs: batch.timeMs, accounts: lsn, transactions: lsn, postings: lsn };
  }

  /** Waits until there is something to deliver and it is time. */
  private async due(): Promise<void> {
    while (!this.isClosing && this.durableLsn <= this.delivered.lsn) await this.sleep(STATUS_MS);
    const isBacklog = () => this.durableLsn - this.delivered.lsn >= BACKLOG;
    const ready = Math.max(this.lastDeliveryMs + BUSY_MS, performance.now() + QUIET_MS);
    for (;;) {
      const rest = ready - performance.now();
      if (rest <= 0 || this.isClosing || isBacklog()) return;
      await this.sleep(rest);
    }
  }

  private async pause(ms: number): Promise<void> {
    const end = performance.now() + ms;
    for (let rest = ms; rest > 0 && !this.isClosing; rest = end - performance.now()) await this.sleep(rest);
  }

  /** Until something happens, at most so long. */
  private sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.wake = undefined;
        resolve();
      };
      const timer = setTimeout(wake, ms);
      this.wake = wake;
    });
  }
}
