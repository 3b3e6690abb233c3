import { createReadStream, statSync } from 'node:fs';
import { Command } from 'commander';
import { resolveConfig } from '../config.js';
import { ImportError, type ImportReport } from '../transfer/import.js';
import { EXIT, exitWith } from './exit.js';
import { addConfigOptions } from './options.js';
import { describeCount, Progress } from './progress.js';

const CHUNK_BYTES = 1 << 20;

const HELP = `
The file is an export of Kassa, or one of the same format from elsewhere; docs/export-format.md describes it, with an example of opening
balances. Every line is decided by the rules of the ledger; ids, times, who and LSNs stay what they were. An export becomes the same ledger,
with the same id and key, so that copies of old requests are recognised; never run it and its origin at the same time. A file without a
ledger in its first line becomes a new one.

At the first line that cannot be, the import ends and names line and reason; what came before stays. Corrected, or after an interruption, the
same command goes on: it compares what is there and adds the rest. Until it has come to its end no server starts on the directory.

Exit codes: 0 all lines are in the ledger; 1 a line was refused, or the file is cut off or not as it was exported; 2 the command line;
3 the command could not run.`;

export function importCommand(): Command {
  return addConfigOptions(new Command('import'), ['data'])
    .description('build a ledger from lines of JSON, or go on with it; the server must be stopped')
    .requiredOption('--from <file>', 'the file; - for stdin')
    .option('--json', 'print the report as JSON')
    .addHelpText('after', HELP)
    .action(importData);
}

async function importData(flags: { data?: string; from: string; json?: true }): Promise<void> {
  const progress = new Progress();
  try {
    const { data } = resolveConfig({ data: flags.data }).config;
    const isStdin = flags.from === '-';
    const total = isStdin ? 0 : statSync(flags.from).size;
    const { importFile } = await import('../transfer/import.js');
    const report = await importFile({
      data,
      file: isStdin ? process.stdin : createReadStream(flags.from, { highWaterMark: CHUNK_BYTES }),
      onProgress: ({ bytes, records }) => progress.show('import', bytes, total, 'B', records),
    });
    progress.clear();
    process.stdout.write(
      flags.json ? `${JSON.stringify(toJson(report), null, 2)}\n` : describe(report, data),
    );
  } catch (error) {
    progress.clear();
    if (!(error instanceof ImportError)) exitWith(error);
    const { line, code, lsn } = error;
    if (flags.json)
      process.stdout.write(
        `${JSON.stringify({ ok: false, line, code, detail: error.message, lsn: lsn ?? null }, null, 2)}\n`,
      );
    else process.stderr.write(`kassa: ${error.message}\n`);
    process.exitCode = EXIT.findings;
  }
}

function toJson({ ledger, lsn, timeMs, imported, known }: ImportReport): object {
  return { ok: true, ledger, lsn, committed_at: new Date(timeMs).toISOString(), imported, known };
}

function describe({ ledger, lsn, timeMs, imported, known }: ImportReport, data: string): string {
  return [
    `${data} holds ledger ${ledger} up to lsn ${lsn}, committed at ${new Date(timeMs).toISOString()}`,
    `imported ${describeCount(imported, 'records')}${known > 0 ? `; ${describeCount(known, 'records')} were there already` : ''}`,
    '',
  ].join('\n');
}
