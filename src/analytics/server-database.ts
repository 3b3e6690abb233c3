import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { ClickHouseLogLevel } from '@clickhouse/client';
import {
  ClientDatabase,
  createClient,
  type Insert,
  ONE_BLOCK,
  type Params,
  quote,
  settingsClause,
} from './database.js';
import { clickhouseCode } from './failure.js';

/** Milliseconds that a request may take. A query has limits of its own below it. */
const REQUEST_MS = 300_000;

/** An insert that has not begun so many ms after it was sent does not begin. */
const BEGIN_MS = 3000;
/** What the reading of the server's clock may be off. */
const CLOCK_SLACK_MS = 1000;
/** The server's clock is asked for again after so many ms. */
const CLOCK_MS = 60_000;

/** A ClickHouse server by its HTTP address: user, password and database (default `kassa`) are part of the URL. */
export class ServerDatabase extends ClientDatabase {
  /** How the names of inserts begin. */
  private readonly insertName: string;
  /** The server's clock, and when it was asked, by this process's. */
  private clockMs = 0;
  private clockAskedMs = Number.NEGATIVE_INFINITY;
  /** When, by this process's clock, no insert whose end is not known can begin any more; at first one of a process that was killed. */
  private settledMs = performance.now() + BEGIN_MS + CLOCK_SLACK_MS;

  constructor(readonly url: URL) {
    super(
      createClient({
        ...connectionOf(url),
        database: databaseOf(url),
        request_timeout: REQUEST_MS,
        compression: { request: false, response: false },
        max_open_connections: 8,
        // Else an error behind the first rows would come as the rest of an answer that had begun well.
        clickhouse_settings: { wait_end_of_query: 1 },
      }),
    );
    this.insertName = `kassa-sink-${databaseOf(url)}-`;
  }

  /** By a connection that names no database: one that names a missing one is refused. */
  async prepare(): Promise<void> {
    const client = createClient({ ...connectionOf(this.url), database: 'default' });
    try {
      await client.command({ query: `CREATE DATABASE IF NOT EXISTS \`${databaseOf(this.url)}\`` });
    } finally {
      await client.close();
    }
  }

  /**
   * An insert whose answer was lost may have been carried out, be at work, or still wait on its way to the server. So each has a name, by which it is
   * stopped, and a time, by the server's clock, after which it does not begin any more.
   */
  async insert({ table, structure, bytes }: Insert): Promise<void> {
    const begins = `fromUnixTimestamp64Milli(${await this.latestBegin()})`;
    await this.named(async (query_id) => {
      const result = await this.client.exec({
        query:
          `INSERT INTO ${table} SELECT * FROM input(${quote(structure)}) WHERE throwIf(now64(3) > ${begins}, 'it came too late') = 0` +
          `${settingsClause(ONE_BLOCK)} FORMAT RowBinary`,
        values: Readable.from([bytes], { objectMode: false }),
        query_id,
      });
      // Its end is the insert's: before it the connection may still break.
      for await (const _ of result.stream);
    });
  }

  override async write(sql: string, params: Params = {}): Promise<void> {
    await this.named(async (query_id) => {
      await this.client.command({ query: sql, query_params: { ...params }, query_id });
    });
  }

  private async named(send: (queryId: string) => Promise<void>): Promise<void> {
    const sentMs = performance.now();
    try {
      await send(`${this.insertName}${randomUUID()}`);
    } catch (error) {
      if (clickhouseCode(error) === undefined) this.settledMs = sentMs + BEGIN_MS + CLOCK_SLACK_MS;
      throw error;
    }
  }

  async settle(): Promise<void> {
    const rest = this.settledMs - performance.now();
    if (rest > 0) await new Promise((resolve) => setTimeout(resolve, rest));
    await this.command('KILL QUERY WHERE startsWith(query_id, {name:String}) SYNC', {
      name: this.insertName,
    });
  }

  /** The server's time (ms) after which an insert sent now shall not begin. */
  private async latestBegin(): Promise<number> {
    if (performance.now() > this.clockAskedMs + CLOCK_MS) {
      const [row] = await this.rows('SELECT toUnixTimestamp64Milli(now64(3))');
      this.clockAskedMs = performance.now();
      this.clockMs = Number(row![0]);
    }
    return Math.floor(this.clockMs + performance.now() - this.clockAskedMs + BEGIN_MS);
  }
}

function connectionOf(url: URL) {
  return {
    url: url.origin,
    username: decodeURIComponent(url.username) || 'default',
    password: decodeURIComponent(url.password),
    log: { level: ClickHouseLogLevel.OFF },
  };
}

/** The database that a server's URL names; `kassa` when it names none. */
function databaseOf(url: URL): string {
  return decodeURIComponent(url.pathname.slice(1)) || 'kassa';
}
