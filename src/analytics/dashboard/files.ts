import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

/** A file of the dashboard as it is served. */
export interface DashboardFile {
  readonly file: URL;
  readonly contentType: string;
}

const TYPES = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml; charset=utf-8',
} as const;

/** Beside the sources; this file itself is compiled to dist/src/analytics/dashboard/. */
const STATIC = new URL('../../../../src/analytics/dashboard/static/', import.meta.url);
const STATIC_FILES = [
  'icon.svg',
  'base.css',
  'controls.css',
  'frame.css',
  'panels.css',
  'tables.css',
  'charts.css',
  'room.css',
];

/** Compiled for browsers from the folder `page`. */
const PAGE = new URL('page/', import.meta.url);
const MODULES = [
  'accounts',
  'api',
  'buckets',
  'chart',
  'choices',
  'csv',
  'dom',
  'download',
  'exact-json',
  'figures',
  'filter-form',
  'live',
  'locale',
  'main',
  'money',
  'overview',
  'paged-table',
  'panel',
  'period',
  'period-picker',
  'route',
  'sales-chart',
  'shop',
  'shops',
  'sign-in',
  'source',
  'statement',
  'table',
  'theme',
  'theme-boot',
  'till',
  'times',
  'view',
];

const UPLOT = pathToFileURL(createRequire(import.meta.url).resolve('uplot/dist/uPlot.esm.js'));

function served(file: URL): DashboardFile {
  const extension = file.pathname.slice(file.pathname.lastIndexOf('.') + 1);
  return { file, contentType: TYPES[extension as keyof typeof TYPES] };
}

/** By path: what `GET /dashboard` and the paths below it give. All of it comes from the package and from what is installed with it. */
export const DASHBOARD_FILES: ReadonlyMap<string, DashboardFile> = new Map([
  ['/dashboard', served(new URL('index.html', STATIC))],
  ['/dashboard/', served(new URL('index.html', STATIC))],
  ...STATIC_FILES.map((name) => [`/dashboard/${name}`, served(new URL(name, STATIC))] as const),
  ...MODULES.map((name) => [`/dashboard/${name}.js`, served(new URL(`${name}.js`, PAGE))] as const),
  ['/dashboard/uplot.js', served(UPLOT)],
  ['/dashboard/uplot.css', served(new URL('uPlot.min.css', UPLOT))],
]);
