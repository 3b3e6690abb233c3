import { type ClickHouseClient, createClient } from '@clickhouse/client';

/** A value of a query's parameter; bigint for 64-bit integers. */
export type Param = string | number | bigint | boolean | null | readonly (string | number | bigint)[];

export type Params = { readonly [name: string]: Param };

/** A row by position. 64-bit and larger integers come as text, so that no digit is lost. */
export type Row = readonly unknown[];

export interface QueryOptions {
  /** Found in `system.processes` under it, and killed by it. */
  readonly queryId?: string;
  /** Settings, written into the statement's own SETTINGS clause: chDB would keep others for later queries. */
  readonly settings?: { readonly [name: string]: string | number };
  readonly signal?: AbortSignal;
}

/** Rows on their way into a table: RowBinary, of columns in this order. */
export interface Insert {
  readonly table: string;
  /** Names and types as `name Type, …`: types as they are encoded, plain String where the table has LowCardinality. */
  readonly structure: string;
  /** Valid until the insert is over. */
  readonly bytes: Uint8Array;
}

/** ClickHouse, embedded or a server: the same statements to either. */
export interface Database {
  /** Makes the database when it is not there. Comes before all else. */
  prepare(): Promise<void>;
  /** Resolves when no insert of before, of this process or one that was killed, is at work, and none of rows on their way can still begin. */
  settle(): Promise<void>;
  /** All rows of a SELECT. It has neither FORMAT nor SETTINGS of its own. */
  rows(sql: string, params?: Params, options?: QueryOptions): Promise<readonly Row[]>;
  /** The answer of a SELECT as text of a format, such as `CSVWithNames`. */
  text(sql: string, format: string, params?: Params, options?: QueryOptions): Promise<string>;
  /** A statement without an answer. */
  command(sql: string, params?: Params): Promise<void>;
  /**
   * INSERT … SELECT. One whose answer was lost may still be carried out, and after it was repeated: so it must say of itself when there is nothing left
   * to do. None is at work after `settle`.
   */
  write(sql: string, params?: Params): Promise<void>;
  /**
   * Inserts rows as one block, which becomes one part: either all of them are there, in one table, or none. Only where all rows are of one
   * partition. What materialized views make of them becomes one part of each view's table, each by itself.
   */
  insert(insert: Insert): Promise<void>;
  close(): Promise<void>;
}

/**
 * A block larger than any batch, so that an insert is not cut into several. Squashing is what joins the blocks that the parser and the
 * views' aggregation give out.
 */
export const ONE_BLOCK = {
  min_insert_block_size_rows: 1_000_000_000,
  min_insert_block_size_bytes: 16_000_000_000,
  min_insert_block_size_rows_for_materialized_views: 1_000_000_000,
  min_insert_block_size_bytes_for_materialized_views: 16_000_000_000,
  max_insert_threads: 1,
  max_threads: 1,
  async_insert: 0,
} as const;

/** How settings stand at the end of a statement. */
export function settingsClause(settings: { readonly [name: string]: string | number }): string {
  const entries = Object.entries(settings);
  if (entries.length === 0) return '';
  const text = entries.map(
    ([name, value]) => `${name} = ${typeof value === 'number' ? value : quote(value)}`,
  );
  return ` SETTINGS ${text.join(', ')}`;
}

/** A string literal of ClickHouse's SQL. */
export function quote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

/** Shared by the embedded engine and servers: what differs is how bytes come in. */
export abstract class ClientDatabase implements Database {
  /** Whether a statement can be stopped once it runs. */
  protected readonly canStop: boolean = true;

  constructor(protected readonly client: ClickHouseClient) {}

  abstract prepare(): Promise<void>;

  abstract settle(): Promise<void>;

  async rows(sql: string, params?: Params, options: QueryOptions = {}): Promise<readonly Row[]> {
    const text = await this.text(sql, 'JSONCompactEachRow', params, {
      ...options,
      settings: { output_format_json_quote_64bit_integers: 1, ...options.settings },
    });
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Row);
  }

  async text(sql: string, format: string, params?: Params, options: QueryOptions = {}): Promise<string> {
    const { queryId, settings, signal } = options;
    return this.use(async (client) => {
      const result = await client.exec({
        query: `${sql} FORMAT ${format}${settingsClause(settings ?? {})}`,
        ...(params !== undefined && { query_params: { ...params } }),
        ...(queryId !== undefined && { query_id: queryId }),
        ...(signal !== undefined && this.canStop && { abort_signal: signal }),
      });
      const chunks: Buffer[] = [];
      for await (const chunk of result.stream) chunks.push(chunk as Buffer);
      return Buffer.concat(chunks).toString('utf8');
    }, signal);
  }

  async command(sql: string, params?: Params): Promise<void> {
    await this.use((client) =>
      client.command({ query: sql, ...(params !== undefined && { query_params: { ...params } }) }),
    );
  }

  write(sql: string, params?: Params): Promise<void> {
    return this.command(sql, params);
  }

  /** Runs one statement. @param _signal nobody waits for it any more */
  protected use<T>(work: (client: ClickHouseClient) => Promise<T>, _signal?: AbortSignal): Promise<T> {
    return work(this.client);
  }

  abstract insert(insert: Insert): Promise<void>;

  async close(): Promise<void> {
    await this.client.close();
  }
}

export { createClient };
