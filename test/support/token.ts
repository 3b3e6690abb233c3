import { createHmac } from 'node:crypto';

/** Tokens made by hand, so that the server's own signing is not what tests rest on. */

export const SECRET = 'a test secret of more than thirty-two bytes';

export interface TokenClaims {
  readonly tenant?: string;
  readonly sub?: string;
  readonly role?: string;
  readonly terminal?: string;
  readonly accounts?: readonly string[];
  /** Seconds since 1970. */
  readonly exp?: number;
  readonly nbf?: number;
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

/** A token; an admin of tenant `shop` called `ann` unless said otherwise. */
export function makeToken(
  claims: TokenClaims | { readonly [name: string]: unknown } = {},
  { secret = SECRET, header = { alg: 'HS256', typ: 'JWT' } as object } = {},
): string {
  const body = `${encode(header)}.${encode({ tenant: 'shop', sub: 'ann', role: 'admin', ...claims })}`;
  return `${body}.${createHmac('sha256', secret).update(body).digest('base64url')}`;
}

/** The token with another payload under its old signature. */
export function changePayload(token: string, change: object): string {
  const [header, payload, signature] = token.split('.') as [string, string, string];
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object;
  return `${header}.${encode({ ...claims, ...change })}.${signature}`;
}

/** A token that claims to need no signature. */
export function unsignedToken(claims: TokenClaims = {}): string {
  return `${encode({ alg: 'none' })}.${encode({ tenant: 'shop', sub: 'ann', role: 'admin', ...claims })}.`;
}
