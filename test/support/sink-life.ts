import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { SinkStatus } from '../../src/analytics/messages.js';
import type { TableAudit } from './table-audit.js';

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

export interface LifeOptions {
  /** At most so many in a batch. */
  readonly postings?: number;
  /** It ends by SIGKILL in its n-th insert; 0: it lives to its end. */
  readonly killAt?: number;
  readonly mayRemake?: boolean;
  /** Whether it holds the tables against the log before it ends, and ends with 1 when they are not the log. */
  readonly isAudited?: boolean;
}

/** Lets a sink live to its end, or into an insert. */
export async function sinkLife(
  data: string,
  lsn: number,
  { postings = 2000, killAt = 0, mayRemake = false, isAudited = false }: LifeOptions = {},
): Promise<SinkLife> {
  const options = { postings, killAt, mayRemake, isAudited };
  const { out, err, code, signal } = await run([SINK, data, String(lsn), JSON.stringify(options)]);
  return { code, signal, said: err, status: out === '' ? undefined : (JSON.parse(out) as SinkStatus) };
}

/** Of a data directory, or of a server's tables, and its log. @throws Error when the tables are not the log */
export async function auditOf(data: string, url?: URL): Promise<TableAudit> {
  const { out, code, err } = await run([AUDIT, data, ...(url === undefined ? [] : [url.href])]);
  if (code !== 0) throw new Error(err);
  return JSON.parse(out) as TableAudit;
}

async function run(args: readonly string[]) {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk) => (out += chunk));
  child.stderr.on('data', (chunk) => (err += chunk));
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { out, err, code, signal };
}
