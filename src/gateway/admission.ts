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
  private onIdle: ((isIdle: boolean) => void) | undefined;
  private isAbandoned = false;

  constructor(readonly inFlightMax: number) {}

  open(ledger: Ledger): void {
    this.ledger = ledger;
    this.notReady = undefined;
  }

  close(reason: string): void {
    if (!this.isAbandoned) this.notReady = reason;
  }

  /** As {@link close}, and nothing that is in flight will be answered: nobody waits for it. */
  abandon(reason: string): void {
    this.notReady = reason;
    this.isAbandoned = true;
    this.onIdle?.(false);
  }

  /** Why the server does not take all that is asked of it: nothing is admitted, or the ledger takes no new work. */
  unready(): string | undefined {
    return this.notReady ?? this.ledger?.notReady();
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
    if (this.inFlight === 0) this.onIdle?.(true);
  }

  /** Resolves with true when nothing is in flight, with false after `timeoutMs` or when that was abandoned. */
  async idle(timeoutMs: number): Promise<boolean> {
    if (this.inFlight === 0 || this.isAbandoned) return this.inFlight === 0;
    return new Promise((resolve) => {
      const finish = (idle: boolean) => {
        clearTimeout(timer);
        this.onIdle = undefined;
        resolve(idle);
      };
      const timer = setTimeout(finish, timeoutMs, false);
      this.onIdle = finish;
    });
  }
}
