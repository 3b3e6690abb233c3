import { join } from 'node:path';
import { LIMITS } from '../../src/analytics/batch-maker.js';
import { openEmbedded } from '../../src/analytics/embedded-database.js';
import { startSink } from '../../src/analytics/sink.js';

/**
 * A sink in a process of its own, to be killed: `sink-process.js DATA LSN POSTINGS` delivers up to the LSN in batches of so many postings and ends.
 * Each status is a line of JSON on stdout.
 */
const [data, lsn, postings] = process.argv.slice(2) as [string, string, string];
Object.assign(LIMITS, { postings: Number(postings) });
const database = await openEmbedded(join(data, 'analytics'));
const sink = startSink({
  data,
  database,
  ttlDays: 0,
  onStatus: (status) => process.stdout.write(`${JSON.stringify(status)}\n`),
  log: (level, message) => process.stderr.write(`${level} ${message}\n`),
});
sink.durable(Number(lsn));
while (!(await sink.reached(Number(lsn), 1000)) && sink.status().state !== 'halted');
process.stdout.write(`${JSON.stringify(sink.status())}\n`);
await sink.close();
await database.close();
