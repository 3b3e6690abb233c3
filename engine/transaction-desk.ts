import { allocate } from './capture.js';
import { CODES } from './codes.js';
import { Command, CommandFlag, LOOKUP_REVERSALS, ResultFlag } from './command.js';
import { currencyCode } from './currency.js';
import type { OriginalPart } from './earmark.js';
import type { Hold } from './holds.js';
import { derive, FACT_REVERSAL, IdKind } from './ids.js';
import type { Job } from './job.js';
import { applyPlan, fillPlan, judge, judgeCurrencies, mismatch, shortfall } from './ledger.js';
import { POSTINGS_MAX } from './limits.js';
import { Has, Leg, RecordKind, RecordView, RecordWriter } from './record.js';
import type { Memory, Shard } from './shard.js';

/** Commands about transaction ids, at their home. */
export class TransactionDesk {
  private readonly view = new RecordView();
  private readonly holdView = new RecordView();
  private readonly payload = new RecordWriter();
  private readonly fp = new Uint32Array(4);
  private readonly currencies = new Float64Array(POSTINGS_MAX);
  private readonly captured = new BigInt64Array(POSTINGS_MAX);
  /** Due holds whose id has a job; looked at again on the next tick. */
  private deferred: Hold[] = [];

  constructor(private readonly shard: Shard) {}

  /**
   * Loads the fingerprint and queues the command if its id has a job, or if an entry before it in its batch waits so.
   * @param batch the number of its batch, or 0
   * @returns whether it must wait
   */
  private mustWait(front: number, memory: Memory, m: number, batch = 0): boolean {
    const { fp } = this;
    const { home } = this.shard;
    const at = (m + Command.fingerprint) >> 2;
    fp[0] = memory.u32[at]!;
    fp[1] = memory.u32[at + 1]!;
    fp[2] = memory.u32[at + 2]!;
    fp[3] = memory.u32[at + 3]!;
    const job = home.findBatch(front, batch) ?? home.find(fp);
    if (job === undefined) return false;
    home.wait(job, { front, command: copyCommand(memory, m) }, batch);
    return true;
  }

  private find(): number {
    const { fp } = this;
    return this.shard.state.ids.find(fp[0]!, fp[1]!, fp[2]!, fp[3]!);
  }

  /**
   * A transaction, hold or reversal. All on this shard and nothing in the way: validate, then the point of no return, then apply, in one
   * go (no message, no garbage but bigints). Otherwise it becomes a job.
   */
  create(front: number, memory: Memory, m: number, kind: number): void {
    if (this.mustWait(front, memory, m, memory.u32[(m + Command.argument) >> 2]!)) return;
    const { shard, view } = this;
    const { state, out } = shard;
    const slot = memory.u32[(m + Command.slot) >> 2]!;
    const c0 = memory.u32[(m + Command.content) >> 2]!;
    const c1 = memory.u32[(m + Command.content + 4) >> 2]!;
    const known = this.find();
    if (known >= 0) {
      this.answerKnown(front, slot, known, c0, c1);
      return;
    }
    const refusedAlready = memory.bytes[m + Command.code]!;
    if (refusedAlready !== 0) {
      out.answer(front, slot, refusedAlready, 0, 0, 0, 0);
      return;
    }
    const flags = memory.bytes[m + Command.flags]!;
    const wordsAt = (m + Command.header) >> 2;
    const words = memory.view.getUint16(m + Command.words, true);
    const presence = memory.view.getUint16(m + Command.presence, true);
    const n = memory.bytes[m + Command.n]!;
    view.over(memory.bytes, memory.view).readPayload(m + Command.header + words * 4, kind, n, presence);
    const { plan, accounts } = state;
    const tenant = state.tenantOf(view);
    const bad = fillPlan(plan, view, memory.u32, wordsAt, accounts, tenant.number, state.shard, state.shards);
    if (bad !== 0) {
      shard.refuse(front, slot, flags, bad, 0, {
        account: view.account(plan.leg),
        available: '',
        required: '',
        shortage: '',
      });
      return;
    }
    const currency = view.has(Has.currency) ? currencyCode(view.currency) : 0;
    if (plan.remote > 0 || kind === RecordKind.reversal || shard.owner.isContended(plan)) {
      const job = shard.home.newJob();
      job.begin(front, slot, flags, this.fp, kind, n, presence, c0, c1);
      job.copyBody(memory.u32, wordsAt, words, memory.u32[(m + Command.payloadBytes) >> 2]!);
      job.currency = currency;
      shard.home.start(job);
      return;
    }

    for (let leg = 0; leg < n; leg++) this.currencies[leg] = accounts.currencyCode(plan.rowOfLeg[leg]!);
    const wrong = judgeCurrencies(view, this.currencies, currency, (flags & CommandFlag.shareCurrency) !== 0);
    if (wrong !== 0) {
      const account = wrong === CODES.currency_mismatch.n ? view.account(mismatch.leg) : '';
      const wait = out.env.claimedLsn();
      shard.refuse(front, slot, flags, wrong, wait, { account, available: '', required: '', shortage: '' });
      return;
    }
    for (let at = 0; at < plan.n; at++) {
      const row = plan.rows[at]!;
      const code = judge(accounts, row, plan, at, null);
      if (code !== 0) {
        const detail =
          flags & CommandFlag.full
            ? shard.detailOf(row, code, shortfall.available, shortfall.required)
            : undefined;
        shard.refuse(front, slot, flags, code, accounts.lsn(row), detail);
        return;
      }
    }

    // Point of no return: from here to the answer nothing can fail.
    const lsn = out.env.claimLsn();
    out.record(lsn, kind, n, presence, c0, c1, view.view, view.from, view.end);
    applyPlan(plan, accounts, lsn);
    const entry = state.remember(this.fp, kind, lsn, c0, c1);
    if (kind === RecordKind.pending) state.openHold(entry, this.fp, lsn, view, memory.u32, wordsAt);
    if ((flags & CommandFlag.full) === 0) {
      out.answer(front, slot, CODES.ok.n, 0, 0, lsn, lsn);
      return;
    }
    this.payload.start();
    for (let leg = 0; leg < n; leg++) this.payload.i64(accounts.balance(plan.rowOfLeg[leg]!));
    out.answerWith(front, slot, CODES.ok.n, 0, n, lsn, lsn, this.payload);
  }

  /** An id that was seen before: a copy, or another body under its name. */
  private answerKnown(front: number, slot: number, entry: number, c0: number, c1: number): void {
    const { ids } = this.shard.state;
    const lsn = ids.lsn(entry);
    const kind = ids.kind(entry);
    let code: number = CODES.id_reused.n;
    if (kind === IdKind.tombstone) code = CODES.already_voided.n;
    else if (ids.sameContent(entry, c0, c1)) code = CODES.duplicate.n;
    this.shard.out.answer(
      front,
      slot,
      code,
      ResultFlag.known,
      kind,
      code === CODES.duplicate.n ? lsn : 0,
      lsn,
    );
  }

  /** Post or void. */
  end(front: number, memory: Memory, m: number, kind: number): void {
    if (this.mustWait(front, memory, m)) return;
    const { shard, view, fp } = this;
    const { state, out } = shard;
    const { ids } = state;
    const slot = memory.u32[(m + Command.slot) >> 2]!;
    const flags = memory.bytes[m + Command.flags]!;
    const c0 = memory.u32[(m + Command.content) >> 2]!;
    const c1 = memory.u32[(m + Command.content + 4) >> 2]!;
    const presence = memory.view.getUint16(m + Command.presence, true);
    view
      .over(memory.bytes, memory.view)
      .readPayload(m + Command.header, kind, memory.bytes[m + Command.n]!, presence);
    const entry = this.find();
    if (entry < 0) {
      if (kind === RecordKind.void) this.tombstone(front, slot, presence, c0, c1);
      else out.answer(front, slot, CODES.transaction_not_found.n, 0, 0, 0, 0);
      return;
    }
    if ((flags & CommandFlag.ifUnknown) !== 0) {
      out.answer(front, slot, CODES.forbidden.n, 0, 2, 0, ids.lsn(entry));
      return;
    }
    const was = ids.kind(entry);
    if (was === IdKind.tombstone) {
      const same = kind === RecordKind.void && ids.sameContent(entry, c0, c1);
      const lsn = ids.lsn(entry);
      out.answer(front, slot, same ? CODES.ok.n : CODES.already_voided.n, ResultFlag.known, was, lsn, lsn);
      return;
    }
    const hold = state.holds.get(entry);
    if (was !== IdKind.pending) {
      out.answer(front, slot, CODES.not_pending.n, 0, 0, 0, ids.lsn(entry));
    } else if (hold === undefined) {
      this.answerEnded(front, slot, kind, c0, c1);
    } else if (hold.expiresAt > 0 && shard.now >= hold.expiresAt) {
      // The expiry is logged first; the command then finds it.
      this.expire(hold).waiting.push({ front, command: copyCommand(memory, m) });
    } else if (!this.mayEnd(hold, kind, flags)) {
      out.answer(front, slot, CODES.forbidden.n, 0, hold.approval ? 1 : 0, 0, hold.lsn);
    } else {
      const code = allocate(
        hold,
        kind,
        (flags & CommandFlag.amountForm) !== 0,
        view,
        this.holdView,
        this.captured,
      );
      if (code !== 0) {
        out.answer(front, slot, code, 0, 0, 0, hold.lsn);
        return;
      }
      const job = this.endJob(hold, kind, front, slot, flags, fp, presence, c0, c1);
      shard.home.start(job);
    }
  }

  private answerEnded(front: number, slot: number, kind: number, c0: number, c1: number): void {
    const { ids } = this.shard.state;
    const end = this.shard.state.findEnd(this.fp);
    const how = ids.kind(end);
    const lsn = ids.lsn(end);
    const same =
      ids.sameContent(end, c0, c1) &&
      (how === IdKind.endPosted
        ? kind === RecordKind.post
        : how === IdKind.endVoided && kind === RecordKind.void);
    let code: number = CODES.ok.n;
    if (!same) {
      if (how === IdKind.endPosted) code = CODES.already_posted.n;
      else code = how === IdKind.endVoided ? CODES.already_voided.n : CODES.expired.n;
    }
    this.shard.out.answer(front, slot, code, ResultFlag.known, 0, lsn, lsn);
  }

  private tombstone(front: number, slot: number, presence: number, c0: number, c1: number): void {
    const { view, shard } = this;
    const { out } = shard;
    const lsn = out.env.claimLsn();
    out.record(lsn, RecordKind.tombstone, 0, presence, c0, c1, view.view, view.from, view.end);
    shard.state.remember(this.fp, RecordKind.tombstone, lsn, c0, c1);
    out.answer(front, slot, CODES.ok.n, 0, IdKind.tombstone, lsn, lsn);
  }

  /** Who may end a hold: with approval another one who may approve (or, to void it, its creator), else its creator or who may end any. */
  private mayEnd(hold: Hold, kind: number, flags: number): boolean {
    const isCreator = hold.creator === this.view.by;
    if (!hold.approval) return isCreator || (flags & CommandFlag.mayEndAny) !== 0;
    if (kind === RecordKind.void && isCreator) return true;
    return !isCreator && (flags & CommandFlag.mayApprove) !== 0;
  }

  /** The job that ends a hold with what is in {@link captured}; its record names every leg with what is captured and what is released. */
  private endJob(
    hold: Hold,
    kind: number,
    front: number,
    slot: number,
    flags: number,
    fp: Uint32Array,
    presence: number,
    c0: number,
    c1: number,
  ): Job {
    const { view, holdView, captured } = this;
    const payload = this.payload.start();
    if (kind === RecordKind.expire) {
      payload.copy(holdView.bytes, holdView.tenantAt, holdView.tenantLength);
      payload.u8(0);
      payload.u8(0);
      payload.copy(holdView.bytes, holdView.idAt, holdView.idLength);
    } else {
      payload.raw(view.bytes, view.from, view.postingsAt);
    }
    payload.f64(hold.lsn);
    for (let leg = 0; leg < hold.n; leg++) {
      const released = holdView.amounts[leg]! - captured[leg]!;
      const kept = holdView.legFlags[leg]! & (Leg.credit | Leg.tag);
      payload.u8(released > 0n ? kept | Leg.released : kept);
      payload.i64(captured[leg]!);
      payload.copy(holdView.bytes, holdView.accountAt[leg]!, holdView.accountLength[leg]!);
      if (kept & Leg.tag) payload.copy(holdView.bytes, holdView.tagAt[leg]!, holdView.tagLength[leg]!);
      if (released > 0n) payload.i64(released);
    }
    const job = this.shard.home.newJob();
    job.begin(front, slot, flags, fp, kind, hold.n, presence | Has.created, c0, c1);
    job.setBody(hold.words, payload.bytes.subarray(0, payload.at));
    job.hold = hold;
    return job;
  }

  private expire(hold: Hold): Job {
    allocate(hold, RecordKind.expire, false, this.view, this.holdView, this.captured);
    const job = this.endJob(hold, RecordKind.expire, -1, 0, 0, hold.fingerprint, 0, 0, 0);
    this.shard.home.start(job);
    return job;
  }

  /** Starts the expiry of one hold that is due. @returns false when none is */
  expireOne(now: number): boolean {
    const hold = this.shard.state.holds.takeDue(now);
    if (hold === undefined) return false;
    // An end in flight decides first. Should it fail, the next tick finds the hold still due.
    if (this.shard.home.find(hold.fingerprint) === undefined) this.expire(hold);
    else this.deferred.push(hold);
    return true;
  }

  /** Starts the expiry of the open hold with this fingerprint, due or not. @returns false when there is none */
  expireNamed(fp: Uint32Array): boolean {
    const { ids, holds } = this.shard.state;
    const hold = holds.get(ids.find(fp[0]!, fp[1]!, fp[2]!, fp[3]!));
    if (hold === undefined) return false;
    this.expire(hold);
    return true;
  }

  /** A tick: what had to stand back may be due again. */
  tick(): void {
    for (const hold of this.deferred) this.shard.state.holds.push(hold);
    this.deferred = [];
  }

  /** A job's record was handed over: ids and holds follow. */
  decided(job: Job, view: RecordView, lsn: number): void {
    const { state } = this.shard;
    const entry = state.remember(job.fingerprint, job.kind, lsn, job.c0, job.c1);
    if (job.kind === RecordKind.pending) state.openHold(entry, job.fingerprint, lsn, view, job.u32, 0);
    else if (job.hold !== undefined) state.holds.remove(job.hold.entry);
  }

  /** What a reversal takes from the original, which is at home here; or the code that refuses it and the LSN that it rests on. */
  originalPart(
    view: RecordView,
    words: Uint32Array,
    at: number,
  ): OriginalPart | { code: number; wait: number } {
    const { state } = this.shard;
    const { ids } = state;
    const fp = words.slice(at, at + 4);
    const entry = ids.find(fp[0]!, fp[1]!, fp[2]!, fp[3]!);
    if (entry < 0) return { code: CODES.transaction_not_found.n, wait: 0 };
    const kind = ids.kind(entry);
    const end = kind === IdKind.pending ? state.findEnd(fp) : -1;
    const lsn = ids.lsn(end >= 0 ? end : entry);
    const isPosted =
      kind === IdKind.posted || kind === IdKind.reversal || (end >= 0 && ids.kind(end) === IdKind.endPosted);
    if (!isPosted) return { code: CODES.not_posted.n, wait: lsn };
    const legs = words[at + 4]!;
    const amounts: bigint[] = [];
    const taken: bigint[] = [];
    for (let leg = 0; leg < legs; leg++) {
      amounts.push(BigInt(words[at + 5 + 2 * leg]!) | (BigInt(words[at + 6 + 2 * leg]!) << 32n));
      taken.push(0n);
    }
    for (let i = 0; i < view.n; i++) taken[view.legs[i]!] = taken[view.legs[i]!]! + view.amounts[i]!;
    return {
      entry,
      fingerprint: fp,
      lsn,
      amounts,
      taken,
      postingLegs: view.legs.slice(0, view.n),
      postingAmounts: view.amounts.slice(0, view.n),
    };
  }

  /** The facts known of an id, by LSN; the postings are the reader's business. */
  lookup(front: number, memory: Memory, m: number): void {
    if (this.mustWait(front, memory, m)) return;
    const { shard, payload, fp } = this;
    const { state, out } = shard;
    const { ids } = state;
    const slot = memory.u32[(m + Command.slot) >> 2]!;
    const entry = this.find();
    if (entry < 0) {
      out.answer(front, slot, CODES.transaction_not_found.n, 0, 0, 0, 0);
      return;
    }
    const end = ids.kind(entry) === IdKind.pending ? state.findEnd(fp) : -1;
    const reversed = state.reversed.get(entry);
    const first = memory.u32[(m + Command.argument) >> 2]!;
    const last = Math.min(reversed?.count ?? 0, first + LOOKUP_REVERSALS);
    const lsn = ids.lsn(entry);
    const endLsn = end >= 0 ? ids.lsn(end) : 0;
    payload.start();
    payload.u8(ids.kind(entry));
    payload.u8(end >= 0 ? ids.kind(end) : 0);
    payload.f64(lsn);
    payload.f64(endLsn);
    const sums = reversed?.sums ?? [];
    payload.u8(sums.length);
    for (const sum of sums) payload.i64(sum);
    payload.u8(Math.max(0, last - first));
    for (let k = first; k < last; k++) {
      payload.f64(ids.lsn(ids.find(fp[0]!, derive(fp[1]!, FACT_REVERSAL + k), fp[2]!, fp[3]!)));
    }
    const more = last < (reversed?.count ?? 0) ? ResultFlag.more : 0;
    out.answerWith(
      front,
      slot,
      CODES.ok.n,
      more,
      0,
      lsn,
      Math.max(lsn, endLsn, reversed?.lastLsn ?? 0),
      payload,
    );
  }
}

/** A copy of one command that starts at offset 0, padded to the ring's alignment. */
function copyCommand(memory: Memory, m: number): Uint8Array {
  return memory.bytes.slice(m, m + ((memory.u32[m >> 2]! + 7) & ~7));
}
