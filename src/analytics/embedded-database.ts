import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ClickHouseClient, ClickHouseLogLevel } from '@clickhouse/client';
import { LOCAL_DISK } from '../../wal/local-disk.js';
import {
  ClientDatabase,
  createClient,
  type Insert,
  ONE_BLOCK,
  type Params,
  type QueryOptions,
  quote,
  settingsClause,
} from './database.js';
import { hasEmbeddedEngine, NO_ENGINE } from './installed.js';

/** chDB is an optional dependency, and is not there. */
export class NoEngineError extends Error {
  override readonly name = 'NoEngineError';
  constructor() {
    super(NO_ENGINE);
  }
}

/** The database within the embedded engine. */
const DATABASE = 'kassa';
/** Statements at once of one EmbeddedDatabase: each has a connection of its own. */
const CONNECTIONS_MAX = 4;
/** Questions after which a connection counts as spoilt. */
const WASHES_MAX = 3;

/**
 * ClickHouse as a library. One directory per process: loading it twice, or in a thread that ends, ends the process.
 * @param directory made when it is not there
 * @param keptBytes of the disk below which no rows are taken
 * @throws {NoEngineError}
 */
export async function openEmbedded(directory: string, keptBytes = 0): Promise<EmbeddedDatabase> {
  if (!hasEmbeddedEngine()) throw new NoEngineError();
  const { createChdbConnection } = await import('chdb/connection');
  mkdirSync(directory, { recursive: true });
  const path = join(directory, 'clickhouse');
  const open = async () => {
    const client = createClient({
      connection: createChdbConnection({ path }),
      log: { level: ClickHouseLogLevel.OFF },
    } as never);
    await client.command({ query: `CREATE DATABASE IF NOT EXISTS ${DATABASE}` });
    await client.command({ query: `USE ${DATABASE}` });
    return client;
  };
  return new EmbeddedDatabase(await open(), open, directory, keptBytes);
}

/**
 * Opens the engine; with a new, empty database where the one that is there cannot be opened, as after a power failure that left its files torn. The old one
 * is put aside, in the place of an earlier one, and put back when a new one cannot be opened either. Only for who has the directory to itself.
 * @param onReplaced is told where the old one is
 * @throws {NoEngineError}
 */
export async function openOrReplace(
  directory: string,
  keptBytes: number,
  onReplaced: (aside: string) => void,
): Promise<EmbeddedDatabase> {
  try {
    return await openEmbedded(directory, keptBytes);
  } catch (error) {
    const [path, aside] = [join(directory, 'clickhouse'), join(directory, 'clickhouse-unreadable')];
    if (error instanceof NoEngineError || !existsSync(path)) throw error;
    rmSync(aside, { recursive: true, force: true });
    renameSync(path, aside);
    try {
      const database = await openEmbedded(directory, keptBytes);
      onReplaced(aside);
      return database;
    } catch {
      // It was not for what the old one holds.
      rmSync(path, { recursive: true, force: true });
      renameSync(aside, path);
      throw error;
    }
  }
}

/**
 * A statement has a connection for itself until it is over, and one that failed is washed before the next: what chDB had written of the answer
 * before it failed, it puts in front of the next answer of the same connection. (3.4.0 with ClickHouse 26.7; seen with JSON
 * formats and an error behind the first blocks.) Without that, rows of one tenant would show in the report of another.
 */
export class EmbeddedDatabase extends ClientDatabase {
  private readonly idle: ClickHouseClient[];
  private readonly waiting: {
    readonly resolve: (client: ClickHouseClient) => void;
    readonly reject: (error: Error) => void;
  }[] = [];
  protected override readonly canStop = false;
  /** Connections that are open or opening. */
  private opened = 1;

  constructor(
    client: ClickHouseClient,
    private readonly open: () => Promise<ClickHouseClient>,
    private readonly directory: string,
    private readonly keptBytes = 0,
  ) {
    super(client);
    this.idle = [client];
  }

  /**
   * @inheritdoc
   * An aborted statement is not waited for, and does not begin if it has not; the engine cannot be stopped, and its connection is free when it
   * has ended.
   */
  override text(sql: string, format: string, params?: Params, options: QueryOptions = {}): Promise<string> {
    const { signal } = options;
    const answer = super.text(sql, format, params, options);
    if (signal === undefined) return answer;
    return new Promise((resolve, reject) => {
      const onAbort = () => reject(signal.reason as Error);
      if (signal.aborted) onAbort();
      signal.addEventListener('abort', onAbort, { once: true });
      answer.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
    });
  }

  protected override async use<T>(
    work: (client: ClickHouseClient) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    const client = await this.take();
    if (signal?.aborted) {
      this.give(client);
      throw signal.reason;
    }
    try {
      const result = await work(client);
      this.give(client);
      return result;
    } catch (error) {
      if (await isClean(client)) this.give(client);
      else this.discard();
      throw error;
    }
  }

  private take(): ClickHouseClient | Promise<ClickHouseClient> {
    const client = this.idle.pop();
    if (client !== undefined) return client;
    if (this.opened === CONNECTIONS_MAX) {
      return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
    }
    this.opened++;
    return this.open().catch((error: Error) => {
      this.opened--;
      throw error;
    });
  }

  private give(client: ClickHouseClient): void {
    const next = this.waiting.shift();
    if (next === undefined) this.idle.push(client);
    else next.resolve(client);
  }

  /** A connection that cannot be used any more makes room for a new one. */
  private discard(): void {
    this.opened--;
    const next = this.waiting.shift();
    if (next !== undefined) Promise.resolve(this.take()).then(next.resolve, next.reject);
  }

  /** Made when it was opened. */
  async prepare(): Promise<void> {}

  /** An insert is at work while its call is; those of a killed process ended with it. */
  async settle(): Promise<void> {}

  /**
   * chDB takes what comes with a statement as part of its text, which binary data cannot be: it goes by a file. Text would be parsed at
   * a fifth of the speed (0.4 s against 0.05 s for 100,000 postings).
   * @throws when less of the disk is free than is kept
   */
  async insert({ table, structure, bytes }: Insert): Promise<void> {
    const freeBytes = LOCAL_DISK.freeBytes(this.directory);
    if (freeBytes < this.keptBytes) {
      throw new Error(`${freeBytes} bytes of the disk are free, and ${this.keptBytes} are kept for the log`);
    }
    const path = join(this.directory, `${table}.rowbinary`);
    writeFileSync(path, bytes);
    try {
      await this.command(
        `INSERT INTO ${table} SELECT * FROM file(${quote(path)}, 'RowBinary', ${quote(structure)})${settingsClause(ONE_BLOCK)}`,
      );
    } finally {
      // What is gone before the system writes it back never reaches the disk.
      rmSync(path, { force: true });
    }
  }

  override async close(): Promise<void> {
    await Promise.all(this.idle.map((client) => client.close()));
  }
}

/** Washes a connection: asks until nothing but the answer comes. */
async function isClean(client: ClickHouseClient): Promise<boolean> {
  try {
    for (let i = 0; i < WASHES_MAX; i++) {
      const { stream } = await client.exec({ query: "SELECT 'clean' FORMAT TSV" });
      const chunks: Buffer[] = [];
      for await (const chunk of stream) chunks.push(chunk as Buffer);
      if (Buffer.concat(chunks).toString('latin1') === 'clean\n') return true;
    }
  } catch {
    // Then it is not.
  }
  return false;
}
