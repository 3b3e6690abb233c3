import type { Fields } from './exact-json.js';
import { type LoggedRecord, readRecords } from './log-records.js';

/** What the log says that a feed must have shown, read without the feed's means. */

const OPS: { readonly [kind in LoggedRecord['kind']]?: string } = {
  posted: 'transaction',
  pending: 'transaction',
  post: 'post',
  void: 'void',
  expire: 'expire',
  reversal: 'reverse',
  tombstone: 'tombstone',
};

export interface Shown {
  readonly lsn: number;
  readonly id: string;
  readonly op: string;
  readonly committed_at: string;
  /** `account:amount`, credits negative. */
  readonly postings: readonly string[];
}

/** Every transaction of a tenant from an LSN on. */
export function shownByLog(data: string, tenant = 'shop', fromLsn = 1): Shown[] {
  return readRecords(data).flatMap((record) => {
    const op = OPS[record.kind];
    if (op === undefined || record.tenant !== tenant || record.lsn < fromLsn) return [];
    const { lsn, id, timeMs } = record;
    const postings = record.postings
      .filter(({ amount }) => amount !== 0n)
      .map(({ account, amount }) => `${account}:${amount}`);
    return [{ lsn, id, op, committed_at: new Date(timeMs).toISOString(), postings }];
  });
}

/** The same of what a subscription was given. */
export function shownByFeed(transactions: readonly Fields[]): Shown[] {
  return transactions.map((body) => {
    const postings = (body['postings'] ?? []) as { account: string; debit?: number; credit?: number }[];
    return {
      lsn: body['lsn'] as number,
      id: body['id'] as string,
      op: body['op'] as string,
      committed_at: body['committed_at'] as string,
      postings: postings.map(({ account, debit, credit }) => `${account}:${debit ?? `-${credit}`}`),
    };
  });
}
