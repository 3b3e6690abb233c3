import { describe, expect, it } from 'vitest';
import { REPORT_PATHS } from '../src/analytics/reports/routes.js';
import { ANALYTICS_ROUTES, matchAnalytics } from '../src/gateway/analytics-routes.js';

describe('the routes of analytics', () => {
  it('are those that reports answer, and live', () => {
    const served = ANALYTICS_ROUTES.filter(({ kind }) => kind !== 'live').map(
      ({ method, path }) => `${method} ${path.replace('*', '{id}')}`,
    );
    const answered = REPORT_PATHS.map(({ method, path }) => `${method} ${path}`);
    expect(served.toSorted()).toEqual(answered.toSorted());
  });

  it.each(ANALYTICS_ROUTES)('$method $path is found by its path', (route) => {
    const url = `/v1/${route.path.replace('*', 'till%3A7')}`;
    const id = route.path.includes('*') ? 'till:7' : '';
    expect(matchAnalytics(route.method, url)).toEqual({ kind: 'route', route, id });
  });
});
