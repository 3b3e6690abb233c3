/** The span that a rate is taken over. */
const SPAN_MS = 5000;

/** Counts per second over the last seconds. */
export class Rate {
  private readonly events: { readonly at: number; readonly count: number }[] = [];

  /** @param now ms of a clock that only goes forward */
  add(count: number, now: number): void {
    this.events.push({ at: now, count });
    this.forget(now);
  }

  perSecond(now: number): number {
    this.forget(now);
    return this.events.reduce((sum, { count }) => sum + count, 0) / (SPAN_MS / 1000);
  }

  private forget(now: number): void {
    while (this.events[0] !== undefined && this.events[0].at < now - SPAN_MS) this.events.shift();
  }
}
