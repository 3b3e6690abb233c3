import type { Books } from './books.js';
import type { Question } from './question.js';

/**
 * The answers that wait for an LSN that explains them, while a pass over the log goes by. Each is explained as early as can be, and none before
 * what had been told when it was asked: so the LSNs that explain the answers are an order of the calls that nobody could see broken.
 */
export class Windows {
  /** Not begun, the next one last. */
  private readonly later: Question[];
  private active: Question[] = [];
  /** By the order of the answers, and the first that is not resolved. */
  private readonly byOrder: readonly Question[];
  private first = 0;

  constructor(questions: readonly Question[]) {
    this.later = questions.toSorted((a, b) => b.from - a.from);
    this.byOrder = questions.toSorted((a, b) => a.order - b.order);
  }

  /**
   * The books stand at the next LSN.
   * @param touched what its record was about
   * @returns the question that no LSN explains, if one's last has come
   */
  pass(books: Books, touched: readonly string[]): Question | undefined {
    const isTouched = new Set(touched);
    for (const question of this.active) {
      if (question.keys.some((key) => isTouched.has(key))) question.isStale = true;
    }
    this.activate(books.lsn);
    let resolved = 0;
    for (const question of this.active) {
      if (question.isStale) question.look(books);
      if (question.why !== undefined) continue;
      if (question.toldBefore > this.told()) {
        question.earlyAt = books.lsn;
        continue;
      }
      question.isResolved = true;
      resolved++;
    }
    if (resolved > 0) this.active = this.active.filter((question) => !question.isResolved);
    return this.active.find((question) => question.to <= books.lsn);
  }

  private activate(lsn: number): void {
    let added = false;
    for (let next = this.later.at(-1); next !== undefined && next.from <= lsn; next = this.later.at(-1)) {
      this.active.push(next);
      this.later.pop();
      added = true;
    }
    if (added) this.active.sort((a, b) => a.order - b.order);
  }

  /** All answers before this one are explained. */
  private told(): number {
    while (this.byOrder[this.first]?.isResolved === true) this.first++;
    return this.byOrder[this.first]?.order ?? Number.POSITIVE_INFINITY;
  }

  /** Answers told before it that are not explained yet. */
  behind(question: Question): readonly Question[] {
    return this.active.filter((other) => other.order < question.toldBefore);
  }

  get left(): readonly Question[] {
    return [...this.active, ...this.later];
  }
}
