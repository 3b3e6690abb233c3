import { AnalyticsChild } from './child.js';
import {
  type AnalyticsState,
  type Asked,
  type DeskWatcher,
  type MainDesk,
  type OpenQuestion,
  refusedAtOnce,
  stateWithout,
} from './desk.js';
import type { FromAnalytics, SinkStatus, SlowAnswer, Start } from './messages.js';
import { OpenQuestions } from './open-questions.js';

/** How soon the process hears of new durable LSNs, and is looked at. */
const TICK_MS = 125;
const BACKOFF_MIN_MS = 200;
const BACKOFF_MAX_MS = 30_000;
/** After so long the process counts as sound, and its next end as the first. */
const HEALTHY_MS = 60_000;

/** Messages that wait for the process: about as many as it takes questions. One that is stuck reads none, and those who leave make room for others. */
const BACKLOG_MAX = 64;

/** Before the process was told any LSN. */
const UNTOLD = -1;

export interface SupervisorOptions {
  readonly start: Omit<Start, 'type'>;
  readonly log: (level: 'info' | 'warn' | 'error', message: string) => void;
  readonly onSlow: (slow: SlowAnswer) => void;
}

/**
 * Keeps the analytics process running: starts it, tells it how far the log is durable, kills it when it hangs, and starts it again when it
 * ended, sooner at first and later when that goes on.
 *
 * Nothing here waits for the process, and what is sent to it is bounded: so many questions as gateways let through, and a few words a second.
 * Questions that it has not answered when it ends are answered with `not_ready`.
 */
export class AnalyticsSupervisor implements MainDesk {
  private child: AnalyticsChild | undefined;
  private status: Omit<AnalyticsState, 'restarts' | 'questions'> | undefined;
  private statusAtMs = 0;
  /** Why there is no process just now. */
  private whyDown: string | undefined;
  private restarts = 0;
  private backoffMs = BACKOFF_MIN_MS;
  private restart: NodeJS.Timeout | undefined;
  private toldLsn = UNTOLD;
  private readonly questions = new OpenQuestions();
  private readonly watchers: DeskWatcher[] = [];
  private durableLsn: () => number = () => 0;
  private ticker: NodeJS.Timeout | undefined;
  private closing: Promise<void> | undefined;

  constructor(private readonly options: SupervisorOptions) {}

  start(durableLsn: () => number): void {
    if (this.closing !== undefined) return;
    this.durableLsn = durableLsn;
    this.ticker = setInterval(() => this.tick(), TICK_MS);
    this.launch();
  }

  /** Of the process; undefined while there is none. */
  get pid(): number | undefined {
    return this.child?.pid;
  }

  state(): AnalyticsState {
    const { status, restarts } = this;
    const rest = status ?? stateWithout('starting');
    const isBehind = this.durableLsn() > rest.cursor;
    // While nobody tells it, what has not been delivered grows older.
    const untoldS = status === undefined ? 0 : (performance.now() - this.statusAtMs) / 1000;
    const lagSeconds = isBehind ? rest.lagSeconds + (this.whyDown === undefined ? 0 : untoldS) : 0;
    const counted = { lagSeconds, restarts, questions: this.questions.count };
    if (this.whyDown === undefined) return { ...rest, ...counted };
    return { ...rest, ...counted, state: 'down', reason: this.whyDown, rowsPerSecond: 0, rssBytes: 0 };
  }

  ask(question: OpenQuestion): Asked {
    const { child } = this;
    if (child === undefined)
      return refusedAtOnce('not_ready', `analytics is not there: ${this.whyDown ?? 'stopping'}`);
    if (child.backlog > BACKLOG_MAX)
      return refusedAtOnce('overloaded', 'analytics does not keep up with its questions; retry later');
    return this.questions.ask(
      (id) => child.send({ ...question, type: 'ask', id }),
      (id) => child.send({ type: 'cancel', id }),
    );
  }

  watch(watcher: DeskWatcher): void {
    this.watchers.push(watcher);
  }

  /** Ends the process, by force if it takes longer than 5 s; questions get `not_ready` at once. */
  close(): Promise<void> {
    this.closing ??= this.stop();
    return this.closing;
  }

  private async stop(): Promise<void> {
    clearInterval(this.ticker);
    clearTimeout(this.restart);
    const { child } = this;
    this.child = undefined;
    this.questions.refuseAll('stopping');
    await child?.stop();
  }

  private launch(): void {
    this.whyDown = undefined;
    if (this.status !== undefined) {
      const { reason: _, ...before } = this.status;
      this.status = { ...before, state: 'starting', rowsPerSecond: 0 };
    }
    try {
      const child: AnalyticsChild = new AnalyticsChild(
        { type: 'start', ...this.options.start },
        {
          message: (message) => this.hear(message),
          gone: (why, lastWords) => {
            if (this.child === child) this.down(why, lastWords, child.ageMs);
          },
        },
      );
      this.child = child;
    } catch (error) {
      // As when there is no memory for it.
      this.down(`it could not be started: ${(error as Error).message}`, '', 0);
      return;
    }
    this.toldLsn = UNTOLD;
    this.tick();
    this.tellState();
  }

  private tick(): void {
    const { child } = this;
    if (child === undefined) return;
    const lsn = this.durableLsn();
    if (lsn !== this.toldLsn) {
      this.toldLsn = lsn;
      child.send({ type: 'durable', lsn });
    }
    child.look();
  }

  private hear(message: FromAnalytics): void {
    switch (message.type) {
      case 'status':
        this.heardStatus(message);
        break;
      case 'answer':
        this.questions.settle(message);
        break;
      case 'timing':
        for (const watcher of this.watchers) watcher.timing(message.report, message.seconds);
        break;
      case 'slow':
        this.options.onSlow(message);
        break;
      default:
        this.options.log(message.level, message.message);
    }
  }

  private heardStatus({ type: _, lagLsns: __, ...status }: SinkStatus): void {
    this.status = status;
    this.statusAtMs = performance.now();
    this.tellState();
  }

  private down(why: string, lastWords: string, ageMs: number): void {
    this.child = undefined;
    this.whyDown = why;
    if (ageMs > HEALTHY_MS) this.backoffMs = BACKOFF_MIN_MS;
    const backoffMs = this.backoffMs;
    this.backoffMs = Math.min(2 * backoffMs, BACKOFF_MAX_MS);
    const words = lastWords === '' ? '' : `; it said: ${lastWords}`;
    this.options.log(
      'warn',
      `the analytics process is gone, the next starts in ${backoffMs / 1000} s: ${why}${words}`,
    );
    this.questions.refuseAll(`the analytics process is gone: ${why}`);
    this.tellState();
    this.restart = setTimeout(() => {
      this.restarts++;
      this.launch();
    }, backoffMs);
  }

  private tellState(): void {
    const state = this.state();
    for (const watcher of this.watchers) watcher.state(state);
  }
}
