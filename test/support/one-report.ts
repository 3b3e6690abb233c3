import type { Database } from '../../src/analytics/database.js';
import type { Answer, EngineBalance } from '../../src/analytics/messages.js';
import { Reports, type ReportsOptions } from '../../src/analytics/reports/reports.js';

/** What the tables say, and who says how far they are. */
export interface Told {
  readonly database: Database;
  readonly sink: ReportsOptions['sink'];
  readonly tenant: string;
}

/** One answer, of reports that nobody asked before. @param path with `analytics/` */
export function answerOf(
  { database, sink, tenant }: Told,
  path: string,
  query: string,
  engine?: EngineBalance,
): Promise<Answer> {
  const reports = new Reports({
    ...{ database, sqlDatabase: undefined, zone: 'UTC', sink },
    durableLsn: () => sink.cursor().lsn,
    onTiming: () => undefined,
    log: () => undefined,
  });
  const question = { type: 'ask', id: 1, tenant, who: 'ann', method: 'GET', path, query } as const;
  return reports.answer(
    { ...question, ...(engine !== undefined && { engine }) },
    new AbortController().signal,
  );
}

/** Its body. @throws when it was refused */
export function bodyOf(answer: Answer): string {
  if (!answer.ok) throw new Error(answer.refusal.detail);
  return answer.body;
}
