import type { Worker } from 'node:worker_threads';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { FeedTransaction } from '../src/feed/events.js';
import type { Interest } from '../src/feed/messages.js';
import { decodeMsgpack } from '../src/gateway/msgpack.js';
import { type Ledger, openLedger } from '../src/ledger.js';
import type { Caller, Session } from '../src/session.js';
import { must } from './support/ledger.js';
import { until } from './support/server.js';
import { temporaryDirectory } from './support/wal.js';

/** The feed's thread over a real ledger, without a socket in between. */

const DEADLINE_MS = 20_000;

async function open(): Promise<Ledger> {
  const ledger = await openLedger({ data: temporaryDirectory(), shards: 2, threads: 1 });
  onTestFinished(() => ledger.close());
  return ledger;
}

/** A subscription that gives back what it gets at once. */
function follow(ledger: Ledger, caller: Caller, more: Partial<Interest> = {}) {
  const seen = { transactions: [] as FeedTransaction[], reached: 0, ended: [] as (number | undefined)[] };
  const subscription = ledger.feed.subscribe(
    { tenant: caller.tenant, reach: caller.accounts, accounts: undefined, fromLsn: 1, ...more },
    7,
    true,
    ledger.stats().durableLsn,
    {
      frame: ({ bytes }) => {
        const { rid, events } = decodeMsgpack(Buffer.from(bytes)) as {
          rid: number;
          events: { lsn: number; transaction?: FeedTransaction }[];
        };
        expect(rid).toBe(7);
        for (const { lsn, transaction } of events) {
          seen.reached = lsn;
          if (transaction !== undefined) seen.transactions.push(transaction);
        }
        subscription.taken(bytes.length);
      },
      ended: (_reason, lsn) => seen.ended.push(lsn),
    },
  );
  const through = (lsn: number) =>
    until(
      () => seen.reached >= lsn,
      DEADLINE_MS,
      () => `at ${seen.reached} and not at ${lsn}`,
    );
  return { seen, through, stop: () => subscription.stop() };
}

/** Some of everything among `till:1`, `till:2`, `bank:1`, `sales`. @returns the ids */
async function trade(shop: Session, prefix: string): Promise<string[]> {
  const accounts = ['till:1', 'till:2', 'bank:1', 'sales'];
  for (const id of accounts) {
    await shop.createAccount({ id, currency: 'EUR', type: 'asset', min_balance: null });
  }
  const ids: string[] = [];
  const next = () => {
    ids.push(`${prefix}${ids.length}`);
    return ids.at(-1)!;
  };
  for (const debit of accounts) {
    for (const credit of accounts) {
      if (debit === credit) continue;
      const sale = next();
      must(await shop.transaction({ id: sale, debit, credit, amount: 9, reference: `"${sale}"` }));
      must(await shop.reverse(sale, { id: next(), amount: 4 }));
      for (const how of ['post', 'part', 'void', 'expire', 'open'] as const) {
        const id = next();
        const pending = how === 'expire' ? { expires_in: 1 } : true;
        must(await shop.transaction({ id, debit, credit, amount: 2n ** 55n, pending, metadata: { how } }));
        if (how === 'post') must(await shop.post(id));
        if (how === 'part') must(await shop.post(id, { amount: 3, code: 'part' }));
        if (how === 'void') must(await shop.void(id, { effective_at: '2026-01-02T03:04:05Z' }));
      }
    }
  }
  must(await shop.void(next(), { code: 'gone' }));
  const postings = [
    { account: 'till:1', debit: 3, tag: 'vat' },
    { account: 'till:2', debit: 4 },
    { account: 'bank:1', credit: 7 },
  ];
  must(await shop.transaction({ id: next(), currency: 'EUR', postings }));
  return ids;
}

describe('the feed of a ledger', () => {
  it('shows of each transaction what status shows, and to a token of limited reach just what it could read', async () => {
    const ledger = await open();
    const shop = ledger.as({ tenant: 'shop', by: 'ann', terminal: 't1' });
    const other = ledger.as({ tenant: 'shop2', by: 'eve' });
    const ids = await trade(shop, 'a');
    await trade(other, 'b');
    await until(
      async () => ledger.stats().openHolds === 2 * 12,
      DEADLINE_MS,
      () => 'holds that are due do not expire',
    );
    await shop.createAccount({ id: 'last', currency: 'EUR', type: 'asset' });
    const last = ledger.stats().durableLsn;

    const bodies = new Map(
      await Promise.all(ids.map(async (id) => [id, must(await shop.status(id))] as const)),
    );
    const ops = new Set<string>();
    for (const accounts of [undefined, ['till:'], ['till:1', 'bank:'], ['till:1'], ['nothing'], ['']]) {
      const caller: Caller = { tenant: 'shop', by: 'ben', ...(accounts && { accounts }) };
      const session = ledger.as(caller);
      const readable: string[] = [];
      for (const id of ids) if ((await session.status(id)).ok) readable.push(id);
      const { seen, through, stop } = follow(ledger, caller);
      await through(last);
      stop();
      expect(new Set(seen.transactions.map(({ id }) => id))).toEqual(new Set(readable));
      const expected = readable.flatMap((id) => {
        const { end, reversals: _, ...created } = bodies.get(id)!;
        // The creation of a hold is told as it was then.
        const first = { ...created, ...('pending' in created && { status: 'pending' }) };
        return [first, ...(end === undefined ? [] : [{ id, created_lsn: created.lsn, ...end }])];
      });
      const told = seen.transactions.map(({ op, ...body }) => {
        ops.add(op);
        return body;
      });
      expect(told.map(plain)).toEqual(expected.sort((a, b) => a.lsn - b.lsn).map(plain));
    }
    expect(ops).toEqual(new Set(['transaction', 'post', 'void', 'expire', 'reverse', 'tombstone']));
  });

  it('shows what touches the accounts that are asked for, ends included', async () => {
    const ledger = await open();
    const shop = ledger.as({ tenant: 'shop', by: 'ann' });
    await trade(shop, 'a');
    await until(
      async () => ledger.stats().openHolds === 12,
      DEADLINE_MS,
      () => 'holds that are due do not expire',
    );
    const last = ledger.stats().durableLsn;
    const all = follow(ledger, shop.caller);
    await all.through(last);
    const accountsOf = new Map(
      all.seen.transactions
        .filter((one) => !('created_lsn' in one))
        .map(({ id, postings = [] }) => [id, postings.map(({ account }) => account)]),
    );
    for (const accounts of [['till:1'], ['till:*'], ['bank:*', 'sales'], ['till'], ['*']]) {
      const { seen, through } = follow(ledger, shop.caller, { accounts });
      await through(last);
      const wanted = all.seen.transactions.filter(({ id }) =>
        accountsOf
          .get(id)!
          .some((account) =>
            accounts.some((entry) =>
              entry.endsWith('*') ? account.startsWith(entry.slice(0, -1)) : account === entry,
            ),
          ),
      );
      expect(seen.transactions).toEqual(wanted);
      expect(wanted.length > 0).toBe(accounts[0] !== 'till');
    }
  });

  it('ends with its thread, and a new thread serves whoever comes again; sales go on', async () => {
    const workers: Worker[] = [];
    const note = (worker: Worker) => workers.push(worker);
    const ledger = await open();
    process.on('worker', note);
    onTestFinished(() => {
      process.off('worker', note);
    });
    const shop = ledger.as({ tenant: 'shop', by: 'ann' });
    for (const id of ['till', 'sales']) {
      await shop.createAccount({ id, currency: 'EUR', type: 'asset', min_balance: null });
    }
    const sell = async (id: string) =>
      must(await shop.transaction({ id, debit: 'till', credit: 'sales', amount: 1 })).lsn;
    const first = follow(ledger, shop.caller);
    await first.through(await sell('one'));
    expect(workers).toHaveLength(1);
    expect(ledger.feed.size).toBe(1);
    await workers[0]!.terminate();
    await until(
      () => first.seen.ended.length > 0,
      DEADLINE_MS,
      () => 'it does not hear of it',
    );
    expect(first.seen.ended).toEqual([undefined]);
    expect(ledger.feed.size).toBe(0);
    expect(ledger.feed.lag()).toBe(0);
    const last = await sell('two');
    const second = follow(ledger, shop.caller, { fromLsn: first.seen.reached + 1 });
    await second.through(last);
    expect(second.seen.transactions.map(({ id }) => id)).toEqual(['two']);
    expect(workers).toHaveLength(2);
  });

  it('has no thread until somebody subscribes', async () => {
    const workers: Worker[] = [];
    const note = (worker: Worker) => workers.push(worker);
    process.on('worker', note);
    onTestFinished(() => {
      process.off('worker', note);
    });
    const ledger = await open();
    const before = workers.length;
    await ledger.as({ tenant: 'shop', by: 'ann' }).createAccount({ id: 'x', currency: 'EUR', type: 'asset' });
    expect(workers).toHaveLength(before);
    await follow(ledger, { tenant: 'shop', by: 'ann' }).through(1);
    expect(workers).toHaveLength(before + 1);
  });
});

/** Exact integers of any size as text, so that numbers and bigints compare. */
function plain(body: object): unknown {
  return JSON.parse(
    JSON.stringify(body, (_key, value) =>
      typeof value === 'bigint' || typeof value === 'number' ? String(value) : value,
    ),
  );
}
