import { SHARDS_MAX } from './limits.js';
import { Bell } from './mailbox.js';

/** Commits whose times are kept for fronts: at 5,000 a second, most of a second. */
const COMMITS_KEPT = 4096;
/** 32-bit words between two things written by different threads: two cache lines. */
const STRIDE = 32;
const FRONTS_MAX = 16;

const CLAIMED = 0;
const DURABLE = 1;
/** Places of the single words, in strides. */
const WRITER_BELL = 2;
const STOP = 3;
const COMMITS = 4;
const WRITER_PROGRESS = 5;
const IN_COMMIT = 6;
const ROOM = 7;
const SHARD_BELLS = 8;
const SHARD_PROGRESS = SHARD_BELLS + SHARDS_MAX;
const FRONT_BELLS = SHARD_PROGRESS + SHARDS_MAX;
const FRONT_WANTS = FRONT_BELLS + FRONTS_MAX;
const STRIDES = FRONT_WANTS + FRONTS_MAX;
const WORD_BYTES = STRIDES * STRIDE * 4;
const COMMIT_BYTES = COMMITS_KEPT * 3 * 8;
/** Figures of a shard, float64 each. */
const FIGURES = 16;

/** What a shard tells of itself, in the order of its figures. */
export const SHARD_FIGURES = [
  'accounts',
  'accountBytes',
  'ids',
  'idFacts',
  'idBytes',
  'holds',
  'jobs',
  'earmarks',
] as const;
export type ShardFigures = { [name in (typeof SHARD_FIGURES)[number]]: number };

/** The few words that all threads share: the LSN counter, the durable LSN, bells, commit times, figures. */
export class Control {
  static readonly bytes = WORD_BYTES + COMMIT_BYTES + SHARDS_MAX * FIGURES * 8;
  private readonly i64: BigInt64Array;
  private readonly words: Int32Array;
  private readonly commitTimes: Float64Array;
  private readonly figures: Float64Array;

  constructor(readonly buffer: SharedArrayBuffer) {
    this.words = new Int32Array(buffer, 0, WORD_BYTES / 4);
    this.i64 = new BigInt64Array(buffer, 0, WORD_BYTES / 8);
    this.commitTimes = new Float64Array(buffer, WORD_BYTES, COMMITS_KEPT * 3);
    this.figures = new Float64Array(buffer, WORD_BYTES + COMMIT_BYTES);
  }

  private word(stride: number): number {
    return stride * STRIDE;
  }

  /** Sets both counters, before any thread runs. */
  startAt(lsn: number): void {
    Atomics.store(this.i64, (CLAIMED * STRIDE) / 2, BigInt(lsn));
    Atomics.store(this.i64, (DURABLE * STRIDE) / 2, BigInt(lsn));
  }

  claimLsn(): number {
    return Number(Atomics.add(this.i64, (CLAIMED * STRIDE) / 2, 1n)) + 1;
  }
  claimedLsn(): number {
    return Number(Atomics.load(this.i64, (CLAIMED * STRIDE) / 2));
  }
  durableLsn(): number {
    return Number(Atomics.load(this.i64, (DURABLE * STRIDE) / 2));
  }

  /** A commit has returned: its time, then the durable LSN, become visible. Only the writer calls this. */
  committed(firstLsn: number, lastLsn: number, timeMs: number): void {
    const count = this.words[this.word(COMMITS)]!;
    const at = (count & (COMMITS_KEPT - 1)) * 3;
    this.commitTimes[at] = firstLsn;
    this.commitTimes[at + 1] = lastLsn;
    this.commitTimes[at + 2] = timeMs;
    Atomics.store(this.words, this.word(COMMITS), (count + 1) | 0);
    Atomics.store(this.i64, (DURABLE * STRIDE) / 2, BigInt(lastLsn));
  }

  /** Commits so far, mod 2^32. */
  commits(): number {
    return Atomics.load(this.words, this.word(COMMITS)) >>> 0;
  }

  /** Copies commit number `n` (of {@link commits}) into `out` as first LSN, last LSN, time. @returns false when it is no longer kept */
  commit(n: number, out: Float64Array): boolean {
    const at = (n & (COMMITS_KEPT - 1)) * 3;
    out[0] = this.commitTimes[at]!;
    out[1] = this.commitTimes[at + 1]!;
    out[2] = this.commitTimes[at + 2]!;
    // The writer overwrites the oldest while it goes on: what was read counts only if it had not come round by now.
    return ((this.commits() - n) | 0) < COMMITS_KEPT - 1;
  }

  writerBell(): Bell {
    return new Bell(this.words, this.word(WRITER_BELL));
  }
  shardBell(shard: number): Bell {
    const shared = this.words[this.word(SHARD_BELLS + shard) + 1]!;
    return new Bell(this.words, shared === 0 ? this.word(SHARD_BELLS + shard) : shared);
  }
  /** Gives these shards, which one thread runs, one bell; the log writer's if it runs there too. Before any thread runs. */
  shareBell(shards: readonly number[], withWriter: boolean): void {
    const at = this.word(withWriter ? WRITER_BELL : SHARD_BELLS + shards[0]!);
    for (const shard of shards) this.words[this.word(SHARD_BELLS + shard) + 1] = at;
  }
  frontBell(front: number): Bell {
    return new Bell(this.words, this.word(FRONT_BELLS + front));
  }

  /** Whether a front wants to hear of every decision. */
  wantsDecisions(front: number): boolean {
    return Atomics.load(this.words, this.word(FRONT_WANTS + front)) !== 0;
  }
  setWantsDecisions(front: number, wants: boolean): void {
    Atomics.store(this.words, this.word(FRONT_WANTS + front), wants ? 1 : 0);
  }

  /** 1: shards stop; 2: the writer too, once it has written everything. */
  stopStage(): number {
    return Atomics.load(this.words, this.word(STOP));
  }
  stop(stage: 1 | 2): void {
    Atomics.store(this.words, this.word(STOP), stage);
  }

  setShardProgress(shard: number, progress: number): void {
    Atomics.store(this.words, this.word(SHARD_PROGRESS + shard), progress | 0);
  }
  shardProgress(shard: number): number {
    return Atomics.load(this.words, this.word(SHARD_PROGRESS + shard));
  }
  writerProgress(): number {
    return Atomics.load(this.words, this.word(WRITER_PROGRESS));
  }
  addWriterProgress(): void {
    Atomics.add(this.words, this.word(WRITER_PROGRESS), 1);
  }
  /** Whether the writer is within a commit; then it is the disk that is slow. */
  inCommit(): boolean {
    return Atomics.load(this.words, this.word(IN_COMMIT)) !== 0;
  }
  setInCommit(inCommit: boolean): void {
    Atomics.store(this.words, this.word(IN_COMMIT), inCommit ? 1 : 0);
  }

  /**
   * How much room the log has left. Only the thread that measures it calls this.
   * @param isShort no new work is taken that would write
   * @param freeBytes negative when they cannot be told
   * @param keptBytes of them that are not for new work
   */
  setRoom(isShort: boolean, freeBytes: number, keptBytes: number): void {
    Atomics.store(this.i64, (ROOM * STRIDE) / 2 + 1, BigInt(freeBytes));
    Atomics.store(this.i64, (ROOM * STRIDE) / 2 + 2, BigInt(keptBytes));
    Atomics.store(this.words, this.word(ROOM), isShort ? 1 : 0);
  }
  isShortOfRoom(): boolean {
    return Atomics.load(this.words, this.word(ROOM)) !== 0;
  }
  freeBytes(): number {
    return Number(Atomics.load(this.i64, (ROOM * STRIDE) / 2 + 1));
  }
  keptBytes(): number {
    return Number(Atomics.load(this.i64, (ROOM * STRIDE) / 2 + 2));
  }

  setFigures(shard: number, figures: ShardFigures): void {
    for (let i = 0; i < SHARD_FIGURES.length; i++)
      this.figures[shard * FIGURES + i] = figures[SHARD_FIGURES[i]!];
  }
  /** Figures added up over shards. */
  sumFigures(shards: number): ShardFigures {
    const sums = {} as ShardFigures;
    for (let i = 0; i < SHARD_FIGURES.length; i++) {
      let sum = 0;
      for (let shard = 0; shard < shards; shard++) sum += this.figures[shard * FIGURES + i]!;
      sums[SHARD_FIGURES[i]!] = sum;
    }
    return sums;
  }
}
