import { join } from 'node:path';
import { openOrReplace } from '../../src/analytics/embedded-database.js';
import { PACE, startSink } from '../../src/analytics/sink.js';
import { FaultyDatabase } from './faulty-database.js';
import type { LifeOptions } from './sink-life.js';
import { auditTables } from './table-audit.js';

/**
 * A sink in a process of its own, to be killed: `sink-process.js DATA LSN OPTIONS` delivers up to the LSN in batches of so many postings, one after the
 * other, and ends; or ends by SIGKILL at some moment of its n-th insert, or right behind it. Prints its last status as a line of JSON, and what it has to
 * say on stderr.
 */
const [data, lsn, options] = process.argv.slice(2) as [string, string, string];
const { postings, killAt, mayRemake, isAudited } = JSON.parse(options) as Required<LifeOptions>;
const FIRST_INSERT_MS = 20;
const LOOK_MS = 20;
/** Sometimes the insert is over by then. */
const BEYOND = 1.3;

const database = new FaultyDatabase(
  await openOrReplace(join(data, 'analytics'), 0, (aside) => process.stderr.write(`replaced ${aside}\n`)),
);
let inserts = 0;
let begunMs = 0;
let takenMs = FIRST_INSERT_MS;
database.fault = (when, statement) => {
  if (!/^INSERT INTO (accounts|transactions|postings|batches|sums)/.test(statement)) return;
  if (when === 'after') {
    takenMs = performance.now() - begunMs;
    return;
  }
  begunMs = performance.now();
  if (++inserts !== killAt) return;
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), Math.random() * takenMs * BEYOND);
};
const sink = startSink({
  data,
  database,
  ttlDays: 0,
  mayRemake,
  pace: { ...PACE, postings, busyMs: 0, quietMs: 0, backlog: 1 },
  onStatus: () => {},
  log: (level, message) => process.stderr.write(`${level} ${message}\n`),
});
sink.durable(Number(lsn));
for (;;) {
  const { state, cursor } = sink.status();
  if (state === 'halted' || (state === 'running' && cursor >= Number(lsn))) break;
  await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
}
process.stdout.write(`${JSON.stringify(sink.status())}\n`);
await sink.close();
if (isAudited) await auditTables(database, data);
await database.close();
