import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import type { DemoReport } from '../src/demo/report.js';
import { packageWithoutClickHouse } from './support/package-copy.js';

const CLI = fileURLToPath(new URL('../src/cli.js', import.meta.url));

/** The only place that a demo may use; another one may be running beside it. */
const PLACE = mkdtempSync(join(tmpdir(), 'kassa-demos-'));
afterAll(() => rmSync(PLACE, { recursive: true, force: true }));

function demo(args: readonly string[], cli = CLI): Promise<{ code: number; stdout: string; stderr: string }> {
  const options = { maxBuffer: 1 << 26, env: { ...process.env, TMPDIR: PLACE } };
  return new Promise((resolve) => {
    execFile(process.execPath, [cli, 'demo', ...args], options, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });
}

describe('the demo', () => {
  it('books the file to the penny through a kill, and leaves nothing behind', {
    timeout: 180_000,
  }, async () => {
    const { code, stdout, stderr } = await demo(['--seconds', '4', '--json']);
    expect(code, stderr).toBe(0);
    const report = JSON.parse(stdout) as DemoReport;
    expect(report.differences).toEqual([]);
    expect(report).toMatchObject({
      lines: 10_000,
      transactions: 17_662,
      holds: 988,
      skipped: 46,
      zero_sum: true,
    });
    expect([report.acknowledged, report.recorded]).toEqual([17_662, 17_662]);
    expect([report.debits, report.credits]).toEqual([40_753_789, 40_753_789]);
    expect(report.accounts).toHaveLength(389);
    expect(report.verify.ok).toBe(true);
    expect(report.analytics).toMatchObject({
      ...{ accounts: 389, debits: 40_753_789, credits: 40_753_789, differences: [] },
    });
    expect(report.analytics!.lsn).toBe(report.verify.report['lsn']);
    expect(report.kill.acknowledged).toBeGreaterThan(0);
    expect(report.kill.acknowledged).toBeLessThan(17_662);
    expect(readdirSync(PLACE)).toEqual([]);
  });

  it('runs without the embedded ClickHouse, and says that it is left out', { timeout: 180_000 }, async () => {
    const copy = packageWithoutClickHouse();
    onTestFinished(() => rmSync(copy, { recursive: true, force: true }));
    const { code, stdout, stderr } = await demo(['--seconds', '4'], join(copy, 'dist/src/cli.js'));
    expect(code, stderr).toBe(0);
    expect(stdout).toContain('without analytics');
    expect(stdout).toMatch(/ClickHouse +left out/);
    expect(stdout).toContain('agree to the penny');
  });

  it('refuses a command line that makes no sense', async () => {
    expect((await demo(['--seconds', '0'])).code).toBe(2);
  });
});
