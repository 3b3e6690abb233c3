/**
 * Every option and limit, in one place: from the command line, else from the environment, else the default. Values are
 * checked once, here; behind this module a `Config` is right.
 */
import { isIP } from 'node:net';
import {
  BATCH_MAX,
  BODY_BYTES_MAX,
  FRAME_BYTES_MAX,
  METADATA_BYTES_MAX,
  POSTINGS_MAX,
  SHARDS_MAX,
} from '../engine/limits.js';
import { SEGMENT_BYTES_DEFAULT, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN } from '../wal/limits.js';
import { hasEmbeddedEngine, NO_ENGINE } from './analytics/installed.js';
import {
  ACCOUNTS_PER_SUBSCRIPTION,
  SUBSCRIPTIONS_PER_CONNECTION,
  SUBSCRIPTIONS_PER_GATEWAY,
} from './feed/limits.js';
import { MIN_FREE_BYTES } from './ledger/room.js';

/** One mailbox row is kept for each. */
const GATEWAYS_MAX = 16;

export interface Config {
  /** The data directory. */
  readonly data: string;
  /** 0 = any free port. */
  readonly port: number;
  readonly host: string;
  /** Shard threads, 1-16. */
  readonly shards: number | 'auto';
  /** Threads that shards and log writer share, 1-17. */
  readonly threads: number | 'auto';
  /** Threads that take connections, 1-16, behind one port. */
  readonly gateways: number;
  readonly auth: 'off' | 'jwt';
  readonly analytics: AnalyticsTarget;
  /** Time zone in which days of reports begin, IANA name. */
  readonly zone: string;
  /** Days after which analytics drops single postings, 0 never; sums and the log stay. */
  readonly analyticsTtlDays: number;
  /** URL of a read-only user of the ClickHouse server, for the SQL of analysts. */
  readonly analyticsSqlUrl: string | undefined;
  /** Milliseconds from which on a report is logged as slow; 0 logs every one. */
  readonly slowQueryMs: number;
  /** File with the public key (PEM or JWK) that tokens are checked with. */
  readonly jwtKey: string | undefined;
  /** Secret of HS256 tokens. */
  readonly jwtSecret: string | undefined;
  readonly logLevel: LogLevel;
  /** Commands of one connection that may await their answer. */
  readonly inFlightPerConnection: number;
  /** Commands of all connections that may await their answer. */
  readonly inFlight: number;
  /** Bytes of replies a connection may leave unread before it is closed. */
  readonly backpressureBytes: number;
  /** Seconds without a sign of life after which a connection is closed. */
  readonly idleTimeoutS: number;
  /** Seconds a stop waits for answers at most. */
  readonly drainS: number;
  /** Verified tokens that are remembered. */
  readonly tokenCache: number;
  /** Records between two checkpoints. */
  readonly checkpointRecords: number;
  /** Bytes of the data directory's disk that are not for new work. */
  readonly minFree: number;
  /** Bytes of a log segment. */
  readonly segmentBytes: number;
}

/** Where committed postings go: ClickHouse in a process of ours, a server, or nowhere. */
export type AnalyticsTarget = 'embedded' | 'off' | `http://${string}` | `https://${string}`;

const BYTE_UNITS: readonly (readonly [unit: string, bytes: number])[] = [
  ['TiB', 2 ** 40],
  ['GiB', 2 ** 30],
  ['MiB', 2 ** 20],
  ['KiB', 2 ** 10],
];

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** What the user gave cannot be used. One problem per line. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  constructor(readonly problems: readonly string[]) {
    super(problems.join('\n'));
  }
}

/** How one option is given, read and shown. */
export interface OptionSpec<T = unknown> {
  readonly help: string;
  readonly fallback: T;
  /** What stands for the value in the help; without one the option comes from the environment only. */
  readonly placeholder?: string;
  /** Shown as set or unset only. */
  readonly secret?: true;
  /** Shown to people in KiB, MiB and so on. */
  readonly unit?: 'bytes';
  /** May be a URL: shown without its password. */
  readonly masked?: true;
  /** @throws Error that says what is expected */
  readonly parse: (text: string) => T;
}

type OptionSpecs = { readonly [K in keyof Config]: OptionSpec<Config[K]> };

/** In the order they are shown. */
export const OPTIONS: OptionSpecs = {
  data: { help: 'data directory', placeholder: 'dir', fallback: './data', parse: text },
  port: { help: 'port to listen on, 0 for any', placeholder: 'n', fallback: 8080, parse: integer(0, 65_535) },
  host: { help: 'address to listen on', placeholder: 'address', fallback: '127.0.0.1', parse: text },
  shards: {
    help: `shards that own the accounts, 1-${SHARDS_MAX} or auto`,
    placeholder: 'n',
    fallback: 'auto',
    parse: integerOrAuto(1, SHARDS_MAX),
  },
  threads: {
    help: 'threads for shards and log writer together, 1 to shards + 1, or auto: by processors',
    placeholder: 'n',
    fallback: 'auto',
    parse: integerOrAuto(1, SHARDS_MAX + 1),
  },
  gateways: { help: 'gateway threads', placeholder: 'n', fallback: 1, parse: integer(1, GATEWAYS_MAX) },
  auth: {
    help: 'who may call: jwt, or off (tenant "dev", loopback only)',
    placeholder: 'mode',
    fallback: 'jwt',
    parse: oneOf(['off', 'jwt'] as const),
  },
  analytics: {
    help: 'where committed postings go: embedded, off, or the URL of a ClickHouse server (with a password: by the environment)',
    placeholder: 'target',
    fallback: 'embedded',
    masked: true,
    parse: analyticsTarget,
  },
  zone: {
    help: 'time zone in which the days of reports begin, such as Europe/Riga',
    placeholder: 'zone',
    fallback: 'UTC',
    parse: timeZone,
  },
  analyticsTtlDays: {
    help: 'days after which analytics drops single postings, 0 for never; sums and the log stay',
    placeholder: 'days',
    fallback: 0,
    parse: integer(0, 36_500),
  },
  analyticsSqlUrl: {
    help: 'URL of a read-only user of the ClickHouse server, for the SQL of analysts',
    fallback: undefined,
    secret: true,
    parse: serverUrl,
  },
  slowQueryMs: {
    help: 'milliseconds from which on a report is logged as slow',
    placeholder: 'ms',
    fallback: 1000,
    parse: integer(0, 3_600_000),
  },
  jwtKey: {
    help: 'file with the public key of tokens, PEM or JWK (Ed25519 or RSA)',
    placeholder: 'file',
    fallback: undefined,
    parse: text,
  },
  jwtSecret: {
    help: 'secret of HS256 tokens; 32 bytes or more are advised',
    fallback: undefined,
    secret: true,
    parse: text,
  },
  logLevel: { help: LOG_LEVELS.join(', '), placeholder: 'level', fallback: 'info', parse: oneOf(LOG_LEVELS) },
  inFlightPerConnection: {
    help: 'commands one connection may have in flight',
    placeholder: 'n',
    fallback: 4096,
    parse: integer(1, 1 << 20),
  },
  inFlight: {
    help: 'commands all connections may have in flight',
    placeholder: 'n',
    fallback: 131_072,
    parse: integer(1, 1 << 24),
  },
  backpressureBytes: {
    help: 'bytes of unread replies before a connection is closed',
    placeholder: 'n',
    fallback: 1 << 20,
    parse: integer(1 << 14, 1 << 28),
  },
  idleTimeoutS: {
    help: 'seconds without a sign of life before a connection is closed',
    placeholder: 's',
    fallback: 120,
    parse: integer(9, 960),
  },
  drainS: {
    help: 'seconds a stop waits for answers at most',
    placeholder: 's',
    fallback: 30,
    parse: integer(0, 3600),
  },
  tokenCache: {
    help: 'verified tokens that are remembered',
    placeholder: 'n',
    fallback: 10_000,
    parse: integer(0, 1 << 20),
  },
  checkpointRecords: {
    help: 'records between two checkpoints, at least; they take a tenth of the time at most, unless far behind',
    placeholder: 'n',
    fallback: 200_000,
    parse: integer(1, 1_000_000_000),
  },
  minFree: {
    help: 'free bytes of the disk below which new work is refused, as 512MiB; 0 for none',
    placeholder: 'bytes',
    fallback: MIN_FREE_BYTES,
    unit: 'bytes',
    parse: byteCount,
  },
  segmentBytes: {
    help: `bytes of a log segment, ${showBytes(SEGMENT_BYTES_MIN)} to ${showBytes(SEGMENT_BYTES_MAX)}`,
    placeholder: 'bytes',
    fallback: SEGMENT_BYTES_DEFAULT,
    unit: 'bytes',
    parse: segmentBytes,
  },
};

/** A value as people read it. */
export function showValue(spec: OptionSpec, value: unknown): string {
  if (spec.masked) return maskUrl(String(value));
  return spec.unit === 'bytes' ? showBytes(value as number) : String(value);
}

export const OPTION_NAMES = Object.keys(OPTIONS) as (keyof Config)[];

/** What the wire contract fixes; shown with the options, changed by nobody. */
export const FIXED_LIMITS = {
  frameBytes: FRAME_BYTES_MAX,
  bodyBytes: BODY_BYTES_MAX,
  batch: BATCH_MAX,
  postings: POSTINGS_MAX,
  metadataBytes: METADATA_BYTES_MAX,
  subscriptionsPerConnection: SUBSCRIPTIONS_PER_CONNECTION,
  subscriptionsPerGateway: SUBSCRIPTIONS_PER_GATEWAY,
  accountsPerSubscription: ACCOUNTS_PER_SUBSCRIPTION,
} as const;

export type Source = 'option' | 'environment' | 'default';

export interface ResolvedConfig {
  readonly config: Config;
  readonly sources: { readonly [K in keyof Config]: Source };
}

/** `jwtSecret` → `KASSA_JWT_SECRET`. */
export function environmentName(name: keyof Config): string {
  return `KASSA_${name.replace(/[A-Z]/g, (c) => `_${c}`).toUpperCase()}`;
}

/** `jwtKey` → `--jwt-key`. */
export function flagName(name: keyof Config): string {
  return `--${name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`;
}

/**
 * Reads every option. An empty environment variable counts as unset.
 * @param flags values given on the command line, by option name
 * @throws ConfigError naming every value that cannot be used
 */
export function resolveConfig(
  flags: { readonly [name: string]: unknown } = {},
  environment: NodeJS.ProcessEnv = process.env,
): ResolvedConfig {
  const config: Record<string, unknown> = {};
  const sources: Record<string, Source> = {};
  const problems: string[] = [];
  for (const name of OPTION_NAMES) {
    const spec: OptionSpec = OPTIONS[name];
    const flag = spec.secret ? undefined : flags[name];
    const given = flag ?? (environment[environmentName(name)] || undefined);
    sources[name] = flag !== undefined ? 'option' : given !== undefined ? 'environment' : 'default';
    try {
      config[name] = given === undefined ? spec.fallback : spec.parse(String(given));
    } catch (error) {
      const label = sources[name] === 'option' ? flagName(name) : environmentName(name);
      problems.push(`${label}: ${(error as Error).message}`);
    }
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return { config: config as unknown as Config, sources: sources as ResolvedConfig['sources'] };
}

/** What keeps a server from starting with options that are right one by one; empty when nothing does. */
export function obstacles({ config, sources }: ResolvedConfig): string[] {
  return [
    ...authObstacles(config),
    ...gatewayObstacles(config),
    ...analyticsObstacles(config, sources.analytics),
  ];
}

/** By default analytics runs where its engine is installed; whoever asks for it is told when it is not. */
function analyticsObstacles({ analytics, analyticsSqlUrl }: Config, source: Source): string[] {
  const problems: string[] = [];
  if (analytics === 'embedded' && source !== 'default' && !hasEmbeddedEngine())
    problems.push(`--analytics embedded: ${NO_ENGINE}`);
  if (analyticsSqlUrl !== undefined && !analytics.startsWith('http'))
    problems.push('KASSA_ANALYTICS_SQL_URL goes with the URL of a server in --analytics');
  return problems;
}

function gatewayObstacles({ gateways, port }: Config): string[] {
  if (gateways === 1) return [];
  if (process.platform !== 'linux') return ['--gateways above 1 needs Linux, where threads can share a port'];
  if (port === 0) return ['--gateways above 1 needs a --port: port 0 would give each of them another one'];
  return [];
}

function authObstacles(config: Config): string[] {
  if (config.auth === 'off') {
    if (isLoopback(config.host)) return [];
    return [
      `--auth off serves anyone who can connect, so it works on loopback only (127.0.0.1, ::1, localhost), not on ` +
        `${config.host}. Use --auth jwt, or --host 127.0.0.1.`,
    ];
  }
  if (config.jwtSecret !== undefined && config.jwtKey !== undefined) {
    return [
      'KASSA_JWT_SECRET and --jwt-key are both set: tokens are checked with one of them. Unset the other.',
    ];
  }
  if (config.jwtSecret === undefined && config.jwtKey === undefined) {
    return [
      [
        '--auth jwt needs something to check tokens with. Either a secret:',
        '  export KASSA_JWT_SECRET=$(openssl rand -base64 32)',
        'or the public key of who signs them:',
        '  openssl genpkey -algorithm ed25519 -out private.pem && openssl pkey -in private.pem -pubout -out public.pem',
        '  kassa serve --jwt-key public.pem',
        'Make tokens with "kassa token --help". To try Kassa without tokens on this machine: --auth off',
      ].join('\n'),
    ];
  }
  return [];
}

/** @returns the options of a server that may start. @throws ConfigError */
export function loadConfig(
  flags: { readonly [name: string]: unknown } = {},
  environment: NodeJS.ProcessEnv = process.env,
): Config {
  const resolved = resolveConfig(flags, environment);
  const problems = obstacles(resolved);
  if (problems.length > 0) throw new ConfigError(problems);
  return resolved.config;
}

/** Whether only this machine can reach the host: 127.0.0.0/8, ::1, localhost. */
export function isLoopback(host: string): boolean {
  const address = host.toLowerCase().replace(/^\[(.*)\]$/, '$1');
  if (address === 'localhost' || address === '::1') return true;
  return isIP(address) === 4 && address.startsWith('127.');
}

function text(given: string): string {
  if (given.trim() === '') throw new Error('must not be empty');
  return given;
}

function integer(min: number, max: number): (given: string) => number {
  return (given) => {
    const n = /^\d{1,12}$/.test(given) ? Number(given) : Number.NaN;
    if (n >= min && n <= max) return n;
    throw new Error(`must be an integer from ${min} to ${max}, not "${given}"`);
  };
}

function integerOrAuto(min: number, max: number): (given: string) => number | 'auto' {
  return (given) => (given === 'auto' ? 'auto' : integer(min, max)(given));
}

/** Reads `1048576`, `512MiB` or `2 GiB`; up to 2^53 bytes. */
function byteCount(given: string): number {
  const [, digits = '', unit] = /^(\d{1,16}) ?([KMGT]iB|B)?$/.exec(given) ?? [];
  const bytes = Number(digits) * (BYTE_UNITS.find(([name]) => name === unit)?.[1] ?? 1);
  if (digits !== '' && Number.isSafeInteger(bytes)) return bytes;
  throw new Error(`must be a number of bytes, as 536870912, 512MiB or 2GiB, not "${given}"`);
}

function segmentBytes(given: string): number {
  const bytes = byteCount(given);
  if (bytes >= SEGMENT_BYTES_MIN && bytes <= SEGMENT_BYTES_MAX) return bytes;
  throw new Error(
    `must be ${showBytes(SEGMENT_BYTES_MIN)} to ${showBytes(SEGMENT_BYTES_MAX)}, not "${given}"`,
  );
}

/** In the largest unit that needs no fraction, as {@link byteCount} reads it. */
function showBytes(bytes: number): string {
  const [unit, size] = BYTE_UNITS.find(([, size]) => bytes > 0 && bytes % size === 0) ?? ['', 1];
  return `${bytes / size}${unit}`;
}

function oneOf<T extends string>(choices: readonly T[]): (given: string) => T {
  return (given) => {
    const choice = choices.find((c) => c === given);
    if (choice !== undefined) return choice;
    throw new Error(`must be one of ${choices.join(', ')}, not "${given}"`);
  };
}

function analyticsTarget(given: string): AnalyticsTarget {
  if (given === 'embedded' || given === 'off') return given;
  try {
    return serverUrl(given);
  } catch {
    // What was given may hold a password: it is not repeated.
    throw new Error('must be embedded, off, or http(s)://user:password@host:port/database');
  }
}

function serverUrl(given: string): `http://${string}` | `https://${string}` {
  if (URL.canParse(given)) {
    const { href, protocol, username, password, pathname } = new URL(given);
    const isSound = [username, password, pathname].every(isPercentEncoded);
    if (isSound && (protocol === 'http:' || protocol === 'https:')) return href as `http://${string}`;
  }
  throw new Error('must be the URL of a ClickHouse server, http(s)://user:password@host:port/database');
}

/** A URL parser lets a percent sign stand that encodes nothing, such as one of a password that was copied as it is. */
function isPercentEncoded(part: string): boolean {
  try {
    decodeURIComponent(part);
    return true;
  } catch {
    return false;
  }
}

/** The URL without its password. */
export function maskUrl(target: string): string {
  if (!URL.canParse(target)) return target;
  const url = new URL(target);
  if (url.password !== '') url.password = '***';
  return url.href;
}

function timeZone(given: string): string {
  try {
    // Offsets such as +02:00 are zones to JavaScript, but not to ClickHouse.
    if (/^[A-Za-z]/.test(given))
      return new Intl.DateTimeFormat('en', { timeZone: given }).resolvedOptions().timeZone;
  } catch {
    // Said below.
  }
  throw new Error(`must be an IANA time zone, such as Europe/Riga, not "${given}"`);
}
