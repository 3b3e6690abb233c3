import type { BalanceBody, Refusal } from '../../engine/types.js';

/**
 * What the server's process and the analytics process say to each other, over the channel of `child_process`. The server's process asks,
 * tells how far the log is durable, and watches the heartbeat; it never waits for an answer while a till does.
 */

/** Where committed postings go. */
export type Target = { readonly kind: 'embedded' } | { readonly kind: 'server'; readonly url: string };

/** What the analytics process is started with: the first message. */
export interface Start {
  readonly type: 'start';
  /** The ledger's data directory; the embedded engine lives in its folder `analytics`. */
  readonly data: string;
  readonly target: Target;
  /** Default time zone of reports, IANA name. */
  readonly zone: string;
  /** Days after which postings are dropped from ClickHouse; 0 keeps them. The log keeps all. */
  readonly ttlDays: number;
  /** Free bytes of the data directory's disk below which the embedded engine takes no rows: they are for the log. */
  readonly keptBytes: number;
  /** URL of a read-only user for the SQL endpoint on a server; undefined: the endpoint is refused there. */
  readonly sqlUrl: string | undefined;
  /** Milliseconds from which on an answer is told as slow. */
  readonly slowQueryMs: number;
}

/** A request under `/v1/analytics/` (or `/v1/rates`), permission checked, with the caller's tenant. */
export interface Question {
  readonly type: 'ask';
  readonly id: number;
  readonly tenant: string;
  /** The caller's name (token's `sub`): kept with the rates that he sets. */
  readonly who: string;
  /** Prefixes of the accounts that the caller may see; all without. Whether he may ask at all has been judged. */
  readonly reach?: readonly string[];
  readonly method: 'GET' | 'POST' | 'PUT';
  /** Behind `/v1/`, such as `analytics/overview`, percent-encoding as it came. */
  readonly path: string;
  /** The raw query string, without `?`. */
  readonly query: string;
  /** The decoded JSON body, integers beyond 2^53 as bigint. */
  readonly body?: unknown;
  /** Of `reconcile`: the engine's own balance, exact at its LSN. */
  readonly engine?: EngineBalance;
}

export type EngineBalance = Pick<
  BalanceBody,
  'lsn' | 'balance' | 'debits_posted' | 'credits_posted' | 'debits_pending' | 'credits_pending'
>;

export type ToAnalytics =
  | Start
  | Question
  /** Sent several times a second, and at once when something new is durable and nothing was told lately. */
  | { readonly type: 'durable'; readonly lsn: number }
  /** The asker has gone. */
  | { readonly type: 'cancel'; readonly id: number }
  | { readonly type: 'stop' };

/** An answer: what goes to the client as it is, or why there is none. */
export type Answer<Body = string> = { readonly type: 'answer'; readonly id: number } & (
  | {
      readonly ok: true;
      readonly contentType: string;
      readonly body: Body;
      readonly headers?: readonly (readonly [name: string, value: string])[];
    }
  | { readonly ok: false; readonly refusal: Refusal }
);

/** As it is sent: the server's process, which has tills to answer, need not read and write it anew. */
export type SentAnswer = Answer<Uint8Array>;

/** How the sink stands. Sent at least each second: it is the heartbeat. */
export interface SinkStatus {
  readonly type: 'status';
  /**
   * starting: opening ClickHouse, migrations, resuming. running: delivering, or up to date. retrying: ClickHouse is away. halted: a batch was put
   * aside, or what ClickHouse holds does not belong to this log; `reason` says which, and an operator has to act.
   */
  readonly state: 'starting' | 'running' | 'retrying' | 'halted';
  readonly reason?: string;
  /** Highest LSN that is delivered. */
  readonly cursor: number;
  /** LSNs that are durable and not delivered. */
  readonly lagLsns: number;
  /** Age of the oldest record that is not delivered, seconds; 0 when up to date. */
  readonly lagSeconds: number;
  /** Rows of postings a second, over the last seconds. */
  readonly rowsPerSecond: number;
  /** Since the process started. */
  readonly rows: number;
  readonly batches: number;
  readonly retries: number;
  readonly deadLetters: number;
  /** How often all tables were dropped, to be made anew from the log. */
  readonly remakes: number;
  /** Memory of the process, bytes. */
  readonly rssBytes: number;
}

/** One query for the metrics. */
export interface QueryTiming {
  readonly type: 'timing';
  /** The report, such as `overview`. */
  readonly report: string;
  readonly seconds: number;
}

/** An answer that took long, for the server's log. */
export interface SlowAnswer {
  readonly type: 'slow';
  readonly report: string;
  readonly seconds: number;
  readonly tenant: string;
  /** What was delivered when it was given. */
  readonly lsn: number;
}

export type FromAnalytics =
  | SinkStatus
  | SentAnswer
  | QueryTiming
  | SlowAnswer
  /** For the server's log. */
  | { readonly type: 'log'; readonly level: 'info' | 'warn' | 'error'; readonly message: string };
