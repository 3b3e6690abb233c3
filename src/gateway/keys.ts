import { createPrivateKey, createPublicKey, createSecretKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { ConfigError } from '../config.js';

/** A key and the one algorithm it is used with. The token's header has no say in it. */
export interface TokenKey {
  readonly algorithm: 'HS256' | 'EdDSA' | 'RS256';
  readonly key: KeyObject;
}

/** Shorter RSA keys are refused, as RFC 7518 demands. */
const RSA_BITS_MIN = 2048;

/** The key of HS256 tokens. RFC 7518 wants 32 bytes; a shorter secret is the operator's risk. */
export function secretKey(secret: string): TokenKey {
  return { algorithm: 'HS256', key: createSecretKey(Buffer.from(secret, 'utf8')) };
}

/**
 * Reads the public key of a file (PEM or JWK): Ed25519 for EdDSA, RSA for RS256.
 * @throws ConfigError when the file cannot be used, or holds a private key, which a server has no use for
 */
export function readPublicKey(file: string): TokenKey {
  const text = readKeyFile(file);
  if (holdsPrivateKey(text)) {
    throw new ConfigError([
      `${file} holds a private key. Give the server the public one: openssl pkey -in ${file} -pubout -out public.pem`,
    ]);
  }
  return toTokenKey(file, () => createPublicKey(toKeyInput(text)));
}

/** Reads the private key of a file (PEM or JWK) to sign tokens with. @throws ConfigError when it cannot be used */
export function readPrivateKey(file: string): TokenKey {
  const text = readKeyFile(file);
  if (!holdsPrivateKey(text)) throw new ConfigError([`${file} does not hold a private key`]);
  return toTokenKey(file, () => createPrivateKey(toKeyInput(text)));
}

function readKeyFile(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new ConfigError([`the key file cannot be read: ${(error as Error).message}`]);
  }
}

function isJwk(text: string): boolean {
  return text.startsWith('{');
}

function holdsPrivateKey(text: string): boolean {
  if (!isJwk(text)) return /-----BEGIN (\w+ )?PRIVATE KEY-----/.test(text);
  try {
    return (JSON.parse(text) as { d?: unknown }).d !== undefined;
  } catch {
    return false;
  }
}

function toKeyInput(
  text: string,
): Parameters<typeof createPublicKey>[0] & Parameters<typeof createPrivateKey>[0] {
  return isJwk(text) ? { key: JSON.parse(text), format: 'jwk' } : text;
}

function toTokenKey(file: string, read: () => KeyObject): TokenKey {
  let key: KeyObject;
  try {
    key = read();
  } catch (error) {
    throw new ConfigError([`${file} is neither PEM nor JWK with a usable key: ${(error as Error).message}`]);
  }
  if (key.asymmetricKeyType === 'ed25519') return { algorithm: 'EdDSA', key };
  if (key.asymmetricKeyType !== 'rsa') {
    throw new ConfigError([`${file} has a ${key.asymmetricKeyType} key; tokens use Ed25519 or RSA keys`]);
  }
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  if (bits < RSA_BITS_MIN) throw new ConfigError([`${file} has ${bits} bits; RSA keys need ${RSA_BITS_MIN}`]);
  return { algorithm: 'RS256', key };
}
