import { parseExact } from './exact-json.js';

/** `/v1/` of the server that this page came from. */
const BASE = new URL('../v1/', import.meta.url);
const TIMEOUT_MS = 30_000;
const TOKEN_KEY = 'kassa-token';

/** Why there is no answer. */
export class ApiError extends Error {
  /** HTTP status; 0 where the server did not answer at all. */
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }

  /** Nothing answers at the server's address. */
  get isAway(): boolean {
    return this.status === 0;
  }
}

/** Optional parameters that are undefined are left out. */
export type Query = Readonly<Record<string, string | number | undefined>>;

/** The token of this tab: kept until it is closed. */
export const token = {
  get: (): string | null => sessionStorage.getItem(TOKEN_KEY),
  set: (value: string): void => sessionStorage.setItem(TOKEN_KEY, value.trim()),
  clear: (): void => sessionStorage.removeItem(TOKEN_KEY),
};

/** A link may bring the token, `#token=…`: it is kept, and the address bar no longer shows it. */
export function takeTokenFromAddress(): void {
  const match = /^#token=([^&]+)(?:&(.*))?$/.exec(location.hash);
  if (match === null) return;
  token.set(decodeURIComponent(match[1]!));
  history.replaceState(null, '', `${location.pathname}${location.search}#/${match[2] ?? ''}`);
}

/** Path of an id: `account('till:07')` is `accounts/till%3A07`. */
export function pathOf(kind: 'accounts' | 'tills', id: string, report: string): string {
  return `${kind}/${encodeURIComponent(id)}/${report}`;
}

/** @param path behind `/v1/analytics/` @throws ApiError */
export async function get<Answer>(path: string, query: Query, signal: AbortSignal): Promise<Answer> {
  const response = await ask(address(path, query), 'application/json', signal);
  const text = await read(response.text());
  try {
    return parseExact(text) as Answer;
  } catch {
    throw new ApiError(response.status, 'The answer of the server cannot be read.');
  }
}

export interface CsvPage {
  readonly text: string;
  readonly next: string | undefined;
}

/** A page of a report as CSV. @param page the `next` of the page before @throws ApiError */
export async function getCsv(
  path: string,
  query: Query,
  page: string | undefined,
  signal: AbortSignal,
): Promise<CsvPage> {
  const url = page === undefined ? address(path, query) : new URL(page, BASE);
  if (url.origin !== BASE.origin) throw new ApiError(0, 'The next page is on another server.');
  const response = await ask(url, 'text/csv', signal);
  const next = /<([^>]*)>;\s*rel="?next"?/.exec(response.headers.get('link') ?? '')?.[1];
  return { text: await read(response.text()), next };
}

function address(path: string, query: Query): URL {
  const url = new URL(`analytics/${path}`, BASE);
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== '') url.searchParams.set(name, String(value));
  }
  return url;
}

async function ask(url: URL, accept: string, signal: AbortSignal): Promise<Response> {
  const secret = token.get();
  const headers: Record<string, string> = { accept };
  if (secret !== null) headers['authorization'] = `Bearer ${secret}`;
  const limit = AbortSignal.timeout(TIMEOUT_MS);
  const response = await read(
    fetch(url, { headers, cache: 'no-store', signal: AbortSignal.any([signal, limit]) }),
  );
  if (response.ok) return response;
  throw await refusal(response);
}

/** What fails on the way is no answer; that the asker has gone stays what it is. */
async function read<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const { name } = error as Error;
    if (name === 'AbortError') throw error;
    if (name === 'TimeoutError') {
      throw new ApiError(0, `The server did not answer within ${TIMEOUT_MS / 1000} seconds.`);
    }
    throw new ApiError(0, 'The server cannot be reached.');
  }
}

async function refusal(response: Response): Promise<ApiError> {
  const { status } = response;
  try {
    const { detail, title } = (await response.json()) as Record<string, string | undefined>;
    return new ApiError(status, detail ?? title ?? `The server answered ${status}.`);
  } catch {
    return new ApiError(status, `The server answered ${status}.`);
  }
}
