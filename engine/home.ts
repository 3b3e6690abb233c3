import { CODES } from './codes.js';
import { CommandFlag, Peer, PeerType, ResultFlag } from './command.js';
import { Job, type WaitingCommand } from './job.js';
import { judgeCurrencies, mismatch } from './ledger.js';
import type { Outbox, RefusalDetail } from './outbox.js';
import { RecordKind, RecordView } from './record.js';
import type { State } from './state.js';

/** Transactions that one shard may have asked another about at a time. Rings between shards are sized for it. */
export const PEER_CREDITS = 32;

/** Buckets by which jobs are found: a power of two, of the order of the jobs under way at a time. */
const BUCKETS = 1024;

/** What a home needs of the shard around it. */
export interface HomeHost {
  /** Asks this shard's own owner; the answer comes to {@link Home.answered} later, never from within. */
  askSelf(job: Job): void;
  settleSelf(job: Job, lsn: number): void;
  releaseSelf(job: Job): void;
  /** Takes a command again that waited for an id. */
  again(waiting: WaitingCommand): void;
  /** Applies what the record means for ids and holds of this home. */
  decided(job: Job, view: RecordView, lsn: number): void;
  refuse(
    front: number,
    slot: number,
    flags: number,
    code: number,
    wait: number,
    detail: RefusalDetail | undefined,
  ): void;
}

/**
 * The home's side of a transaction that is not decided in one go: it asks the owning shards in ascending order, one after the other, and
 * when all have said yes claims the LSN, hands over the record and lets them settle; at the first no it lets those asked before release.
 *
 * Invariants
 * - One job per id at a time; commands about an id with a job wait for its end, in their order. Entries of a batch that follow one that waits
 *   so wait behind it: their order was left to the order in which they come.
 * - A credit of the pair is taken with the ask and given back with settle or release, so a ring between shards never lacks room.
 * - Nothing waits between the claim of an LSN and its record: the room was there before the message that led to it was taken.
 */
export class Home {
  private readonly jobs: (Job | undefined)[] = [];
  private readonly freeSlots: number[] = [];
  /** Jobs that ended, to be used again. */
  private readonly pool: Job[] = [];
  /** Jobs under way by word 1 of their id's fingerprint, chained. */
  private readonly inFlight: (Job | undefined)[] = new Array(BUCKETS).fill(undefined);
  /** The job that an entry of a batch waits for, by front and number of the batch. */
  private readonly batches = new Map<number, Job>();
  private readonly credits: number[];
  private readonly waitingForCredit: Job[][];
  private readonly view = new RecordView();
  /** Jobs under way. */
  count = 0;

  constructor(
    private readonly state: State,
    private readonly out: Outbox,
    private readonly host: HomeHost,
    credits: number,
  ) {
    this.credits = new Array(state.shards).fill(credits);
    this.waitingForCredit = Array.from({ length: state.shards }, () => []);
  }

  /** The job about an id, if there is one. */
  find(fp: Uint32Array): Job | undefined {
    if (this.count === 0) return undefined;
    let job = this.inFlight[fp[1]! & (BUCKETS - 1)];
    while (job !== undefined && !job.isAbout(fp)) job = job.next;
    return job;
  }

  /** The job that an earlier entry of a batch waits for, if one does. */
  findBatch(front: number, batch: number): Job | undefined {
    return batch === 0 || this.batches.size === 0 ? undefined : this.batches.get(batchKey(front, batch));
  }

  /** Queues a command until a job has ended. @param batch the number of its batch, or 0 */
  wait(job: Job, waiting: WaitingCommand, batch: number): void {
    job.waiting.push(waiting);
    if (batch === 0) return;
    const key = batchKey(waiting.front, batch);
    this.batches.set(key, job);
    job.batches.push(key);
  }

  /** A job to be filled and started. */
  newJob(): Job {
    return this.pool.pop() ?? new Job(this.state.shards);
  }

  start(job: Job): void {
    job.findParticipants(this.state);
    job.slot = this.freeSlots.pop() ?? this.jobs.push(undefined) - 1;
    this.jobs[job.slot] = job;
    this.count++;
    const bucket = job.fingerprint[1]! & (BUCKETS - 1);
    job.next = this.inFlight[bucket];
    this.inFlight[bucket] = job;
    this.advance(job);
  }

  get(slot: number): Job {
    const job = this.jobs[slot];
    if (job === undefined) throw new Error(`no job ${slot}`);
    return job;
  }

  /** Asks the next shard, or decides when all have said yes. */
  private advance(job: Job): void {
    if (job.asked === job.participantCount) {
      this.finish(job);
      return;
    }
    const shard = job.participants[job.asked]!;
    if (shard === this.state.shard) this.host.askSelf(job);
    else if (this.credits[shard]! > 0) this.ask(shard, job);
    else this.waitingForCredit[shard]!.push(job);
  }

  private ask(shard: number, job: Job): void {
    this.credits[shard]!--;
    const m = this.out.peer(shard, PeerType.ask, job.slot, job.payloadAt + job.payloadBytes);
    const ring = this.out.env.peers[shard]!;
    const { u32 } = ring;
    ring.bytes[m + Peer.kind] = job.kind;
    ring.bytes[m + Peer.n] = job.n;
    u32[(m + Peer.words) >> 2] = job.words;
    ring.view.setUint16(m + Peer.presence, job.presence, true);
    u32[(m + Peer.payloadBytes) >> 2] = job.payloadBytes;
    const at = (m + Peer.header) >> 2;
    const count = job.words + ((job.payloadBytes + 3) >>> 2);
    for (let i = 0; i < count; i++) u32[at + i] = job.u32[i]!;
  }

  /** Gives back the credit of an ask that came to its end. */
  private giveBack(shard: number): void {
    this.credits[shard]!++;
    const next = this.waitingForCredit[shard]!.shift();
    if (next !== undefined) this.ask(shard, next);
  }

  /** A shard has said yes; the currencies of its legs are in the job. */
  yes(job: Job): void {
    job.asked++;
    this.advance(job);
  }

  /** A shard has said no. */
  no(job: Job, code: number, wait: number, detail: RefusalDetail | undefined): void {
    const shard = job.participants[job.asked]!;
    if (shard !== this.state.shard) this.giveBack(shard);
    this.refuse(job, code, wait, detail);
  }

  private refuse(job: Job, code: number, wait: number, detail: RefusalDetail | undefined): void {
    for (let i = 0; i < job.asked; i++) {
      const shard = job.participants[i]!;
      if (shard === this.state.shard) this.host.releaseSelf(job);
      else {
        this.out.release(shard, job.slot);
        this.giveBack(shard);
      }
    }
    this.host.refuse(job.front, job.commandSlot, job.flags, code, wait, detail);
    this.end(job);
  }

  /** All have said yes. */
  private finish(job: Job): void {
    const view = this.view.over(job.bytes, job.view);
    view.readPayload(job.payloadAt, job.kind, job.n, job.presence);
    view.c0 = job.c0;
    view.c1 = job.c1;
    const code =
      job.kind === RecordKind.void || job.kind === RecordKind.expire
        ? 0
        : judgeCurrencies(view, job.currencies, job.currency, (job.flags & CommandFlag.shareCurrency) !== 0);
    if (code !== 0) {
      const account = code === CODES.currency_mismatch.n ? view.account(mismatch.leg) : '';
      // It rests on the accounts of all shards: on nothing later than what is claimed by now.
      const wait = this.out.env.claimedLsn();
      this.refuse(job, code, wait, { account, available: '', required: '', shortage: '' });
      return;
    }
    const lsn = this.out.env.claimLsn();
    this.out.record(
      lsn,
      job.kind,
      job.n,
      job.presence,
      job.c0,
      job.c1,
      job.view,
      job.payloadAt,
      job.payloadAt + job.payloadBytes,
    );
    for (let i = 0; i < job.participantCount; i++) {
      const shard = job.participants[i]!;
      if (shard === this.state.shard) this.host.settleSelf(job, lsn);
      else {
        this.out.settle(shard, job.slot, lsn);
        this.giveBack(shard);
      }
    }
    this.host.decided(job, view, lsn);
    if (job.front >= 0) {
      this.out.answer(job.front, job.commandSlot, CODES.ok.n, ResultFlag.partial, 0, lsn, lsn);
    }
    this.end(job);
  }

  private end(job: Job): void {
    this.jobs[job.slot] = undefined;
    this.freeSlots.push(job.slot);
    this.count--;
    this.unchain(job);
    for (const batch of job.batches) this.batches.delete(batch);
    for (const waiting of job.waiting) this.host.again(waiting);
    if (job.clear()) this.pool.push(job);
  }

  private unchain(job: Job): void {
    const bucket = job.fingerprint[1]! & (BUCKETS - 1);
    let before = this.inFlight[bucket]!;
    if (before === job) this.inFlight[bucket] = job.next;
    else {
      while (before.next !== job) before = before.next!;
      before.next = job.next;
    }
  }
}

function batchKey(front: number, batch: number): number {
  return front * 4294967296 + batch;
}
