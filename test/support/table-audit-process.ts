import { join } from 'node:path';
import { openEmbedded } from '../../src/analytics/embedded-database.js';
import { ServerDatabase } from '../../src/analytics/server-database.js';
import { auditTables } from './table-audit.js';

/**
 * `table-audit-process.js DATA [URL]` holds the tables of a data directory, or of a server, against its log, with nobody at work on either: a process
 * of its own, since the embedded engine opens one directory in its life. Prints what it saw as JSON, or ends with 1 and says what differs.
 */
const [data, url] = process.argv.slice(2) as [string, string | undefined];
const database =
  url === undefined ? await openEmbedded(join(data, 'analytics')) : new ServerDatabase(new URL(url));
try {
  const audit = await auditTables(database, data);
  process.stdout.write(JSON.stringify(audit, (_, value) => (typeof value === 'bigint' ? `${value}` : value)));
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}
await database.close();
