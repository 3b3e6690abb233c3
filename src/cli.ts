#!/usr/bin/env node
import { createRequire } from 'node:module';
import { Command, CommanderError } from 'commander';
import { backupCommand } from './cli/backup.js';
import { benchCommand } from './cli/bench.js';
import { configCommand } from './cli/config.js';
import { EXIT } from './cli/exit.js';
import { exportCommand } from './cli/export.js';
import { importCommand } from './cli/import.js';
import { restoreCommand } from './cli/restore.js';
import { serveCommand } from './cli/serve.js';
import { tokenCommand } from './cli/token.js';
import { verifyCommand } from './cli/verify.js';
import { demoCommand } from './demo/command.js';

const { version, description } = createRequire(import.meta.url)('../../package.json') as {
  version: string;
  description: string;
};

const program = new Command('kassa').description(description).version(version);
for (const command of [
  serveCommand(),
  tokenCommand(),
  verifyCommand(),
  backupCommand(),
  restoreCommand(),
  exportCommand(),
  importCommand(),
  configCommand(),
  demoCommand(),
  benchCommand(),
]) {
  program.addCommand(command.exitOverride());
}

try {
  await program.exitOverride().parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  // Help and version have exit code 0; everything else is a command line that cannot be used.
  process.exitCode = error.exitCode === 0 ? 0 : EXIT.usage;
}
