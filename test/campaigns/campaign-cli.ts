import { type ParseArgsConfig, parseArgs } from 'node:util';
import { EXIT } from '../../src/cli/exit.js';

/** What the commands of the campaigns have in common: flags, progress, a report in two forms, and what they exit with. */

/**
 * Reads whole numbers from 1 on, by name, and `--json`. Ends the process for `--help` and for wrong usage.
 * @param fallbacks by name
 * @param switches names of further flags that are given or not
 */
export function flagsOf<T extends { readonly [name: string]: number }>(
  usage: string,
  fallbacks: T,
  switches: readonly string[] = [],
): { readonly values: T; readonly json: boolean; readonly given: ReadonlySet<string> } {
  try {
    const numbers = Object.keys(fallbacks).map((name) => [name, { type: 'string' }] as const);
    const options: ParseArgsConfig['options'] = {
      ...Object.fromEntries(numbers),
      ...Object.fromEntries(switches.map((name) => [name, { type: 'boolean' }])),
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    };
    const { values } = parseArgs({ options });
    if (values['help'] === true) {
      process.stdout.write(usage);
      process.exit(0);
    }
    const read = Object.entries(fallbacks).map(([name, fallback]) => [
      name,
      whole(name, values[name] as string | undefined, fallback),
    ]);
    const given = new Set(switches.filter((name) => values[name] === true));
    return { values: Object.fromEntries(read) as T, json: values['json'] === true, given };
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${usage}`);
    process.exit(EXIT.usage);
  }
}

function whole(name: string, given: string | undefined, fallback: number): number {
  if (given === undefined) return fallback;
  const n = Number(given);
  if (Number.isSafeInteger(n) && n >= 1) return n;
  throw new Error(`--${name} must be a whole number from 1 on, not "${given}"`);
}

/**
 * Runs a campaign to its end: progress on a terminal, the report on stdout, exit code 0, or 1 and on stderr what was found.
 * @param run is given what writes one line of progress over the last one
 */
export async function runCampaign<T extends object>(
  json: boolean,
  describe: (report: T, seconds: number) => string,
  run: (progress: (line: string) => void) => Promise<T>,
): Promise<void> {
  const startedAtMs = performance.now();
  const write = (text: string) => process.stderr.isTTY && process.stderr.write(`\r\u001b[K${text}`);
  try {
    const report = await run(write);
    write('');
    const seconds = (performance.now() - startedAtMs) / 1000;
    process.stdout.write(json ? `${JSON.stringify({ seconds, ...report })}\n` : describe(report, seconds));
  } catch (error) {
    write('');
    process.stderr.write(`${(error as Error).message}\n`);
    process.exitCode = EXIT.findings;
  }
}
