import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { TokenAuthenticator } from '../src/gateway/auth.js';
import { secretKey } from '../src/gateway/keys.js';

const CLI = fileURLToPath(new URL('../src/cli.js', import.meta.url));
const SECRET = 'a secret of more than thirty-two bytes';

function kassa(args: string[], environment: Record<string, string> = {}) {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('KASSA_'));
  const env = { ...Object.fromEntries(inherited), ...environment };
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, ...args], { env, encoding: 'utf8' });
  return { status, stdout, stderr };
}

describe('kassa', () => {
  it('explains itself and every command', () => {
    const { status, stdout } = kassa(['--help']);
    expect(status).toBe(0);
    for (const command of [
      'serve',
      'token',
      'verify',
      'backup',
      'restore',
      'export',
      'import',
      'config',
      'demo',
      'bench',
    ])
      expect(stdout).toContain(command);
    expect(kassa(['serve', '--help']).stdout).toContain('KASSA_PORT');
    expect(kassa(['--version']).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it.each([
    [['nonsense'], /unknown command/],
    [['serve', '--nonsense'], /unknown option/],
    [['serve', '--port', 'x'], /--port: must be an integer/],
    [['serve'], /KASSA_JWT_SECRET/],
    [['serve', '--auth', 'off', '--host', '0.0.0.0'], /loopback/],
    [['serve', '--jwt-key', 'nothing.pem'], /cannot be read/],
    [['token', '--tenant', 'shop'], /--sub/],
    [['token', '--tenant', 'shop', '--sub', 'anna', '--role', 'pos'], /nothing to sign with/],
  ])('%j exits with 2 and says why', (args, message) => {
    const { status, stderr } = kassa(args);
    expect(stderr).toMatch(message);
    expect(status).toBe(2);
  });

  it('makes tokens that the server takes', async () => {
    const { stdout } = kassa(
      [
        'token',
        '--tenant',
        'shop',
        '--sub',
        'anna',
        '--role',
        'teller',
        '--accounts',
        'till:,sales',
        '--terminal',
        't1',
      ],
      { KASSA_JWT_SECRET: SECRET },
    );
    const identity = new TokenAuthenticator(secretKey(SECRET), 1).verify(stdout.trim());
    expect(identity.caller).toMatchObject({
      tenant: 'shop',
      by: 'anna',
      terminal: 't1',
      accounts: ['till:', 'sales'],
    });
    expect(identity.expiresAtMs - Date.now()).toBeGreaterThan(11 * 3600 * 1000);
  });

  it('prints every option, and of secrets only that they are set', () => {
    const environment = {
      KASSA_JWT_SECRET: SECRET,
      KASSA_PORT: '99',
      KASSA_ANALYTICS: 'http://ann:pass-word@ch:8123/shop',
      KASSA_ANALYTICS_SQL_URL: 'http://reader:sql-word@ch:8123/shop',
    };
    const json = kassa(['config', '--json', '--host', '::1'], environment);
    expect(JSON.parse(json.stdout)).toMatchObject({
      options: {
        port: { value: 99, source: 'environment' },
        host: { value: '::1', source: 'option' },
        jwtSecret: { value: 'set' },
        data: { value: './data', source: 'default' },
        analytics: { value: 'http://ann:***@ch:8123/shop', source: 'environment' },
        analyticsSqlUrl: { value: 'set' },
      },
      limits: { frameBytes: 1 << 20 },
    });
    const table = kassa(['config'], environment);
    expect(table.stdout).toMatch(/jwtSecret +set/);
    const all = json.stdout + json.stderr + table.stdout + table.stderr;
    for (const secret of [SECRET, 'pass-word', 'sql-word']) expect(all).not.toContain(secret);
  });
});
