import { codeName } from '../../engine/codes.js';
import type { TransactionInput } from '../../engine/types.js';
import type { Fields } from './exact-json.js';
import { type HttpAnswer, HttpClient } from './http-client.js';
import type { Command } from './model.js';
import { legsOf } from './statics.js';
import { makeToken, type TokenClaims } from './token.js';
import { type MapReply, Wire } from './wire.js';

/** What a shop asks of a ledger, each thing so that it can be said again word for word, and what the server made of it. */

/** A command that changes something, as the naive model takes it. */
export type Deed = Extract<
  Command,
  { op: 'transaction' | 'post' | 'void' | 'reverse' | 'createAccount' | 'updateAccount' }
>;

/** The ways a deed is said; the two batches and the compact ones are for transactions. */
export const FORMS = [
  'compact',
  'compact json',
  'map',
  'map json',
  'http',
  'batch',
  'compact batch',
] as const;
export type Form = (typeof FORMS)[number];

/** `isExact`: it is the LSN of just this; else it is at most that. `code` when it was refused. */
export type Verdict =
  | { readonly lsn: number; readonly isExact: boolean; readonly isAgain: boolean }
  | { readonly code: string };

/**
 * What the log has once at most for a deed. An account's changes have no id of their own: each sets a group that no other does.
 */
export function keyOf(deed: Deed): string {
  switch (deed.op) {
    case 'transaction':
    case 'reverse':
      return `${deed.op} ${deed.body.id}`;
    case 'createAccount':
      return `account ${deed.body.id}`;
    case 'updateAccount':
      return `update ${deed.id} ${deed.body.group}`;
    default:
      return `${deed.op} ${deed.id}`;
  }
}

/** A shop's connections to a running server. */
export class Shop {
  private constructor(
    private readonly wire: Wire,
    private readonly http: HttpClient,
  ) {}

  static async open(port: number, claims: TokenClaims = {}): Promise<Shop> {
    const token = makeToken({ terminal: 'office', ...claims });
    return new Shop(await Wire.open(port, token), new HttpClient(port, token));
  }

  close(): void {
    this.wire.close();
    this.http.close();
  }

  /** Says some deeds in one request: several in the forms of a batch only. @throws when the connection breaks before the answer */
  async perform(form: Form, deeds: readonly Deed[]): Promise<Verdict[]> {
    switch (form) {
      case 'compact':
      case 'compact json': {
        const [, n, lsn] = await this.wire.compact(
          compactOf(deeds[0]!),
          form === 'compact' ? 'msgpack' : 'json',
        );
        return [byNumber(n, lsn!, true)];
      }
      case 'compact batch': {
        const [, n, lsn, others = []] = await this.wire.compact([deeds.map(compactOf)]);
        const refused = new Map(others);
        return deeds.map((_, i) => byNumber(n === 0 ? (refused.get(i) ?? 0) : n, lsn!, deeds.length === 1));
      }
      case 'batch': {
        const reply = await this.wire.call('batch', { transactions: deeds.map(bodyOf) });
        if (!reply.ok) return deeds.map(() => ({ code: reply.code! }));
        return (reply['results'] as MapReply[]).map((result, i) => verdict(deeds[i]!, result.ok, result));
      }
      case 'http': {
        const { status, body } = await this.overHttp(deeds[0]!);
        return [verdict(deeds[0]!, status < 400, body, status === 200)];
      }
      default: {
        const encoding = form === 'map' ? 'msgpack' : 'json';
        const reply = await this.wire.call(opOf(deeds[0]!), mapOf(deeds[0]!), encoding);
        return [verdict(deeds[0]!, reply.ok, reply)];
      }
    }
  }

  private overHttp(deed: Deed): Promise<HttpAnswer> {
    const { http } = this;
    switch (deed.op) {
      case 'transaction':
        return http.post('/v1/transactions', deed.body);
      case 'createAccount':
        return http.post('/v1/accounts', deed.body);
      case 'updateAccount':
        return http.patch(`/v1/accounts/${encodeURIComponent(deed.id)}`, deed.body);
      case 'reverse':
        return http.post(`/v1/transactions/${encodeURIComponent(deed.original)}/reverse`, deed.body);
      default:
        return http.post(`/v1/transactions/${encodeURIComponent(deed.id)}/${deed.op}`, deed.body ?? {});
    }
  }

  /** Whether an unanswered deed was done, as `status` tells. @returns undefined when it was not */
  async settle(deed: Deed): Promise<Verdict | undefined> {
    if (deed.op === 'createAccount') {
      const { ok, lsn } = await this.wire.call('account_get', { id: deed.body.id });
      return ok ? { lsn: lsn as number, isExact: false, isAgain: true } : undefined;
    }
    if (deed.op === 'updateAccount')
      throw new Error('nobody can tell whether an account was changed by this');
    const reply = await this.wire.call('status', { id: 'id' in deed ? deed.id : deed.body.id });
    if (!reply.ok) return undefined;
    const end = reply['end'] as { status: string; lsn: number } | undefined;
    const isEnd = deed.op === 'post' || deed.op === 'void';
    if (!isEnd || (end === undefined && reply['status'] === 'voided')) {
      return { lsn: reply['lsn'] as number, isExact: true, isAgain: true };
    }
    if (end?.status !== (deed.op === 'post' ? 'posted' : 'voided')) return undefined;
    return { lsn: end.lsn, isExact: true, isAgain: true };
  }

  /** An account with its balance, exactly as of its `lsn`. */
  account(id: string): Promise<MapReply> {
    return this.wire.call('account_get', { id });
  }

  status(id: string): Promise<MapReply> {
    return this.wire.call('status', { id });
  }
}

function opOf(deed: Deed): string {
  if (deed.op === 'createAccount') return 'account';
  return deed.op === 'updateAccount' ? 'account_update' : deed.op;
}

function mapOf(deed: Deed): object {
  if (deed.op === 'reverse') return { original: deed.original, ...deed.body };
  return 'id' in deed ? { id: deed.id, ...deed.body } : deed.body;
}

function bodyOf(deed: Deed): TransactionInput {
  if (deed.op !== 'transaction') throw new Error(`a batch holds no ${deed.op}`);
  return deed.body;
}

/** The compact frame without its rid: the short one where that can say it. */
function compactOf(deed: Deed): unknown[] {
  const body = bodyOf(deed);
  if (body.postings === undefined) return [body.id, body.debit, body.credit, body.amount];
  const legs = legsOf(body).map(({ account, side, amount }) => [
    account,
    Number(side === 'debit' ? amount : -amount),
  ]);
  return [body.id, legs];
}

function byNumber(n: number, lsn: number, isExact: boolean): Verdict {
  return n > 1 ? { code: codeName(n) } : { lsn, isExact, isAgain: n === 1 };
}

function verdict(deed: Deed, ok: boolean, body: Fields, isAgain = body['duplicate'] === true): Verdict {
  if (!ok) return { code: body['code'] as string };
  const end = body['end'] as { lsn: number } | undefined;
  const isEnd = (deed.op === 'post' || deed.op === 'void') && end !== undefined;
  // What is told of an account is how it stands, which may be by a later record.
  const isExact = deed.op !== 'createAccount' && deed.op !== 'updateAccount';
  return { lsn: isEnd ? end.lsn : (body['lsn'] as number), isExact, isAgain };
}
