import { ApiError } from './api.js';

/** How far a question is. Earlier data stay while they are asked for again, and when that fails. */
export interface State<T> {
  readonly data: T | undefined;
  readonly error: ApiError | undefined;
  readonly loading: boolean;
}

/** One question to the API, which several panels may show the answer of. */
export class Source<T> {
  readonly #load: (signal: AbortSignal) => Promise<T>;
  readonly #signal: AbortSignal;
  readonly #listeners: ((state: State<T>) => void)[] = [];
  #asking: Promise<void> | undefined;
  #again = false;
  #state: State<T> = { data: undefined, error: undefined, loading: false };

  /** @param signal ends it: nothing is asked or told any more */
  constructor(signal: AbortSignal, load: (signal: AbortSignal) => Promise<T>) {
    this.#signal = signal;
    this.#load = load;
  }

  get state(): State<T> {
    return this.#state;
  }

  /** Tells how it stands, now and after each change. */
  watch(listener: (state: State<T>) => void): void {
    this.#listeners.push(listener);
    listener(this.#state);
  }

  /** Asks. Where it is asking already, it asks once more when that is answered: the question may be another by now. */
  async refresh(): Promise<void> {
    if (this.#signal.aborted) return;
    if (this.#asking !== undefined) {
      this.#again = true;
      return this.#asking;
    }
    this.#asking = this.#ask();
    await this.#asking;
    this.#asking = undefined;
  }

  async #ask(): Promise<void> {
    do {
      this.#again = false;
      this.#set({ ...this.#state, loading: true });
      try {
        const data = await this.#load(this.#signal);
        this.#set({ data, error: undefined, loading: false });
      } catch (error) {
        if (this.#signal.aborted) return;
        this.#set({ data: this.#state.data, error: asApiError(error), loading: false });
      }
    } while (this.#again && !this.#signal.aborted);
  }

  #set(state: State<T>): void {
    if (this.#signal.aborted) return;
    this.#state = state;
    for (const listener of this.#listeners) listener(state);
  }
}

function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  console.error(error);
  return new ApiError(-1, `The page has a fault: ${(error as Error).message}`);
}
