import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { AnalyticsDesk, AnalyticsState } from '../analytics/desk.js';

type Read = (state: AnalyticsState) => number;

/** Adds what is known of analytics. Whichever gateway is asked, the figures are of the one process there is. */
export function addAnalytics(registry: Registry, desk: AnalyticsDesk, durableLsn: () => number): void {
  const gauges: readonly (readonly [name: string, help: string, read: Read])[] = [
    ['up', '1 while analytics delivers or is up to date', ({ state }) => (state === 'running' ? 1 : 0)],
    ['halted', '1 when an operator has to act', ({ state }) => (state === 'halted' ? 1 : 0)],
    ['cursor', 'Highest LSN that is delivered', ({ cursor }) => cursor],
    [
      'lag_lsns',
      'LSNs that are durable and not delivered',
      ({ state, cursor }) => (state === 'off' ? 0 : Math.max(0, durableLsn() - cursor)),
    ],
    ['lag_seconds', 'Age of the oldest record that is not delivered', ({ lagSeconds }) => lagSeconds],
    ['rows_per_second', 'Postings delivered a second', ({ rowsPerSecond }) => rowsPerSecond],
    ['rss_bytes', 'Memory of the analytics process', ({ rssBytes }) => rssBytes],
    ['questions', 'Questions that await their answer', ({ questions }) => questions],
  ];
  for (const [name, help, read] of gauges) {
    new Gauge({
      name: `kassa_analytics_${name}`,
      help,
      registers: [registry],
      collect() {
        this.set(read(desk.state()));
      },
    });
  }
  const process = 'since the analytics process started';
  const counters: readonly (readonly [name: string, help: string, read: Read])[] = [
    ['rows', `Rows delivered ${process}`, ({ rows }) => rows],
    ['batches', `Batches delivered ${process}`, ({ batches }) => batches],
    ['retries', `Deliveries that were tried again ${process}`, ({ retries }) => retries],
    ['dead_letters', `Batches put aside ${process}`, ({ deadLetters }) => deadLetters],
    ['remakes', `Times all tables were dropped and made anew ${process}`, ({ remakes }) => remakes],
    ['restarts', 'Starts of the analytics process after its first', ({ restarts }) => restarts],
  ];
  for (const [name, help, read] of counters) {
    new Counter({
      name: `kassa_analytics_${name}_total`,
      help,
      registers: [registry],
      collect() {
        this.reset();
        this.inc(read(desk.state()));
      },
    });
  }
  const seconds = new Histogram({
    name: 'kassa_analytics_query_seconds',
    help: 'Time of answers to analytics questions, by report',
    labelNames: ['report'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers: [registry],
  });
  desk.watch({ state: () => undefined, timing: (report, took) => seconds.observe({ report }, took) });
}
