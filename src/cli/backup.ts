import { Command } from 'commander';
import type { BackupReport } from '../../wal/backup.js';
import { resolveConfig } from '../config.js';
import { exitWith } from './exit.js';
import { addConfigOptions } from './options.js';
import { describeCount, Progress } from './progress.js';
import { stepAside } from './step-aside.js';

const HELP = `
The server may run meanwhile: the backup is the log as it stood when the command began. Run it again with the same --to, from a timer say:
only what is new is copied. Interrupted, it leaves what was there before, or more, and the next run goes on.
A backup is the log, so it holds everything: "kassa verify --data DIR" checks it, "kassa restore" makes a data directory of it.
It is as secret as the data directory. Keep it on another disk, and copies of it elsewhere.

Exit codes: 0 done; 2 the command line; 3 no backup was made: the source is damaged, the target is another ledger's or in use, the disk is full.`;

export function backupCommand(): Command {
  return addConfigOptions(new Command('backup'), ['data'])
    .description('copy what is new in the log to a backup; beside a running server or without one')
    .requiredOption('--to <dir>', 'directory of the backup; made when it is not there')
    .option('--json', 'print the report as JSON')
    .addHelpText('after', HELP)
    .action(backupData);
}

async function backupData(flags: { data?: string; to: string; json?: true }): Promise<void> {
  try {
    const { data } = resolveConfig(flags).config;
    const { backup } = await import('../../wal/backup.js');
    stepAside();
    const progress = new Progress();
    const report = backup({
      data,
      to: flags.to,
      onProgress: ({ done, total }) => progress.show('copy', done, total, 'B'),
    });
    progress.clear();
    process.stdout.write(
      flags.json ? `${JSON.stringify(toJson(report), null, 2)}\n` : describe(report, flags.to),
    );
  } catch (error) {
    exitWith(error);
  }
}

function toJson(report: BackupReport): object {
  return {
    ledger: report.ledger,
    lsn: report.lsn,
    committed_at: new Date(report.timeMs).toISOString(),
    from_lsn: report.fromLsn,
    segments: report.segments,
    segments_written: report.segmentsWritten,
    bytes_written: report.bytesWritten,
  };
}

function describe(report: BackupReport, to: string): string {
  const { lsn, fromLsn } = report;
  const what = lsn === fromLsn ? 'nothing was new' : `${describeCount(lsn - fromLsn, 'records')} were new`;
  return [
    `${to} holds ledger ${report.ledger} up to lsn ${lsn}, committed at ${new Date(report.timeMs).toISOString()}`,
    `${what}; wrote ${report.segmentsWritten} of ${report.segments} segments, ${describeCount(report.bytesWritten, 'B')}`,
    '',
  ].join('\n');
}
