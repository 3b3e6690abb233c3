import { AccountDesk } from './account-desk.js';
import { CODES } from './codes.js';
import { Command, Op, Peer, PeerType } from './command.js';
import { type Ask, Change, type Read } from './earmark.js';
import { Home, type HomeHost, PEER_CREDITS } from './home.js';
import { Job, No, type WaitingCommand } from './job.js';
import { fillPlan } from './ledger.js';
import { Lookahead } from './lookahead.js';
import type { RingConsumer } from './mailbox.js';
import { Outbox, type RefusalDetail, type ShardEnvironment } from './outbox.js';
import { Owner, type OwnerAnswers } from './owner.js';
import { RecordKind, RecordView, RecordWriter } from './record.js';
import type { State } from './state.js';
import { TransactionDesk } from './transaction-desk.js';

/**
 * Messages taken before what they led to is published: a millisecond's at most, so the writer is not kept waiting. Each publishing wakes
 * two threads: with 1024 and not 256 a sale in batches of 8,190 costs shard and writer together 0.4 µs less. Between shards
 * a message waits for the end of a step and another for its credit, so there steps are short.
 */
const STEP_MESSAGES = 1024;
const STEP_MESSAGES_OF_SEVERAL = 256;
/** Holds that expire in one step at most. They come before commands, which may never end, and leave them most of the step. */
const STEP_EXPIRIES = 16;

/** Memory that a message is read from: a ring, or a copy of one command. */
export interface Memory {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly u32: Uint32Array;
  readonly f64: Float64Array;
}

/** Memory over a copied command. */
export function memoryOf(copy: Uint8Array): Memory {
  return {
    bytes: copy,
    view: new DataView(copy.buffer),
    u32: new Uint32Array(copy.buffer),
    f64: new Float64Array(copy.buffer),
  };
}

/**
 * Something to be taken up between messages, so that no decision is made within another: a job to which the owner here has said yes or no, a
 * command that waited, a change whose turn it is.
 */
type Event = Job | No | WaitingCommand | Change;

/**
 * One shard: takes messages one at a time and decides them. A pure state machine over its mailboxes: no clock (time comes with commands),
 * no randomness, no I/O. {@link step} never waits; a thread runs it in a blocking loop, a simulator in whatever order it likes.
 */
export class Shard implements HomeHost, OwnerAnswers {
  readonly owner: Owner;
  readonly home: Home;
  readonly out: Outbox;
  /** The highest ledger time that came with a command. */
  now = 0;
  /** Steps that did something; the watchdog looks at it. */
  progress = 0;
  private readonly transactions: TransactionDesk;
  private readonly accounts: AccountDesk;
  private readonly events: Event[] = [];
  /** The ring to the writer was found full in this step: it takes nothing more, so nothing overtakes. */
  private isFull = false;
  private readonly view = new RecordView();
  private readonly detail = new RecordWriter();
  private readonly lookahead: Lookahead;
  private readonly peerMemory: readonly (RingConsumer | undefined)[];

  constructor(
    readonly state: State,
    env: ShardEnvironment,
    private readonly fronts: readonly RingConsumer[],
    peers: readonly (RingConsumer | undefined)[],
    credits = PEER_CREDITS,
  ) {
    this.peerMemory = peers;
    this.lookahead = new Lookahead(state);
    this.out = new Outbox(env);
    this.owner = new Owner(state, this);
    this.home = new Home(state, this.out, this, credits);
    this.transactions = new TransactionDesk(this);
    this.accounts = new AccountDesk(this);
  }

  /**
   * Takes what is there, up to a bound, and publishes what it led to. Commands are taken as far as they were there before all that other
   * shards had sent was taken: a settle is sent before its answer, so who was told of a transaction and then asks finds it settled.
   * @returns whether anything was done
   */
  step(): boolean {
    this.isFull = false;
    for (const front of this.fronts) front.note();
    const all = this.state.shards === 1 ? STEP_MESSAGES : STEP_MESSAGES_OF_SEVERAL;
    let left = this.takeEvents(all);
    for (let shard = 0; shard < this.peerMemory.length; shard++) {
      const ring = this.peerMemory[shard];
      if (ring !== undefined) left = this.drain(ring, shard, false, left);
    }
    for (let i = 0; i < STEP_EXPIRIES && left > 0 && this.hasRoom(); i++) {
      if (!this.transactions.expireOne(this.now)) break;
      left = this.takeEvents(left - 1);
    }
    for (let front = 0; front < this.fronts.length; front++)
      left = this.drain(this.fronts[front]!, front, true, left);
    this.out.publish();
    if (left === all) return false;
    this.progress++;
    return true;
  }

  /**
   * Ends a hold by expiry where a log that is rebuilt says so; the steps that follow decide it. With several shards holds did not expire in
   * the order of their times, so the clock alone would not bring the same log about.
   * @returns false when there is no such open hold
   */
  expireNamed(fp: Uint32Array): boolean {
    return this.transactions.expireNamed(fp);
  }

  private drain(ring: RingConsumer, from: number, isFront: boolean, left: number): number {
    let fetched = 0;
    while (left > 0 && this.hasRoom()) {
      const m = isFront ? ring.peekNoted() : ring.peek();
      if (m < 0) break;
      if (isFront && fetched-- === 0) fetched = this.lookahead.fetch(ring) - 1;
      if (isFront) this.take(from, ring, m);
      else this.takePeer(from, ring, m);
      ring.pass();
      left--;
      if (this.events.length > 0) left = this.takeEvents(left);
    }
    ring.release();
    return left;
  }

  private hasRoom(): boolean {
    if (!this.isFull) this.isFull = !this.out.hasRoom();
    return !this.isFull;
  }

  private takeEvents(left: number): number {
    while (left > 0 && this.events.length > 0 && this.hasRoom()) {
      this.takeEvent(this.events.shift()!);
      left--;
    }
    return left;
  }

  private takeEvent(event: Event): void {
    if (event instanceof Job) this.home.yes(event);
    else if (event instanceof No) this.home.no(event.job, event.code, event.wait, event.detail);
    else if (event instanceof Change) this.accounts.decideChange(event);
    else this.take(event.front, memoryOf(event.command), 0);
  }

  /** Takes one command. */
  private take(front: number, memory: Memory, m: number): void {
    const time = memory.f64[(m + Command.time) >> 3]!;
    if (time > this.now) this.now = time;
    const op = memory.bytes[m + Command.op]!;
    switch (op) {
      case Op.transaction:
        this.transactions.create(front, memory, m, RecordKind.posted);
        break;
      case Op.pending:
        this.transactions.create(front, memory, m, RecordKind.pending);
        break;
      case Op.reverse:
        this.transactions.create(front, memory, m, RecordKind.reversal);
        break;
      case Op.post:
        this.transactions.end(front, memory, m, RecordKind.post);
        break;
      case Op.void:
        this.transactions.end(front, memory, m, RecordKind.void);
        break;
      case Op.lookup:
        this.transactions.lookup(front, memory, m);
        break;
      case Op.createAccount:
        this.accounts.create(front, memory, m);
        break;
      case Op.updateAccount:
        this.accounts.update(front, memory, m);
        break;
      case Op.readAccount:
        this.accounts.read(front, memory, m);
        break;
      case Op.tick:
        this.transactions.tick();
        break;
      default:
        throw new Error(`no operation ${op}`);
    }
  }

  private takePeer(shard: number, ring: RingConsumer, m: number): void {
    const slot = ring.u32[(m + Peer.slot) >> 2]!;
    switch (ring.bytes[m + Peer.type]) {
      case PeerType.ask:
        this.takeAsk(shard, slot, ring, m);
        break;
      case PeerType.answer:
        this.takeAnswer(slot, ring, m);
        break;
      case PeerType.settle:
        this.owner.settle(shard, slot, ring.f64[(m + Peer.lsn) >> 3]!);
        break;
      case PeerType.release:
        this.owner.release(shard, slot);
        break;
      default:
        throw new Error('no such message between shards');
    }
  }

  private takeAsk(home: number, slot: number, ring: RingConsumer, m: number): void {
    const words = ring.u32[(m + Peer.words) >> 2]!;
    const wordsAt = (m + Peer.header) >> 2;
    this.view.over(ring.bytes, ring.view);
    this.view.readPayload(
      m + Peer.header + words * 4,
      ring.bytes[m + Peer.kind]!,
      ring.bytes[m + Peer.n]!,
      ring.view.getUint16(m + Peer.presence, true),
    );
    this.askOwner(home, slot, this.view, ring.u32, wordsAt);
  }

  askSelf(job: Job): void {
    this.view.over(job.bytes, job.view).readPayload(job.payloadAt, job.kind, job.n, job.presence);
    this.askOwner(this.state.shard, job.slot, this.view, job.u32, 0);
  }

  /** Works out this shard's part of a transaction and puts it to the owner. */
  private askOwner(home: number, slot: number, view: RecordView, words: Uint32Array, wordsAt: number): void {
    const { state } = this;
    const ask = this.owner.newAsk(view.n);
    const { plan } = ask;
    const tenant = state.tenantOf(view);
    const code = fillPlan(
      plan,
      view,
      words,
      wordsAt,
      state.accounts,
      tenant.number,
      state.shard,
      state.shards,
    );
    if (code !== 0) {
      this.owner.giveBack(ask);
      this.refuseAsk(home, slot, code, 0, {
        account: view.account(plan.leg),
        available: '',
        required: '',
        shortage: '',
      });
      return;
    }
    const atOriginal = wordsAt + 2 * view.n;
    if (view.kind === RecordKind.reversal && state.owns(words[atOriginal]!)) {
      const part = this.transactions.originalPart(view, words, atOriginal);
      if ('code' in part) {
        this.owner.giveBack(ask);
        this.refuseAsk(home, slot, part.code, part.wait, undefined);
        return;
      }
      ask.original = part;
    }
    ask.home = home;
    ask.slot = slot;
    ask.kind = view.kind;
    ask.legs = view.n;
    this.owner.ask(ask);
  }

  /** The owner grants: the home learns it, with the currencies of the legs that are here. */
  yes(ask: Ask): void {
    const { accounts } = this.state;
    const { legs } = ask;
    const { rowOfLeg } = ask.plan;
    if (ask.home === this.state.shard) {
      const job = this.home.get(ask.slot);
      for (let leg = 0; leg < legs; leg++) {
        if (rowOfLeg[leg]! >= 0) job.currencies[leg] = accounts.currencyCode(rowOfLeg[leg]!);
      }
      this.events.push(job);
      return;
    }
    const m = this.out.peer(ask.home, PeerType.answer, ask.slot, legs * 8);
    const ring = this.out.env.peers[ask.home]!;
    ring.bytes[m + Peer.code] = CODES.ok.n;
    ring.bytes[m + Peer.n] = legs;
    for (let leg = 0; leg < legs; leg++) {
      const row = rowOfLeg[leg]!;
      ring.f64[((m + Peer.header) >> 3) + leg] = row >= 0 ? accounts.currencyCode(row) : 0;
    }
  }

  no(ask: Ask, code: number): void {
    const { row, wait, available, required } = ask.refusal!;
    this.refuseAsk(ask.home, ask.slot, code, wait, this.detailOf(row, code, available, required));
  }

  /** What a refusal says about an account. */
  detailOf(row: number, code: number, available: bigint, required: bigint): RefusalDetail {
    const account = row >= 0 ? this.state.accounts.name(row) : '';
    if (code !== CODES.insufficient_funds.n) return { account, available: '', required: '', shortage: '' };
    return {
      account,
      available: String(available),
      required: String(required),
      shortage: String(required - available),
    };
  }

  private refuseAsk(
    home: number,
    slot: number,
    code: number,
    wait: number,
    detail: RefusalDetail | undefined,
  ): void {
    if (home === this.state.shard) {
      this.events.push(new No(this.home.get(slot), code, wait, detail));
      return;
    }
    this.writeDetail(detail);
    const m = this.out.peer(home, PeerType.answer, slot, this.detail.at);
    const ring = this.out.env.peers[home]!;
    ring.bytes[m + Peer.code] = code;
    ring.bytes[m + Peer.n] = detail === undefined ? 0 : 1;
    ring.f64[(m + Peer.lsn) >> 3] = wait;
    ring.bytes.set(this.detail.bytes.subarray(0, this.detail.at), m + Peer.header);
  }

  private takeAnswer(slot: number, ring: RingConsumer, m: number): void {
    const job = this.home.get(slot);
    const code = ring.bytes[m + Peer.code]!;
    const n = ring.bytes[m + Peer.n]!;
    if (code === CODES.ok.n) {
      for (let leg = 0; leg < n; leg++) {
        const currency = ring.f64[((m + Peer.header) >> 3) + leg]!;
        if (currency !== 0) job.currencies[leg] = currency;
      }
      this.home.yes(job);
    } else {
      const detail = n === 0 ? undefined : readDetail(ring.bytes, m + Peer.header);
      this.home.no(job, code, ring.f64[(m + Peer.lsn) >> 3]!, detail);
    }
  }

  settleSelf(job: Job, lsn: number): void {
    this.owner.settle(this.state.shard, job.slot, lsn);
  }

  releaseSelf(job: Job): void {
    this.owner.release(this.state.shard, job.slot);
  }

  again(waiting: WaitingCommand): void {
    this.events.push(waiting);
  }

  decided(job: Job, view: RecordView, lsn: number): void {
    this.transactions.decided(job, view, lsn);
  }

  reversed(ask: Ask, lsn: number): void {
    const { entry, fingerprint, postingLegs, postingAmounts } = ask.original!;
    this.state.addReversal(entry, fingerprint, lsn, postingLegs.length, postingLegs, postingAmounts);
  }

  readDone(read: Read): void {
    this.accounts.answerRead(read);
  }

  changeReady(change: Change): void {
    this.events.push(change);
  }

  refuse(
    front: number,
    slot: number,
    flags: number,
    code: number,
    wait: number,
    detail: RefusalDetail | undefined,
  ): void {
    if (front < 0) throw new Error(`an expiry was refused with ${code}`);
    if (detail === undefined || (flags & 1) === 0) {
      this.out.answer(front, slot, code, 0, 0, 0, wait);
      return;
    }
    this.writeDetail(detail);
    this.out.answerWith(front, slot, code, 0, 1, 0, wait, this.detail);
  }

  private writeDetail(detail: RefusalDetail | undefined): void {
    const { detail: writer } = this;
    writer.start();
    if (detail === undefined) return;
    writer.text(detail.account);
    writer.text(detail.available);
    writer.text(detail.required);
    writer.text(detail.shortage);
  }
}

/** Reads what {@link Shard} writes into a refusal: four strings. */
export function readDetail(bytes: Uint8Array, at: number): RefusalDetail {
  const texts: string[] = [];
  for (let i = 0; i < 4; i++) {
    const length = bytes[at]!;
    texts.push(Buffer.from(bytes.buffer, bytes.byteOffset + at + 1, length).toString('latin1'));
    at += 1 + length;
  }
  return { account: texts[0]!, available: texts[1]!, required: texts[2]!, shortage: texts[3]! };
}
