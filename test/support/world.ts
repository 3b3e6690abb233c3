import { Command, Op, Result } from '../../engine/command.js';
import type { RingConsumer } from '../../engine/mailbox.js';
import { RingProducer, ringBuffer } from '../../engine/mailbox.js';
import { RecordView } from '../../engine/record.js';
import { Shard } from '../../engine/shard.js';
import { State } from '../../engine/state.js';
import type { CommandEncoder } from '../../src/ledger/encoder.js';
import { BATCH_HEADER_BYTES } from '../../wal/batch.js';
import type { LogStore } from '../../wal/store.js';
import { Writer } from '../../wal/writer.js';
import type { Dice } from './dice.js';
import { BlockingActor, PausingBell, PausingRing, Scheduler } from './scheduler.js';

/**
 * Shards, the log writer and one front in a single thread, over real rings and bells, with every choice drawn from a seed.
 *
 * The actors sleep and wake as the threads do: one runs only while its bell says that it is awake, so a wake-up that was forgotten
 * leaves work undone. And they interleave as threads do: wherever an actor looks at shared memory others may take a turn
 * first, within its step. Rings are small and credits few, so that everything that can be full is full.
 */

export const KEY = Uint8Array.from({ length: 16 }, (_, i) => 7 * i + 1);

const COMMAND_RING_BYTES = 1 << 15;
const RESULT_RING_BYTES = 1 << 16;
/** A little more than the room that a shard wants free before it decides. */
const LOG_RING_BYTES = 1 << 15;
/** Bytes that one credit may need: an ask of the few postings used here, a settle and an answer. */
const CREDIT_BYTES = 2048;
/** Turns after which a world that has not come to rest never will. */
const TURNS_MAX = 40_000;
/** The chance that terminals do something before a turn. */
const TERMINALS_PERCENT = 40;

/** One composed command, as it goes to a shard; it may be sent any number of times. */
export interface Sent {
  readonly op: number;
  readonly tenant: string;
  /** Of the transaction or account. */
  readonly id: string;
  readonly by: string;
  readonly shard: number;
  readonly bytes: Uint8Array;
}

/** An answer that was told. */
export interface Reply {
  readonly sent: Sent;
  /** How many answers had been told when it was sent. */
  readonly toldBefore: number;
  readonly code: number;
  readonly n: number;
  readonly lsn: number;
  readonly wait: number;
  readonly payload: Uint8Array;
}

/** Keeps the composed command with the world's number of shards. */
export function composed(
  encoder: CommandEncoder,
  shards: number,
  tenant: string,
  by: string,
  id: string,
): Sent {
  const bytes = new Uint8Array((encoder.size + 7) & ~7);
  encoder.writeTo(new Uint32Array(bytes.buffer), new Float64Array(bytes.buffer), 0, 0, 0);
  new Uint32Array(bytes.buffer)[0] = encoder.size;
  return { op: encoder.op, tenant, by, id, shard: encoder.shard(shards), bytes };
}

export class World {
  readonly shards: readonly Shard[];
  /** Records by LSN - 1. */
  readonly log: Uint8Array[] = [];
  readonly replies: Reply[] = [];
  /** Ledger time, ms. */
  now = 1_700_000_000_000;
  claimed = 0;
  durable = 0;
  /** What the terminals do now and then, when it is their turn; they share the front's thread. */
  terminals: () => void = () => undefined;
  private readonly scheduler: Scheduler;
  private readonly actors: BlockingActor[] = [];
  private readonly commands: readonly RingProducer[];
  private readonly answers: readonly RingConsumer[];
  private readonly shardBells: readonly PausingBell[];
  private readonly waiting = new Map<number, { sent: Sent; toldBefore: number }>();
  private nextSlot = 0;
  constructor(
    readonly shardCount: number,
    credits: number,
    readonly dice: Dice,
  ) {
    this.scheduler = new Scheduler(dice, TURNS_MAX);
    this.scheduler.beforeTurn = () => this.terminalsPerhaps();
    const pause = this.scheduler.look;
    const numbers = Array.from({ length: shardCount }, (_, i) => i);
    const bells = [...numbers, shardCount, shardCount + 1].map(() => new PausingBell(pause));
    const writerBell = bells[shardCount]!;
    const frontBell = bells[shardCount + 1]!;
    this.shardBells = bells.slice(0, shardCount);
    let peerBytes = 4096;
    while (peerBytes < credits * CREDIT_BYTES) peerBytes *= 2;
    const peers = numbers.map((from) =>
      numbers.map((to) => (from === to ? undefined : ringBuffer(peerBytes))),
    );
    const logs = numbers.map(() => ringBuffer(LOG_RING_BYTES));
    const commands = numbers.map(() => ringBuffer(COMMAND_RING_BYTES));
    const results = numbers.map(() => ringBuffer(RESULT_RING_BYTES));

    this.shards = numbers.map(
      (me) =>
        new Shard(
          new State(me, shardCount, KEY),
          {
            results: [new RingProducer(results[me]!)],
            log: new RingProducer(logs[me]!),
            peers: peers[me]!.map((buffer) => buffer && new RingProducer(buffer)),
            peerBells: this.shardBells,
            writerBell,
            claimLsn: () => {
              const lsn = ++this.claimed;
              pause();
              return lsn;
            },
            claimedLsn: () => this.claimed,
            durableLsn: () => this.durable,
            wakeFront: () => void frontBell.take(),
            wantsDecisions: () => false,
          },
          [new PausingRing(commands[me]!, pause)],
          peers.map((rings) => rings[me] && new PausingRing(rings[me], pause)),
          credits,
        ),
    );
    const writer = new Writer(
      this.memoryStore(),
      logs.map((buffer) => new PausingRing(buffer, pause)),
      {
        now: () => this.now,
        setInCommit: pause,
        committed: (_first, last) => {
          this.durable = last;
          pause();
          frontBell.take();
        },
        drained: () => {
          for (const bell of this.shardBells) bell.ring();
        },
      },
    );
    this.commands = commands.map((buffer) => new RingProducer(buffer));
    this.answers = results.map((buffer) => new PausingRing(buffer, pause));
    this.shards.forEach((shard, i) => {
      this.addActor(bells[i]!, () => shard.step());
    });
    this.addActor(writerBell, () => writer.step());
    this.addActor(frontBell, () => this.drainAnswers());
  }

  private addActor(bell: PausingBell, step: () => boolean): void {
    const actor = new BlockingActor(bell, step);
    this.actors.push(actor);
    this.scheduler.add(actor);
  }

  get turns(): number {
    return this.scheduler.turns;
  }

  /** See {@link Scheduler.atLook}. */
  get atLook(): () => void {
    return this.scheduler.atLook;
  }
  set atLook(then: () => void) {
    this.scheduler.atLook = then;
  }

  private memoryStore(): LogStore {
    const last = { lsn: 0, timeMs: 0, hash: new Uint8Array(32) };
    const append = (batch: Uint8Array, count: number) => {
      let at = BATCH_HEADER_BYTES;
      for (let i = 0; i < count; i++) {
        const size = new DataView(batch.buffer, batch.byteOffset + at).getUint32(0, true);
        this.log.push(batch.slice(at, at + size));
        at += size;
      }
      if (at !== batch.length)
        throw new Error(`a batch of ${batch.length} bytes holds ${at} bytes of records`);
    };
    return { ledger: { id: 'world', key: KEY, createdMs: 0 }, last, append, close: () => undefined };
  }

  get inFlight(): number {
    return this.waiting.size;
  }

  /** Sends a command and rings its shard. */
  send(sent: Sent): void {
    const ring = this.commands[sent.shard]!;
    const size = new Uint32Array(sent.bytes.buffer)[0]!;
    const m = ring.reserve(size);
    if (m < 0) throw new Error('too much in flight for the ring of commands');
    const slot = this.nextSlot++;
    ring.bytes.set(sent.bytes.subarray(4, size), m + 4);
    ring.u32[(m + Command.slot) >> 2] = slot;
    ring.f64[(m + Command.time) >> 3] = this.now;
    this.waiting.set(slot, { sent, toldBefore: this.replies.length });
    ring.publish();
    this.shardBells[sent.shard]!.ring();
  }

  /** Tells all shards the time. */
  tick(): void {
    this.commands.forEach((ring, shard) => {
      const m = ring.reserve(Command.header);
      if (m < 0) return;
      ring.bytes[m + Command.op] = Op.tick;
      ring.f64[(m + Command.time) >> 3] = this.now;
      ring.publish();
      this.shardBells[shard]!.ring();
    });
  }

  /** Passes on what is durable, each ring in its order, as a front does. */
  private drainAnswers(): boolean {
    let any = false;
    for (const ring of this.answers) {
      for (
        let m = ring.peek();
        m >= 0 && ring.f64[(m + Result.wait) >> 3]! <= this.durable;
        m = ring.peek()
      ) {
        this.tell(ring, m);
        ring.pass();
        any = true;
      }
      ring.release();
    }
    return any;
  }

  private tell(ring: RingConsumer, m: number): void {
    const slot = ring.u32[(m + Result.slot) >> 2]!;
    const call = this.waiting.get(slot);
    if (call === undefined) throw new Error(`slot ${slot} was answered twice, or never asked`);
    this.waiting.delete(slot);
    const payloadBytes = ring.u32[(m + Result.payloadBytes) >> 2]!;
    this.replies.push({
      ...call,
      code: ring.bytes[m + Result.code]!,
      n: ring.bytes[m + Result.n]!,
      lsn: ring.f64[(m + Result.lsn) >> 3]!,
      wait: ring.f64[(m + Result.wait) >> 3]!,
      payload: ring.bytes.slice(m + Result.header, m + Result.header + payloadBytes),
    });
  }

  /** One step of a shard, the writer or the front, for a test that says itself who goes when. */
  step(who: number | 'writer' | 'front'): void {
    const at = typeof who === 'number' ? who : this.shardCount + (who === 'writer' ? 0 : 1);
    this.actors[at]!.step();
  }

  /** One step of a shard. @returns whether it did anything */
  stepWorked(shard: number): boolean {
    return this.actors[shard]!.step();
  }

  private terminalsPerhaps(): void {
    const { thread } = this.actors[this.actors.length - 1]!;
    if (thread.isRunning || !this.dice.chance(TERMINALS_PERCENT)) return;
    thread.isRunning = true;
    this.terminals();
    thread.isRunning = false;
  }

  /** One turn of an actor that is awake and not amid a step, or of the terminals. @returns false when no actor is awake */
  turn(): boolean {
    return this.scheduler.turn();
  }

  /** Runs until all sleep and nobody has been rung. */
  rest(): void {
    this.scheduler.rest();
  }

  /** The record at an LSN. */
  record(lsn: number): RecordView {
    return new RecordView().over(this.log[lsn - 1]!).read(0);
  }
}
