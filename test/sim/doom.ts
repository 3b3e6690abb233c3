import { LOOKED, type Looked } from './plan.js';

/** When the process dies, if it is to: after so many looks, or turns. */
export class Doom {
  isDead = false;
  private looksLeft: number | undefined;
  private counted: Looked = LOOKED.memory;
  private turnsLeft: number | undefined;

  /** The death is fixed, but has not come. */
  get isNear(): boolean {
    return this.looksLeft !== undefined || this.turnsLeft !== undefined;
  }

  /** It has a thread that died. */
  get isAiling(): boolean {
    return this.turnsLeft !== undefined;
  }

  /** A new process. */
  begin(): void {
    this.isDead = false;
  }

  /** @param counted which looks count: these, and rarer ones. @param looks undefined for no death */
  afterLooks(looks: number | undefined, counted: Looked): void {
    this.looksLeft = looks;
    this.counted = counted;
  }

  /** A thread has died: so the process will, but not at once. */
  afterTurns(turns: number): void {
    this.turnsLeft ??= turns;
  }

  die(): void {
    this.isDead = true;
    this.looksLeft = undefined;
    this.turnsLeft = undefined;
  }

  /** @returns whether the process dies in this look */
  takeLook(at: Looked): boolean {
    return this.looksLeft !== undefined && at >= this.counted && this.looksLeft-- <= 0;
  }

  /** @returns whether the process dies before this turn */
  takeTurn(): boolean {
    return this.turnsLeft !== undefined && this.turnsLeft-- <= 0;
  }
}
