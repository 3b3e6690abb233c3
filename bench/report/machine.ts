import { execFileSync } from 'node:child_process';
import { readFileSync, statfsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, loadavg, platform, release, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';

/** Where and with what figures were taken; goes with each of them. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGB: number;
  readonly system: string;
  /** Whether the directories are on a disk at all: a sync to memory is none. */
  readonly isDiskInMemory: boolean;
  /** Programs that were waiting when the run began: above the number of cores, figures mean little. */
  readonly loadAverage: number;
}

export interface Origin {
  readonly commit: string;
  readonly at: string;
  readonly machine: Machine;
  readonly versions: Readonly<Record<string, string>>;
}

/** Magic numbers of tmpfs and ramfs (statfs(2)). */
const IN_MEMORY = [0x0102_1994, 0x8584_58f6];
const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const PACKAGES = ['uWebSockets.js', 'lmdb'];

/** @param directory where data will be @param peers versions of what is measured beside Kassa */
export function originOf(directory: string, peers: Readonly<Record<string, string>>): Origin {
  return {
    commit: commit(),
    at: new Date().toISOString(),
    machine: {
      cpu: cpus()[0]?.model ?? 'unknown',
      cores: cpus().length,
      memoryGB: Math.round(totalmem() / 2 ** 30),
      system: `${platform()} ${release()}`,
      isDiskInMemory: platform() === 'linux' && IN_MEMORY.includes(statfsSync(directory).type),
      loadAverage: loadavg()[0]!,
    },
    versions: { kassa: version(ROOT), node: process.versions.node, ...packages(), ...peers },
  };
}

/** With a plus when the checkout has changes; `unknown` outside of one. */
function commit(): string {
  const git = (...args: string[]) =>
    execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  try {
    return git('rev-parse', '--short=12', 'HEAD') + (git('status', '--porcelain', '-uno') === '' ? '' : '+');
  } catch {
    return 'unknown';
  }
}

function version(folder: string): string {
  return (JSON.parse(readFileSync(`${folder}/package.json`, 'utf8')) as { version: string }).version;
}

function packages(): Record<string, string> {
  const { resolve } = createRequire(import.meta.url);
  return Object.fromEntries(
    PACKAGES.map((name) => {
      // The package's folder, whatever its entry point is.
      const entry = resolve(name);
      const folder = entry.slice(
        0,
        entry.lastIndexOf(`node_modules/${name}/`) + `node_modules/${name}`.length,
      );
      return [name, version(folder)];
    }),
  );
}
