import { DamagedLogError } from '../../wal/errors.js';
import { Dice, seedOf } from '../support/dice.js';
import { Scheduler } from '../support/scheduler.js';
import { Auditor } from './auditor.js';
import { checkRecovered } from './checks.js';
import { Clients } from './clients.js';
import { coverageOf } from './coverage.js';
import { checkNamed, type Damage, flipBit, tearBatch } from './damage.js';
import { Crash, DiskFault, MemoryDisk, rootOf } from './disk.js';
import { Doom } from './doom.js';
import type { Connection } from './history.js';
import { type Layout, Life, type Surroundings } from './life.js';
import { drainMicrotasks } from './microtasks.js';
import { Journal, type Outcome, type WorldOptions } from './outcome.js';
import { type Fault, LOOKED, type Looked, type Plan, planOf } from './plan.js';
import { Platter } from './platter.js';

/** A world that does not come to rest in so many turns never will: the longest of 20,000 seeds needed a twentieth. */
const TURNS_MAX = 400_000;
/** The first actions make the accounts. In most worlds they have come to pass before anything else happens. */
const OPENING_ACTIONS = 3;
/** In each world one of these is the chance that others run where a thread looks at shared memory. */
const PAUSE_PERCENTS = [4, 15, 40];
/** Turns that others may still have when a thread has died. */
const LAST_TURNS = 20;
/** Longer than most holds last. */
const LAST_WAIT_MS = 60_000;
const START_MS = 1_700_000_000_000;
/** By how much the hearing of a call and the ledger's own clock may differ: time passes between turns. */
const CLOCK_ERROR_MS = 3000;

/**
 * A ledger, its clients, its disk and what befalls them, all from one seed and in one thread. Lives of the ledger's process follow each
 * other over the same platter; after each start, and at the end when all is healed and at rest, everything is judged.
 */
class World {
  private readonly plan: Plan;
  private readonly dice: Dice;
  private readonly scheduler: Scheduler;
  private readonly platter = new Platter();
  private readonly auditor = new Auditor();
  private readonly clients: Clients;
  private readonly identity: { readonly id: string; readonly key: Uint8Array };
  private readonly faults: Fault[];
  private readonly journal = new Journal(() => this.auditor.history.calls.length);
  private readonly doom = new Doom();
  private readonly actionsDone: number[] = [];
  private readonly faultsBegun: number[] = [];
  private disk!: MemoryDisk;
  private life: Life | undefined;
  private lives = 0;
  private nextAction = 0;
  private wallMs = START_MS;
  private monotonicMs = 0;
  /** The fault that is under way. */
  private fault: Fault | undefined;
  private damage: Damage | undefined;
  /** Nobody else has turns: the ledger starts, or is looked at. */
  private isAlone = false;
  /** The highest LSN that was durable for anybody to see. */
  private durable = 0;
  /** What was found within the step of another thread. */
  private found: Error | undefined;
  /** All is healed: nothing goes wrong any more. */
  private isHealed = false;

  constructor(private readonly options: WorldOptions) {
    const { seed } = options;
    this.plan = planOf(seed);
    this.dice = new Dice(seedOf(seed, 'order', options.order ?? 0));
    this.scheduler = new Scheduler(this.dice, TURNS_MAX, PAUSE_PERCENTS);
    this.scheduler.atLook = () => this.look(LOOKED.memory);
    this.scheduler.beforeTurn = () => this.beforeTurn();
    this.clients = new Clients(seed, this.auditor);
    this.faults = this.plan.faults.filter(({ n }) => options.faults?.has(n) ?? true);
    const key = new Dice(seedOf(seed, 'key'));
    this.identity = {
      id: `00000000-0000-4000-8000-${String(seed).padStart(12, '0')}`,
      key: Uint8Array.from({ length: 16 }, () => key.below(256)),
    };
  }

  play(): Outcome {
    let finding: Error | undefined;
    try {
      this.playAll();
    } catch (error) {
      finding = this.found ?? (error as Error);
    }
    return {
      steps: this.scheduler.turns,
      records: this.durable,
      calls: this.auditor.history.calls.length,
      lives: this.lives,
      events: this.journal.events,
      actionsDone: this.actionsDone,
      faultsBegun: this.faultsBegun,
      finding,
      script: () => this.journal.among(this.clients.script),
      coverage: () => coverageOf(this.auditor),
    };
  }

  private playAll(): void {
    this.start(this.plan.layout, []);
    for (;;) {
      this.untilDeathOrRest();
      if (this.doom.isDead) this.revive();
      else if (this.fault?.kind === 'stop') this.stop();
      else if (!this.hasMore()) break;
      // Nothing moves: what was to happen in the middle of something happens now.
      else if (this.doom.isNear) this.die();
      else this.fault = undefined;
    }
    this.end();
  }

  private hasMore(): boolean {
    return this.nextAction < this.plan.actions || this.faults.length > 0 || this.doom.isNear;
  }

  /** Takes turns. */
  private untilDeathOrRest(): void {
    try {
      while (!this.doom.isDead && (this.scheduler.turn() || this.hasQuietWork()));
    } catch (error) {
      if (!(rootOf(error) instanceof Crash) || !this.doom.isDead) throw error;
    }
    if (this.found !== undefined) throw this.found;
  }

  /** Whether clients still have something to say although nothing else moves. */
  private hasQuietWork(): boolean {
    return this.nextAction < this.plan.actions && this.fault?.kind !== 'stop';
  }

  private look(at: Looked): void {
    if (this.doom.isDead) throw new Crash();
    if (this.doom.takeLook(at)) {
      this.die();
      throw new Crash();
    }
    if (!this.isAlone) this.letOthersRun();
  }

  /** What is found in the turns of others must not be taken for an error of the thread that looks: everything ends, and it is kept. */
  private letOthersRun(): void {
    try {
      this.scheduler.randomTurns();
    } catch (error) {
      if (!(rootOf(error) instanceof Crash)) this.found ??= error as Error;
      this.die();
      throw new Crash();
    }
  }

  /** The process ends here. */
  private die(): void {
    this.doom.die();
    this.disk.kill();
  }

  private beforeTurn(): void {
    if (this.doom.isDead) throw new Crash();
    if (this.doom.takeTurn()) {
      this.die();
      throw new Crash();
    }
    const { life, dice } = this;
    if (dice.chance(4)) this.monotonicMs += dice.below(dice.pick([5, 60, 700]));
    if (life === undefined || this.isHealed || life.loopThread.isRunning) return;
    this.noteDurable(life);
    if (this.options.steps !== undefined && this.scheduler.turns > this.options.steps)
      this.nextAction = this.plan.actions;
    if (!dice.chance(this.plan.clientsPercent) || this.isOpening()) return;
    life.loopThread.isRunning = true;
    this.act(life);
    life.loopThread.isRunning = false;
  }

  /** Whether clients wait for the accounts that they are about. */
  private isOpening(): boolean {
    return this.plan.isOpened && this.nextAction <= OPENING_ACTIONS && this.clients.inFlight > 0;
  }

  private act(life: Life): void {
    const next = this.faults[0];
    const isDue = next !== undefined && this.nextAction >= next.atAction && this.fault === undefined;
    if (isDue && !(this.plan.isOpened && this.nextAction <= OPENING_ACTIONS)) {
      this.faults.shift();
      this.arm(next, life);
    }
    if (this.nextAction < this.plan.actions) {
      const action = this.nextAction++;
      if (this.options.actions?.has(action) ?? true) {
        this.actionsDone.push(action);
        this.clients.act(action);
      }
    }
    drainMicrotasks();
  }

  private noteDurable(life: Life): void {
    this.durable = Math.max(this.durable, life.control.durableNow);
  }

  /** A disk without looks, for those who look from outside. */
  private outside(): MemoryDisk {
    return new MemoryDisk(this.platter, this.dice, () => undefined);
  }

  private arm(fault: Fault, life: Life): void {
    this.fault = fault;
    this.faultsBegun.push(fault.n);
    const { disk } = this;
    const dice = new Dice(seedOf(this.options.seed, 'what', fault.n));
    this.journal.note(`fault ${fault.n}: ${fault.kind}`);
    switch (fault.kind) {
      case 'commit fails':
        disk.faults.commitsLeft = dice.below(4);
        break;
      case 'disk full':
        disk.faults.freeBytes = dice.below(8 << 20);
        break;
      case 'no space':
        disk.faults.fileBytesLeft = dice.below(dice.pick([10, 4000]));
        break;
      case 'rot':
        // One at a time: what an earlier one did can be repaired only as long as nothing else is wrong there.
        this.repair();
        this.damage = flipBit(this.outside(), life.log.ledger.id, dice);
        if (this.damage !== undefined) this.journal.note(`damaged: ${this.damage.what}`);
        this.doom.afterLooks(fault.looks * 5, fault.counted);
        break;
      case 'stop':
        life.beginClose();
        break;
      default:
        this.doom.afterLooks(fault.looks, fault.counted);
    }
  }

  /** Ends a life in good order, once what it had accepted is answered. */
  private stop(): void {
    const life = this.life!;
    if (!life.isIdle) throw new Error('the ledger does not come to an end when it is closed');
    try {
      life.finishClose();
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
    }
    this.noteDurable(life);
    if (!this.doom.isDead && !this.doom.isAiling) life.checkAllWritten();
    this.die();
    this.revive();
  }

  /** A thread has died: so the process will, but perhaps not at once. */
  private threadDied(thread: string, error: Error): void {
    if (!this.isExcused(thread, error))
      throw new Error(`the ${thread} thread died: ${error.message}`, { cause: error });
    this.journal.count(`${thread} thread died`);
    this.journal.note(`the ${thread} thread dies: ${error.message}`);
    this.doom.afterTurns(this.dice.below(LAST_TURNS));
  }

  private isExcused(thread: string, error: Error): boolean {
    if (rootOf(error) instanceof DiskFault) return true;
    const isFull = this.disk.faults.freeBytes < Number.MAX_SAFE_INTEGER;
    if (isFull && /^no room for the log|are left on the disk/.test(error.message)) return true;
    return this.damage?.place === 'log' && (error instanceof DamagedLogError || thread === 'writer');
  }

  private around(layout: Layout): Surroundings {
    return {
      scheduler: this.scheduler,
      dice: this.dice,
      disk: this.disk,
      wallMs: this.wallMs,
      monotonicMs: () => this.monotonicMs,
      identity: this.identity,
      threadDied: (thread, error) => this.threadDied(thread, error),
      noCheckpoint: (error) => {
        if (!this.isExcused('checkpointer', error)) throw error;
        this.journal.count('round of the checkpoint failed');
      },
      checkpointLost: () => {
        if (this.damage?.place !== 'checkpoint')
          throw new Error(
            `the checkpoint was found damaged with ${layout.shards} shards, and nobody had damaged it`,
          );
        this.journal.count('checkpoint made anew while running');
      },
    };
  }

  /** After a death: what is left of the disk, then the next life. */
  private revive(): void {
    const fault = this.fault;
    const life = this.life;
    this.life = undefined;
    this.fault = undefined;
    if (life !== undefined) {
      this.noteDurable(life);
      this.journal.count(`end of a life: ${fault?.kind ?? 'rest'}`);
    }
    // What had reached a front may still be told, or fail; then nobody hears anything more.
    drainMicrotasks();
    this.clients.crashed();
    this.loseWhatIsNotSynced(fault?.isPowerLost ?? false);
    this.journal.note(`the ledger is down${fault?.isPowerLost ? ', and the power was lost' : ''}`);
    if (this.damage?.place === 'log') this.repair();
    if (fault !== undefined) this.wallMs += fault.clockJumpMs;
    this.wallMs += this.dice.below(1000);
    const dice = new Dice(seedOf(this.options.seed, 'down', fault?.n ?? -1));
    if (fault?.kind === 'torn batch') this.damage ??= tearBatch(this.outside(), dice);
    if (fault?.kind === 'rot while down') this.damage ??= flipBit(this.outside(), this.identity.id, dice);
    if (this.damage !== undefined) this.journal.note(`damaged: ${this.damage.what}`);
    this.start(fault?.layout ?? this.plan.lastLayout, fault?.startLooks ?? []);
  }

  private loseWhatIsNotSynced(isPowerLost: boolean): void {
    this.scheduler.clear();
    this.platter.abandon(this.dice);
    if (isPowerLost) this.platter.lose(this.dice);
  }

  private repair(): void {
    this.damage?.turn();
    this.damage = undefined;
  }

  /** Starts the ledger; a start may be cut off, and has to refuse what is damaged. */
  private start(layout: Layout, cutOffs: readonly number[]): void {
    const shards = this.options.shards ?? layout.shards;
    const looks = [...cutOffs];
    for (;;) {
      this.doom.begin();
      this.disk = new MemoryDisk(this.platter, this.dice, (at) => this.look(at));
      this.doom.afterLooks(looks.shift(), LOOKED.memory);
      this.isAlone = true;
      try {
        const life = new Life({ ...layout, shards }, this.around(layout));
        this.isAlone = false;
        this.doom.afterLooks(undefined, LOOKED.memory);
        this.started(life);
        return;
      } catch (error) {
        this.isAlone = false;
        this.afterFailedStart(error as Error);
      }
    }
  }

  private afterFailedStart(error: Error): void {
    if (rootOf(error) instanceof Crash && this.doom.isDead) {
      this.journal.count('start cut off');
      this.journal.note('a start is cut off');
      this.loseWhatIsNotSynced(this.dice.chance(50));
      return;
    }
    const { damage } = this;
    if (!(error instanceof DamagedLogError) || damage?.place !== 'log') throw error;
    checkNamed(damage, error);
    this.journal.count('start refused');
    this.journal.note(`the start is refused: ${error.message}`);
    this.loseWhatIsNotSynced(false);
    this.repair();
  }

  private started(life: Life): void {
    this.life = life;
    this.lives++;
    const { lsn } = life.log.last;
    this.journal.note(
      `the ledger starts with ${life.layout.shards} shards at LSN ${lsn}, checkpoint ${life.checkpointer.position.lsn}`,
    );
    this.judgeCheckpointFault(life);
    if (this.damage?.place === 'log' && this.damage.isLookedAt)
      throw new Error(`not noticed: ${this.damage.what}`);
    // Judged is the log as it was written.
    const isInLog = this.damage?.place === 'log';
    if (isInLog) this.damage!.turn();
    const records = checkRecovered(life, this.outside(), this.durable, this.dice);
    this.auditor.audit({ records });
    this.options.judge?.(records);
    if (isInLog) this.damage!.turn();
    this.durable = Math.max(this.durable, lsn);
    this.clients.connect(this.connectionTo(life));
  }

  /** A checkpoint is found damaged when it is, and only then. */
  private judgeCheckpointFault(life: Life): void {
    const { checkpointFault } = life;
    if (checkpointFault !== undefined) {
      if (this.damage?.place !== 'checkpoint')
        throw new Error(`a checkpoint that nobody damaged: ${checkpointFault}`);
      this.journal.count('checkpoint made anew at the start');
    } else if (this.damage?.place === 'checkpoint' && this.damage.isLive()) {
      throw new Error(`not noticed: ${this.damage.what}`);
    }
    if (this.damage?.place === 'checkpoint') this.damage = undefined;
  }

  private connectionTo(life: Life): Connection {
    return {
      as: (caller) => life.sessionOf(caller, this.dice.below(life.gates.length)),
      now: () => life.now(),
      durable: () => life.control.durableNow,
      clockErrorMs: CLOCK_ERROR_MS,
      isExcused: () => this.doom.isDead || this.damage?.place === 'log',
    };
  }

  /**
   * Everything heals and comes to rest; then nothing may be left over, and all must be as the log says, live and after a start. In the end
   * clients ask about everything that there is.
   */
  private end(): void {
    this.isHealed = true;
    if (this.damage !== undefined) {
      this.die();
      this.revive();
    }
    Object.assign(this.disk.faults, this.outside().faults);
    this.scheduler.rest();
    // What is due has expired by the second tick: a hold whose end was in flight at the first stood back.
    for (let tick = 0; tick < 2; tick++) {
      this.monotonicMs += LAST_WAIT_MS;
      this.scheduler.rest();
    }
    this.judgeAtRest();
    this.life!.beginClose();
    drainMicrotasks();
    this.scheduler.rest();
    this.stop();
    this.clients.inspect();
    drainMicrotasks();
    this.scheduler.rest();
    this.judgeAtRest();
  }

  private judgeAtRest(): void {
    const life = this.life!;
    this.noteDurable(life);
    this.isAlone = true;
    life.checkQuiet();
    life.checkExpired();
    const records = checkRecovered(life, this.outside(), this.durable, this.dice);
    this.isAlone = false;
    this.auditor.audit({ records, restAt: life.now() });
    this.options.judge?.(records);
  }
}

/** Plays a seed's world to its end, or to the first thing that is wrong. Must be called by way of `inMacrotask`. */
export function play(options: WorldOptions): Outcome {
  return new World(options).play();
}
