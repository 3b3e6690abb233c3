import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { CODES } from '../../engine/codes.js';
import type { AnalyticsDesk } from '../analytics/desk.js';
import type { FeedLine } from '../feed/line.js';
import type { Admission } from './admission.js';
import { addAnalytics } from './analytics-metrics.js';
import { type Latency, type LiveFigures, Pace } from './live.js';

export type Channel = 'http' | 'ws';

/** One in so many commands is timed: an observation costs as much as a compact reply. */
const SAMPLE_EVERY = 64;
/** While somebody watches, so many are timed one after the other, that a quiet shop has figures too. */
const SAMPLES_WHEN_WATCHED = 16;
const CODE_NUMBERS = 64;
/** Stands in for a code when the server itself failed: such an answer has none in the contract. */
export const INTERNAL_FAULT = CODE_NUMBERS - 1;
const COUNTED: readonly (readonly [name: string, n: number])[] = [
  ...Object.entries(CODES).map(([name, { n }]) => [name, n] as const),
  ['internal', INTERNAL_FAULT],
];

export interface LiveBody {
  readonly connections: number;
  readonly latency: Latency;
  readonly recordsPerSecond: number;
}

/**
 * What the gateway counts, and the text of `GET /metrics`. Hot paths add to plain arrays; everything else is read when
 * someone asks.
 */
export class Metrics {
  readonly contentType: string;
  connections = 0;
  /** Transactions that the live feed gave to sockets. */
  feedTransactions = 0;
  private readonly answered: Record<Channel, Float64Array> = {
    http: new Float64Array(CODE_NUMBERS),
    ws: new Float64Array(CODE_NUMBERS),
  };
  private untilSample = SAMPLE_EVERY;
  private extraSamples = 0;
  private readonly pace = new Pace();
  private readonly registry = new Registry();
  private readonly latency: Histogram<'channel'>;

  constructor(
    private readonly admission: Admission,
    private readonly liveFigures: LiveFigures,
    analytics: AnalyticsDesk,
  ) {
    this.contentType = this.registry.contentType;
    collectDefaultMetrics({ register: this.registry });
    this.latency = new Histogram({
      name: 'kassa_command_seconds',
      help: `Time from request to answer, of one command in ${SAMPLE_EVERY}, or more while somebody watches`,
      labelNames: ['channel'],
      buckets: [0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
      registers: [this.registry],
    });
    this.addAnswers();
    this.addGateway();
    this.addLedger();
    addAnalytics(this.registry, analytics, () => this.admission.ledger?.stats().durableLsn ?? 0);
    this.addFeed();
  }

  /** @param n number of the answer's code */
  count(channel: Channel, n: number): void {
    this.answered[channel][n]!++;
  }

  /** Whether the command at hand is to be timed. */
  sample(): boolean {
    if (--this.untilSample > 0) return false;
    this.untilSample = SAMPLE_EVERY;
    if (this.extraSamples > 0) {
      this.extraSamples--;
      this.untilSample = 1;
    }
    return true;
  }

  /** @param startedAtMs of `performance.now()` */
  observe(channel: Channel, startedAtMs: number): void {
    const ms = performance.now() - startedAtMs;
    this.latency.observe({ channel }, ms / 1000);
    this.liveFigures.observe(ms);
  }

  /** To be called twice a second: what figures of the last seconds are made of. */
  tick(): void {
    this.liveFigures.connections = this.connections;
    if (this.admission.ledger !== undefined) {
      this.pace.note(performance.now(), this.admission.ledger.stats().durableLsn);
    }
  }

  /** Figures of the last seconds. Whoever asks watches, so the next commands are timed one by one. */
  live(durableLsn: number): LiveBody {
    this.untilSample = Math.min(this.untilSample, 1);
    this.extraSamples = SAMPLES_WHEN_WATCHED;
    this.liveFigures.connections = this.connections;
    return {
      connections: this.liveFigures.connections,
      latency: this.liveFigures.latency(),
      recordsPerSecond: this.pace.perSecond(performance.now(), durableLsn),
    };
  }

  async text(): Promise<string> {
    return this.registry.metrics();
  }

  private addAnswers(): void {
    const { answered } = this;
    new Counter({
      name: 'kassa_answers_total',
      help: 'Answers by code; a batch counts once',
      labelNames: ['channel', 'code'],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const channel of ['http', 'ws'] as const) {
          for (const [code, n] of COUNTED) {
            const count = answered[channel][n]!;
            if (count > 0) this.inc({ channel, code }, count);
          }
        }
      },
    });
  }

  private addGateway(): void {
    this.gauge('kassa_connections', 'Open WebSocket connections', () => this.connections);
    this.gauge('kassa_commands_in_flight', 'Commands that await their answer', () => this.admission.inFlight);
    this.gauge('kassa_ready', '1 when new work is taken', () =>
      this.admission.unready() === undefined ? 1 : 0,
    );
  }

  private addLedger(): void {
    const figures = {
      kassa_shards: ['shards', 'Shard threads'],
      kassa_lsn: ['lsn', 'Highest LSN that was claimed'],
      kassa_durable_lsn: ['durableLsn', 'Highest LSN known to be synced'],
      kassa_checkpoint_lsn: ['checkpointLsn', 'LSN of the newest checkpoint'],
      kassa_accounts: ['accounts', 'Accounts'],
      kassa_account_bytes: ['accountBytes', 'Memory of the accounts'],
      kassa_remembered_ids: ['rememberedIds', 'Transaction ids remembered'],
      kassa_remembered_id_bytes: ['rememberedIdBytes', 'Memory of the remembered ids'],
      kassa_open_holds: ['openHolds', 'Pending transactions'],
      kassa_ledger_in_flight: ['inFlight', 'Commands inside the ledger'],
      kassa_log_commits: ['commits', 'Log commits since the start'],
      kassa_disk_free_bytes: ['diskFreeBytes', 'Free bytes on the disk of the data directory'],
      kassa_jobs: ['jobs', 'Transactions that wait for another shard or an earmark'],
    } as const;
    for (const [name, [key, help]] of Object.entries(figures)) {
      this.gauge(name, help, () => this.admission.ledger?.stats()[key] ?? 0);
    }
  }

  private addFeed(): void {
    this.gauge('kassa_feed_subscriptions', 'Subscriptions of the live feed', () => this.feed()?.size ?? 0);
    this.gauge(
      'kassa_feed_lag_lsns',
      'LSNs that the slowest subscription is behind the durable LSN',
      () => this.feed()?.lag() ?? 0,
    );
    const sent = () => this.feedTransactions;
    new Counter({
      name: 'kassa_feed_transactions_total',
      help: 'Transactions given to subscriptions',
      registers: [this.registry],
      collect() {
        this.reset();
        this.inc(sent());
      },
    });
  }

  private feed(): FeedLine | undefined {
    return this.admission.ledger?.feed;
  }

  private gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name,
      help,
      registers: [this.registry],
      collect() {
        this.set(read());
      },
    });
  }
}
