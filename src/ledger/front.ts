import { Command, Op, Result } from '../../engine/command.js';
import type { Control } from '../../engine/control.js';
import { type Bell, RingConsumer, RingProducer } from '../../engine/mailbox.js';
import type { CommandEncoder } from './encoder.js';

/** Commands a front may have under way at a time, unless it is told otherwise: what the admission bound counts. */
export const IN_FLIGHT_MAX = 131072;
/** Commands written before the shards are rung although the event loop has not come round. */
const FLUSH_EVERY = 64;
/** More than the longest answer: what may be lost at the end of a ring of answers. */
const RESULT_SLACK = 4096;
/** A command's number in its ring: the slot in the low bits, above them its index in the run. */
const SLOT_BITS = 19;
const SLOT_MASK = (1 << SLOT_BITS) - 1;
/** Commits whose times are remembered on this side. */
const TIMES_KEPT = 1024;

/** Takes answers. One object may serve many commands: `tag` tells which. */
export interface Handler {
  /** The answer may be told. The ring's bytes are valid during the call only. @param tag of the command, or its index in a run */
  done(tag: number, ring: RingConsumer, m: number): void;
  /** The command was decided (perhaps not durable yet); only while the front {@link Front.watchDecisions | watches}. */
  decided?(tag: number): void;
}

/** A command that was admitted and is not in its ring: it found no room there, or is held back. */
export interface Waiting {
  readonly shard: number;
  readonly bytes: Uint8Array;
  readonly resultBytes: number;
}

export interface FrontWiring {
  readonly front: number;
  readonly control: Control;
  readonly commands: readonly SharedArrayBuffer[];
  readonly results: readonly SharedArrayBuffer[];
  /** Ledger time, ms since the epoch. */
  now(): number;
  /** Runs something in a later turn of the event loop. Default: `setImmediate`. */
  readonly defer?: (then: () => void) => void;
  /** Default {@link IN_FLIGHT_MAX}. */
  readonly inFlightMax?: number;
}

/**
 * One front: gives commands to shards and passes their answers on when they are durable. It lives on a thread with an event loop, which
 * shards and writer wake by a message.
 *
 * Invariants
 * - An answer leaves only when the durable LSN has reached what it waits for. Answers stay in their ring until then, in their order:
 *   whatever is behind was decided later, so little is delayed by it.
 * - Room for the answer is reserved before a command is sent, so a shard never waits for a front.
 * - Admission counts commands; what is admitted is sent, if need be from the spill, in its order.
 */
export class Front {
  private readonly control: Control;
  private readonly rings: RingProducer[];
  private readonly answers: RingConsumer[];
  private readonly shardBells: Bell[];
  private readonly bell: Bell;
  private readonly reserved: Float64Array;
  private readonly spilled: Waiting[][];
  /** By slot, which is one command's or a run's: whom its answers are for, their tag, their bytes at most, how many are to come. */
  private readonly handlers: (Handler | undefined)[];
  private readonly tags: Float64Array;
  private readonly resultBytes: Uint16Array;
  private readonly left: Uint16Array;
  private readonly free: Int32Array;
  private freeCount: number;
  private readonly inFlightMax: number;
  /** Commands under way. */
  inFlight = 0;
  private unflushed = 0;
  private isFlushPlanned = false;
  private watchers = 0;
  private readonly times = new Float64Array(TIMES_KEPT * 3);
  private timesSeen: number;
  private readonly oneCommit = new Float64Array(3);
  private readonly idle: (() => void)[] = [];
  /** Ledger time, ms since the epoch. */
  readonly now: () => number;
  private readonly defer: (then: () => void) => void;
  private readonly frontNumber: number;
  /** Called after a run of answers was passed on. */
  onAnswered: (() => void) | undefined;

  constructor(wiring: FrontWiring) {
    this.control = wiring.control;
    this.now = wiring.now;
    this.defer = wiring.defer ?? setImmediate;
    const max = wiring.inFlightMax ?? IN_FLIGHT_MAX;
    if (max > 1 << SLOT_BITS)
      throw new RangeError(`${max} commands in flight are too many for their numbers`);
    this.inFlightMax = max;
    this.handlers = new Array(max).fill(undefined);
    this.tags = new Float64Array(max);
    this.resultBytes = new Uint16Array(max);
    this.left = new Uint16Array(max);
    this.free = Int32Array.from({ length: max }, (_, i) => max - 1 - i);
    this.freeCount = max;
    this.rings = wiring.commands.map((buffer) => new RingProducer(buffer));
    this.answers = wiring.results.map((buffer) => new RingConsumer(buffer));
    this.shardBells = wiring.commands.map((_, shard) => this.control.shardBell(shard));
    this.bell = this.control.frontBell(wiring.front);
    this.frontNumber = wiring.front;
    this.reserved = new Float64Array(this.rings.length);
    this.spilled = this.rings.map(() => []);
    this.timesSeen = this.control.commits();
    this.bell.arm();
  }

  get shards(): number {
    return this.rings.length;
  }

  /** Whether `count` more commands would be admitted. */
  hasRoom(count: number): boolean {
    return this.inFlight + count <= this.inFlightMax;
  }

  /** Sends what the encoder composed. @returns false when too much is in flight: nothing was done */
  send(encoder: CommandEncoder, handler: Handler, tag: number): boolean {
    if (!this.hasRoom(1)) return false;
    this.write(encoder, this.take(handler, tag, 1, encoder.resultBytes), encoder.resultBytes, this.now());
    return true;
  }

  /**
   * Admits a run of commands that one handler hears of by their index; ask {@link hasRoom} first. Each index below `count` must be sent or
   * skipped, once. One slot for them all, so that an entry costs no handler to store.
   * @param resultBytes of each answer, at most
   * @returns the run, for the calls below
   */
  openRun(handler: Handler, count: number, resultBytes: number): number {
    return this.take(handler, 0, count, resultBytes);
  }

  /** Sends what the encoder composed. @param time of {@link now}, which may have been asked for several commands */
  sendOf(run: number, encoder: CommandEncoder, index: number, time: number): void {
    this.write(encoder, numberOf(run, index), this.resultBytes[run]!, time);
  }

  /** Keeps what the encoder composed, to be sent later by {@link sendHeld}. */
  holdOf(run: number, encoder: CommandEncoder, index: number, time: number): Waiting {
    return this.copyOf(encoder, numberOf(run, index), this.resultBytes[run]!, time);
  }

  sendHeld(held: Waiting): void {
    this.spilled[held.shard]!.push(held);
    this.sendSpilled(held.shard);
  }

  /** One command less is to come of a run. */
  skipOf(run: number): void {
    this.passed(run);
  }

  private write(encoder: CommandEncoder, number: number, resultBytes: number, time: number): void {
    const shard = encoder.shard(this.rings.length);
    if (this.spilled[shard]!.length === 0) {
      const m = this.reserve(shard, encoder.size, resultBytes);
      if (m >= 0) {
        const ring = this.rings[shard]!;
        encoder.writeTo(ring.u32, ring.f64, m, number, time);
        this.wrote();
        return;
      }
    }
    this.spilled[shard]!.push(this.copyOf(encoder, number, resultBytes, time));
  }

  private copyOf(encoder: CommandEncoder, number: number, resultBytes: number, time: number): Waiting {
    const bytes = new Uint8Array((encoder.size + 7) & ~7);
    encoder.writeTo(new Uint32Array(bytes.buffer), new Float64Array(bytes.buffer), 0, number, time);
    return {
      shard: encoder.shard(this.rings.length),
      bytes: bytes.subarray(0, encoder.size),
      resultBytes,
    };
  }

  private take(handler: Handler, tag: number, count: number, resultBytes: number): number {
    const slot = this.free[--this.freeCount]!;
    this.handlers[slot] = handler;
    this.tags[slot] = tag;
    this.left[slot] = count;
    this.resultBytes[slot] = resultBytes;
    this.inFlight += count;
    return slot;
  }

  /** A command of a slot is over. */
  private passed(slot: number): void {
    this.inFlight--;
    const left = this.left[slot]! - 1;
    this.left[slot] = left;
    if (left > 0) return;
    this.handlers[slot] = undefined;
    this.free[this.freeCount++] = slot;
  }

  /** Room for a command and its answer. @returns the command's offset in the ring, or -1 */
  private reserve(shard: number, bytes: number, resultBytes: number): number {
    const answers = this.answers[shard]!;
    if (this.reserved[shard]! + resultBytes + 8 > answers.capacity - RESULT_SLACK) return -1;
    const m = this.rings[shard]!.reserve(bytes);
    if (m >= 0) this.reserved[shard] = this.reserved[shard]! + resultBytes + 8;
    return m;
  }

  private sendSpilled(shard: number): void {
    const queue = this.spilled[shard]!;
    const ring = this.rings[shard]!;
    let sent = 0;
    for (; sent < queue.length; sent++) {
      const { bytes, resultBytes } = queue[sent]!;
      const m = this.reserve(shard, bytes.length, resultBytes);
      if (m < 0) break;
      ring.bytes.set(bytes.subarray(4), m + 4);
      ring.f64[(m + Command.time) >> 3] = this.now();
      this.wrote();
    }
    if (sent > 0) queue.splice(0, sent);
  }

  /** Tells all shards the time, so that holds expire. Left out where a ring is full: commands bring the time too. */
  tick(): void {
    for (const ring of this.rings) {
      const m = ring.reserve(Command.header);
      if (m < 0) continue;
      ring.bytes[m + Command.op] = Op.tick;
      ring.f64[(m + Command.time) >> 3] = this.now();
    }
    this.flush();
  }

  private wrote(): void {
    if (++this.unflushed >= FLUSH_EVERY) this.flush();
    else if (!this.isFlushPlanned) {
      this.isFlushPlanned = true;
      this.defer(this.plannedFlush);
    }
  }

  private readonly plannedFlush = (): void => {
    this.isFlushPlanned = false;
    this.flush();
  };

  /** Makes commands visible to the shards. Once per turn of the event loop: all that one poll of the sockets brought. */
  private flush(): void {
    this.unflushed = 0;
    for (let shard = 0; shard < this.rings.length; shard++) {
      if (this.rings[shard]!.publish()) this.shardBells[shard]!.ring();
    }
  }

  /**
   * Passes on the answers that are durable, then arms the bell. Called when woken, and by nothing else: whoever takes the bell posts the
   * message that leads here.
   */
  readonly drain = (): void => {
    for (;;) {
      const durable = this.control.durableLsn();
      this.noteCommits();
      let any = false;
      for (let shard = 0; shard < this.answers.length; shard++) any = this.drainRing(shard, durable) || any;
      if (this.watchers > 0) this.scanDecisions();
      for (let shard = 0; shard < this.spilled.length; shard++)
        if (this.spilled[shard]!.length > 0) this.sendSpilled(shard);
      if (any) this.onAnswered?.();
      this.bell.arm();
      if (!this.hasDurableAnswer()) break;
      this.bell.disarm();
    }
    if (this.idle.length > 0 && this.inFlight === 0) for (const resolve of this.idle.splice(0)) resolve();
  };

  private drainRing(shard: number, durable: number): boolean {
    const ring = this.answers[shard]!;
    let freed = 0;
    for (let m = ring.peek(); m >= 0 && ring.f64[(m + Result.wait) >> 3]! <= durable; m = ring.peek()) {
      const number = ring.u32[(m + Result.slot) >> 2]!;
      const slot = number & SLOT_MASK;
      const handler = this.handlers[slot]!;
      const tag = this.tags[slot]! + (number >>> SLOT_BITS);
      freed += this.resultBytes[slot]! + 8;
      this.passed(slot);
      if (this.watchers > 0 && handler.decided !== undefined) handler.decided(tag);
      handler.done(tag, ring, m);
      ring.pass();
    }
    const any = ring.release();
    // Only now: a handler may send, and the shard that answers needs the room.
    this.reserved[shard] = this.reserved[shard]! - freed;
    return any;
  }

  private hasDurableAnswer(): boolean {
    const durable = this.control.durableLsn();
    for (const ring of this.answers) {
      const m = ring.peek();
      if (m >= 0 && ring.f64[(m + Result.wait) >> 3]! <= durable) return true;
    }
    return false;
  }

  /** Begins to hear of decisions before they are durable; ends with the returned call. */
  watchDecisions(): () => void {
    if (this.watchers++ === 0) this.control.setWantsDecisions(this.frontNumber, true);
    return () => {
      if (--this.watchers === 0) this.control.setWantsDecisions(this.frontNumber, false);
    };
  }

  private scanDecisions(): void {
    for (const ring of this.answers) {
      for (let m = ring.scan(); m >= 0; m = ring.scan()) {
        const number = ring.u32[(m + Result.slot) >> 2]!;
        const slot = number & SLOT_MASK;
        this.handlers[slot]?.decided?.(this.tags[slot]! + (number >>> SLOT_BITS));
      }
    }
  }

  private noteCommits(): void {
    const commits = this.control.commits();
    let from = this.timesSeen;
    if (((commits - from) | 0) > TIMES_KEPT) from = commits - TIMES_KEPT;
    for (let n = from; n !== commits; n = (n + 1) >>> 0) {
      const isKept = this.control.commit(n, this.oneCommit);
      const at = (n & (TIMES_KEPT - 1)) * 3;
      for (let i = 0; i < 3; i++) this.times[at + i] = isKept ? this.oneCommit[i]! : -1;
    }
    this.timesSeen = commits;
  }

  /** The commit time of a recent LSN, ms since the epoch, or undefined when it is not recent. */
  timeOf(lsn: number): number | undefined {
    for (let back = 1; back <= TIMES_KEPT; back++) {
      const at = ((this.timesSeen - back) & (TIMES_KEPT - 1)) * 3;
      const first = this.times[at]!;
      if (first <= 0 || lsn > this.times[at + 1]!) return undefined;
      if (lsn >= first) return this.times[at + 2]!;
    }
    return undefined;
  }

  /** Resolves in a later turn of the event loop. */
  nextTurn(): Promise<void> {
    return new Promise((resolve) => this.defer(resolve));
  }

  /** Resolves when nothing is in flight. */
  whenIdle(): Promise<void> {
    return this.inFlight === 0 ? Promise.resolve() : new Promise((resolve) => this.idle.push(resolve));
  }
}

/** @param index below 2^13, as many as a batch has */
function numberOf(run: number, index: number): number {
  return (run | (index << SLOT_BITS)) >>> 0;
}
