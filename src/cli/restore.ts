import { Command } from 'commander';
import type { RestoreReport } from '../../wal/restore.js';
import { ConfigError, resolveConfig } from '../config.js';
import { parseTime } from '../ledger/fields.js';
import { exitWith } from './exit.js';
import { addConfigOptions } from './options.js';
import { describeCount, Progress } from './progress.js';

const HELP = `
Without --to-lsn and --to-time all of the backup is restored. --data must be empty or not there; it becomes a data directory only once all
of it was verified.

The restored ledger is the same ledger: it keeps its id, and every transaction that it holds stays done once. If something was cut off, that
has not happened any more. Terminals that still have it queued send it again, and it happens again, with another time and LSN; what nobody
sends again is gone. So never run the old server and the restored one at the same time: both would go on from the same point, to different
ends, under one id. And begin a new backup elsewhere: the old one knows more than this ledger does and will refuse it.

Exit codes: 0 restored and verified; 2 the command line; 3 nothing was restored: the backup is damaged or does not reach that point, or
--data is not empty.`;

export function restoreCommand(): Command {
  return addConfigOptions(new Command('restore'), ['data'])
    .description('make a data directory from a backup, as of now or of an earlier point')
    .requiredOption('--from <dir>', 'directory of the backup')
    .option('--to-lsn <n>', 'up to and including this LSN')
    .option(
      '--to-time <time>',
      'all that was committed at or before, RFC 3339 in UTC, e.g. 2026-11-20T17:00:00Z',
    )
    .option('--json', 'print the report as JSON')
    .addHelpText('after', HELP)
    .action(restoreData);
}

interface Flags {
  readonly data?: string;
  readonly from: string;
  readonly toLsn?: string;
  readonly toTime?: string;
  readonly json?: true;
}

async function restoreData(flags: Flags): Promise<void> {
  try {
    const { data } = resolveConfig({ data: flags.data }).config;
    const point = parsePoint(flags);
    const { restore } = await import('../../wal/restore.js');
    const progress = new Progress();
    const report = await restore({
      from: flags.from,
      data,
      ...point,
      onProgress: ({ phase, done, total }) =>
        progress.show(
          phase === 'copy' ? 'copy' : `verify ${phase}`,
          done,
          total,
          phase === 'copy' ? 'B' : 'records',
        ),
    });
    progress.clear();
    process.stdout.write(
      flags.json ? `${JSON.stringify(toJson(report), null, 2)}\n` : describe(report, data),
    );
  } catch (error) {
    exitWith(error);
  }
}

function parsePoint({ toLsn, toTime }: Flags): { toLsn?: number; toTimeMs?: number } {
  if (toLsn !== undefined && toTime !== undefined) throw new ConfigError(['either --to-lsn or --to-time']);
  if (toLsn !== undefined) return { toLsn: parseLsn('--to-lsn', toLsn) };
  if (toTime === undefined) return {};
  const toTimeMs = parseTime(toTime);
  if (toTimeMs === undefined) {
    throw new ConfigError([`--to-time: must be RFC 3339 in UTC like 2026-11-20T17:00:00Z, not "${toTime}"`]);
  }
  return { toTimeMs };
}

/** @throws ConfigError */
export function parseLsn(flag: string, given: string): number {
  const lsn = Number(given);
  if (/^[1-9]\d*$/.test(given) && Number.isSafeInteger(lsn)) return lsn;
  throw new ConfigError([`${flag}: must be an LSN, 1 or more, not "${given}"`]);
}

function toJson({ ledger, lsn, timeMs, leftOut, transactions, accounts }: RestoreReport): object {
  return {
    ledger,
    lsn,
    committed_at: iso(timeMs),
    transactions,
    accounts,
    left_out:
      leftOut === undefined
        ? null
        : {
            records: leftOut.records,
            from: leftOut.firstMs === undefined ? null : iso(leftOut.firstMs),
            to: iso(leftOut.lastMs),
          },
  };
}

function describe(
  { ledger, lsn, timeMs, leftOut, transactions, accounts }: RestoreReport,
  data: string,
): string {
  const left =
    leftOut === undefined
      ? 'nothing of the backup was left out'
      : `left out: ${describeCount(leftOut.records, 'records')}, committed ${leftOut.firstMs === undefined ? '' : `from ${iso(leftOut.firstMs)} `}up to ${iso(leftOut.lastMs)}`;
  return [
    `${data} holds ledger ${ledger} up to lsn ${lsn}, committed at ${iso(timeMs)}; verified`,
    `transactions ${transactions}, accounts ${accounts}`,
    left,
    '',
  ].join('\n');
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
