/**
 * Who is calling. A token says tenant, subject and role; the server's configuration alone says by which key and
 * algorithm it is checked.
 */
import { SignJWT } from 'jose';
import { ID_BYTES_MAX, NAME_BYTES_MAX } from '../../engine/limits.js';
import type { Config } from '../config.js';
import type { Caller, Session } from '../session.js';
import { checkToken, type Payload, TokenError } from './jwt.js';
import { readPublicKey, secretKey, type TokenKey } from './keys.js';
import { isRole, ROLE_NAMES, ROLES, type Role } from './roles.js';

/** The caller has not shown who he is. The message is meant for him. */
export class AuthError extends Error {
  override readonly name = 'AuthError';
}

/** A caller, until when, and the session that was made for him (HTTP requests share it). */
export interface Identity {
  readonly caller: Caller;
  /** Milliseconds since 1970; Infinity without `exp`. */
  readonly expiresAtMs: number;
  /** The same; 0 without `nbf`. */
  readonly validFromMs: number;
  session?: Session;
}

export interface Authenticator {
  /** True when nobody is asked for a token. */
  readonly open: boolean;
  /** The identity of a token; those that were verified before are remembered. @throws AuthError */
  verify(token: string | undefined): Identity;
}

/** @throws ConfigError when the key file cannot be used */
export function createAuthenticator(config: Config): Authenticator {
  if (config.auth === 'off') return new OpenAuthenticator();
  const key = config.jwtKey === undefined ? secretKey(config.jwtSecret ?? '') : readPublicKey(config.jwtKey);
  return new TokenAuthenticator(key, config.tokenCache);
}

/** `--auth off`: everyone is `dev` with every permission. */
class OpenAuthenticator implements Authenticator {
  readonly open = true;
  private readonly identity: Identity = {
    caller: { tenant: 'dev', by: 'dev', permissions: ROLES.admin },
    expiresAtMs: Number.POSITIVE_INFINITY,
    validFromMs: 0,
  };

  verify(): Identity {
    return this.identity;
  }
}

/**
 * Verified tokens are remembered, least recently used out first: HTTP callers send theirs with every request, and a
 * signature check takes longer than a sale.
 */
export class TokenAuthenticator implements Authenticator {
  readonly open = false;
  private readonly verified = new Map<string, Identity>();

  constructor(
    private readonly key: TokenKey,
    private readonly capacity: number,
    private readonly now: () => number = Date.now,
  ) {}

  /** The identity of a token that was verified before and is valid now: the clock may have been set since. */
  known(token: string | undefined): Identity | undefined {
    if (token === undefined) return undefined;
    const identity = this.verified.get(token);
    if (identity === undefined) return undefined;
    this.verified.delete(token);
    const nowMs = this.now();
    if (identity.expiresAtMs <= nowMs || identity.validFromMs > nowMs) return undefined;
    this.verified.set(token, identity);
    return identity;
  }

  verify(token: string | undefined): Identity {
    if (token === undefined) throw new AuthError('a bearer token is needed');
    const known = this.known(token);
    if (known !== undefined) return known;
    const identity = toIdentity(this.check(token));
    if (this.capacity > 0) {
      if (this.verified.size >= this.capacity) this.verified.delete(this.verified.keys().next().value!);
      this.verified.set(token, identity);
    }
    return identity;
  }

  private check(token: string): Payload {
    try {
      return checkToken(token, this.key, this.now());
    } catch (error) {
      throw error instanceof TokenError ? new AuthError(error.message) : error;
    }
  }
}

const ID = /^[A-Za-z0-9._:@{}-]+$/;
const PRINTABLE = /^[\x20-\x7e]+$/;

/** What a token may say; `kassa token` writes it, the server reads it. */
export interface Claims {
  readonly tenant: string;
  readonly sub: string;
  readonly role: Role;
  readonly terminal?: string;
  readonly accounts?: readonly string[];
}

/**
 * Checks the claims of a token whose signature is valid, or those to be signed.
 * @throws AuthError naming the claim at fault
 */
export function checkClaims(claims: Readonly<Record<string, unknown>>): Claims {
  const { tenant, sub, role, terminal, accounts } = claims;
  if (!isText(tenant, ID, ID_BYTES_MAX)) {
    throw new AuthError(`"tenant" must be 1-${ID_BYTES_MAX} characters of A-Z a-z 0-9 . _ : @ - { }`);
  }
  if (!isText(sub, PRINTABLE, NAME_BYTES_MAX)) {
    throw new AuthError(`"sub" must be 1-${NAME_BYTES_MAX} printable ASCII characters`);
  }
  if (!isRole(role)) throw new AuthError(`"role" must be one of ${ROLE_NAMES.join(', ')}`);
  if (terminal !== undefined && !isText(terminal, PRINTABLE, NAME_BYTES_MAX)) {
    throw new AuthError(`"terminal" must be 1-${NAME_BYTES_MAX} printable ASCII characters`);
  }
  if (accounts !== undefined && !isPrefixes(accounts)) {
    throw new AuthError('"accounts" must be an array of prefixes of account ids');
  }
  return {
    tenant,
    sub,
    role,
    ...(terminal !== undefined && { terminal }),
    ...(accounts !== undefined && { accounts }),
  };
}

function isText(value: unknown, alphabet: RegExp, bytesMax: number): value is string {
  return typeof value === 'string' && value.length <= bytesMax && alphabet.test(value);
}

function isPrefixes(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((prefix) => isText(prefix, ID, ID_BYTES_MAX));
}

function toIdentity(payload: Payload): Identity {
  const { tenant, sub, role, terminal, accounts } = checkClaims(payload);
  const { exp, nbf } = payload as { readonly exp?: number; readonly nbf?: number };
  return {
    caller: {
      tenant,
      by: sub,
      permissions: ROLES[role],
      ...(terminal !== undefined && { terminal }),
      ...(accounts !== undefined && { accounts }),
    },
    expiresAtMs: exp === undefined ? Number.POSITIVE_INFINITY : exp * 1000,
    validFromMs: nbf === undefined ? 0 : nbf * 1000,
  };
}

/**
 * Signs a token.
 * @param expiresInS seconds from now; without it the token is good until the key changes
 * @throws AuthError for claims that no server would accept
 */
export async function signToken(claims: Claims, key: TokenKey, expiresInS?: number): Promise<string> {
  const { sub, ...rest } = checkClaims({ ...claims });
  const token = new SignJWT(rest)
    .setProtectedHeader({ alg: key.algorithm, typ: 'JWT' })
    .setSubject(sub)
    .setIssuedAt();
  if (expiresInS !== undefined) token.setExpirationTime(Math.floor(Date.now() / 1000) + expiresInS);
  return token.sign(key.key);
}
