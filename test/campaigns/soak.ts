import { EXIT } from '../../src/cli/exit.js';
import { HAS_PROC } from '../support/process-figures.js';
import { flagsOf, runCampaign } from './campaign-cli.js';
import { type SoakReport, soak } from './soak-campaign.js';
import { BYTES_PER_OPERATION, REVERSAL_BYTES, RING_BYTES, SLACK_BYTES, TABLE_SLACK } from './soak-watch.js';

/** An hour of a busy chain of shops: 300 a second. */
const HOUR = 300 * 3_600;

const USAGE = `Usage: npm run soak -- [--minutes 5] [--operations ${HOUR}] [--restarts 5] [--json]

Trades through 100 real connections as fast as the machine allows: sales, baskets, batches, holds and their ends, reversals, new
accounts, reads, hang-ups and garbage, while the server is ended and started again now and then, with SIGKILL and SIGTERM by turns.
Ends after so many minutes or operations, whichever comes first; ${HOUR.toLocaleString('en')} operations are an hour of a chain of shops at 300 a second.

What the server takes is held against this, in each of its lives, from the end of its warm-up to its end:
  memory of its own   grows by what accounts and remembered ids take (kassa_account_bytes, kassa_remembered_id_bytes), and
                      besides at most by ${TABLE_SLACK} of that, ${SLACK_BYTES >> 20} MiB, ${REVERSAL_BYTES} bytes a reversal, ${BYTES_PER_OPERATION} bytes an operation,
                      and early in a life ${RING_BYTES >> 20} MiB of rings a shard
  files and threads   have a fixed bound; files on top of one a connection
  disk                has a bound for each record
In the end the log is read: all that was acknowledged is there once and whole, nothing refused is; every balance is told as the log
adds up; kassa verify finds nothing.

  --minutes N      at most so long
  --operations N   at most so many
  --restarts N     of the server
  --json           the report as JSON

Exit code 0: all of it holds. 1: something does not, and stderr says what. 2: wrong usage, or a system without /proc.
`;

function describe(report: SoakReport): string {
  const mb = (bytes: number) => (bytes / 1e6).toFixed(1).padStart(7);
  const n = (value: number) => Math.round(value).toLocaleString('en');
  const lives = report.lives.map(
    (life, i) =>
      `${`${i + 1}`.padStart(4)}  ${life.shards} shards  ${n(life.operations).padStart(9)} operations  ${mb(life.bytesWarm)} → ${mb(life.bytesEnd)} MB, ` +
      `${mb(life.dataGrowth)} by ids and accounts, ${mb(life.besides)} besides (at most ${mb(life.allowed).trim()})   ${life.openFilesMax} files, ${life.threadsMax} threads   ${life.endedBy}`,
  );
  return [
    'life',
    ...lives,
    `operations         ${n(report.operations)} in ${n(report.seconds)} s: ${(report.operations / HOUR).toFixed(2)} hours at 300 a second`,
    `                   ${n(report.refused)} refused, ${n(report.duplicates)} said again and known, ${n(report.reconnects)} reconnections, ${n(report.garbage)} bad frames`,
    `records            ${n(report.records)}, ${n(report.expired)} of them expiries; ${n(report.ids)} ids of ${report.bytesPerId.toFixed(1)} bytes, ${n(report.accounts)} accounts`,
    `disk               ${report.diskBytesPerRecord.toFixed(0)} bytes a record, ${report.logBytesPerRecord.toFixed(0)} of them log`,
    'nothing leaks, nothing lost, doubled or half there, kassa verify is clean',
    '',
  ].join('\n');
}

const { values, json } = flagsOf(USAGE, { minutes: 5, operations: HOUR, restarts: 5 });
if (!HAS_PROC) {
  process.stderr.write("the soak reads the server's memory from /proc, which only Linux has\n");
  process.exit(EXIT.usage);
}
await runCampaign(json, describe, (progress) =>
  soak({
    ...values,
    onProgress: (operations, life, megabytes) =>
      progress(`life ${life}, ${operations.toLocaleString('en')} operations, ${megabytes.toFixed(0)} MB`),
  }),
);
