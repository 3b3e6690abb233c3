import { CommandFlag, Op } from '../../engine/command.js';
import { fingerprint } from '../../engine/hash.js';
import { RecordView } from '../../engine/record.js';
import type { AccountUpdateInput, PendingInput, PostingInput } from '../../engine/types.js';
import { encodeAccount, encodeAccountUpdate } from '../../src/ledger/account-requests.js';
import { prefixOf } from '../../src/ledger/caller.js';
import { CommandEncoder, type Fault } from '../../src/ledger/encoder.js';
import {
  encodeEnd,
  encodeQuestion,
  encodeReversal,
  encodeTransaction,
  putReversal,
} from '../../src/ledger/requests.js';
import { composed, KEY } from '../support/world.js';
import type { Posted } from './small-clients.js';

const TENANT = 'dev';
const BY = 'ann';
/** When holds with an expiry begin: the time at which small worlds start. */
const START_MS = 1_700_000_000_000;
const prefix = prefixOf({ tenant: TENANT, by: BY }, KEY, true);
const question = new CommandEncoder();

export interface Bounds {
  readonly min_balance?: number | null;
  readonly max_balance?: number;
  readonly currency?: string;
}

/** Composes the commands of a small world; names are chosen by the shard that they belong to. */
export class Maker {
  constructor(readonly shards: number) {}

  private keep(
    encoder: CommandEncoder,
    fault: Fault | undefined,
    id: string,
    accounts: readonly string[],
  ): Posted {
    if (fault !== undefined) throw new Error(fault.detail);
    return { ...composed(encoder, this.shards, TENANT, BY, id), encoder, accounts };
  }

  /** The first name of a kind that is at home on a shard. */
  on(shard: number, kind: string): string {
    for (let i = 0; ; i++) {
      const id = `${kind}${i}`;
      encodeQuestion(question, prefix, Op.lookup, id);
      if (question.shard(this.shards) === shard) return id;
    }
  }

  account(id: string, bounds: Bounds = {}): Posted {
    const encoder = new CommandEncoder();
    const body = { id, currency: 'EUR', type: 'asset', ...bounds };
    return this.keep(encoder, encodeAccount(encoder, prefix, body), id, []);
  }

  /** `to` gets, `from` gives. */
  move(id: string, to: string, from: string, amount: number, pending?: PendingInput): Posted {
    return this.transaction(id, to, from, { amount, ...(pending !== undefined && { pending }) });
  }

  /** As {@link move}, of many bytes. */
  longMove(id: string, to: string, from: string, amount: number): Posted {
    return this.transaction(id, to, from, { amount, metadata: { note: 'x'.repeat(200) } });
  }

  private transaction(id: string, to: string, from: string, rest: object): Posted {
    const encoder = new CommandEncoder();
    const body = { id, debit: to, credit: from, ...rest };
    return this.keep(encoder, encodeTransaction(encoder, prefix, body, START_MS), id, [to, from]);
  }

  postings(id: string, postings: readonly PostingInput[]): Posted {
    const encoder = new CommandEncoder();
    const fault = encodeTransaction(encoder, prefix, { id, postings }, START_MS);
    return this.keep(
      encoder,
      fault,
      id,
      postings.map(({ account }) => account),
    );
  }

  read(account: string): Posted {
    const encoder = new CommandEncoder();
    return this.keep(encoder, encodeQuestion(encoder, prefix, Op.readAccount, account), account, []);
  }

  lookup(id: string): Posted {
    const encoder = new CommandEncoder();
    return this.keep(encoder, encodeQuestion(encoder, prefix, Op.lookup, id), id, []);
  }

  update(account: string, body: AccountUpdateInput): Posted {
    const encoder = new CommandEncoder();
    return this.keep(encoder, encodeAccountUpdate(encoder, prefix, account, body), account, []);
  }

  void(id: string): Posted {
    return this.end(Op.void, id, {});
  }

  post(id: string, body: { readonly amount?: number } = {}): Posted {
    return this.end(Op.post, id, body);
  }

  private end(op: number, id: string, body: object): Posted {
    const encoder = new CommandEncoder();
    return this.keep(encoder, encodeEnd(encoder, prefix, op, CommandFlag.mayEndAny, id, body), id, []);
  }

  /** The reversal of a fact with two postings, or of so much of it, as a front composes it. */
  reversal(id: string, fact: { readonly lsn: number; readonly record: Uint8Array }, amount?: number): Posted {
    const original = new RecordView().over(fact.record).read(0);
    const body = { id, ...(amount === undefined ? {} : { amount }) };
    const encoder = new CommandEncoder();
    const part = encodeReversal(encoder, prefix, original.id, body);
    if ('code' in part) throw new Error(part.detail);
    const content = [encoder.c0, encoder.c1] as const;
    const legs = Array.from({ length: original.n }, (_, leg) => ({
      leg,
      account: original.account(leg),
      isCredit: original.isCredit(leg),
      tag: original.tag(leg),
      amount: part.amount ?? original.amounts[leg]!,
    }));
    putReversal(encoder, prefix, original.id, fact.lsn, body, legs, content);
    const fp = new Uint32Array(4);
    fingerprint(original.view, original.idAt, original.idAt + original.idLength, prefix.keys, fp);
    encoder.putOriginalWords(fp, Array.from(original.amounts.subarray(0, original.n)));
    return this.keep(encoder, undefined, id, []);
  }
}
