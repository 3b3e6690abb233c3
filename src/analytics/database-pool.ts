import type { Database, Insert, Params, QueryOptions, Row } from './database.js';

type Waiter = (member: Database) => void;

/**
 * Several connections as one database. The embedded engine carries out what comes through one connection one after the other, so a long
 * report would hold up all others; and so many at a time is all that the engine is asked for. Others wait, in their order.
 */
export class DatabasePool implements Database {
  private readonly free: Database[];
  private readonly waiting = new Set<Waiter>();

  constructor(private readonly members: readonly Database[]) {
    this.free = [...members];
  }

  prepare(): Promise<void> {
    return this.use((member) => member.prepare());
  }

  rows(sql: string, params?: Params, options?: QueryOptions): Promise<readonly Row[]> {
    return this.use((member) => member.rows(sql, params, options), options?.signal);
  }

  text(sql: string, format: string, params?: Params, options?: QueryOptions): Promise<string> {
    return this.use((member) => member.text(sql, format, params, options), options?.signal);
  }

  command(sql: string, params?: Params): Promise<void> {
    return this.use((member) => member.command(sql, params));
  }

  insert(insert: Insert): Promise<void> {
    return this.use((member) => member.insert(insert));
  }

  async close(): Promise<void> {
    await Promise.all([...new Set(this.members)].map((member) => member.close()));
  }

  private async use<T>(run: (member: Database) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const member = this.free.pop() ?? (await this.nextFree(signal));
    try {
      return await run(member);
    } finally {
      this.giveBack(member);
    }
  }

  private nextFree(signal: AbortSignal | undefined): Promise<Database> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const giveUp = () => {
        this.waiting.delete(waiter);
        reject(signal!.reason);
      };
      const waiter: Waiter = (member) => {
        signal?.removeEventListener('abort', giveUp);
        resolve(member);
      };
      signal?.addEventListener('abort', giveUp, { once: true });
      this.waiting.add(waiter);
    });
  }

  private giveBack(member: Database): void {
    const [first] = this.waiting;
    if (first === undefined) {
      this.free.push(member);
      return;
    }
    this.waiting.delete(first);
    first(member);
  }
}
