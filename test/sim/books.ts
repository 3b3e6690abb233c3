import type { AccountBody, TransactionBody } from '../../engine/types.js';
import { balanceFacts } from '../support/audit.js';
import { Model } from '../support/model.js';
import type { Leg } from '../support/statics.js';
import { type Deed, plain } from './call.js';
import type { LogFact } from './log-fact.js';

/** What the log says up to an LSN: the model's rules, and what the contract shows of it. */

/** One record and the command that led to it; an expiry has none. */
export interface Entry {
  readonly fact: LogFact;
  readonly deed: Deed | undefined;
}

/** The records about one transaction id. */
export interface Known {
  readonly created: Entry;
  end?: Entry;
  readonly reversals: Entry[];
  /** Reversed so far, by leg of the record that was reversed. */
  readonly reversed: Map<number, bigint>;
}

export class Books {
  readonly model = new Model();
  readonly known = new Map<string, Known>();
  /** By account: the last LSN that changed it. */
  readonly changedAt = new Map<string, number>();
  /** Up to which LSN. */
  lsn = 0;

  transaction(tenant: string, id: string): Known | undefined {
    return this.known.get(`${tenant}/${id}`);
  }

  /** The record whose postings stand in the books, and which a reversal mirrors. */
  posted(tenant: string, id: string): LogFact | undefined {
    const known = this.transaction(tenant, id);
    return (known?.end ?? known?.created)?.fact;
  }

  /** The body of `status`, without `undefined` fields. The transaction is there. */
  transactionBody(tenant: string, id: string): object {
    const { created, end, reversals } = this.transaction(tenant, id)!;
    const { fact } = created;
    const { command } = created.deed!;
    const status = this.model.transaction(tenant, id)!.status;
    const shared = { id, status, lsn: fact.lsn, committed_at: iso(fact.timeMs), ...saidOf(created) };
    if (fact.kind === 'tombstone') return shared;
    const body = 'body' in command ? (command.body as { readonly currency?: string }) : {};
    const { expires_at, approval } = fact.fields;
    return clean({
      ...shared,
      effective_at: effectiveOf(created) ?? iso(fact.timeMs),
      postings: postingsOf(fact.legs),
      currency: body.currency,
      pending:
        fact.kind === 'pending'
          ? clean({ expires_at: expires_at === undefined ? undefined : iso(Number(expires_at)), approval })
          : undefined,
      reverses: command.op === 'reverse' ? command.original : undefined,
      end: end === undefined ? undefined : endBody(end),
      reversals: reversals.length === 0 ? undefined : reversals.map(reversalBody),
    });
  }

  accountBody(tenant: string, id: string): Omit<AccountBody, 'lsn'> {
    const account = this.model.account(tenant, id)!;
    return clean({
      ...balanceFacts(account),
      id,
      type: account.type,
      min_balance: account.min,
      max_balance: account.max,
      frozen: account.frozen,
      closed: account.closed,
      group: account.group ?? undefined,
      metadata: account.metadata ?? undefined,
    }) as Omit<AccountBody, 'lsn'>;
  }
}

/** Who said what, from where. */
function saidOf({ fact, deed }: Entry): object {
  if (deed === undefined) return {};
  const { caller } = deed.command;
  const body = 'body' in deed.command ? ((deed.command.body ?? {}) as Partial<TransactionBody>) : {};
  const { code, reference, metadata } = fact.kind === 'expire' ? {} : body;
  return clean({ by: caller.by, terminal: caller.terminal, code, reference, metadata });
}

function effectiveOf({ deed }: Entry): string | undefined {
  if (deed === undefined || !('body' in deed.command)) return undefined;
  const given = (deed.command.body as { readonly effective_at?: string } | undefined)?.effective_at;
  return given === undefined ? undefined : iso(Date.parse(given));
}

const END_STATUS = { post: 'posted', void: 'voided', expire: 'expired' } as const;

function endBody(entry: Entry): object {
  const { fact } = entry;
  const captured = fact.legs.filter((leg) => leg.amount > 0n);
  const effective = effectiveOf(entry);
  return clean({
    status: END_STATUS[fact.kind as keyof typeof END_STATUS],
    lsn: fact.lsn,
    committed_at: iso(fact.timeMs),
    effective_at: effective ?? (fact.kind === 'post' ? iso(fact.timeMs) : undefined),
    ...saidOf(entry),
    postings: captured.length === 0 ? undefined : postingsOf(captured),
  });
}

function reversalBody({ fact }: Entry): object {
  return {
    id: fact.id,
    lsn: fact.lsn,
    committed_at: iso(fact.timeMs),
    postings: postingsOf(fact.legs),
  };
}

function postingsOf(legs: readonly Leg[]): object[] {
  return legs.map(({ account, side, amount, tag }) => ({
    account,
    [side]: amount,
    ...(tag !== undefined && { tag }),
  }));
}

export function iso(ms: number): string {
  return new Date(ms).toISOString();
}

/** Without fields that are undefined. */
function clean(body: object): object {
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined));
}

/** How two bodies differ, in words; undefined when they say the same. Metadata must be as it came, key by key. */
export function difference(shown: object, due: object): string | undefined {
  const fields = new Set([...Object.keys(shown), ...Object.keys(due)]);
  for (const field of fields) {
    const [has, wants] = [shown, due].map((body) => text(field, (body as Record<string, unknown>)[field]));
    if (has !== wants) return `${field} is ${has}, and ${wants} is due`;
  }
  return undefined;
}

function text(field: string, value: unknown): string {
  if (field === 'metadata') return JSON.stringify(value) ?? 'undefined';
  if (Array.isArray(value)) return `[${value.map((item) => text('', item)).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return plain(value);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, item]) => `${key}: ${text(key, item)}`).join(', ')}}`;
}
