import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A file of the dashboard as it is served. */
export interface DashboardFile {
  /** Absolute path. */
  readonly file: string;
  readonly contentType: string;
}

const TYPES = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml; charset=utf-8',
} as const;

/** Of the package. This file is compiled to dist/src/analytics/dashboard/. */
const ROOT = fileURLToPath(new URL('../../../..', import.meta.url));
const STATIC = join(ROOT, 'src/analytics/dashboard/static');
const MODULES = fileURLToPath(new URL('page', import.meta.url));
const INDEX = 'index.html';

/**
 * Everything under `/dashboard`, by path: the page, what is static of it, its compiled modules, and the chart library. All of it comes from
 * the package and what is installed with it.
 * @throws Error when the package is not complete
 */
export function dashboardFiles(): ReadonlyMap<string, DashboardFile> {
  const uplot = createRequire(import.meta.url).resolve('uplot/dist/uPlot.esm.js');
  const page = served(join(STATIC, INDEX));
  return new Map([
    ['/dashboard', page],
    ['/dashboard/', page],
    ...filesOf(STATIC).filter(([path]) => path !== `/dashboard/${INDEX}`),
    ...filesOf(MODULES),
    ['/dashboard/uplot.js', served(uplot)],
    ['/dashboard/uplot.css', served(join(uplot, '..', 'uPlot.min.css'))],
  ]);
}

function filesOf(folder: string): (readonly [path: string, file: DashboardFile])[] {
  return readdirSync(folder)
    .filter((name) => extension(name) in TYPES)
    .map((name) => [`/dashboard/${name}`, served(join(folder, name))] as const);
}

function served(file: string): DashboardFile {
  return { file, contentType: TYPES[extension(basename(file)) as keyof typeof TYPES] };
}

function extension(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1);
}
