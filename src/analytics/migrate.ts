import { LOOKUPS } from './account-lookup.js';
import type { Database } from './database.js';
import { HaltError } from './halt-error.js';
import { MIGRATIONS, SCHEMA_VERSION } from './schema.js';

/** Tables whose rows go after a time, if that is wanted. */
const EXPIRING = ['postings', 'transactions'] as const;

/**
 * Brings the tables to this version's schema. May be repeated, also after it was cut off in the middle.
 *
 * `schema_versions` has a row for each version that was reached, with the ledger that the tables belong to; `retention` one for each change of
 * the days that rows are kept.
 * @param ttlDays after which postings and transactions are dropped; 0 keeps them. Sums and accounts are kept
 * @throws {HaltError} for tables of another ledger, or of a newer Kassa
 */
export async function migrate(database: Database, ledgerId: string, ttlDays: number): Promise<void> {
  await database.prepare();
  await database.command(
    'CREATE TABLE IF NOT EXISTS schema_versions (version UInt32, ledger String, applied_at DateTime DEFAULT now()) ' +
      'ENGINE = MergeTree ORDER BY version',
  );
  const rows = await database.rows('SELECT version, ledger FROM schema_versions ORDER BY version');
  const other = rows.find(([, ledger]) => ledger !== ledgerId);
  if (other !== undefined) {
    throw new HaltError(
      `the tables in ClickHouse belong to another ledger, ${other[1]}, and not to ${ledgerId}: give this one a database of its own`,
    );
  }
  const version = Number(rows.at(-1)?.[0] ?? 0);
  if (version > SCHEMA_VERSION) {
    throw new HaltError(
      `the tables in ClickHouse are of schema ${version}, made by a newer Kassa; this one knows ${SCHEMA_VERSION}`,
    );
  }
  for (let next = version + 1; next <= SCHEMA_VERSION; next++) {
    for (const statement of MIGRATIONS[next - 1]!) await database.command(statement);
    await database.command(
      'INSERT INTO schema_versions (version, ledger) SELECT {version:UInt32}, {ledger:String} SETTINGS async_insert = 0',
      { version: next, ledger: ledgerId },
    );
  }
  await database.command(
    `CREATE TABLE IF NOT EXISTS ${LOOKUPS} (tenant String, account String) ENGINE = Memory`,
  );
  await retain(database, ttlDays);
}

async function retain(database: Database, days: number): Promise<void> {
  await database.command(
    'CREATE TABLE IF NOT EXISTS retention (days UInt32, since DateTime64(3) DEFAULT now64(3)) ENGINE = MergeTree ORDER BY since',
  );
  const [newest] = await database.rows('SELECT days FROM retention ORDER BY since DESC LIMIT 1');
  const noted = Number(newest?.[0] ?? 0);
  // Noted first when rows will go, last when they stay: what may be missing is never thought to be there.
  if (days > 0 && days !== noted) await note(database, days);
  for (const table of EXPIRING) {
    const [row] = await database.rows(
      'SELECT engine_full FROM system.tables WHERE database = currentDatabase() AND name = {table:String}',
      { table },
    );
    const now = Number(/ TTL .*toIntervalDay\((\d+)\)/.exec(String(row?.[0]))?.[1] ?? 0);
    if (now === days) continue;
    await database.command(
      days > 0
        ? `ALTER TABLE ${table} MODIFY TTL committed_at + toIntervalDay(${days})`
        : `ALTER TABLE ${table} REMOVE TTL`,
    );
  }
  if (days === 0 && noted !== 0) await note(database, 0);
}

async function note(database: Database, days: number): Promise<void> {
  await database.command('INSERT INTO retention (days) SELECT {days:UInt32} SETTINGS async_insert = 0', {
    days,
  });
}
