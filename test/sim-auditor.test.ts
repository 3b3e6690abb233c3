import { describe, expect, test } from 'vitest';
import { CODES } from '../engine/codes.js';
import type { Ledger } from '../src/ledger.js';
import type { CompactSink, Session } from '../src/session.js';
import { Auditor } from './sim/auditor.js';
import { Clients } from './sim/clients.js';
import { inMacrotask } from './sim/microtasks.js';
import { play } from './sim/world.js';
import { SHARD_COUNTS, until, World } from './support/ledger.js';
import { readLog } from './support/log-records.js';

/** The clients and the auditor of the simulator, against the real ledger in the test's process. */

const TIMEOUT_MS = 180_000;
/** Fewer than the clients would have, so that each action says something. */
const UNDER_WAY_MAX = 16;
/** Time passes on a busy machine between the note of a call and the call itself. */
const CLOCK_ERROR_MS = 500;

/** The clock that all threads of an open ledger share. */
function clockOf(ledger: Ledger): () => number {
  const { threads } = ledger as unknown as { readonly threads: { now(): number } };
  return () => threads.now();
}

/** A session whose answers get lost once the client is gone. */
function muted(session: Session, isHeard: () => boolean): Session {
  const never = new Promise<never>(() => undefined);
  return new Proxy(session, {
    get(target, name) {
      if (name === 'compact') {
        return (frame: readonly unknown[], sink: CompactSink) =>
          target.compact(frame, {
            answer: (...answer) => isHeard() && sink.answer(...answer),
            answerBatch: (...answer) => isHeard() && sink.answerBatch(...answer),
          });
      }
      const method = target[name as keyof Session] as unknown;
      if (typeof method !== 'function') return method;
      return (...sent: unknown[]) =>
        (method.apply(target, sent) as Promise<unknown>).then((answer) => (isHeard() ? answer : never));
    },
  });
}

class Run {
  readonly auditor = new Auditor();
  readonly clients: Clients;
  private action = 0;
  private life = 0;

  constructor(
    readonly world: World,
    readonly seed: number,
  ) {
    this.clients = new Clients(seed, this.auditor);
    this.connect();
  }

  private connect(): void {
    const { ledger } = this.world;
    const life = ++this.life;
    this.clients.connect({
      as: (caller) => muted(ledger.as(caller), () => this.life === life),
      now: clockOf(ledger),
      durable: () => ledger.stats().durableLsn,
      clockErrorMs: CLOCK_ERROR_MS,
    });
  }

  async act(times: number): Promise<void> {
    for (let i = 0; i < times; i++) {
      this.clients.act(this.action++);
      if (i % 4 === 3) await new Promise((resolve) => setImmediate(resolve));
      await until('answers', () => this.clients.inFlight < UNDER_WAY_MAX);
    }
  }

  async rest(): Promise<void> {
    await until('all answers', () => this.clients.inFlight === 0);
  }

  /** The clients hear nothing more; the ledger is closed, judged and opened again. */
  async reopen(shards: number): Promise<void> {
    this.clients.crashed();
    this.life++;
    await this.world.close();
    this.audit();
    await this.world.reopen(shards);
    this.connect();
  }

  audit(): void {
    try {
      this.auditor.audit({ records: readLog(this.world.data) });
    } catch (error) {
      throw new Error(`seed ${this.seed}: ${(error as Error).message}`, { cause: error });
    }
  }

  /** Asks for everything and judges the whole. */
  async end(): Promise<void> {
    await this.rest();
    this.clients.inspect();
    await this.rest();
    this.audit();
    await this.world.close();
  }
}

describe('what random clients hear of the real ledger is explained by its log', () => {
  test.each(SHARD_COUNTS)('on %i shards, with restarts', { timeout: TIMEOUT_MS }, async (shards) => {
    for (let seed = 1; seed <= 2; seed++) {
      const run = new Run(await World.open(shards), seed);
      await run.act(60);
      await run.reopen((shards % 4) + 1);
      await run.act(60);
      await run.reopen(shards);
      await run.act(30);
      await run.end();
    }
  });
});

/** A few dozen are enough. */
const SEEDS_MAX = 100;

/** What must be found in the histories of some seeds. Refusals by operation that the contract has. */
const REFUSALS = {
  transaction: [
    ...['invalid_request', 'invalid_amount', 'unbalanced', 'forbidden', 'account_not_found', 'id_reused'],
    ...['already_voided', 'insufficient_funds', 'limit_exceeded', 'account_frozen', 'account_closed'],
    ...['currency_mismatch', 'overflow', 'too_large'],
  ],
  post: [
    ...[
      'invalid_request',
      'forbidden',
      'transaction_not_found',
      'already_posted',
      'already_voided',
      'expired',
    ],
    ...['not_pending', 'exceeds_original', 'account_frozen'],
  ],
  void: ['forbidden', 'already_posted', 'already_voided', 'expired', 'not_pending'],
  reverse: [
    ...[
      'invalid_request',
      'forbidden',
      'transaction_not_found',
      'id_reused',
      'already_voided',
      'exceeds_original',
    ],
    ...['not_posted', 'insufficient_funds', 'limit_exceeded', 'account_frozen'],
  ],
  status: ['forbidden', 'transaction_not_found'],
  createAccount: ['invalid_request', 'forbidden', 'account_exists', 'limit_exceeded'],
  updateAccount: ['forbidden', 'account_not_found', 'limit_exceeded', 'balance_not_zero'],
  account: ['forbidden', 'account_not_found'],
  balance: ['forbidden', 'account_not_found'],
} as const;

const CLASSES = [
  ...Object.entries(REFUSALS).flatMap(([op, codes]) => ['ok', ...codes].map((code) => `${op}: ${code}`)),
  ...['transaction: duplicate', 'reverse: duplicate', 'createAccount: duplicate'],
  ...['map', 'batch', 'accounts', 'compact', 'compactBatch'].map((kind) => `said as ${kind}`),
  ...['posted', 'pending', 'post', 'void', 'expire', 'reversal', 'tombstone', 'account', 'accountUpdate'].map(
    (kind) => `record: ${kind}`,
  ),
  ...['short form', 'long form', 'one tag', 'several tags', 'many postings', '64 postings'],
  ...['an account more than once', 'a huge amount', 'a tagged posting', 'made from a terminal'],
  ...['code', 'reference', 'effective_at', 'metadata', 'currency'].map((option) => `with ${option}`),
  ...['a plain hold', 'a hold that expires', 'a hold for approval', 'beyond reach', 'limited caller'],
  ...['post', 'reverse'].flatMap((op) =>
    ['the whole', 'an amount', 'postings'].map((part) => `${op} of ${part}`),
  ),
  ...[
    'frozen',
    'frozen undone',
    'closed',
    'closed undone',
    'min_balance',
    'max_balance',
    'group',
    'metadata',
  ].map((field) => `update: ${field}`),
  ...[
    'a call without an answer',
    'lost, and done',
    'lost, and not done',
    'reversals of one original at once',
  ],
  ...[
    ...[
      'transaction and transaction',
      'status and transaction',
      'transaction and void',
      'post and transaction',
    ],
    ...['post and post', 'post and void', 'post and reverse', 'status and void'],
    ...['createAccount and createAccount', 'balance and updateAccount', 'balance and balance'],
  ].map((pair) => `${pair} of one at once`),
];

describe('the clients say', () => {
  test('everything the contract has, and hear every refusal', { timeout: TIMEOUT_MS }, async () => {
    const missing = new Set(CLASSES);
    for (let seed = 1; seed <= SEEDS_MAX && missing.size > 0; seed++) {
      const { coverage } = await inMacrotask(() => play({ seed }));
      for (const what of coverage().keys()) missing.delete(what);
    }
    expect([...missing]).toEqual([]);
  });

  test('nothing that has no name', () => {
    const codes = new Set(CLASSES.map((what) => what.split(': ')[1]).filter((code) => code! in CODES));
    // Tokens, rates and load are the gateway's; an original that is no posted transaction is the reversal's.
    const others = ['unauthenticated', 'rate_limited', 'overloaded', 'not_ready'];
    expect([...codes, ...others].sort()).toEqual(Object.keys(CODES).sort());
  });
});
