import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { loadConfig } from '../../src/config.js';
import { createAuthenticator } from '../../src/gateway/auth.js';
import { startGateway } from '../../src/gateway/server.js';
import { type LedgerOptions, openLedger } from '../../src/ledger.js';

/** `kassa serve` over the faulty log: a process of its own, since a fatal fault of the ledger ends it. */

const { values } = parseArgs({
  options: {
    data: { type: 'string' },
    port: { type: 'string' },
    auth: { type: 'string' },
    shards: { type: 'string' },
    threads: { type: 'string' },
    analytics: { type: 'string' },
  },
});
const config = loadConfig(values);
const logModule = new URL('./faulty-log.js', import.meta.url).href;
const opening = openLedger({
  data: config.data,
  shards: config.shards as number,
  threads: config.threads as number,
  logModule,
} as LedgerOptions);
const gateway = await startGateway({
  ledger: opening,
  config,
  auth: createAuthenticator(config),
  logger: pino({ level: 'warn' }),
});
process.stdout.write(`listening on ${gateway.url}\n`);
const ledger = await opening;
process.on('SIGTERM', async () => {
  await gateway.close();
  await ledger.close();
  process.exit(0);
});
process.stdout.write(`ready on ${gateway.url}\n`);
