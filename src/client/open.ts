import type { FileHandle } from 'node:fs/promises';
import { Delivery } from './delivery.js';
import { Journal } from './journal.js';
import { Link, socketUrl } from './link.js';
import { lockQueue } from './lock.js';
import { checkName } from './operation.js';
import { makeDirectory } from './record-file.js';
import { Refusals } from './refusals.js';
import { Requests } from './requests.js';
import { LedgerTerminal } from './terminal.js';
import type { Terminal, TerminalOptions } from './types.js';

const WINDOW_MAX = 1024;

interface Stored {
  readonly lock: FileHandle;
  readonly journal: Journal;
  readonly refusals: Refusals;
  readonly unsettled: Awaited<ReturnType<typeof Journal.open>>['unsettled'];
  /** Copies of files that were damaged. */
  readonly damaged: readonly string[];
}

/**
 * Opens the queue, then connects in the background: a till can sell before there is a connection, and what an earlier
 * run left in the queue is delivered first.
 * @throws QueueInUseError when the queue is open elsewhere, QueueError for one of a newer version, RangeError or
 * TypeError for malformed options, the system's errors
 */
export async function openTerminal(options: TerminalOptions): Promise<Terminal> {
  const url = socketUrl(options.url);
  const name = checkName(options.name ?? 'till');
  const window = inRange('window', options.window ?? 64, 1, WINDOW_MAX);
  const timeoutMs = inRange('timeout_ms', options.timeout_ms ?? 5_000, 1, 3_600_000);
  const linkOptions = {
    url,
    token: options.token,
    heartbeatMs: inRange('heartbeat_ms', options.heartbeat_ms ?? 5_000, 10, 3_600_000),
    reconnectMinMs: inRange('reconnect_min_ms', options.reconnect_min_ms ?? 100, 1, 3_600_000),
    reconnectMaxMs: inRange('reconnect_max_ms', options.reconnect_max_ms ?? 10_000, 1, 3_600_000),
  };
  const stored = await openQueue(options.queue);
  const { journal, refusals, lock } = stored;
  const onProblem = shielded(options.onProblem);

  const requests: Requests = new Requests((frame) => link.send(frame));
  const delivery = new Delivery(
    {
      journal,
      refusals,
      requests,
      window,
      timeoutMs,
      onProblem,
      journalAlways: options.journal !== 'offline',
      reconnect: () => link.drop(),
      onSettled: shielded(options.onSettled),
      onRefused: shielded(options.onRefused),
    },
    stored.unsettled,
  );
  const link: Link = new Link(linkOptions, {
    up() {
      terminal.connection('online');
      delivery.linkUp();
    },
    down() {
      terminal.connection('offline');
      delivery.linkDown();
    },
    message: (value) => requests.received(value),
    problem: onProblem,
  });
  const stampOffline = options.stamp_offline ?? true;
  const onConnection = shielded(options.onConnection);
  const terminal = new LedgerTerminal({
    ...{ name, timeoutMs, stampOffline, onConnection },
    ...{ lock, journal, refusals, requests, delivery, link },
  });

  for (const copy of stored.damaged) {
    onProblem({ kind: 'queue_damaged', detail: 'part of the queue was unreadable', copy });
  }
  link.start();
  return terminal;
}

async function openQueue(dir: string): Promise<Stored> {
  await makeDirectory(dir);
  const lock = await lockQueue(dir);
  try {
    const { refusals, damagedCopy: refusedCopy } = await Refusals.open(dir);
    const { journal, unsettled, damagedCopy } = await Journal.open(dir, refusals.seqMax + 1);
    const settled = unsettled.filter(({ seq }) => refusals.has(seq));
    await Promise.all(settled.map(({ seq }) => journal.settle(seq, true)));
    return {
      ...{ lock, journal, refusals },
      unsettled: unsettled.filter(({ seq }) => !refusals.has(seq)),
      damaged: [refusedCopy, damagedCopy].filter((copy) => copy !== undefined),
    };
  } catch (error) {
    await lock.close();
    throw error;
  }
}

/** A listener's exception is the application's own: it surfaces as uncaught, and does not disturb the queue. */
function shielded<T>(listener: ((event: T) => void) | undefined): (event: T) => void {
  return (event) => {
    if (listener === undefined) return;
    try {
      listener(event);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  };
}

function inRange(name: string, value: number, min: number, max: number): number {
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new RangeError(`${name} must be an integer from ${min} to ${max}`);
  }
  return value;
}
