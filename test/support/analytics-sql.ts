import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Database } from '../../src/analytics/database.js';
import { openEmbedded } from '../../src/analytics/embedded-database.js';
import { type QueryAnswer, runQuery } from '../../src/analytics/query/query.js';
import { ReportError } from '../../src/analytics/report-error.js';
import { MIGRATIONS } from '../../src/analytics/schema.js';

/** In every text of the tenants that are not asked for, and in none of `mine`. */
export const SECRET = 'OTHERSECRET';
/** In their amounts. */
export const SECRET_AMOUNT = 918_273_645;
/** Postings of `mine`: half debits of `till:1`, half credits of `sales`; amounts 101 … 1100, one a minute from 2026-01-01 on. */
export const POSTINGS = 1000;

export interface Book {
  readonly database: Database;
  readonly directory: string;
  close(): Promise<void>;
}

/** The tables with the rows of four tenants, those of one table in one part, so that whatever looks beyond `mine` meets the others. */
export async function openBook(): Promise<Book> {
  const directory = await mkdtemp(join(tmpdir(), 'kassa-sql-'));
  const database = await openEmbedded(directory);
  await fill(database);
  return {
    database,
    directory,
    close: async () => {
      await database.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

export async function fill(database: Database): Promise<void> {
  for (const statement of MIGRATIONS.flat()) await database.command(statement);
  const tenants = "(SELECT arrayJoin(['mine', 'other', 'aother', 'mine2']) AS tenant) AS tenants";
  const own = (text: string) => `if(tenant = 'mine', ${text}, '${SECRET}')`;
  const amount = `if(tenant = 'mine', 101 + number, ${SECRET_AMOUNT})`;
  const time = "toDateTime64('2026-01-01 00:00:00', 3, 'UTC') + number * 60";
  const many = `FROM numbers(${POSTINGS}) AS n, ${tenants} SETTINGS max_block_size = 1000000, min_insert_block_size_rows = 1000000`;
  await database.command(
    `INSERT INTO postings SELECT tenant, number + 1, 0, number % 2, 'posted', ${own("concat('t', toString(intDiv(number, 2)))")}, ` +
      `${own("if(number % 2 = 0, 'till:1', 'sales')")}, if(number % 2 = 0, 'asset', 'revenue'), ${own("'riga.store1'")}, 'EUR', ` +
      `if(number % 2 = 0, 'debit', 'credit'), ${amount}, 0, ${own('toString(number % 10)')}, ${own('toString(number)')}, ` +
      `${own("'vat:21'")}, ${own("'1'")}, ${own("'till:1'")}, ${time}, ${time}, ${own(`'{"shelf": 3}'`)} ${many}`,
  );
  await database.command(
    `INSERT INTO transactions SELECT tenant, number + 1, 0, ${own("concat('t', toString(number))")}, 'posted', number + 1, ` +
      `${own("''")}, 2, ${amount}, 'EUR', ${own('toString(number % 10)')}, ${own('toString(number)')}, ${own("'1'")}, ` +
      `${own("'till:1'")}, ${time}, ${time}, NULL, false, ${own("''")} ${many}`,
  );
  await database.command(
    `INSERT INTO accounts SELECT tenant, ${own("if(number = 0, 'till:1', 'sales')")}, number + 1, if(number = 0, 'asset', 'revenue'), ` +
      `'EUR', ${own("'riga.store1'")}, NULL, NULL, false, false, ${own("''")}, ${own("'1'")}, ${own("'till:1'")}, ${time} ` +
      `FROM numbers(2) AS n, ${tenants}`,
  );
  await database.command(
    `INSERT INTO rates SELECT tenant, 'EUR', 'USD', ${time}, if(tenant = 'mine', 1.5, ${SECRET_AMOUNT}), ${own("'1'")}, ${time} ` +
      `FROM numbers(2) AS n, ${tenants}`,
  );
}

/** An answer, or what it was refused with. */
export type Outcome = QueryAnswer | ReportError;

/** Asks as the tenant `mine`. Whatever else is thrown is a defect. */
export async function ask(
  database: Database,
  sql: string,
  limit = 100,
  signal: AbortSignal = new AbortController().signal,
): Promise<Outcome> {
  try {
    return await runQuery({ database, tenant: 'mine', body: { sql, limit }, signal });
  } catch (error) {
    if (error instanceof ReportError) return error;
    throw error;
  }
}

/** All that a caller would see of it. */
export function shown(outcome: Outcome): string {
  return outcome instanceof ReportError
    ? `${outcome.code} ${outcome.detail}`
    : JSON.stringify(outcome, (_, value) => (typeof value === 'bigint' ? String(value) : value));
}
