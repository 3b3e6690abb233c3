import type { Moment } from './kill-moments.js';

/** What a campaign of kills did and saw. */
export interface KillReport {
  rounds: number;
  /** By moment; `start` are those while the server starts or recovers. */
  readonly kills: Record<Moment | 'start', number>;
  /** Rounds by number of shards. */
  readonly shards: Record<number, number>;
  records: number;
  acknowledged: number;
  /** What was never answered: found in the log, or not. */
  unanswered: { done: number; notDone: number };
  refused: number;
  /** Holds that expired, by the log. */
  expired: number;
  /** Things said again after the kill, word for word, and answered as before. */
  repeated: number;
  /** Accounts and transactions as a server told them, held against the log. */
  compared: number;
  segments: number;
  /** Rounds after which the state rested on a checkpoint. */
  onCheckpoint: number;
}

export function emptyReport(): KillReport {
  return {
    rounds: 0,
    kills: { load: 0, checkpoint: 0, roll: 0, close: 0, start: 0 },
    shards: { 1: 0, 2: 0, 4: 0 },
    records: 0,
    acknowledged: 0,
    unanswered: { done: 0, notDone: 0 },
    refused: 0,
    expired: 0,
    repeated: 0,
    compared: 0,
    segments: 0,
    onCheckpoint: 0,
  };
}
