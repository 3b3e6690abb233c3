import { ConfigError } from '../config.js';
import { AuthError } from '../gateway/auth.js';
import { paint } from './style.js';

/** What Kassa's commands exit with. */
export const EXIT = {
  /** The command ran and found something wrong. */
  findings: 1,
  /** The command line or the environment cannot be used. */
  usage: 2,
  /** The command could not run: data directory in use or damaged, port taken, platform not supported. */
  cannotRun: 3,
  /** The server had to stop (EX_SOFTWARE of sysexits.h). */
  fatal: 70,
} as const;

/** Says on stderr why a command ends, and ends the process. */
export function exitWith(error: unknown): never {
  const usage = error instanceof ConfigError || error instanceof AuthError;
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`${paint('red', 'kassa:', process.stderr)} ${message}\n`);
  process.exit(usage ? EXIT.usage : EXIT.cannotRun);
}
