import { existsSync, readdirSync, rmSync, watch } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MIGRATIONS } from '../../src/analytics/schema.js';
import { analyticsHealth, analyticsPid, isAlive } from '../support/analytics-process.js';
import { type ClickHouseFront, startClickHouse } from '../support/clickhouse-http.js';
import { randomFrom } from '../support/random.js';
import { freePort, ServerProcess, until } from '../support/server.js';
import { auditOf } from '../support/sink-life.js';
import {
  type AnalyticsKillReport,
  type AnalyticsMoment,
  EMBEDDED_MOMENTS,
  emptyAnalyticsReport,
  HTTP_MOMENTS,
} from './analytics-kill-report.js';
import type { Random } from './book.js';
import { TradingTenant } from './trading-tenant.js';

/**
 * SIGKILL of the server, of its analytics process, and of ClickHouse, again and again while two tenants trade: in the end the tables hold the log row for
 * row, and each view what a recount of the postings gives.
 *
 * - ledger: the server's process; the next one starts at once. both: the two in one go. close: in the middle of an orderly stop.
 * - insert: the analytics process some ms into an insert. sink: at any time. start: while it starts, some times in a row.
 * - tables: the tables were removed; the process is killed while it makes them again.
 * - hang: the process is stopped, until the server has killed it or for a while. orphan: it is stopped, the server killed, and it wakes up beside its successor.
 * - engine: the ClickHouse server in the middle of an insert. cut: a connection to it, before or after the insert was carried out.
 */

export interface AnalyticsKillOptions {
  readonly rounds: number;
  readonly seed: number;
  /** ClickHouse as a server, behind HTTP, in place of the embedded engine. */
  readonly isHttp: boolean;
  /** Called after each round. */
  readonly onRound?: (report: AnalyticsKillReport, moment: AnalyticsMoment) => void;
}

/** A ledger lives so many rounds, each way of being cut off once; the next one begins with an empty directory. */
const ROUNDS_PER_LEDGER = EMBEDDED_MOMENTS.length;
const TENANTS = ['shop', 'cafe'] as const;
const SOON_MS = 60_000;
/** Behind kills in a row the next process starts 30 s later, on a busy machine. */
const DELIVERED_MS = 180_000;
const TRADE_MS_MAX = 2_000;
/** Of an insert's file or statement on. */
const INSERT_MS_MAX = 25;
/** Inserts that a moment lets pass, at most. */
const INSERTS_MAX = 7;
const START_KILLS_MAX = 3;
/** From its process on, until it delivers. */
const START_MS_MAX = 2_500;
const CLOSE_MS_MAX = 400;
/** Longer than any hold but the long ones, which outlive the ledger. */
const QUIET_MS = 4_000;
const NAP_MS_MAX = 3_000;
/** Files of metadata, one for each table and view: what migrations make, and their own table. */
const TABLES = 1 + MIGRATIONS.flat().filter((statement) => statement.startsWith('CREATE ')).length;

/** @throws Error that names the round and the seed when anything is missing, twice there or different */
export async function analyticsKillCampaign(options: AnalyticsKillOptions): Promise<AnalyticsKillReport> {
  const report = emptyAnalyticsReport();
  for (let first = 0; first < options.rounds; first += ROUNDS_PER_LEDGER) {
    const data = await mkdtemp(join(tmpdir(), 'kassa-analytics-kill-'));
    const front = options.isHttp ? await startClickHouse() : undefined;
    try {
      const ledger = new Campaign(data, await freePort(), front, options, first, report);
      await ledger.run(Math.min(ROUNDS_PER_LEDGER, options.rounds - first));
    } finally {
      await front?.stop();
      await rm(data, { recursive: true, force: true });
    }
  }
  return report;
}

/** The rounds of one ledger. */
class Campaign {
  private readonly random: Random;
  private readonly tenants: readonly TradingTenant[];
  private server!: ServerProcess;

  constructor(
    private readonly data: string,
    private readonly port: number,
    private readonly front: ClickHouseFront | undefined,
    private readonly options: AnalyticsKillOptions,
    private readonly first: number,
    private readonly report: AnalyticsKillReport,
  ) {
    const { seed } = options;
    this.random = randomFrom(seed * 1_000_003 + first);
    this.tenants = TENANTS.map(
      (tenant, i) => new TradingTenant(port, tenant, randomFrom(seed * 7919 + first + i), `l${first}.`),
    );
  }

  async run(rounds: number): Promise<void> {
    const moments = this.front === undefined ? EMBEDDED_MOMENTS : HTTP_MOMENTS;
    let round = this.first;
    let moment: AnalyticsMoment | 'end' = moments[0];
    try {
      await this.start();
      for (const tenant of this.tenants) await tenant.start();
      for (; round < this.first + rounds; round++) {
        moment = moments[round % moments.length]!;
        await this.round(moment);
        this.options.onRound?.(this.report, moment);
      }
      moment = 'end';
      await this.finish();
    } catch (error) {
      throw new Error(
        `round ${round + 1} (${moment}) with seed ${this.options.seed}: ${(error as Error).message}\nthe server said: ${this.server?.output()}`,
        { cause: error },
      );
    } finally {
      // They end when the server does.
      await this.server?.kill();
      await Promise.allSettled(this.tenants.map((tenant) => tenant.stop()));
    }
  }

  private async round(moment: AnalyticsMoment): Promise<void> {
    const { random, report } = this;
    // Some moments come while the process of the one before still starts.
    if (random(3) > 0) await this.running();
    await this.pause(random(TRADE_MS_MAX));
    await this.cutOff(moment);
    report.rounds++;
    report.moments[moment] = (report.moments[moment] ?? 0) + 1;
    for (const tenant of this.tenants) tenant.check();
  }

  private cutOff(moment: AnalyticsMoment): Promise<void> {
    switch (moment) {
      case 'insert':
        return this.insert();
      case 'sink':
        return this.killSink();
      case 'start':
        return this.starts();
      case 'ledger':
        return this.ledger(false);
      case 'both':
        return this.ledger(true);
      case 'close':
        return this.close();
      case 'tables':
        return this.tables();
      case 'hang':
        return this.hang();
      case 'orphan':
        return this.orphan();
      case 'engine':
        return this.engine();
      default:
        return this.cut();
    }
  }

  private async insert(): Promise<void> {
    await this.intoAnInsert();
    await this.killSink();
  }

  /** Somewhere within one, or just behind it. */
  private async intoAnInsert(): Promise<void> {
    await this.running();
    await this.insertBegins();
    await this.pause(this.random(INSERT_MS_MAX));
  }

  private async starts(): Promise<void> {
    for (let kills = 1 + this.random(START_KILLS_MAX); kills > 0; kills--) {
      await this.killSink();
      await this.processId();
      await this.pause(this.random(START_MS_MAX));
    }
    await this.killSink();
  }

  private async ledger(isBoth: boolean): Promise<void> {
    if (this.random(2) === 0) await this.intoAnInsert();
    const left = analyticsPid(this.server);
    if (isBoth && left !== undefined) this.signalSink(left, 'SIGKILL');
    await this.killServer();
    await this.start();
    await this.gone(left);
  }

  private async close(): Promise<void> {
    const left = analyticsPid(this.server);
    this.server.signal('SIGTERM');
    await Promise.race([this.server.exited, this.pause(this.random(CLOSE_MS_MAX))]);
    await this.killServer();
    await this.start();
    await this.gone(left);
  }

  private async tables(): Promise<void> {
    const left = analyticsPid(this.server);
    await this.killServer();
    await this.gone(left);
    rmSync(join(this.data, 'analytics'), { recursive: true, force: true });
    await this.start();
    const made = this.random(TABLES);
    const metadata = join(this.data, 'analytics', 'clickhouse', 'metadata', 'kassa');
    await until(
      () => existsSync(metadata) && readdirSync(metadata).length >= made,
      SOON_MS,
      () => `no ${made} tables`,
    );
    await this.killSink();
  }

  private async hang(): Promise<void> {
    await this.running();
    if (this.random(2) === 0) await this.insertBegins();
    const pid = await this.processId();
    this.signalSink(pid, 'SIGSTOP');
    this.report.hangs++;
    if (this.random(2) === 0) {
      await this.pause(this.random(NAP_MS_MAX));
      this.signalSink(pid, 'SIGCONT');
    } else await this.gone(pid);
  }

  private async orphan(): Promise<void> {
    await this.running();
    await this.insertBegins();
    const pid = await this.processId();
    this.signalSink(pid, 'SIGSTOP');
    this.report.hangs++;
    await this.killServer();
    await this.start();
    await this.pause(this.random(NAP_MS_MAX));
    this.signalSink(pid, 'SIGCONT');
    await this.gone(pid);
  }

  private async engine(): Promise<void> {
    const front = this.front!;
    await this.running();
    await this.insertBegins();
    await this.pause(this.random(INSERT_MS_MAX));
    await front.kill();
    this.report.kills.engine++;
    await this.pause(this.random(NAP_MS_MAX));
    await front.start();
  }

  private async cut(): Promise<void> {
    const { random, report } = this;
    await this.running();
    const times = 1 + random(3);
    for (let i = 0; i < times; i++) {
      const table = ['accounts', 'transactions', 'postings', 'batches'][random(4)]!;
      await this.front!.fault({
        how: random(3) === 0 ? 'cut before' : 'cut after',
        match: `INSERT INTO ${table} `,
      });
    }
    report.cuts += times;
  }

  /** Waits for some insert's beginning. */
  private async insertBegins(): Promise<void> {
    let left = 1 + this.random(INSERTS_MAX);
    if (this.front !== undefined) {
      const { seen } = this.front;
      let next = seen.length;
      await until(
        () => {
          for (; next < seen.length; next++) if (seen[next]!.statement.startsWith('INSERT INTO ')) left--;
          return left <= 0;
        },
        SOON_MS,
        () => 'no insert begins',
      );
      return;
    }
    // Rows go to the embedded engine by files that come and go.
    const watcher = watch(join(this.data, 'analytics'), (_, name) => {
      if (name?.endsWith('.rowbinary')) left--;
    });
    try {
      await until(
        () => left <= 0,
        SOON_MS,
        () => 'no insert begins',
      );
    } finally {
      watcher.close();
    }
  }

  private async start(): Promise<void> {
    const analytics = this.front === undefined ? 'embedded' : this.front.urlOf('default', '', 'ledger').href;
    const shards = 1 + this.random(2);
    this.server = await ServerProcess.start({
      ...{ data: this.data, port: this.port, shards, analytics },
      args: ['--drain-s', '5'],
    });
  }

  private async killServer(): Promise<void> {
    await this.server.kill();
    this.report.kills.ledger++;
    this.count();
  }

  /** What the server that has ended said of its sink. */
  private count(): void {
    const said = this.server.output();
    // Nothing was lost but processes: that would hide a fault.
    if (/makes all tables anew|could not be opened/.test(said)) throw new Error('all tables were made anew');
    this.report.takenUp += said.match(/takes up a delivery/g)?.length ?? 0;
    this.report.remade += said.match(/analytics makes .* anew/g)?.length ?? 0;
  }

  private async killSink(): Promise<void> {
    this.signalSink(await this.processId(), 'SIGKILL');
  }

  private signalSink(pid: number, signal: NodeJS.Signals): void {
    try {
      process.kill(pid, signal);
      if (signal === 'SIGKILL') this.report.kills.sink++;
    } catch (error) {
      // It has just ended by itself, as after a kill of the server.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  /** Of the analytics process, as soon as there is one. */
  private async processId(): Promise<number> {
    let pid: number | undefined;
    await until(
      () => {
        pid = analyticsPid(this.server);
        return pid !== undefined && isAlive(pid);
      },
      SOON_MS,
      () => 'there is no analytics process',
    );
    return pid!;
  }

  private async gone(pid: number | undefined): Promise<void> {
    await until(
      () => pid === undefined || !isAlive(pid),
      SOON_MS,
      () => `the analytics process ${pid} does not end`,
    );
  }

  /** Waits until it delivers. @throws when it halted */
  private async running(lsn = 0): Promise<void> {
    let health: Awaited<ReturnType<typeof analyticsHealth>> | undefined;
    await until(
      async () => {
        health = await analyticsHealth(this.server);
        if (health['state'] === 'halted') throw new Error(`analytics halted: ${health['reason']}`);
        return health['state'] === 'running' && Number(health['cursor']) >= lsn;
      },
      DELIVERED_MS,
      () => `analytics does not get to LSN ${lsn}: ${JSON.stringify(health)}`,
    );
  }

  /** Everything is delivered; the tables are compared once nobody is at work on them. */
  private async finish(): Promise<void> {
    const { report, server, tenants } = this;
    for (const tenant of tenants) {
      await tenant.stop();
      report.acknowledged += tenant.acknowledged;
      report.longestMs = Math.max(report.longestMs, Math.round(tenant.longestMs));
    }
    await this.running(await this.settled());
    const left = analyticsPid(server);
    const { code } = await server.stop();
    if (code !== 0) throw new Error(`the stop ended with ${code}`);
    await this.gone(left);
    this.count();
    const audit = await auditOf(this.data, this.front?.urlOf('default', '', 'ledger'));
    report.ledgers++;
    report.records += audit.records;
    report.postings += audit.count;
    report.viewRows += audit.viewRows;
  }

  /** Waits for the last of the short holds to expire. @returns where the log ends then */
  private async settled(): Promise<number> {
    let [lsn, sinceMs] = [0, 0];
    await until(
      async () => {
        const now = await this.server.metric('kassa_durable_lsn');
        if (now !== lsn) [lsn, sinceMs] = [now, performance.now()];
        return performance.now() - sinceMs > QUIET_MS;
      },
      SOON_MS,
      () => 'the log does not come to rest',
    );
    return lsn;
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, ms));
  }
}
