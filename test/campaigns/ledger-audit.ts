import type { AccountBody, TransactionBody } from '../../engine/types.js';
import type { Caller } from '../../src/session.js';
import { balanceDisagreement, statusDisagreement } from '../support/audit.js';
import type { Fields } from '../support/exact-json.js';
import { eachRecord, type LoggedPosting, type LoggedRecord } from '../support/log-records.js';
import { Model } from '../support/model.js';
import type { ModelAccount } from '../support/model-state.js';
import type { Book, Said } from './book.js';

/**
 * An independent reading of a log: each record must be something that was said, once, and allowed by the naive model at just its place. So no
 * limit is broken at any LSN, nothing is half there, and every figure that was ever told can be held against the log at its LSN.
 */

const FIGURES = ['debits', 'credits', 'debitsPending', 'creditsPending'] as const;
type Figures = { readonly [figure in (typeof FIGURES)[number]]: bigint };
const TOLD = ['debits_posted', 'credits_posted', 'debits_pending', 'credits_pending'] as const;

/** Kinds of record whose postings move balances. */
const POSTED: readonly LoggedRecord['kind'][] = ['posted', 'post', 'reversal'];

export class LedgerAudit {
  readonly model = new Model();
  lsn = 0;
  expired = 0;
  private readonly logged = new Map<string, number>();
  private readonly digests: string[] = [];
  private readonly history = new Map<string, { readonly lsn: number; readonly figures: Figures }[]>();
  private readonly expiresAtMs = new Map<string, number>();
  private seenChecked = 0;

  constructor(
    private readonly book: Book,
    private readonly tenant: Caller['tenant'],
  ) {}

  /** Reads what has come since. @throws when any of it is not right */
  follow(data: string): void {
    for (const record of eachRecord(data, this.lsn + 1)) {
      this.digests.push(digestOf(record));
      this.take(record);
      this.lsn = record.lsn;
    }
  }

  /** Reads the whole log anew: what was read before is as it was, and what came since is right. @throws when anything is not */
  reread(data: string): void {
    let last = 0;
    for (const record of eachRecord(data)) {
      last = record.lsn;
      const before = this.digests[last - 1];
      const now = digestOf(record);
      if (before !== undefined && before !== now)
        throw new Error(`LSN ${last} was ${before} and is now ${now}`);
    }
    if (last < this.lsn) throw new Error(`the log ended at LSN ${this.lsn} and ends now at ${last}`);
    this.follow(data);
  }

  /** Everything acknowledged is there, at its LSN, nothing refused is, and what was told is what the log says. */
  check(): void {
    for (const said of this.book.said.values()) {
      const at = this.logged.get(said.key);
      if (said.state === 'refused' && at !== undefined) {
        throw new Error(`${said.key} was refused or given up, and is at LSN ${at}`);
      }
      if (said.state !== 'done') continue;
      const { lsn, isExact } = said.verdict!;
      if (at === undefined) throw new Error(`${said.key} was acknowledged at LSN ${lsn}, and is not there`);
      if (isExact ? at !== lsn : at > lsn)
        throw new Error(`${said.key} is at LSN ${at}, not ${isExact ? '' : 'up to '}${lsn}`);
    }
    const { seen } = this.book;
    for (; this.seenChecked < seen.length; this.seenChecked++) this.checkTold(seen[this.seenChecked]!);
    this.checkSum();
  }

  isLogged(said: Said): boolean {
    return this.logged.has(said.key);
  }

  /** @returns why an account as a server tells it is not as the log has it */
  accountDisagreement(body: Fields): string | undefined {
    this.checkTold(body);
    const told = Object.fromEntries(
      Object.entries(body).map(([field, value]) => [
        field,
        typeof value === 'number' && field !== 'lsn' ? BigInt(value) : value,
      ]),
    );
    return balanceDisagreement(
      this.model.account(this.tenant, body['account'] as string)!,
      told as unknown as AccountBody,
    );
  }

  /** @returns why a transaction as a server tells it is not as the log has it */
  statusDisagreement(id: string, body: Fields): string | undefined {
    const known = this.model.transaction(this.tenant, id);
    if (known === undefined)
      return body['code'] === 'transaction_not_found' ? undefined : 'it is not in the log';
    if (known.kind === 'tombstone') return body['status'] === 'voided' ? undefined : 'it is a tombstone';
    return statusDisagreement(this.model, this.tenant, id, exact(body) as unknown as TransactionBody);
  }

  private take(record: LoggedRecord): void {
    const { lsn, kind, id } = record;
    const before = this.figuresOf(this.accountsOf(record));
    if (kind === 'expire') this.expire(record);
    else {
      const said = this.book.said.get(keyOfRecord(record));
      if (said === undefined) throw new Error(`LSN ${lsn} is a ${kind} of ${id} that nobody asked for`);
      const first = this.logged.get(said.key);
      if (first !== undefined) throw new Error(`${said.key} is at LSN ${first} and again at ${lsn}`);
      this.logged.set(said.key, lsn);
      const verdict = this.model.decide(said.deed);
      if (!verdict.codes.has('ok') || verdict.apply === undefined) {
        throw new Error(
          `${said.key} is at LSN ${lsn}, where ${[...verdict.codes].join(' or ')} was due: ${JSON.stringify(said.deed)}`,
        );
      }
      verdict.apply(lsn);
      if (record.expiresAtMs !== undefined) this.expiresAtMs.set(id, record.expiresAtMs);
    }
    this.compareMoves(record, before);
  }

  private expire({ lsn, id, timeMs }: LoggedRecord): void {
    if (this.model.transaction(this.tenant, id)?.status !== 'pending') {
      throw new Error(`${id} expires at LSN ${lsn}, and is not pending`);
    }
    const dueMs = this.expiresAtMs.get(id);
    if (dueMs === undefined || timeMs < dueMs)
      throw new Error(`${id} expires at ${timeMs}, before ${dueMs} (LSN ${lsn})`);
    this.model.expire(this.tenant, id);
    this.expired++;
  }

  /** The record's own postings are what the model moved, to the last unit: two counts that know nothing of each other. */
  private compareMoves(record: LoggedRecord, before: ReadonlyMap<string, Figures>): void {
    const nets = new Map<string, bigint>();
    let sum = 0n;
    for (const { account, amount } of record.postings) {
      sum += amount;
      if (POSTED.includes(record.kind)) nets.set(account, (nets.get(account) ?? 0n) + amount);
    }
    if (sum !== 0n) throw new Error(`LSN ${record.lsn} is out of balance by ${sum}`);
    const accounts = this.accountsOf(record);
    for (const [account, now] of this.figuresOf(accounts)) {
      const then = before.get(account);
      const moved = now.debits - now.credits - (then === undefined ? 0n : then.debits - then.credits);
      const net = nets.get(account) ?? 0n;
      if (moved !== net) throw new Error(`LSN ${record.lsn} moves ${account} by ${net}, not by ${moved}`);
      const entries = this.history.get(account) ?? [];
      entries.push({ lsn: record.lsn, figures: now });
      this.history.set(account, entries);
    }
  }

  /** The accounts whose figures a record may change. */
  private accountsOf(record: LoggedRecord): Set<string> {
    const legs: readonly Pick<LoggedPosting, 'account'>[] =
      this.model.transaction(this.tenant, record.id)?.legs ?? [];
    const accounts = new Set([...record.postings, ...legs].map(({ account }) => account));
    if (record.kind === 'account') accounts.add(record.id);
    return accounts;
  }

  private figuresOf(accounts: ReadonlySet<string>): Map<string, Figures> {
    const known = [...accounts].map((id) => [id, this.model.account(this.tenant, id)] as const);
    return new Map(
      known.flatMap(([id, account]) => (account === undefined ? [] : [[id, figures(account)] as const])),
    );
  }

  /** "It is exactly the balance at `lsn`", and no answer shows what a crash took back. */
  private checkTold(body: Fields): void {
    const [account, lsn] = [body['account'] as string, body['lsn'] as number];
    if (lsn > this.lsn) throw new Error(`${account} was told as of LSN ${lsn}; the log ends at ${this.lsn}`);
    const at = this.history.get(account)?.findLast((entry) => entry.lsn <= lsn);
    if (at === undefined) throw new Error(`${account} was told as of LSN ${lsn}, before it was created`);
    for (const [i, figure] of FIGURES.entries()) {
      const told = BigInt(body[TOLD[i]!] as number);
      const due = at.figures[figure];
      if (told !== due)
        throw new Error(`${TOLD[i]} of ${account} at LSN ${lsn} were told as ${told}, and are ${due}`);
    }
  }

  private checkSum(): void {
    let sum = 0n;
    for (const id of this.model.accountIds(this.tenant)) {
      const { debits, credits } = this.model.account(this.tenant, id)!;
      sum += debits - credits;
    }
    if (sum !== 0n) throw new Error(`all accounts together are out of balance by ${sum}`);
  }
}

function figures({ debits, credits, debitsPending, creditsPending }: ModelAccount): Figures {
  return { debits, credits, debitsPending, creditsPending };
}

function keyOfRecord({ kind, id, group }: LoggedRecord): string {
  switch (kind) {
    case 'posted':
    case 'pending':
      return `transaction ${id}`;
    case 'reversal':
      return `reverse ${id}`;
    case 'account':
      return `account ${id}`;
    case 'accountUpdate':
      return `update ${id} ${group}`;
    case 'post':
      return `post ${id}`;
    default:
      return `void ${id}`;
  }
}

function digestOf({ kind, id, postings, timeMs, group }: LoggedRecord): string {
  return `${kind} ${id} ${group} ${timeMs} ${postings.map(({ account, amount }) => `${account}${amount}`).join()}`;
}

/** Amounts as bigints, as the ledger's own bodies have them. */
function exact(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(exact);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([field, one]) => [
      field,
      (field === 'debit' || field === 'credit') && typeof one === 'number' ? BigInt(one) : exact(one),
    ]),
  );
}
