import { CODES } from '../../engine/codes.js';
import { BODY_BYTES_MAX } from '../../engine/limits.js';
import type { Outcome, Refusal } from '../../engine/types.js';
import { type AnalyticsService, barred, sinkBody } from './analytics.js';
import { type AnalyticsRoute, isAnalyticsPath, matchAnalytics } from './analytics-routes.js';
import { AuthError, type Identity } from './auth.js';
import { bearerToken, isLocalRequest } from './caller.js';
import type { GatewayContext } from './context.js';
import { DecodeError } from './decode-error.js';
import { Exchange, type Headers } from './exchange.js';
import { decodeJson } from './json.js';
import { refuse, refuseAdmission } from './refusal.js';
import { type BodyRule, matchRoute, type Route } from './routes.js';
import { sendFile, staticFile } from './static-files.js';
import type { HttpRequest, HttpResponse, TemplatedApp } from './uws.js';

const CHALLENGE = 'Bearer realm="kassa"';

/** Serves every HTTP path except `/v1/ws`. */
export function serveHttp(app: TemplatedApp, context: GatewayContext, analytics: AnalyticsService): void {
  const service = new HttpService(context, analytics);
  app.any('/*', (res, req) => service.handle(res, req));
}

class HttpService {
  constructor(
    private readonly context: GatewayContext,
    private readonly analytics: AnalyticsService,
  ) {}

  /** An exception that left this handler would end the process. */
  handle(res: HttpResponse, req: HttpRequest): void {
    const url = req.getUrl();
    const isCommand = url.startsWith('/v1/') && !isAnalyticsPath(url);
    const exchange = new Exchange(res, this.context.metrics, isCommand);
    try {
      this.dispatch(exchange, req, url, isCommand);
    } catch (error) {
      this.fail(exchange, error);
    }
  }

  private dispatch(exchange: Exchange, req: HttpRequest, url: string, isCommand: boolean): void {
    const method = req.getCaseSensitiveMethod();
    if (!isCommand) {
      if (url.startsWith('/v1/')) this.report(exchange, req, method, url);
      else this.operate(exchange, req, method, url);
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
        refuseId(exchange);
        return;
      default:
        refusePath(exchange, url);
        return;
    }
  }

  /** Health, metrics, and the dashboard's files, which hold no data: without a token. */
  private operate(exchange: Exchange, req: HttpRequest, method: string, url: string): void {
    const { metrics } = this.context;
    const file = staticFile(url);
    const known =
      file !== undefined || url === '/health/live' || url === '/health/ready' || url === '/metrics';
    if (!known) {
      refusePath(exchange, url);
      return;
    }
    if (method !== 'GET') {
      refuseMethod(exchange, ['GET']);
      return;
    }
    if (file !== undefined) {
      sendFile(exchange, file, req.getHeader('if-none-match'));
      return;
    }
    if (url === '/metrics') {
      metrics.text().then(
        (text) => exchange.send(200, metrics.contentType, text, CODES.ok.n),
        (error) => this.fail(exchange, error),
      );
      return;
    }
    if (url === '/health/live') exchange.json({ status: 'live' });
    else this.ready(exchange);
  }

  /** Analytics is told along; nothing of it makes the server not ready. */
  private ready(exchange: Exchange): void {
    const { admission, analytics } = this.context;
    const notReady = admission.unready();
    if (notReady !== undefined) {
      exchange.refuse(refuse('not_ready', notReady));
      return;
    }
    const sink = sinkBody(analytics.state(), admission.ledger!.stats().durableLsn);
    exchange.json({ status: 'ready', analytics: sink });
  }

  /** A question to analytics. As {@link command}, all that is needed of the request is read before this returns. */
  private report(exchange: Exchange, req: HttpRequest, method: string, url: string): void {
    const match = matchAnalytics(method, url);
    if (match.kind === 'unknown') refusePath(exchange, url);
    else if (match.kind === 'method') refuseMethod(exchange, match.allowed);
    else if (match.kind === 'malformed') refuseId(exchange);
    else this.question(exchange, req, url, match.route, match.id);
  }

  private question(
    exchange: Exchange,
    req: HttpRequest,
    url: string,
    route: AnalyticsRoute,
    id: string,
  ): void {
    const identity = this.admit(exchange, req, route.body);
    if (identity === undefined) return;
    const refused = barred(identity.caller, route, id);
    if (refused !== undefined) {
      exchange.refuse(refused);
      return;
    }
    const asked = { route, id, url, query: req.getQuery() ?? '', accept: req.getHeader('accept') };
    const fail = (error: unknown) => this.fail(exchange, error);
    this.withBody(exchange, req, route.body, (body) =>
      this.analytics.serve(exchange, identity, { ...asked, body }, fail),
    );
  }

  /**
   * Reads of the request all that is needed: it is gone when this returns. Callbacks rather than `async`, which would put three promises
   * around the one of the command.
   */
  private command(exchange: Exchange, req: HttpRequest, route: Route, id: string): void {
    const identity = this.admit(exchange, req, route.body);
    if (identity === undefined) return;
    this.withBody(exchange, req, route.body, (body) => this.give(exchange, route, id, identity, body));
  }

  /** Who asks, and may; undefined when that was refused. */
  private admit(exchange: Exchange, req: HttpRequest, rule: BodyRule): Identity | undefined {
    const { admission, auth } = this.context;
    if (auth.open && !isLocalRequest(req.getHeader('host'), req.getHeader('origin'))) {
      exchange.refuse(refuse('forbidden', 'without tokens, only requests from and to this machine'));
      return undefined;
    }
    if (rule !== 'none' && Number(req.getHeader('content-length')) > BODY_BYTES_MAX) {
      refuseSize(exchange);
      return undefined;
    }
    if (admission.notReady !== undefined) {
      this.refuseNow(exchange, 'not_ready');
      return undefined;
    }
    return this.identify(exchange, req);
  }

  /** @param then takes the decoded body, undefined where the route has none */
  private withBody(
    exchange: Exchange,
    req: HttpRequest,
    rule: BodyRule,
    then: (body: unknown) => void,
  ): void {
    if (rule === 'none') {
      then(undefined);
      return;
    }
    const contentType = req.getHeader('content-type');
    exchange.readBody(BODY_BYTES_MAX, (bytes) => {
      if (bytes === 'too_large') refuseSize(exchange);
      else this.received(exchange, rule, bytes, contentType, then);
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
    rule: BodyRule,
    bytes: Buffer,
    contentType: string,
    then: (body: unknown) => void,
  ): void {
    try {
      then(readJson(bytes, rule, contentType));
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
function readJson(bytes: Buffer, rule: BodyRule, contentType: string): unknown {
  if (bytes.length === 0 && rule === 'optional') return {};
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

function refuseId(exchange: Exchange): void {
  exchange.refuse(refuse('invalid_request', 'the id in the path is not valid percent-encoding'));
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
