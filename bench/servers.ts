import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

/** A server process under measurement. */
export interface ServerUnderTest {
  readonly port: number;
  readonly pid: number;
  readonly child: ChildProcess;
}

const READY_TIMEOUT_MS = 30_000;

function node(script: URL, args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [fileURLToPath(script), ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
}

/** Runs a script to its end. @returns what it printed @throws when it fails */
export function runNode(script: URL, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = node(script, args);
    let output = '';
    child.stdout!.on('data', (data) => {
      output += data;
    });
    child.on('exit', (code) =>
      code === 0 ? resolve(output) : reject(new Error(`${script.pathname} ended with ${code}`)),
    );
  });
}

export async function startEcho(): Promise<ServerUnderTest> {
  const child = node(new URL('./echo-server.js', import.meta.url), []);
  const port = await new Promise<number>((resolve) =>
    child.stdout!.once('data', (data) => resolve(Number(data))),
  );
  return { child, port, pid: child.pid! };
}

/** Starts Kassa over an empty directory and creates the accounts `a0`..., `b0`... */
export async function startKassa(data: string, shards: number, accounts: number): Promise<ServerUnderTest> {
  const port = await freePort();
  const options = [
    '--data',
    data,
    '--port',
    port,
    '--auth',
    'off',
    '--shards',
    shards,
    '--log-level',
    'warn',
  ].map(String);
  const child = node(new URL('../src/cli.js', import.meta.url), ['serve', ...options]);
  child.stdout!.on('data', (line) => process.stderr.write(line));
  const url = `http://127.0.0.1:${port}`;
  const deadline = Date.now() + READY_TIMEOUT_MS;
  while (
    !(await fetch(`${url}/health/ready`).then(
      (reply) => reply.ok,
      () => false,
    ))
  ) {
    if (Date.now() > deadline || child.exitCode !== null) throw new Error('Kassa did not start');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const names = Array.from({ length: accounts }, (_, i) => [`a${i}`, `b${i}`]).flat();
  for (let at = 0; at < names.length; at += 5000) {
    const body = {
      accounts: names
        .slice(at, at + 5000)
        .map((id) => ({ id, currency: 'EUR', type: 'asset', min_balance: null })),
    };
    const reply = await fetch(`${url}/v1/accounts/batch`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!reply.ok) throw new Error(`accounts: ${await reply.text()}`);
    await reply.text();
  }
  return { child, port, pid: child.pid! };
}

export function finish(server: ServerUnderTest): Promise<void> {
  return new Promise((resolve) => {
    if (server.child.exitCode !== null) return resolve();
    server.child.once('exit', () => resolve());
    server.child.kill('SIGTERM');
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
