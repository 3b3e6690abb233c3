import { parentPort, workerData } from 'node:worker_threads';
import { pino } from 'pino';
import type { Config } from '../config.js';
import { createAuthenticator } from '../gateway/auth.js';
import { startGateway } from '../gateway/server.js';
import type { Attachment } from '../ledger/wiring.js';
import { attachLedger } from '../ledger.js';

/** A further gateway: an event loop of its own behind the same port, with a front of its own into the shards. */

export interface GatewayData {
  readonly config: Config;
  readonly attachment: Attachment;
}

const { config, attachment } = workerData as GatewayData;
const ledger = attachLedger(attachment);
const gateway = await startGateway({
  ledger,
  config,
  auth: createAuthenticator(config),
  logger: pino({ level: config.logLevel }),
});
parentPort!.postMessage('listening');
parentPort!.once('message', async () => {
  await gateway.close();
  await ledger.close();
  parentPort!.close();
});
