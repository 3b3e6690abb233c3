import type { Worker } from 'node:worker_threads';
import type { Control } from '../../engine/control.js';
import { RingConsumer } from '../../engine/mailbox.js';
import type { Wiring } from './wiring.js';

const LOOK_EVERY_MS = 1000;
/**
 * Work that waits at so many looks without any progress of the thread it waits for is a fault. Looks are counted and not the time between
 * them: a clock that is set, or a process that was stopped for a while, is no fault of a thread.
 */
const STALLED_LOOKS = 15;
const STALLED_S = (STALLED_LOOKS * LOOK_EVERY_MS) / 1000;

/**
 * Fail-stop: the death of any thread, or one that makes no progress while work waits for it, ends the ledger. A commit that takes long is
 * the disk's fault and not counted: as long as it is the same one, whoever waits may be waiting for it.
 */
export class Supervisor {
  private readonly workers = new Map<Worker, string>();
  private isExitExpected = false;
  private timer: NodeJS.Timeout | undefined;
  /** Why the ledger ended, once it has. */
  fatal: Error | undefined;
  /** What went wrong while the threads were ending. */
  lateFailure: Error | undefined;
  /** Resolves with the same when it has. */
  readonly failed: Promise<Error>;
  private tellFailed!: (reason: Error) => void;

  constructor(private readonly onFatal: (reason: Error) => void) {
    this.failed = new Promise((resolve) => {
      this.tellFailed = resolve;
    });
  }

  add(name: string, worker: Worker): void {
    this.workers.set(worker, name);
    worker.on('error', (error) => this.fail(asError(error)));
    worker.on('exit', (code) => {
      if (this.workers.delete(worker) && !this.isExitExpected)
        this.fail(new Error(`the ${name} thread ended (${code})`));
    });
  }

  /** The first message of a starting thread. Its death rejects instead of being fatal. */
  ready(worker: Worker): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const name = this.workers.get(worker);
      worker.once('message', resolve);
      worker.removeAllListeners('error').once('error', (error) => reject(asError(error)));
      const died = (code: number) => reject(new Error(`the ${name} thread ended at its start (${code})`));
      worker.once('exit', died);
      worker.once('message', () => {
        worker.off('exit', died);
        worker.removeAllListeners('error').on('error', (error) => this.fail(asError(error)));
      });
    });
  }

  /** From now on this thread may end. */
  release(worker: Worker): void {
    this.workers.delete(worker);
  }

  /** From now on threads may end. */
  expectExit(): void {
    this.isExitExpected = true;
    clearInterval(this.timer);
  }

  /** Ends whatever was started, after a start or a run that failed. */
  async abandon(): Promise<void> {
    this.expectExit();
    await Promise.all([...this.workers.keys()].map((worker) => worker.terminate()));
  }

  private fail(reason: Error): void {
    if (this.isExitExpected) this.lateFailure ??= reason;
    if (this.fatal !== undefined || this.isExitExpected) return;
    this.fatal = reason;
    this.tellFailed(reason);
    clearInterval(this.timer);
    this.onFatal(reason);
  }

  /** Watches over progress. */
  watch(control: Control, shards: number, wiring: Wiring): void {
    const inboxes = Array.from({ length: shards }, (_, shard) => [
      ...wiring.commands.map((rings) => rings[shard]!),
      ...wiring.peers.flatMap((rings) => rings[shard] ?? []),
    ]);
    const seen = inboxes.map(() => ({ progress: -1, looks: 0 }));
    const writer = { progress: -1, looks: 0 };
    let commits = control.commits();
    this.timer = setInterval(() => {
      const isSyncSlow = control.inCommit() && control.commits() === commits;
      commits = control.commits();
      inboxes.forEach((rings, shard) => {
        const isWaitedFor = rings.some((buffer) => new RingConsumer(buffer).peek() >= 0);
        if (isStalled(seen[shard]!, control.shardProgress(shard), isWaitedFor && !isSyncSlow)) {
          this.fail(
            new Error(`shard ${shard} made no progress for ${STALLED_S} s although work waits for it`),
          );
        }
      });
      const isWriterWaitedFor = control.claimedLsn() > control.durableLsn() && !isSyncSlow;
      if (isStalled(writer, control.writerProgress(), isWriterWaitedFor)) {
        this.fail(new Error(`LSNs above ${control.durableLsn()} are not being written for ${STALLED_S} s`));
      }
    }, LOOK_EVERY_MS);
    this.timer.unref();
  }
}

function isStalled(
  seen: { progress: number; looks: number },
  progress: number,
  isWaitedFor: boolean,
): boolean {
  if (!isWaitedFor || progress !== seen.progress) {
    seen.progress = progress;
    seen.looks = 0;
    return false;
  }
  return ++seen.looks > STALLED_LOOKS;
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
