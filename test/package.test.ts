import { execFileSync, spawn } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from './support/server.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const README = readFileSync(join(ROOT, 'README.md'), 'utf8');
const SECRET = 'a secret that is long enough for tests';
const app = mkdtempSync(join(tmpdir(), 'kassa-package-'));

/** The fenced code behind `<!-- example: name -->` in the README. */
function example(name: string): string {
  const match = new RegExp(`<!-- example: ${name} -->\\n\`\`\`ts\\n([\\s\\S]*?)\`\`\``).exec(README);
  if (match === null) throw new Error(`the README has no example "${name}"`);
  return match[1]!;
}

function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): string {
  return execFileSync(command, args, { cwd: app, encoding: 'utf8', env: { ...process.env, ...env } });
}

/** What `npm pack` would publish, installed beside the packages it depends on, in an otherwise empty project. */
beforeAll(() => {
  const packed = execFileSync('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', app], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  const [{ filename }] = JSON.parse(packed) as [{ filename: string }];
  const modules = join(app, 'node_modules');
  mkdirSync(join(modules, 'kassa'), { recursive: true });
  run('tar', ['-xzf', filename, '-C', join(modules, 'kassa'), '--strip-components=1']);
  for (const name of readdirSync(join(ROOT, 'node_modules'))) {
    if (!name.startsWith('.')) symlinkSync(join(ROOT, 'node_modules', name), join(modules, name), 'junction');
  }
  writeFileSync(join(app, 'package.json'), JSON.stringify({ type: 'module', private: true }));
  writeFileSync(
    join(app, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: { strict: true, module: 'nodenext', target: 'es2022', types: ['node'], outDir: 'out' },
      files: ['ledger.ts', 'terminal.ts'],
    }),
  );
  writeFileSync(join(app, 'ledger.ts'), example('ledger'));
  writeFileSync(join(app, 'terminal.ts'), example('terminal'));
}, 60_000);

afterAll(() => rmSync(app, { recursive: true, force: true }));

describe('the package in an empty project', () => {
  it('type-checks the examples of the README under --strict', () => {
    run(process.execPath, [join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', '.']);
    expect(readdirSync(join(app, 'out'))).toEqual(expect.arrayContaining(['ledger.js', 'terminal.js']));
  });

  it('opens a ledger in process', () => {
    expect(run(process.execPath, ['out/ledger.js'])).toBe('posted 1250n\n');
  });

  it('sells through the terminal client on the same data', async () => {
    const cli = join(app, 'node_modules', 'kassa', 'dist', 'src', 'cli.js');
    const port = await freePort();
    const env = { KASSA_JWT_SECRET: SECRET };
    const args = ['serve', '--data', './data', '--port', String(port), '--analytics', 'off'];
    const server = spawn(process.execPath, [cli, ...args], {
      cwd: app,
      env: { ...process.env, ...env },
      stdio: 'ignore',
    });
    try {
      const token = run(
        process.execPath,
        [cli, 'token', '--tenant', 'shop', '--sub', 'anna', '--role', 'pos'],
        env,
      ).trim();
      const url = `ws://127.0.0.1:${port}`;
      expect(run(process.execPath, ['out/terminal.js'], { KASSA_URL: url, KASSA_TOKEN: token })).toMatch(
        /^(posted|queued)\n$/,
      );
      const reply = await fetch(`http://127.0.0.1:${port}/v1/accounts/till:7/balance`, {
        headers: { authorization: `Bearer ${token}` },
      });
      expect(await reply.json()).toMatchObject({ account: 'till:7', balance: 2240 });
    } finally {
      const exited = new Promise((resolve) => server.once('exit', resolve));
      server.kill('SIGTERM');
      expect(await exited).toBe(0);
    }
  });
});
