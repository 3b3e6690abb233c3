import type { Accounts } from './accounts.js';
import type { Changes, Plan, Standing } from './ledger.js';

/** What stands on accounts and waits for them, in memory only. The rules are the owner's (see `owner.ts`). */

/** An account, or the original of reversals, while something stands on it or waits for it. */
export class Resource {
  readonly standing: Standing = {
    lowDown: 0n,
    lowUp: 0n,
    highUp: 0n,
    highDown: 0n,
    debitsUp: 0n,
    debitsDown: 0n,
    creditsUp: 0n,
    creditsDown: 0n,
  };
  /** Of an original: what standing reversals take, by leg. */
  readonly taken: bigint[] = [];
  readonly earmarks = new Set<Ask>();
  readonly queue: (Ask | Change)[] = [];

  constructor(
    /** Row of the account, or entry of the original's id. */
    readonly key: number,
    readonly isOriginal: boolean,
  ) {}
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

/** A request of a home for this shard's part of a transaction; once granted, the earmark. */
export class Ask implements Changes {
  readonly rows: number[];
  readonly debits: BigInt64Array;
  readonly credits: BigInt64Array;
  readonly debitsPending: BigInt64Array;
  readonly creditsPending: BigInt64Array;
  /** Row by leg, -1 for legs of other shards. */
  readonly rowOfLeg: Int32Array;
  readonly resources: Resource[] = [];
  readonly reads: Read[] = [];
  refusal: { row: number; wait: number; available: bigint; required: bigint } | undefined;

  constructor(
    readonly home: number,
    readonly slot: number,
    readonly kind: number,
    plan: Plan,
    legs: number,
    readonly original: OriginalPart | undefined,
  ) {
    this.rows = Array.from(plan.rows.subarray(0, plan.n));
    this.debits = plan.debits.slice(0, plan.n);
    this.credits = plan.credits.slice(0, plan.n);
    this.debitsPending = plan.debitsPending.slice(0, plan.n);
    this.creditsPending = plan.creditsPending.slice(0, plan.n);
    this.rowOfLeg = plan.rowOfLeg.slice(0, legs);
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
    const at = earmark.rows.indexOf(this.row);
    this.debits += earmark.debits[at]!;
    this.credits += earmark.credits[at]!;
    this.debitsPending += earmark.debitsPending[at]!;
    this.creditsPending += earmark.creditsPending[at]!;
  }
}
