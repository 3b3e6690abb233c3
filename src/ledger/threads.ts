import { mkdirSync } from 'node:fs';
import { MessageChannel, type MessagePort, type Transferable, Worker } from 'node:worker_threads';
import { Control } from '../../engine/control.js';
import { lockDirectory } from '../../wal/lock.js';
import type { LedgerOptions } from '../ledger.js';
import type { Fact, FactReader } from './facts.js';
import { Front } from './front.js';
import type { SessionHost } from './ledger-session.js';
import { Supervisor } from './supervisor.js';
import {
  type Clock,
  ledgerTime,
  makeWiring,
  type ShardData,
  type WriterData,
  type WriterReady,
} from './wiring.js';

/** Holds expire within this of their time. */
const TICK_MS = 50;
const EXIT_FATAL = 70;

/** Options of {@link startThreads}: the ledger's, and what only tests replace. */
export interface ThreadOptions extends LedgerOptions {
  readonly shards: number;
  /** Module that exports `openLog`, as a URL or path for `import`. */
  readonly logModule?: string;
}

/** The running threads of one ledger, as its first front sees them. */
export interface Threads extends SessionHost {
  readonly ledgerId: string;
  readonly key: Uint8Array;
  readonly shards: number;
  readonly control: Control;
  readonly checkpointLsn: number;
  close(): Promise<void>;
}

/**
 * Wires and starts everything, in the order that data flows:
 *
 *   front -> shards -> writer -> log -> reader, checkpointer
 *
 * The writer opens the log first: it tells the key and the end that shards recover to.
 */
export async function startThreads(options: ThreadOptions): Promise<Threads> {
  const { data, shards } = options;
  mkdirSync(data, { recursive: true });
  const lock = lockDirectory(data);
  const supervisor = new Supervisor(options.onFatal ?? exitFatally);
  try {
    const wiring = makeWiring(shards, 1);
    const control = new Control(wiring.control);
    const doorbells: MessagePort[] = [];
    const doorbell = (): MessagePort => {
      const { port1, port2 } = new MessageChannel();
      doorbells.push(port1);
      return port2;
    };

    const writerData: WriterData = {
      data,
      wiring,
      shards,
      logModule: options.logModule ?? new URL('../../wal/log.js', import.meta.url).href,
      segmentBytes: options.segmentBytes,
      fronts: [doorbell()],
    };
    const writer = start('writer', writerData, writerData.fronts);
    const log = (await supervisor.ready(writer)) as WriterReady;

    const shardWorkers = Array.from({ length: shards }, (_, shard) => {
      const shardData: ShardData = {
        data,
        wiring,
        shard,
        shards,
        key: log.key,
        lsn: log.lsn,
        fronts: [doorbell()],
      };
      return start('shard', shardData, shardData.fronts);
    });
    const reader = new ReaderClient(start('reader', { data }));
    await Promise.all(shardWorkers.map((worker) => supervisor.ready(worker)));

    const { clock } = log;
    const now = () => ledgerTime(clock);
    const front = new Front({
      front: 0,
      control,
      commands: wiring.commands[0]!,
      results: wiring.results[0]!,
      now,
    });
    for (const port of doorbells) port.on('message', front.drain);
    const running = new RunningThreads(log, shards, control, front, reader, clock, supervisor, {
      writer,
      shards: shardWorkers,
      doorbells,
      release: () => lock.release(),
    });
    supervisor.watch(control, shards, wiring);
    return running;
  } catch (error) {
    await supervisor.abandon();
    lock.release();
    throw error;
  }

  function start(name: string, workerData: unknown, transferList: readonly Transferable[] = []): Worker {
    const worker = new Worker(new URL(`../threads/${name}.js`, import.meta.url), {
      workerData,
      transferList,
      name: `kassa-${name}`,
    } as ConstructorParameters<typeof Worker>[1]);
    supervisor.add(name, worker);
    return worker;
  }
}

function exitFatally(reason: Error): void {
  process.stderr.write(`kassa: ${reason.message}\n`);
  process.exit(EXIT_FATAL);
}

class RunningThreads implements Threads {
  readonly ledgerId: string;
  readonly key: Uint8Array;
  checkpointLsn = 0;
  private readonly ticker: NodeJS.Timeout;
  private closing: Promise<void> | undefined;

  constructor(
    log: WriterReady,
    readonly shards: number,
    readonly control: Control,
    readonly front: Front,
    readonly reader: ReaderClient,
    private readonly clock: Clock,
    private readonly supervisor: Supervisor,
    private readonly parts: {
      readonly writer: Worker;
      readonly shards: readonly Worker[];
      readonly doorbells: readonly MessagePort[];
      readonly release: () => void;
    },
  ) {
    this.ledgerId = log.ledgerId;
    this.key = log.key;
    this.ticker = setInterval(() => {
      if (control.sumFigures(shards).holds > 0) front.tick();
    }, TICK_MS);
    this.ticker.unref();
  }

  now(): number {
    return ledgerTime(this.clock);
  }

  notReady(): string | undefined {
    if (this.supervisor.fatal !== undefined) return `the ledger stopped: ${this.supervisor.fatal.message}`;
    return this.closing === undefined ? undefined : 'shutting down';
  }

  close(): Promise<void> {
    this.closing ??= this.stop();
    return this.closing;
  }

  /** Stops from the front to the log, so that whatever was accepted is written before the writer ends. */
  private async stop(): Promise<void> {
    const { control, front, reader, parts, supervisor } = this;
    await front.whenIdle();
    await reader.whenIdle();
    clearInterval(this.ticker);
    supervisor.expectExit();
    control.stop(1);
    parts.shards.forEach((_, shard) => {
      control.shardBell(shard).ring();
    });
    await Promise.all(parts.shards.map((worker) => exited(worker)));
    control.stop(2);
    control.writerBell().ring();
    await exited(parts.writer);
    reader.close();
    await exited(reader.worker);
    for (const port of parts.doorbells) port.close();
    parts.release();
  }
}

function exited(worker: Worker): Promise<void> {
  if (worker.threadId === -1) return Promise.resolve();
  return new Promise((resolve) => worker.once('exit', () => resolve()));
}

/** Asks the reader's thread for stored records. */
class ReaderClient implements FactReader {
  private readonly waiting = new Map<number, (facts: readonly Fact[]) => void>();
  private next = 0;
  private readonly idle: (() => void)[] = [];

  constructor(readonly worker: Worker) {
    worker.on('message', (message: { request: number; facts: readonly Fact[] }) => {
      this.waiting.get(message.request)!(message.facts);
      this.waiting.delete(message.request);
      if (this.waiting.size === 0) for (const resolve of this.idle.splice(0)) resolve();
    });
  }

  fetch(lsns: readonly number[]): Promise<readonly Fact[]> {
    return new Promise((resolve) => {
      const request = this.next++;
      this.waiting.set(request, resolve);
      this.worker.postMessage({ request, lsns });
    });
  }

  whenIdle(): Promise<void> {
    return this.waiting.size === 0 ? Promise.resolve() : new Promise((resolve) => this.idle.push(resolve));
  }

  close(): void {
    this.worker.postMessage('close');
  }
}
