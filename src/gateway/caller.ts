import { isLoopback } from '../config.js';

/** The token of an `Authorization: Bearer` header. */
export function bearerToken(authorization: string): string | undefined {
  return /^bearer +(\S+) *$/i.exec(authorization)?.[1];
}

export interface Subprotocols {
  /** `kassa.v1` was offered, so the answer must name it. */
  readonly kassa: boolean;
  readonly token: string | undefined;
}

/** Reads `kassa.v1, bearer.<token>`: a browser cannot set headers on a WebSocket. */
export function readSubprotocols(header: string): Subprotocols {
  const offered = header.split(',').map((name) => name.trim());
  const bearer = offered.find((name) => name.startsWith('bearer.'));
  return { kassa: offered.includes(SUBPROTOCOL), token: bearer?.slice('bearer.'.length) };
}

export const SUBPROTOCOL = 'kassa.v1';

/**
 * Whether a request without a token may be served: it must have been meant for this machine, and not come from a page
 * of another site. Browsers let any page open a WebSocket to 127.0.0.1, and a hostile name can be made to resolve
 * to it; only these headers tell.
 */
export function isLocalRequest(host: string, origin: string): boolean {
  return isLocalHost(host) && (origin === '' || isLocalUrl(origin));
}

let lastHost = '';
let isLastLocal = false;

/** Clients keep naming the same host; parsing it as a URL was a few per cent of the time of a request. */
function isLocalHost(host: string): boolean {
  if (host !== lastHost) {
    isLastLocal = isLocalUrl(`http://${host}`);
    lastHost = host;
  }
  return isLastLocal;
}

function isLocalUrl(url: string): boolean {
  return URL.canParse(url) && isLoopback(new URL(url).hostname);
}
