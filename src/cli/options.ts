import { type Command, Option } from 'commander';
import { type Config, environmentName, flagName, OPTIONS, type OptionSpec, showValue } from '../config.js';

/** Adds options of the config module to a command. Their values stay text here; the config module reads them. */
export function addConfigOptions(command: Command, names: readonly (keyof Config)[]): Command {
  for (const name of names) {
    const spec: OptionSpec = OPTIONS[name];
    if (spec.placeholder === undefined) continue;
    const fallback = spec.fallback === undefined ? '' : `default ${showValue(spec, spec.fallback)}, `;
    const help = `${spec.help} (${fallback}env ${environmentName(name)})`;
    command.addOption(new Option(`${flagName(name)} <${spec.placeholder}>`, help));
  }
  return command;
}
