import type { Database, Insert, Params, QueryOptions, Row } from '../../src/analytics/database.js';

/** A real database behind a way to it that can fail: before a statement, or after it was carried out. */
export class FaultyDatabase implements Database {
  /** Called before and after each statement; what it throws is what the caller gets. */
  fault: (when: 'before' | 'after', statement: string) => void = () => {};

  constructor(private readonly database: Database) {}

  prepare(): Promise<void> {
    return this.through('prepare', () => this.database.prepare());
  }
  settle(): Promise<void> {
    return this.through('settle', () => this.database.settle());
  }
  rows(sql: string, params?: Params, options?: QueryOptions): Promise<readonly Row[]> {
    return this.through(sql, () => this.database.rows(sql, params, options));
  }
  text(sql: string, format: string, params?: Params, options?: QueryOptions): Promise<string> {
    return this.through(sql, () => this.database.text(sql, format, params, options));
  }
  command(sql: string, params?: Params): Promise<void> {
    return this.through(sql, () => this.database.command(sql, params));
  }
  write(sql: string, params?: Params): Promise<void> {
    return this.through(sql, () => this.database.write(sql, params));
  }
  insert(insert: Insert): Promise<void> {
    return this.through(`INSERT INTO ${insert.table}`, () => this.database.insert(insert));
  }
  close(): Promise<void> {
    return this.database.close();
  }

  private async through<T>(statement: string, run: () => Promise<T>): Promise<T> {
    this.fault('before', statement);
    const result = await run();
    this.fault('after', statement);
    return result;
  }
}

/** As when nobody listens. */
export function refusedConnection(): Error {
  return Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:8123'), { code: 'ECONNREFUSED' });
}
