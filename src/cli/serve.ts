import { Command } from 'commander';
import { type Logger, pino } from 'pino';
import { loadConfig, OPTION_NAMES } from '../config.js';
import { type Server, startServer } from '../main.js';
import { EXIT, exitWith } from './exit.js';
import { addConfigOptions } from './options.js';

/** A shorter HS256 secret can be guessed offline from one token (RFC 7518, 3.2). */
const SECRET_BYTES_ADVISED = 32;

export function serveCommand(): Command {
  return addConfigOptions(new Command('serve'), OPTION_NAMES)
    .description('run the server')
    .addHelpText(
      'after',
      '\nSecrets come from the environment only: KASSA_JWT_SECRET, KASSA_ANALYTICS_SQL_URL.\nSIGTERM answers what was accepted, syncs and exits with 0.',
    )
    .action(serve);
}

async function serve(flags: Record<string, unknown>): Promise<void> {
  try {
    const config = loadConfig(flags);
    const logger = pino({ level: config.logLevel });
    if (config.jwtSecret !== undefined && Buffer.byteLength(config.jwtSecret) < SECRET_BYTES_ADVISED) {
      logger.warn(
        `KASSA_JWT_SECRET is shorter than ${SECRET_BYTES_ADVISED} bytes; a secret so short can be guessed`,
      );
    }
    const stopper = stopOnSignals(logger);
    const server = await startServer(config, {
      logger,
      onListening: (url) => logger.info({ url, auth: config.auth }, `listening on ${url}, recovering`),
      onFatal: (reason) => {
        logger.fatal({ err: reason }, `the ledger cannot go on: ${reason.message}`);
        void stopper.fail();
      },
    });
    stopper.started(server);
    const { shards, lsn, accounts } = server.ledger.stats();
    logger.info({ url: server.url, shards, lsn, accounts }, `ready on ${server.url}`);
  } catch (error) {
    exitWith(error);
  }
}

/**
 * Nobody is answered any more, so there is nothing to wait for but the gateways' own threads: ended while they listen they would abort the
 * process, and its exit code would not tell what happened. Closing takes them some 200 ms.
 */
const FATAL_CLOSE_MS = 2000;

interface Stopper {
  /** From now on a signal stops the server in good order. */
  started(server: Server): void;
  /** The ledger has stopped: ends the process. */
  fail(): Promise<never>;
}

/**
 * The first SIGTERM or SIGINT drains and exits with 0, a second one exits at once. During recovery nothing has been
 * accepted yet, so there is nothing to answer: the process just ends.
 */
function stopOnSignals(logger: Logger): Stopper {
  let server: Server | undefined;
  let stopping = false;
  let failed = false;
  const stop = async (signal: string) => {
    if (failed) process.exit(EXIT.fatal);
    if (stopping || server === undefined) process.exit(stopping ? EXIT.findings : 0);
    stopping = true;
    logger.info({ signal }, 'stopping');
    try {
      await server.close();
    } catch (error) {
      logger.fatal({ err: error }, 'the server did not stop in good order');
      process.exit(EXIT.fatal);
    }
    // The ledger may have failed meanwhile: then not all that was accepted was answered.
    if (failed) process.exit(EXIT.fatal);
    logger.info('stopped');
    process.exit(0);
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  return {
    started: (running) => {
      server = running;
    },
    fail: async () => {
      failed = true;
      setTimeout(() => process.exit(EXIT.fatal), FATAL_CLOSE_MS);
      try {
        await server?.close();
      } catch (error) {
        logger.fatal({ err: error }, 'the server did not stop in good order');
      }
      process.exit(EXIT.fatal);
    },
  };
}
