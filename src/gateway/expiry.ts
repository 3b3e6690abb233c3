/** Timers know nothing of a wall clock that is set: it is looked at so often at least. */
const DELAY_MS_MAX = 5000;

/**
 * Calls back for each item when its time has come, with one timer for all of them. Tokens expire on whole seconds and
 * many share one, so items are kept in a bucket per second.
 */
export class Expiry<T> {
  private readonly buckets = new Map<number, Set<T>>();
  private timer: NodeJS.Timeout | undefined;
  private timerSecond = Number.POSITIVE_INFINITY;

  /** @param onDue called at the end of the item's second, or right after it (some seconds after the clock was set); must not throw */
  constructor(
    private readonly onDue: (item: T) => void,
    private readonly now: () => number = Date.now,
  ) {}

  /** @param atMs milliseconds since 1970; Infinity for never */
  add(item: T, atMs: number): void {
    const second = Math.ceil(atMs / 1000);
    if (second === Number.POSITIVE_INFINITY) return;
    const bucket = this.buckets.get(second);
    if (bucket === undefined) this.buckets.set(second, new Set([item]));
    else bucket.add(item);
    if (second < this.timerSecond) this.schedule(second);
  }

  delete(item: T, atMs: number): void {
    const second = Math.ceil(atMs / 1000);
    const bucket = this.buckets.get(second);
    if (bucket?.delete(item) && bucket.size === 0) this.buckets.delete(second);
  }

  stop(): void {
    clearTimeout(this.timer);
    this.buckets.clear();
    this.timerSecond = Number.POSITIVE_INFINITY;
  }

  private schedule(second: number): void {
    clearTimeout(this.timer);
    this.timerSecond = second;
    if (second === Number.POSITIVE_INFINITY) return;
    const delayMs = Math.min(Math.max(second * 1000 - this.now(), 0), DELAY_MS_MAX);
    this.timer = setTimeout(() => this.run(), delayMs).unref();
  }

  private run(): void {
    const nowMs = this.now();
    let next = Number.POSITIVE_INFINITY;
    for (const [second, bucket] of this.buckets) {
      if (second * 1000 > nowMs) {
        next = Math.min(next, second);
        continue;
      }
      this.buckets.delete(second);
      for (const item of bucket) this.onDue(item);
    }
    this.schedule(next);
  }
}
