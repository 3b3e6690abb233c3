import { CODES } from '../../engine/codes.js';
import type { BalanceBody, Outcome, Refusal } from '../../engine/types.js';
import type { AnalyticsState, OpenQuestion } from '../analytics/desk.js';
import type { SentAnswer } from '../analytics/messages.js';
import { forbidden, outOfReach } from '../ledger/answers.js';
import type { Caller, Session } from '../session.js';
import type { AnalyticsRoute } from './analytics-routes.js';
import type { Identity } from './auth.js';
import type { GatewayContext } from './context.js';
import type { Exchange } from './exchange.js';
import { refuse, refuseAdmission } from './refusal.js';

/** Questions of one gateway that await their answer: they are bounded by themselves and take no place of a till. */
const QUESTIONS_MAX = 64;

/** A request under `/v1/analytics/`, or to `/v1/rates`, as it came. */
export interface AnalyticsRequest {
  readonly route: AnalyticsRoute;
  /** The account or till in the path; empty without one. */
  readonly id: string;
  /** The whole path. */
  readonly url: string;
  readonly query: string;
  /** Of the header `Accept`. */
  readonly accept: string;
  readonly body?: unknown;
}

/** Why a caller may not ask this; undefined when he may. */
export function barred(
  caller: Caller,
  { permission, subject }: AnalyticsRoute,
  id: string,
): Refusal | undefined {
  if (caller.permissions !== undefined && !caller.permissions.has(permission)) return forbidden(permission);
  if (caller.accounts === undefined) return undefined;
  if (subject === 'all') {
    return refuse('forbidden', 'the token reaches some accounts only, and this is about all of them');
  }
  return caller.accounts.some((prefix) => id.startsWith(prefix)) ? undefined : outOfReach(id);
}

/** Answers questions to analytics: by the figures at hand, or by passing them on. */
export class AnalyticsService {
  private open = 0;
  private onIdle: (() => void) | undefined;

  constructor(private readonly context: GatewayContext) {}

  /** @param fail takes what is a fault of the server's own */
  serve(
    exchange: Exchange,
    identity: Identity,
    request: AnalyticsRequest,
    fail: (error: unknown) => void,
  ): void {
    if (request.route.kind === 'live') {
      if (request.query !== '') {
        exchange.refuse(refuse('invalid_request', 'live takes no parameters'));
        return;
      }
      exchange.json(this.live());
      return;
    }
    if (this.open >= QUESTIONS_MAX) {
      exchange.refuse(refuse('overloaded', 'too many questions to analytics are open; retry later'));
      return;
    }
    this.open++;
    const running =
      request.route.kind === 'reconcile'
        ? this.reconcile(exchange, identity, request)
        : this.pass(exchange, questionOf(identity.caller, request));
    running.catch(fail).finally(() => {
      this.open--;
      if (this.open === 0) this.onIdle?.();
    });
  }

  /** Resolves when no question awaits its answer, or after so long. */
  async idle(timeoutMs: number): Promise<void> {
    if (this.open === 0) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.onIdle = resolve;
      timer = setTimeout(resolve, timeoutMs);
    });
    clearTimeout(timer);
  }

  private async pass(exchange: Exchange, question: OpenQuestion): Promise<void> {
    const asked = this.context.analytics.ask(question);
    exchange.onGone = asked.cancel;
    if (exchange.done) asked.cancel();
    else give(exchange, await asked.answer);
  }

  /** The engine's balance goes along: what is compared is what the ledger would answer itself. */
  private async reconcile(exchange: Exchange, identity: Identity, request: AnalyticsRequest): Promise<void> {
    const balance = await this.balance(identity, request.id);
    if (!balance.ok) {
      exchange.refuse(balance);
      return;
    }
    await this.pass(exchange, { ...questionOf(identity.caller, request), engine: balance.body });
  }

  /** A command like any other. */
  private async balance(identity: Identity, account: string): Promise<Outcome<BalanceBody>> {
    const { admission } = this.context;
    const refused = admission.refusal();
    if (refused !== undefined) return refuseAdmission(refused, admission.notReady);
    identity.session ??= admission.ledger!.as(identity.caller);
    const session: Session = identity.session;
    admission.enter();
    try {
      return await session.balance(account);
    } finally {
      admission.leave();
    }
  }

  private live(): object {
    const { admission, analytics, metrics } = this.context;
    const { lsn, durableLsn, accounts, openHolds } = admission.ledger!.stats();
    const { connections, latency, recordsPerSecond } = metrics.live(durableLsn);
    return {
      lsn,
      durable_lsn: durableLsn,
      transactions_per_second: recordsPerSecond,
      p50_ms: latency.p50,
      p99_ms: latency.p99,
      connections,
      accounts,
      open_holds: openHolds,
      sink: sinkBody(analytics.state(), durableLsn),
    };
  }
}

/** How analytics stands, for those who watch it. */
export function sinkBody(state: AnalyticsState, durableLsn: number): object {
  if (state.state === 'off') return { state: state.state, reason: state.reason };
  return {
    state: state.state,
    reason: state.reason,
    cursor: state.cursor,
    lag_lsns: Math.max(0, durableLsn - state.cursor),
    lag_seconds: Math.round(state.lagSeconds * 1000) / 1000,
    rows_per_second: Math.round(state.rowsPerSecond),
  };
}

function questionOf(caller: Caller, { route, url, query, accept, body }: AnalyticsRequest): OpenQuestion {
  return {
    tenant: caller.tenant,
    who: caller.by,
    ...(caller.accounts !== undefined && { reach: caller.accounts }),
    method: route.method,
    path: url.slice('/v1/'.length),
    query: withFormat(query, accept),
    ...(body !== undefined && { body }),
  };
}

/** `Accept: text/csv` is another way to say `format=csv`. */
function withFormat(query: string, accept: string): string {
  if (!/^\s*text\/csv\b/i.test(accept) || /(^|&)format=/.test(query)) return query;
  return query === '' ? 'format=csv' : `${query}&format=csv`;
}

function give(exchange: Exchange, answer: SentAnswer): void {
  if (answer.ok) exchange.send(200, answer.contentType, answer.body, CODES.ok.n, answer.headers);
  else exchange.refuse(answer.refusal);
}
