import { closeSync, existsSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs';
import { Command } from 'commander';
import { ConfigError, resolveConfig } from '../config.js';
import type { ExportReport } from '../transfer/export.js';
import { exitWith } from './exit.js';
import { addConfigOptions } from './options.js';
import { Progress } from './progress.js';
import { parseLsn } from './restore.js';
import { stepAside } from './step-aside.js';

const HELP = `
One line for each record in the order of the log, between a first line that says what follows and a last one with count and SHA-256, as
docs/export-format.md describes. The server may run meanwhile: the export ends where the log did when the command began.
The first line holds the ledger's id and key, so that "kassa import" gives the same ledger: keep the file as you keep the data directory.

Exit codes: 0 done; 2 the command line; 3 no export was made, or it is not whole: it then lacks its last line, and --out FILE is not there.`;

interface Flags {
  readonly data?: string;
  readonly fromLsn?: string;
  readonly toLsn?: string;
  readonly out?: string;
  readonly json?: true;
}

export function exportCommand(): Command {
  return addConfigOptions(new Command('export'), ['data'])
    .description('write the log as lines of JSON; beside a running server or without one')
    .option('--from-lsn <n>', 'the first record (default 1)')
    .option('--to-lsn <n>', 'the last record (default: the newest)')
    .option('--out <file>', 'a new file, which gets its name when it is whole (default: stdout)')
    .option('--json', 'print a report as JSON, on stderr without --out')
    .addHelpText('after', HELP)
    .action(exportData);
}

async function exportData(flags: Flags): Promise<void> {
  try {
    const { data } = resolveConfig({ data: flags.data }).config;
    const { exportLog } = await import('../transfer/export.js');
    if (flags.out !== undefined && existsSync(flags.out)) {
      throw new ConfigError([`--out: ${flags.out} is there already. Choose another name or remove it`]);
    }
    const range = {
      ...(flags.fromLsn === undefined ? {} : { fromLsn: parseLsn('--from-lsn', flags.fromLsn) }),
      ...(flags.toLsn === undefined ? {} : { toLsn: parseLsn('--to-lsn', flags.toLsn) }),
    };
    stepAside();
    const progress = new Progress();
    const target = flags.out === undefined ? toStdout() : toFile(flags.out);
    const report = await exportLog({
      data,
      ...range,
      write: target.write,
      onProgress: ({ done, total }) => progress.show('export', done, total, 'records'),
    });
    target.finish();
    progress.clear();
    const text = flags.json ? `${JSON.stringify(toJson(report), null, 2)}\n` : describe(report);
    if (flags.out !== undefined) process.stdout.write(text);
    else if (flags.json || process.stderr.isTTY) process.stderr.write(text);
  } catch (error) {
    exitWith(error);
  }
}

interface Target {
  write(bytes: Uint8Array): void | Promise<void>;
  finish(): void;
}

/** Waits for a reader that is slower than the log. */
function toStdout(): Target {
  // A reader that goes away (`| head`) is no error of ours, but the export is not whole.
  process.stdout.on('error', exitWith);
  return {
    write: (bytes) =>
      process.stdout.write(bytes)
        ? undefined
        : new Promise((resolve) => {
            process.stdout.once('drain', resolve);
          }),
    finish: () => {},
  };
}

function toFile(path: string): Target {
  const unfinished = `${path}.part`;
  const fd = openSync(unfinished, 'w', 0o600);
  return {
    write: (bytes) => {
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    },
    finish: () => {
      fsyncSync(fd);
      closeSync(fd);
      renameSync(unfinished, path);
    },
  };
}

function toJson({ ledger, fromLsn, toLsn, records, sha256 }: ExportReport): object {
  return { ledger, from_lsn: fromLsn, to_lsn: toLsn, records, sha256 };
}

function describe({ ledger, fromLsn, toLsn, records }: ExportReport): string {
  return `ledger ${ledger}, lsn ${fromLsn} to ${toLsn}: ${records} records\n`;
}
