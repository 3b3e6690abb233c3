const FIRST_MS = 100;
const MAX_MS = 30_000;
/** So many failures in a row open it. */
const OPENS_AT = 4;

/**
 * How long to wait after failures in a row, and whether to knock first. Closed: each try is the work itself. Open, after some failures: a try
 * begins with one small question, and only its answer lets the work through.
 */
export class Breaker {
  private failures = 0;

  get isOpen(): boolean {
    return this.failures >= OPENS_AT;
  }

  /** @returns ms to wait: twice as long each time up to 30 s, by chance up to a half less, so that many do not come at once */
  failed(random: () => number = Math.random): number {
    const most = Math.min(MAX_MS, FIRST_MS * 2 ** this.failures++);
    return most * (1 - random() / 2);
  }

  succeeded(): void {
    this.failures = 0;
  }
}
