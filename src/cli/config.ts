import { Command } from 'commander';
import {
  environmentName,
  FIXED_LIMITS,
  maskUrl,
  OPTION_NAMES,
  OPTIONS,
  type OptionSpec,
  obstacles,
  type ResolvedConfig,
  resolveConfig,
  showValue,
} from '../config.js';
import { exitWith } from './exit.js';
import { addConfigOptions } from './options.js';
import { paint } from './style.js';

export function configCommand(): Command {
  return addConfigOptions(new Command('config'), OPTION_NAMES)
    .description('print every option and limit, and where it comes from')
    .option('--json', 'print JSON')
    .action(printConfig);
}

function printConfig(flags: Record<string, unknown> & { json?: true }): void {
  try {
    const resolved = resolveConfig(flags);
    process.stdout.write(flags.json ? toJson(resolved) : toTable(resolved));
    for (const obstacle of obstacles(resolved)) {
      process.stderr.write(`${paint('yellow', 'serve would not start:', process.stderr)} ${obstacle}\n`);
    }
  } catch (error) {
    exitWith(error);
  }
}

/** Secrets are shown as set or unset only, URLs without their password. */
function shown({ config }: ResolvedConfig, name: (typeof OPTION_NAMES)[number]): string | number | null {
  const spec: OptionSpec = OPTIONS[name];
  const value = config[name];
  if (spec.secret) return value === undefined ? 'unset' : 'set';
  if (spec.masked) return maskUrl(String(value));
  return value ?? null;
}

function shownText(resolved: ResolvedConfig, name: (typeof OPTION_NAMES)[number]): string {
  const value = shown(resolved, name);
  return value === null ? 'unset' : showValue(OPTIONS[name], value);
}

function toJson(resolved: ResolvedConfig): string {
  const options = OPTION_NAMES.map((name) => [
    name,
    { value: shown(resolved, name), source: resolved.sources[name], env: environmentName(name) },
  ]);
  return `${JSON.stringify({ options: Object.fromEntries(options), limits: FIXED_LIMITS }, null, 2)}\n`;
}

function toTable(resolved: ResolvedConfig): string {
  const rows = OPTION_NAMES.map((name) => [
    name,
    shownText(resolved, name),
    resolved.sources[name],
    environmentName(name),
  ]);
  const limits = Object.entries(FIXED_LIMITS).map(([name, value]) => [name, String(value), 'fixed', '']);
  const all = [['option', 'value', 'from', 'environment'], ...rows, ...limits];
  const widths = [0, 1, 2].map((column) => Math.max(...all.map((row) => row[column]!.length)));
  const lines = all.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  lines[0] = paint('bold', lines[0]!, process.stdout);
  return `${lines.join('\n')}\n`;
}
