import type { RefusalCode } from '../../engine/codes.js';
import { compactForm, creates, isCompact, mapForm, type Operation } from './operation.js';
import type { Delivered, Queued, Refused } from './types.js';

export type Settled = Delivered<'posted' | 'pending' | 'voided' | 'given_up'> | Refused;
export type Outcome = Settled | Queued;

/** Who waits for the outcome. Nobody does once `queued` was answered. */
export interface Caller {
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

/** An operation on its way to the ledger. */
export interface Entry {
  readonly seq: number;
  readonly op: Operation;
  state: 'taken' | 'waiting' | 'in_flight' | 'settled';
  /** About its weight in a frame. */
  bytes: number;
  /** The write to the journal; it is there when this resolves. */
  written: Promise<void> | undefined;
  /** Copies sent that were never answered and may be under way; what was found on disk counts as one. */
  copies: number;
  /** It goes in a frame of its own, because the ledger refused a batch with it as a whole. */
  alone: boolean;
  /** It was given up: it is not sent again. */
  cancelled: boolean;
  /** It was refused, but an earlier copy may be under way: the id is voided before the refusal counts. */
  refusal: RefusalCode | undefined;
  /** The application was told that its outcome cannot be known for now. */
  reported: boolean;
  caller: Caller | undefined;
}

export function newEntry(seq: number, op: Operation): Entry {
  return {
    seq,
    op,
    state: 'taken',
    bytes: 0,
    written: undefined,
    copies: 0,
    alone: false,
    cancelled: false,
    refusal: undefined,
    reported: false,
    caller: undefined,
  };
}

/** Whoever takes the caller is the one who answers it. */
export function takeCaller(entry: Entry): Caller | undefined {
  const { caller } = entry;
  if (caller !== undefined) clearTimeout(caller.timer);
  entry.caller = undefined;
  return caller;
}

/** Entries in one frame, at most. */
const RUN_MAX = 1024;
/** Bytes in one frame, about; a quarter of what the server takes. */
const RUN_BYTES_MAX = 256 * 1024;

/**
 * How many entries from the head of the queue may go in one frame: those that create transactions, up to the first
 * that does not. The server decides entries of a batch that share an account or an id in their order.
 */
export function runLength(queue: readonly Entry[]): number {
  let bytes = 0;
  let length = 0;
  for (const entry of queue) {
    bytes += entry.bytes;
    const batchable = creates(entry.op) && !entry.alone && entry.refusal === undefined;
    if (!batchable || length === RUN_MAX || bytes > RUN_BYTES_MAX) break;
    length += 1;
  }
  return Math.max(length, 1);
}

/** The frame for a run of entries, in the shortest form that can say it. */
export function frameOf(run: readonly Entry[], rid: number): unknown {
  if (run.length === 1) return single(run[0]!, rid);
  if (run.every(({ op }) => isCompact(op))) return [rid, run.map(({ op }) => compactForm(op))];
  return { rid, op: 'batch', transactions: run.map(({ op }) => ({ id: op.id, ...op.body })) };
}

function single({ op, refusal }: Entry, rid: number): unknown {
  if (refusal !== undefined) return { rid, op: 'void', id: op.id };
  return isCompact(op) ? [rid, ...compactForm(op)] : { rid, ...mapForm(op) };
}

/** What an operation is called when it has succeeded. */
export function statusOf({ kind }: Operation): 'posted' | 'pending' | 'voided' | 'given_up' {
  switch (kind) {
    case 'sale':
    case 'capture':
      return 'posted';
    case 'hold':
      return 'pending';
    case 'void':
      return 'voided';
    case 'give_up':
      return 'given_up';
  }
}
