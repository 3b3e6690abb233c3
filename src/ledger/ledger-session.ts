import { CODES } from '../../engine/codes.js';
import { CommandFlag, Op, Result, ResultFlag } from '../../engine/command.js';
import { IdKind } from '../../engine/ids.js';
import { BATCH_MAX } from '../../engine/limits.js';
import type { RingConsumer } from '../../engine/mailbox.js';
import type {
  AccountBody,
  AccountInput,
  AccountUpdateInput,
  BalanceBody,
  BatchBody,
  BatchEntry,
  DescribedInput,
  Outcome,
  PartInput,
  Refusal,
  ReversalInput,
  TransactionBody,
  TransactionInput,
  TransactionReply,
} from '../../engine/types.js';
import type { Caller, CompactSink, Permission, Session } from '../session.js';
import { AccountCall, type BodyOf } from './account-call.js';
import { encodeAccount, encodeAccountUpdate } from './account-requests.js';
import {
  type Answer,
  AnswerCall,
  type Call,
  forbidden,
  OVERLOADED,
  outOfReach,
  refusal,
  refusalOf,
} from './answers.js';
import { BatchRun } from './batch-run.js';
import { accountBody, balanceBody, type Lookup, parseLookup, transactionBody } from './bodies.js';
import { type CompactEntries, type CompactFrame, CompactList } from './compact-frame.js';
import {
  type CallerPrefix,
  CommandEncoder,
  FULL_RESULT_BYTES,
  PLAIN_RESULT_BYTES,
  READ_RESULT_BYTES,
} from './encoder.js';
import type { Fact, FactReader } from './facts.js';
import { isPlainObject } from './fields.js';
import type { Front, Handler } from './front.js';
import { encodeCompact, encodeEnd, encodeQuestion, encodeTransaction } from './requests.js';
import { reverse } from './reversals.js';
import { TransactionCall, transactionReply } from './transaction-replies.js';

/** What a session stands on: one front, and the reader of stored records. */
export interface SessionHost {
  readonly front: Front;
  readonly reader: FactReader;
  now(): number;
  /** Why no new work is taken, or undefined. */
  notReady(): string | undefined;
  /** Why no new work is taken that would write, or undefined. */
  noRoom(): string | undefined;
}

/** Passes compact answers to a sink; the tag of a command is its rid. */
class SinkHandler implements Handler {
  constructor(private readonly sink: CompactSink) {}

  done(rid: number, ring: RingConsumer, m: number): void {
    this.sink.answer(rid, ring.bytes[m + Result.code]!, ring.f64[(m + Result.lsn) >> 3]!);
  }
}

const encoder = new CommandEncoder();

/** {@link Session} over one front. */
export class LedgerSession implements Session {
  private readonly flags: number;
  private sinkHandler: SinkHandler | undefined;
  private sink: CompactSink | undefined;

  constructor(
    readonly caller: Caller,
    readonly prefix: CallerPrefix,
    readonly host: SessionHost,
  ) {
    this.flags =
      (this.may('transactions:end_any') ? CommandFlag.mayEndAny : 0) |
      (this.may('transactions:approve') ? CommandFlag.mayApprove : 0);
  }

  private may(permission: Permission): boolean {
    return this.caller.permissions === undefined || this.caller.permissions.has(permission);
  }

  /** The first thing that forbids a command whose body is sound: readiness, permission, an account out of reach. */
  denied(permission: Permission): Refusal | undefined {
    return this.unready(permission) ?? this.barred(permission);
  }

  /** Nothing of this kind is taken now. Asked once for a batch, which is admitted whole or refused whole. */
  private unready(permission: Permission): Refusal | undefined {
    let reason = this.host.noRoom();
    if (reason !== undefined && READS.has(permission)) reason = undefined;
    reason = this.host.notReady() ?? reason;
    return reason === undefined ? undefined : { ok: false, code: 'not_ready', detail: reason };
  }

  /** The caller may not do what the encoder holds. */
  private barred(permission: Permission): Refusal | undefined {
    if (!this.may(permission)) return forbidden(permission);
    if (encoder.forbidden !== undefined) return outOfReach(encoder.forbidden);
    return undefined;
  }

  /** Sends what the encoder holds. @returns the answer, or the refusal when too much is in flight */
  call(): Promise<Answer> | Refusal {
    return this.give(new AnswerCall()) ?? OVERLOADED;
  }

  /** Sends what the encoder holds. @returns the call's promise, or undefined when too much is in flight */
  private give<T>(call: Call<T>): Promise<T> | undefined {
    return this.host.front.send(encoder, call, 0) ? call.promise : undefined;
  }

  /** Not async, nor is what it calls: the promise of the call is the only one. */
  transaction(body: TransactionInput): Promise<Outcome<TransactionReply>> {
    const fault = encodeTransaction(encoder, this.prefix, body, this.host.now());
    if (fault !== undefined) return Promise.resolve(refusal(fault));
    const denied = this.denied('transactions:create');
    if (denied !== undefined) return Promise.resolve(denied);
    const call = new TransactionCall(this, body.id, accountsOf(body), encoder.op === Op.pending);
    return this.give(call) ?? Promise.resolve(OVERLOADED);
  }

  /** The account's balance, without asking for permission. Waits for a place if too much is in flight. */
  async readBalance(account: string): Promise<Outcome<BalanceBody>> {
    for (;;) {
      const fault = encodeQuestion(encoder, this.prefix, Op.readAccount, account);
      if (fault !== undefined) return refusal(fault);
      if (this.host.front.hasRoom(1)) return this.accountCall(account, balanceBody);
      await this.host.front.nextTurn();
    }
  }

  async batch(body: {
    readonly transactions: readonly TransactionInput[];
  }): Promise<Outcome<BatchBody<TransactionReply>>> {
    const list = batchList(body, 'transactions');
    if (!Array.isArray(list)) return list as Refusal;
    const unready = this.unready('transactions:create');
    if (unready !== undefined) return unready;
    if (!this.host.front.hasRoom(list.length)) return OVERLOADED;
    const results: (BatchEntry<TransactionReply> | undefined)[] = new Array(list.length).fill(undefined);
    const run = new BatchRun(this.host.front, list.length, FULL_RESULT_BYTES);
    for (let i = 0; i < list.length; i++) {
      const fault = encodeTransaction(encoder, this.prefix, list[i], this.host.now());
      const denied = fault === undefined ? this.barred('transactions:create') : refusal(fault);
      if (denied !== undefined) {
        results[i] = { ...denied, ...entryId(list[i]) };
        run.skip();
        continue;
      }
      run.add(encoder, i);
    }
    const answers = await run.answers();
    await Promise.all(
      answers.map(async (answer, i) => {
        if (answer === undefined) return;
        const input = list[i] as TransactionInput;
        const isPending = input.pending !== undefined && input.pending !== false;
        const outcome = await transactionReply(this, input.id, accountsOf(input), isPending, answer);
        results[i] = outcome.ok ? { ok: true, ...outcome.body } : { ...outcome, id: input.id };
      }),
    );
    return { ok: true, created: false, body: { results: results as BatchEntry<TransactionReply>[] } };
  }

  async post(id: string, body: PartInput = {}): Promise<Outcome<TransactionBody>> {
    return this.end(Op.post, id, body);
  }

  async void(id: string, body: DescribedInput = {}): Promise<Outcome<TransactionBody>> {
    return this.end(Op.void, id, body);
  }

  private async end(op: number, id: string, body: PartInput): Promise<Outcome<TransactionBody>> {
    const fault = encodeEnd(encoder, this.prefix, op, this.flags, id, body);
    if (fault !== undefined) return refusal(fault);
    const denied = this.denied('transactions:end');
    if (denied !== undefined) return denied;
    if (this.caller.accounts !== undefined) {
      // The accounts are the hold's: they must all be within the caller's reach.
      const known = await this.facts(id);
      let { flags } = this;
      if ('ok' in known) {
        if (known.code !== 'transaction_not_found') return known;
        // What comes under this id before the command does has not been looked at.
        flags |= CommandFlag.ifUnknown;
      } else {
        const out = this.unreachable(known.body);
        if (out !== undefined) return out;
      }
      encodeEnd(encoder, this.prefix, op, flags, id, body);
    }
    const call = this.call();
    if ('ok' in call) return call;
    const answer = await call;
    if (answer.code === CODES.forbidden.n) {
      if (answer.n === 2) return this.end(op, id, body);
      return answer.n === 1
        ? forbidden('transactions:approve', 'someone else must decide it')
        : forbidden('transactions:end_any');
    }
    if (answer.code !== CODES.ok.n) return refusalOf(answer);
    // It is done: too much in flight is no answer any more.
    const known = await this.facts(id, true);
    if ('ok' in known) return known;
    const isNew = (answer.flags & ResultFlag.known) === 0;
    return { ok: true, created: isNew && answer.n === IdKind.tombstone, body: known.body };
  }

  reverse(original: string, body: ReversalInput): Promise<Outcome<TransactionReply>> {
    return reverse(this, encoder, original, body);
  }

  async status(id: string): Promise<Outcome<TransactionBody>> {
    const fault = encodeQuestion(encoder, this.prefix, Op.lookup, id);
    if (fault !== undefined) return refusal(fault);
    const denied = this.denied('transactions:read');
    if (denied !== undefined) return denied;
    const known = await this.facts(id);
    if ('ok' in known) return known;
    return this.unreachable(known.body) ?? { ok: true, created: false, body: known.body };
  }

  private unreachable(body: TransactionBody): Refusal | undefined {
    const { accounts } = this.caller;
    if (accounts === undefined) return undefined;
    const beyond = body.postings?.find(
      ({ account }) => !accounts.some((prefix) => account.startsWith(prefix)),
    );
    return beyond === undefined ? undefined : outOfReach(beyond.account);
  }

  /** Where the facts about an id are. @param waits for a place if too much is in flight */
  async lookup(id: string, waits = false): Promise<Lookup | Refusal> {
    let found: Lookup | undefined;
    for (;;) {
      const fault = encodeQuestion(encoder, this.prefix, Op.lookup, id);
      if (fault !== undefined) return refusal(fault);
      encoder.resultBytes = READ_RESULT_BYTES;
      encoder.argument = found?.reversals.length ?? 0;
      const call = this.call();
      if ('ok' in call) {
        if (!waits) return call;
        await this.host.front.nextTurn();
        continue;
      }
      const answer = await call;
      if (answer.code !== CODES.ok.n) return refusalOf(answer);
      const page = parseLookup(answer.payload);
      found = { ...page, reversals: [...(found?.reversals ?? []), ...page.reversals] };
      if ((answer.flags & ResultFlag.more) !== 0) continue;
      // They come in the order in which the original's home heard of them.
      return { ...found, reversals: found.reversals.toSorted((a, b) => a - b) };
    }
  }

  /** Everything stored about an id: facts and the body made of them. */
  async facts(
    id: string,
    waits = false,
  ): Promise<Refusal | { lookup: Lookup; created: Fact; end: Fact | undefined; body: TransactionBody }> {
    const lookup = await this.lookup(id, waits);
    if ('ok' in lookup) return lookup;
    const lsns = [lookup.lsn, ...(lookup.endKind === 0 ? [] : [lookup.endLsn]), ...lookup.reversals];
    const stored = await this.host.reader.fetch(lsns);
    const created = stored[0]!;
    const end = lookup.endKind === 0 ? undefined : stored[1];
    const reversals = stored.slice(lookup.endKind === 0 ? 1 : 2);
    return { lookup, created, end, body: transactionBody(created, end, reversals) };
  }

  async createAccount(body: AccountInput): Promise<Outcome<AccountBody>> {
    const fault = encodeAccount(encoder, this.prefix, body);
    if (fault !== undefined) return refusal(fault);
    const denied = this.denied('accounts:create');
    if (denied !== undefined) return denied;
    return this.accountCall(body.id, accountBody);
  }

  /** An entry of a batch that was admitted. */
  private async createAdmitted(body: AccountInput): Promise<Outcome<AccountBody>> {
    const fault = encodeAccount(encoder, this.prefix, body);
    if (fault !== undefined) return refusal(fault);
    return this.barred('accounts:create') ?? this.accountCall(body.id, accountBody);
  }

  /** Sends what the encoder holds about an account. */
  private accountCall<T>(id: string, bodyOf: BodyOf<T>): Promise<Outcome<T>> {
    encoder.resultBytes = READ_RESULT_BYTES;
    const call = new AccountCall(id, encoder.op === Op.createAccount, bodyOf);
    return this.give(call) ?? Promise.resolve(OVERLOADED);
  }

  async createAccounts(body: {
    readonly accounts: readonly AccountInput[];
  }): Promise<Outcome<BatchBody<AccountBody>>> {
    const list = batchList(body, 'accounts');
    if (!Array.isArray(list)) return list as Refusal;
    const unready = this.unready('accounts:create');
    if (unready !== undefined) return unready;
    if (!this.host.front.hasRoom(list.length)) return OVERLOADED;
    const outcomes = await Promise.all(list.map((entry) => this.createAdmitted(entry as AccountInput)));
    const results = outcomes.map((outcome, i) =>
      outcome.ok ? { ok: true as const, ...outcome.body } : { ...outcome, ...entryId(list[i]) },
    );
    return { ok: true, created: false, body: { results } };
  }

  account(id: string): Promise<Outcome<AccountBody>> {
    return this.read(id, accountBody);
  }

  balance(id: string): Promise<Outcome<BalanceBody>> {
    return this.read(id, balanceBody);
  }

  private read<T>(id: string, bodyOf: BodyOf<T>): Promise<Outcome<T>> {
    const fault = encodeQuestion(encoder, this.prefix, Op.readAccount, id);
    const refused = fault === undefined ? this.denied('accounts:read') : refusal(fault);
    return refused === undefined ? this.accountCall(id, bodyOf) : Promise.resolve(refused);
  }

  async updateAccount(id: string, body: AccountUpdateInput): Promise<Outcome<AccountBody>> {
    const fault = encodeAccountUpdate(encoder, this.prefix, id, body);
    if (fault !== undefined) return refusal(fault);
    const denied = this.denied('accounts:update');
    if (denied !== undefined) return denied;
    return this.accountCall(id, accountBody);
  }

  compact(frame: readonly unknown[], sink: CompactSink): boolean {
    const rid = frame[0];
    if (typeof rid !== 'number' || !Number.isInteger(rid) || rid < 0 || rid > 0xffffffff) return false;
    const second = frame[1];
    if (Array.isArray(second)) {
      const isSound = frame.length === 2 && second.length > 0 && second.length <= BATCH_MAX;
      if (isSound) this.sendBatch(rid, new CompactList(second), sink);
      else sink.answer(rid, CODES.invalid_request.n, 0);
      return true;
    }
    const fault = encodeCompact(encoder, this.prefix, frame, 1);
    if (fault === undefined) this.sendSingle(rid, sink);
    else sink.answer(rid, CODES[fault.code].n, 0);
    return true;
  }

  compactFrame(frame: CompactFrame, sink: CompactSink): boolean {
    if (frame.isBatch) {
      if (!frame.openBatch()) return false;
      this.sendBatch(frame.rid, frame, sink);
      return true;
    }
    if (!frame.putSingle(encoder, this.prefix)) return false;
    this.sendSingle(frame.rid, sink);
    return true;
  }

  /** Sends the compact command that the encoder holds. */
  private sendSingle(rid: number, sink: CompactSink): void {
    let code = codeOf(this.denied('transactions:create'));
    if (code === 0 && !this.host.front.send(encoder, this.handlerOf(sink), rid)) code = CODES.overloaded.n;
    if (code !== 0) sink.answer(rid, code, 0);
  }

  private handlerOf(sink: CompactSink): SinkHandler {
    if (this.sink !== sink || this.sinkHandler === undefined) {
      this.sink = sink;
      this.sinkHandler = new SinkHandler(sink);
    }
    return this.sinkHandler;
  }

  private sendBatch(rid: number, entries: CompactEntries, sink: CompactSink): void {
    const { front } = this.host;
    const { count } = entries;
    const unready = this.unready('transactions:create') ?? (front.hasRoom(count) ? undefined : OVERLOADED);
    if (unready !== undefined) {
      sink.answer(rid, codeOf(unready), 0);
      return;
    }
    const refused: [number, number][] = [];
    const run = new BatchRun(front, count, PLAIN_RESULT_BYTES);
    for (let i = 0; i < count; i++) {
      const fault = entries.put(encoder, this.prefix);
      const code = fault === undefined ? codeOf(this.barred('transactions:create')) : CODES[fault.code].n;
      if (code === 0) run.add(encoder, i);
      else {
        refused.push([i, code]);
        run.skip();
      }
    }
    run.codes((codes, lsn) => {
      for (let i = 0; i < codes.length; i++) if (codes[i] !== 0) refused.push([i, codes[i]!]);
      refused.sort((a, b) => a[0] - b[0]);
      sink.answerBatch(rid, lsn, refused);
    });
  }
}

/** What asks for these writes nothing. */
const READS: ReadonlySet<Permission> = new Set(['accounts:read', 'transactions:read']);

/** 0 for no refusal. */
function codeOf(refused: Refusal | undefined): number {
  return refused === undefined ? 0 : CODES[refused.code].n;
}

/** The accounts of a sound transaction, by leg. */
function accountsOf({ postings, debit, credit }: TransactionInput): readonly string[] {
  return postings === undefined ? [debit!, credit!] : postings.map((posting) => posting.account);
}

function entryId(entry: unknown): { id?: string } {
  const id = isPlainObject(entry) ? entry['id'] : undefined;
  return typeof id === 'string' ? { id } : {};
}

function batchList(body: unknown, field: string): unknown[] | Refusal {
  const isSound =
    isPlainObject(body) && Object.keys(body).every((key) => key === field) && Array.isArray(body[field]);
  if (!isSound)
    return refusal({
      code: 'invalid_request',
      detail: `a batch is { ${field}: [...] }`,
      pointer: `/${field}`,
    });
  const list = body[field] as unknown[];
  if (list.length === 0)
    return refusal({ code: 'invalid_request', detail: 'an empty batch', pointer: `/${field}` });
  if (list.length > BATCH_MAX) {
    return refusal({
      code: 'invalid_request',
      detail: `${list.length} entries; the limit is ${BATCH_MAX}`,
      pointer: `/${field}`,
      limit: BATCH_MAX,
    });
  }
  return list;
}
