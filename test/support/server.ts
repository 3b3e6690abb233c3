import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, onTestFailed, onTestFinished } from 'vitest';
import { HttpClient } from './http-client.js';
import { makeToken, SECRET, type TokenClaims } from './token.js';
import { Wire, type WireOptions } from './wire.js';

/** The real server as a child process, over real files. */

const CLI = fileURLToPath(new URL('../../src/cli.js', import.meta.url));
const START_MS = 60_000;
const EXIT_MS = 40_000;
const PORT_MIN = 20_000;
const PORT_MAX = 32_000;

export interface ServerOptions {
  readonly data: string;
  readonly shards?: number;
  /** For shards and log writer. Default: one for a single shard, else as many as there can be, so that both ways are tried on every machine. */
  readonly threads?: number;
  /** `--analytics`; off unless said, since its process takes 0.4 GB. `default` gives no such option. */
  readonly analytics?: string;
  /** A fixed one, so that a restart is found at the same place; any free one when absent. */
  readonly port?: number;
  /** Further options of `kassa serve`. */
  readonly args?: readonly string[];
  readonly env?: { readonly [name: string]: string };
  /** Script to run instead of `kassa serve`; it says `ready on` on stdout, too. */
  readonly script?: string;
  /** A command with its arguments that runs the process and stays out of the way. */
  readonly under?: readonly string[];
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/**
 * A port that nobody listens on now. Unlike one given by the kernel, it can be taken again right after a restart; and it
 * is below the kernel's own range, so that no outgoing connection sits on it by then.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(PORT_MIN, PORT_MAX);
    const probe = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      probe.once('error', () => resolve(false));
      probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
    });
    if (isFree) return port;
  }
}

/** A data directory that is gone when the test is over. */
export async function makeDataDirectory(): Promise<string> {
  const data = await mkdtemp(join(tmpdir(), 'kassa-server-'));
  onTestFinished(() => rm(data, { recursive: true, force: true }));
  return data;
}

/** One server for all tests of a file or `describe`. @returns gives it, once the tests run */
export function sharedServer(options: Omit<ServerOptions, 'data'> = {}): () => ServerProcess {
  let server: ServerProcess | undefined;
  beforeAll(async () => {
    const data = await mkdtemp(join(tmpdir(), 'kassa-server-'));
    server = await ServerProcess.start({ ...options, data });
  }, START_MS);
  afterAll(async () => {
    await server?.kill();
    if (server !== undefined) await rm(server.options.data, { recursive: true, force: true });
  });
  return () => server!;
}

/** Runs a command of the CLI to its end. */
export async function kassa(
  args: readonly string[],
  env: { readonly [name: string]: string } = {},
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = launch([CLI, ...args], env);
  const [out, err] = [collect(child, 'stdout'), collect(child, 'stderr')];
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout: out(), stderr: err() };
}

export class ServerProcess {
  readonly exited: Promise<Exit>;
  readonly stdout: () => string;
  readonly stderr: () => string;
  private readonly clients: { close(): void }[] = [];
  private exit: Exit | undefined;
  /** Asks without a token. */
  readonly operator: HttpClient;

  private constructor(
    readonly options: ServerOptions,
    readonly port: number,
    private readonly child: ChildProcess,
  ) {
    this.operator = this.closing(new HttpClient(port, undefined));
    this.stdout = collect(child, 'stdout');
    this.stderr = collect(child, 'stderr');
    this.exited = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        this.exit = { code, signal };
        resolve(this.exit);
      });
    });
  }

  /** Starts the process without waiting for it. */
  static async launch(options: ServerOptions): Promise<ServerProcess> {
    const port = options.port ?? (await freePort());
    const { data, shards = 1, analytics = 'off', args = [], env = {}, script, under } = options;
    const { threads = shards === 1 ? 1 : shards + 1 } = options;
    const command = script === undefined ? [CLI, 'serve'] : [script];
    const engine = ['--shards', `${shards}`, '--threads', `${threads}`];
    if (analytics !== 'default') engine.push('--analytics', analytics);
    const child = launch(
      [...command, '--data', data, '--port', `${port}`, '--auth', 'jwt', ...engine, ...args],
      { KASSA_JWT_SECRET: SECRET, ...env },
      under,
    );
    return new ServerProcess(options, port, child);
  }

  /** Starts the process and waits until it is ready. */
  static async start(options: ServerOptions): Promise<ServerProcess> {
    const server = await ServerProcess.launch(options);
    await server.ready();
    return server;
  }

  /** A server of its own directory, both gone when the test is over. */
  static async fresh(options: Omit<ServerOptions, 'data'> = {}): Promise<ServerProcess> {
    const server = await ServerProcess.start({ ...options, data: await makeDataDirectory() });
    onTestFailed(() => {
      process.stderr.write(`the server said: ${server.output()}\n`);
    });
    onTestFinished(() => server.kill());
    return server;
  }

  /** Another process on the same data and port. */
  async restart(options: Partial<ServerOptions> = {}): Promise<ServerProcess> {
    return ServerProcess.start({ ...this.options, port: this.port, ...options });
  }

  get hasExited(): boolean {
    return this.exit !== undefined;
  }

  get pid(): number {
    return this.child.pid!;
  }

  async ready(): Promise<void> {
    const isReady = () => this.stdout().includes('ready on http');
    await until(
      () => isReady() || this.exit !== undefined,
      START_MS,
      () => `not ready: ${this.output()}`,
    );
    if (!isReady()) throw new Error(`ended before it was ready: ${this.output()}`);
  }

  /** SIGTERM. @returns how it ended */
  async stop(): Promise<Exit> {
    this.child.kill('SIGTERM');
    const exit = await within(this.exited, EXIT_MS, () => `does not stop: ${this.output()}`);
    this.closeClients();
    return exit;
  }

  /** SIGKILL; harmless when it has ended. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.exited;
    this.closeClients();
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  http(claims: TokenClaims = {}): HttpClient {
    return this.closing(new HttpClient(this.port, makeToken(claims)));
  }

  /** An HTTP client with a token of the test's own making, or none. */
  httpWith(token: string | undefined): HttpClient {
    return this.closing(new HttpClient(this.port, token));
  }

  async wire(claims: TokenClaims = {}, options: WireOptions = {}): Promise<Wire> {
    return this.closing(await Wire.open(this.port, makeToken(claims), options));
  }

  /** A figure of `/metrics`. @throws when there is none of that name */
  async metric(name: string): Promise<number> {
    const figure = (await this.metrics()).get(name);
    if (figure === undefined) throw new Error(`there is no metric ${name}`);
    return figure;
  }

  /** The figures of `/metrics` without labels, by name. */
  async metrics(): Promise<Map<string, number>> {
    const { text } = await this.operator.get('/metrics');
    const lines = text.split('\n').flatMap((line) => /^(\w+) (\S+)$/.exec(line) ?? []);
    return new Map(
      Array.from({ length: lines.length / 3 }, (_, i) => [lines[3 * i + 1]!, Number(lines[3 * i + 2])]),
    );
  }

  private closing<T extends { close(): void }>(client: T): T {
    this.clients.push(client);
    return client;
  }

  private closeClients(): void {
    for (const client of this.clients.splice(0)) client.close();
  }

  /** How it ended, if it did, and what it said. */
  output(): string {
    return `${JSON.stringify(this.exit)}\n${this.stdout()}${this.stderr()}`;
  }
}

/** No server outlives whoever started it, a test that ran out of time included. */
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

function launch(
  args: readonly string[],
  env: { readonly [name: string]: string },
  under: readonly string[] = [],
): ChildProcess {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('KASSA_'));
  const [command, ...rest] = [...under, process.execPath, ...args];
  const child = spawn(command!, rest, {
    env: { ...Object.fromEntries(inherited), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

/** @returns what the stream gave so far */
function collect(child: ChildProcess, stream: 'stdout' | 'stderr'): () => string {
  let text = '';
  child[stream]!.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  return () => text;
}

/** Waits for a condition, and looks every `everyMs`. @throws after `deadlineMs` */
export async function until(
  holds: () => boolean | Promise<boolean>,
  deadlineMs: number,
  why: () => string,
  everyMs = 5,
): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`not within ${deadlineMs} ms: ${why()}`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

/** @throws when the promise is not settled within `deadlineMs` */
export async function within<T>(promise: Promise<T>, deadlineMs: number, why: () => string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${deadlineMs} ms: ${why()}`)), deadlineMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
