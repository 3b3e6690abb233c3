import { readdirSync, writeFileSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { DirectoryInUseError, lockDirectory } from '../../wal/lock.js';
import type { Database } from './database.js';
import { watchEngine } from './engine-watch.js';
import type { FromAnalytics, Start, ToAnalytics } from './messages.js';
import { QuestionDesk } from './question-desk.js';
import { Reports } from './reports/reports.js';
import { type Sink, startSink } from './sink.js';

/*
 * The analytics process: tails the log into ClickHouse and answers questions from there. It reads files of the ledger and writes none of
 * them; it may be killed at any moment, and started again goes on where ClickHouse says that it was.
 */

/** Of 1000: when memory runs out the kernel is to end this process, not the ledger's. */
const OOM_SCORE_ADJUST = '800';
/** A process whose server was killed ends within a second, or when it gets a processor. */
const LOCK_MS = 10_000;
const LOCK_LOOK_MS = 100;

interface Databases {
  readonly sink: Database;
  readonly reports: Database;
  /** Undefined where there is no user for it. */
  readonly sql: Database | undefined;
  close(): Promise<void>;
}

stepBack();
new Worker(new URL('./orphan-watch.js', import.meta.url), { workerData: process.ppid }).unref();
// Nobody is left to answer, and ClickHouse may be killed at any moment: an exit in good order could hang in it.
process.once('disconnect', () => process.kill(process.pid, 'SIGKILL'));
// These come to all processes of a terminal or a container at once; when to stop is the server's word.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
process.once('message', (message: ToAnalytics) => {
  if (message.type !== 'start') throw new Error(`the first message is start, not ${message.type}`);
  run(message).catch((error: Error) => {
    process.stderr.write(`${error.stack}\n`, () => process.exit(1));
  });
});

/** Everything here gives way to the ledger. Before the engine is loaded, so that its threads begin with it. */
function stepBack(): void {
  const { PRIORITY_LOW } = constants.priority;
  setPriority(PRIORITY_LOW);
  if (process.platform !== 'linux') return;
  // There a priority is a thread's own, and Node.js has started some already.
  for (const thread of readdirSync('/proc/self/task')) {
    try {
      setPriority(Number(thread), PRIORITY_LOW);
    } catch {
      // It has ended meanwhile.
    }
  }
  writeFileSync('/proc/self/oom_score_adj', OOM_SCORE_ADJUST);
}

function send(message: FromAnalytics): void {
  if (process.connected) process.send!(message, undefined, undefined, () => undefined);
}

function log(level: 'info' | 'warn' | 'error', message: string): void {
  send({ type: 'log', level, message });
}

async function run(start: Start): Promise<void> {
  // What is told while the databases are opened is kept for afterwards.
  const early: ToAnalytics[] = [];
  const keep = (message: ToAnalytics) => early.push(message);
  process.on('message', keep);
  const databases = await openDatabases(start);
  // The engine sets one of its threads to the highest priority, where it may.
  stepBack();
  let durableLsn = 0;
  const sink = startSink({
    data: start.data,
    database: databases.sink,
    onStatus: send,
    log,
    ttlDays: start.ttlDays,
    mayRemake: start.target.kind === 'embedded',
  });
  const reports = new Reports({
    database: databases.reports,
    sqlDatabase: databases.sql,
    zone: start.zone,
    sink,
    durableLsn: () => durableLsn,
    onTiming: (report, seconds) => send({ type: 'timing', report, seconds }),
    log,
  });
  const desk = new QuestionDesk({
    answer: (question, signal) => reports.answer(question, signal),
    send,
    log,
    slowMs: start.slowQueryMs,
    cursor: () => sink.cursor().lsn,
  });
  const receive = (message: ToAnalytics) => {
    switch (message.type) {
      case 'durable':
        durableLsn = message.lsn;
        sink.durable(message.lsn);
        break;
      case 'ask':
        desk.ask(message);
        break;
      case 'cancel':
        desk.cancel(message.id);
        break;
      case 'stop':
        void stop(desk, sink, databases);
    }
  };
  process.off('message', keep);
  process.on('message', receive);
  for (const message of early) receive(message);
}

async function stop(desk: QuestionDesk, sink: Sink, databases: Databases): Promise<void> {
  desk.cancelAll();
  await sink.close();
  await databases.close();
  process.exit(0);
}

/** Of each, a few queries run at a time; others wait. One for each use, so that a long report holds up neither the sink nor an analyst. */
async function openDatabases({ target, data, keptBytes, sqlUrl }: Start): Promise<Databases> {
  if (target.kind === 'server') return openServer(target.url, sqlUrl);
  const { openEmbedded, openOrReplace } = await import('./embedded-database.js');
  const directory = join(data, 'analytics');
  await lock(directory);
  const sink = await openOrReplace(directory, keptBytes, (aside) =>
    log(
      'warn',
      `the tables of analytics could not be opened and lie in ${aside} now; all are made anew from the log, but for exchange rates, which have to be set again`,
    ),
  );
  const open = () => openEmbedded(directory, keptBytes);
  const [reports, sql, watched] = [await open(), await open(), await open()];
  const unwatch = watchEngine(watched);
  return {
    ...{ sink, reports, sql },
    close: async () => {
      unwatch();
      await Promise.all([sink, reports, sql, watched].map((database) => database.close()));
    },
  };
}

/** The process of a server that was killed may still be at work for a moment. Held until this one ends. */
async function lock(directory: string): Promise<void> {
  const endMs = performance.now() + LOCK_MS;
  for (;;) {
    try {
      lockDirectory(directory);
      return;
    } catch (error) {
      if (!(error instanceof DirectoryInUseError) || performance.now() > endMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, LOCK_LOOK_MS));
    }
  }
}

async function openServer(url: string, sqlUrl: string | undefined): Promise<Databases> {
  const { ServerDatabase } = await import('./server-database.js');
  const [sink, reports] = [new ServerDatabase(new URL(url)), new ServerDatabase(new URL(url))];
  const sql = sqlUrl === undefined ? undefined : new ServerDatabase(new URL(sqlUrl));
  return {
    ...{ sink, reports, sql },
    close: async () => {
      await Promise.all([sink, reports, sql].map((database) => database?.close()));
    },
  };
}
