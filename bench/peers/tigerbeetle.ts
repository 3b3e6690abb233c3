import { accessSync, constants } from 'node:fs';
import { createRequire } from 'node:module';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Bench } from '../bench.js';
import { freePort, lineOf, outputOf, type Server, startNode, startProgram, stop } from '../process.js';
import type { GatewayOptions } from './tigerbeetle-gateway.js';

/** TigerBeetle as the user downloaded it: one replica, default settings, behind a gateway that takes the same frames as Kassa. */
export interface TigerbeetlePeer {
  readonly version: string;
  /** Starts a new cluster with the accounts of the benchmark; ends with the suite. */
  start(bench: Bench, accounts: number): Promise<Server>;
}

const GATEWAY = new URL('./tigerbeetle-gateway.js', import.meta.url);
/** It reserves 3 GB of memory and prepares its file first. */
const START_TIMEOUT_MS = 60_000;
const POLL_MS = 50;

/** @throws when the program cannot be run, or its client is not installed */
export async function findTigerbeetle(path: string): Promise<TigerbeetlePeer> {
  accessSync(path, constants.X_OK);
  assertClient();
  const version = (await outputOf(startProgram(path, ['version']), path)).trim();
  return { version, start: (bench, accounts) => start(path, bench, accounts) };
}

function assertClient(): void {
  try {
    createRequire(import.meta.url).resolve('tigerbeetle-node');
  } catch (cause) {
    throw new Error('the client of TigerBeetle is not installed: run "npm ci" with development packages', {
      cause,
    });
  }
}

async function start(path: string, bench: Bench, accounts: number): Promise<Server> {
  const directory = bench.place.directory('tigerbeetle');
  const file = join(directory, '0_0.tigerbeetle');
  const format = ['format', '--cluster=0', '--replica=0', '--replica-count=1', file];
  await outputOf(startProgram(path, format, { quiet: true }), 'tigerbeetle format');
  const clusterPort = await freePort();
  const replica = startProgram(path, ['start', `--addresses=127.0.0.1:${clusterPort}`, file], {
    quiet: true,
  });
  // Nobody reads what it prints; a full pipe would stop it.
  replica.stdout!.resume();
  await listening(clusterPort, () => replica.exitCode !== null);
  const options: GatewayOptions = { clusterPort, accounts };
  const gateway = startNode(GATEWAY, [JSON.stringify(options)]);
  const [, port] = await lineOf(gateway, /listening on (\d+)/, 'the gateway before TigerBeetle');
  return bench.keep({
    port: Number(port),
    pids: [replica.pid!, gateway.pid!],
    stop: async () => {
      await stop(gateway);
      await stop(replica);
      bench.place.remove(directory);
    },
  });
}

async function listening(port: number, hasEnded: () => boolean): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (!(await accepts(port))) {
    if (hasEnded() || Date.now() > deadline) throw new Error('TigerBeetle did not start');
    await setTimeout(POLL_MS);
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ port, host: '127.0.0.1' });
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
