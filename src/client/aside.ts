import { Pause } from './backoff.js';
import type { Entry } from './entry.js';

/**
 * Entries about which the ledger will not say for now how they ended (it forbids the void that would tell, say). Each
 * is asked about again after a pause that grows, and the queue goes on without it in between: nothing else may depend
 * on something that only a person can change.
 */
export class Aside {
  readonly #entries = new Set<Entry>();
  readonly #pause: Pause;

  /** @param back puts entries into the queue again, in the order they were put aside */
  constructor(back: (entries: readonly Entry[]) => void) {
    this.#pause = new Pause(() => {
      const entries = [...this.#entries];
      this.#entries.clear();
      back(entries);
    });
  }

  put(entry: Entry): void {
    this.#entries.add(entry);
    this.#pause.begin();
  }

  remove(entry: Entry): void {
    this.#entries.delete(entry);
  }

  /** Something changed, a new connection say: the next pause is a short one. */
  reset(): void {
    this.#pause.reset();
  }

  stop(): void {
    this.#pause.stop();
  }
}
