import type { Checkpointer } from './checkpoint.js';

/** A checkpoint is made so long after the last one if there is anything new. */
export const CHECKPOINT_INTERVAL_MS = 30_000;

/** Decides when the checkpoint is moved on. It never waits and takes its clock as an argument: a thread looks now and then. */
export class CheckpointRounds {
  private triedAtMs: number | undefined;
  private hasFailed = false;

  /**
   * @param records between two checkpoints
   * @param complain called with what went wrong; the ledger goes on and the round is tried again after the interval. What it throws leaves
   *   {@link step}
   */
  constructor(
    private readonly checkpointer: Checkpointer,
    private readonly records: number,
    private readonly shouldStop: () => boolean,
    private readonly complain: (error: Error) => void,
  ) {}

  /**
   * Moves the checkpoint on if that is due.
   * @param durableLsn up to here it may go. @param nowMs of a monotonic clock
   * @returns whether it was tried, and whether there is more to do at once
   */
  step(durableLsn: number, nowMs: number): { readonly wasTried: boolean; readonly isMore: boolean } {
    const { checkpointer } = this;
    this.triedAtMs ??= nowMs;
    const { lsn: reached } = checkpointer.position;
    const isLongAgo = nowMs - this.triedAtMs >= CHECKPOINT_INTERVAL_MS;
    const isDue = isLongAgo ? durableLsn > reached : durableLsn - reached >= this.records && !this.hasFailed;
    if (!isDue || this.shouldStop()) return { wasTried: false, isMore: false };
    this.triedAtMs = nowMs;
    let isMore = false;
    try {
      isMore = checkpointer.advance(durableLsn, this.shouldStop);
      this.hasFailed = false;
    } catch (error) {
      this.hasFailed = true;
      this.complain(error as Error);
    }
    return { wasTried: true, isMore };
  }
}
