import type { Outcome } from '../../engine/types.js';
import type { Session } from '../session.js';

/** What a route needs in its body. */
export type BodyRule = 'none' | 'optional' | 'required';

export interface Route {
  readonly method: 'GET' | 'POST' | 'PATCH';
  /** Its third segment is `*` where it takes an id. */
  readonly path: string;
  readonly body: BodyRule;
  run(session: Session, id: string, body: never): Promise<Outcome<object>>;
}

function route(method: Route['method'], path: string, body: BodyRule, run: Route['run']): Route {
  return { method, path, body, run };
}

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

const FIXED = byPath(ROUTES.filter(({ path }) => !path.includes('*')));
const WITH_ID = byPath(ROUTES.filter(({ path }) => path.includes('*')));

function byPath(routes: readonly Route[]): ReadonlyMap<string, readonly Route[]> {
  const paths = new Map<string, Route[]>();
  for (const one of routes) paths.set(one.path, [...(paths.get(one.path) ?? []), one]);
  return paths;
}

export type Match =
  | { readonly kind: 'route'; readonly route: Route; readonly id: string }
  /** The path exists with these methods only. */
  | { readonly kind: 'method'; readonly allowed: readonly string[] }
  /** The id in the path is not valid percent-encoding. */
  | { readonly kind: 'malformed' }
  | { readonly kind: 'unknown' };

/**
 * A fixed path goes before one with an id in the same place.
 * @param method upper case
 * @param url path without query
 */
export function matchRoute(method: string, url: string): Match {
  const fixed = FIXED.get(url);
  const exact = fixed?.find((one) => one.method === method);
  if (exact !== undefined) return { kind: 'route', route: exact, id: '' };
  const from = url.indexOf('/', ROOT.length) + 1;
  const slash = url.indexOf('/', from);
  const to = slash < 0 ? url.length : slash;
  const withId = from > 0 && to > from ? WITH_ID.get(`${url.slice(0, from)}*${url.slice(to)}`) : undefined;
  const found = withId?.find((one) => one.method === method);
  if (found === undefined) {
    const allowed = new Set([...(fixed ?? []), ...(withId ?? [])].map((one) => one.method));
    return allowed.size === 0 ? { kind: 'unknown' } : { kind: 'method', allowed: [...allowed] };
  }
  const id = url.slice(from, to);
  if (!id.includes('%')) return { kind: 'route', route: found, id };
  try {
    return { kind: 'route', route: found, id: decodeURIComponent(id) };
  } catch {
    return { kind: 'malformed' };
  }
}

const ROOT = '/v1/';
