export const VIEWS = ['overview', 'shop', 'till', 'account', 'accounts'] as const;
export type ViewName = (typeof VIEWS)[number];

/** What the address says behind `#`: `#/till/till:07?period=7d`. */
export interface Route {
  readonly view: ViewName;
  /** Of a shop, till or account; otherwise empty. */
  readonly id: string;
  readonly params: URLSearchParams;
}

/** Anything that is not a route is the overview. */
export function routeOf(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split(/\?(.*)/s);
  const [name = '', ...rest] = path.split('/');
  const view = VIEWS.find((known) => known === name) ?? 'overview';
  const id = decode(rest.join('/'));
  const params = new URLSearchParams(query);
  return id === '' && ['shop', 'till', 'account'].includes(view)
    ? { view: 'overview', id: '', params }
    : { view, id, params };
}

/** Carried along from view to view: the period and the currency. */
const KEPT = ['period', 'from', 'through', 'currency'];

/** The address of a view, with the period of another one. @param change parameters to set, or to drop where undefined */
export function addressOf(
  { view, id }: Pick<Route, 'view' | 'id'>,
  from: URLSearchParams,
  change: Readonly<Record<string, string | undefined>> = {},
): string {
  const params = new URLSearchParams();
  for (const name of KEPT) {
    const value = from.get(name);
    if (value !== null) params.set(name, value);
  }
  return format(view, id, params, change);
}

/** The same view with other parameters; all others stay. */
export function changed(route: Route, change: Readonly<Record<string, string | undefined>>): string {
  return format(route.view, route.id, new URLSearchParams(route.params), change);
}

function format(
  view: ViewName,
  id: string,
  params: URLSearchParams,
  change: Readonly<Record<string, string | undefined>>,
): string {
  for (const [name, value] of Object.entries(change)) {
    if (value === undefined || value === '') params.delete(name);
    else params.set(name, value);
  }
  const path = view === 'overview' ? '' : id === '' ? view : `${view}/${encodeURIComponent(id)}`;
  const query = params.toString();
  return `#/${path}${query === '' ? '' : `?${query}`}`;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
