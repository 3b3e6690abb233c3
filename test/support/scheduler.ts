import { Bell, RingConsumer } from '../../engine/mailbox.js';
import type { Dice } from './dice.js';

/**
 * Threads in a single thread: actors that take turns, with every choice drawn from a seed.
 *
 * Blocking threads sleep and wake as the real ones do: one runs only while its bell says that it is awake, so a wake-up that was forgotten
 * leaves work undone. And they interleave as threads do: wherever one looks at shared memory ({@link Scheduler.look}) others may take turns
 * first, within its step.
 */

/** Turns of others at most in a long pause, as if a thread had lost its core. */
const LONG_TURNS = 30;
/** Times that a turn is drawn again at most when it falls to slow ones. */
const REDRAWS = 4;

/** A thread, as the scheduler sees it. */
export interface Actor {
  /** Whether it would do anything with a turn. */
  isReady(): boolean;
  /** One turn. */
  run(): void;
  /** It is amid a turn, so it cannot have another within. Actors that share a thread share this. */
  readonly thread: { isRunning: boolean };
}

/** A thread that blocks: steps until there is nothing to do, arms its bell, looks a last time, sleeps. */
export class BlockingActor implements Actor {
  readonly thread = { isRunning: false };
  private phase: 'awake' | 'armed' | 'asleep' = 'awake';

  /** @param step one step of the thread's loop. @returns whether it did anything */
  constructor(
    private readonly bell: PausingBell,
    readonly step: () => boolean,
  ) {}

  isReady(): boolean {
    return this.phase !== 'asleep' || this.bell.isRung;
  }

  run(): void {
    if (this.step()) {
      if (this.phase === 'armed') this.bell.disarm();
      this.phase = 'awake';
    } else if (this.phase === 'armed') this.phase = 'asleep';
    else {
      this.bell.arm();
      this.phase = 'armed';
    }
  }
}

export class Scheduler {
  turns = 0;
  /** What happens where an actor looks at shared memory: others take turns, if a test does not say otherwise. */
  atLook: () => void = () => this.randomTurns();
  /** Called at the beginning of each turn. */
  beforeTurn: () => void = () => undefined;
  readonly look = (): void => this.atLook();
  private readonly actors: Actor[] = [];
  private readonly ready: Actor[] = [];
  private readonly slow = new Map<Actor, number>();
  /** The chance that others take turns where an actor looks at shared memory, and that they take many. Differs from world to world. */
  private readonly pausePercent: number;
  private readonly longPercent: number;

  /**
   * @param turnsMax after which a world that has not come to rest never will
   * @param pausePercents of which one is the chance that others take turns at a look
   */
  constructor(
    private readonly dice: Dice,
    private readonly turnsMax: number,
    pausePercents: readonly number[] = [2, 8, 20],
  ) {
    this.pausePercent = dice.pick(pausePercents);
    this.longPercent = dice.pick([0, 10, 30]);
  }

  /** @param slowPercent the chance that a turn which falls to it is drawn again, as if its core were busy */
  add(actor: Actor, slowPercent = 0): void {
    this.actors.push(actor);
    if (slowPercent > 0) this.slow.set(actor, slowPercent);
  }

  /** Takes all actors away. */
  clear(): void {
    this.actors.length = 0;
    this.slow.clear();
  }

  /** Somewhere in a step, perhaps: others take turns. */
  randomTurns(): void {
    let turns = 0;
    if (this.dice.chance(this.pausePercent))
      turns = this.dice.chance(this.longPercent) ? this.dice.below(LONG_TURNS) : 1;
    for (; turns > 0; turns--) this.turn();
  }

  /** One turn of an actor that is ready and not amid another. @returns false when there is none */
  turn(): boolean {
    if (++this.turns > this.turnsMax) throw new Error('the world does not come to rest');
    this.beforeTurn();
    const { ready } = this;
    ready.length = 0;
    for (const actor of this.actors) if (!actor.thread.isRunning && actor.isReady()) ready.push(actor);
    if (ready.length === 0) return false;
    let actor = this.dice.pick(ready);
    for (let i = 0; i < REDRAWS && this.isSlow(actor); i++) actor = this.dice.pick(ready);
    actor.thread.isRunning = true;
    actor.run();
    actor.thread.isRunning = false;
    return true;
  }

  private isSlow(actor: Actor): boolean {
    const percent = this.slow.get(actor);
    return percent !== undefined && this.dice.chance(percent);
  }

  /** Runs until all sleep and nobody has been rung. */
  rest(): void {
    while (this.turn());
  }
}

/** A ring at which others may take turns whenever it is looked into. */
export class PausingRing extends RingConsumer {
  constructor(
    buffer: SharedArrayBuffer,
    private readonly look: () => void,
  ) {
    super(buffer);
  }

  override peek(): number {
    this.look();
    return super.peek();
  }
}

/** A bell at which others may take turns before and after it is rung. All who ring it or sleep by it have the same. */
export class PausingBell extends Bell {
  private readonly own: Int32Array;

  constructor(
    private readonly look: () => void,
    own = new Int32Array(1),
  ) {
    super(own, 0);
    this.own = own;
  }

  get isRung(): boolean {
    return this.own[0] === 0;
  }

  override ring(): void {
    this.look();
    super.ring();
    this.look();
  }
}
