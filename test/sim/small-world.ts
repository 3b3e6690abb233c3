import { Control } from '../../engine/control.js';
import { type Bell, RingConsumer, RingProducer, ringBuffer } from '../../engine/mailbox.js';
import { RecordView } from '../../engine/record.js';
import { Shard } from '../../engine/shard.js';
import { State } from '../../engine/state.js';
import { Writer } from '../../wal/writer.js';
import { KEY } from '../support/world.js';
import { announceLooks, byteOf } from './looks.js';
import { type ActorSet, SharedWords } from './shared-words.js';
import { Client, type ClientWorld, type Item, type Told } from './small-clients.js';
import { SmallLog } from './small-log.js';

/**
 * A small world: real shards, writer and fronts over real rings, bells and control words, in one thread. It does nothing by itself: whoever
 * searches says which actor goes next, and which others go first where one looks at shared memory.
 */

export interface Setting {
  readonly shards: number;
  /** By client, each with a front of its own, what it does one after the other: each begins when the one before was answered. */
  readonly programs: readonly (readonly Item[])[];
  /** The rings to the writer have room for one record at a time. */
  readonly isTight: boolean;
  /** The rings of commands have room for two small ones: more are spilled. */
  readonly isNarrow: boolean;
  /** Actors run only while their bells say that they are awake; else whenever there is something for them. */
  readonly withBells: boolean;
}

const COMMAND_RING_BYTES = 1 << 13;
/** Two commands, or one with a description. */
const NARROW_RING_BYTES = 512;
/** The front keeps 4 KiB of it back. */
const RESULT_RING_BYTES = 1 << 15;
/** Ask, answer and settle of one credit, many times. */
const PEER_RING_BYTES = 1 << 13;
/** More than twice what a shard wants free before it decides. */
const LOG_RING_BYTES = 1 << 16;
/** With so many bytes behind it a ring of 32 KiB has the 24 KiB that a shard wants only while it is empty. */
const TIGHT_RING_BYTES = 1 << 15;
const TIGHT_PASSED_BYTES = 24_576;
/** Of each shard for each other: one, so that there is none whenever one is out. */
export const CREDITS = 1;
const IN_FLIGHT_MAX = 16;
const START_MS = 1_700_000_000_000;

/** A thread of the real thing. */
interface Actor {
  readonly name: string;
  readonly bell: Bell;
  readonly isRung: () => boolean;
  /** @returns whether it did anything */
  readonly step: () => boolean;
  phase: 'awake' | 'armed' | 'asleep';
  isRunning: boolean;
}

/** What can happen next: an actor's step, or a client's next item, which its front's thread does. */
interface Action {
  readonly name: string;
  readonly actor: number;
  readonly client: Client | undefined;
}

export class SmallWorld implements ClientWorld {
  readonly control: Control;
  readonly shards: readonly Shard[];
  readonly writer: Writer;
  readonly store: SmallLog;
  readonly clients: readonly Client[];
  readonly actors: readonly Actor[];
  readonly actions: readonly Action[];
  readonly words = new SharedWords();
  /** All rings, for the digest. */
  readonly rings: SharedArrayBuffer[] = [];
  /** Messages on their way to fronts, by front: the wake-ups that the real threads post. */
  readonly posts: number[];
  private time = START_MS;
  activity = 0;
  /** What is durable or told has changed: from here on a crash leaves something else. */
  onCrashable: () => void = () => undefined;
  /** An actor has accessed a word that others touch; `others` are those that the access may matter to. */
  onLook: (word: number, isWrite: boolean, others: ActorSet) => void = () => undefined;
  /** The actor whose step is running, innermost. */
  private running: number | undefined;
  /** Writes by the step that is running to words that are not bells. */
  private writes = 0;

  /** @param records what the ledger starts from: durable records, all of them */
  constructor(
    readonly setting: Setting,
    records: readonly Uint8Array[] = [],
  ) {
    const { shards, programs, isTight, isNarrow } = setting;
    const numbers = Array.from({ length: shards }, (_, i) => i);
    const fronts = programs.map((_, i) => i);
    const bit = (actor: number): ActorSet => 1 << actor;
    const writerActor = shards;
    const frontActor = (front: number) => shards + 1 + front;
    this.control = new Control(new SharedArrayBuffer(Control.bytes));
    const { control } = this;
    control.startAt(records.length);
    this.posts = fronts.map(() => 0);

    const ring = (bytes: number, producer: number, consumer: number) => {
      const buffer = ringBuffer(bytes);
      this.words.declareRing(buffer, bit(producer), bit(consumer));
      this.rings.push(buffer);
      return buffer;
    };
    const commands = fronts.map((front) =>
      numbers.map((shard) =>
        ring(isNarrow ? NARROW_RING_BYTES : COMMAND_RING_BYTES, frontActor(front), shard),
      ),
    );
    const results = fronts.map((front) =>
      numbers.map((shard) => ring(RESULT_RING_BYTES, shard, frontActor(front))),
    );
    const peers = numbers.map((from) =>
      numbers.map((to) => (from === to ? undefined : ring(PEER_RING_BYTES, from, to))),
    );
    const logs = numbers.map((shard) =>
      ring(isTight ? TIGHT_RING_BYTES : LOG_RING_BYTES, shard, writerActor),
    );
    if (isTight) logs.forEach(passBytes);
    this.words.declareControl(control, numbers.map(bit), bit(writerActor), fronts.map(frontActor).map(bit));

    const shardBells = numbers.map((shard) => control.shardBell(shard));
    const frontBells = fronts.map((front) => control.frontBell(front));
    const wakeFront = (front: number) => {
      if (frontBells[front]!.take()) this.posts[front] = this.posts[front]! + 1;
    };
    this.shards = numbers.map(
      (me) =>
        new Shard(
          recovered(me, shards, records),
          {
            results: results.map((rings) => new RingProducer(rings[me]!)),
            log: new RingProducer(logs[me]!),
            peers: peers[me]!.map((buffer) => buffer && new RingProducer(buffer)),
            peerBells: shardBells,
            writerBell: control.writerBell(),
            claimLsn: () => control.claimLsn(),
            claimedLsn: () => control.claimedLsn(),
            durableLsn: () => control.durableLsn(),
            wakeFront,
            wantsDecisions: (front) => control.wantsDecisions(front),
          },
          commands.map((rings) => new RingConsumer(rings[me]!)),
          peers.map((rings) => rings[me] && new RingConsumer(rings[me])),
          CREDITS,
        ),
    );
    this.store = new SmallLog(records, START_MS, () => this.onCrashable());
    this.writer = new Writer(
      this.store,
      logs.map((buffer) => new RingConsumer(buffer)),
      {
        now: () => this.now,
        setInCommit: (inCommit) => control.setInCommit(inCommit),
        committed: (firstLsn, lastLsn, timeMs) => {
          control.committed(firstLsn, lastLsn, timeMs);
          for (const front of fronts) wakeFront(front);
        },
        drained() {
          for (const bell of shardBells) bell.ring();
        },
      },
    );
    this.clients = programs.map(
      (program, front) =>
        new Client(front, program, this, {
          control,
          commands: commands[front]!,
          results: results[front]!,
          inFlightMax: IN_FLIGHT_MAX,
        }),
    );
    this.actors = [
      ...this.shards.map((shard, i) => this.threadOf(`shard ${i}`, shardBells[i]!, () => shard.step())),
      this.threadOf('writer', control.writerBell(), () => this.writer.step()),
      ...this.clients.map((client) => this.frontOf(client, frontBells[client.number]!)),
    ];
    this.actions = [
      ...this.actors.map(({ name }, actor) => ({ name, actor, client: undefined })),
      ...this.clients.map((client) => ({
        name: `client ${client.number} acts`,
        actor: frontActor(client.number),
        client,
      })),
    ];
  }

  private threadOf(name: string, bell: Bell, step: () => boolean): Actor {
    // As `Atomics.wait` sees it.
    const word = byteOf(() => bell.take()) >> 2;
    const words = new Int32Array(this.control.buffer);
    return { name, bell, isRung: () => words[word] === 0, step, phase: 'awake', isRunning: false };
  }

  /** A front's thread is its event loop: it drains when a message was posted. */
  private frontOf(client: Client, bell: Bell): Actor {
    const step = () => {
      if (this.setting.withBells) {
        if (this.posts[client.number] === 0) return false;
        this.posts[client.number] = this.posts[client.number]! - 1;
        this.activity++;
      }
      client.drain();
      return false;
    };
    return {
      name: `front ${client.number}`,
      bell,
      isRung: () => true,
      step,
      phase: 'awake',
      isRunning: false,
    };
  }

  /** Announces looks while `run` runs. */
  looking<T>(run: () => T): T {
    const end = announceLooks((buffer, byte, isWrite) => {
      const word = this.words.at(buffer, byte);
      if (word === undefined || this.running === undefined) return;
      if (word.isBell && !this.setting.withBells) return;
      if (isWrite && !word.isBell) this.writes++;
      const others = (isWrite ? word.readers | word.writers : word.writers) & ~(1 << this.running);
      this.onLook(word.number, isWrite, others);
    });
    try {
      return run();
    } finally {
      end();
    }
  }

  /** Ledger time, ms: to the search a word like others, which fronts and the writer read and a passing of time writes. */
  get now(): number {
    this.lookAtClock(false);
    return this.time;
  }
  set now(ms: number) {
    this.lookAtClock(true);
    this.time = ms;
  }

  private lookAtClock(isWrite: boolean): void {
    if (this.running === undefined) return;
    const others = (1 << this.actors.length) - (1 << this.shards.length);
    this.onLook(this.words.count, isWrite, others & ~(1 << this.running));
  }

  /** Does an action, unless its actor is amid a step. @returns whether anything happened */
  perform(number: number): boolean {
    const { actor: at, client } = this.actions[number]!;
    const actor = this.actors[at]!;
    if (actor.isRunning) return false;
    const outer = this.running;
    const outerWrites = this.writes;
    const activity = this.activity;
    this.running = at;
    this.writes = 0;
    actor.isRunning = true;
    let worked: boolean;
    if (client !== undefined) worked = client.act();
    else if (this.setting.withBells && at <= this.shards.length) worked = this.turn(actor);
    else worked = actor.step() || this.writes > 0 || this.activity !== activity;
    actor.isRunning = false;
    this.running = outer;
    this.writes = outerWrites;
    return worked;
  }

  /** What a blocking thread does between two waits: a step; before it sleeps it arms its bell and looks once more. */
  private turn(actor: Actor): boolean {
    if (actor.phase === 'asleep' && !actor.isRung()) return false;
    if (actor.step()) {
      if (actor.phase === 'armed') actor.bell.disarm();
      actor.phase = 'awake';
    } else if (actor.phase === 'armed') actor.phase = 'asleep';
    else {
      actor.bell.arm();
      actor.phase = 'armed';
    }
    return true;
  }

  /** Runs everybody in turn until nothing happens. */
  rest(): void {
    for (let worked = true; worked; ) {
      worked = false;
      for (let action = 0; action < this.actions.length; action++) worked = this.perform(action) || worked;
    }
  }

  onChange(): void {
    this.onCrashable();
  }

  get logged(): number {
    return this.store.records.length;
  }
  get log(): readonly Uint8Array[] {
    return this.store.records;
  }
  get durable(): number {
    return this.control.durableLsn();
  }
  get claimed(): number {
    return this.control.claimedLsn();
  }
  get inFlight(): number {
    return this.clients.reduce((sum, { open }) => sum + open, 0);
  }
  get replies(): readonly Told[] {
    return this.clients.flatMap(({ replies }) => replies);
  }

  record(lsn: number): RecordView {
    return new RecordView().over(this.log[lsn - 1]!).read(0);
  }
}

function recovered(shard: number, shards: number, records: readonly Uint8Array[]): State {
  const state = new State(shard, shards, KEY);
  records.forEach((record, i) => {
    state.replay(new RecordView().over(record).read(0), i + 1);
  });
  return state;
}

/** Lets bytes pass through a ring, so that what comes next begins behind them. */
function passBytes(buffer: SharedArrayBuffer): void {
  const producer = new RingProducer(buffer);
  const consumer = new RingConsumer(buffer);
  producer.reserve(TIGHT_PASSED_BYTES);
  producer.publish();
  consumer.peek();
  consumer.pass();
  consumer.release();
}
