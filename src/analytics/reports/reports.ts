import type { Refusal } from '../../../engine/types.js';
import { encodeJson } from '../../gateway/json.js';
import { type Expired, expiredUpTo } from '../checks.js';
import type { Database, Params } from '../database.js';
import type { Answer, Question } from '../messages.js';
import { runQuery } from '../query/query.js';
import { ReportError } from '../report-error.js';
import type { Sink } from '../sink.js';
import { type Asked, BASES, iso, msOf, type Report } from './asked.js';
import { toCsv } from './csv.js';
import { faultOf } from './faults.js';
import { readFilters } from './filters.js';
import { decode, invalid, Parameters } from './parameters.js';
import { QUERY_PATH, RESUME_PATH, type Route, routeOf, STATUS_PATH } from './routes.js';
import { extent } from './status.js';
import { Zone } from './zone.js';

/** How long a question waits for an LSN to come in. */
const WAIT_MS = 10_000;
/** How long an answer about what has expired is good. */
const EXPIRY_MS = 10_000;

/** Of every query. A question that takes more is answered with `overloaded`. */
const LIMITS = {
  max_execution_time: 10,
  max_memory_usage: 1_000_000_000,
  max_threads: 2,
  max_result_rows: 200_000,
  result_overflow_mode: 'throw',
  // Compiled, max() of a DateTime64 takes times before 1970 for later than all others (ClickHouse 26.7, from the third query on).
  compile_aggregate_expressions: 0,
  compile_expressions: 0,
  compile_sort_description: 0,
} as const;

export interface ReportsOptions {
  readonly database: Database;
  /** For statements of analysts; undefined: refused. */
  readonly sqlDatabase: Database | undefined;
  /** Default time zone, IANA name. */
  readonly zone: string;
  readonly sink: Pick<Sink, 'status' | 'cursor' | 'reached' | 'resume'>;
  readonly durableLsn: () => number;
  readonly onTiming: (report: string, seconds: number) => void;
  readonly log: (level: 'info' | 'warn' | 'error', message: string) => void;
}

type Body = Pick<Answer & { ok: true }, 'contentType' | 'body' | 'headers'>;

const JSON_TYPE = 'application/json';
const CSV_TYPE = 'text/csv; charset=utf-8; header=present';
const STATUS_PARAMETERS = new Set(['min_lsn', 'tz']);

/** Answers questions out of ClickHouse. Each sees the rows of its tenant alone. */
export class Reports {
  private expiry: { readonly askedAtMs: number; readonly found: Promise<Expired> } | undefined;

  constructor(private readonly options: ReportsOptions) {}

  /** Never throws. A question whose asker has gone is answered all the same. */
  async answer(question: Question, signal: AbortSignal): Promise<Answer> {
    const started = performance.now();
    let name = 'unknown';
    try {
      const found = this.find(question);
      name = found.name;
      const body = await found.run(signal);
      return { type: 'answer', id: question.id, ok: true, ...body };
    } catch (error) {
      return { type: 'answer', id: question.id, ok: false, refusal: this.refusalOf(error, name, signal) };
    } finally {
      this.options.onTiming(name, (performance.now() - started) / 1000);
    }
  }

  private find(question: Question): { name: string; run: (signal: AbortSignal) => Promise<Body> } {
    const { method, path } = question;
    if (method === 'GET' && path === STATUS_PATH) {
      return { name: 'status', run: (signal) => this.status(question, signal) };
    }
    if (method === 'POST' && path === RESUME_PATH) {
      return { name: 'resume', run: async () => this.resume(question) };
    }
    if (method === 'POST' && path === QUERY_PATH) {
      return { name: 'query', run: (signal) => this.query(question, signal) };
    }
    const found = routeOf(method, path);
    if (found === undefined) throw new ReportError('invalid_request', `no report ${method} /v1/${path}`);
    return { name: found.route.name, run: (signal) => this.report(question, found.route, found.id, signal) };
  }

  private async report(question: Question, route: Route, id: string, signal: AbortSignal): Promise<Body> {
    const asked = await this.ask(question, decode(id, 'id'), route.parameters, signal);
    const isCsv = asked.parameters.choice('format', ['json', 'csv']) === 'csv';
    if (isCsv && asked.parameters.text('group_by') !== undefined)
      throw invalid('group_by', 'the table as CSV has no groups');
    const { body, table } = await route.run(asked);
    if (isCsv && table !== undefined) {
      const headers =
        table.cursor === undefined ? {} : { headers: [['Link', nextLink(question, table.cursor)] as const] };
      return { contentType: CSV_TYPE, body: toCsv(table.columns, table.rows), ...headers };
    }
    return this.envelope(asked, body);
  }

  private envelope(asked: Asked, body: Report['body']): Body {
    const { lsn, asOfMs, basis, zone } = asked;
    return {
      contentType: JSON_TYPE,
      body: encodeJson({
        as_of_lsn: lsn,
        as_of: moment(asOfMs),
        basis,
        tz: zone.name,
        ...body,
      }),
    };
  }

  /** Reads what all reports are asked, and waits for what the question must see. */
  private async ask(
    question: Question,
    id: string,
    known: ReadonlySet<string>,
    signal: AbortSignal,
  ): Promise<Asked> {
    const parameters = new Parameters(question.query, known);
    const zone = this.zoneOf(parameters);
    const atLsn = readAtLsn(parameters, known);
    const given = parameters.choice('basis', BASES);
    const basis = given ?? (atLsn === undefined ? 'effective' : 'committed');
    if (atLsn !== undefined && basis !== 'committed') throw invalid('at', 'an LSN goes with basis=committed');
    const asOf = parameters.integer('as_of_lsn', 0, Number.MAX_SAFE_INTEGER);
    if (asOf !== undefined && basis !== 'committed')
      throw invalid('as_of_lsn', 'it goes with basis=committed');
    const least = parameters.integer('min_lsn', 0, Number.MAX_SAFE_INTEGER) ?? 0;
    const filters = readFilters(parameters);
    await this.reach(Math.max(least, asOf ?? 0, atLsn ?? 0, question.engine?.lsn ?? 0));
    const expired = await this.expired();
    if (basis === 'committed' && expired.lsn > 0n) throw postingsAreGone(expired.lsn);
    const cursor = this.options.sink.cursor();
    const lsn = Math.min(...[asOf, atLsn, cursor.lsn].filter((n) => n !== undefined));
    const { database } = this.options;
    const rows: Asked['rows'] = (sql: string, params?: Params) =>
      database.rows(sql, { tenant: question.tenant, ...params }, { settings: LIMITS, signal });
    const command = (sql: string, params: Params) =>
      database.command(sql, { tenant: question.tenant, ...params });
    const asOfMs = basis === 'committed' ? await commitTime(rows, lsn) : cursor.timeMs;
    const nowMs = basis === 'committed' ? asOfMs : Date.now();
    return {
      ...{ question, id, parameters, filters, basis, lsn, asOfMs, nowMs, zone, rows, command },
      lackingBefore: expired.lsn > 0n ? expired.time * 1000 : undefined,
    };
  }

  private zoneOf(parameters: Parameters): Zone {
    return new Zone(parameters.text('tz') ?? this.options.zone);
  }

  /** @throws {ReportError} not_ready, when the LSN does not come in in time */
  private async reach(lsn: number): Promise<void> {
    const { sink } = this.options;
    if (sink.status().state === 'starting')
      throw new ReportError('not_ready', 'not ready: analytics is starting');
    if (sink.cursor().lsn >= lsn || (await sink.reached(lsn, WAIT_MS))) return;
    throw new ReportError(
      'not_ready',
      `not ready: analytics has come to LSN ${sink.cursor().lsn}, not to ${lsn}`,
    );
  }

  /** Which postings may have been dropped after their days. Days are long: it is looked up now and then. */
  private expired(): Promise<Expired> {
    const now = performance.now();
    if (this.expiry === undefined || now - this.expiry.askedAtMs > EXPIRY_MS) {
      const found = expiredUpTo(this.options.database);
      this.expiry = { askedAtMs: now, found };
      found.catch(() => {
        this.expiry = undefined;
      });
    }
    return this.expiry.found;
  }

  /** How the sink stands, whether ClickHouse answers or not. */
  private async status(question: Question, signal: AbortSignal): Promise<Body> {
    const { sink } = this.options;
    const zone = this.zoneOf(new Parameters(question.query, STATUS_PARAMETERS));
    let more: object = { first_effective_at: null, last_effective_at: null, currencies: [] };
    if (sink.status().state !== 'starting') {
      try {
        more = await extent(await this.ask(question, '', STATUS_PARAMETERS, signal));
      } catch (error) {
        if (faultOf(error)?.code !== 'not_ready') throw error;
      }
    }
    // As it stands now: the question may have waited.
    const { state, reason, lagLsns, lagSeconds, rowsPerSecond } = sink.status();
    const { lsn, timeMs } = sink.cursor();
    return {
      contentType: JSON_TYPE,
      body: encodeJson({
        ...{ as_of_lsn: lsn, as_of: moment(timeMs), basis: 'effective', tz: zone.name },
        ...{ state, reason, cursor: lsn, durable_lsn: this.options.durableLsn() },
        ...{ lag_lsns: lagLsns, lag_seconds: lagSeconds, rows_per_second: rowsPerSecond },
        ...more,
      }),
    };
  }

  /** A statement of an analyst. */
  private async query({ tenant, query, body }: Question, signal: AbortSignal): Promise<Body> {
    new Parameters(query, new Set());
    await this.reach(0);
    const { lsn, timeMs } = this.options.sink.cursor();
    const answer = await runQuery({ database: this.options.sqlDatabase, tenant, body, signal });
    return { contentType: JSON_TYPE, body: encodeJson({ as_of_lsn: lsn, as_of: moment(timeMs), ...answer }) };
  }

  private resume({ query }: Question): Body {
    new Parameters(query, new Set());
    this.options.sink.resume();
    return { contentType: JSON_TYPE, body: encodeJson({ resumed: true }) };
  }

  private refusalOf(error: unknown, name: string, signal: AbortSignal): Refusal {
    if (signal.aborted) return { ok: false, code: 'overloaded', detail: 'the question was taken back' };
    const known = error instanceof ReportError ? error : faultOf(error);
    if (known !== undefined) {
      const { code, message, pointer } = known;
      return { ok: false, code, detail: message, ...(pointer !== undefined && { pointer }) };
    }
    this.options.log('error', `report ${name}: ${(error as Error).stack ?? String(error)}`);
    return { ok: false, code: 'not_ready', detail: 'the report failed; the log of the server says why' };
  }
}

/** By commit, postings themselves are summed up. */
function postingsAreGone(lsn: bigint): ReportError {
  return new ReportError(
    'invalid_request',
    `postings up to LSN ${lsn} may have been dropped (--analytics-ttl-days): ask by effective time`,
    '/basis',
  );
}

/** A commit time as it is answered: none before anything has come in. */
function moment(ms: number): string | null {
  return ms === 0 ? null : iso(ms);
}

/** `at=lsn:N`. */
function readAtLsn(parameters: Parameters, known: ReadonlySet<string>): number | undefined {
  const text = known.has('at') ? parameters.text('at') : undefined;
  if (!text?.startsWith('lsn:')) return undefined;
  if (!/^lsn:\d{1,15}$/.test(text)) throw invalid('at', 'an LSN is written as lsn:N');
  return Number(text.slice(4));
}

/** When the tenant's newest transaction up to an LSN was committed; 0 before the first. */
async function commitTime(rows: Asked['rows'], lsn: number): Promise<number> {
  const [row] = await rows(
    'SELECT toUnixTimestamp64Milli(committed_at) FROM transactions WHERE tenant = {tenant:String} ' +
      `AND lsn <= ${lsn} ORDER BY tenant DESC, lsn DESC LIMIT 1`,
  );
  return row === undefined ? 0 : msOf(row[0]);
}

/** The same question, going on behind the page (RFC 8288). */
function nextLink({ path, query }: Question, cursor: string): string {
  const kept = query.split('&').filter((part) => part !== '' && !part.startsWith('cursor='));
  return `</v1/${path}?${[...kept, `cursor=${cursor}`].join('&')}>; rel="next"`;
}
