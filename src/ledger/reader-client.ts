import type { Fact, FactReader } from './facts.js';
import type { FactsAnswer } from './stored-facts.js';

/** What the reader's thread says to a question. */
export type ReaderReply = { readonly request: number } & FactsAnswer;

/** A port to the reader's thread, or the thread itself. */
export interface ReaderPort {
  on(event: 'message', listener: (reply: ReaderReply) => void): unknown;
  postMessage(message: unknown): void;
}

interface Question {
  resolve(facts: readonly Fact[]): void;
  reject(error: Error): void;
}

/** Asks the reader's thread for stored records. */
export class ReaderClient implements FactReader {
  private readonly waiting = new Map<number, Question>();
  private next = 0;
  private readonly idle: (() => void)[] = [];

  constructor(private readonly port: ReaderPort) {
    port.on('message', (reply) => {
      const question = this.waiting.get(reply.request)!;
      this.waiting.delete(reply.request);
      if ('facts' in reply) question.resolve(reply.facts);
      else question.reject(new Error(reply.failure));
      if (this.waiting.size === 0) for (const resolve of this.idle.splice(0)) resolve();
    });
  }

  /** @throws when a record cannot be read: its batch is damaged */
  fetch(lsns: readonly number[]): Promise<readonly Fact[]> {
    return new Promise((resolve, reject) => {
      const request = this.next++;
      this.waiting.set(request, { resolve, reject });
      this.port.postMessage({ request, lsns });
    });
  }

  get isBusy(): boolean {
    return this.waiting.size > 0;
  }

  whenIdle(): Promise<void> {
    return this.waiting.size === 0 ? Promise.resolve() : new Promise((resolve) => this.idle.push(resolve));
  }

  /** Ends the reader's side. */
  close(): void {
    this.port.postMessage('close');
  }
}
