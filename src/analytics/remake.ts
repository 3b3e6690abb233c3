import type { Database } from './database.js';
import { isUnreadable } from './failure.js';

/** What the log has not: rates that were set, records that were given up, and how long rows were kept. */
const KEPT = ['rates', 'skipped', 'retention'] as const;

/**
 * Drops everything that can be made anew from the log, however torn it is; a kill in the middle leaves tables that differ, and it is done again. Of the
 * other tables those stay that can be read.
 */
export async function dropDelivered(
  database: Database,
  log: (level: 'warn', message: string) => void,
): Promise<void> {
  // A record that only `postings` refused has a row in `transactions`; made anew, it is left out of both.
  const leaveOut = 'ALTER TABLE skipped UPDATE records = 1, postings = 0 WHERE records = 0';
  const isReadable = async (table: string): Promise<boolean> => {
    try {
      if (table === 'skipped') await database.command(`${leaveOut} SETTINGS mutations_sync = 1`);
      await database.rows(`SELECT sum(cityHash64(*)) FROM ${table}`);
      return true;
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      return false;
    }
  };
  const kept = new Set<string>();
  for (const table of KEPT) {
    if (await isReadable(table)) kept.add(table);
    else log('warn', `the table ${table} cannot be read, and begins anew without a row`);
  }
  // Views first: they name the tables that they read.
  const tables = await database.rows(
    "SELECT name FROM system.tables WHERE database = currentDatabase() ORDER BY engine = 'MaterializedView' DESC, name",
  );
  for (const [name] of tables as [string][]) {
    if (!kept.has(name))
      await database.command(`DROP TABLE IF EXISTS \`${name}\` SYNC SETTINGS max_table_size_to_drop = 0`);
  }
}
