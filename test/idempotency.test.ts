import { describe, expect, test } from 'vitest';
import type { Outcome, TransactionInput } from '../engine/types.js';
import type { Session } from '../src/session.js';
import {
  accounts,
  answer,
  balanceAt,
  compact,
  must,
  refusal,
  SHARD_COUNTS,
  shopsOf,
  World,
} from './support/ledger.js';

/** The contract on copies: what counts as the same content, and what the second answer is. */

const shop = shopsOf(3);
const SALE: TransactionInput = { id: 't1', debit: 'till', credit: '{x}:sales', amount: 100 };
const LONG: TransactionInput = {
  id: 't1',
  postings: [
    { account: 'till', debit: 100 },
    { account: '{x}:sales', credit: 100 },
  ],
};

async function opened() {
  const made = shop();
  await accounts(made.session, ['till', '{x}:sales', 'vat']);
  return made;
}

describe('resending everything', () => {
  const steps: readonly ((session: Session) => Promise<Outcome<object>>)[] = [
    (s) => s.createAccount({ id: 'till', currency: 'EUR', type: 'asset', min_balance: -5000 }),
    (s) => s.createAccount({ id: '{x}:sales', currency: 'EUR', type: 'revenue', metadata: { a: 1 } }),
    (s) => s.transaction({ ...SALE, code: 'sale', reference: 'r 1', metadata: { b: [1, { c: 2 }], a: 'x' } }),
    (s) => s.transaction({ ...LONG, id: 't2', currency: 'EUR', effective_at: '2024-01-01T00:00:00.000Z' }),
    (s) => s.transaction({ ...SALE, id: 'h1', pending: true }),
    (s) => s.transaction({ ...SALE, id: 'h2', pending: { expires_in: 3600 } }),
    (s) => s.transaction({ ...SALE, id: 'h3', pending: { approval: true } }),
    (s) => s.post('h1', { amount: 40, reference: 'partly' }),
    (s) => s.void('h2'),
    (s) => s.void('never-seen'),
    (s) => s.reverse('t1', { id: 'r1', amount: 30, metadata: { why: 'broken' } }),
    (s) => s.reverse('h1', { id: 'r2' }),
    (s) => s.reverse('t2', { id: 'r3', postings: LONG.postings! }),
    (s) => s.reverse('r3', { id: 'r4' }),
  ];

  test.each(SHARD_COUNTS)(
    'gives the first result, before and after restarts, on %i shards',
    async (shards) => {
      const world = await World.open(shards);
      const first: Outcome<object>[] = [];
      for (const step of steps) first.push(await step(world.as()));
      for (const outcome of first) expect(outcome.ok).toBe(true);
      const till = must(await world.as().account('till'));
      const statuses = ['t1', 't2', 'h1', 'h2', 'h3', 'never-seen', 'r1', 'r2', 'r3', 'r4'];
      const bodies = [];
      for (const id of statuses) bodies.push(must(await world.as().status(id)));

      for (const round of [0, 1, 2, 3]) {
        if (round > 0) await world.reopen([3, 1, shards][round - 1]!);
        const session = world.as('shop', round % 2 === 0 ? 'ann' : 'bob');
        for (const [index, step] of steps.entries()) {
          const again = await step(session);
          if (!again.ok) throw new Error(`step ${index} in round ${round}: ${again.code} ${again.detail}`);
          if (index < 2 || (index >= 7 && index <= 9)) {
            if (index !== 9) expect(again.created).toBe(false);
            continue;
          }
          const { balances: _, ...kept } = must(first[index]!) as { balances?: object };
          expect(again).toEqual({ ok: true, created: false, body: { ...kept, duplicate: true } });
        }
        expect(await session.account('till')).toEqual({ ok: true, created: false, body: till });
        for (const [index, id] of statuses.entries())
          expect(must(await session.status(id))).toEqual(bodies[index]);
      }
    },
  );
});

describe('the same content', () => {
  test('is the same in the short and the long form', async () => {
    const { session } = await opened();
    const first = must(await session.transaction(SALE));
    const again = must(await session.transaction(LONG));
    expect(again).toMatchObject({ duplicate: true, lsn: first.lsn, committed_at: first.committed_at });
    must(await session.transaction({ ...LONG, id: 't2' }));
    expect(await answer(session.transaction({ ...SALE, id: 't2' }))).toBe('duplicate');
    expect(await balanceAt(session, 'till')).toBe(200n);
  });

  test('is the same in the compact forms', async () => {
    const { session } = await opened();
    const said = { code: 'sale', reference: 'r 1', effective_at: '2024-01-01T00:00:00.000Z' };
    const { lsn } = must(await session.transaction({ ...SALE, ...said }));
    const options = ['sale', 'r 1', '2024-01-01T00:00:00.000Z'];
    const short = await compact(session, [1, 't1', 'till', '{x}:sales', 100, ...options]);
    const legs = [
      ['till', 100],
      ['{x}:sales', -100],
    ];
    const long = await compact(session, [2, 't1', legs, ...options]);
    expect([short, long]).toEqual([
      { code: 'duplicate', lsn },
      { code: 'duplicate', lsn },
    ]);
    const none = await compact(session, [3, 't1', 'till', '{x}:sales', 100]);
    expect(none.code).toBe('id_reused');
    expect((await compact(session, [4, 't2', legs, null, 'r 2'])).code).toBe('ok');
    expect(await answer(session.transaction({ ...SALE, id: 't2', reference: 'r 2' }))).toBe('duplicate');
    const tagged = [
      ['till', 100n, 'food'],
      ['{x}:sales', -100n, null],
    ];
    expect((await compact(session, [5, 't3', tagged])).code).toBe('ok');
    const postings = [{ account: 'till', debit: 100, tag: 'food' }, LONG.postings![1]!];
    expect(await answer(session.transaction({ id: 't3', postings }))).toBe('duplicate');
  });

  test('is the same for number, bigint and digits', async () => {
    const { session } = await opened();
    await session.transaction(SALE);
    for (const amount of [100, 100n, '100']) {
      expect(await answer(session.transaction({ ...SALE, amount }))).toBe('duplicate');
    }
    must(await session.transaction({ ...SALE, id: 'h1', pending: true }));
    const part = must(await session.post('h1', { amount: 7 }));
    expect(must(await session.post('h1', { amount: '7' }))).toEqual(part);
    expect(must(await session.post('h1', { amount: 7n }))).toEqual(part);
    must(await session.reverse('t1', { id: 'r1', amount: 7n }));
    expect(await answer(session.reverse('t1', { id: 'r1', amount: '7' }))).toBe('duplicate');
  });

  test('does not depend on the order of keys, at any depth', async () => {
    const { session } = await opened();
    const metadata = { b: 1, a: { y: [1, 2], x: 'é' } };
    await session.transaction({ ...SALE, metadata });
    const turned = { a: { x: 'é', y: [1, 2] }, b: 1 };
    expect(await answer(session.transaction({ metadata: turned, ...SALE }))).toBe('duplicate');
    const others = [
      { ...metadata, b: 2 },
      { ...metadata, b: '1' },
      { ...metadata, c: null },
      { b: 1, a: { y: [2, 1], x: 'é' } },
      { b: 1, a: { y: [1, 2], x: 'e\u0301' } },
      { b: 1 },
      {},
    ];
    for (const other of others) {
      refusal(await session.transaction({ ...SALE, metadata: other }), 'id_reused');
    }
    refusal(await session.transaction(SALE), 'id_reused');
    expect(must(await session.status('t1')).metadata).toEqual(metadata);
  });

  test('1.0 and 1 are one number', async () => {
    const { session } = await opened();
    await session.transaction({ ...SALE, metadata: { n: 1.0, m: -0 } });
    expect(await answer(session.transaction({ ...SALE, metadata: { n: 1, m: 0 } }))).toBe('duplicate');
  });
});

describe('other content under the same id', () => {
  const others: [string, Partial<TransactionInput>][] = [
    ['another amount', { amount: 101 }],
    ['another account', { credit: 'vat' }],
    ['the sides turned', { debit: '{x}:sales', credit: 'till' }],
    ['a code', { code: 'x' }],
    ['a reference', { reference: 'x' }],
    ['a time', { effective_at: '2024-01-01T00:00:00.000Z' }],
    ['a currency', { currency: 'EUR' }],
    ['pending', { pending: true }],
    ['pending with a time', { pending: { expires_in: 60 } }],
    ['metadata', { metadata: { a: 1 } }],
  ];
  test.each(others)('%s is refused, and the earlier body stands', async (_, other) => {
    const { session } = await opened();
    const { lsn } = must(await session.transaction(SALE));
    refusal(await session.transaction({ ...SALE, ...other }), 'id_reused');
    expect(await answer(session.transaction(SALE))).toBe('duplicate');
    expect(must(await session.status('t1')).lsn).toBe(lsn);
    must(await session.transaction({ ...SALE, id: 't2', ...other }));
    refusal(await session.transaction({ ...SALE, id: 't2' }), 'id_reused');
  });

  test('postings in another order or with other tags are refused', async () => {
    const { session } = await opened();
    const [debit, credit] = LONG.postings!;
    await session.transaction(LONG);
    refusal(await session.transaction({ id: 't1', postings: [credit!, debit!] }), 'id_reused');
    refusal(
      await session.transaction({ id: 't1', postings: [{ ...debit!, tag: 'x' }, credit!] }),
      'id_reused',
    );
    const split = [{ account: 'till', debit: 50 }, { account: 'till', debit: 50 }, credit!];
    refusal(await session.transaction({ id: 't1', postings: split }), 'id_reused');
  });

  test('holds that differ only in how they may end are different', async () => {
    const { session } = await opened();
    const kinds = [
      { expires_in: 60 },
      { expires_in: 61 },
      { approval: true },
      { approval: true, expires_in: 60 },
    ];
    for (const [index, pending] of kinds.entries()) {
      must(await session.transaction({ ...SALE, id: `h${index}`, pending }));
      for (const other of kinds) {
        const due = other === pending ? 'duplicate' : 'id_reused';
        expect(await answer(session.transaction({ ...SALE, id: `h${index}`, pending: other }))).toBe(due);
      }
    }
  });

  test('a copy is a duplicate whatever became of its accounts', async () => {
    const { session } = await opened();
    await session.transaction(SALE);
    await session.updateAccount('till', { frozen: true, min_balance: 100, max_balance: 100 });
    expect(await answer(session.transaction(SALE))).toBe('duplicate');
    refusal(await session.transaction({ ...SALE, id: 't2' }), 'account_frozen');
  });
});

describe('compact commands', () => {
  test('answer with code and LSN, refusals with their number', async () => {
    const { session } = await opened();
    const first = await compact(session, [1, 't1', 'till', '{x}:sales', 5]);
    expect(first).toEqual({ code: 'ok', lsn: must(await session.status('t1')).lsn });
    expect(await compact(session, [2, 't1', 'till', '{x}:sales', 5])).toEqual({
      ...first,
      code: 'duplicate',
    });
    expect(await compact(session, [3, 't2', 'till', 'nobody', 5])).toEqual({
      code: 'account_not_found',
      lsn: 0,
    });
    expect((await compact(session, [4, 't2', 'till', '{x}:sales', 0])).code).toBe('invalid_amount');
    expect((await compact(session, [4, 't2', 'till', '{x}:sales'])).code).toMatch(
      /^invalid_(amount|request)$/,
    );
    expect((await compact(session, [5, 'a b', 'till', '{x}:sales', 5])).code).toBe('invalid_request');
    expect(
      (
        await compact(session, [
          6,
          't2',
          [
            ['till', 5],
            ['vat', -4],
          ],
        ])
      ).code,
    ).toBe('unbalanced');
    expect(
      (
        await compact(session, [
          7,
          't2',
          [
            ['till', 5],
            ['vat', -5],
            ['vat', 0],
          ],
        ])
      ).code,
    ).toBe('invalid_amount');
    const tooMuch = ['t2', 'till', '{x}:sales', 5, null, null, null, 'more'];
    expect((await compact(session, [2 ** 32 - 1, ...tooMuch])).code).toBe('invalid_request');
    refusal(await session.status('t2'), 'transaction_not_found');
  });

  test('without a usable rid are not taken', async () => {
    const { session } = await opened();
    const sink = { answer: () => expect.unreachable(), answerBatch: () => expect.unreachable() };
    for (const rid of [undefined, null, 'x', 1.5, 2 ** 32]) {
      expect(session.compact([rid, 't1', 'till', '{x}:sales', 5], sink)).toBe(false);
    }
    expect(session.compact([], sink)).toBe(false);
  });
});
