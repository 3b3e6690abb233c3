import { CODES } from '../../engine/codes.js';
import { BODY_BYTES_MAX } from '../../engine/limits.js';
import type { Refusal } from '../../engine/types.js';
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
    const { metrics } = this.context;
    const startedAtMs = metrics.sample() ? performance.now() : undefined;
    const exchange = new Exchange(res, (n) => {
      metrics.count('http', n);
      if (startedAtMs !== undefined) metrics.observe('http', startedAtMs);
    });
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

  /** Reads of the request all that is needed: it is gone when this returns. */
  private command(exchange: Exchange, req: HttpRequest, route: Route, id: string): void {
    const { auth } = this.context;
    if (auth.open && !isLocalRequest(req.getHeader('host'), req.getHeader('origin'))) {
      exchange.refuse(refuse('forbidden', 'without tokens, only requests from and to this machine'));
      return;
    }
    const token = bearerToken(req.getHeader('authorization'));
    if (route.body === 'none') {
      void this.run(exchange, route, id, token, undefined, '');
      return;
    }
    const contentType = req.getHeader('content-type');
    if (Number(req.getHeader('content-length')) > BODY_BYTES_MAX) {
      refuseSize(exchange);
      return;
    }
    void this.run(exchange, route, id, token, exchange.readBody(BODY_BYTES_MAX), contentType);
  }

  private async run(
    exchange: Exchange,
    route: Route,
    id: string,
    token: string | undefined,
    reading: Promise<Buffer | 'too_large' | 'gone'> | undefined,
    contentType: string,
  ): Promise<void> {
    try {
      if (this.context.admission.notReady !== undefined) return this.refuseNow(exchange, 'not_ready');
      const identity = this.context.auth.verify(token);
      const bytes = await reading;
      if (bytes === 'gone' || exchange.done) return;
      if (bytes === 'too_large') return refuseSize(exchange);
      const body = bytes && readJson(bytes, route, contentType);
      await this.give(exchange, route, id, identity, body);
    } catch (error) {
      if (error instanceof AuthError) refuseCaller(exchange, error, token !== undefined);
      else if (error instanceof DecodeError) exchange.refuse(refuse('invalid_request', error.message));
      else this.fail(exchange, error);
    }
  }

  private async give(
    exchange: Exchange,
    route: Route,
    id: string,
    identity: Identity,
    body: unknown,
  ): Promise<void> {
    const { admission } = this.context;
    const refused = admission.refusal();
    if (refused !== undefined) return this.refuseNow(exchange, refused);
    identity.session ??= admission.ledger!.as(identity.caller);
    admission.enter();
    try {
      exchange.outcome(await route.run(identity.session, id, body as never));
    } finally {
      admission.leave();
    }
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
