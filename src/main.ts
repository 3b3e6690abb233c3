import { MessageChannel, Worker } from 'node:worker_threads';
import { type Logger, pino } from 'pino';
import type { AnalyticsDesk } from './analytics/desk.js';
import { serveDesk } from './analytics/desk-port.js';
import { openDesk } from './analytics/open-desk.js';
import type { Config } from './config.js';
import { createAuthenticator } from './gateway/auth.js';
import { liveMemory } from './gateway/live.js';
import { assertPortFree, type Gateway, startGateway } from './gateway/server.js';
import { attachmentPorts } from './ledger/wiring.js';
import { type Ledger, openLedger } from './ledger.js';
import type { GatewayData } from './threads/gateway.js';

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
 * The whole server: the ledger, the gateway in front of it, which listens while the ledger recovers, and analytics behind it, which follows
 * the log as a process of its own.
 * @returns when the ledger is ready
 * @throws ConfigError, ListenError, UnsupportedPlatformError, and what `openLedger` throws
 */
export async function startServer(config: Config, options: ServerOptions = {}): Promise<Server> {
  const logger = options.logger ?? pino({ level: config.logLevel });
  const auth = createAuthenticator(config);
  if (config.gateways > 1) await assertPortFree(config);
  const analytics = openDesk(config, logger);
  const live = liveMemory(config.gateways);
  const opening = openLedger({
    data: config.data,
    checkpointRecords: config.checkpointRecords,
    minFreeBytes: config.minFree,
    onRoom: (reason) => {
      if (reason === undefined) logger.info('there is room again: new work is taken');
      else logger.warn(`new work is refused: ${reason}`);
    },
    segmentBytes: config.segmentBytes,
    attachments: config.gateways - 1,
    ...(config.shards !== 'auto' && { shards: config.shards }),
    ...(config.threads !== 'auto' && { threads: config.threads }),
    ...(options.onFatal && { onFatal: options.onFatal }),
  });
  let others: readonly { close(): Promise<void> }[] = [];
  // Nothing is admitted before all gateways are there: a signal until then has nothing to answer.
  const serving = opening.then(async (ledger) => {
    try {
      others = await startOthers(ledger, config, analytics, live);
    } catch (error) {
      await ledger.close();
      throw error;
    }
    return ledger;
  });
  let gateway: Gateway;
  try {
    gateway = await startGateway({
      ...{ ledger: serving, config, auth, logger, analytics },
      live: { memory: live, gateway: 0 },
    });
  } catch (error) {
    // Recovery may take minutes; whoever waits for the port hears at once.
    serving.then(
      async (ledger) => {
        await Promise.all(others.map((other) => other.close()));
        await ledger.close();
      },
      () => undefined,
    );
    throw error;
  }
  options.onListening?.(gateway.url);
  let ledger: Ledger;
  try {
    ledger = await serving;
  } catch (error) {
    await gateway.close();
    throw error;
  }
  analytics.start(() => ledger.stats().durableLsn);
  return {
    url: gateway.url,
    port: gateway.port,
    ledger,
    close: async () => {
      const gateways = [gateway, ...others];
      await Promise.all([analytics.close(), ...gateways.map((one) => one.close())]);
      await ledger.close();
    },
  };
}

/** The gateways beyond the first, each on a thread of its own behind the same port. */
function startOthers(
  ledger: Ledger,
  config: Config,
  analytics: AnalyticsDesk,
  live: SharedArrayBuffer,
): Promise<{ close(): Promise<void> }[]> {
  return Promise.all(
    ledger.attachments.map(async (attachment, i) => {
      const { port1, port2 } = new MessageChannel();
      serveDesk(port1, analytics);
      const workerData: GatewayData = {
        config,
        attachment,
        live: { memory: live, gateway: i + 1 },
        analytics: { port: port2, state: analytics.state() },
      };
      const worker = new Worker(new URL('./threads/gateway.js', import.meta.url), {
        workerData,
        transferList: [...attachmentPorts(attachment), port2],
      });
      ledger.guard('gateway', worker);
      const gone = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
      await new Promise<void>((resolve, reject) => {
        worker.once('message', () => resolve());
        worker.once('error', reject);
        worker.once('exit', (code) => reject(new Error(`a gateway thread ended at its start (${code})`)));
      });
      return {
        close: async () => {
          ledger.release(worker);
          worker.postMessage('close');
          await gone;
        },
      };
    }),
  );
}
