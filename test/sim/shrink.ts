import type { Outcome, WorldOptions } from './outcome.js';
import { play } from './world.js';

/** Worlds that are played at most to make a failing one smaller. */
const PLAYS_MAX = 600;
/** Orders of turns that are tried for each smaller world. */
const ORDERS = 3;

/** A failing world that got as small as it would. */
export interface Shrunk {
  readonly options: WorldOptions;
  readonly outcome: Outcome;
}

/** What a finding is about, whatever the numbers in it. */
export function kindOf(finding: Error): string {
  return finding.message
    .split('\n', 1)[0]!
    .replace(/[0-9]+/g, 'N')
    .slice(0, 40);
}

/**
 * Leaves out of a failing world what it fails without: faults, shards, then the clients' actions, in ever smaller groups. The order of turns
 * changes with whatever is left out, so for each smaller world a few orders are tried.
 * @throws when the world does not fail twice in the same way
 */
export function shrink(failing: WorldOptions): Shrunk {
  const first = play(failing);
  const second = play(failing);
  if (first.finding === undefined) throw new Error(`seed ${failing.seed} does not fail`);
  if (first.script().join() !== second.script().join())
    throw new Error(`seed ${failing.seed} does not do the same thing twice`);
  if (first.finding.message !== second.finding?.message)
    throw new Error(
      `seed ${failing.seed} is found at fault with "${first.finding.message}", then with "${second.finding?.message}"`,
    );
  return new Shrinking(failing, first).run();
}

class Shrinking {
  private best: Shrunk;
  private readonly kind: string;
  private plays = 0;

  constructor(options: WorldOptions, outcome: Outcome) {
    this.best = { options, outcome };
    this.kind = kindOf(outcome.finding!);
  }

  run(): Shrunk {
    const { actionsDone, faultsBegun } = this.best.outcome;
    // What comes after the finding cannot matter.
    this.try({ actions: new Set(actionsDone), faults: new Set(faultsBegun) });
    this.dropFaults();
    for (const shards of [1, 2, 3]) if (this.try({ shards })) break;
    this.dropActions();
    this.dropFaults();
    return this.best;
  }

  /** Plays a smaller world. @returns whether it fails in the same way, and so is the best now */
  private try(change: Partial<WorldOptions>): boolean {
    const { order = 0 } = this.best.options;
    for (let i = 0; i < ORDERS && this.plays < PLAYS_MAX; i++) {
      this.plays++;
      const options = { ...this.best.options, ...change, order: order + i };
      const outcome = play(options);
      if (outcome.finding === undefined || kindOf(outcome.finding) !== this.kind) continue;
      this.best = { options, outcome };
      return true;
    }
    return false;
  }

  private dropFaults(): void {
    for (const fault of this.best.options.faults ?? [])
      this.try({ faults: new Set([...this.best.options.faults!].filter((other) => other !== fault)) });
  }

  private dropActions(): void {
    const all = this.best.options.actions;
    if (all === undefined) return;
    for (let size = all.size >> 1; size >= 1; size >>= 1) {
      const actions = [...this.best.options.actions!];
      for (let from = 0; from < actions.length; from += size) {
        const group = new Set(actions.slice(from, from + size));
        this.try({
          actions: new Set([...this.best.options.actions!].filter((action) => !group.has(action))),
        });
      }
    }
  }
}
