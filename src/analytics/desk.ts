import type { RefusalCode } from '../../engine/codes.js';
import type { Question, SentAnswer, SinkStatus } from './messages.js';

/** How analytics stands, as the server's process sees it. */
export interface AnalyticsState extends Omit<SinkStatus, 'type' | 'state' | 'lagLsns'> {
  /** Besides the sink's own states: off, and down while its process is gone and will be started again. */
  readonly state: SinkStatus['state'] | 'off' | 'down';
  /** How often its process was started again. */
  readonly restarts: number;
  /** Questions that await their answer. */
  readonly questions: number;
}

/** A question before it has a number. */
export type OpenQuestion = Omit<Question, 'type' | 'id'>;

export interface Asked {
  /** Never rejected: without an answer there is a refusal. */
  readonly answer: Promise<SentAnswer>;
  /** Nobody waits for the report any more: a question that is still open is refused at once. */
  cancel(): void;
}

/** Hears what the metrics are made of. */
export interface DeskWatcher {
  state(state: AnalyticsState): void;
  timing(report: string, seconds: number): void;
}

/** Where gateways ask analytics. It answers later or not at all, and nothing of a till waits for it. */
export interface AnalyticsDesk {
  state(): AnalyticsState;
  ask(question: OpenQuestion): Asked;
  watch(watcher: DeskWatcher): void;
  close(): Promise<void>;
}

/** The desk of the main thread, which has the process or does without. */
export interface MainDesk extends AnalyticsDesk {
  /** @param durableLsn reads it from shared memory; called several times a second */
  start(durableLsn: () => number): void;
}

export function stateWithout(state: 'off' | 'starting', reason?: string): AnalyticsState {
  return {
    state,
    ...(reason !== undefined && { reason }),
    cursor: 0,
    lagSeconds: 0,
    rowsPerSecond: 0,
    rows: 0,
    batches: 0,
    retries: 0,
    deadLetters: 0,
    remakes: 0,
    rssBytes: 0,
    restarts: 0,
    questions: 0,
  };
}

export function refusedAnswer(id: number, code: RefusalCode, detail: string): SentAnswer {
  return { type: 'answer', id, ok: false, refusal: { ok: false, code, detail } };
}

/** The answer to a question that nobody will look into. */
export function unanswered(id: number, reason: string): SentAnswer {
  return refusedAnswer(id, 'not_ready', reason);
}

/** What becomes of a question that is not even passed on. */
export function refusedAtOnce(code: RefusalCode, detail: string): Asked {
  return { answer: Promise.resolve(refusedAnswer(0, code, detail)), cancel: () => undefined };
}

/** Analytics that is not there. */
export class ClosedDesk implements MainDesk {
  constructor(private readonly reason: string) {}

  state(): AnalyticsState {
    return stateWithout('off', this.reason);
  }

  ask(): Asked {
    return refusedAtOnce('not_ready', this.reason);
  }

  watch(): void {}

  start(): void {}

  async close(): Promise<void> {}
}
