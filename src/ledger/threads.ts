import { MessageChannel, type MessagePort, type Transferable, Worker } from 'node:worker_threads';
import { Control } from '../../engine/control.js';
import { LOCAL_DISK } from '../../wal/local-disk.js';
import { lockDirectory } from '../../wal/lock.js';
import { FeedHost } from '../feed/host.js';
import type { FeedLine } from '../feed/line.js';
import type { LedgerOptions } from '../ledger.js';
import { settled } from './attached.js';
import { Front } from './front.js';
import { defaultThreads, layOut, nameOf, type Runner } from './layout.js';
import type { SessionHost } from './ledger-session.js';
import { ReaderClient } from './reader-client.js';
import { MIN_FREE_BYTES, noRoom, RoomWatch } from './room.js';
import { Supervisor } from './supervisor.js';
import {
  type Attachment,
  type CheckpointerData,
  type CheckpointerStart,
  type Clock,
  type LogData,
  ledgerTime,
  makeWiring,
  type RunnerData,
  type ShardReady,
  type ShardsStart,
  type WriterReady,
} from './wiring.js';

/** Holds expire within this of their time. */
const TICK_MS = 50;
const EXIT_FATAL = 70;
/** Records between two checkpoints: at 100,000 a second, 2 s; a start replays so many in well under one. */
const CHECKPOINT_RECORDS = 200_000;

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
  /** To the live feed. */
  readonly feed: FeedLine;
  /** Resolves with the reason when the ledger has stopped by itself. */
  readonly failed: Promise<Error>;
  /** What further fronts on other threads are made of, once each. */
  readonly attachments: readonly Attachment[];
  /** Adds a thread whose death is fatal too. */
  guard(name: string, worker: Worker): void;
  /** From now on that thread may end. */
  release(worker: Worker): void;
  close(): Promise<void>;
}

/**
 * Wires and starts everything, in the order that data flows:
 *
 *   front -> shards -> writer -> log -> reader, checkpointer, feed
 *
 * The writer opens the log first: it tells the key and the end that shards recover to.
 */
export async function startThreads(options: ThreadOptions): Promise<Threads> {
  const { data, shards } = options;
  const lock = lockDirectory(data);
  const onFatal = options.onFatal ?? exitFatally;
  // Until everything runs a dead thread means that the start fails, which the caller hears by the rejection.
  let isRunning = false;
  const supervisor = new Supervisor((reason) => {
    if (isRunning) onFatal(reason);
  });
  try {
    const fronts = 1 + (options.attachments ?? 0);
    const wiring = makeWiring(shards, fronts);
    const control = new Control(wiring.control);
    // By front, the ends of the channels on which the writer and each shard wake it.
    const doorbells: MessagePort[][] = Array.from({ length: fronts }, () => []);
    const ringers = (): MessagePort[] =>
      doorbells.map((ports) => {
        const { port1, port2 } = new MessageChannel();
        ports.push(port1);
        return port2;
      });

    const logData: LogData = {
      module: options.logModule ?? new URL('../../wal/log.js', import.meta.url).href,
      segmentBytes: options.segmentBytes,
    };
    const plan = layOut(shards, options.threads ?? defaultThreads(shards));
    for (const runner of plan) control.shareBell(runner.shards, runner.isWriter);
    const startRunner = (runner: Runner): Worker => {
      const runnerData: RunnerData = {
        data,
        wiring,
        shards,
        shardNumbers: runner.shards,
        log: runner.isWriter ? logData : undefined,
        fronts: ringers(),
      };
      return start('runner', nameOf(runner), runnerData, runnerData.fronts);
    };
    const writer = startRunner(plan[0]!);
    const log = (await supervisor.ready(writer)) as WriterReady;
    const runners = [writer, ...plan.slice(1).map(startRunner)];
    const shardsStart: ShardsStart = { key: log.key, lsn: log.lsn };
    const shardRunners = runners.filter((_, i) => plan[i]!.shards.length > 0);
    for (const runner of shardRunners) runner.postMessage(shardsStart);
    const readerThread = start('reader', 'reader', { data });
    const checkpointerData: CheckpointerData = {
      data,
      wiring,
      lsn: log.lsn,
      records: options.checkpointRecords ?? CHECKPOINT_RECORDS,
    };
    const checkpointer = start('checkpointer', 'checkpointer', checkpointerData);
    const [shardsReady] = await Promise.all([
      Promise.all(shardRunners.map((runner) => supervisor.ready(runner) as Promise<readonly ShardReady[]>)),
      supervisor.ready(checkpointer),
      supervisor.ready(readerThread),
    ]);
    const reader = new ReaderClient(readerThread);

    const { clock } = log;
    const now = () => ledgerTime(clock);
    const front = new Front({
      front: 0,
      control,
      commands: wiring.commands[0]!,
      results: wiring.results[0]!,
      now,
    });
    for (const port of doorbells[0]!) port.on('message', front.drain);
    const feedHost = new FeedHost({ data, control: wiring.control }, () => control.durableLsn());
    const attachments = doorbells.slice(1).map((ports, i): Attachment => {
      const { port1, port2 } = new MessageChannel();
      readerThread.postMessage(port1, [port1]);
      const failure = new MessageChannel();
      void supervisor.failed.then(({ message }) => failure.port1.postMessage(message));
      return {
        wiring,
        clock,
        key: log.key,
        ledgerId: log.ledgerId,
        shards,
        front: i + 1,
        doorbells: ports,
        reader: port2,
        failure: failure.port2,
        feed: feedHost.attach(),
      };
    });
    const room = new RoomWatch(
      control,
      options.minFreeBytes ?? MIN_FREE_BYTES,
      () => LOCAL_DISK.freeBytes(data),
      (reason) => options.onRoom?.(reason),
    );
    const running = new RunningThreads(log, shards, control, front, reader, clock, supervisor, {
      writer,
      runners,
      checkpointer,
      reader: readerThread,
      feedHost,
      attachments,
      doorbells: doorbells[0]!,
      room,
      release: () => lock.release(),
    });
    if (supervisor.fatal !== undefined) throw supervisor.fatal;
    isRunning = true;
    running.startCheckpoints(shardsReady.flat());
    supervisor.watch(control, shards, wiring);
    return running;
  } catch (error) {
    await supervisor.abandon();
    lock.release();
    throw error;
  }

  function start(
    module: string,
    name: string,
    workerData: unknown,
    transferList: readonly Transferable[] = [],
  ): Worker {
    const worker = new Worker(new URL(`../threads/${module}.js`, import.meta.url), {
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
      readonly runners: readonly Worker[];
      readonly checkpointer: Worker;
      readonly reader: Worker;
      readonly feedHost: FeedHost;
      readonly attachments: readonly Attachment[];
      readonly doorbells: readonly MessagePort[];
      readonly room: RoomWatch;
      readonly release: () => void;
    },
  ) {
    this.ledgerId = log.ledgerId;
    this.key = log.key;
    this.ticker = setInterval(() => {
      if (control.sumFigures(shards).holds > 0) front.tick();
    }, TICK_MS);
    this.ticker.unref();
    parts.room.start();
  }

  get failed(): Promise<Error> {
    return this.supervisor.failed;
  }

  get feed(): FeedLine {
    return this.parts.feedHost.line;
  }

  get attachments(): readonly Attachment[] {
    return this.parts.attachments;
  }

  guard(name: string, worker: Worker): void {
    this.supervisor.add(name, worker);
  }

  release(worker: Worker): void {
    this.supervisor.release(worker);
  }

  now(): number {
    return ledgerTime(this.clock);
  }

  /** The shards are done with the checkpoint's files: from now on they are the checkpointer's. */
  startCheckpoints(ready: readonly ShardReady[]): void {
    const { checkpointer } = this.parts;
    this.checkpointLsn = Math.min(...ready.map((shard) => shard.checkpointLsn));
    checkpointer.on('message', (lsn: number) => {
      this.checkpointLsn = lsn;
    });
    const rebuild = ready.some((shard) => shard.checkpointFault !== undefined);
    checkpointer.postMessage({ rebuild } satisfies CheckpointerStart);
  }

  notReady(): string | undefined {
    if (this.supervisor.fatal !== undefined) return `the ledger stopped: ${this.supervisor.fatal.message}`;
    return this.closing === undefined ? undefined : 'shutting down';
  }

  noRoom(): string | undefined {
    return noRoom(this.control);
  }

  close(): Promise<void> {
    this.closing ??= this.stop();
    return this.closing;
  }

  /** Stops from the front to the log, so that whatever was accepted is written before the writer ends. */
  private async stop(): Promise<void> {
    const { control, front, reader, parts, supervisor } = this;
    await Promise.race([settled(front, reader), supervisor.failed]);
    clearInterval(this.ticker);
    parts.room.stop();
    await parts.feedHost.close();
    if (supervisor.fatal !== undefined) {
      // What was not answered never will be; what was is in the log.
      await supervisor.abandon();
      for (const port of parts.doorbells) port.close();
      parts.release();
      return;
    }
    supervisor.expectExit();
    control.stop(1);
    parts.checkpointer.postMessage('close');
    for (let shard = 0; shard < this.shards; shard++) control.shardBell(shard).ring();
    const others = parts.runners.filter((runner) => runner !== parts.writer);
    await Promise.all(others.map((runner) => exited(runner)));
    control.stop(2);
    control.writerBell().ring();
    await exited(parts.writer);
    await exited(parts.checkpointer);
    reader.close();
    await exited(parts.reader);
    for (const port of parts.doorbells) port.close();
    parts.release();
    if (supervisor.lateFailure !== undefined) throw supervisor.lateFailure;
  }
}

function exited(worker: Worker): Promise<void> {
  if (worker.threadId === -1) return Promise.resolve();
  return new Promise((resolve) => worker.once('exit', () => resolve()));
}
