import { CONTENDED } from '../../engine/accounts.js';
import { RingProducer, ringBuffer } from '../../engine/mailbox.js';
import { Shard } from '../../engine/shard.js';
import { State } from '../../engine/state.js';
import { settled } from '../../src/ledger/attached.js';
import { prefixOf } from '../../src/ledger/caller.js';
import { Front } from '../../src/ledger/front.js';
import { LedgerSession, type SessionHost } from '../../src/ledger/ledger-session.js';
import { ReaderClient } from '../../src/ledger/reader-client.js';
import { noRoom } from '../../src/ledger/room.js';
import { type Clock, ledgerTime, startClock } from '../../src/ledger/wiring.js';
import type { Caller, Session } from '../../src/session.js';
import { Checkpointer } from '../../wal/checkpoint.js';
import { CheckpointRounds } from '../../wal/checkpoint-rounds.js';
import { DamagedLogError } from '../../wal/errors.js';
import { SEGMENT_BYTES_MIN } from '../../wal/limits.js';
import { type LocalLog, openLog, openLogReader } from '../../wal/log.js';
import { checkTail, recover } from '../../wal/recover.js';
import { Writer } from '../../wal/writer.js';
import type { Dice } from '../support/dice.js';
import { type Actor, BlockingActor, PausingRing, type Scheduler } from '../support/scheduler.js';
import { SimControl } from './control.js';
import { Crash, type MemoryDisk, rootOf } from './disk.js';
import { LoopActor, ReaderActor, TimerActor } from './loops.js';

/** The data directory. */
export const DATA = '/data';

/** Holds expire within this of their time, as in the real thing. */
const TICK_MS = 50;
/** The checkpointer looks so often. */
const LOOK_EVERY_MS = 250;
/**
 * The largest message between shards with what follows it under the same credit, twice: a message is not cut at the end of its ring, so an
 * empty ring may have room for no more than half of itself.
 */
const CREDIT_BYTES = 2 * 20480;
/** Twice the largest command. */
const COMMAND_RING_BYTES = 1 << 16;
/** Twice the room that a shard wants free for a record, and little more. */
const LOG_RING_BYTES = 1 << 16;

/** How a life of the ledger is laid out. Small numbers: whatever can be full is full. */
export interface Layout {
  readonly shards: number;
  readonly fronts: number;
  /** Credits of each pair of shards. */
  readonly credits: number;
  readonly inFlightMax: number;
  readonly resultRingBytes: number;
  /** Records between two checkpoints. */
  readonly checkpointRecords: number;
}

/** What a life needs of the world around it. */
export interface Surroundings {
  readonly scheduler: Scheduler;
  readonly dice: Dice;
  readonly disk: MemoryDisk;
  /** The wall clock, which may have been set to anything. */
  readonly wallMs: number;
  monotonicMs(): number;
  /** The id and key of a new ledger. */
  readonly identity: { readonly id: string; readonly key: Uint8Array };
  /** A thread has died, which ends the process soon. */
  threadDied(thread: string, error: Error): void;
  /** A round of the checkpoint failed and will be tried again. */
  noCheckpoint(error: Error): void;
  /** The checkpoint was found damaged while running, and removed. */
  checkpointLost(): void;
}

/** What a front has around it. */
interface Gate extends SessionHost {
  readonly front: Front;
  readonly reader: ReaderClient;
  readonly sessions: Map<Caller, Session>;
}

/** One life of the ledger's process, from the opening of the log to its end: the real parts, wired as `startThreads` does it. */
export class Life {
  readonly control: SimControl;
  readonly shards: Shard[] = [];
  readonly log: LocalLog;
  readonly gates: Gate[] = [];
  readonly checkpointer: Checkpointer;
  /** Why a shard could not use the checkpoint. */
  readonly checkpointFault: string | undefined;
  /** The threads that fronts live on, of which one runs at a time. */
  readonly loopThread = { isRunning: false };
  private readonly clock: Clock;
  private readonly rings = new Map<string, PausingRing>();
  private isClosing = false;
  private isSettled = false;

  /**
   * Starts the ledger.
   * @throws {Crash}, or what a start says that refuses
   */
  constructor(
    readonly layout: Layout,
    private readonly around: Surroundings,
  ) {
    const { disk, identity, scheduler } = around;
    const { shards } = layout;
    this.control = new SimControl(scheduler.look);
    this.log = openLog({
      data: DATA,
      disk,
      segmentBytes: SEGMENT_BYTES_MIN,
      now: () => around.wallMs,
      makeIdentity: () => identity,
    });
    const { lsn, timeMs } = this.log.last;
    this.clock = startClock(timeMs, around.wallMs, around.monotonicMs());
    this.control.startAt(lsn);
    checkTail(DATA, lsn, disk);
    const { key } = this.log.ledger;
    const recovered = Array.from({ length: shards }, (_, shard) =>
      recover(() => new State(shard, shards, key), DATA, lsn, undefined, disk),
    );
    this.checkpointFault = recovered.find(({ fault }) => fault !== undefined)?.fault;
    const reader = new ReaderActor(openLogReader({ data: DATA, disk }));
    this.checkpointer = new Checkpointer(DATA, this.log.ledger, this.checkpointFault !== undefined, disk);

    const loops = Array.from({ length: layout.fronts }, () => new LoopActor(this.loopThread, around.dice));
    this.wire(
      recovered.map(({ state }) => state),
      loops,
    );
    loops.forEach((loop, i) => {
      this.openGate(loop, i, reader);
    });
    this.startTicks(loops[0]!);
    for (const actor of [...loops, reader]) this.add(actor);
    this.startCheckpoints();
  }

  private ring(what: string, buffer: SharedArrayBuffer): PausingRing {
    const ring = new PausingRing(buffer, this.around.scheduler.look);
    this.rings.set(what, ring);
    return ring;
  }

  private readonly commandRings: SharedArrayBuffer[][] = [];
  private readonly resultRings: SharedArrayBuffer[][] = [];

  /** Shards, writer, and the rings between all. */
  private wire(states: readonly State[], loops: readonly LoopActor[]): void {
    const { layout, control } = this;
    const { shards, credits } = layout;
    const numbers = Array.from({ length: shards }, (_, i) => i);
    for (let front = 0; front < loops.length; front++) {
      this.commandRings.push(numbers.map(() => ringBuffer(COMMAND_RING_BYTES)));
      this.resultRings.push(numbers.map(() => ringBuffer(layout.resultRingBytes)));
    }
    let peerBytes = 4096;
    while (peerBytes < credits * CREDIT_BYTES) peerBytes *= 2;
    const peers = numbers.map((from) =>
      numbers.map((to) => (from === to ? undefined : ringBuffer(peerBytes))),
    );
    const logs = numbers.map(() => ringBuffer(LOG_RING_BYTES));
    const wake = (front: number): void => {
      if (control.frontBell(front).take()) loops[front]!.doorbells++;
    };
    for (const me of numbers) {
      const shard = new Shard(
        states[me]!,
        {
          results: this.resultRings.map((rings) => new RingProducer(rings[me]!)),
          log: new RingProducer(logs[me]!),
          peers: peers[me]!.map((buffer) => buffer && new RingProducer(buffer)),
          peerBells: numbers.map((other) => control.shardBell(other)),
          writerBell: control.writerBell(),
          claimLsn: () => control.claimLsn(),
          claimedLsn: () => control.claimedLsn(),
          durableLsn: () => control.durableLsn(),
          wakeFront: wake,
          wantsDecisions: (front) => control.wantsDecisions(front),
        },
        this.commandRings.map((rings, front) => this.ring(`from front ${front} to shard ${me}`, rings[me]!)),
        peers.map((rings, from) => rings[me] && this.ring(`from shard ${from} to ${me}`, rings[me])),
        credits,
      );
      this.shards.push(shard);
      this.start(`shard ${me}`, control.shardBell(me), () => this.stepShard(shard));
    }
    const writer = new Writer(
      this.log,
      logs.map((buffer, from) => this.ring(`from shard ${from} to the writer`, buffer)),
      {
        now: () => this.now(),
        setInCommit: (inCommit) => control.setInCommit(inCommit),
        committed: (firstLsn, lastLsn, timeMs) => {
          control.committed(firstLsn, lastLsn, timeMs);
          for (let front = 0; front < loops.length; front++) wake(front);
        },
        drained: () => {
          for (const shard of numbers) control.shardBell(shard).ring();
        },
      },
    );
    this.start('writer', control.writerBell(), () => writer.step());
  }

  private stepShard(shard: Shard): boolean {
    if (this.control.stopStage() !== 0 || !shard.step()) return false;
    this.tellFigures(shard);
    return true;
  }

  private tellFigures({ state, home, owner }: Shard): void {
    this.control.setFigures(state.shard, {
      accounts: state.accounts.count,
      accountBytes: 0,
      ids: state.ids.ids,
      idFacts: state.ids.count,
      idBytes: 0,
      holds: state.holds.count,
      jobs: home.count,
      earmarks: owner.standing,
    });
  }

  private start(name: string, bell: ReturnType<SimControl['writerBell']>, step: () => boolean): void {
    this.add(new BlockingActor(bell, this.guarded(name, step, false)));
  }

  /** Some threads are slow, in this life. */
  private add(actor: Actor): void {
    const { scheduler, dice } = this.around;
    scheduler.add(actor, dice.pick([0, 0, 60, 95]));
  }

  /** A step whose error ends its thread, and with it soon the process. */
  private guarded<T>(name: string, step: () => T, ended: T): () => T {
    let isDead = false;
    return () => {
      if (isDead) return ended;
      try {
        return step();
      } catch (error) {
        if (rootOf(error) instanceof Crash) throw rootOf(error);
        isDead = true;
        this.around.threadDied(name, error as Error);
        return ended;
      }
    };
  }

  private openGate(loop: LoopActor, front: number, readerActor: ReaderActor): void {
    const { control, layout } = this;
    const reader = new ReaderClient(readerActor.portFor(loop));
    const gate: Gate = {
      front: new Front({
        front,
        control,
        commands: this.commandRings[front]!,
        results: this.resultRings[front]!,
        now: () => this.now(),
        defer: loop.defer,
        inFlightMax: layout.inFlightMax,
      }),
      reader,
      sessions: new Map(),
      now: () => this.now(),
      notReady: () => (this.isClosing ? 'shutting down' : undefined),
      noRoom: () => noRoom(control),
    };
    loop.onDoorbell = gate.front.drain;
    this.gates.push(gate);
  }

  private startTicks(loop: LoopActor): void {
    const { control, layout, around } = this;
    let tickedMs = around.monotonicMs();
    loop.timer = {
      isDue: () => around.monotonicMs() - tickedMs >= TICK_MS,
      run: () => {
        tickedMs = around.monotonicMs();
        if (control.sumFigures(layout.shards).holds > 0) this.gates[0]!.front.tick();
      },
    };
    for (const shard of this.shards) this.tellFigures(shard);
  }

  private startCheckpoints(): void {
    const { control, checkpointer, layout, around } = this;
    const rounds = new CheckpointRounds(
      checkpointer,
      layout.checkpointRecords,
      () => control.stopStage() !== 0,
      (error) => {
        if (rootOf(error) instanceof Crash || error instanceof DamagedLogError) throw error;
        around.noCheckpoint(error);
      },
    );
    const step = (): number => {
      const before = checkpointer.position.lsn;
      const { isMore } = rounds.step(control.durableNow, () => around.monotonicMs());
      if (checkpointer.position.lsn < before) around.checkpointLost();
      return isMore ? 0 : LOOK_EVERY_MS;
    };
    this.add(
      new TimerActor(() => around.monotonicMs(), this.guarded('checkpointer', step, Number.MAX_SAFE_INTEGER)),
    );
  }

  /** Ledger time, whole ms since the epoch. */
  now(): number {
    return ledgerTime(this.clock, this.around.monotonicMs());
  }

  get inFlight(): number {
    return this.gates.reduce((sum, { front }) => sum + front.inFlight, 0);
  }

  /** A session at one of the fronts; the same caller has one at each, as with connections. */
  sessionOf(caller: Caller, front: number): Session {
    const gate = this.gates[front]!;
    let session = gate.sessions.get(caller);
    if (session === undefined) {
      session = new LedgerSession(caller, prefixOf(caller, this.log.ledger.key, true), gate);
      gate.sessions.set(caller, session);
    }
    return session;
  }

  /** Takes no more work; {@link isSettled} once all that was accepted has been answered. */
  beginClose(): void {
    this.isClosing = true;
    void Promise.all(this.gates.map(({ front, reader }) => settled(front, reader))).then(() => {
      this.isSettled = true;
    });
  }

  /** Whether everything that was accepted before {@link beginClose} has been answered. */
  get isIdle(): boolean {
    return this.isSettled;
  }

  /** Stops the threads from the front to the log, once it is settled. */
  finishClose(): void {
    const { control, around } = this;
    control.stop(1);
    for (let shard = 0; shard < this.shards.length; shard++) control.shardBell(shard).ring();
    around.scheduler.rest();
    control.stop(2);
    control.writerBell().ring();
    around.scheduler.rest();
    this.log.close();
  }

  /** Throws when something was accepted that is not written or not answered. */
  checkAllWritten(): void {
    const { control } = this;
    if (this.inFlight > 0) throw new Error(`${this.inFlight} commands were never answered`);
    if (control.claimedLsn() !== control.durableNow)
      throw new Error(`LSN ${control.claimedLsn()} was claimed, but only ${control.durableNow} is durable`);
  }

  /** Throws when a hold is open that should have expired. */
  checkExpired(): void {
    for (const { state } of this.shards) {
      for (const { lsn, expiresAt } of state.holds.values()) {
        if (expiresAt !== 0 && expiresAt <= this.now())
          throw new Error(`the hold of LSN ${lsn} was due at ${expiresAt} and is open at ${this.now()}`);
      }
    }
  }

  /** Throws what is left over although nothing moves. */
  checkQuiet(): void {
    this.checkAllWritten();
    const left: string[] = [];
    for (const [what, ring] of this.rings) if (ring.peek() >= 0) left.push(`the ring ${what} is not empty`);
    for (const { state, home, owner } of this.shards) {
      const { credits } = home as unknown as { readonly credits: readonly number[] };
      if (credits.some((left) => left !== this.layout.credits))
        left.push(`shard ${state.shard} has ${credits} credits and not ${this.layout.credits} for each`);
      if (home.count > 0) left.push(`shard ${state.shard} has ${home.count} jobs`);
      if (owner.standing > 0) left.push(`shard ${state.shard} has ${owner.standing} earmarks`);
      for (let row = 0; row < state.accounts.count; row++) {
        if (state.accounts.flags(row) & CONTENDED) left.push(`${state.accounts.name(row)} is contended`);
      }
    }
    if (left.length > 0) throw new Error(`nothing moves any more, and ${left.join(', ')}`);
  }
}
