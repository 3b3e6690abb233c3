import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { packageWithoutClickHouse, ROOT } from './support/package-copy.js';
import { freePort } from './support/server.js';

/** The package as the Docker image has it: everything but the embedded engine. */
const app = packageWithoutClickHouse();
const CLI = join(app, 'dist', 'src', 'cli.js');
const WORDS = 'the embedded ClickHouse is not installed';

afterAll(() => rmSync(app, { recursive: true, force: true }));

describe('without chdb', () => {
  it('the sources compile', () => {
    const source = mkdtempSync(join(tmpdir(), 'kassa-source-'));
    onTestFinished(() => rmSync(source, { recursive: true, force: true }));
    for (const name of ['tsconfig.json', 'package.json', 'src', 'wal', 'engine', 'bench', 'test']) {
      cpSync(join(ROOT, name), join(source, name), { recursive: true });
    }
    symlinkSync(join(app, 'node_modules'), join(source, 'node_modules'), 'junction');
    const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
    execFileSync(
      process.execPath,
      [tsc, '-p', '.', '--noEmit', '--incremental', 'false', '--preserveSymlinks'],
      { cwd: source },
    );
  }, 120_000);

  it('a server starts, says once what analytics needs, and keeps books', async () => {
    const port = await freePort();
    const server = spawn(
      process.execPath,
      [CLI, 'serve', '--data', join(app, 'data'), '--port', String(port), '--auth', 'off'],
      {
        cwd: app,
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    let output = '';
    server.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    server.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    try {
      const url = `http://127.0.0.1:${port}`;
      await expect
        .poll(
          () =>
            fetch(`${url}/health/ready`).then(
              (reply) => reply.status,
              () => 0,
            ),
          { timeout: 30_000 },
        )
        .toBe(200);
      const made = await fetch(`${url}/v1/accounts`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ id: 'till', currency: 'EUR', type: 'asset' }),
      });
      expect(made.status).toBeLessThan(300);
      const answer = await fetch(`${url}/v1/analytics/status`);
      expect(answer.status).toBe(503);
      expect(await answer.json()).toMatchObject({
        code: 'not_ready',
        detail: expect.stringMatching(
          `${WORDS}: add the package chdb, or give --analytics the URL of a server`,
        ),
      });
      expect(output.split(WORDS)).toHaveLength(2);
    } finally {
      const exited = new Promise((resolve) => server.once('exit', resolve));
      server.kill('SIGTERM');
      expect(await exited).toBe(0);
    }
  }, 60_000);

  it('--analytics embedded does not start, and says why', () => {
    const { status, stderr, stdout } = spawnSync(
      process.execPath,
      [CLI, 'serve', '--data', join(app, 'data2'), '--auth', 'off', '--analytics', 'embedded'],
      { cwd: app, encoding: 'utf8', timeout: 30_000 },
    );
    expect(status).toBe(2);
    expect(stderr + stdout).toContain(`--analytics embedded: ${WORDS}: add the package chdb`);
  });
});
