import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

/** A server process under measurement. */
export interface Server {
  readonly port: number;
  /** Every process whose CPU time is the server's; their children count too. */
  readonly pids: readonly number[];
  /** Ends it in good order. */
  stop(): Promise<void>;
}

export interface NodeOptions {
  /** Directory for a `.cpuprofile` of each thread. */
  readonly profile?: string | undefined;
}

const READY_TIMEOUT_MS = 60_000;
/** Short enough to see single steps of a shard, long enough to change its speed by a few per cent only. */
const PROFILE_INTERVAL_US = 500;

/** What runs, and the signal that ends it at once. */
const alive = new Map<ChildProcess, NodeJS.Signals>();
process.on('exit', () => {
  for (const [child, signal] of alive) child.kill(signal);
});

export interface ProgramOptions {
  /** Who it runs as; default: this process's user. */
  readonly uid?: number;
  readonly gid?: number;
  /** Nobody hears of its errors. */
  readonly quiet?: boolean;
  /** Ends it at once when this process ends; default SIGKILL. */
  readonly lastSignal?: NodeJS.Signals;
}

/** Starts a program that ends with this process at the latest. Its errors go to this one's. */
export function startProgram(
  command: string,
  args: readonly string[],
  options: ProgramOptions = {},
): ChildProcess {
  const { quiet, lastSignal, ...user } = options;
  const stdio = ['ignore', 'pipe', quiet ? 'ignore' : 'inherit'] as const;
  const child = spawn(command, args, { stdio: [...stdio], ...user });
  alive.set(child, lastSignal ?? 'SIGKILL');
  child.once('exit', () => alive.delete(child));
  return child;
}

export function startNode(script: URL, args: readonly string[], options: NodeOptions = {}): ChildProcess {
  const profiling =
    options.profile === undefined
      ? []
      : ['--cpu-prof', `--cpu-prof-dir=${options.profile}`, `--cpu-prof-interval=${PROFILE_INTERVAL_US}`];
  return startProgram(process.execPath, [...profiling, fileURLToPath(script), ...args]);
}

/** Waits for the end of a program. @returns what it printed @throws when it fails */
export async function outputOf(child: ChildProcess, name: string): Promise<string> {
  let output = '';
  child.stdout!.on('data', (data) => {
    output += data;
  });
  const code = await exitOf(child);
  if (code !== 0) throw new Error(`${name} ended with ${code}`);
  return output;
}

/** Runs a script to its end. @returns what it printed as JSON @throws when it fails */
export async function runNode<T>(script: URL, argument: unknown, options: NodeOptions = {}): Promise<T> {
  const child = startNode(script, [JSON.stringify(argument)], options);
  return JSON.parse(await outputOf(child, script.pathname.split('/').at(-1)!)) as T;
}

function exitOf(child: ChildProcess): Promise<number | string> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(code ?? signal ?? 'nothing'));
  });
}

/** Waits for the first line of output that a pattern matches. @throws when the program ends before, or says nothing of the kind in time */
export function lineOf(child: ChildProcess, pattern: RegExp, name: string): Promise<RegExpExecArray> {
  return new Promise((resolve, reject) => {
    let output = '';
    const timer = setTimeout(() => reject(new Error(`${name} did not start in time`)), READY_TIMEOUT_MS);
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`${name} ended at its start (${code}): ${output}`)));
    child.stdout!.on('data', (data) => {
      output += data;
      const match = pattern.exec(output);
      if (match === null) return;
      clearTimeout(timer);
      resolve(match);
    });
    child.once('exit', () => clearTimeout(timer));
  });
}

/** Sends SIGTERM and waits for the end. */
export async function stop(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill(signal);
  await gone;
}

/** A port of this machine that nothing listens on. */
export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
