import type { Outcome } from '../../engine/types.js';
import type { Session } from '../session.js';

/** What a route needs in its body. */
export type BodyRule = 'none' | 'optional' | 'required';

export interface Route {
  readonly method: 'GET' | 'POST' | 'PATCH';
  /** Segments of the path; `*` takes an id. */
  readonly path: readonly string[];
  readonly body: BodyRule;
  run(session: Session, id: string, body: never): Promise<Outcome<object>>;
}

function route(method: Route['method'], path: string, body: BodyRule, run: Route['run']): Route {
  return { method, path: path.split('/').slice(1), body, run };
}

/** Fixed paths stand before those with an id in the same place. */
const ROUTES: readonly Route[] = [
  route('POST', '/v1/transactions', 'required', (session, _, body) => session.transaction(body)),
  route('POST', '/v1/transactions/batch', 'required', (session, _, body) => session.batch(body)),
  route('GET', '/v1/transactions/*', 'none', (session, id) => session.status(id)),
  route('POST', '/v1/transactions/*/post', 'optional', (session, id, body) => session.post(id, body)),
  route('POST', '/v1/transactions/*/void', 'optional', (session, id, body) => session.void(id, body)),
  route('POST', '/v1/transactions/*/reverse', 'required', (session, id, body) => session.reverse(id, body)),
  route('POST', '/v1/accounts', 'required', (session, _, body) => session.createAccount(body)),
  route('POST', '/v1/accounts/batch', 'required', (session, _, body) => session.createAccounts(body)),
  route('GET', '/v1/accounts/*', 'none', (session, id) => session.account(id)),
  route('PATCH', '/v1/accounts/*', 'required', (session, id, body) => session.updateAccount(id, body)),
  route('GET', '/v1/accounts/*/balance', 'none', (session, id) => session.balance(id)),
];

export type Match =
  | { readonly kind: 'route'; readonly route: Route; readonly id: string }
  /** The path exists with these methods only. */
  | { readonly kind: 'method'; readonly allowed: readonly string[] }
  /** The id in the path is not valid percent-encoding. */
  | { readonly kind: 'malformed' }
  | { readonly kind: 'unknown' };

/**
 * @param method upper case
 * @param url path without query
 */
export function matchRoute(method: string, url: string): Match {
  const segments = url.split('/').slice(1);
  const samePath = ROUTES.filter((candidate) => matches(candidate, segments));
  if (samePath.length === 0) return { kind: 'unknown' };
  const found = samePath.find((candidate) => candidate.method === method);
  if (found === undefined) return { kind: 'method', allowed: [...new Set(samePath.map((r) => r.method))] };
  const position = found.path.indexOf('*');
  if (position < 0) return { kind: 'route', route: found, id: '' };
  try {
    return { kind: 'route', route: found, id: decodeURIComponent(segments[position]!) };
  } catch {
    return { kind: 'malformed' };
  }
}

function matches(candidate: Route, segments: readonly string[]): boolean {
  const { path } = candidate;
  if (path.length !== segments.length) return false;
  return path.every((segment, i) => (segment === '*' ? segments[i] !== '' : segment === segments[i]));
}
