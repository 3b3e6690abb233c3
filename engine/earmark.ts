import type { Accounts } from './accounts.js';
import { noStanding, Plan, type Standing } from './ledger.js';

/** What stands on accounts and waits for them, in memory only. The rules are the owner's (see `owner.ts`). */

/** Legs that an ask has room for; one for more is made for it alone. */
const ASK_LEGS = 8;

/** An account, or the original of reversals, while something stands on it or waits for it. Those of accounts are used again. */
export class Resource {
  /** What the standing earmarks may do to an account, once {@link isCounted}. */
  readonly standing: Standing = noStanding();
  /**
   * Whether the standing earmarks are counted in `standing`. They are when somebody is judged against them, and from then on until none stands:
   * most come and go alone, and counting costs a score of bigints each time.
   */
  isCounted = false;
  /** Of an original: what standing reversals take, by leg. */
  readonly taken: bigint[] = [];
  readonly earmarks: Ask[] = [];
  readonly queue: (Ask | Change)[] = [];

  constructor(
    /** Row of the account, or entry of the original's id; -1 once forgotten. */
    public key: number,
    readonly isOriginal: boolean,
  ) {}

  /** Adds an earmark. @param at this resource's place in it */
  add(earmark: Ask, at: number): void {
    earmark.places[at] = this.earmarks.length;
    this.earmarks.push(earmark);
  }

  /** Takes an earmark away; the last one takes its place. */
  remove(earmark: Ask, at: number): void {
    const last = this.earmarks.pop()!;
    if (last === earmark) return;
    const place = earmark.places[at]!;
    this.earmarks[place] = last;
    last.places[last.resources.indexOf(this)] = place;
  }

  /** None stands any more. @throws Error when the sums say otherwise */
  stopCounting(): void {
    for (const sum of Object.values(this.standing))
      if (sum !== 0n) throw new Error(`${sum} stands on account ${this.key} without an earmark`);
    this.isCounted = false;
  }
}

/** What a reversal takes from its original, at the original's home. */
export interface OriginalPart {
  readonly entry: number;
  readonly fingerprint: Uint32Array;
  /** The highest LSN that this answer depends on. */
  readonly lsn: number;
  /** By leg of the original. */
  readonly amounts: readonly bigint[];
  readonly taken: readonly bigint[];
  /** The reversal's postings, as they will be counted when it settles: leg of the original, amount. */
  readonly postingLegs: Uint8Array;
  readonly postingAmounts: BigInt64Array;
}

/** A request of a home for this shard's part of a transaction; once granted, the earmark. Used again: nothing may refer to one that has ended. */
export class Ask {
  home = -1;
  /** The job at its home. */
  slot = -1;
  kind = 0;
  legs = 0;
  /** What it does to accounts of this shard. */
  readonly plan: Plan;
  original: OriginalPart | undefined;
  /** By account of the plan; then the original's. */
  readonly resources: Resource[] = [];
  /** Its place among the earmarks of each. */
  readonly places: Int32Array;
  readonly reads: Read[] = [];
  refusal: { row: number; wait: number; available: bigint; required: bigint } | undefined;

  private constructor(legs: number) {
    this.plan = new Plan(legs);
    this.places = new Int32Array(legs + 1);
  }

  static take(pool: Ask[], legs: number): Ask {
    return legs > ASK_LEGS ? new Ask(legs) : (pool.pop() ?? new Ask(ASK_LEGS));
  }

  /** Forgets what it was about. */
  giveBack(pool: Ask[]): void {
    this.original = undefined;
    this.refusal = undefined;
    while (this.resources.length > 0) this.resources.pop();
    while (this.reads.length > 0) this.reads.pop();
    if (this.places.length === ASK_LEGS + 1) pool.push(this);
  }
}

/** A change of an account's own properties, waiting for its turn. */
export class Change {
  readonly resources: Resource[] = [];
  announced = false;

  constructor(
    readonly row: number,
    readonly front: number,
    /** The command, copied. */
    readonly command: Uint8Array,
  ) {}
}

/** A read of an account with standing earmarks: the sums as they were, to which earmarks settled by `lsn` are added. */
export class Read {
  waiting = 0;
  debits: bigint;
  credits: bigint;
  debitsPending: bigint;
  creditsPending: bigint;

  constructor(
    readonly row: number,
    readonly front: number,
    readonly slot: number,
    readonly flags: number,
    /** The counter when the read came: what the answer is true at. */
    readonly lsn: number,
    accounts: Accounts,
  ) {
    this.debits = accounts.debitsPosted(row);
    this.credits = accounts.creditsPosted(row);
    this.debitsPending = accounts.debitsPending(row);
    this.creditsPending = accounts.creditsPending(row);
  }

  add(earmark: Ask): void {
    const { plan } = earmark;
    const at = plan.rows.indexOf(this.row);
    this.debits += plan.debits[at]!;
    this.credits += plan.credits[at]!;
    this.debitsPending += plan.debitsPending[at]!;
    this.creditsPending += plan.creditsPending[at]!;
  }
}
