import type { MessagePort } from 'node:worker_threads';
import { Control } from '../../engine/control.js';
import { PEER_CREDITS } from '../../engine/home.js';
import { ringBuffer } from '../../engine/mailbox.js';

const MIB = 1 << 20;
/** Room for tens of thousands of sales on their way to a shard, and their answers on the way back. */
const COMMAND_RING_BYTES = 8 * MIB;
const RESULT_RING_BYTES = 8 * MIB;
const LOG_RING_BYTES = 8 * MIB;
/**
 * A credit may have a settle and an ask under way, and the other side's an answer: 32 x 18 KiB + 32 x 1 KiB in the worst case. A power of two
 * above that; typical messages are 200 bytes.
 */
const PEER_RING_BYTES = MIB;

/** The shared memory of one ledger: rings between every pair of threads that talk, and the control words. */
export interface Wiring {
  readonly control: SharedArrayBuffer;
  /** [front][shard] */
  readonly commands: readonly (readonly SharedArrayBuffer[])[];
  /** [front][shard] */
  readonly results: readonly (readonly SharedArrayBuffer[])[];
  /** [from][to]; undefined for oneself. */
  readonly peers: readonly (readonly (SharedArrayBuffer | undefined)[])[];
  /** [shard] */
  readonly log: readonly SharedArrayBuffer[];
}

export function makeWiring(shards: number, fronts: number): Wiring {
  if (PEER_CREDITS * 20480 > PEER_RING_BYTES)
    throw new Error('rings between shards are too small for the credits');
  const grid = (rows: number, columns: number, bytes: number) =>
    Array.from({ length: rows }, () => Array.from({ length: columns }, () => ringBuffer(bytes)));
  return {
    control: new SharedArrayBuffer(Control.bytes),
    commands: grid(fronts, shards, COMMAND_RING_BYTES),
    results: grid(fronts, shards, RESULT_RING_BYTES),
    peers: Array.from({ length: shards }, (_, from) =>
      Array.from({ length: shards }, (_, to) => (from === to ? undefined : ringBuffer(PEER_RING_BYTES))),
    ),
    log: Array.from({ length: shards }, () => ringBuffer(LOG_RING_BYTES)),
  };
}

/** Ledger time shared by all threads: the wall clock at the start (never before the last commit) plus the monotonic clock. */
export interface Clock {
  readonly startMs: number;
  readonly monotonicMs: number;
}

function monotonicMs(): number {
  const [seconds, nanos] = process.hrtime();
  return seconds * 1000 + nanos / 1e6;
}

/** @param wallMs and `monotonic` are the machine's clocks unless a test has others */
export function startClock(
  lastCommitMs: number,
  wallMs: number = Date.now(),
  monotonic: number = monotonicMs(),
): Clock {
  return { startMs: Math.max(lastCommitMs, wallMs), monotonicMs: monotonic };
}

/** Whole milliseconds since the epoch. */
export function ledgerTime(clock: Clock, monotonic: number = monotonicMs()): number {
  return Math.floor(clock.startMs + monotonic - clock.monotonicMs);
}

/** What a thread of shards, of the log writer, or of both is started with. */
export interface RunnerData {
  readonly data: string;
  readonly wiring: Wiring;
  /** Of the ledger. */
  readonly shards: number;
  /** Those that run here. */
  readonly shardNumbers: readonly number[];
  /** Given where the log writer runs. */
  readonly log: LogData | undefined;
  readonly fronts: readonly MessagePort[];
}

/** What the log is opened with. */
export interface LogData {
  /** Module that exports `openLog`; another one in tests of failing disks. */
  readonly module: string;
  readonly segmentBytes: number | undefined;
}

/** What the writer tells once the log is open. */
export interface WriterReady {
  readonly ledgerId: string;
  readonly key: Uint8Array;
  readonly lsn: number;
  readonly timeMs: number;
  readonly clock: Clock;
}

/** Tells shards to recover, once the log is open. */
export interface ShardsStart {
  readonly key: Uint8Array;
  /** The log's end at the start: recovery goes up to here. */
  readonly lsn: number;
}

/** What a shard tells once it has recovered. */
export interface ShardReady {
  /** The LSN of the checkpoint that it started from; 0 without one. */
  readonly checkpointLsn: number;
  /** Why the checkpoint could not be used. */
  readonly checkpointFault: string | undefined;
}

/** What the checkpointer is started with. */
export interface CheckpointerData {
  readonly data: string;
  readonly wiring: Wiring;
  /** The log's end at the start. */
  readonly lsn: number;
  /** Records between two checkpoints. */
  readonly records: number;
}

/** Tells the checkpointer that nobody reads the checkpoint any more. */
export interface CheckpointerStart {
  /** Whether it was found damaged. */
  readonly rebuild: boolean;
}

/** What a front on another thread is made of: to be transferred there with {@link attachmentPorts}. */
export interface Attachment {
  readonly wiring: Wiring;
  readonly clock: Clock;
  readonly key: Uint8Array;
  readonly ledgerId: string;
  readonly shards: number;
  readonly front: number;
  readonly doorbells: readonly MessagePort[];
  readonly reader: MessagePort;
  /** Brings the reason when the ledger has stopped: nothing that is in flight will be answered. */
  readonly failure: MessagePort;
  /** Takes what is to join the feed. */
  readonly feed: MessagePort;
}

export function attachmentPorts(attachment: Attachment): MessagePort[] {
  return [...attachment.doorbells, attachment.reader, attachment.failure, attachment.feed];
}
