import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { SinkStatus } from '../../src/analytics/messages.js';

/** Processes that deliver, or look at what was delivered: the embedded engine opens one directory in the life of a process. */

const SINK = fileURLToPath(new URL('./sink-process.js', import.meta.url));
const AUDIT = fileURLToPath(new URL('./table-audit-process.js', import.meta.url));

export interface SinkLife {
  readonly signal: NodeJS.Signals | null;
  readonly code: number | null;
  /** What it said last; undefined when it was killed. */
  readonly status: SinkStatus | undefined;
  /** What it wrote to stderr. */
  readonly said: string;
}

/** Lets a sink live to its end, or into its n-th insert; 0: to its end. */
export async function sinkLife(
  data: string,
  lsn: number,
  { postings = 2000, killAt = 0, mayRemake = false } = {},
): Promise<SinkLife> {
  const args = [data, lsn, postings, killAt, ...(mayRemake ? ['remake'] : [])];
  const { out, err, code, signal } = await run([SINK, ...args.map(String)]);
  return { code, signal, said: err, status: out === '' ? undefined : (JSON.parse(out) as SinkStatus) };
}

/** @throws Error when the tables of a data directory are not its log */
export async function auditOf(data: string): Promise<void> {
  const { code, err } = await run([AUDIT, data]);
  if (code !== 0) throw new Error(err);
}

async function run(args: readonly string[]) {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk) => (out += chunk));
  child.stderr.on('data', (chunk) => (err += chunk));
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { out, err, code, signal };
}
