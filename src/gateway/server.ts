import { createServer } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import type { Logger } from 'pino';
import { type AnalyticsDesk, ClosedDesk } from '../analytics/desk.js';
import type { Config } from '../config.js';
import type { Ledger } from '../ledger.js';
import { Admission } from './admission.js';
import { AnalyticsService } from './analytics.js';
import type { Authenticator } from './auth.js';
import type { GatewayContext } from './context.js';
import { serveHttp } from './http.js';
import { LiveFigures, liveMemory } from './live.js';
import { Metrics } from './metrics.js';
import { SocketService } from './socket.js';
import { loadUws, type TemplatedApp, type Uws, type us_listen_socket } from './uws.js';

/**
 * Milliseconds that clients get to take their last replies: what still comes in from them when the sockets are torn
 * down would make the kernel throw those away.
 */
const GOODBYE_MS = 200;
/** Between two looks at the figures that `live` tells. */
const LIVE_MS = 500;

/** The address cannot be listened on. */
export class ListenError extends Error {
  override readonly name = 'ListenError';
}

export interface GatewayOptions {
  /** Until the promise resolves, everything but health and metrics is answered with `not_ready`. */
  readonly ledger: Ledger | Promise<Ledger>;
  readonly config: Config;
  readonly auth: Authenticator;
  readonly logger: Logger;
  /** Where questions to analytics go; default: analytics is off. */
  readonly analytics?: AnalyticsDesk;
  /** Memory that all gateways share, and this one's number; default: it is alone. */
  readonly live?: { readonly memory: SharedArrayBuffer; readonly gateway: number };
}

export interface Gateway {
  /** `http://host:port`. */
  readonly url: string;
  readonly port: number;
  /**
   * Stops listening, refuses new commands with `not_ready`, waits for the answers of those in flight (at most
   * `config.drainS` seconds) and closes every connection. The ledger stays open: close it afterwards.
   */
  close(): Promise<void>;
}

/**
 * Listens at once, on `config.host` alone, whether or not the ledger is there yet.
 * @throws UnsupportedPlatformError, ListenError
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { config, auth, logger } = options;
  const admission = new Admission(config.inFlight);
  const { analytics = new ClosedDesk('analytics is off'), live = { memory: liveMemory(1), gateway: 0 } } =
    options;
  const metrics = new Metrics(admission, new LiveFigures(live.memory, live.gateway), analytics);
  const context: GatewayContext = { config, auth, logger, admission, metrics, analytics };
  const sockets = new SocketService(context);
  awaitLedger(options.ledger, context, sockets);

  const uws = loadUws();
  const app = uws.App();
  sockets.serve(app);
  const questions = new AnalyticsService(context);
  serveHttp(app, context, questions);
  const listener = await listen(uws, app, config);
  const port = uws.us_socket_local_port(listener as never);
  const ticker = setInterval(() => metrics.tick(), LIVE_MS).unref();
  const url = `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${port}`;

  let closing: Promise<void> | undefined;
  const stop = async () => {
    admission.close('stopping');
    clearInterval(ticker);
    uws.us_listen_socket_close(listener);
    if (!(await admission.idle(config.drainS * 1000))) {
      logger.warn({ inFlight: admission.inFlight }, 'stopping although commands are in flight');
    }
    // Whoever stops the server has closed the desk, too: these are refused by now, or about to be.
    await questions.idle(GOODBYE_MS);
    if (sockets.closeAll() > 0) await setTimeout(GOODBYE_MS);
    app.close();
  };
  return {
    url,
    port,
    close: () => {
      closing ??= stop();
      return closing;
    },
  };
}

function awaitLedger(
  opening: Ledger | Promise<Ledger>,
  context: GatewayContext,
  sockets: SocketService,
): void {
  const ready = (ledger: Ledger) => {
    void ledger.failed.then(({ message }) => context.admission.abandon(`the ledger stopped: ${message}`));
    ledger.onAnswered = sockets.flush;
    if (context.admission.notReady === 'recovering') context.admission.open(ledger);
  };
  if (!(opening instanceof Promise)) {
    ready(opening);
    return;
  }
  // Whoever made the promise hears of its failure too, and ends the process.
  opening.then(ready, (error: Error) =>
    context.admission.close(`the ledger could not be opened: ${error.message}`),
  );
}

const LIBUS_LISTEN_DEFAULT = 0;

/** The native call takes host, port and options together, which its types do not tell. */
type ListenExclusively = (
  host: string,
  port: number,
  options: number,
  callback: (listener: us_listen_socket | false) => void,
) => void;

async function listen(uws: Uws, app: TemplatedApp, config: Config): Promise<us_listen_socket> {
  const { host, port } = config;
  // Without the option the port would be shared silently with any other process that listens on it. Several gateways want just that,
  // among themselves: they share it after a probe has found it free.
  const { LIBUS_LISTEN_EXCLUSIVE_PORT } = uws as unknown as { LIBUS_LISTEN_EXCLUSIVE_PORT: number };
  const options = config.gateways > 1 ? LIBUS_LISTEN_DEFAULT : LIBUS_LISTEN_EXCLUSIVE_PORT;
  const listener = await new Promise<us_listen_socket | false>((resolve) => {
    (app.listen as unknown as ListenExclusively).call(app, host, port, options, resolve);
  });
  if (listener !== false) return listener;
  throw new ListenError(
    `cannot listen on ${host}:${port}: ${(await whyNot(host, port)) ?? 'the port was taken for a moment; try again'}`,
  );
}

/** @throws ListenError when another process listens there, whatever it would let others do */
export async function assertPortFree({ host, port }: Config): Promise<void> {
  const why = await whyNot(host, port);
  if (why !== undefined) throw new ListenError(`cannot listen on ${host}:${port}: ${why}`);
}

/** uWebSockets.js does not say why; the same attempt with node:net does. */
function whyNot(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve('the port is in use');
      else if (error.code === 'EACCES') resolve('this user may not listen on the port');
      else if (error.code === 'EADDRNOTAVAIL') resolve('the host is not an address of this machine');
      else resolve(error.message);
    });
    probe.listen(port, host, () => probe.close(() => resolve(undefined)));
  });
}
