import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ServerProcess } from './server.js';

const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** The demo's directory and server process: both are gone when this process is, whichever way it ends. */
export class Workplace {
  readonly dir = mkdtempSync(join(tmpdir(), 'kassa-demo-'));
  /** Set it as soon as there is one. */
  server: ServerProcess | undefined;
  readonly #keep: boolean;
  readonly #listeners = Object.entries(SIGNALS).map(
    ([signal, exitCode]) => [signal, () => process.exit(exitCode)] as const,
  );

  /** @param keep leaves the directory there */
  constructor(keep: boolean) {
    this.#keep = keep;
    mkdirSync(this.data);
    process.on('exit', this.#clear);
    for (const [signal, listener] of this.#listeners) process.on(signal, listener);
  }

  get data(): string {
    return join(this.dir, 'data');
  }

  get log(): string {
    return join(this.dir, 'server.log');
  }

  queue(till: number): string {
    return join(this.dir, 'queues', String(till).padStart(2, '0'));
  }

  leave(): void {
    process.off('exit', this.#clear);
    this.#deaf();
    this.#clear();
  }

  /** Waits for Ctrl-C, or another of the signals that ask to end; the server goes on until then, and then ends in good order. */
  async untilAsked(): Promise<void> {
    this.#deaf();
    await new Promise<void>((resolve) => {
      for (const signal of Object.keys(SIGNALS)) process.once(signal, () => resolve());
    });
    await this.server?.stop();
    this.leave();
  }

  #deaf(): void {
    for (const [signal, listener] of this.#listeners) process.off(signal, listener);
  }

  readonly #clear = (): void => {
    this.server?.killNow();
    if (!this.#keep) rmSync(this.dir, { recursive: true, force: true, maxRetries: 5 });
  };
}
