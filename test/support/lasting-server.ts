import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { loadConfig } from '../../src/config.js';
import { startServer } from '../../src/main.js';

/** A server whose owner does not end the process when the ledger fails, but closes the server and goes on with something else. */

const { values } = parseArgs({
  options: {
    data: { type: 'string' },
    port: { type: 'string' },
    auth: { type: 'string' },
    shards: { type: 'string' },
    threads: { type: 'string' },
    gateways: { type: 'string' },
    analytics: { type: 'string' },
  },
});
let tellFailed: (reason: Error) => void;
const failed = new Promise<Error>((resolve) => {
  tellFailed = resolve;
});
const server = await startServer(loadConfig(values), {
  logger: pino({ level: 'warn' }),
  onFatal: (reason) => tellFailed(reason),
});
process.stdout.write(`ready on ${server.url}\n`);
const { message } = await failed;
process.stdout.write(`failed: ${message}\n`);
await server.close();
process.stdout.write('closed\n');
