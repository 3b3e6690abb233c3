import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

const CLI = fileURLToPath(new URL('../cli.js', import.meta.url));
const READY_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 20_000;
const POLL_MS = 10;
const LOG_TAIL_LINES = 15;

export interface ServerOptions {
  readonly data: string;
  readonly port: number;
  readonly shards: number;
  /** With the embedded ClickHouse, or without any. */
  readonly analytics: boolean;
  /** Where its output goes. */
  readonly log: string;
  readonly jwtSecret: string;
}

/** The engine as a process of its own, which can be killed and started again over the same data. */
export class ServerProcess {
  readonly #options: ServerOptions;
  #child: ChildProcess | undefined;

  constructor(options: ServerOptions) {
    this.#options = options;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#options.port}`;
  }

  /** Starts it and waits until it is ready. @returns milliseconds that took @throws Error with the end of its log */
  async start(): Promise<number> {
    const { data, port, shards, analytics, log } = this.#options;
    const started = performance.now();
    const output = openSync(log, 'a');
    const child = spawn(
      process.execPath,
      [
        CLI,
        'serve',
        ...['--data', data],
        ...['--port', String(port)],
        ...['--auth', 'jwt'],
        ...['--shards', String(shards)],
        ...['--analytics', analytics ? 'embedded' : 'off'],
      ],
      // In a group of its own: Ctrl-C is for the demo, which then ends the server.
      { env: this.#environment(), stdio: ['ignore', output, output], detached: true },
    );
    closeSync(output);
    this.#child = child;
    await this.#ready(child, started + READY_TIMEOUT_MS);
    return performance.now() - started;
  }

  /** Ends it without a word. Resolves when it is gone. */
  async kill(): Promise<void> {
    const gone = this.#gone();
    this.killNow();
    await gone;
  }

  /** The same without waiting, for the last moment of this process. */
  killNow(): void {
    this.#child?.kill('SIGKILL');
  }

  /** Asks it to end in good order. @returns its exit code, or the signal that ended it */
  async stop(): Promise<number | string> {
    const gone = this.#gone();
    this.#child?.kill('SIGTERM');
    const timer = setTimeout(() => this.killNow(), STOP_TIMEOUT_MS);
    const exit = await gone;
    clearTimeout(timer);
    return exit;
  }

  /** Only what the demo says counts: settings of the caller's environment must not leak in. */
  #environment(): NodeJS.ProcessEnv {
    const others = Object.entries(process.env).filter(([name]) => !name.startsWith('KASSA_'));
    return { ...Object.fromEntries(others), KASSA_JWT_SECRET: this.#options.jwtSecret };
  }

  async #ready(child: ChildProcess, deadline: number): Promise<void> {
    while (performance.now() < deadline) {
      if (child.exitCode !== null || child.signalCode !== null) throw this.#failure('it ended');
      const ready = await fetch(`${this.url}/health/ready`).then(
        async (response) => {
          await response.arrayBuffer();
          return response.ok;
        },
        () => false,
      );
      if (ready) return;
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    throw this.#failure(`not ready in ${READY_TIMEOUT_MS / 1000} s`);
  }

  #failure(why: string): Error {
    const tail = readFileSync(this.#options.log, 'utf8')
      .trimEnd()
      .split('\n')
      .slice(-LOG_TAIL_LINES)
      .join('\n');
    return new Error(`the server did not start: ${why}\n${tail}`);
  }

  #gone(): Promise<number | string> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) {
      return Promise.resolve(child?.exitCode ?? child?.signalCode ?? 0);
    }
    return new Promise((resolve) => child.once('exit', (code, signal) => resolve(code ?? signal ?? 0)));
  }
}

/** Runs `kassa verify` over a data directory. @returns its report and whether it found everything sound */
export async function verifyData(data: string): Promise<{ ok: boolean; report: Record<string, unknown> }> {
  const { code, stdout, stderr } = await run([CLI, 'verify', '--data', data, '--json']);
  try {
    const report = JSON.parse(stdout) as Record<string, unknown>;
    return { ok: code === 0 && report['ok'] === true, report };
  } catch {
    return { ok: false, report: { exit: code, stderr: stderr.trim() } };
  }
}

function run(args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, args, { maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
      resolve({ code, stdout, stderr });
    });
  });
}

const PORTS_FROM = 20_000;
const PORTS = 10_000;
const PORT_ATTEMPTS = 50;

/**
 * A port nobody uses now, below those that systems give to outgoing connections: while the server is down, one of the
 * many attempts to connect could otherwise be given the server's own port, connect to itself and keep it taken.
 * @throws Error when none is found
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < PORT_ATTEMPTS; attempt += 1) {
    const port = PORTS_FROM + Math.floor(Math.random() * PORTS);
    if (await isFree(port)) return port;
  }
  throw new Error('no free port was found');
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}
