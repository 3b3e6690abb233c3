import type { Permission } from '../session.js';
import type { BodyRule } from './routes.js';

/** What an analytics path is about; tokens of limited reach read some of them. */
export type Subject = 'account' | 'till' | 'all';

export interface AnalyticsRoute {
  readonly method: 'GET' | 'POST' | 'PUT';
  /** Behind `/v1/`; the id is `*`. */
  readonly path: string;
  readonly permission: Permission;
  readonly body: BodyRule;
  readonly subject: Subject;
  /** Answered from the figures of the gateways; with the engine's balance beside the question; passed on as it is. */
  readonly kind: 'live' | 'reconcile' | 'question';
}

function read(
  path: string,
  subject: Subject = 'all',
  kind: AnalyticsRoute['kind'] = 'question',
): AnalyticsRoute {
  return { method: 'GET', path, permission: 'analytics:read', body: 'none', subject, kind };
}

function write(method: 'POST' | 'PUT', path: string, permission: Permission, body: BodyRule): AnalyticsRoute {
  return { method, path, permission, body, subject: 'all', kind: 'question' };
}

export const ANALYTICS_ROUTES: readonly AnalyticsRoute[] = [
  read('analytics/status'),
  read('analytics/live', 'all', 'live'),
  read('analytics/overview'),
  read('analytics/profit-loss'),
  read('analytics/balances'),
  read('analytics/trial-balance'),
  read('analytics/balance-sheet'),
  read('analytics/accounts'),
  read('analytics/accounts/*/statement', 'account'),
  read('analytics/accounts/*/balance', 'account'),
  read('analytics/accounts/*/summary', 'account'),
  read('analytics/accounts/*/reconcile', 'account', 'reconcile'),
  read('analytics/tills'),
  read('analytics/tills/*/z-report', 'till'),
  read('analytics/transactions'),
  read('analytics/top'),
  read('analytics/anomalies'),
  read('analytics/totals'),
  read('rates'),
  write('PUT', 'rates', 'analytics:rates', 'required'),
  write('POST', 'analytics/query', 'analytics:sql', 'required'),
  write('POST', 'analytics/resume', 'analytics:rates', 'none'),
];

const ROOT = '/v1/';
const BY_PATH = new Map<string, AnalyticsRoute[]>();
for (const route of ANALYTICS_ROUTES) BY_PATH.set(route.path, [...(BY_PATH.get(route.path) ?? []), route]);

export type AnalyticsMatch =
  | { readonly kind: 'route'; readonly route: AnalyticsRoute; readonly id: string }
  /** The path exists with these methods only. */
  | { readonly kind: 'method'; readonly allowed: readonly string[] }
  /** The id in the path is not valid percent-encoding. */
  | { readonly kind: 'malformed' }
  | { readonly kind: 'unknown' };

export function isAnalyticsPath(url: string): boolean {
  return url.startsWith('/v1/analytics/') || url === '/v1/rates';
}

/**
 * @param method upper case
 * @param url path without query
 */
export function matchAnalytics(method: string, url: string): AnalyticsMatch {
  const parts = url.slice(ROOT.length).split('/');
  const hasId = parts.length === 4 && parts[2] !== '';
  const path = hasId ? [parts[0], parts[1], '*', parts[3]].join('/') : parts.join('/');
  const known = BY_PATH.get(path);
  if (known === undefined) return { kind: 'unknown' };
  const route = known.find((one) => one.method === method);
  if (route === undefined) return { kind: 'method', allowed: known.map((one) => one.method) };
  try {
    return { kind: 'route', route, id: hasId ? decodeURIComponent(parts[2]!) : '' };
  } catch {
    return { kind: 'malformed' };
  }
}
