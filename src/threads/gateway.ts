import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { pino } from 'pino';
import type { AnalyticsState } from '../analytics/desk.js';
import { RemoteDesk } from '../analytics/desk-port.js';
import type { Config } from '../config.js';
import { createAuthenticator } from '../gateway/auth.js';
import { startGateway } from '../gateway/server.js';
import type { Attachment } from '../ledger/wiring.js';
import { attachLedger } from '../ledger.js';

/** A further gateway: an event loop of its own behind the same port, with a front of its own into the shards. */

export interface GatewayData {
  readonly config: Config;
  readonly attachment: Attachment;
  /** Memory for the figures of the last seconds, and this gateway's number. */
  readonly live: { readonly memory: SharedArrayBuffer; readonly gateway: number };
  /** To the desk of the main thread, and how analytics stood at the start. */
  readonly analytics: { readonly port: MessagePort; readonly state: AnalyticsState };
}

const { config, attachment, live, analytics } = workerData as GatewayData;
const ledger = attachLedger(attachment);
const desk = new RemoteDesk(analytics.port, analytics.state);
const gateway = await startGateway({
  ledger,
  config,
  auth: createAuthenticator(config),
  logger: pino({ level: config.logLevel }),
  analytics: desk,
  live,
});
parentPort!.postMessage('listening');
parentPort!.once('message', async () => {
  // First: who waits for an answer hears that there will be none while he is still connected.
  await desk.close();
  await gateway.close();
  await ledger.close();
  parentPort!.close();
});
