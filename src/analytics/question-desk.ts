import { refusedAnswer } from './desk.js';
import type { Answer, Question, SentAnswer, SlowAnswer } from './messages.js';

/** Questions that are looked into or wait for it. Beyond it they are refused: memory is bounded here. */
const QUESTIONS_MAX = 68;
/** From the question to its answer at most; each query has limits of its own below it. */
const ANSWER_MS = 60_000;
/** The server's process takes an answer in one piece, in turn with tills: one of this size takes it some 5 ms. */
const BODY_BYTES_MAX = 8 << 20;

export interface QuestionDeskOptions {
  readonly answer: (question: Question, signal: AbortSignal) => Promise<Answer>;
  readonly send: (message: SentAnswer | SlowAnswer) => void;
  readonly log: (level: 'error', message: string) => void;
  readonly slowMs: number;
  /** The LSN that is delivered now. */
  readonly cursor: () => number;
  readonly answerMs?: number;
}

/** Has questions answered, a bounded number at a time, each exactly once unless it is cancelled. */
export class QuestionDesk {
  private readonly open = new Map<number, AbortController>();

  constructor(private readonly options: QuestionDeskOptions) {}

  ask(question: Question): void {
    const { id } = question;
    if (this.open.size >= QUESTIONS_MAX) {
      this.options.send(refusedAnswer(id, 'overloaded', 'too many questions are open; retry later'));
      return;
    }
    const controller = new AbortController();
    this.open.set(id, controller);
    void this.look(question, controller);
  }

  /** Nobody waits for the answer any more. */
  cancel(id: number): void {
    const controller = this.open.get(id);
    this.open.delete(id);
    controller?.abort(new Error('the asker has gone'));
  }

  cancelAll(): void {
    for (const id of [...this.open.keys()]) this.cancel(id);
  }

  private async look(question: Question, controller: AbortController): Promise<void> {
    const { id } = question;
    const startedAtMs = performance.now();
    const { answerMs = ANSWER_MS } = this.options;
    const timer = setTimeout(() => {
      this.finish(
        refusedAnswer(id, 'overloaded', `no answer within ${answerMs / 1000} s; ask for less, or later`),
      );
      controller.abort(new Error('out of time'));
    }, answerMs);
    const answer = await this.answer(question, controller.signal);
    clearTimeout(timer);
    this.finish(answer);
    const ms = performance.now() - startedAtMs;
    if (ms < this.options.slowMs) return;
    const { tenant, path } = question;
    const lsn = this.options.cursor();
    this.options.send({ type: 'slow', report: reportName(path), seconds: ms / 1000, tenant, lsn });
  }

  private async answer(question: Question, signal: AbortSignal): Promise<SentAnswer> {
    try {
      const answer = await this.options.answer(question, signal);
      if (!answer.ok) return answer;
      const body = Buffer.from(answer.body, 'utf8');
      if (body.length <= BODY_BYTES_MAX) return { ...answer, body };
      return refusedAnswer(question.id, 'too_large', 'the answer is too large; ask for less, or in pages');
    } catch (error) {
      if (!signal.aborted) this.options.log('error', `${question.path} failed: ${(error as Error).stack}`);
      return refusedAnswer(question.id, 'not_ready', 'analytics could not answer; retry later');
    }
  }

  /** The first answer counts; nothing is sent of what was cancelled. */
  private finish(answer: SentAnswer): void {
    if (this.open.delete(answer.id)) this.options.send(answer);
  }
}

/** `analytics/accounts/till:7/statement` → `statement`, `analytics/overview` → `overview`, `rates` → `rates`. */
export function reportName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
