import { type Asked, unanswered } from './desk.js';
import type { SentAnswer } from './messages.js';

/** Why a question that was cancelled has no answer. */
export const TAKEN_BACK = 'the question was taken back';

/** Questions that were passed on and await their answer. Each gets one, whatever happens. */
export class OpenQuestions {
  private readonly waiting = new Map<number, (answer: SentAnswer) => void>();
  private lastId = 0;

  get count(): number {
    return this.waiting.size;
  }

  /**
   * @param pass passes the question on under a number
   * @param takeBack tells whoever has it that nobody waits any more
   */
  ask(pass: (id: number) => void, takeBack: (id: number) => void): Asked {
    const id = ++this.lastId;
    const answer = new Promise<SentAnswer>((resolve) => this.waiting.set(id, resolve));
    pass(id);
    return {
      answer,
      cancel: () => {
        if (!this.waiting.has(id)) return;
        takeBack(id);
        this.settle(unanswered(id, TAKEN_BACK));
      },
    };
  }

  /** Gives an answer to who waits for it, if anybody still does. */
  settle(answer: SentAnswer): void {
    const { id } = answer;
    this.waiting.get(id)?.(answer);
    this.waiting.delete(id);
  }

  refuseAll(reason: string): void {
    for (const [id, resolve] of this.waiting) resolve(unanswered(id, reason));
    this.waiting.clear();
  }
}
