import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished } from 'vitest';
import { type Code, codeName, type RefusalCode } from '../../engine/codes.js';
import type { AccountInput, Outcome, Refusal, TransactionReply } from '../../engine/types.js';
import { type Ledger, type LedgerOptions, openLedger } from '../../src/ledger.js';
import type { Caller, CompactSink, Permission, Session } from '../../src/session.js';
import type { Command } from './model.js';
import { perform } from './perform.js';

/** Helpers of the tests that run the real ledger inside the test's process. */

export const SHARD_COUNTS = [1, 2, 4] as const;

const POS: readonly Permission[] = [
  'accounts:read',
  'transactions:create',
  'transactions:read',
  'transactions:end',
];
const TELLER: readonly Permission[] = [
  ...POS,
  'accounts:create',
  'transactions:end_any',
  'transactions:reverse',
];
/** The contract's roles as sets of permissions. */
export const ROLES = {
  pos: new Set(POS),
  teller: new Set(TELLER),
  approver: new Set<Permission>([...TELLER, 'transactions:approve']),
  auditor: new Set<Permission>(['accounts:read', 'transactions:read']),
} as const;

/** A ledger of its own directory, which may be closed and opened again. Gone when the test is over. */
export class World {
  private readonly failures: Error[] = [];
  private current: Ledger | undefined;

  private constructor(
    readonly data: string,
    private readonly options: Partial<LedgerOptions>,
  ) {}

  static async open(shards: number, options: Partial<LedgerOptions> = {}): Promise<World> {
    const world = new World(await mkdtemp(join(tmpdir(), 'kassa-test-')), options);
    onTestFinished(async () => {
      await world.close();
      await rm(world.data, { recursive: true, force: true });
      if (world.failures[0] !== undefined) throw world.failures[0];
    });
    await world.start(shards);
    return world;
  }

  private async start(shards: number): Promise<void> {
    const onFatal = (reason: Error) => this.failures.push(reason);
    // A checkpoint at every turn, so that each restart is one from a checkpoint, most of them with a rest of the log.
    const options = { checkpointRecords: 1, ...this.options };
    this.current = await openLedger({
      threads: shards === 1 ? 1 : shards + 1,
      ...options,
      data: this.data,
      shards,
      onFatal,
    });
  }

  get ledger(): Ledger {
    if (this.current === undefined) throw new Error('the ledger is not open');
    return this.current;
  }

  /** A session that may all. */
  as(tenant = 'shop', by = 'ann'): Session {
    return this.ledger.as({ tenant, by });
  }

  /** Closes the ledger and opens the same directory with so many shards. */
  async reopen(shards: number): Promise<void> {
    await this.close();
    await this.start(shards);
  }

  async close(): Promise<void> {
    const before = this.current;
    this.current = undefined;
    await before?.close();
  }
}

/** The code of an outcome; what is answered from what is known already is a `duplicate`. */
export function codeOf(outcome: Outcome<object>): Code {
  if (!outcome.ok) return outcome.code;
  return (outcome.body as { duplicate?: true }).duplicate === true ? 'duplicate' : 'ok';
}

/** The body of an accepted command. @throws when it was refused */
export function must<T extends object>(outcome: Outcome<T>): T {
  if (!outcome.ok) throw new Error(`refused with ${outcome.code}: ${outcome.detail}`);
  return outcome.body;
}

/** The refusal of a command that must not pass. @throws when it was accepted or has another code */
export function refusal(outcome: Outcome<object>, code: RefusalCode): Refusal {
  if (outcome.ok) throw new Error(`accepted, and ${code} was due`);
  if (outcome.code !== code)
    throw new Error(`refused with ${outcome.code}, and ${code} was due: ${outcome.detail}`);
  return outcome;
}

/** Repeats a command that was refused for load alone: "nothing was done; retry". */
export async function persist<T>(send: () => Promise<Outcome<T>>): Promise<Outcome<T>> {
  for (;;) {
    const outcome = await send();
    if (outcome.ok || outcome.code !== 'overloaded') return outcome;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Waits until the condition gives something. @throws when the deadline passes */
export async function until<T>(
  what: string,
  condition: () => T | undefined | false | Promise<T | undefined | false>,
  deadlineMs = 15_000,
): Promise<T> {
  const end = Date.now() + deadlineMs;
  for (;;) {
    const value = await condition();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > end) throw new Error(`still waiting after ${deadlineMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** @throws when the promise is still open after the deadline: an answer that never comes */
export async function within<T>(what: string, pending: Promise<T>, deadlineMs = 15_000): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer after ${deadlineMs} ms: ${what}`)), deadlineMs);
  });
  try {
    return await Promise.race([pending, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Creates accounts, by default EUR assets without a minimum. */
export async function accounts(
  session: Session,
  ids: readonly string[],
  options: Partial<AccountInput> = {},
): Promise<void> {
  const inputs = ids.map(
    (id) => ({ id, currency: 'EUR', type: 'asset', min_balance: null, ...options }) as const,
  );
  for (const result of must(await session.createAccounts({ accounts: inputs })).results) {
    if (!result.ok) throw new Error(`account refused: ${result.code} ${result.detail}`);
  }
}

/** A posted transaction of two postings that must pass. */
export async function move(
  session: Session,
  id: string,
  debit: string,
  credit: string,
  amount: number | bigint,
): Promise<TransactionReply> {
  return must(await session.transaction({ id, debit, credit, amount }));
}

export async function balanceAt(session: Session, id: string): Promise<bigint> {
  return must(await session.balance(id)).balance;
}

export interface CompactAnswer {
  readonly code: Code;
  readonly lsn: number;
}

/** Sends one compact command and waits for its answer. */
export function compact(session: Session, frame: readonly unknown[]): Promise<CompactAnswer> {
  return new Promise((resolve, reject) => {
    const sink: CompactSink = {
      answer: (rid, n, lsn) =>
        rid === frame[0] ? resolve({ code: codeName(n), lsn }) : reject(new Error(`answer for ${rid}`)),
      answerBatch: () => reject(new Error('a batch was answered')),
    };
    if (!session.compact(frame, sink)) reject(new Error('not taken as a compact frame'));
  });
}

export interface CompactBatchAnswer {
  readonly lsn: number;
  /** Index and code of each entry that is not `ok`. */
  readonly refused: readonly (readonly [index: number, code: Code])[];
}

/** Sends one compact batch and waits for its answer. A batch refused whole rejects with the code. */
export function compactBatch(session: Session, frame: readonly unknown[]): Promise<CompactBatchAnswer> {
  return new Promise((resolve, reject) => {
    const sink: CompactSink = {
      answer: (_, n) => reject(new Error(codeName(n))),
      answerBatch: (_, lsn, refused) =>
        resolve({ lsn, refused: refused.map(([index, n]) => [index, codeName(n)] as const) }),
    };
    if (!session.compact(frame, sink)) reject(new Error('not taken as a compact frame'));
  });
}

/** Gives a command of the model to the real ledger. */
export function execute(ledger: Ledger, command: Command): Promise<Outcome<object>> {
  return perform(ledger.as(command.caller), command);
}

/** A caller of the role, or one that may all. */
export function caller(tenant: string, by: string, role?: keyof typeof ROLES): Caller {
  return role === undefined ? { tenant, by } : { tenant, by, permissions: ROLES[role] };
}

/** The code of a command under way. */
export async function answer(pending: Promise<Outcome<object>>): Promise<Code> {
  return codeOf(await pending);
}

/** One tenant of the ledger that a file of tests shares. */
export interface Shop {
  readonly tenant: string;
  readonly session: Session;
  as(by: string, limits?: Omit<Caller, 'tenant' | 'by'>): Session;
}

/**
 * Opens one ledger for all tests of the file, which keep apart by being tenants of their own.
 * @returns makes the next tenant
 */
export function shopsOf(shards: number): () => Shop {
  let ledger: Ledger | undefined;
  let data = '';
  let fatal: Error | undefined;
  let count = 0;
  beforeAll(async () => {
    data = await mkdtemp(join(tmpdir(), 'kassa-test-'));
    const onFatal = (reason: Error) => {
      fatal = reason;
    };
    ledger = await openLedger({ data, shards, onFatal });
  });
  afterAll(async () => {
    await ledger?.close();
    await rm(data, { recursive: true, force: true });
    expect(fatal).toBeUndefined();
  });
  return () => {
    const tenant = `shop-${++count}`;
    const as = (by: string, limits = {}) => ledger!.as({ tenant, by, ...limits });
    return { tenant, session: as('ann'), as };
  };
}
