import { CODES } from '../../engine/codes.js';
import { BODY_BYTES_MAX } from '../../engine/limits.js';
import type { Outcome, Refusal } from '../../engine/types.js';
import { AuthError, type Identity } from './auth.js';
import { bearerToken, isLocalRequest } from './caller.js';
import type { GatewayContext } from './context.js';
import { DecodeError } from './decode-error.js';
import { Exchange, type Headers } from './exchange.js';
import { decodeJson } from './json.js';
import { refuse, refuseAdmission } from './refusal.js';
import { matchRoute, type Route } from './routes.js';
import type { HttpRequest, HttpResponse, TemplatedApp } from './uws.js';

const CHALLENGE = 'Bearer realm="kassa"';

/** Serves every HTTP path except `/v1/ws`. */
export function serveHttp(app: TemplatedApp, context: GatewayContext): void {
  const service = new HttpService(context);
  app.any('/*', (res, req) => service.handle(res, req));
}

class HttpService {
  constructor(private readonly context: GatewayContext) {}

  /** An exception that left this handler would end the process. */
  handle(res: HttpResponse, req: HttpRequest): void {
    const exchange = new Exchange(res, this.context.metrics, true);
    try {
      this.dispatch(exchange, req);
    } catch (error) {
      this.fail(exchange, error);
    }
  }

  private dispatch(exchange: Exchange, req: HttpRequest): void {
    const method = req.getCaseSensitiveMethod();
    const url = req.getUrl();
    if (!url.startsWith('/v1/')) {
      this.operate(exchange, method, url);
      return;
    }
    const match = matchRoute(method, url);
    switch (match.kind) {
      case 'route':
        this.command(exchange, req, match.route, match.id);
        return;
      case 'method':
        refuseMethod(exchange, match.allowed);
        return;
      case 'malformed':
        exchange.refuse(refuse('invalid_request', 'the id in the path is not valid percent-encoding'));
        return;
      default:
        refusePath(exchange, url);
        return;
    }
  }

  /** Health and metrics: for operators, without a token. */
  private operate(exchange: Exchange, method: string, url: string): void {
    const { admission, metrics } = this.context;
    const known = url === '/health/live' || url === '/health/ready' || url === '/metrics';
    if (!known) {
      refusePath(exchange, url);
      return;
    }
    if (method !== 'GET') {
      refuseMethod(exchange, ['GET']);
      return;
    }
    if (url === '/metrics') {
      metrics.text().then(
        (text) => exchange.send(200, metrics.contentType, text, CODES.ok.n),
        (error) => this.fail(exchange, error),
      );
      return;
    }
    const notReady = url === '/health/ready' ? admission.unready() : undefined;
    if (notReady !== undefined) {
      exchange.refuse(refuse('not_ready', notReady));
    } else {
      const status = url === '/health/live' ? 'live' : 'ready';
      exchange.send(200, 'application/json', `{"status":"${status}"}`, CODES.ok.n);
    }
  }

  /**
   * Reads of the request all that is needed: it is gone when this returns. Callbacks rather than `async`, which would put three promises
   * around the one of the command.
   */
  private command(exchange: Exchange, req: HttpRequest, route: Route, id: string): void {
    const { admission, auth } = this.context;
    if (auth.open && !isLocalRequest(req.getHeader('host'), req.getHeader('origin'))) {
      exchange.refuse(refuse('forbidden', 'without tokens, only requests from and to this machine'));
      return;
    }
    const hasBody = route.body !== 'none';
    if (hasBody && Number(req.getHeader('content-length')) > BODY_BYTES_MAX) {
      refuseSize(exchange);
      return;
    }
    if (admission.notReady !== undefined) {
      this.refuseNow(exchange, 'not_ready');
      return;
    }
    const identity = this.identify(exchange, req);
    if (identity === undefined) return;
    if (!hasBody) {
      this.give(exchange, route, id, identity, undefined);
      return;
    }
    const contentType = req.getHeader('content-type');
    exchange.readBody(BODY_BYTES_MAX, (bytes) => {
      if (bytes === 'too_large') refuseSize(exchange);
      else this.received(exchange, route, id, identity, bytes, contentType);
    });
  }

  /** Who asks; undefined when that was refused. */
  private identify(exchange: Exchange, req: HttpRequest): Identity | undefined {
    const { auth } = this.context;
    const token = auth.open ? undefined : bearerToken(req.getHeader('authorization'));
    try {
      return auth.verify(token);
    } catch (error) {
      if (!(error instanceof AuthError)) throw error;
      refuseCaller(exchange, error, token !== undefined);
      return undefined;
    }
  }

  /** An exception that left this handler would end the process. */
  private received(
    exchange: Exchange,
    route: Route,
    id: string,
    identity: Identity,
    bytes: Buffer,
    contentType: string,
  ): void {
    try {
      this.give(exchange, route, id, identity, readJson(bytes, route, contentType));
    } catch (error) {
      if (error instanceof DecodeError) exchange.refuse(refuse('invalid_request', error.message));
      else this.fail(exchange, error);
    }
  }

  private give(exchange: Exchange, route: Route, id: string, identity: Identity, body: unknown): void {
    const { admission } = this.context;
    const refused = admission.refusal();
    if (refused !== undefined) {
      this.refuseNow(exchange, refused);
      return;
    }
    identity.session ??= admission.ledger!.as(identity.caller);
    const running = route.run(identity.session, id, body as never);
    admission.enter();
    running.then(
      (outcome) => this.answer(exchange, outcome),
      (error) => {
        admission.leave();
        this.fail(exchange, error);
      },
    );
  }

  private answer(exchange: Exchange, outcome: Outcome<object>): void {
    try {
      exchange.outcome(outcome);
    } catch (error) {
      this.fail(exchange, error);
    }
    this.context.admission.leave();
  }

  private refuseNow(exchange: Exchange, code: 'not_ready' | 'overloaded'): void {
    exchange.refuse(refuseAdmission(code, this.context.admission.notReady));
  }

  private fail(exchange: Exchange, error: unknown): void {
    this.context.logger.error({ err: error }, 'a request failed');
    exchange.fail();
  }
}

/** @throws DecodeError */
function readJson(bytes: Buffer, route: Route, contentType: string): unknown {
  if (bytes.length === 0 && route.body === 'optional') return {};
  if (!/^application\/json\s*(;|$)/i.test(contentType)) {
    throw new DecodeError('the body must come with Content-Type: application/json');
  }
  if (bytes.length === 0) throw new DecodeError('a JSON body is needed');
  return decodeJson(bytes);
}

function refuseCaller(exchange: Exchange, error: AuthError, hadToken: boolean): void {
  const challenge = hadToken ? `${CHALLENGE}, error="invalid_token"` : CHALLENGE;
  exchange.refuse(refuse('unauthenticated', error.message), [['WWW-Authenticate', challenge]]);
}

function refuseSize(exchange: Exchange): void {
  const refusal: Refusal = refuse('too_large', `a body has at most ${BODY_BYTES_MAX} bytes`, {
    limit: BODY_BYTES_MAX,
  });
  exchange.refuse(refusal);
}

/** The contract has no code of its own for these two; the status says what is wrong. */
function refusePath(exchange: Exchange, url: string): void {
  const detail = url === '/v1/ws' ? 'this path speaks WebSocket' : 'there is nothing at this path';
  exchange.refuse(refuse('invalid_request', detail), [], url === '/v1/ws' ? 400 : 404);
}

function refuseMethod(exchange: Exchange, allowed: readonly string[]): void {
  const headers: Headers = [['Allow', allowed.join(', ')]];
  exchange.refuse(refuse('invalid_request', `this path takes ${allowed.join(', ')}`), headers, 405);
}
