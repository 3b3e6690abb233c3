import type { Worker } from 'node:worker_threads';
import { SHARDS_MAX } from '../engine/limits.js';
import { checkForUse } from '../wal/unfinished.js';
import type { FeedLine } from './feed/line.js';
import { AttachedThreads } from './ledger/attached.js';
import { type CallerPrefix, prefixOf } from './ledger/caller.js';
import { LedgerSession } from './ledger/ledger-session.js';
import { startThreads, type Threads } from './ledger/threads.js';
import type { Attachment } from './ledger/wiring.js';
import type { Caller, Session } from './session.js';

/** Where the data is and how it is run. */
export interface LedgerOptions {
  /** The data directory; made when it is not there. One process at a time. */
  readonly data: string;
  /** Shard threads, 1-16; default 1. May change between runs on the same data. */
  readonly shards?: number;
  /**
   * Threads that the shards and the log writer share, 1 to shards + 1; with one they take turns. Default: one where there are at most two
   * processors, else one for the writer and one for each shard, as far as processors go. May change between runs.
   */
  readonly threads?: number;
  /** Bytes of a log segment; default 256 MiB. */
  readonly segmentBytes?: number;
  /** Records between two checkpoints; default 200,000. */
  readonly checkpointRecords?: number;
  /** Threads besides this one that will use the ledger, each with an attachment of its own; default 0, at most 15. */
  readonly attachments?: number;
  /**
   * Bytes of the disk that are not for new work: below them what would write is refused with `not_ready`, and taken again once there is room.
   * 0 refuses nothing until the log itself finds the disk full, which ends the ledger. Default 256 MiB.
   */
  readonly minFreeBytes?: number;
  /** Called with the reason when work begins to be refused for want of room, and with undefined when it is taken again. */
  readonly onRoom?: (reason: string | undefined) => void;
  /** Called once when the ledger can no longer go on. Default: say why on stderr and exit with 70. */
  readonly onFatal?: (reason: Error) => void;
}

/** Figures of a running ledger; counts since it was opened unless said otherwise. */
export interface LedgerStats {
  readonly shards: number;
  /** The highest LSN claimed, and the highest known to be synced. */
  readonly lsn: number;
  readonly durableLsn: number;
  readonly accounts: number;
  readonly accountBytes: number;
  /** Transaction ids remembered, for as long as the ledger. */
  readonly rememberedIds: number;
  /** Memory they take, tables' slack included. */
  readonly rememberedIdBytes: number;
  readonly openHolds: number;
  /** Transactions that wait for another shard or an earmark. */
  readonly jobs: number;
  readonly inFlight: number;
  readonly commits: number;
  /** The LSN that the newest checkpoint stands for. */
  readonly checkpointLsn: number;
  /** Of the disk of the data directory. */
  readonly diskFreeBytes: number;
}

/** An open ledger. */
export interface Ledger {
  /** A UUID, made with the ledger. */
  readonly id: string;
  /**
   * A session on behalf of a caller. Cheap; make one per connection.
   * @param options.textAmounts whether amounts may be strings of digits, as in JSON (default true; MessagePack has integers)
   * @throws RangeError for a malformed caller
   */
  as(caller: Caller, options?: { readonly textAmounts?: boolean }): Session;
  stats(): LedgerStats;
  /** Resolves with the reason when the ledger has stopped by itself: nothing that is in flight will be answered. */
  readonly failed: Promise<Error>;
  /** Why new work that would write is refused now; undefined when it is taken. */
  notReady(): string | undefined;
  /** Called after a run of compact answers was given: the moment to flush sockets. */
  onAnswered: (() => void) | undefined;
  /** The live feed of committed transactions, from a thread that starts with the first subscription. */
  readonly feed: FeedLine;
  /** One for each thread that was announced in the options; see {@link attachLedger}. */
  readonly attachments: readonly Attachment[];
  /** Makes the unexpected death of another thread as fatal as one of the ledger's own. */
  guard(name: string, worker: Worker): void;
  /** From now on that thread may end. */
  release(worker: Worker): void;
  /** Answers what it has accepted, syncs, stops the threads, releases the directory. New commands get `not_ready`. */
  close(): Promise<void>;
}

/**
 * Opens or recovers a data directory and starts its threads: the log writer, the shards, the reader of stored records and the checkpointer.
 *
 * What a caller may rely on
 * - An answer, refusals and reads included, is given only when everything it shows is synced to the log. Whatever was answered is there
 *   after a crash; what was not answered may be there or not, and sending it again with the same id settles it.
 * - Each id leads to one outcome, for as long as the ledger lives. The same content again is a duplicate, another content is refused.
 * - A transaction is applied whole, at one LSN, or not at all. Limits hold at every LSN.
 * - Operations in flight have no order among each other; one that was answered comes before one that is sent afterwards.
 * - Refusals are values (`ok: false`); a promise is rejected only by a bug or when the ledger died.
 * - If a thread dies or a commit fails the whole ledger stops (see `onFatal`): no answer is given that could not be kept.
 *
 * @throws DirectoryInUseError, NotForUseError (a backup, an unfinished restore or import), DamagedLogError, NewerFormatError, or what the file system says
 */
export async function openLedger(options: LedgerOptions): Promise<Ledger> {
  const shards = options.shards ?? 1;
  if (!Number.isInteger(shards) || shards < 1 || shards > SHARDS_MAX) {
    throw new RangeError(`shards: a whole number from 1 to ${SHARDS_MAX}, not ${shards}`);
  }
  if (options.threads !== undefined && !(Number.isInteger(options.threads) && options.threads >= 1))
    throw new RangeError(`threads: a whole number from 1 on, not ${options.threads}`);
  checkForUse(options.data);
  return new OpenLedger(await startThreads({ ...options, shards }));
}

/**
 * The ledger as seen from another thread of the process that opened it: the same operations through a front of its own. Close it before
 * the ledger itself.
 * @param attachment one of {@link Ledger.attachments}, transferred with its ports; each can be used once
 */
export function attachLedger(attachment: Attachment): Ledger {
  return new OpenLedger(new AttachedThreads(attachment));
}

class OpenLedger implements Ledger {
  readonly id: string;

  constructor(private readonly threads: Threads) {
    this.id = threads.ledgerId;
  }

  get onAnswered(): (() => void) | undefined {
    return this.threads.front.onAnswered;
  }
  set onAnswered(then: (() => void) | undefined) {
    this.threads.front.onAnswered = then;
  }

  as(caller: Caller, options?: { readonly textAmounts?: boolean }): Session {
    const prefix: CallerPrefix = prefixOf(caller, this.threads.key, options?.textAmounts ?? true);
    return new LedgerSession(caller, prefix, this.threads);
  }

  stats(): LedgerStats {
    const { control, front, shards, checkpointLsn } = this.threads;
    const figures = control.sumFigures(shards);
    return {
      shards,
      lsn: control.claimedLsn(),
      durableLsn: control.durableLsn(),
      accounts: figures.accounts,
      accountBytes: figures.accountBytes,
      rememberedIds: figures.ids,
      rememberedIdBytes: figures.idBytes,
      openHolds: figures.holds,
      jobs: figures.jobs,
      inFlight: front.inFlight,
      commits: control.commits(),
      checkpointLsn,
      diskFreeBytes: control.freeBytes(),
    };
  }

  get failed(): Promise<Error> {
    return this.threads.failed;
  }

  notReady(): string | undefined {
    return this.threads.notReady() ?? this.threads.noRoom();
  }

  get feed(): FeedLine {
    return this.threads.feed;
  }

  get attachments(): readonly Attachment[] {
    return this.threads.attachments;
  }

  guard(name: string, worker: Worker): void {
    this.threads.guard(name, worker);
  }

  release(worker: Worker): void {
    this.threads.release(worker);
  }

  close(): Promise<void> {
    return this.threads.close();
  }
}
