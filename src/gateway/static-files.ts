import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { CODES } from '../../engine/codes.js';
import { DASHBOARD_FILES, type DashboardFile } from '../analytics/dashboard/files.js';
import type { Exchange, Headers } from './exchange.js';

/** A file in memory. */
export interface StaticFile {
  readonly contentType: string;
  readonly bytes: Uint8Array;
  /** As HTTP writes it, quotes included. */
  readonly etag: string;
}

/** Nothing may come from elsewhere, or be run that is not one of the files; nor may another site show the page within its own. */
const CONTENT_SECURITY_POLICY =
  "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'";

const HEADERS: Headers = [
  ['Content-Security-Policy', CONTENT_SECURITY_POLICY],
  ['X-Content-Type-Options', 'nosniff'],
  ['Referrer-Policy', 'no-referrer'],
  // Asked each time whether it is still the same: an update shows at once.
  ['Cache-Control', 'no-cache'],
];

/** Of this thread. */
const loaded = new Map<string, StaticFile>();

/** The file at a path; undefined when there is none. Read once, when it is first asked for. @throws when the package is not complete */
export function staticFile(url: string): StaticFile | undefined {
  const known = DASHBOARD_FILES.get(url);
  if (known === undefined) return undefined;
  let file = loaded.get(url);
  if (file === undefined) {
    file = load(known);
    loaded.set(url, file);
  }
  return file;
}

function load({ file, contentType }: DashboardFile): StaticFile {
  const bytes = readFileSync(file);
  const hash = createHash('sha256').update(bytes).digest('base64url').slice(0, 22);
  return { contentType, bytes, etag: `"${hash}"` };
}

/** @param known of the header `If-None-Match` */
export function sendFile(exchange: Exchange, { contentType, bytes, etag }: StaticFile, known: string): void {
  const headers: Headers = [...HEADERS, ['ETag', etag]];
  const isKnown = known.split(',').some((one) => one.trim().replace(/^W\//, '') === etag);
  if (isKnown) exchange.send(304, contentType, '', CODES.ok.n, headers);
  else exchange.send(200, contentType, bytes, CODES.ok.n, headers);
}
