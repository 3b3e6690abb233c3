import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ServerOptions, ServerProcess, until } from './server.js';

/**
 * A server whose log a test can hold or break. Files in a directory are the levers: they work across processes and
 * across threads that have no event loop.
 */

export const FAULTS_ENV = 'KASSA_TEST_FAULTS';
/** While it is there, the log is not opened. */
export const HOLD_OPEN = 'hold-open';
/** While it is there, an append has written but does not return. */
export const HOLD = 'hold';
/** Made by an append that is being held. */
export const HELD = 'held';
/** While it is there, an append fails. Its text is the reason. */
export const FAIL = 'fail';

const HELD_MS = 10_000;

export class Faults {
  readonly directory: string;

  constructor(data: string) {
    this.directory = join(data, 'test-faults');
    mkdirSync(this.directory, { recursive: true });
  }

  /** The log is not opened until `release`. */
  holdOpen(): void {
    writeFileSync(join(this.directory, HOLD_OPEN), '');
  }

  /** The next append, and those after it, do not return until `release`. */
  hold(): void {
    rmSync(join(this.directory, HELD), { force: true });
    writeFileSync(join(this.directory, HOLD), '');
  }

  /** Waits until an append has written its data and is being held. */
  async held(): Promise<void> {
    await until(
      () => existsSync(join(this.directory, HELD)),
      HELD_MS,
      () => 'nothing is being appended',
    );
  }

  release(): void {
    for (const name of [HOLD, HOLD_OPEN]) rmSync(join(this.directory, name), { force: true });
  }

  fail(reason: string): void {
    writeFileSync(join(this.directory, FAIL), reason);
  }
}

/** A server with levers on its log; a restart without the script has the real log. */
export async function startFaultyServer(
  options: ServerOptions,
): Promise<{ server: ServerProcess; faults: Faults }> {
  const faults = new Faults(options.data);
  return { server: await ServerProcess.start(faultyOptions(options, faults)), faults };
}

/** As `startFaultyServer`, but the log stays closed until `release`: the server listens and recovers. */
export async function startRecoveringServer(
  options: ServerOptions,
): Promise<{ server: ServerProcess; faults: Faults }> {
  const faults = new Faults(options.data);
  faults.holdOpen();
  const server = await ServerProcess.launch(faultyOptions(options, faults));
  await until(() => server.stdout().includes('listening on'), HELD_MS, server.stderr);
  return { server, faults };
}

function faultyOptions(options: ServerOptions, faults: Faults): ServerOptions {
  return {
    ...options,
    script: fileURLToPath(new URL('./faulty-server.js', import.meta.url)),
    env: { ...options.env, [FAULTS_ENV]: faults.directory },
  };
}
