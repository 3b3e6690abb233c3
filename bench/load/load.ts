import { setTimeout } from 'node:timers/promises';
import { encodeIntoCompressedBase64 } from 'hdr-histogram-js';
import { cpuSeconds } from '../cpu.js';
import { accountChooser, accountsPerSide, type Distribution, tagOf } from './accounts.js';
import { Latencies } from './latencies.js';
import { postgresWire } from './postgres-wire.js';
import type { Postings } from './template.js';
import { Till } from './till.js';
import { websocket } from './websocket.js';

/**
 * The load generator, a process of its own. Closed loop: each connection keeps `window` messages under way. Open loop: messages are due at a
 * fixed rate, whatever became of those before, and a latency counts from when its message was due: what waits while the server or the
 * generator stands still is not left out (coordinated omission).
 */

export interface LoadOptions {
  readonly port: number;
  readonly dialect: 'websocket' | 'postgres';
  readonly connections: number;
  /** Closed loop: messages under way on each connection. */
  readonly window: number;
  /** Open loop: messages a second over all connections; 0 = closed loop. */
  readonly rate: number;
  /** Sales in a message; 0 = one sale by itself. */
  readonly batch: number;
  readonly postings: Postings;
  readonly accounts: number;
  readonly tags: number;
  readonly distribution: Distribution;
  readonly warmupS: number;
  readonly seconds: number;
  /** Ends after so many sales instead, without a warm-up; 0 = by the clock. */
  readonly sales: number;
  /** Four characters that make the ids of different runs differ. */
  readonly run: string;
  /** Number of the first connection, when several generators share a run. */
  readonly firstConnection: number;
  /** Processes of the server, whose CPU time is read. */
  readonly serverPids: readonly number[];
}

export interface LoadResult {
  /** Sales a second that were answered while the clock ran. In an open loop it runs until the last answer. */
  readonly rate: number;
  /** Messages that were answered with anything but success. */
  readonly refused: number;
  /** Open loop: messages that were never answered. */
  readonly unanswered: number;
  /** Of messages, as hdr-histogram-js encodes it; microseconds. */
  readonly histogram: string;
  /** How long the clock ran. */
  readonly seconds: number;
  /** CPU seconds while it ran: of this process, and of the server with its children. */
  readonly clientCpuS: number;
  readonly serverCpuS: number;
}

/** Longest sleep of an open loop. */
const NAP_MS = 0.1;
const OPEN_WINDOW = 1 << 14;
/** How long answers are waited for: when an open loop has ended, or when nothing at all was answered. */
const DRAIN_MS = 10_000;
/** Connections that shake hands at once: no more than a listen queue holds. */
const CONNECT_TOGETHER = 100;

async function openTills(options: LoadOptions, latencies: Latencies): Promise<Till[]> {
  const dialect = options.dialect === 'postgres' ? postgresWire : websocket;
  const perSide = accountsPerSide(options);
  const choose = accountChooser(options.distribution, perSide, options.firstConnection + 1);
  const isOpen = options.rate > 0;
  const open = async (connection: number) => {
    const number = connection + options.firstConnection;
    const tag = tagOf(options, number);
    const id = `${tag}${options.run}${number.toString(36).padStart(4, '0')}`;
    const template = dialect.template({ id, account: tag }, options.postings, options.batch);
    const line = await dialect.connect(options.port);
    line.socket.on('error', fail);
    line.socket.on('close', () => fail(new Error('the server closed a connection')));
    const window = isOpen ? OPEN_WINDOW : options.window;
    return new Till(line, dialect, template, choose, latencies, window, isOpen ? 1 : options.window);
  };
  const tills: Till[] = [];
  while (tills.length < options.connections) {
    const count = Math.min(CONNECT_TOGETHER, options.connections - tills.length);
    const from = tills.length;
    tills.push(...(await Promise.all(Array.from({ length: count }, (_, i) => open(from + i)))));
  }
  return tills;
}

function fail(error: Error): never {
  process.stderr.write(`load: ${error.message}\n`);
  process.exit(1);
}

/** What is counted at one moment. */
interface Mark {
  readonly at: number;
  readonly replies: number;
  readonly refused: number;
  readonly clientCpuS: number;
  readonly serverCpuS: number;
}

function mark(tills: readonly Till[], options: LoadOptions): Mark {
  const { user, system } = process.cpuUsage();
  return {
    replies: tills.reduce((sum, till) => sum + till.replies, 0),
    refused: tills.reduce((sum, till) => sum + till.refused, 0),
    clientCpuS: (user + system) / 1e6,
    serverCpuS: cpuSeconds(options.serverPids),
    at: performance.now(),
  };
}

function result(
  options: LoadOptions,
  from: Mark,
  to: Mark,
  latencies: Latencies,
  unanswered: number,
): LoadResult {
  const seconds = (to.at - from.at) / 1000;
  return {
    rate: ((to.replies - from.replies) * Math.max(1, options.batch)) / seconds,
    refused: to.refused - from.refused,
    unanswered,
    histogram: encodeIntoCompressedBase64(latencies.histogram()),
    seconds,
    clientCpuS: to.clientCpuS - from.clientCpuS,
    serverCpuS: to.serverCpuS - from.serverCpuS,
  };
}

async function closedLoop(options: LoadOptions): Promise<LoadResult> {
  const latencies = new Latencies();
  const tills = await openTills(options, latencies);
  for (const till of tills) till.onReplies = (count) => till.send(count, performance.now());
  const start = () => {
    for (const till of tills) till.send(options.window, performance.now());
  };
  if (options.sales === 0) {
    start();
    await setTimeout(options.warmupS * 1000);
    latencies.clear();
    const from = mark(tills, options);
    let to: Mark;
    do {
      await setTimeout(options.seconds * 1000);
      to = mark(tills, options);
    } while (to.replies === from.replies && to.at - from.at < DRAIN_MS);
    return result(options, from, to, latencies, 0);
  }
  const from = mark(tills, options);
  start();
  await answered(tills, Math.ceil(options.sales / Math.max(1, options.batch)));
  return result(options, from, mark(tills, options), latencies, 0);
}

/** Resolves when so many messages are answered. */
function answered(tills: readonly Till[], messages: number): Promise<void> {
  return new Promise((resolve) => {
    let left = messages;
    for (const till of tills) {
      till.onReplies = (count) => {
        left -= count;
        if (left > 0) till.send(count, performance.now());
        else resolve();
      };
    }
  });
}

const never = new Int32Array(new SharedArrayBuffer(4));

/**
 * Stands still until something is due, or a little less. The event loop's timers know whole milliseconds, which would add half of one to every
 * latency; a loop that never sleeps would take a processor from the server; and a thread that wakes this one costs two changes of threads,
 * 47 µs of CPU a time against 25.
 */
function nap(ms: number): void {
  if (ms > 0) Atomics.wait(never, 0, 0, Math.min(ms, NAP_MS));
}

async function openLoop(options: LoadOptions): Promise<LoadResult> {
  const latencies = new Latencies();
  const tills = await openTills(options, latencies);
  const begin = performance.now();
  const measureAt = begin + options.warmupS * 1000;
  const endAt = measureAt + options.seconds * 1000;
  const everyMs = 1000 / options.rate;
  let sent = 0;
  const sendDue = (untilMs: number): Promise<void> =>
    new Promise((resolve) => {
      const turn = () => {
        const now = performance.now();
        let due = begin + sent * everyMs;
        for (; due <= now && due < untilMs; due = begin + sent * everyMs)
          tills[sent++ % tills.length]!.send(1, due);
        if (now >= untilMs) {
          resolve();
          return;
        }
        nap(Math.min(due, untilMs) - performance.now());
        setImmediate(turn);
      };
      turn();
    });
  await sendDue(measureAt);
  latencies.clear();
  const from = mark(tills, options);
  await sendDue(endAt);
  const waitUntil = performance.now() + DRAIN_MS;
  const unanswered = () => tills.reduce((sum, till) => sum + till.unanswered, 0);
  while (unanswered() > 0 && performance.now() < waitUntil) await setTimeout(1);
  return result(options, from, mark(tills, options), latencies, unanswered());
}

const options = JSON.parse(process.argv[2]!) as LoadOptions;
const outcome = await (options.rate > 0 ? openLoop(options) : closedLoop(options));
process.stdout.write(`${JSON.stringify(outcome)}\n`, () => process.exit(0));
