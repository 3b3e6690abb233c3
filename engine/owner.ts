import { type Accounts, CONTENDED } from './accounts.js';
import { CODES } from './codes.js';
import { type Ask, Change, type OriginalPart, type Read, Resource } from './earmark.js';
import { applyPlan, highChange, judge, lowChange, PARK, type Plan, shortfall, YES } from './ledger.js';
import { RecordKind } from './record.js';
import type { State } from './state.js';

/**
 * The owner's side of transactions that cross shards, and of everything that must wait for them.
 *
 * The naive ways fail at a till. Locking accounts for the time of two hops makes a hot account wait for the slowest
 * transaction on it. Applying optimistically and undoing shows money that was never there. Refusing while in doubt refuses a sale
 * because of another that then failed.
 *
 * So an owner **earmarks**: it grants a change only if every outcome of the earmarks standing on the account allows it (outflow counts at
 * once, inflow only when settled), refuses only if none does, and otherwise **parks** the request until an earmark is settled or released.
 *
 * Invariants
 * - Limits hold whichever of the standing earmarks settle, so settling is never refused.
 * - A shortage is told only with nothing standing on the account, so the figures that it names are settled ones.
 * - Each account (and each original being reversed) has one queue. A request enters the queues of all it touches at once, is decided
 *   only when it is first in all of them, and nothing new on these accounts is decided before it. So there is no overtaking, and with homes asking
 *   shards in ascending order no circle of waiting.
 * - Void and expiry only give room back: they are granted at once, past any queue, and still stand as earmarks, so that reads wait for them.
 * - An account's own changes (limits, freeze, close) queue like requests and are decided when nothing stands on the account.
 * - A read fixes the LSN it speaks for when it comes: it waits for the earmarks then standing and counts those in that
 *   settled at or below that LSN. Later ones get later LSNs.
 */
export class Owner {
  private readonly byAccount = new Map<number, Resource>();
  private readonly byOriginal = new Map<number, Resource>();
  private readonly earmarks = new Map<number, Ask>();
  private readonly accounts: Accounts;

  constructor(
    private readonly state: State,
    private readonly answers: OwnerAnswers,
  ) {
    this.accounts = state.accounts;
  }

  /** Earmarks standing; for metrics. */
  get standing(): number {
    return this.earmarks.size;
  }

  /** Whether anything of the plan has earmarks or a queue, so that the quick way is closed. */
  isContended(plan: Plan): boolean {
    for (let at = 0; at < plan.n; at++) if (this.accounts.flags(plan.rows[at]!) & CONTENDED) return true;
    return false;
  }

  isAccountContended(row: number): boolean {
    return (this.accounts.flags(row) & CONTENDED) !== 0;
  }

  hasEarmarks(row: number): boolean {
    return (this.byAccount.get(row)?.earmarks.size ?? 0) > 0;
  }

  /** Decides or parks a request; the answer comes through {@link OwnerAnswers}, perhaps before this returns. */
  ask(ask: Ask): void {
    for (const row of ask.rows) ask.resources.push(this.accountResource(row));
    if (ask.original !== undefined) ask.resources.push(this.originalResource(ask.original.entry));
    const mayPark = ask.kind !== RecordKind.void && ask.kind !== RecordKind.expire;
    if (mayPark && ask.resources.some((resource) => resource.queue.length > 0)) {
      for (const resource of ask.resources) resource.queue.push(ask);
    } else if (!this.decide(ask)) {
      for (const resource of ask.resources) resource.queue.push(ask);
    }
  }

  /** Queues an account's change until nothing stands on the account; it is then announced, and ends with {@link changed}. */
  change(change: Change): void {
    const resource = this.accountResource(change.row);
    change.resources.push(resource);
    resource.queue.push(change);
    this.retry([resource]);
  }

  /** The change that was announced has been decided: what waits behind it goes on. */
  changed(change: Change): void {
    const resource = change.resources[0]!;
    resource.queue.shift();
    this.retry([resource]);
  }

  /** Registers a read on an account with standing earmarks; it is announced when they are gone. */
  read(read: Read): void {
    const resource = this.byAccount.get(read.row)!;
    read.waiting = resource.earmarks.size;
    for (const earmark of resource.earmarks) earmark.reads.push(read);
  }

  /** The transaction was given an LSN: its changes are made. */
  settle(home: number, slot: number, lsn: number): void {
    const earmark = this.take(home, slot);
    const { state } = this;
    const plan = state.plan;
    plan.n = earmark.rows.length;
    for (let at = 0; at < plan.n; at++) {
      plan.rows[at] = earmark.rows[at]!;
      plan.debits[at] = earmark.debits[at]!;
      plan.credits[at] = earmark.credits[at]!;
      plan.debitsPending[at] = earmark.debitsPending[at]!;
      plan.creditsPending[at] = earmark.creditsPending[at]!;
    }
    applyPlan(plan, this.accounts, lsn);
    if (earmark.original !== undefined) this.answers.reversed(earmark, lsn);
    this.end(earmark, lsn);
  }

  /** The transaction was refused elsewhere: its claim is gone. */
  release(home: number, slot: number): void {
    this.end(this.take(home, slot), Number.POSITIVE_INFINITY);
  }

  private take(home: number, slot: number): Ask {
    const key = earmarkKey(home, slot);
    const earmark = this.earmarks.get(key);
    if (earmark === undefined) throw new Error(`no earmark of job ${slot} of shard ${home}`);
    this.earmarks.delete(key);
    return earmark;
  }

  private end(earmark: Ask, lsn: number): void {
    for (const resource of earmark.resources) {
      resource.earmarks.delete(earmark);
      this.count(resource, earmark, -1n);
    }
    for (const read of earmark.reads) {
      if (lsn <= read.lsn) read.add(earmark);
      if (--read.waiting === 0) this.answers.readDone(read);
    }
    this.retry(earmark.resources);
  }

  /** Decides what is first in its queues, as far as that goes, and forgets resources that nothing is about any more. */
  private retry(resources: readonly Resource[]): void {
    const todo = resources.slice();
    for (let resource = todo.pop(); resource !== undefined; resource = todo.pop()) {
      const first = resource.queue[0];
      if (first === undefined) {
        if (resource.earmarks.size === 0) this.forget(resource);
        continue;
      }
      if (first instanceof Change) {
        if (resource.earmarks.size === 0 && !first.announced) {
          first.announced = true;
          this.answers.changeReady(first);
        }
        continue;
      }
      if (first.resources.some((other) => other.queue[0] !== first) || !this.decide(first)) continue;
      for (const other of first.resources) {
        other.queue.shift();
        todo.push(other);
      }
    }
  }

  /** @returns false when the request must wait */
  private decide(ask: Ask): boolean {
    let verdict =
      ask.kind === RecordKind.void || ask.kind === RecordKind.expire ? YES : this.judgeAccounts(ask);
    if (verdict <= 0 && ask.original !== undefined) {
      const code = this.judgeOriginal(ask, ask.original);
      if (code > 0 || verdict === YES) verdict = code;
    }
    if (verdict === PARK) return false;
    if (verdict !== YES) {
      this.answers.no(ask, verdict);
      for (const resource of ask.resources)
        if (resource.earmarks.size === 0 && resource.queue.length === 0) this.forget(resource);
      return true;
    }
    for (const resource of ask.resources) {
      resource.earmarks.add(ask);
      this.count(resource, ask, 1n);
    }
    this.earmarks.set(earmarkKey(ask.home, ask.slot), ask);
    this.answers.yes(ask);
    return true;
  }

  private judgeAccounts(ask: Ask): number {
    let parked: number = YES;
    for (let at = 0; at < ask.rows.length; at++) {
      const row = ask.rows[at]!;
      const resource = ask.resources[at]!;
      const verdict = judge(
        this.accounts,
        row,
        ask,
        at,
        resource.earmarks.size === 0 ? null : resource.standing,
      );
      // This refusal tells figures. A standing earmark may be decided already and its settle on the way: they must show it.
      if (verdict === CODES.insufficient_funds.n && resource.earmarks.size > 0) parked = PARK;
      else if (verdict > 0) {
        ask.refusal = {
          row,
          wait: this.accounts.lsn(row),
          available: shortfall.available,
          required: shortfall.required,
        };
        return verdict;
      }
      if (verdict === PARK) parked = PARK;
    }
    return parked;
  }

  /** A reversal may take no more than remains of the original, leg by leg, whichever of the standing ones settle. */
  private judgeOriginal(ask: Ask, original: OriginalPart): number {
    const reversed = this.state.reversed.get(original.entry);
    const resource = ask.resources[ask.resources.length - 1]!;
    let verdict: number = YES;
    for (let leg = 0; leg < original.taken.length; leg++) {
      const remaining = original.amounts[leg]! - (reversed?.sums[leg] ?? 0n);
      const taken = original.taken[leg]!;
      if (taken > remaining) {
        ask.refusal = {
          row: -1,
          wait: Math.max(original.lsn, reversed?.lastLsn ?? 0),
          available: 0n,
          required: 0n,
        };
        return CODES.exceeds_original.n;
      }
      if (taken > remaining - (resource.taken[leg] ?? 0n)) verdict = PARK;
    }
    return verdict;
  }

  /** Adds an earmark to (or takes it from) what stands on a resource. */
  private count(resource: Resource, ask: Ask, sign: bigint): void {
    if (resource.isOriginal) {
      const taken = ask.original!.taken;
      for (let leg = 0; leg < taken.length; leg++)
        resource.taken[leg] = (resource.taken[leg] ?? 0n) + sign * taken[leg]!;
      return;
    }
    const at = ask.rows.indexOf(resource.key);
    const sums = [
      ask.debits[at]!,
      ask.credits[at]!,
      ask.debitsPending[at]!,
      ask.creditsPending[at]!,
    ] as const;
    const isDebitNormal = this.accounts.isDebitNormal(resource.key);
    const { standing } = resource;
    const low = sign * lowChange(isDebitNormal, ...sums);
    const high = sign * highChange(isDebitNormal, ...sums);
    const debits = sign * (sums[0] + sums[2]);
    const credits = sign * (sums[1] + sums[3]);
    // With the sign turned, a change of the opposite direction is taken out of the sum it was added to.
    if (low * sign < 0n) standing.lowDown -= low;
    else standing.lowUp += low;
    if (high * sign < 0n) standing.highDown -= high;
    else standing.highUp += high;
    if (debits * sign < 0n) standing.debitsDown -= debits;
    else standing.debitsUp += debits;
    if (credits * sign < 0n) standing.creditsDown -= credits;
    else standing.creditsUp += credits;
  }

  private accountResource(row: number): Resource {
    let resource = this.byAccount.get(row);
    if (resource === undefined) {
      resource = new Resource(row, false);
      this.byAccount.set(row, resource);
      this.accounts.setFlag(row, CONTENDED, true);
    }
    return resource;
  }

  private originalResource(entry: number): Resource {
    let resource = this.byOriginal.get(entry);
    if (resource === undefined) {
      resource = new Resource(entry, true);
      this.byOriginal.set(entry, resource);
    }
    return resource;
  }

  private forget(resource: Resource): void {
    if (resource.isOriginal) this.byOriginal.delete(resource.key);
    else {
      this.byAccount.delete(resource.key);
      this.accounts.setFlag(resource.key, CONTENDED, false);
    }
  }
}

function earmarkKey(home: number, slot: number): number {
  return home * 4294967296 + slot;
}

/** Where an owner's decisions go. */
export interface OwnerAnswers {
  yes(ask: Ask): void;
  no(ask: Ask, code: number): void;
  /** A settled earmark was a reversal of an original kept here. */
  reversed(ask: Ask, lsn: number): void;
  readDone(read: Read): void;
  /** Nothing stands on the account and the change is first: decide it, then call {@link Owner.changed}. */
  changeReady(change: Change): void;
}
