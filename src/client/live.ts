import type { Entry } from './entry.js';

/** Everything taken and not settled, and those who wait until there is nothing. */
export class Live {
  readonly #entries = new Set<Entry>();
  #waiters: { resolve: () => void; reject: (error: Error) => void }[] = [];

  get size(): number {
    return this.#entries.size;
  }

  [Symbol.iterator](): IterableIterator<Entry> {
    return this.#entries.values();
  }

  add(entry: Entry): void {
    this.#entries.add(entry);
  }

  remove(entry: Entry): void {
    this.#entries.delete(entry);
    if (this.#entries.size > 0) return;
    for (const { resolve } of this.#waiters) resolve();
    this.#waiters = [];
  }

  /** Resolves when nothing is left. @throws what `abandon` is given */
  emptied(): Promise<void> {
    if (this.#entries.size === 0) return Promise.resolve();
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }

  /** Nothing more will be settled. */
  abandon(error: Error): void {
    for (const { reject } of this.#waiters) reject(error);
    this.#waiters = [];
  }
}
