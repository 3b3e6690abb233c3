import type { Ledger } from '../ledger.js';

/**
 * What may come in: whether the ledger is there, whether it is being stopped, and how many commands await an answer.
 * Memory in flight is bounded here, before anything is decoded into the ledger.
 */
export class Admission {
  /** Commands that await their answer, over all connections and requests. */
  inFlight = 0;
  ledger: Ledger | undefined;
  /** Why nothing is admitted; undefined when ready. */
  notReady: string | undefined = 'recovering';
  private onIdle: (() => void) | undefined;

  constructor(readonly inFlightMax: number) {}

  open(ledger: Ledger): void {
    this.ledger = ledger;
    this.notReady = undefined;
  }

  close(reason: string): void {
    this.notReady = reason;
  }

  /** Why a new command is refused now; undefined when it is welcome. */
  refusal(): 'not_ready' | 'overloaded' | undefined {
    if (this.notReady !== undefined) return 'not_ready';
    return this.inFlight >= this.inFlightMax ? 'overloaded' : undefined;
  }

  enter(): void {
    this.inFlight++;
  }

  leave(): void {
    this.inFlight--;
    if (this.inFlight === 0) this.onIdle?.();
  }

  /** Resolves with true when nothing is in flight, with false after `timeoutMs`. */
  async idle(timeoutMs: number): Promise<boolean> {
    if (this.inFlight === 0) return true;
    return new Promise((resolve) => {
      const finish = (idle: boolean) => {
        clearTimeout(timer);
        this.onIdle = undefined;
        resolve(idle);
      };
      const timer = setTimeout(finish, timeoutMs, false);
      this.onIdle = () => finish(true);
    });
  }
}
