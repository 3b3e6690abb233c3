import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignJWT, UnsecuredJWT } from 'jose';
import { afterAll, describe, expect, it } from 'vitest';
import { type Config, ConfigError, resolveConfig } from '../src/config.js';
import {
  AuthError,
  type Authenticator,
  type Claims,
  createAuthenticator,
  signToken,
  TokenAuthenticator,
} from '../src/gateway/auth.js';
import { bearerToken, isLocalRequest, readSubprotocols } from '../src/gateway/caller.js';
import { readPrivateKey, readPublicKey, secretKey } from '../src/gateway/keys.js';
import { ROLES } from '../src/gateway/roles.js';

const SECRET = 'a secret of more than thirty-two bytes';
const CLAIMS: Claims = { tenant: 'shop', sub: 'anna', role: 'pos' };
const directory = mkdtempSync(join(tmpdir(), 'kassa-auth-'));
afterAll(() => rmSync(directory, { recursive: true }));

function keyFiles(name: string, pair: { privateKey: KeyObject; publicKey: KeyObject }) {
  const file = (kind: string, content: string | Buffer) => {
    const path = join(directory, `${name}-${kind}`);
    writeFileSync(path, content);
    return path;
  };
  return {
    privatePem: file('private.pem', pair.privateKey.export({ type: 'pkcs8', format: 'pem' })),
    publicPem: file('public.pem', pair.publicKey.export({ type: 'spki', format: 'pem' })),
    privateJwk: file('private.jwk', JSON.stringify(pair.privateKey.export({ format: 'jwk' }))),
    publicJwk: file('public.jwk', JSON.stringify(pair.publicKey.export({ format: 'jwk' }))),
  };
}

const ed = keyFiles('ed', generateKeyPairSync('ed25519'));
const otherEd = keyFiles('other', generateKeyPairSync('ed25519'));
const rsa = keyFiles('rsa', generateKeyPairSync('rsa', { modulusLength: 2048 }));

const config = (given: Partial<Config>): Config => ({ ...resolveConfig({}, {}).config, ...given });
const bySecret = () => new TokenAuthenticator(secretKey(SECRET), 100);
const inAnHour = () => Math.floor(Date.now() / 1000) + 3600;
const hs256 = (claims: object, secret = SECRET) =>
  new SignJWT({ ...claims }).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.from(secret));

function expectRefused(auth: Authenticator, token: string | undefined): void {
  expect(() => auth.verify(token)).toThrow(AuthError);
}

describe('tokens', () => {
  it('say who calls, from where, and what he may do', async () => {
    const token = await signToken(
      { ...CLAIMS, role: 'teller', terminal: 't 1', accounts: ['till:', '{s1}'] },
      secretKey(SECRET),
      60,
    );
    const identity = bySecret().verify(token);
    expect(identity.caller).toEqual({
      tenant: 'shop',
      by: 'anna',
      terminal: 't 1',
      accounts: ['till:', '{s1}'],
      permissions: ROLES.teller,
    });
    expect(identity.expiresAtMs).toBeGreaterThan(Date.now());
  });

  it.each([
    ['Ed25519 PEM', ed.privatePem, ed.publicPem],
    ['Ed25519 JWK', ed.privateJwk, ed.publicJwk],
    ['RSA PEM', rsa.privatePem, rsa.publicPem],
    ['RSA JWK', rsa.privateJwk, rsa.publicJwk],
  ])('are signed and checked with %s keys', async (_, privateFile, publicFile) => {
    const token = await signToken(CLAIMS, readPrivateKey(privateFile), 60);
    const auth = createAuthenticator(config({ jwtKey: publicFile }));
    expect(auth.verify(token).caller.by).toBe('anna');
  });

  it('without exp never expire', async () => {
    expect(bySecret().verify(await signToken(CLAIMS, secretKey(SECRET))).expiresAtMs).toBe(Infinity);
  });

  it.each([
    ['none at all', async () => undefined],
    ['an empty one', async () => ''],
    ['nonsense', async () => 'a.b.c'],
    ['one signed with another secret', () => hs256({ ...CLAIMS, exp: inAnHour() }, `${SECRET}x`)],
    ['one without signature (alg none)', async () => new UnsecuredJWT({ ...CLAIMS }).encode()],
    ['an expired one', () => hs256({ ...CLAIMS, exp: Math.floor(Date.now() / 1000) - 1 })],
    ['one that is not valid yet', () => hs256({ ...CLAIMS, nbf: inAnHour() })],
    ['one with an exp that is no number', () => hs256({ ...CLAIMS, exp: 'tomorrow' })],
    [
      'one of another HMAC',
      () =>
        new SignJWT({ ...CLAIMS }).setProtectedHeader({ alg: 'HS512' }).sign(Buffer.from(SECRET.repeat(2))),
    ],
    [
      'one that needs an extension',
      () =>
        new SignJWT({ ...CLAIMS })
          .setProtectedHeader({ alg: 'HS256', crit: ['b64'], b64: true })
          .sign(Buffer.from(SECRET)),
    ],
    ['one with padding', async () => `${await hs256({ ...CLAIMS })}=`],
    ['one with a part too many', async () => `${await hs256({ ...CLAIMS })}.x`],
    ['one whose payload was changed', async () => tamper(await hs256({ ...CLAIMS }))],
  ])('are refused: %s', async (_, make) => {
    expectRefused(bySecret(), await make());
  });

  it('signed with the public key as if it were a secret are refused', async () => {
    const { readFileSync } = await import('node:fs');
    const auth = new TokenAuthenticator(readPublicKey(rsa.publicPem), 100);
    expectRefused(auth, await hs256(CLAIMS, readFileSync(rsa.publicPem, 'utf8')));
    expectRefused(auth, await signToken(CLAIMS, readPrivateKey(ed.privatePem)));
  });

  it('of another key pair are refused', async () => {
    const auth = new TokenAuthenticator(readPublicKey(ed.publicPem), 100);
    expectRefused(auth, await signToken(CLAIMS, readPrivateKey(otherEd.privatePem)));
  });

  it.each([
    ['no tenant', { tenant: undefined }],
    ['a tenant outside the alphabet', { tenant: 'a/b' }],
    ['a long tenant', { tenant: 'x'.repeat(65) }],
    ['a tenant with a line break', { tenant: 'shop\n' }],
    ['no sub', { sub: undefined }],
    ['a sub that is no text', { sub: 5 }],
    ['a sub beyond ASCII', { sub: 'Änne' }],
    ['no role', { role: undefined }],
    ['an unknown role', { role: 'root' }],
    ['a role that every object has', { role: 'constructor' }],
    ['an empty terminal', { terminal: '' }],
    ['accounts that are no list', { accounts: 'till:' }],
    ['an empty prefix', { accounts: [''] }],
    ['a prefix that is no text', { accounts: [5] }],
  ])('are refused with %s', async (_, change) => {
    expectRefused(bySecret(), await hs256({ ...CLAIMS, ...change }));
  });

  it('with claims that no server accepts are not signed', async () => {
    await expect(signToken({ ...CLAIMS, tenant: 'a b' }, secretKey(SECRET))).rejects.toThrow(/tenant/);
  });
});

describe('the memory of verified tokens', () => {
  it('forgets a token when it expires', async () => {
    let nowMs = Date.now();
    const auth = new TokenAuthenticator(secretKey(SECRET), 10, () => nowMs);
    const token = await signToken(CLAIMS, secretKey(SECRET), 60);
    expect(auth.known(token)).toBeUndefined();
    const identity = auth.verify(token);
    expect(auth.known(token)).toBe(identity);
    nowMs += 61_000;
    expect(auth.known(token)).toBeUndefined();
    expect(() => auth.verify(token)).toThrow('expired');
  });

  it('is bounded and keeps what was used last', async () => {
    const auth = new TokenAuthenticator(secretKey(SECRET), 2);
    const tokens = await Promise.all(
      ['a', 'b', 'c'].map((sub) => signToken({ ...CLAIMS, sub }, secretKey(SECRET), 60)),
    );
    auth.verify(tokens[0]);
    auth.verify(tokens[1]);
    auth.known(tokens[0]);
    auth.verify(tokens[2]);
    expect(tokens.map((token) => auth.known(token)?.caller.by)).toEqual(['a', undefined, 'c']);
  });
});

describe('key files', () => {
  it.each([
    ['a private key for the server', () => readPublicKey(ed.privatePem), /private key/],
    ['a private JWK for the server', () => readPublicKey(ed.privateJwk), /private key/],
    ['a public key to sign with', () => readPrivateKey(ed.publicPem), /does not hold a private key/],
    ['a file that is not there', () => readPublicKey(join(directory, 'nothing')), /cannot be read/],
    ['a file of something else', () => readPublicKey(write('text', 'hello')), /neither PEM nor JWK/],
    ['a broken JWK', () => readPublicKey(write('jwk', '{"kty":')), /neither PEM nor JWK/],
    [
      'an EC key',
      () => readPublicKey(keyFiles('ec', generateKeyPairSync('ec', { namedCurve: 'P-256' })).publicPem),
      /Ed25519 or RSA/,
    ],
    [
      'a short RSA key',
      () => readPublicKey(keyFiles('short', generateKeyPairSync('rsa', { modulusLength: 1024 })).publicPem),
      /2048/,
    ],
  ])('refuse %s', (_, read, message) => {
    expect(read).toThrow(ConfigError);
    expect(read).toThrow(message);
  });
});

describe('roles', () => {
  it('each may what the wire contract says', () => {
    const may = Object.fromEntries(Object.entries(ROLES).map(([role, set]) => [role, [...set].sort()]));
    const pos = ['accounts:read', 'transactions:create', 'transactions:end', 'transactions:read'];
    const teller = [...pos, 'accounts:create', 'transactions:end_any', 'transactions:reverse'];
    expect(may).toEqual({
      pos,
      teller: teller.toSorted(),
      approver: [...teller, 'transactions:approve'].sort(),
      auditor: ['accounts:read', 'analytics:read', 'analytics:sql', 'transactions:read'],
      admin: [
        ...[...teller, 'transactions:approve', 'accounts:update'],
        ...['analytics:read', 'analytics:sql', 'analytics:rates'],
      ].sort(),
    });
  });
});

describe('where a token comes from', () => {
  it('reads the Authorization header and the subprotocols', () => {
    expect(bearerToken('Bearer abc')).toBe('abc');
    expect(bearerToken('bearer abc')).toBe('abc');
    expect(bearerToken('Basic abc')).toBeUndefined();
    expect(bearerToken('')).toBeUndefined();
    expect(readSubprotocols('kassa.v1, bearer.a.b.c')).toEqual({ kassa: true, token: 'a.b.c' });
    expect(readSubprotocols('')).toEqual({ kassa: false, token: undefined });
  });

  it('tells requests of this machine from others', () => {
    expect(isLocalRequest('127.0.0.1:8080', '')).toBe(true);
    expect(isLocalRequest('[::1]:8080', 'http://localhost:3000')).toBe(true);
    expect(isLocalRequest('localhost', 'null')).toBe(false);
    expect(isLocalRequest('127.0.0.1.evil.example', '')).toBe(false);
    expect(isLocalRequest('127.0.0.1', 'https://evil.example')).toBe(false);
    expect(isLocalRequest('', '')).toBe(false);
  });
});

function write(name: string, content: string): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

function tamper(token: string): string {
  const [header, , signature] = token.split('.');
  const payload = Buffer.from(JSON.stringify({ ...CLAIMS, role: 'admin' })).toString('base64url');
  return [header, payload, signature].join('.');
}
