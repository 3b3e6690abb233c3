import { Command } from 'commander';
import type { VerifyReport } from '../../wal/verify.js';
import { resolveConfig } from '../config.js';
import { EXIT, exitWith } from './exit.js';
import { addConfigOptions } from './options.js';
import { Progress } from './progress.js';
import { paint } from './style.js';

export function verifyCommand(): Command {
  return addConfigOptions(new Command('verify'), ['data'])
    .description(
      'check a data directory (the server must be stopped) or a backup from its first byte to its last',
    )
    .option('--json', 'print the report as JSON')
    .action(verifyData);
}

async function verifyData(flags: { data?: string; json?: true }): Promise<void> {
  try {
    const { data } = resolveConfig(flags).config;
    const { verify } = await import('../../wal/verify.js');
    const progress = new Progress();
    const report = await verify({
      data,
      onProgress: ({ phase, done, total }) => progress.show(phase, done, total, 'records'),
    });
    progress.clear();
    process.stdout.write(flags.json ? `${JSON.stringify(report, null, 2)}\n` : describe(report));
    process.exitCode = report.ok ? 0 : EXIT.findings;
  } catch (error) {
    exitWith(error);
  }
}

function describe(report: VerifyReport): string {
  const lines = report.findings.map(
    ({ where, problem }) => `${paint('red', where, process.stdout)}: ${problem}`,
  );
  lines.push(
    `segments ${report.segments}, batches ${report.batches}, lsn ${report.lsn}, checkpoint at lsn ${report.checkpointLsn}`,
    `transactions ${report.transactions}, accounts ${report.accounts}`,
    report.ok
      ? paint('green', 'sound', process.stdout)
      : paint('red', `${report.findings.length} findings`, process.stdout),
  );
  return `${lines.join('\n')}\n`;
}
