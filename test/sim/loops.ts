import type { ReaderPort, ReaderReply } from '../../src/ledger/reader-client.js';
import { storedFacts } from '../../src/ledger/stored-facts.js';
import type { LogReader } from '../../wal/store.js';
import type { Dice } from '../support/dice.js';
import type { Actor } from '../support/scheduler.js';
import { drainMicrotasks } from './microtasks.js';

/** A thread with an event loop, on which a front lives: takes messages, deferred calls and timers one at a time, in an order drawn by dice. */
export class LoopActor implements Actor {
  /** Wake-ups that were posted and not yet taken. */
  doorbells = 0;
  private readonly deferred: (() => void)[] = [];
  private readonly messages: (() => void)[] = [];
  /** Takes a wake-up. */
  onDoorbell: () => void = () => undefined;
  /** Does what a timer is for, when it is due. */
  timer: { isDue(): boolean; run(): void } | undefined;

  /** @param thread continuations of promises run for all fronts at once, so no front may be amid a turn meanwhile: they share this */
  constructor(
    readonly thread: { isRunning: boolean },
    private readonly dice: Dice,
  ) {}

  readonly defer = (then: () => void): void => {
    this.deferred.push(then);
  };

  post(message: () => void): void {
    this.messages.push(message);
  }

  isReady(): boolean {
    return (
      this.doorbells > 0 ||
      this.deferred.length > 0 ||
      this.messages.length > 0 ||
      this.timer?.isDue() === true
    );
  }

  run(): void {
    const choices: (() => void)[] = [];
    if (this.doorbells > 0) choices.push(() => this.takeDoorbell());
    if (this.deferred.length > 0) choices.push(() => this.deferred.shift()!());
    if (this.messages.length > 0) choices.push(() => this.messages.shift()!());
    const { timer } = this;
    if (timer?.isDue()) choices.push(() => timer.run());
    this.dice.pick(choices)();
    drainMicrotasks();
  }

  private takeDoorbell(): void {
    this.doorbells--;
    this.onDoorbell();
  }
}

interface Question {
  readonly request: number;
  readonly lsns: readonly number[];
  readonly answer: (reply: ReaderReply) => void;
}

/** The reader's thread: looks stored records up, one question a turn. */
export class ReaderActor implements Actor {
  readonly thread = { isRunning: false };
  private readonly questions: Question[] = [];

  constructor(private readonly reader: LogReader) {}

  /** The way in for the front of an event loop. */
  portFor(loop: LoopActor): ReaderPort {
    let listener: (reply: ReaderReply) => void = () => undefined;
    return {
      on: (_event, then) => {
        listener = then;
      },
      postMessage: (message) => {
        if (message === 'close') return;
        const { request, lsns } = message as { request: number; lsns: readonly number[] };
        this.questions.push({ request, lsns, answer: (reply) => loop.post(() => listener(reply)) });
      },
    };
  }

  isReady(): boolean {
    return this.questions.length > 0;
  }

  run(): void {
    const { request, lsns, answer } = this.questions.shift()!;
    answer({ request, ...storedFacts(this.reader, lsns) });
  }
}

/** A thread that looks for something to do from time to time. */
export class TimerActor implements Actor {
  readonly thread = { isRunning: false };
  private dueMs = 0;

  /** @param step what is done when it is due. @returns in how many ms it is due again */
  constructor(
    private readonly nowMs: () => number,
    private readonly step: () => number,
  ) {}

  isReady(): boolean {
    return this.nowMs() >= this.dueMs;
  }

  run(): void {
    this.dueMs = this.nowMs() + this.step();
  }
}
