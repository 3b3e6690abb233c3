import type { Fact, FactReader } from './facts.js';

/** A port to the reader's thread, or the thread itself. */
export interface ReaderPort {
  on(event: 'message', listener: (message: { request: number; facts: readonly Fact[] }) => void): unknown;
  postMessage(message: unknown): void;
}

/** Asks the reader's thread for stored records. */
export class ReaderClient implements FactReader {
  private readonly waiting = new Map<number, (facts: readonly Fact[]) => void>();
  private next = 0;
  private readonly idle: (() => void)[] = [];

  constructor(private readonly port: ReaderPort) {
    port.on('message', (message) => {
      this.waiting.get(message.request)!(message.facts);
      this.waiting.delete(message.request);
      if (this.waiting.size === 0) for (const resolve of this.idle.splice(0)) resolve();
    });
  }

  fetch(lsns: readonly number[]): Promise<readonly Fact[]> {
    return new Promise((resolve) => {
      const request = this.next++;
      this.waiting.set(request, resolve);
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
