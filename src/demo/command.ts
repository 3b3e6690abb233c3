import { Command, InvalidArgumentError } from 'commander';
import { EXIT } from '../cli/exit.js';
import { paint } from '../cli/style.js';
import { toJson, toText } from './report.js';
import { runDemo } from './run.js';
import { Screen } from './screen.js';

const SECONDS_MIN = 4;
const SECONDS_MAX = 3_600;

/** `kassa demo`. Exit code 0: everything agrees; 1: something differs, or it could not be carried out. */
export function demoCommand(): Command {
  return new Command('demo')
    .description(
      'sell 10,000 real lines over 50 terminals, kill the server in the middle, reconcile to the penny: file, ledger and ClickHouse',
    )
    .option('--seconds <n>', 'over which the lines are sold', seconds, 20)
    .option('--shards <n>', 'shard threads of the engine, 1-16', shards, 2)
    .option(
      '--keep',
      'leave the server up with its dashboard until Ctrl-C, and keep the directory with data, queues and log',
      false,
    )
    .option('--json', 'print one JSON object at the end, and nothing else, on stdout', false)
    .action(demo);
}

async function demo(flags: { seconds: number; shards: number; keep: boolean; json: boolean }): Promise<void> {
  try {
    const screen = new Screen(flags.json ? process.stderr : process.stdout);
    const { report, ended } = await runDemo({ ...flags, screen });
    process.stdout.write(flags.json ? `${toJson(report)}\n` : toText(report, process.stdout));
    process.exitCode = report.ok ? 0 : EXIT.findings;
    await ended();
  } catch (error) {
    process.stderr.write(`${paint('red', 'kassa:', process.stderr)} ${(error as Error).message}\n`);
    process.exit(EXIT.findings);
  }
}

function seconds(text: string): number {
  return wholeNumber(text, SECONDS_MIN, SECONDS_MAX);
}

function shards(text: string): number {
  return wholeNumber(text, 1, 16);
}

function wholeNumber(text: string, min: number, max: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new InvalidArgumentError(`must be a whole number from ${min} to ${max}.`);
}
