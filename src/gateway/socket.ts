import { CODES } from '../../engine/codes.js';
import { FRAME_BYTES_MAX } from '../../engine/limits.js';
import type { Outcome, Refusal } from '../../engine/types.js';
import { CompactFrame } from '../ledger/compact-frame.js';
import type { Ledger } from '../ledger.js';
import { AuthError, type Identity } from './auth.js';
import { bearerToken, isLocalRequest, readSubprotocols, SUBPROTOCOL } from './caller.js';
import { CLOSE, Connection, Flusher, isRid } from './connection.js';
import type { GatewayContext } from './context.js';
import { DecodeError } from './decode-error.js';
import { Exchange } from './exchange.js';
import { Expiry } from './expiry.js';
import { decodeJson } from './json.js';
import { INTERNAL_FAULT } from './metrics.js';
import { decodeMsgpack } from './msgpack.js';
import { type Body, runOperation } from './operations.js';
import { refuse, refuseAdmission } from './refusal.js';
import type { HttpRequest, HttpResponse, TemplatedApp, us_socket_context_t, WebSocket } from './uws.js';

/**
 * uWebSockets.js drops the connection without a close code at its own limit, so that one is set above the contract's:
 * up to it, a frame that is too large is answered with 1009.
 */
const NATIVE_FRAME_BYTES_MAX = 16 * FRAME_BYTES_MAX;

/** The frame at hand: reading is synchronous and never nested. */
const frame = new CompactFrame();

interface UserData {
  readonly identity: Identity;
  connection?: Connection;
}

interface Upgrade {
  readonly key: string;
  readonly extensions: string;
  readonly subprotocol: string;
  readonly socketContext: us_socket_context_t;
}

/** Serves `GET /v1/ws`. */
export class SocketService {
  private readonly connections = new Set<Connection>();
  private readonly flusher: Flusher;
  private readonly expiry: Expiry<Connection>;

  constructor(private readonly context: GatewayContext) {
    this.flusher = new Flusher((error) => context.logger.error({ err: error }, 'a flush failed'));
    this.expiry = new Expiry((connection) => connection.end(CLOSE.tokenExpired, 'the token has expired'));
  }

  serve(app: TemplatedApp): void {
    app.ws<UserData>('/v1/ws', {
      maxPayloadLength: NATIVE_FRAME_BYTES_MAX,
      // No limit here: it would drop the close frame as well. Connection.flush watches what is left unread.
      maxBackpressure: 0,
      idleTimeout: this.context.config.idleTimeoutS,
      sendPingsAutomatically: true,
      upgrade: (res, req, socketContext) => this.upgrade(res, req, socketContext),
      open: (ws) => this.opened(ws),
      message: (ws, message, isBinary) => this.message(ws, message, isBinary),
      drain: (ws) => ws.getUserData().connection?.drained(),
      close: (ws) => this.closed(ws.getUserData().connection),
    });
  }

  /** The ledger calls this after each run of answers. */
  readonly flush = (): void => this.flusher.flush();

  /** Sends what is queued and says goodbye to everyone. @returns how many there were */
  closeAll(): number {
    this.flusher.flush();
    const connections = [...this.connections];
    for (const connection of connections) connection.end(CLOSE.goingAway, 'the server stops');
    this.expiry.stop();
    return connections.length;
  }

  private upgrade(res: HttpResponse, req: HttpRequest, socketContext: us_socket_context_t): void {
    const { auth, metrics } = this.context;
    const exchange = new Exchange(res, metrics, false);
    try {
      if (auth.open && !isLocalRequest(req.getHeader('host'), req.getHeader('origin'))) {
        exchange.refuse(refuse('forbidden', 'without tokens, only requests from and to this machine'));
        return;
      }
      const subprotocols = readSubprotocols(req.getHeader('sec-websocket-protocol'));
      const token = bearerToken(req.getHeader('authorization')) ?? subprotocols.token;
      const upgrade: Upgrade = {
        key: req.getHeader('sec-websocket-key'),
        extensions: req.getHeader('sec-websocket-extensions'),
        subprotocol: subprotocols.kassa ? SUBPROTOCOL : '',
        socketContext,
      };
      // All in the handler, where the response is corked: see jwt.ts.
      this.accept(res, exchange, upgrade, auth.verify(token));
    } catch (error) {
      if (error instanceof AuthError) {
        const headers = [['WWW-Authenticate', 'Bearer realm="kassa"']] as const;
        exchange.refuse(refuse('unauthenticated', error.message), headers);
      } else {
        this.fail(exchange, error);
      }
    }
  }

  private accept(res: HttpResponse, exchange: Exchange, upgrade: Upgrade, identity: Identity): void {
    const { notReady } = this.context.admission;
    if (notReady !== undefined) {
      exchange.refuse(refuseAdmission('not_ready', notReady));
      return;
    }
    exchange.done = true;
    const { key, subprotocol, extensions, socketContext } = upgrade;
    res.upgrade<UserData>({ identity }, key, subprotocol, extensions, socketContext);
  }

  private opened(ws: WebSocket<UserData>): void {
    try {
      const { admission, config, metrics } = this.context;
      const data = ws.getUserData();
      const { caller, expiresAtMs } = data.identity;
      const ledger = admission.ledger as Ledger;
      const connection = new Connection(
        ws,
        ledger.as(caller),
        ledger.as(caller, { textAmounts: false }),
        expiresAtMs,
        config,
        this.flusher,
        admission,
        metrics,
      );
      data.connection = connection;
      this.connections.add(connection);
      metrics.connections++;
      this.expiry.add(connection, expiresAtMs);
    } catch (error) {
      this.context.logger.error({ err: error }, 'a connection could not be opened');
      ws.end(CLOSE.internal, 'internal fault');
    }
  }

  private closed(connection: Connection | undefined): void {
    if (connection === undefined || !this.connections.delete(connection)) return;
    connection.closed();
    this.context.metrics.connections--;
    this.expiry.delete(connection, connection.expiresAtMs);
  }

  /** An exception that left this handler would end the process. The message's memory is gone when it returns. */
  private message(ws: WebSocket<UserData>, message: ArrayBuffer, isBinary: boolean): void {
    const { connection } = ws.getUserData();
    if (connection === undefined) return;
    try {
      this.receive(connection, message, isBinary);
      if (connection.dirty) this.flusher.flush();
    } catch (error) {
      this.fault(connection, error);
    }
  }

  private receive(connection: Connection, message: ArrayBuffer, isBinary: boolean): void {
    if (message.byteLength > FRAME_BYTES_MAX) {
      connection.end(CLOSE.tooLarge, `a frame has at most ${FRAME_BYTES_MAX} bytes`);
      return;
    }
    if (isBinary && this.compactFrame(connection, message)) return;
    let frame: unknown;
    try {
      frame = isBinary ? decodeMsgpack(Buffer.from(message)) : decodeJson(new Uint8Array(message));
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      connection.queueRefusal(isBinary, undefined, refuse('invalid_request', error.message));
      return;
    }
    if (Array.isArray(frame)) this.compact(connection, frame, isBinary);
    else if (typeof frame === 'object' && frame !== null) this.map(connection, frame as Body, isBinary);
    else
      connection.queueRefusal(isBinary, undefined, refuse('invalid_request', 'a frame is a map or an array'));
  }

  /** What terminals send all day goes in without being decoded. @returns false when it is anything else, or is to be refused */
  private compactFrame(connection: Connection, message: ArrayBuffer): boolean {
    if (!frame.open(new Uint8Array(message)) || connection.refusal() !== undefined) return false;
    connection.begin(frame.rid);
    let taken = false;
    try {
      taken = connection.sessionFor(true).compactFrame(frame, connection.binary);
    } finally {
      if (!taken) connection.withdraw(frame.rid);
    }
    return taken;
  }

  private compact(connection: Connection, frame: readonly unknown[], isBinary: boolean): void {
    const rid = frame[0];
    if (!isRid(rid)) {
      refuseRid(connection, isBinary);
      return;
    }
    const sink = isBinary ? connection.binary : connection.text;
    const refused = connection.refusal();
    connection.begin(rid);
    if (refused !== undefined) {
      sink.answer(rid, CODES[refused].n, 0);
      return;
    }
    let taken = false;
    try {
      taken = connection.sessionFor(isBinary).compact(frame, sink);
    } finally {
      if (!taken) connection.settle(rid, CODES.invalid_request.n);
    }
    if (taken) return;
    connection.queueReply(isBinary, refuse('invalid_request', 'the frame is not a compact command'));
  }

  private map(connection: Connection, frame: Body, isBinary: boolean): void {
    const { rid, op, ...body } = frame;
    if (!isRid(rid)) {
      refuseRid(connection, isBinary);
      return;
    }
    if (op === 'ping') {
      this.context.metrics.count('ws', CODES.ok.n);
      connection.queueReply(isBinary, { rid, ok: true });
      return;
    }
    const refused = connection.refusal();
    if (refused !== undefined) {
      const { notReady } = this.context.admission;
      connection.queueRefusal(isBinary, rid, refuseAdmission(refused, notReady));
      return;
    }
    if (op === 'subscribe' || op === 'unsubscribe') {
      this.subscription(connection, op, body, rid, isBinary);
      return;
    }
    const running = runOperation(connection.sessionFor(isBinary), op, body);
    if (!(running instanceof Promise)) {
      connection.queueRefusal(isBinary, rid, running);
      return;
    }
    connection.begin(rid);
    running.then(
      (outcome) => this.answer(connection, isBinary, rid, outcome),
      (error) => {
        connection.settle(rid, INTERNAL_FAULT);
        this.fault(connection, error);
      },
    );
  }

  /** Answered at once: what comes of it comes by the feed. */
  private subscription(
    connection: Connection,
    op: 'subscribe' | 'unsubscribe',
    body: Body,
    rid: number,
    isBinary: boolean,
  ): void {
    const { admission, metrics, logger } = this.context;
    const { feed } = admission.ledger as Ledger;
    const outlet = connection.subscriptions(feed, {
      sent: (transactions) => {
        metrics.feedTransactions += transactions;
      },
      ended: (reason, lsn) => logger.warn({ reason, lsn }, 'a subscription was ended'),
      failed: (error) => this.fault(connection, error),
    });
    const { caller } = connection.sessionFor(isBinary);
    const outcome =
      op === 'subscribe' ? outlet.subscribe(caller, rid, isBinary, body) : outlet.unsubscribe(body);
    if (isRefusal(outcome)) {
      connection.queueRefusal(isBinary, rid, outcome);
      return;
    }
    metrics.count('ws', CODES.ok.n);
    connection.queueReply(isBinary, { rid, ok: true, ...outcome });
  }

  private answer(connection: Connection, isBinary: boolean, rid: number, outcome: Outcome<object>): void {
    try {
      connection.settle(rid, codeNumber(outcome));
      connection.queueReply(isBinary, outcome.ok ? { rid, ok: true, ...outcome.body } : { rid, ...outcome });
      this.flusher.soon();
    } catch (error) {
      this.fault(connection, error);
    }
  }

  /** What became of the command is not known here: the client reconnects and asks `status`. */
  private fault(connection: Connection, error: unknown): void {
    this.context.logger.error({ err: error }, 'a command failed');
    connection.end(CLOSE.internal, 'internal fault');
  }

  private fail(exchange: Exchange, error: unknown): void {
    this.context.logger.error({ err: error }, 'an upgrade failed');
    exchange.fail();
  }
}

function refuseRid(connection: Connection, isBinary: boolean): void {
  const refusal: Refusal = refuse('invalid_request', 'rid must be an integer from 0 to 2^32-1', {
    pointer: '/rid',
  });
  connection.queueRefusal(isBinary, undefined, refusal);
}

function isRefusal(outcome: object): outcome is Refusal {
  return 'ok' in outcome;
}

function codeNumber(outcome: Outcome<object>): number {
  if (!outcome.ok) return CODES[outcome.code].n;
  return 'duplicate' in outcome.body ? CODES.duplicate.n : CODES.ok.n;
}
