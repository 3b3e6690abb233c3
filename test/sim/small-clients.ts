import { Result } from '../../engine/command.js';
import type { RingConsumer } from '../../engine/mailbox.js';
import { BatchRun } from '../../src/ledger/batch-run.js';
import { type CommandEncoder, FULL_RESULT_BYTES } from '../../src/ledger/encoder.js';
import { Front, type FrontWiring, type Handler } from '../../src/ledger/front.js';
import type { Reply, Sent } from '../support/world.js';
import { Hash } from './hash.js';

/** A command with what composed it, so that a front can send it. */
export interface Posted extends Sent {
  readonly encoder: CommandEncoder;
  /** Accounts that it names; a batch is ordered by them. */
  readonly accounts: readonly string[];
}

/** What a client does next: one command, a batch of them, or time that passes for all. */
export type Item = Posted | { readonly batch: readonly Posted[] } | { readonly passMs: number };

/** An answer, with what was durable when its command was sent and when it was told. */
export interface Told extends Reply {
  readonly client: number;
  /** Which of the client's items, and which entry of a batch. */
  readonly item: number;
  readonly entry: number;
  readonly durableAtSend: number;
  readonly durableWhenTold: number;
}

/** Hears of a front's answers and decisions besides whom they are for. */
export interface Listener {
  told(tag: number, ring: RingConsumer, m: number): void;
  decided(): void;
}

/** Passes on what a handler hears, and tells the listener. */
class Heard implements Handler {
  constructor(
    readonly handler: Handler,
    private readonly listener: Listener,
  ) {}

  done(tag: number, ring: RingConsumer, m: number): void {
    this.listener.told(tag, ring, m);
    this.handler.done(tag, ring, m);
  }

  decided(tag: number): void {
    this.listener.decided();
    this.handler.decided?.(tag);
  }
}

/** The real front, whose every answer a listener hears. */
class HeardFront extends Front {
  constructor(
    wiring: FrontWiring,
    private readonly listener: Listener,
  ) {
    super(wiring);
  }

  override send(encoder: CommandEncoder, handler: Handler, tag: number): boolean {
    return super.send(encoder, new Heard(handler, this.listener), tag);
  }

  override openRun(handler: Handler, count: number, resultBytes: number): number {
    return super.openRun(new Heard(handler, this.listener), count, resultBytes);
  }
}

/** For single commands: the listener has heard all. */
const NOBODY: Handler = { done: () => undefined };

/** What a client needs of the world around it. */
export interface ClientWorld {
  now: number;
  /** Counts what happened that no ring shows. */
  activity: number;
  /** Records in the log store: what a crash leaves. */
  readonly logged: number;
  readonly durable: number;
  onChange(): void;
}

/** A client with a front of its own. */
export class Client implements Listener {
  readonly front: Front;
  readonly replies: Told[] = [];
  /** Of the answers, with and without what was durable when they were asked for. */
  readonly hash = new Hash();
  readonly toldHash = new Hash();
  /** Items begun. */
  begun = 0;
  /** Commands under way. */
  open = 0;
  /** What was durable when the last item was begun. */
  sentAt = 0;
  /** What waits for the event loop's next turn. */
  private readonly deferred: (() => void)[] = [];

  constructor(
    readonly number: number,
    readonly program: readonly Item[],
    private readonly world: ClientWorld,
    wiring: Omit<FrontWiring, 'front' | 'defer' | 'now'>,
  ) {
    const defer = (then: () => void) => void this.deferred.push(then);
    this.front = new HeardFront({ ...wiring, front: number, defer, now: () => world.now }, this);
  }

  /** Commands of the item that was begun last. */
  get current(): readonly Posted[] {
    const item = this.program[this.begun - 1];
    if (item === undefined || 'passMs' in item) return [];
    return 'batch' in item ? item.batch : [item];
  }

  /** Does what comes next. @returns false when there is nothing, or the last is not answered */
  act(): boolean {
    const item = this.program[this.begun];
    if (item === undefined || this.open > 0) return false;
    this.begun++;
    this.sentAt = this.world.durable;
    if ('passMs' in item) {
      this.world.now += item.passMs;
      this.front.tick();
    } else if ('batch' in item) this.sendBatch(item.batch);
    else this.send(item);
    this.turnLoop();
    return true;
  }

  private send(posted: Posted): void {
    this.open = 1;
    if (!this.front.send(posted.encoder, NOBODY, 0)) throw new Error('a front of one client is full');
  }

  private sendBatch(batch: readonly Posted[]): void {
    this.open = batch.length;
    const run = new BatchRun(this.front, batch.length, FULL_RESULT_BYTES);
    // Numbered through the process, which goes through the same world many times; one front has one batch at a time here.
    Object.assign(run, { batch: 1 });
    batch.forEach(({ encoder }, index) => {
      run.add(encoder, index);
    });
    run.codes(() => undefined);
  }

  /** Passes answers on. */
  drain(): void {
    this.front.drain();
    this.turnLoop();
  }

  private turnLoop(): void {
    for (let then = this.deferred.shift(); then !== undefined; then = this.deferred.shift()) then();
  }

  decided(): void {
    this.world.activity++;
  }

  told(entry: number, ring: RingConsumer, m: number): void {
    const sent = this.current[entry];
    if (sent === undefined || this.open === 0)
      throw new Error(`client ${this.number} was answered without asking`);
    this.open--;
    this.world.activity++;
    const wait = ring.f64[(m + Result.wait) >> 3]!;
    if (wait > this.world.logged)
      throw new Error(
        `${sent.id} was told before it was durable: it waits for ${wait} of ${this.world.logged}`,
      );
    const payloadBytes = ring.u32[(m + Result.payloadBytes) >> 2]!;
    const told: Told = {
      sent,
      client: this.number,
      item: this.begun - 1,
      entry,
      toldBefore: 0,
      code: ring.bytes[m + Result.code]!,
      n: ring.bytes[m + Result.n]!,
      lsn: ring.f64[(m + Result.lsn) >> 3]!,
      wait,
      payload: ring.bytes.slice(m + Result.header, m + Result.header + payloadBytes),
      durableAtSend: this.sentAt,
      durableWhenTold: this.world.durable,
    };
    this.replies.push(told);
    for (const hash of [this.hash, this.toldHash]) {
      for (const word of [told.item, entry, told.code, told.n, told.lsn, wait]) hash.number(word);
      hash.bytes(told.payload);
    }
    this.hash.number(this.sentAt);
    this.world.onChange();
  }

  /** How far the front has looked for decisions, by shard, in messages that are still in their rings. */
  get scanned(): readonly number[] {
    const { answers } = this.front as unknown as {
      readonly answers: readonly { head: number; scanned: number }[];
    };
    return answers.map(({ head, scanned }) => Math.max(0, (scanned - head) | 0));
  }

  /** Commands that were begun and not answered. */
  unanswered(): Posted[] {
    const answered = this.replies.filter(({ item }) => item === this.begun - 1).map(({ sent }) => sent);
    return this.current.filter((sent) => !answered.includes(sent));
  }
}
