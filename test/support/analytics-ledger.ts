import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EmbeddedDatabase, openEmbedded } from '../../src/analytics/embedded-database.js';
import type { Answer, EngineBalance, Question } from '../../src/analytics/messages.js';
import { Reports } from '../../src/analytics/reports/reports.js';
import { type Sink, startSink } from '../../src/analytics/sink.js';
import { decodeJson } from '../../src/gateway/json.js';
import { type Ledger, openLedger } from '../../src/ledger.js';

/** The whole way from a sale to a report within the test's process: a ledger, its log, the sink, the embedded ClickHouse, reports. */
export class AnalyticsLedger {
  readonly timings: [report: string, seconds: number][] = [];
  readonly log: string[] = [];
  private questions = 0;

  private constructor(
    readonly data: string,
    readonly ledger: Ledger,
    readonly database: EmbeddedDatabase,
    readonly sink: Sink,
    zone: string,
  ) {
    this.reports = new Reports({
      ...{ database, sqlDatabase: undefined, zone, sink },
      durableLsn: () => ledger.stats().durableLsn,
      onTiming: (report, seconds) => this.timings.push([report, seconds]),
      log: (level, message) => this.log.push(`${level}: ${message}`),
    });
  }

  readonly reports: Reports;

  static async open(zone = 'UTC'): Promise<AnalyticsLedger> {
    const data = await mkdtemp(join(tmpdir(), 'kassa-reports-'));
    const ledger = await openLedger({ data, threads: 1, shards: 1, onFatal: () => {} });
    const database = await openEmbedded(join(data, 'analytics'));
    const sink = startSink({
      data,
      database,
      onStatus: () => {},
      log: () => {},
      ttlDays: 0,
      mayRemake: false,
    });
    return new AnalyticsLedger(data, ledger, database, sink, zone);
  }

  /** Waits until ClickHouse has all that is durable. */
  async delivered(): Promise<number> {
    const { durableLsn } = this.ledger.stats();
    this.sink.durable(durableLsn);
    if (!(await this.sink.reached(durableLsn, 60_000))) {
      throw new Error(`the sink is at ${JSON.stringify(this.sink.status())}, not at ${durableLsn}`);
    }
    return durableLsn;
  }

  async ask(tenant: string, path: string, more: Partial<Question> = {}): Promise<Answer> {
    const [bare, query = ''] = path.split('?');
    const question = {
      type: 'ask',
      id: ++this.questions,
      tenant,
      who: 'auditor',
      method: 'GET',
      path: bare!,
      query,
    } as const;
    return this.reports.answer({ ...question, ...more }, new AbortController().signal);
  }

  /** The decoded body of a report under `/v1/analytics/`. @throws when it was refused */
  // biome-ignore lint/suspicious/noExplicitAny: bodies are compared, field by field, with what a test expects
  async get(tenant: string, report: string, engine?: EngineBalance): Promise<any> {
    const answer = await this.ask(tenant, `analytics/${report}`, engine === undefined ? {} : { engine });
    if (!answer.ok)
      throw new Error(`${report}: ${answer.refusal.code}: ${answer.refusal.detail} ${this.log.join('\n')}`);
    return decodeJson(Buffer.from(answer.body));
  }

  async close(): Promise<void> {
    await this.sink.close();
    await this.ledger.close();
    await this.database.close();
    await rm(this.data, { recursive: true, force: true });
  }
}
