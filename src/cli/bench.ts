import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { EXIT, exitWith } from './exit.js';

/** The benchmarks are a program of their own: nothing imports them. */
const BENCH = fileURLToPath(new URL('../../bench/main.js', import.meta.url));

export function benchCommand(): Command {
  return new Command('bench')
    .description('measure this machine; "kassa bench --help" lists what can be measured')
    .helpOption(false)
    .allowUnknownOption()
    .argument('[arguments...]')
    .action(runBench);
}

function runBench(given: readonly string[]): void {
  if (!existsSync(BENCH))
    exitWith(
      new Error(
        'the benchmarks are not part of this installation: run them in a checkout, with "npm run bench"',
      ),
    );
  const child = spawn(process.execPath, [BENCH, ...given], { stdio: 'inherit' });
  child.once('error', exitWith);
  child.once('exit', (code) => {
    process.exitCode = code ?? EXIT.fatal;
  });
}
