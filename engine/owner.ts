import { type Accounts, CONTENDED } from './accounts.js';
import { CODES } from './codes.js';
import { Ask, Change, type OriginalPart, type Read, Resource } from './earmark.js';
import {
  applyPlan,
  highChange,
  judge,
  lowChange,
  PARK,
  type Plan,
  type Standing,
  shortfall,
  YES,
} from './ledger.js';
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
  /** Earmarks by home, then by job. */
  private readonly earmarks: (Ask | undefined)[][];
  /** Earmarks standing; for metrics. */
  standing = 0;
  /** Asks and resources of accounts that ended, to be used again. */
  private readonly asks: Ask[] = [];
  private readonly resources: Resource[] = [];
  /** What {@link retry} has to look at; empty outside of it. */
  private readonly todo: Resource[] = [];
  private readonly accounts: Accounts;

  constructor(
    private readonly state: State,
    private readonly answers: OwnerAnswers,
  ) {
    this.accounts = state.accounts;
    this.earmarks = Array.from({ length: state.shards }, () => []);
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
    return (this.byAccount.get(row)?.earmarks.length ?? 0) > 0;
  }

  /** An ask to be filled and put, or given back. @param legs of the transaction */
  newAsk(legs: number): Ask {
    return Ask.take(this.asks, legs);
  }

  /** Takes back an ask that nothing refers to. */
  giveBack(ask: Ask): void {
    ask.giveBack(this.asks);
  }

  /** Decides or parks a request; the answer comes through {@link OwnerAnswers}, perhaps before this returns. */
  ask(ask: Ask): void {
    const { plan, resources } = ask;
    for (let at = 0; at < plan.n; at++) resources.push(this.accountResource(plan.rows[at]!));
    if (ask.original !== undefined) resources.push(this.originalResource(ask.original.entry));
    const mayPark = ask.kind !== RecordKind.void && ask.kind !== RecordKind.expire;
    if ((mayPark && hasQueue(resources)) || !this.decide(ask)) {
      for (const resource of resources) resource.queue.push(ask);
    } else if (ask.refusal !== undefined) this.giveBack(ask);
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
    read.waiting = resource.earmarks.length;
    for (const earmark of resource.earmarks) earmark.reads.push(read);
  }

  /** The transaction was given an LSN: its changes are made. */
  settle(home: number, slot: number, lsn: number): void {
    const earmark = this.take(home, slot);
    applyPlan(earmark.plan, this.accounts, lsn);
    if (earmark.original !== undefined) this.answers.reversed(earmark, lsn);
    this.end(earmark, lsn);
  }

  /** The transaction was refused elsewhere: its claim is gone. */
  release(home: number, slot: number): void {
    this.end(this.take(home, slot), Number.POSITIVE_INFINITY);
  }

  private take(home: number, slot: number): Ask {
    const earmarks = this.earmarks[home]!;
    const earmark = earmarks[slot];
    if (earmark === undefined) throw new Error(`no earmark of job ${slot} of shard ${home}`);
    earmarks[slot] = undefined;
    this.standing--;
    return earmark;
  }

  private end(earmark: Ask, lsn: number): void {
    const { resources, reads } = earmark;
    for (let at = 0; at < resources.length; at++) {
      const resource = resources[at]!;
      resource.remove(earmark, at);
      if (resource.isOriginal) countOriginal(resource, earmark, -1n);
      else if (resource.isCounted) {
        this.count(resource, earmark, at, -1n);
        if (resource.earmarks.length === 0) resource.stopCounting();
      }
    }
    for (const read of reads) {
      if (lsn <= read.lsn) read.add(earmark);
      if (--read.waiting === 0) this.answers.readDone(read);
    }
    this.retry(resources);
    this.giveBack(earmark);
  }

  /** Decides what is first in its queues, as far as that goes, and forgets resources that nothing is about any more. */
  private retry(resources: readonly Resource[]): void {
    const { todo } = this;
    for (const resource of resources) todo.push(resource);
    for (let resource = todo.pop(); resource !== undefined; resource = todo.pop()) {
      const first = resource.queue[0];
      if (first === undefined) {
        if (resource.earmarks.length === 0) this.forget(resource);
        continue;
      }
      if (first instanceof Change) {
        if (resource.earmarks.length === 0 && !first.announced) {
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
      if (first.refusal !== undefined) this.giveBack(first);
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
        if (resource.earmarks.length === 0 && resource.queue.length === 0) this.forget(resource);
      return true;
    }
    const { resources } = ask;
    for (let at = 0; at < resources.length; at++) {
      const resource = resources[at]!;
      resource.add(ask, at);
      if (resource.isOriginal) countOriginal(resource, ask, 1n);
      else if (resource.isCounted) this.count(resource, ask, at, 1n);
    }
    this.earmarks[ask.home]![ask.slot] = ask;
    this.standing++;
    this.answers.yes(ask);
    return true;
  }

  private judgeAccounts(ask: Ask): number {
    let parked: number = YES;
    const { plan } = ask;
    for (let at = 0; at < plan.n; at++) {
      const row = plan.rows[at]!;
      const standing = this.standingOn(ask.resources[at]!);
      const verdict = judge(this.accounts, row, plan, at, standing);
      // This refusal tells figures. A standing earmark may be decided already and its settle on the way: they must show it.
      if (verdict === CODES.insufficient_funds.n && standing !== null) parked = PARK;
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

  /** What the earmarks standing on an account may do to it; null when none stands. */
  private standingOn(resource: Resource): Standing | null {
    if (resource.earmarks.length === 0) return null;
    if (!resource.isCounted) {
      resource.isCounted = true;
      for (const earmark of resource.earmarks)
        this.count(resource, earmark, earmark.resources.indexOf(resource), 1n);
    }
    return resource.standing;
  }

  /** Adds an earmark to (or takes it from) what stands on an account. @param at the account's place in it */
  private count(resource: Resource, { plan }: Ask, at: number, sign: bigint): void {
    const sums = [
      plan.debits[at]!,
      plan.credits[at]!,
      plan.debitsPending[at]!,
      plan.creditsPending[at]!,
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
      resource = this.resources.pop() ?? new Resource(row, false);
      resource.key = row;
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

  /** Nothing stands on a resource or waits for it any more. It may be forgotten already. */
  private forget(resource: Resource): void {
    const { key } = resource;
    if (key < 0) return;
    resource.key = -1;
    if (resource.isOriginal) this.byOriginal.delete(key);
    else {
      this.byAccount.delete(key);
      this.accounts.setFlag(key, CONTENDED, false);
      this.resources.push(resource);
    }
  }
}

function hasQueue(resources: readonly Resource[]): boolean {
  for (const resource of resources) if (resource.queue.length > 0) return true;
  return false;
}

/** Adds a reversal to (or takes it from) what stands on its original. */
function countOriginal(resource: Resource, ask: Ask, sign: bigint): void {
  const { taken } = ask.original!;
  for (let leg = 0; leg < taken.length; leg++)
    resource.taken[leg] = (resource.taken[leg] ?? 0n) + sign * taken[leg]!;
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
