import { readFileSync } from 'node:fs';
import { type ServerProcess, until } from './server.js';

/** A server with its analytics process, and what a test wants to know of it. */

const DEADLINE_MS = 60_000;
/** Its process has the lowest priority: looking all the time would keep it from what is waited for. */
const LOOK_MS = 50;

/** The analytics process of a server; undefined while there is none. */
export function analyticsPid({ pid }: ServerProcess): number | undefined {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return children === '' ? undefined : Number(children.split(' ')[0]);
}

/** Whether there is such a process; one that has ended and was not waited for yet is none. */
export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** How analytics stands, as `/health/ready` tells. */
export async function analyticsHealth(server: ServerProcess): Promise<{ readonly [name: string]: unknown }> {
  const { body } = await server.operator.get('/health/ready');
  return body['analytics'] as { readonly [name: string]: unknown };
}

/** Waits until all that is durable now has reached ClickHouse. */
export async function delivered(server: ServerProcess): Promise<void> {
  const lsn = await server.metric('kassa_durable_lsn');
  await until(
    async () => {
      const metrics = await server.metrics();
      return metrics.get('kassa_analytics_up') === 1 && metrics.get('kassa_analytics_cursor')! >= lsn;
    },
    DEADLINE_MS,
    () => `analytics does not reach LSN ${lsn}: ${server.output()}`,
    LOOK_MS,
  );
}
