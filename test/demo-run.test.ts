import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { DemoReport } from '../src/demo/report.js';

const CLI = fileURLToPath(new URL('../src/cli.js', import.meta.url));

function demo(args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [CLI, 'demo', ...args], { maxBuffer: 1 << 26 }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });
}

function leftovers(): string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith('kassa-demo-'));
}

describe('the demo', () => {
  it('books the file to the penny through a kill, and leaves nothing behind', {
    timeout: 120_000,
  }, async () => {
    const before = leftovers();
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
    expect(report.kill.acknowledged).toBeGreaterThan(0);
    expect(report.kill.acknowledged).toBeLessThan(17_662);
    expect(leftovers()).toEqual(before);
  });

  it('refuses a command line that makes no sense', async () => {
    expect((await demo(['--seconds', '0'])).code).toBe(2);
  });
});
