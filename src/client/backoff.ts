/**
 * How long to wait before attempt `failures + 1`: twice as long after each failure, up to a maximum, jittered over the
 * upper half so that many who failed together do not come back together.
 * @returns milliseconds
 */
export function backoffMs(failures: number, minMs: number, maxMs: number): number {
  return Math.min(maxMs, minMs * 2 ** Math.min(failures, 30)) * (0.5 + Math.random() / 2);
}

const PAUSE_MIN_MS = 50;
const PAUSE_MAX_MS = 5_000;

/** A pause in sending after the server said that it is busy: longer each time, until `reset`. */
export class Pause {
  readonly #over: () => void;
  #timer: NodeJS.Timeout | undefined;
  #count = 0;

  /** @param over called at the end of each pause */
  constructor(over: () => void) {
    this.#over = over;
  }

  get active(): boolean {
    return this.#timer !== undefined;
  }

  begin(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#over();
      },
      backoffMs(this.#count, PAUSE_MIN_MS, PAUSE_MAX_MS),
    );
    this.#count += 1;
  }

  /** The server works: the next pause is a short one. */
  reset(): void {
    this.#count = 0;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
