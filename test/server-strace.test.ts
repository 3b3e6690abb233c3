import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { makeDataDirectory, type ServerOptions, ServerProcess, until, within } from './support/server.js';
import { createAccounts } from './support/shop.js';
import {
  type Exchange,
  isTraceComplete,
  readTrace,
  straceCommand,
  straceMissing,
  unsyncedAnswers,
} from './support/strace.js';
import { makeToken } from './support/token.js';

/** Sync before reply, as the kernel saw it: no answer leaves before what it promises is on the disk. */

const WAIT_MS = 30_000;
const ONE_AT_A_TIME = 10;
const AT_ONCE = 150;
const SOCKETS = 3;
/** So that an answer is found by its rid. */
const RID_MIN = 4_000_000;
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A terminal whose frames can be read in a trace: they are masked with zeros. */
async function openTerminal(port: number): Promise<(rid: number, id: string) => Promise<void>> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/ws`, {
    headers: { authorization: `Bearer ${makeToken()}` },
    generateMask: (mask) => mask.fill(0),
  });
  onTestFinished(() => socket.terminate());
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  const waiting = new Map<number, () => void>();
  socket.on('message', (data) => {
    const [rid, n] = JSON.parse(String(data)) as [number, number];
    expect(n).toBe(0);
    waiting.get(rid)!();
  });
  return (rid, id) =>
    new Promise((resolve) => {
      waiting.set(rid, resolve);
      socket.send(JSON.stringify([rid, id, 'till', 'sales', 1]));
    });
}

/** Sells one at a time and many at once, over both ways in, then ends the server. @returns what must be in the trace */
async function tradeTraced(options: Omit<ServerOptions, 'data' | 'under'>) {
  const trace = join(tmpdir(), `kassa-trace-${process.pid}-${RID_MIN}`);
  rmSync(trace, { force: true });
  onTestFinished(() => rmSync(trace, { force: true }));
  const server = await ServerProcess.start({
    ...options,
    data: await makeDataDirectory(),
    shards: 2,
    under: straceCommand(trace),
  });
  onTestFinished(() => server.kill());
  const http = server.http();
  const accounts = ['till', 'sales'].map((id) => ({ id, type: 'asset', min_balance: null }));
  await createAccounts(http, accounts);
  const terminals = await Promise.all(Array.from({ length: SOCKETS }, () => openTerminal(server.port)));
  const exchanges: Exchange[] = [];
  const sell = async (n: number): Promise<void> => {
    // Marked at its end too, so that no id is found in another.
    const id = `sale-${n}.`;
    if (n % 2 === 0) {
      exchanges.push({ request: id, answer: id });
      const sale = { id, debit: 'till', credit: 'sales', amount: 1 };
      expect((await http.post('/v1/transactions', sale)).status).toBe(201);
    } else {
      const rid = RID_MIN + n;
      exchanges.push({ request: id, answer: `[${rid},0,` });
      await terminals[n % SOCKETS]!(rid, id);
    }
  };
  for (let n = 0; n < ONE_AT_A_TIME; n++) await within(sell(n), WAIT_MS, server.stdout);
  const all = Array.from({ length: AT_ONCE }, (_, n) => sell(ONE_AT_A_TIME + n));
  await within(Promise.all(all), WAIT_MS, server.stdout);
  await server.kill();
  await until(
    () => isTraceComplete(trace, server.pid),
    WAIT_MS,
    () => 'the trace does not end',
  );
  return { calls: readTrace(trace), exchanges };
}

/** The same program with one change. @returns a script that serves */
function patchedServer(file: string, from: string, to: string): string {
  const copy = join(tmpdir(), `kassa-patched-${process.pid}`);
  onTestFinished(() => rmSync(copy, { recursive: true, force: true }));
  mkdirSync(copy);
  for (const folder of ['dist/src', 'dist/engine', 'dist/wal'])
    cpSync(join(ROOT, folder), join(copy, folder), { recursive: true });
  cpSync(join(ROOT, 'package.json'), join(copy, 'package.json'));
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  const text = readFileSync(join(copy, file), 'utf8');
  expect(text).toContain(from);
  writeFileSync(join(copy, file), text.replace(from, to));
  const script = join(copy, 'serve.js');
  writeFileSync(script, "process.argv.splice(2, 0, 'serve');\nawait import('./dist/src/cli.js');\n");
  return script;
}

const missing = straceMissing();
const title = missing === undefined ? 'seen by strace' : `seen by strace (skipped: ${missing})`;

describe.skipIf(missing !== undefined)(title, { timeout: 120_000 }, () => {
  test('no answer leaves before a sync of the log that began after its record was written', async () => {
    const { calls, exchanges } = await tradeTraced({});
    expect(exchanges.length).toBe(ONE_AT_A_TIME + AT_ONCE);
    expect(unsyncedAnswers(calls, exchanges)).toEqual([]);
  });

  test('a server that answers before the sync is found out', async () => {
    const append = 'this.store.append(';
    const early = `this.env.committed(firstLsn, this.nextLsn - 1, timeMs);\n        ${append}`;
    const { calls, exchanges } = await tradeTraced({
      script: patchedServer('dist/wal/writer.js', append, early),
    });
    // How many get away before the sync depends on who gets a processor.
    expect(unsyncedAnswers(calls, exchanges).length).toBeGreaterThan(0);
  });
});
