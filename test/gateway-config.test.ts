import { describe, expect, it } from 'vitest';
import { parseDuration } from '../src/cli/token.js';
import {
  ConfigError,
  environmentName,
  flagName,
  isLoopback,
  loadConfig,
  OPTION_NAMES,
  OPTIONS,
  obstacles,
  resolveConfig,
  showValue,
} from '../src/config.js';

describe('options', () => {
  it('come from the command line, else the environment, else the default', () => {
    const { config, sources } = resolveConfig(
      { port: '1234' },
      { KASSA_PORT: '99', KASSA_HOST: '::1', KASSA_DATA: '' },
    );
    expect(config).toMatchObject({ port: 1234, host: '::1', data: './data', shards: 'auto', auth: 'jwt' });
    expect(sources).toMatchObject({ port: 'option', host: 'environment', data: 'default' });
  });

  it('are named alike everywhere', () => {
    expect(environmentName('inFlightPerConnection')).toBe('KASSA_IN_FLIGHT_PER_CONNECTION');
    expect(flagName('jwtKey')).toBe('--jwt-key');
    expect(new Set(OPTION_NAMES.map(environmentName)).size).toBe(OPTION_NAMES.length);
  });

  it('take secrets from the environment only', () => {
    expect(resolveConfig({ jwtSecret: 'x' }, {}).config.jwtSecret).toBeUndefined();
    expect(resolveConfig({}, { KASSA_JWT_SECRET: 'x' }).config.jwtSecret).toBe('x');
  });

  it.each([
    [{ port: '65536' }, '--port: must be an integer from 0 to 65535, not "65536"'],
    [{ port: '80 ' }, '--port: must be an integer'],
    [{ port: '1e3' }, '--port: must be an integer'],
    [{ shards: '0' }, '--shards: must be an integer from 1 to 16'],
    [{ shards: '17' }, '--shards'],
    [{ gateways: '17' }, '--gateways: '],
    [{ auth: 'none' }, '--auth: must be one of off, jwt'],
    [{ analytics: 'on' }, '--analytics: must be embedded, off, or http(s)://'],
    [{ analytics: 'ftp://me:word@host' }, '--analytics: must be embedded, off, or http(s)://'],
    [{ analytics: 'http://me:50%off@host' }, '--analytics: must be embedded, off, or http(s)://'],
    [{ zone: 'Riga' }, '--zone: must be an IANA time zone, such as Europe/Riga, not "Riga"'],
    [{ zone: '+02:00' }, '--zone: must be an IANA time zone'],
    [{ analyticsTtlDays: '-1' }, '--analytics-ttl-days: must be an integer from 0'],
    [{ slowQueryMs: '1s' }, '--slow-query-ms: must be an integer'],
    [{ data: ' ' }, '--data: must not be empty'],
    [{ idleTimeoutS: '8' }, '--idle-timeout-s'],
    [
      { minFree: '1.5GiB' },
      '--min-free: must be a number of bytes, as 536870912, 512MiB or 2GiB, not "1.5GiB"',
    ],
    [{ minFree: '512MB' }, '--min-free'],
    [{ minFree: '-1' }, '--min-free'],
    [{ minFree: 'MiB' }, '--min-free'],
    [{ minFree: '9000000GiB' }, '--min-free'],
  ])('refuse %j', (flags, message) => {
    expect(() => resolveConfig(flags, {})).toThrow(message);
  });

  it.each([
    ['0', 0, '0'],
    ['1000', 1000, '1000'],
    ['4096B', 4096, '4KiB'],
    ['512MiB', 512 * 2 ** 20, '512MiB'],
    ['2048 MiB', 2 ** 31, '2GiB'],
  ])('take bytes as %s', (given, bytes, shown) => {
    const { config } = resolveConfig({}, { KASSA_MIN_FREE: given });
    expect(config.minFree).toBe(bytes);
    expect(showValue(OPTIONS.minFree, bytes)).toBe(shown);
  });

  it('take where analytics goes and the zone of its days', () => {
    const { config } = resolveConfig({ analytics: 'http://ann:word@ch:8123/shop', zone: 'europe/riga' }, {});
    expect(config).toMatchObject({ analytics: 'http://ann:word@ch:8123/shop', zone: 'Europe/Riga' });
    expect(showValue(OPTIONS.analytics, config.analytics)).toBe('http://ann:***@ch:8123/shop');
    expect(resolveConfig({}, {}).config).toMatchObject({
      analytics: 'embedded',
      zone: 'UTC',
      analyticsTtlDays: 0,
      slowQueryMs: 1000,
    });
  });

  it('repeat no password', () => {
    expect(() => resolveConfig({ analytics: 'ftp://me:hush@host' }, {})).not.toThrow(/hush/);
    expect(() => resolveConfig({}, { KASSA_ANALYTICS_SQL_URL: 'me:hush@host' })).not.toThrow(/hush/);
  });

  it('name every problem at once', () => {
    const failing = () => resolveConfig({ port: 'x' }, { KASSA_SHARDS: 'y' });
    expect(failing).toThrow(ConfigError);
    expect(failing).toThrow(/--port.*\nKASSA_SHARDS/);
  });
});

describe('a server', () => {
  const secret = { KASSA_JWT_SECRET: 'a secret of more than thirty-two bytes' };

  it('needs a secret or a key, and says how to make them', () => {
    expect(() => loadConfig({}, {})).toThrow(/KASSA_JWT_SECRET=\$\(openssl/);
    expect(loadConfig({}, secret).jwtSecret).toBe(secret.KASSA_JWT_SECRET);
    expect(loadConfig({ jwtKey: 'public.pem' }, {}).jwtKey).toBe('public.pem');
  });

  it('has a user for the SQL of analysts only on a server', () => {
    const environment = { ...secret, KASSA_ANALYTICS_SQL_URL: 'http://reader:word@ch:8123/kassa' };
    expect(() => loadConfig({ analytics: 'off' }, environment)).toThrow(/KASSA_ANALYTICS_SQL_URL goes with/);
    const { analyticsSqlUrl } = loadConfig({ analytics: 'http://ch:8123' }, environment);
    expect(analyticsSqlUrl).toBe('http://reader:word@ch:8123/kassa');
  });

  it('does not take both', () => {
    expect(() => loadConfig({ jwtKey: 'public.pem' }, secret)).toThrow(/both set/);
  });

  it('without tokens serves this machine only', () => {
    for (const host of ['127.0.0.1', '127.1.2.3', '::1', 'localhost']) {
      expect(obstacles(resolveConfig({ auth: 'off', host }, {}))).toEqual([]);
    }
    for (const host of [
      '0.0.0.0',
      '::',
      '192.168.1.5',
      '127.evil.example',
      'example.com',
      '::ffff:127.0.0.1',
    ]) {
      expect(() => loadConfig({ auth: 'off', host }, {})).toThrow(/loopback/);
      expect(isLoopback(host)).toBe(false);
    }
  });
});

describe('durations', () => {
  it('are read with their unit', () => {
    expect(['90s', '30m', '12h', '365d', 'never'].map(parseDuration)).toEqual([
      90,
      1800,
      43_200,
      31_536_000,
      undefined,
    ]);
    for (const bad of ['', '12', '0h', '-1h', '1.5h', '12 h', '1w'])
      expect(() => parseDuration(bad)).toThrow(ConfigError);
  });
});
