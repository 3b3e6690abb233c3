import { Readable } from 'node:stream';
import { ClickHouseLogLevel } from '@clickhouse/client';
import { ClientDatabase, createClient, type Insert, ONE_BLOCK, settingsClause } from './database.js';

/** Milliseconds that a request may take. A query has limits of its own below it. */
const REQUEST_MS = 300_000;

/** A ClickHouse server by its HTTP address: user, password and database (default `kassa`) are part of the URL. */
export class ServerDatabase extends ClientDatabase {
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

  async insert({ table, structure, bytes, queryId }: Insert): Promise<void> {
    const source = `input('${structure.replaceAll("'", "\\'")}')`;
    const result = await this.client.exec({
      query: `INSERT INTO ${table} SELECT * FROM ${source}${settingsClause(ONE_BLOCK)} FORMAT RowBinary`,
      values: Readable.from([bytes], { objectMode: false }),
      ...(queryId !== undefined && { query_id: queryId }),
    });
    // Its end is the insert's: before it the connection may still break.
    for await (const _ of result.stream);
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
export function databaseOf(url: URL): string {
  return decodeURIComponent(url.pathname.slice(1)) || 'kassa';
}
