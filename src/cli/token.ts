import { Command } from 'commander';
import { ConfigError } from '../config.js';
import { type Claims, signToken } from '../gateway/auth.js';
import { readPrivateKey, secretKey, type TokenKey } from '../gateway/keys.js';
import { ROLE_NAMES, type Role } from '../gateway/roles.js';
import { exitWith } from './exit.js';

interface Flags {
  readonly tenant: string;
  readonly sub: string;
  readonly role: string;
  readonly terminal?: string;
  readonly accounts?: string;
  readonly expires: string;
  readonly key?: string;
}

export function tokenCommand(): Command {
  return new Command('token')
    .description('make a token for a terminal, a service or a person')
    .requiredOption('--tenant <id>', 'whose ledger it opens')
    .requiredOption('--sub <name>', 'who: kept in every record')
    .requiredOption('--role <role>', ROLE_NAMES.join(', '))
    .option('--terminal <name>', 'from where: kept in every record')
    .option(
      '--accounts <prefixes>',
      'prefixes of account ids it may touch, separated by commas (default: all)',
    )
    .option('--expires <time>', 'good for so long: 90s, 30m, 12h, 365d, or never', '12h')
    .option('--key <file>', 'private key, PEM or JWK (Ed25519 or RSA); without it KASSA_JWT_SECRET signs')
    .action(printToken);
}

async function printToken(flags: Flags): Promise<void> {
  try {
    const claims: Claims = {
      tenant: flags.tenant,
      sub: flags.sub,
      role: flags.role as Role,
      ...(flags.terminal !== undefined && { terminal: flags.terminal }),
      ...(flags.accounts !== undefined && { accounts: flags.accounts.split(',') }),
    };
    const token = await signToken(claims, signingKey(flags.key), parseDuration(flags.expires));
    process.stdout.write(`${token}\n`);
  } catch (error) {
    exitWith(error);
  }
}

function signingKey(file: string | undefined): TokenKey {
  if (file !== undefined) return readPrivateKey(file);
  const secret = process.env['KASSA_JWT_SECRET'];
  if (secret) return secretKey(secret);
  throw new ConfigError([
    'nothing to sign with: set KASSA_JWT_SECRET to the secret of the server, or name a private key with --key',
  ]);
}

const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/**
 * Reads `90s`, `30m`, `12h`, `365d` or `never`.
 * @returns seconds, undefined for never
 * @throws ConfigError
 */
export function parseDuration(given: string): number | undefined {
  if (given === 'never') return undefined;
  const [, count, unit] = /^([1-9]\d{0,8})([smhd])$/.exec(given) ?? [];
  if (count === undefined || unit === undefined) {
    throw new ConfigError([`--expires: must be like 90s, 30m, 12h, 365d, or never; not "${given}"`]);
  }
  return Number(count) * UNIT_SECONDS[unit]!;
}
