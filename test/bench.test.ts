import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const MAIN = fileURLToPath(new URL('../bench/main.js', import.meta.url));
const SUITES = [
  'micro',
  'pos',
  'pipelined',
  'batch',
  'accounts',
  'shards',
  'inproc',
  'http',
  'recover',
  'memory',
  'analytics',
  'sink',
  'statement',
];
/** The whole of --quick takes some 20 s of an idle machine. */
const TIMEOUT_MS = 400_000;

interface Line {
  readonly type: string;
  readonly suite: string;
  readonly name: string;
  readonly base?: string;
  readonly contenders: readonly {
    readonly name: string;
    readonly value: { readonly median: number };
    readonly ratio?: { readonly median: number };
    readonly rounds: readonly unknown[];
    readonly typical: { readonly refused?: number; readonly serverCores?: number };
  }[];
  readonly origin: {
    readonly commit: string;
    readonly machine: { readonly cores: number };
    readonly versions: Record<string, string>;
  };
  readonly settings: { readonly rounds: number; readonly quick: boolean };
}

function bench(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (data) => {
      stdout += data;
    });
    child.stderr.on('data', (data) => {
      stderr += data;
    });
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
}

/** Waits for a list that is not empty. */
async function until<T>(read: () => readonly T[]): Promise<readonly T[]> {
  const deadline = Date.now() + 30_000;
  for (let list = read(); ; list = read()) {
    if (list.length > 0) return list;
    if (Date.now() > deadline) throw new Error(`waited in vain for ${read}`);
    await setTimeout(10);
  }
}

/** Processes that a process has started and that live. */
function childrenOf(pid: number): readonly string[] {
  return readdirSync('/proc').filter((name) => {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1');
      return Number(stat.slice(stat.lastIndexOf(')')).split(' ')[2]) === pid;
    } catch {
      return false;
    }
  });
}

const out = mkdtempSync(join(tmpdir(), 'kassa-bench-test-'));
const dir = join(out, 'data');
// PostgreSQL, under its own user, has to get through.
chmodSync(out, 0o711);
mkdirSync(dir);
afterAll(() => rmSync(out, { recursive: true, force: true }));

describe('npm run bench -- --quick', () => {
  let lines: Line[];
  beforeAll(async () => {
    const run = await bench('--quick', '--bend', '2', '--json', '--out', out, '--dir', dir);
    expect(run.stderr).toBe('');
    expect(run.code).toBe(0);
    lines = run.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Line);
  }, TIMEOUT_MS);

  it('measures something in every suite, and says where and with what', () => {
    expect([...new Set(lines.map(({ suite }) => suite))]).toEqual(SUITES);
    for (const { origin, settings } of lines) {
      expect(origin.commit).not.toBe('');
      expect(origin.machine.cores).toBeGreaterThan(0);
      expect(Object.keys(origin.versions)).toEqual(
        expect.arrayContaining(['kassa', 'node', 'lmdb', 'uWebSockets.js']),
      );
      expect(settings.quick).toBe(true);
    }
  });

  it('gives every contender a figure, and a ratio to the base of its case', () => {
    for (const { suite, name, base, contenders, settings } of lines) {
      for (const contender of contenders) {
        const what = `${suite}, ${name}, ${contender.name}`;
        expect(contender.rounds, what).toHaveLength(settings.rounds);
        expect(contender.value.median, what).toBeGreaterThan(0);
        if (base !== undefined && contender.name !== base)
          expect(contender.ratio!.median, what).toBeGreaterThan(0);
      }
    }
  });

  it('books every sale that it counts', () => {
    const refused = lines.flatMap(({ suite, name, contenders }) =>
      contenders.filter(({ typical }) => (typical.refused ?? 0) > 0).map((one) => [suite, name, one.name]),
    );
    expect(refused).toEqual([]);
  });

  it('keeps the lines and draws a picture of each suite', () => {
    expect(readFileSync(join(out, 'results.jsonl'), 'utf8').trim().split('\n')).toHaveLength(lines.length);
    for (const suite of SUITES) {
      const svg = readFileSync(join(out, `${suite}.svg`), 'utf8');
      expect(svg).toMatch(/^<svg [^>]*>[\s\S]*<\/svg>\n$/);
      expect(svg).not.toMatch(/NaN|undefined|Infinity/);
    }
  });

  it('leaves nothing behind', () => {
    expect(readdirSync(dir)).toEqual([]);
  });
});

describe('npm run bench', () => {
  it(
    'writes a profile of each thread of the server',
    async () => {
      const profiles = join(out, 'profiles');
      const args = ['--quick', '--load-processes', '2', '--profile', profiles, '--out', out, '--dir', dir];
      const run = await bench('pipelined', ...args);
      expect(run.code, run.stderr).toBe(0);
      const threads = readdirSync(profiles).map((name) => /^pipelined-\d+-(.*)\.cpuprofile$/.exec(name)?.[1]);
      expect([...new Set(threads)].sort()).toEqual(['checkpointer', 'main', 'reader', 'runner']);
    },
    TIMEOUT_MS,
  );

  it('leaves nothing behind when it is interrupted', async () => {
    const child = spawn(process.execPath, [MAIN, 'batch', '--quick', '--out', out, '--dir', dir], {
      stdio: 'ignore',
    });
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
    await until(() => readdirSync(dir));
    // The echo and Kassa.
    const servers = await until(() => (childrenOf(child.pid!).length < 2 ? [] : childrenOf(child.pid!)));
    child.kill('SIGINT');
    expect(await ended).toBe(130);
    expect(readdirSync(dir)).toEqual([]);
    await until(() => (servers.some((pid) => existsSync(`/proc/${pid}`)) ? [] : ['all gone']));
  });

  it('refuses what it does not know, and names what there is', async () => {
    const suite = await bench('turbo');
    expect(suite).toMatchObject({ code: 2, stdout: '' });
    expect(suite.stderr).toContain('there is no suite turbo; there are micro, pos');
    expect((await bench('--rounds', '0')).code).toBe(2);
    expect((await bench('pos', '--tigerbeetle', join(out, 'nowhere'))).code).toBe(3);
    expect(existsSync('bench-results')).toBe(false);
  });
});
