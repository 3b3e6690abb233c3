import { readdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';

/** What Node.js wrote when it was started with --cpu-prof, one file for each thread: named after what ran there, and read. */

/** The part of the format that is read (Chrome DevTools Protocol, Profiler.Profile). */
interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  /** Node by sample. */
  readonly samples: readonly number[];
}

const THREAD = /\/src\/threads\/([a-z-]+)\.js$/;
const WRITTEN = /^CPU\..*\.cpuprofile$/;
/** `wait` is a thread that waits for its bell. */
const IDLE = new Set(['(idle)', '(program)', '(root)', 'wait']);
const TOP = 8;

/** Renames the new profiles in a directory to `SUITE-N-THREAD.cpuprofile`. @returns for each a line about where its time went */
export function labelProfiles(directory: string, suite: string): string[] {
  const written = readdirSync(directory).filter((name) => WRITTEN.test(name));
  const taken = readdirSync(directory).length - written.length;
  return written.sort().map((name, i) => {
    const profile = JSON.parse(readFileSync(join(directory, name), 'utf8')) as CpuProfile;
    const label = `${suite}-${taken + i + 1}-${threadOf(profile)}.cpuprofile`;
    renameSync(join(directory, name), join(directory, label));
    return `${label}: ${summary(profile)}`;
  });
}

/** The thread's own module, or `main`. */
function threadOf(profile: CpuProfile): string {
  for (const { callFrame } of profile.nodes) {
    const match = THREAD.exec(callFrame.url);
    if (match !== null) return match[1]!;
  }
  return 'main';
}

/** Shares of the busy time by function, the largest first. */
function summary({ nodes, samples }: CpuProfile): string {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, callFrame.functionName || '(anonymous)']));
  const counts = new Map<string, number>();
  let busy = 0;
  for (const sample of samples) {
    const name = names.get(sample)!;
    if (IDLE.has(name)) continue;
    busy++;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const share = (count: number, of: number) => `${((100 * count) / Math.max(1, of)).toFixed(0)} %`;
  const top = [...counts].sort(([, a], [, b]) => b - a).slice(0, TOP);
  return `busy ${share(busy, samples.length)}; ${top.map(([name, count]) => `${name} ${share(count, busy)}`).join(', ')}`;
}
