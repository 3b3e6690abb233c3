import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * A small ClickHouse server: HTTP as `@clickhouse/client` speaks it, over the embedded engine in a process of its own. Users: `default`
 * without password, `kassa:secret word`, `reader:read/only` (readonly = 2), `strict:strict` (readonly = 1).
 */

const PROCESS = fileURLToPath(new URL('./clickhouse-http-process.js', import.meta.url));
const START_MS = 30_000;

/** What happens to requests instead of an answer. */
export interface Fault {
  /**
   * error: HTTP 500 that is not of ClickHouse. refuse: ClickHouse's TOO_MANY_PARTS. hang: no answer, nothing is done. cut before: the connection ends, nothing
   * is done. cut after: it is carried out, and the connection ends in the middle of the answer. late: the connection ends, and it is carried out right
   * after the next one that matches.
   */
  readonly how: 'error' | 'refuse' | 'hang' | 'cut before' | 'cut after' | 'late';
  /** Only statements that contain it. */
  readonly match?: string;
  /** Only requests for this database. */
  readonly database?: string;
  /** So many of them; default 1. */
  readonly times?: number;
}

export type ToFront = { readonly id: number } & (
  | { readonly type: 'fault'; readonly fault: Fault }
  | { readonly type: 'away'; readonly isAway: boolean }
);
export interface Seen {
  readonly type: 'seen';
  readonly statement: string;
  readonly id: string;
  /** Whether the answer is to wait for the statement's end. */
  readonly waits: boolean;
}
export type FromFront =
  | Seen
  | { readonly type: 'ready'; readonly port: number }
  | { readonly type: 'done'; readonly id: number };

type Command = ToFront extends infer One ? (One extends { id: number } ? Omit<One, 'id'> : never) : never;

/** Starts one with empty tables. Stop it when the test is over. */
export async function startClickHouse(): Promise<ClickHouseFront> {
  const directory = await mkdtemp(join(tmpdir(), 'kassa-clickhouse-'));
  const front = new ClickHouseFront(directory);
  await front.start();
  return front;
}

export class ClickHouseFront {
  /** Statements in the order they came. */
  readonly seen: Seen[] = [];
  private child: ChildProcess | undefined;
  private port = 0;
  private nextId = 0;

  constructor(private readonly directory: string) {}

  /** Its address; other users and databases by `urlOf`. */
  get url(): URL {
    return this.urlOf('default', '');
  }

  urlOf(user: string, password: string, database = ''): URL {
    const url = new URL(`http://127.0.0.1:${this.port}/${encodeURIComponent(database)}`);
    url.username = user;
    url.password = encodeURIComponent(password);
    return url;
  }

  /** Again, behind `kill`, with what its tables hold and at the same address. */
  async start(): Promise<void> {
    const child = fork(PROCESS, [this.directory, String(this.port)], { serialization: 'advanced' });
    this.child = child;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('the ClickHouse front does not start')), START_MS);
      child.once('exit', (code) => reject(new Error(`the ClickHouse front ended with ${code}`)));
      child.on('message', (message: FromFront) => {
        if (message.type === 'seen') this.seen.push(message);
        if (message.type !== 'ready') return;
        clearTimeout(timer);
        this.port = message.port;
        resolve();
      });
    });
  }

  /** Requests that match meet the fault, the next ones first. */
  fault(fault: Fault): Promise<void> {
    return this.tell({ type: 'fault', fault });
  }

  /** Every connection is cut, and none is taken, until it is back. */
  away(isAway: boolean): Promise<void> {
    return this.tell({ type: 'away', isAway });
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    const { child } = this;
    if (child === undefined) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
    this.child = undefined;
  }

  /** Ends it and removes what it holds. */
  async stop(): Promise<void> {
    await this.kill();
    await rm(this.directory, { recursive: true, force: true });
  }

  private async tell(command: Command): Promise<void> {
    const child = this.child!;
    const id = this.nextId++;
    const done = new Promise<void>((resolve) => {
      const onMessage = (message: FromFront) => {
        if (message.type !== 'done' || message.id !== id) return;
        child.off('message', onMessage);
        resolve();
      };
      child.on('message', onMessage);
    });
    child.send({ ...command, id });
    await done;
  }
}
