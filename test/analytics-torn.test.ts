import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FaultyDatabase } from './support/faulty-database.js';
import { until } from './support/ledger.js';
import { MadeLog, RandomTrade } from './support/made-log.js';
import { auditOf, sinkLife } from './support/sink-life.js';
import { auditTables } from './support/table-audit.js';
import { temporaryDirectory } from './support/wal.js';
import { deliver, embedded, stateOf, watchedSink } from './support/watched-sink.js';

/** What a power failure may leave of the embedded engine's files, which it does not sync. */

const TIMEOUT_MS = 120_000;
const RECORDS = 3000;
const TABLES = ['accounts', 'transactions', 'postings', 'batches', 'sums_minute', 'sums_day'] as const;

let whole: string;
let lsn: number;

beforeAll(async () => {
  whole = mkdtempSync(join(tmpdir(), 'kassa-torn-'));
  const log = new MadeLog(whole);
  new RandomTrade(log, 42).run(RECORDS);
  lsn = log.lsn;
  log.close();
  const { status } = await sinkLife(whole, lsn);
  expect(status).toMatchObject({ state: 'running', cursor: lsn });
}, TIMEOUT_MS);
afterAll(() => rmSync(whole, { recursive: true, force: true }));

function engineOf(data: string): string {
  return join(data, 'analytics', 'clickhouse');
}

/** Of the parts of a table those that hold its newest rows: the merged one and what it was merged from. */
function newestParts(data: string, table: string): string[] {
  const directory = join(engineOf(data), 'data', 'kassa', table);
  const parts = readdirSync(directory).flatMap((name) => {
    const [, to] = /^\w+_\d+_(\d+)_\d+$/.exec(name) ?? [];
    return to === undefined ? [] : [{ path: join(directory, name), to: Number(to) }];
  });
  const newest = Math.max(...parts.map(({ to }) => to));
  return parts.filter(({ to }) => to === newest).map(({ path }) => path);
}

function drop(data: string, table: string): void {
  for (const path of newestParts(data, table)) rmSync(path, { recursive: true });
}

/** The file is there in its length, and its bytes never got to the disk. */
function blank(path: string): void {
  writeFileSync(path, Buffer.alloc(readFileSync(path).length));
}

function eachFile(data: string, table: string, damage: (path: string) => void): void {
  for (const part of newestParts(data, table)) {
    // Projections lie in directories of their own.
    for (const entry of readdirSync(part, { recursive: true, withFileTypes: true }))
      if (entry.isFile()) damage(join(entry.parentPath, entry.name));
  }
}

function definition(data: string, table: string): string {
  return join(engineOf(data), 'metadata', 'kassa', `${table}.sql`);
}

/**
 * Tears a copy, and lets a sink begin on it, which holds the tables against the log when it is there.
 * @param isReopened whether the next process does so too: one time for each way of mending
 * @returns what it said
 */
async function afterwards(
  damage: (data: string) => void,
  isReopened = false,
): Promise<{ said: string; remakes: number }> {
  const data = join(temporaryDirectory(), 'copy');
  // Tables are found by relative links.
  cpSync(whole, data, { recursive: true, verbatimSymlinks: true });
  damage(data);
  const { status, said, code } = await sinkLife(data, lsn, { mayRemake: true, isAudited: true });
  expect(status, said).toMatchObject({ state: 'running', cursor: lsn });
  expect(code, said).toBe(0);
  if (isReopened) await auditOf(data);
  return { said, remakes: status!.remakes };
}

describe('torn tables of the embedded engine are made anew', { timeout: TIMEOUT_MS }, () => {
  it.each<[string, (data: string) => void, boolean?]>([
    ['the newest part of accounts is gone', (data) => drop(data, 'accounts')],
    ['the newest part of transactions is gone', (data) => drop(data, 'transactions')],
    ['the newest part of postings is gone', (data) => drop(data, 'postings')],
    [
      'a part has all its files, and they are empty',
      (data) => eachFile(data, 'transactions', (path) => truncateSync(path)),
    ],
    ['a part is blank', (data) => eachFile(data, 'postings', blank), true],
    [
      'the rows of a part are blank',
      (data) => {
        for (const part of newestParts(data, 'transactions')) blank(join(part, 'data.bin'));
      },
    ],
    ['a table is gone', (data) => rmSync(definition(data, 'postings'))],
  ])('%s', async (_, damage, isReopened) => {
    const { said, remakes } = await afterwards(damage, isReopened);
    expect(remakes, said).toBe(1);
    expect(said).toContain('warn analytics makes all tables anew from the log');
  });

  it('and so is a directory that cannot be opened, which is put aside', async () => {
    const { said } = await afterwards((data) => truncateSync(definition(data, 'postings')), true);
    expect(said).toMatch(/replaced .*clickhouse-unreadable/);
  });
});

describe('what is behind as a whole', { timeout: TIMEOUT_MS }, () => {
  it.each<[string, readonly string[], boolean?]>([
    ['the newest word of what was delivered', ['batches']],
    ['the newest part of each table', TABLES, true],
    ['the newest part of a view', ['sums_day']],
  ])('is brought up without that: %s', async (_, tables, isReopened) => {
    const { said, remakes } = await afterwards((data) => {
      for (const table of tables) drop(data, table);
    }, isReopened);
    expect(remakes, said).toBe(0);
  });
});

describe('making all tables anew', { timeout: TIMEOUT_MS }, () => {
  async function setup() {
    const data = temporaryDirectory();
    const log = new MadeLog(data);
    new RandomTrade(log, 7).run(500);
    log.close();
    const database = await embedded(data);
    await deliver(data, database, log.lsn);
    return { data, database, lsn: log.lsn };
  }

  it('keeps what the log has not: rates, and which records were given up', async () => {
    const { data, database, lsn } = await setup();
    await database.command(
      "INSERT INTO rates (tenant, source, target, at, rate, who, set_at) VALUES ('shop', 'EUR', 'USD', now64(3), 1.25, 'ann', now64(3))",
    );
    const [record] = await database.rows('SELECT lsn, legs FROM transactions WHERE legs > 0 LIMIT 1');
    // Given up because only postings refused it: its row of transactions is there.
    await database.command(
      `INSERT INTO skipped (first_lsn, last_lsn, records, postings, reason) VALUES (${record![0]}, ${record![0]}, 0, ${record![1]}, 'x')`,
    );
    await database.command('TRUNCATE TABLE accounts');
    const sink = watchedSink(data, database, { mayRemake: true });
    sink.durable(lsn);
    expect(await stateOf(sink, 'running')).toMatchObject({ remakes: 1 });
    expect(await sink.reached(lsn, TIMEOUT_MS)).toBe(true);
    await sink.close();
    expect(await database.rows('SELECT tenant, rate FROM rates')).toEqual([['shop', 1.25]]);
    const counted = await database.rows(
      'SELECT (SELECT count() FROM accounts) + (SELECT count() FROM transactions)',
    );
    expect(counted).toEqual([[String(lsn - 1)]]);
    const again = watchedSink(data, database, { mayRemake: true });
    again.durable(lsn);
    expect(await stateOf(again, 'running')).toMatchObject({ remakes: 0, cursor: lsn });
  });

  it('is done once: tables that are torn again halt it', async () => {
    const { data, database, lsn } = await setup();
    const torn = new FaultyDatabase(database);
    torn.fault = (when, statement) => {
      if (when === 'after' || !statement.startsWith('SELECT max(last_lsn)')) return;
      throw Object.assign(new Error('Checksum doesn’t match'), { code: '40' });
    };
    const sink = watchedSink(data, torn, { mayRemake: true });
    sink.durable(lsn);
    const { reason, remakes } = await stateOf(sink, 'halted');
    expect(remakes).toBe(1);
    expect(reason).toMatch(/made anew already: look at the disk/);
    sink.resume();
    const halts = () => sink.logged.filter((line) => line.startsWith('error: analytics halted'));
    await until('the second halt', () => halts().length === 2);
    expect(sink.logged.filter((line) => line.includes('makes all tables anew'))).toHaveLength(1);
    torn.fault = () => {};
    sink.resume();
    await stateOf(sink, 'running');
    expect(await sink.reached(lsn, TIMEOUT_MS)).toBe(true);
    await sink.close();
    await auditTables(database, data);
  });

  it('is not done for a machine that lacks something', async () => {
    const { data, database, lsn } = await setup();
    const short = new FaultyDatabase(database);
    let failures = 2;
    short.fault = (when, statement) => {
      if (when === 'after' || !statement.startsWith('SELECT max(last_lsn)') || failures-- <= 0) return;
      throw Object.assign(new Error('Memory limit exceeded'), { code: '241' });
    };
    const sink = watchedSink(data, short, { mayRemake: true });
    sink.durable(lsn);
    await stateOf(sink, 'running');
    expect(sink.status()).toMatchObject({ remakes: 0, retries: 2, cursor: lsn });
  });
});
