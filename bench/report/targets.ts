import type { CaseResult, ContenderResult, Measure } from './result.js';

/** What Kassa sets out to reach on two cores with the load beside it, medians of at least five alternating rounds. */

export type Verdict = 'reached' | 'not reached' | 'not measured';

export interface TargetResult {
  readonly suite: string;
  readonly what: string;
  readonly bound: string;
  readonly value: number | undefined;
  readonly verdict: Verdict;
}

interface Target {
  readonly suite: string;
  readonly what: string;
  readonly atLeast?: number;
  readonly atMost?: number;
  /** Undefined when the run did not measure it. */
  readonly read: (find: Find) => number | undefined;
}

/** A contender, by default Kassa, of a case of the target's suite; the case's name may be a pattern. */
type Find = (name: string | RegExp, contender?: string) => ContenderResult | undefined;

/** Bytes of the id that the load's sales carry; the target is "and its id". */
const ID_BYTES = 16;

const ratio = (contender: ContenderResult | undefined) => contender?.ratio?.median;
const value = (contender: ContenderResult | undefined) => contender?.value.median;
const latency = (contender: ContenderResult | undefined, key: keyof NonNullable<Measure['latencyMs']>) =>
  contender?.typical.latencyMs?.[key];

const OPEN = 'open loop 20000/s';

const TARGETS: readonly Target[] = [
  {
    suite: 'pos',
    what: 'pos 1,000 × 1, to the echo',
    atLeast: 0.75,
    read: (find) => ratio(find('1000 × 1')),
  },
  {
    suite: 'pos',
    what: 'pos 50 × 1, to the echo',
    atLeast: 0.5,
    read: (find) => ratio(find('50 × 1')),
  },
  {
    suite: 'pos',
    what: 'pos 50 × 1, p50 ms',
    atMost: 0.7,
    read: (find) => latency(find('50 × 1'), 'p50'),
  },
  {
    suite: 'pos',
    what: 'pos open loop 20 k/s, p50 ms',
    atMost: 1,
    read: (find) => latency(find(OPEN), 'p50'),
  },
  {
    suite: 'pos',
    what: 'pos open loop 20 k/s, p99 ms',
    atMost: 3,
    read: (find) => latency(find(OPEN), 'p99'),
  },
  {
    suite: 'pos',
    what: 'pos open loop 20 k/s, p99.9 ms',
    atMost: 10,
    read: (find) => latency(find(OPEN), 'p999'),
  },
  {
    suite: 'pipelined',
    what: 'pipelined 50 × 100, to the echo',
    atLeast: 0.25,
    read: (find) => ratio(find('50 × 100')),
  },
  {
    suite: 'pipelined',
    what: 'pipelined 50 × 100, sales/s',
    atLeast: 350_000,
    read: (find) => value(find('50 × 100')),
  },
  {
    suite: 'inproc',
    what: 'inproc 1,000 callers, sales/s',
    atLeast: 400_000,
    read: (find) => value(find('1000 callers')),
  },
  {
    suite: 'batch',
    what: 'batch 8,190, two postings, sales/s',
    atLeast: 1_000_000,
    read: (find) => value(find('8190 a frame, 2 postings')),
  },
  {
    suite: 'batch',
    what: 'batch 8,190, four postings, sales/s',
    atLeast: 500_000,
    read: (find) => value(find('8190 a frame, 4 postings')),
  },
  {
    suite: 'batch',
    what: 'batch, last million of 20 to the first',
    atLeast: 0.9,
    read: (find) => ratio(find('the last million of 20', 'last million')),
  },
  {
    suite: 'pipelined',
    what: 'log bytes of a sale but its id, under full load',
    atMost: 100,
    read: (find) => {
      const bytes = find('50 × 100')?.typical.also?.['logBytesPerSale'];
      return bytes === undefined ? undefined : bytes - ID_BYTES;
    },
  },
  {
    suite: 'accounts',
    what: 'hot account to uniform',
    atLeast: 0.9,
    read: (find) => ratio(find('by distribution', 'hot')),
  },
  {
    suite: 'accounts',
    what: 'Zipf to uniform',
    atLeast: 0.9,
    read: (find) => ratio(find('by distribution', 'zipf')),
  },
  {
    suite: 'accounts',
    what: '10 M accounts to 10 k',
    atLeast: 0.7,
    read: (find) => ratio(find('by number of accounts', '10000000 accounts')),
  },
  {
    suite: 'shards',
    what: '4 shards to 1, untagged ids',
    atLeast: 0.5,
    read: (find) => ratio(find('untagged ids', '4 shards')),
  },
  {
    suite: 'shards',
    what: '4 shards to 1, tagged ids',
    atLeast: 0.85,
    read: (find) => ratio(find('tagged ids', '4 shards')),
  },
  {
    suite: 'http',
    what: 'http balances, to the bare handler',
    atLeast: 0.6,
    read: (find) => ratio(find('balances, 200 connections')),
  },
  {
    suite: 'http',
    what: 'http posts at 200 connections, /s',
    atLeast: 30_000,
    read: (find) => value(find('posts, 200 connections')),
  },
  {
    suite: 'pos',
    what: '64 connections, to PostgreSQL',
    atLeast: 10,
    read: (find) => ratio(find(/^64 × 1, uniform/)),
  },
  {
    suite: 'pos',
    what: '64 connections, hot account, to PostgreSQL',
    atLeast: 100,
    read: (find) => ratio(find(/^64 × 1, hot/)),
  },
  {
    suite: 'recover',
    what: 'restart, 10 M accounts and 20 M transactions, s',
    atMost: 20,
    read: (find) => value(find('10000000 accounts, 20000000 transactions, 1 shard', 'checkpoint')),
  },
  {
    suite: 'memory',
    what: 'bytes of an account, at the worst moment',
    atMost: 160,
    read: (find) => value(find(/^of an account .* 1000000 of them$/, 'kassa, worst')),
  },
  {
    suite: 'memory',
    what: 'bytes of a remembered id, at the worst moment',
    atMost: 64,
    read: (find) => value(find(/^of a remembered id, 1000000 of them$/, 'kassa, worst')),
  },
  {
    suite: 'analytics',
    what: 'p99 of tills at 20 k/s, to that without analytics',
    atMost: 2,
    read: (find) => {
      const [on, off] = ['kassa', 'analytics off'].map((name) => latency(find(OPEN, name), 'p99'));
      return on === undefined || off === undefined ? undefined : on / off;
    },
  },
  {
    suite: 'sink',
    what: 'postings/s of a sink that catches up',
    atLeast: 200_000,
    read: (find) => value(find('catch-up of 1000000 transactions')),
  },
  {
    suite: 'statement',
    what: 'ms of a page of 100 rows among 10 M postings, median, wherever it lies',
    atMost: 50,
    read: (find) => {
      const name = 'a page of 100 among 10000000';
      const places = ['from a moment', 'behind a cursor', 'newest first'];
      const found = places.map((place) => latency(find(name, `kassa, ${place}`), 'p50'));
      return found.some((ms) => ms === undefined) ? undefined : Math.max(...(found as number[]));
    },
  },
];

/** Each target with what was measured. */
export function judgeTargets(results: readonly CaseResult[]): TargetResult[] {
  const finder =
    (suite: string): Find =>
    (name, contender = 'kassa') =>
      results
        .findLast((result) => result.suite === suite && isNamed(result.name, name))
        ?.contenders.find((one) => one.name === contender);
  return TARGETS.map(({ suite, what, atLeast, atMost, read }) => {
    const measured = read(finder(suite));
    const bound = atLeast === undefined ? `≤ ${atMost}` : `≥ ${atLeast}`;
    if (measured === undefined) return { suite, what, bound, value: undefined, verdict: 'not measured' };
    const isReached = measured >= (atLeast ?? -Infinity) && measured <= (atMost ?? Infinity);
    return { suite, what, bound, value: measured, verdict: isReached ? 'reached' : 'not reached' };
  });
}

function isNamed(name: string, wanted: string | RegExp): boolean {
  return typeof wanted === 'string' ? name === wanted : wanted.test(name);
}

/** Those of the suites that ran. */
export function targetTable(targets: readonly TargetResult[]): string {
  const rows = targets.map(({ what, bound, value: measured, verdict }) => {
    const figure =
      measured === undefined ? '-' : measured >= 1000 ? measured.toFixed(0) : measured.toFixed(2);
    return `  ${what.padEnd(50)}${bound.padStart(11)}${figure.padStart(12)}   ${verdict}`;
  });
  return `\ntargets${' '.repeat(45)}${'target'.padStart(11)}${'measured'.padStart(12)}\n${rows.join('\n')}\n`;
}
