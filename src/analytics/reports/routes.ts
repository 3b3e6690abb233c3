import { balanceAt, reconcile, summary } from './account-reports.js';
import { anomalies } from './anomalies.js';
import type { Asked, Report } from './asked.js';
import { balanceSheet, balances, trialBalance } from './balances.js';
import { FILTER_NAMES } from './filters.js';
import { accounts, transactions } from './lists.js';
import { overview } from './overview.js';
import { profitLoss } from './profit-loss.js';
import { getRates, putRates, totals } from './rates.js';
import { statement } from './statement.js';
import { tills } from './tills.js';
import { top } from './top.js';
import { zReport } from './z-report.js';

export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT';
  /** Behind `/v1/`; `{id}` is any one part. */
  readonly path: string;
  /** In metrics and the log of slow queries. */
  readonly name: string;
  readonly parameters: ReadonlySet<string>;
  readonly run: (asked: Asked) => Promise<Report>;
}

/** What all reports of the tenant's rows take. */
const COMMON = ['basis', 'as_of_lsn', 'min_lsn', 'tz'];
/** The same, with all that narrows. A report names what it applies: what it does not is refused, and never taken without effect. */
const NARROWED = [...COMMON, ...FILTER_NAMES];

function get(path: string, run: Route['run'], ...parameters: readonly string[]): Route {
  return { method: 'GET', path, name: path.replace(/^.*\//, ''), parameters: new Set(parameters), run };
}

/** Every report but `status`, `query` and `resume`, which are not made of the tenant's rows alone. */
export const ROUTES: readonly Route[] = [
  get(
    'analytics/overview',
    overview,
    ...NARROWED,
    ...['period', 'until', 'from', 'to', 'bucket', 'shop', 'group_by'],
  ),
  get('analytics/profit-loss', profitLoss, ...NARROWED, 'from', 'to', 'group_by', 'format'),
  get('analytics/balances', balances, ...NARROWED, 'at', 'group_by'),
  get('analytics/trial-balance', trialBalance, ...NARROWED, 'at', 'group_by', 'limit', 'cursor', 'format'),
  get('analytics/balance-sheet', balanceSheet, ...NARROWED, 'at', 'group_by'),
  get(
    'analytics/accounts/{id}/statement',
    statement,
    ...NARROWED,
    ...['from', 'to', 'amount_min', 'amount_max', 'order', 'limit', 'cursor', 'format'],
  ),
  get('analytics/accounts/{id}/balance', balanceAt, ...NARROWED, 'at'),
  get('analytics/accounts/{id}/summary', summary, ...NARROWED, 'from', 'to', 'group_by'),
  get('analytics/accounts/{id}/reconcile', reconcile, 'min_lsn'),
  get('analytics/tills/{id}/z-report', zReport, ...NARROWED, 'date'),
  get('analytics/tills', tills, ...NARROWED, 'from', 'to', 'group_by', 'format'),
  get('analytics/accounts', accounts, ...NARROWED, 'at', 'limit', 'cursor', 'format'),
  get(
    'analytics/transactions',
    transactions,
    ...NARROWED,
    ...['status', 'account', 'reference', 'by', 'from', 'to', 'limit', 'cursor', 'format'],
  ),
  get('analytics/top', top, ...NARROWED, 'by', 'of', 'from', 'to', 'limit', 'format'),
  get('analytics/anomalies', anomalies, ...NARROWED, 'from', 'to', 'limit', 'format'),
  get('analytics/totals', totals, ...NARROWED, 'in', 'at'),
  {
    method: 'GET',
    path: 'rates',
    name: 'rates',
    parameters: new Set(['at', 'tz', 'min_lsn']),
    run: getRates,
  },
  { method: 'PUT', path: 'rates', name: 'rates-put', parameters: new Set(), run: putRates },
];

/** Those that answer no matter whether ClickHouse does. */
export const STATUS_PATH = 'analytics/status';
export const RESUME_PATH = 'analytics/resume';
/** SQL of analysts; see src/analytics/query. */
export const QUERY_PATH = 'analytics/query';

/** Every path behind `/v1/` that `Reports` answers, with its method. */
export const REPORT_PATHS: readonly { readonly method: 'GET' | 'POST' | 'PUT'; readonly path: string }[] = [
  ...ROUTES.map(({ method, path }) => ({ method, path })),
  { method: 'GET', path: STATUS_PATH },
  { method: 'POST', path: RESUME_PATH },
  { method: 'POST', path: QUERY_PATH },
];

/** The route of a path, and what stands for `{id}` in it, percent-encoding as it came. */
export function routeOf(
  method: string,
  path: string,
): { readonly route: Route; readonly id: string } | undefined {
  const parts = path.split('/');
  for (const route of ROUTES) {
    if (route.method !== method) continue;
    const pattern = route.path.split('/');
    if (pattern.length !== parts.length) continue;
    if (!pattern.every((part, i) => part === '{id}' || part === parts[i])) continue;
    const at = pattern.indexOf('{id}');
    return { route, id: at < 0 ? '' : parts[at]! };
  }
  return undefined;
}
