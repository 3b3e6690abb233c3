import { RecordKind, RecordView } from '../../engine/record.js';
import { recordOffset } from '../../wal/batch.js';
import { openLogReader } from '../../wal/log.js';
import type { LogReader } from '../../wal/store.js';
import { AccountLookup } from './account-lookup.js';
import { type BatchLimits, BatchMaker, LIMITS, monthOf } from './batch-maker.js';
import { Breaker } from './breaker.js';
import { checkTables } from './checks.js';
import type { Database } from './database.js';
import { writeDeadLetter } from './dead-letter.js';
import { type Cursors, Delivery, highest, RefusedError, type RowTable } from './delivery.js';
import { isFinal, isOutOfMemory, isUnreadable, meaningOf } from './failure.js';
import { HaltError, LostRowsError } from './halt-error.js';
import type { SinkStatus } from './messages.js';
import { migrate } from './migrate.js';
import { narrow } from './narrow.js';
import { Rate } from './rate.js';
import { dropDelivered } from './remake.js';
import { RowEncoder } from './rows.js';
import { mendSums, rebuildSums } from './sums.js';

/** How much is delivered at a time, and how often. */
export interface Pace extends BatchLimits {
  /** Between two deliveries while there is always something new (ms): parts are few, and tills undisturbed. */
  readonly busyMs: number;
  /** What comes so shortly behind a record that came after a pause is delivered with it (ms). */
  readonly quietMs: number;
  /** So many records that wait are encoded while others are being inserted, and wait no longer than that takes. */
  readonly backlog: number;
}

export const PACE: Pace = { ...LIMITS, busyMs: 1000, quietMs: 100, backlog: 50_000 };

const STATUS_MS = 1000;
/** So many refusals in a row that nobody knows the meaning of are taken to be for the content. */
const UNKNOWNS_MAX = 4;
const SHARE_MIN = 1 / 64;
const SHARE_GROWTH = 1.2;
const NOTHING: Promise<void> = Promise.resolve();

export interface SinkOptions {
  /** The ledger's data directory. */
  readonly data: string;
  readonly database: Database;
  /** Called at each change of state, and at least each second. */
  readonly onStatus: (status: SinkStatus) => void;
  readonly log: (level: 'info' | 'warn' | 'error', message: string) => void;
  /** Days after which postings and transactions are dropped from ClickHouse; 0 keeps them. */
  readonly ttlDays: number;
  /**
   * Whether all tables may be dropped and made anew from the log, once, when rows are missing in them or they cannot be read: where nobody else has a hand in
   * them, as in the embedded engine. What it writes is not synced, so a power failure may take the newest or tear it. Otherwise an operator has to act.
   */
  readonly mayRemake: boolean;
  /** Default {@link PACE}. */
  readonly pace?: Pace;
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

/** Where delivery goes on. */
interface Beginning {
  readonly delivery: Delivery;
  readonly maker: BatchMaker;
  /** How far the tables were when it began. */
  readonly cursors: Cursors;
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
  private remakes = 0;
  private readonly rate = new Rate();
  private readonly breaker = new Breaker();
  /** Refusals in a row that may be for the content or not. */
  private unknowns = 0;
  /** How much of a batch is made at a time: less after ClickHouse had not the memory for it. */
  private share = 1;
  /** The table that refused rows of the next batch for what they are. */
  private suspect: RowTable | undefined;
  /** The LSN that was put aside, and the one that an operator gave up. */
  private refused: number | undefined;
  private givenUp: number | undefined;
  private isClosing = false;
  private isResumed = false;
  private lastDeliveryMs = 0;
  private reader: LogReader | undefined;
  private readonly lookup: AccountLookup;
  private readonly encoders: readonly [RowEncoder, RowEncoder];
  private readonly waiters = new Set<Waiter>();
  private wake: (() => void) | undefined;
  private readonly timer: NodeJS.Timeout;
  private readonly ended: Promise<void>;

  private readonly pace: Pace;

  constructor(private readonly options: SinkOptions) {
    this.pace = options.pace ?? PACE;
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
      remakes: this.remakes,
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
    if (isFinal(error)) {
      this.options.log('error', `analytics halted: ${message}`);
      this.isResumed = false;
      this.enter('halted', message);
      while (!this.isResumed && !this.isClosing) await this.sleep(STATUS_MS);
      this.reader?.close();
      this.reader = undefined;
      this.givenUp = this.refused;
      return;
    }
    const cause = error instanceof RefusedError ? error.cause : error;
    if (isOutOfMemory(cause)) this.share = Math.max(SHARE_MIN, this.share / 2);
    if (error instanceof RefusedError && this.isContent(cause)) {
      this.suspect = error.table;
      return;
    }
    this.retries++;
    if (this.state !== 'retrying') this.options.log('warn', `analytics will try again: ${message}`);
    this.enter('retrying', message);
    await this.pause(this.breaker.failed());
  }

  /** Whether rows were refused for what they are. */
  private isContent(cause: unknown): boolean {
    const meaning = meaningOf(cause);
    return meaning === 'content' || (meaning === 'unknown' && ++this.unknowns >= UNKNOWNS_MAX);
  }

  /** Delivers until it is closed or something fails. */
  private async deliverAll(): Promise<void> {
    const { data, database } = this.options;
    this.reader ??= openLogReader({ data });
    if (this.breaker.isOpen) await database.rows('SELECT 1');
    const { delivery, maker, cursors } = await this.begin(this.reader);
    if (this.suspect !== undefined) {
      await this.putAside(delivery, maker, cursors, this.suspect);
      this.suspect = undefined;
      return;
    }
    this.enter('running');
    for (;;) {
      await this.due();
      if (this.isClosing) return;
      await this.deliverRun(delivery, maker, cursors);
    }
  }

  /** Makes the tables ready, or, where they have lost what they held, anew. */
  private async begin(reader: LogReader): Promise<Beginning> {
    const { database, log, mayRemake } = this.options;
    try {
      return await this.open(reader);
    } catch (error) {
      const isLost = error instanceof LostRowsError;
      if (!isLost && !(mayRemake && isUnreadable(error))) throw error;
      const { message } = error as Error;
      if (this.remakes > 0)
        throw new HaltError(
          `${message}; all tables were made anew already: look at the disk before you start the server again`,
        );
      if (!mayRemake)
        throw new HaltError(
          `${message}. Drop its tables, all but rates, and resume: they are made anew from the log`,
        );
      log('warn', `analytics makes all tables anew from the log: ${message}`);
      this.enter('starting');
      this.delivered = { lsn: 0, timeMs: 0 };
      await dropDelivered(database, log);
      this.remakes++;
      return await this.open(reader);
    }
  }

  private async open(reader: LogReader): Promise<Beginning> {
    const { database, ttlDays } = this.options;
    const { ledger } = reader;
    await migrate(database, ledger.id, ttlDays);
    await database.settle();
    const delivery = new Delivery(database, ledger.id);
    const maker = new BatchMaker(reader, this.lookup, await delivery.skips());
    return { delivery, maker, cursors: await this.takeUp(delivery, maker) };
  }

  /** Delivers what is there, one batch while the next is being encoded. */
  private async deliverRun(delivery: Delivery, maker: BatchMaker, cursors: Cursors): Promise<void> {
    let [encoder, other] = this.encoders;
    await maker.make(encoder, this.delivered.lsn + 1, this.durableLsn, NOTHING, this.limits);
    for (;;) {
      this.lastDeliveryMs = performance.now();
      const inserting = delivery.insert(encoder, cursors);
      const next = encoder.lastLsn + 1;
      const isMore = !this.isClosing && this.durableLsn - next >= this.pace.backlog;
      const making = isMore ? maker.make(other, next, this.durableLsn, inserting, this.limits) : NOTHING;
      await Promise.allSettled([inserting, making]);
      await inserting;
      this.done(encoder);
      await making;
      if (!isMore) return;
      [encoder, other] = [other, encoder];
    }
  }

  private get limits(): BatchLimits {
    const { records, postings, bytes } = this.pace;
    return { records: records * this.share, postings: postings * this.share, bytes: bytes * this.share };
  }

  /**
   * Finds out how far the tables are, brings them to the same LSN where something was cut off, and holds them against each other.
   * @throws {HaltError} when they do not belong to this log
   */
  private async takeUp(delivery: Delivery, maker: BatchMaker): Promise<Cursors> {
    const { database, log } = this.options;
    this.lookup.clear();
    const cursors = await delivery.cursors();
    const end = highest(cursors);
    if (end > this.durableLsn) {
      throw new HaltError(
        `ClickHouse holds LSN ${end}, but the log ends at ${this.durableLsn}: the tables were made of a log that went further`,
      );
    }
    this.reach(cursors.base, cursors.baseTimeMs);
    const behind = await mendSums(
      database,
      cursors.postings,
      cursors.baseTimeMs === 0 ? 0 : monthOf(cursors.baseTimeMs),
    );
    if (this.suspect !== undefined) return cursors;
    if (end > cursors.base || behind > 0) {
      log(
        'info',
        `analytics takes up a delivery that was cut off at LSN ${end}, with ${behind} views behind`,
      );
    }
    const [encoder] = this.encoders;
    while (this.delivered.lsn < end) {
      await maker.make(encoder, this.delivered.lsn + 1, end, NOTHING, this.limits);
      await delivery.insert(encoder, cursors);
      this.done(encoder);
    }
    const differences = await checkTables(database);
    for (const difference of differences) {
      if (difference.view === undefined) continue;
      log(
        'warn',
        `analytics makes ${difference.what} anew: ${difference.found} and not ${difference.expected}`,
      );
      await rebuildSums(database, difference);
    }
    const [left] = differences.length === 0 ? [] : await checkTables(database);
    if (left === undefined) return cursors;
    throw new LostRowsError(
      `ClickHouse does not hold what was delivered to it: ${left.what}: ${left.found} and not ${left.expected}`,
    );
  }

  /** Finds the record that a table does not take, and puts it aside; or leaves it out, if it was given up. */
  private async putAside(
    delivery: Delivery,
    maker: BatchMaker,
    cursors: Cursors,
    table: RowTable,
  ): Promise<void> {
    const [encoder] = this.encoders;
    await maker.make(encoder, this.delivered.lsn + 1, this.durableLsn, NOTHING, this.limits);
    const refused = await narrow(delivery, encoder, cursors, table);
    if (refused === undefined) return;
    const { lsn, reason } = refused;
    if (this.givenUp === lsn) {
      await delivery.skip(lsn, table, this.legsOf(lsn), reason);
      this.refused = undefined;
      this.options.log('warn', `analytics goes on without LSN ${lsn}`);
      return;
    }
    const { data } = this.options;
    const path = writeDeadLetter(data, this.reader!, { lsn, table, reason });
    this.deadLetters++;
    this.refused = lsn;
    this.suspect = undefined;
    throw new HaltError(
      `the table ${table} does not take the record of LSN ${lsn}, put aside in ${path}: ${reason}`,
    );
  }

  private legsOf(lsn: number): number {
    const batch = this.reader!.batchAt(lsn)!;
    const view = new RecordView().over(batch.bytes).read(recordOffset(batch, lsn));
    return view.kind >= RecordKind.account ? 0 : view.n;
  }

  /** A batch is there. */
  private done(batch: RowEncoder): void {
    const lsn = batch.lastLsn;
    this.breaker.succeeded();
    this.unknowns = 0;
    this.share = Math.min(1, this.share * SHARE_GROWTH);
    this.reach(lsn, batch.timeMs);
    this.batches++;
    this.rows += batch.postings.rows;
    this.rate.add(batch.postings.rows, performance.now());
  }

  private reach(lsn: number, timeMs: number): void {
    this.delivered = { lsn, timeMs };
    for (const waiter of this.waiters) if (waiter.lsn <= lsn) waiter.settle(true);
  }

  /** Waits until there is something to deliver and it is time. */
  private async due(): Promise<void> {
    while (!this.isClosing && this.durableLsn <= this.delivered.lsn) await this.sleep(STATUS_MS);
    const isBacklog = () => this.durableLsn - this.delivered.lsn >= this.pace.backlog;
    const ready = Math.max(this.lastDeliveryMs + this.pace.busyMs, performance.now() + this.pace.quietMs);
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
