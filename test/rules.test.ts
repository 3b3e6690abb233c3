import { describe, expect, test } from 'vitest';
import { AMOUNT_MAX } from '../engine/limits.js';
import type { PostingInput, TransactionInput } from '../engine/types.js';
import { accounts, answer, balanceAt, compact, move, must, refusal, shopsOf } from './support/ledger.js';

/** The contract's Values, and of its Transactions section what a transaction is. Holds and reversals have files of their own. */

const shop = shopsOf(3);
const SALE = { id: 't1', debit: 'till', credit: 'sales', amount: 100 };

/** A shop with a till, sales and others, all EUR and without a minimum, and one account in USD. */
async function opened() {
  const made = shop();
  await accounts(made.session, ['till', 'sales', 'vat', 'tips', '{x}:far']);
  await accounts(made.session, ['usd', 'usd-sales'], { currency: 'USD' });
  return made;
}

describe('an amount', () => {
  test('is a positive integer in any exact form', async () => {
    const { session } = await opened();
    const forms = [1, 1n, '1', 2 ** 53 - 1, BigInt(2 ** 53) + 1n, '9007199254740993'];
    for (const [index, amount] of forms.entries()) {
      expect(await answer(session.transaction({ ...SALE, id: `t${index}`, amount }))).toBe('ok');
    }
    expect(await balanceAt(session, 'till')).toBe(3n + 9007199254740991n + 2n * 9007199254740993n);
  });

  test('is kept to the last unit up to 2^63-1', async () => {
    const { session } = await opened();
    const { balances } = must(await session.transaction({ ...SALE, amount: AMOUNT_MAX }));
    expect(balances).toEqual({ till: AMOUNT_MAX, sales: -AMOUNT_MAX });
    const status = must(await session.status('t1'));
    expect(status.postings?.[0]).toEqual({ account: 'till', debit: AMOUNT_MAX });
  });

  test.each([
    ['zero', 0],
    ['negative', -1],
    ['negative bigint', -1n],
    ['a fraction', 1.5],
    ['not a number', Number.NaN],
    ['infinite', Number.POSITIVE_INFINITY],
    ['a float beyond what it can hold exactly', 2 ** 53],
    ['2^63', 1n << 63n],
    ['2^63 as digits', '9223372036854775808'],
    ['a signed string', '+5'],
    ['a negative string', '-5'],
    ['a string with a point', '5.0'],
    ['an exponent', '1e3'],
    ['hexadecimal', '0x10'],
    ['an empty string', ''],
    ['a string with space', ' 5'],
    ['a boolean', true],
    ['null', null],
    ['an object', {}],
  ])('%s is an invalid amount', async (_, amount) => {
    const { session } = await opened();
    const short = await session.transaction({ ...SALE, amount: amount as number });
    expect(refusal(short, 'invalid_amount').pointer).toBe('/amount');
    const postings = [
      { account: 'till', debit: amount as number },
      { account: 'sales', credit: 5 },
    ];
    const long = await session.transaction({ id: 't1', postings });
    expect(refusal(long, 'invalid_amount').pointer).toBe('/postings/0/debit');
    refusal(await session.status('t1'), 'transaction_not_found');
  });

  test('a sum that leaves the range is an overflow and changes nothing', async () => {
    const { session } = await opened();
    await session.transaction({ ...SALE, amount: AMOUNT_MAX });
    refusal(await session.transaction({ ...SALE, id: 't2', amount: 1 }), 'overflow');
    refusal(await session.transaction({ ...SALE, id: 't3', credit: 'vat', amount: 1 }), 'overflow');
    expect(await balanceAt(session, 'till')).toBe(AMOUNT_MAX);
    expect(await balanceAt(session, 'vat')).toBe(0n);
  });

  test('pending sums do not leave the range either', async () => {
    const { session } = await opened();
    const hold = { ...SALE, amount: AMOUNT_MAX, pending: true };
    expect(await answer(session.transaction(hold))).toBe('ok');
    refusal(await session.transaction({ ...hold, id: 't2', amount: 1 }), 'overflow');
  });
});

describe('a malformed transaction', () => {
  const long = (postings: unknown) => ({ id: 't1', postings }) as TransactionInput;
  const leg = { account: 'till', debit: 5 };
  const faults: [string, object, string][] = [
    ['no id', { ...SALE, id: undefined }, '/id'],
    ['an empty id', { ...SALE, id: '' }, '/id'],
    ['an id with a slash', { ...SALE, id: 'a/b' }, '/id'],
    ['an id of 65 bytes', { ...SALE, id: 'x'.repeat(65) }, '/id'],
    ['an id that is a number', { ...SALE, id: 12 }, '/id'],
    ['a code outside the alphabet', { ...SALE, code: 'naïve' }, '/code'],
    ['a code of 33 bytes', { ...SALE, code: 'x'.repeat(33) }, '/code'],
    ['an empty reference', { ...SALE, reference: '' }, '/reference'],
    ['a reference of 65 characters', { ...SALE, reference: 'x'.repeat(65) }, '/reference'],
    ['a reference beyond ASCII', { ...SALE, reference: 'kvīts' }, '/reference'],
    ['a time without a zone', { ...SALE, effective_at: '2024-01-01T00:00:00.000' }, '/effective_at'],
    ['a month 13', { ...SALE, effective_at: '2024-13-01T00:00:00.000Z' }, '/effective_at'],
    ['a 30th of February', { ...SALE, effective_at: '2024-02-30T00:00:00.000Z' }, '/effective_at'],
    ['a word for a time', { ...SALE, effective_at: 'yesterday' }, '/effective_at'],
    ['a list as metadata', { ...SALE, metadata: [] }, '/metadata'],
    ['metadata beyond 2^53', { ...SALE, metadata: { n: 2 ** 60 } }, '/metadata'],
    ['an unknown field', { ...SALE, colour: 'red' }, '/colour'],
    ['a lower-case currency', { ...SALE, currency: 'eur' }, '/currency'],
    ['pending as a number', { ...SALE, pending: 1 }, '/pending'],
    ['no time to expire', { ...SALE, pending: { expires_in: 0 } }, '/pending/expires_in'],
    ['half a second to expire', { ...SALE, pending: { expires_in: 0.5 } }, '/pending/expires_in'],
    ['an unknown way to be pending', { ...SALE, pending: { until: 5 } }, '/pending/until'],
    ['one posting', long([leg]), '/postings'],
    ['65 postings', long(Array.from({ length: 65 }, () => leg)), '/postings'],
    ['postings that are no list', long('till'), '/postings'],
    ['a posting with both sides', long([{ ...leg, credit: 5 }, leg]), '/postings/0'],
    ['a posting with no side', long([leg, { account: 'sales' }]), '/postings/1'],
    ['an unknown field of a posting', long([{ ...leg, vat: 21 }, leg]), '/postings/0/vat'],
    ['a tag outside the alphabet', long([{ ...leg, tag: 'a b' }, leg]), '/postings/0/tag'],
    ['an account that is no id', long([{ account: '', debit: 5 }, leg]), '/postings/0/account'],
  ];
  test.each(faults)('%s', async (_, body, pointer) => {
    const { session } = await opened();
    const refused = refusal(await session.transaction(body as TransactionInput), 'invalid_request');
    expect(refused.pointer?.startsWith(pointer)).toBe(true);
    expect(await balanceAt(session, 'till')).toBe(0n);
  });

  test('both forms in one body', async () => {
    const { session } = await opened();
    const postings = [leg, { account: 'sales', credit: 5 }];
    refusal(await session.transaction({ ...SALE, postings }), 'invalid_request');
  });

  test('metadata above 1 KiB is too large, and of 1 KiB is kept as it came', async () => {
    const { session } = await opened();
    const metadata = { a: 'x'.repeat(1024 - 8) };
    refusal(await session.transaction({ ...SALE, metadata: { a: `${metadata.a}x` } }), 'too_large');
    await session.transaction({ ...SALE, metadata });
    expect(must(await session.status('t1')).metadata).toEqual(metadata);
  });

  test('a static fault is named before any other', async () => {
    const { session } = await opened();
    const nobody = { debit: 'nobody', credit: 'sales' };
    refusal(await session.transaction({ id: 't1', ...nobody, amount: 0 }), 'invalid_amount');
    const postings = [
      { account: 'nobody', debit: 5 },
      { account: 'sales', credit: 6 },
    ];
    refusal(await session.transaction({ id: 't1', postings }), 'unbalanced');
    await session.transaction(SALE);
    refusal(await session.transaction({ ...SALE, amount: -1 }), 'invalid_amount');
  });
});

describe('a posted transaction', () => {
  test('answers with its LSN, its time and the balances it made', async () => {
    const { session } = await opened();
    const before = Date.now();
    const outcome = await session.transaction(SALE);
    expect(outcome).toMatchObject({ ok: true, created: true });
    const body = must(outcome);
    expect(body).toEqual({
      id: 't1',
      status: 'posted',
      lsn: body.lsn,
      committed_at: body.committed_at,
      balances: { till: 100n, sales: -100n },
    });
    expect(body.committed_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(Math.abs(Date.parse(body.committed_at) - before)).toBeLessThan(60_000);
    const next = await move(session, 't2', 'till', 'sales', 1);
    expect(next.lsn).toBeGreaterThan(body.lsn);
  });

  test('may have 64 postings, with accounts named more than once and tags', async () => {
    const { session } = await opened();
    const postings: PostingInput[] = Array.from({ length: 32 }, (_, index) => [
      { account: 'till', debit: index + 1, tag: 'in' },
      { account: index % 2 === 0 ? 'sales' : '{x}:far', credit: index + 1 },
    ]).flat();
    const { balances } = must(await session.transaction({ id: 't1', postings }));
    expect(balances).toEqual({ till: 528n, sales: -256n, '{x}:far': -272n });
    const kept = must(await session.status('t1')).postings;
    expect(kept?.length).toBe(64);
    expect(kept?.[62]).toEqual({ account: 'till', debit: 32n, tag: 'in' });
  });

  test('adds every leg to the posted sums, also where they cancel out', async () => {
    const { session } = await opened();
    const postings = [
      { account: 'till', debit: 30 },
      { account: 'till', credit: 10 },
      { account: 'sales', credit: 20 },
    ];
    await session.transaction({ id: 't1', postings });
    await move(session, 't2', 'vat', 'vat', 5);
    expect(must(await session.balance('till'))).toMatchObject({ debits_posted: 30n, credits_posted: 10n });
    expect(must(await session.balance('vat'))).toMatchObject({ debits_posted: 5n, credits_posted: 5n });
  });

  test('must balance', async () => {
    const { session } = await opened();
    const postings = [
      { account: 'till', debit: 100 },
      { account: 'sales', credit: 80 },
      { account: 'vat', credit: 19 },
    ];
    refusal(await session.transaction({ id: 't1', postings }), 'unbalanced');
  });

  test('must balance in every currency', async () => {
    const { session } = await opened();
    const across = [
      { account: 'till', debit: 100 },
      { account: 'usd', credit: 100 },
    ];
    refusal(await session.transaction({ id: 't1', postings: across }), 'unbalanced');
    const exchange = [
      { account: 'till', debit: 100 },
      { account: 'sales', credit: 100 },
      { account: 'usd', debit: 110 },
      { account: 'usd-sales', credit: 110 },
    ];
    expect(await answer(session.transaction({ id: 't1', postings: exchange }))).toBe('ok');
  });

  test('with a currency all accounts must be in it', async () => {
    const { session } = await opened();
    const refused = refusal(await session.transaction({ ...SALE, currency: 'USD' }), 'currency_mismatch');
    expect(['till', 'sales']).toContain(refused.account);
    expect(await answer(session.transaction({ ...SALE, currency: 'EUR' }))).toBe('ok');
    expect(must(await session.status('t1')).currency).toBe('EUR');
  });

  test('in the short form the accounts must share their currency', async () => {
    const { session } = await opened();
    const refused = await session.transaction({ ...SALE, credit: 'usd' });
    expect(['currency_mismatch', 'unbalanced']).toContain(refused.ok || refused.code);
    expect(['currency_mismatch', 'unbalanced']).toContain(
      (await compact(session, [1, 't1', 'till', 'usd', 5])).code,
    );
  });

  test('needs accounts that exist, and names the missing one', async () => {
    const { session } = await opened();
    const refused = refusal(await session.transaction({ ...SALE, credit: 'nobody' }), 'account_not_found');
    expect(refused.account).toBe('nobody');
    expect(await balanceAt(session, 'till')).toBe(0n);
  });

  test('keeps what was said about it: who, from where, code, reference, times, metadata', async () => {
    const { as } = await opened();
    const session = as('cashier', { terminal: 'till-3' });
    const said = {
      code: 'sale:card',
      reference: 'receipt 17/2024 ~',
      effective_at: '2024-02-29T23:59:59.999Z',
      metadata: { z: 1, a: { list: [1, 'two', null, true, 2.5] } },
    };
    const { lsn, committed_at } = must(await session.transaction({ ...SALE, ...said }));
    const body = must(await session.status('t1'));
    expect(body).toMatchObject({ id: 't1', status: 'posted', lsn, committed_at, ...said });
    expect(body).toMatchObject({ by: 'cashier', terminal: 'till-3' });
    expect(Object.keys(body.metadata ?? {})).toEqual(['z', 'a']);
    expect(body.postings).toEqual([
      { account: 'till', debit: 100n },
      { account: 'sales', credit: 100n },
    ]);
    expect(body.end).toBeUndefined();
  });

  test('that was refused leaves its id free', async () => {
    const { session } = await opened();
    refusal(await session.transaction({ ...SALE, credit: 'nobody' }), 'account_not_found');
    refusal(await session.status('t1'), 'transaction_not_found');
    expect(await answer(session.transaction({ ...SALE, amount: 7 }))).toBe('ok');
  });
});

describe('limits of a posted transaction', () => {
  test('outflow stops at the minimum, and the refusal says what is missing', async () => {
    const { session } = await opened();
    await accounts(session, ['purse'], { type: 'liability', min_balance: 0 });
    await move(session, 'load', 'till', 'purse', 50);
    const spend = { id: 's1', debit: 'purse', credit: 'sales' };
    const refused = refusal(await session.transaction({ ...spend, amount: 70 }), 'insufficient_funds');
    expect(refused).toMatchObject({ account: 'purse', available: 50n, required: 70n, shortage: 20n });
    expect(await answer(session.transaction({ ...spend, amount: 50 }))).toBe('ok');
    refusal(await session.transaction({ ...spend, id: 's2', amount: 1 }), 'insufficient_funds');
  });

  test('a negative minimum is an overdraft up to it', async () => {
    const { session } = await opened();
    await accounts(session, ['purse'], { min_balance: -30 });
    expect(await answer(session.transaction({ ...SALE, credit: 'purse', amount: 30 }))).toBe('ok');
    const more = await session.transaction({ ...SALE, id: 't2', credit: 'purse', amount: 1 });
    expect(refusal(more, 'insufficient_funds')).toMatchObject({ available: 0n, required: 1n, shortage: 1n });
  });

  test('inflow stops at the maximum', async () => {
    const { session } = await opened();
    await accounts(session, ['drawer'], { max_balance: 100 });
    expect(await answer(session.transaction({ ...SALE, debit: 'drawer' }))).toBe('ok');
    const refused = await session.transaction({ ...SALE, id: 't2', debit: 'drawer', amount: 1 });
    expect(refusal(refused, 'limit_exceeded').account).toBe('drawer');
  });

  test('count an account with its net, whatever the order of its legs', async () => {
    const { session } = await opened();
    await accounts(session, ['drawer'], { min_balance: 0, max_balance: 20 });
    const swap = (id: string, out: number, back: number) => ({
      id,
      postings: [
        { account: 'drawer', credit: out },
        { account: 'till', debit: out },
        { account: 'drawer', debit: back },
        { account: 'till', credit: back },
      ],
    });
    expect(await answer(session.transaction(swap('t1', 500, 520)))).toBe('ok');
    refusal(await session.transaction(swap('t2', 500, 501)), 'limit_exceeded');
    refusal(await session.transaction(swap('t3', 521, 500)), 'insufficient_funds');
    expect(await answer(session.transaction(swap('t4', 520, 500)))).toBe('ok');
  });

  test('all or nothing: one account that refuses keeps every other as it was', async () => {
    const { session } = await opened();
    await accounts(session, ['{y}:empty'], { min_balance: 0 });
    const postings = [
      { account: 'till', debit: 30 },
      { account: '{x}:far', debit: 30 },
      { account: 'sales', credit: 50 },
      { account: '{y}:empty', credit: 10 },
    ];
    refusal(await session.transaction({ id: 't1', postings }), 'insufficient_funds');
    for (const id of ['till', '{x}:far', 'sales', '{y}:empty']) {
      expect(must(await session.balance(id))).toMatchObject({ debits_posted: 0n, credits_posted: 0n });
    }
  });
});
