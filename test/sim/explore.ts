import { Op } from '../../engine/command.js';
import { CommandEncoder } from '../../src/ledger/encoder.js';
import { digest } from './digest.js';
import { remember } from './rewind.js';
import type { ActorSet } from './shared-words.js';
import type { Item } from './small-clients.js';
import { type Setting, SmallWorld } from './small-world.js';

/**
 * Every schedule of a small world, by running it again and again.
 *
 * A schedule is a sequence of actions: an actor's step, or a client's next item. Within an action others may go first wherever its actor
 * has looked at shared memory: an interruption, which is an action itself and may be interrupted in turn. As many interruptions are tried
 * as a schedule may have; without any, steps are whole.
 *
 * Two reductions, and why they lose nothing:
 *
 * - *Worlds already seen.* What a world still does, and what the checks at its end say, is a function of its digest (and of the
 *   interruptions left). So a world that was searched with as many interruptions left is not searched again: the schedules from it are
 *   those counted then. What is checked on the way (an answer before its record is durable, a crash) is checked as it happens.
 * - *Interruptions that matter.* Others are tried only behind an access to a word that they touch too, and one whose step then had nothing
 *   to do with that access is dropped: it could as well have gone before the access, and so on back to the access before which it
 *   must not go, or to the start of the action. There it is tried; the world that follows is the same.
 *
 * With `isReduced: false` neither is done, so that a test can compare: same number of schedules, same ends.
 */

export interface Limits {
  /** Interruptions in one schedule at most. */
  readonly interruptions: number;
  readonly isReduced: boolean;
}

export interface Checks {
  /** A world at its end: nothing moves any more. Called once for each outcome. */
  end(world: SmallWorld): void;
  /** What a crash would leave. Called once for each log with what was told of it. */
  crash(world: SmallWorld): void;
}

export interface Explored {
  /** Schedules, counting each way through worlds that were seen before. */
  readonly schedules: bigint;
  /** Actions of the longest. */
  readonly longest: number;
  /** Different logs with what was told of them, at the end. */
  readonly outcomes: readonly string[];
  /** Different worlds between two actions. */
  readonly worlds: number;
  /** Different logs with what was told of them, at which a crash was tried. */
  readonly crashes: number;
  /** How often the world was put back to its beginning. */
  readonly runs: number;
}

/** An action and what interrupts it: at which look, counted through the action and what interrupts it, which action. */
interface Step {
  readonly action: number;
  readonly interruptions: readonly { readonly look: number; readonly action: number }[];
}

/** Where an action could be interrupted, and by whom. */
interface Opening {
  readonly look: number;
  readonly others: ActorSet;
}

/** A schedule that broke something. */
export class BrokenSchedule extends Error {
  override readonly name = 'BrokenSchedule';
}

/** Schedules from a world on, and how long the longest is. */
interface Future {
  readonly interruptions: number;
  readonly schedules: bigint;
  readonly longest: number;
}

/** Searches all schedules. @throws BrokenSchedule with the first that breaks something */
export function explore(
  setting: Setting,
  records: readonly Uint8Array[],
  checks: Checks,
  limits: Limits,
): Explored {
  return new Search(setting, records, checks, limits).all();
}

class Search {
  private readonly world: SmallWorld;
  private readonly putBack: () => void;
  private readonly path: Step[] = [];
  /** Digests along the path; a world that is driven along it again must come to the same. */
  private readonly digests: string[] = [];
  private readonly seen = new Map<string, Future>();
  private readonly outcomes = new Set<string>();
  private readonly crashed = new Set<string>();
  private runs = 0;
  // Of the action that is running:
  private step: Step = { action: 0, interruptions: [] };
  private looks = 0;
  private interrupted = 0;
  private isVoid = false;
  /** The path led to an end. */
  private isEnd = false;
  private openings: Opening[] = [];
  /** Accesses of interrupting steps that run now: words read, words written. */
  private readonly footprints: { readonly read: Set<number>; readonly written: Set<number> }[] = [];

  constructor(
    setting: Setting,
    records: readonly Uint8Array[],
    private readonly checks: Checks,
    private readonly limits: Limits,
  ) {
    this.world = new SmallWorld(setting, records);
    this.world.onCrashable = () => this.crash();
    this.world.onLook = (word, isWrite, others) => this.look(word, isWrite, others);
    this.putBack = remember(
      this.world,
      (object) => object instanceof CommandEncoder || object === setting || object === records,
    );
  }

  all(): Explored {
    return this.world.looking(() => {
      try {
        this.crash();
        this.digests.push(digest(this.world));
        const { schedules, longest } = this.visit(this.limits.interruptions);
        return {
          schedules,
          longest,
          outcomes: [...this.outcomes].sort(),
          worlds: this.seen.size,
          crashes: this.crashed.size,
          runs: this.runs,
        };
      } catch (error) {
        if (error instanceof BrokenSchedule) throw error;
        const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
        throw new BrokenSchedule(`${text}\nin the schedule\n${this.describe()}`);
      }
    });
  }

  /** Searches from the world at the end of the path, which the world is in now. */
  private visit(interruptions: number): Future {
    let schedules = 0n;
    let longest = 0;
    let isThere = true;
    const add = (future: Future) => {
      schedules += future.schedules;
      longest = Math.max(longest, 1 + future.longest);
    };
    for (let action = 0; action < this.world.actions.length; action++) {
      const plain: Step = { action, interruptions: [] };
      if (!isThere) this.runPath();
      isThere = !this.run(plain);
      if (isThere) {
        if (!this.limits.isReduced) this.checkPlace('what did nothing changed the world');
        continue;
      }
      const openings = this.openings;
      add(this.follow(plain, interruptions));
      if (interruptions > 0) this.interrupt(plain, openings, interruptions - 1, add);
    }
    if (schedules > 0n) return { interruptions, schedules, longest };
    this.end();
    return { interruptions, schedules: 1n, longest: 0 };
  }

  /** Tries a step again with one more interruption, at each of its openings. @param left interruptions that remain */
  private interrupt(
    step: Step,
    openings: readonly Opening[],
    left: number,
    add: (future: Future) => void,
  ): void {
    for (const { look, others } of openings) {
      this.world.actions.forEach(({ actor }, action) => {
        if ((others & (1 << actor)) === 0) return;
        const more: Step = {
          action: step.action,
          interruptions: [...step.interruptions, { look, action }],
        };
        this.runPath();
        this.run(more);
        if (this.isVoid) return;
        const further = this.openings;
        add(this.follow(more, left));
        if (left > 0) this.interrupt(more, further, left - 1, add);
      });
    }
  }

  /** Goes on behind a step that was just run. */
  private follow(step: Step, interruptions: number): Future {
    this.crash();
    const now = digest(this.world);
    const known = this.limits.isReduced ? this.seen.get(now) : undefined;
    if (known !== undefined && known.interruptions >= interruptions) return known;
    this.path.push(step);
    this.digests.push(now);
    const future = this.visit(interruptions);
    this.path.pop();
    this.digests.pop();
    this.seen.set(now, future);
    return future;
  }

  /** Puts the world back and drives it along the path. */
  private runPath(): void {
    this.putBack();
    this.runs++;
    for (const step of this.path) this.run(step);
    this.checkPlace('the same path led to another world');
  }

  /** The world is at the end of the path. */
  private checkPlace(otherwise: string): void {
    if (digest(this.world) !== this.digests[this.path.length]) throw new Error(otherwise);
  }

  /** Runs one step with its interruptions. @returns whether anything happened */
  private run(step: Step): boolean {
    this.step = step;
    this.looks = 0;
    this.interrupted = 0;
    this.isVoid = false;
    this.openings = [];
    const worked = this.world.perform(step.action);
    if (this.interrupted < step.interruptions.length) this.isVoid = true;
    return worked;
  }

  /** An actor has accessed a word. */
  private look(word: number, isWrite: boolean, others: ActorSet): void {
    for (const { read, written } of this.footprints) (isWrite ? written : read).add(word);
    if (others === 0 && this.limits.isReduced) return;
    const touched = { read: new Set<number>(), written: new Set<number>() };
    (isWrite ? touched.written : touched.read).add(word);
    let tried = this.limits.isReduced ? others : -1;
    for (;;) {
      const look = this.looks++;
      const next = this.step.interruptions[this.interrupted];
      if (next === undefined) {
        this.openings.push({ look, others: tried });
        return;
      }
      if (next.look !== look) return;
      this.interrupted++;
      const footprint = { read: new Set<number>(), written: new Set<number>() };
      this.footprints.push(footprint);
      const worked = this.world.perform(next.action);
      this.footprints.pop();
      if (!worked || (this.limits.isReduced && !conflict(touched, footprint))) this.isVoid = true;
      // Behind it others may follow whom it concerns.
      for (const one of footprint.read) touched.read.add(one);
      for (const one of footprint.written) touched.written.add(one);
      tried = -1;
    }
  }

  private crash(): void {
    const key = crashOf(this.world);
    if (this.crashed.has(key)) return;
    this.crashed.add(key);
    this.checks.crash(this.world);
  }

  private end(): void {
    const key = outcomeOf(this.world);
    if (this.outcomes.has(key)) return;
    this.outcomes.add(key);
    this.isEnd = true;
    this.checks.end(this.world);
    this.isEnd = false;
  }

  /** The schedule in words. */
  private describe(): string {
    const { actions, setting } = this.world;
    const steps = this.isEnd ? this.path : [...this.path, this.step];
    const lines = steps.map(({ action, interruptions }) => {
      const within = interruptions.map(
        (interruption) => `, behind its look ${interruption.look}: ${actions[interruption.action]!.name}`,
      );
      return `  ${actions[action]!.name}${within.join('')}`;
    });
    const clients = setting.programs.map(
      (program, client) => `  client ${client}: ${program.map(textOf).join(', then ')}`,
    );
    return [...lines, 'where', ...clients].join('\n');
  }
}

function textOf(item: Item): string {
  if ('passMs' in item) return `${item.passMs} ms pass`;
  if ('batch' in item) return `a batch of ${item.batch.map(textOf).join(' and ')}`;
  const op = Object.entries(Op).find(([, n]) => n === item.op)![0];
  return `${op} ${item.id} (home: shard ${item.shard}) ${item.accounts.join(' ')}`.trimEnd();
}

/** What is durable and what was told, with what was durable when it was asked. */
function outcomeOf({ store, clients }: SmallWorld): string {
  return [store.hash.value, ...clients.map(({ hash, begun, open }) => `${hash.value}:${begun}:${open}`)].join(
    ' ',
  );
}

/** What a crash leaves: what is durable, what was told, and the commands that were not answered. */
function crashOf({ store, clients }: SmallWorld): string {
  return [
    store.hash.value,
    ...clients.map(({ toldHash, begun, open }) => `${toldHash.value}:${open > 0 ? begun : 0}:${open}`),
  ].join(' ');
}

/** Whether two sets of accesses depend on each other: one writes what the other reads or writes. */
function conflict(
  one: { readonly read: Set<number>; readonly written: Set<number> },
  other: { readonly read: Set<number>; readonly written: Set<number> },
): boolean {
  for (const word of one.written) if (other.read.has(word) || other.written.has(word)) return true;
  for (const word of one.read) if (other.written.has(word)) return true;
  return false;
}
