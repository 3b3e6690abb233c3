import { type Logger, pino } from 'pino';
import type { Config } from './config.js';
import { createAuthenticator } from './gateway/auth.js';
import { type Gateway, startGateway } from './gateway/server.js';
import { type Ledger, openLedger } from './ledger.js';

export interface Server {
  /** `http://host:port`. */
  readonly url: string;
  readonly port: number;
  readonly ledger: Ledger;
  /** Answers what it has accepted, syncs, and releases port and data directory. */
  close(): Promise<void>;
}

export interface ServerOptions {
  readonly logger?: Logger;
  /** Called when the port is taken, before the ledger has been recovered. */
  readonly onListening?: (url: string) => void;
  /** Called once when the ledger can no longer go on. Default: as `openLedger` does. */
  readonly onFatal?: (reason: Error) => void;
}

/**
 * The whole server: the ledger, and the gateway in front of it, which listens while the ledger recovers.
 * @returns when the ledger is ready
 * @throws ConfigError, ListenError, UnsupportedPlatformError, and what `openLedger` throws
 */
export async function startServer(config: Config, options: ServerOptions = {}): Promise<Server> {
  const logger = options.logger ?? pino({ level: config.logLevel });
  const auth = createAuthenticator(config);
  const opening = openLedger({
    data: config.data,
    checkpointRecords: config.checkpointRecords,
    ...(config.shards !== 'auto' && { shards: config.shards }),
    ...(options.onFatal && { onFatal: options.onFatal }),
  });
  let gateway: Gateway;
  try {
    gateway = await startGateway({ ledger: opening, config, auth, logger });
  } catch (error) {
    // Recovery may take minutes; whoever waits for the port hears at once.
    opening.then(
      (ledger) => ledger.close(),
      () => undefined,
    );
    throw error;
  }
  options.onListening?.(gateway.url);
  let ledger: Ledger;
  try {
    ledger = await opening;
  } catch (error) {
    await gateway.close();
    throw error;
  }
  return {
    url: gateway.url,
    port: gateway.port,
    ledger,
    close: async () => {
      await gateway.close();
      await ledger.close();
    },
  };
}
