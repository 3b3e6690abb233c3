/**
 * Checks a JSON Web Token (RFC 7519) in compact form, with one key and the one algorithm it is used with.
 *
 * Synchronous on purpose: a WebSocket must be accepted inside its upgrade handler, because uWebSockets.js 20.51 now and
 * then closes a socket that is upgraded after an `await` (uNetworking/uWebSockets#1929). jose, which signs, has promises
 * only. A check takes 3 µs (HS256) to 0.1 ms (EdDSA), and verified tokens are remembered.
 */

import { isUtf8 } from 'node:buffer';
import { createHmac, timingSafeEqual, verify } from 'node:crypto';
import type { TokenKey } from './keys.js';

/** Why a token is not good. The message is meant for who sent it. */
export class TokenError extends Error {
  override readonly name = 'TokenError';
}

export type Payload = { readonly [claim: string]: unknown };

const MALFORMED = 'the token is not a valid JWT';

/**
 * @param nowMs milliseconds since 1970
 * @returns the claims of a token that is signed with the key, not expired and already valid
 * @throws TokenError
 */
export function checkToken(token: string, key: TokenKey, nowMs: number): Payload {
  const [head, body, mac, ...rest] = token.split('.');
  if (head === undefined || body === undefined || mac === undefined || rest.length > 0) {
    throw new TokenError(MALFORMED);
  }
  const header = readObject(head);
  // An unsecured token ("none") or one of another algorithm is refused here, whatever stands in its signature.
  if (header['alg'] !== key.algorithm)
    throw new TokenError('the token has an algorithm that is not used here');
  if (header['crit'] !== undefined) throw new TokenError('the token needs extensions that are not used here');
  if (!isSigned(Buffer.from(`${head}.${body}`), decode(mac), key)) {
    throw new TokenError('the signature of the token is not valid');
  }
  const payload = readObject(body);
  checkTimes(payload, nowMs);
  return payload;
}

function isSigned(input: Buffer, signature: Buffer, key: TokenKey): boolean {
  switch (key.algorithm) {
    case 'HS256': {
      const expected = createHmac('sha256', key.key).update(input).digest();
      return signature.length === expected.length && timingSafeEqual(signature, expected);
    }
    case 'EdDSA':
      return verify(null, input, key.key, signature);
    case 'RS256':
      return verify('RSA-SHA256', input, key.key, signature);
  }
}

function checkTimes(payload: Payload, nowMs: number): void {
  for (const claim of ['exp', 'nbf', 'iat']) {
    const time = payload[claim];
    if (time !== undefined && !Number.isFinite(time))
      throw new TokenError(`the token's "${claim}" is not a number`);
  }
  const { exp, nbf } = payload as { readonly exp?: number; readonly nbf?: number };
  if (exp !== undefined && exp * 1000 <= nowMs) throw new TokenError('the token has expired');
  if (nbf !== undefined && nbf * 1000 > nowMs) throw new TokenError('the token is not valid yet');
}

/** @throws TokenError for anything but base64url as an encoder writes it (RFC 7515, without padding) */
function decode(part: string): Buffer {
  const bytes = Buffer.from(part, 'base64url');
  if (bytes.toString('base64url') !== part) throw new TokenError(MALFORMED);
  return bytes;
}

function readObject(part: string): Payload {
  const bytes = decode(part);
  let value: unknown;
  try {
    value = isUtf8(bytes) ? JSON.parse(bytes.toString('utf8')) : undefined;
  } catch {
    throw new TokenError(MALFORMED);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new TokenError(MALFORMED);
  return value as Payload;
}
