import { describe, expect, test } from 'vitest';
import type { AccountInput } from '../engine/types.js';
import { accounts, answer, balanceAt, codeOf, move, must, refusal, shopsOf } from './support/ledger.js';

/** The contract's Accounts section, sentence by sentence. */

const shop = shopsOf(3);
const TILL: AccountInput = { id: 'till', currency: 'EUR', type: 'asset' };

describe('creating an account', () => {
  test('answers with the account as it stands', async () => {
    const { session } = shop();
    const input: AccountInput = {
      ...TILL,
      min_balance: -500,
      max_balance: '9000',
      group: 'riga.store17.till3',
      metadata: { floor: 2, open: true },
    };
    const outcome = await session.createAccount(input);
    expect(outcome).toMatchObject({ ok: true, created: true });
    const body = must(outcome);
    expect(body).toMatchObject({ id: 'till', account: 'till', currency: 'EUR', type: 'asset', balance: 0n });
    expect(body).toMatchObject({ min_balance: -500n, max_balance: 9000n, available: 500n });
    expect(body).toMatchObject({ frozen: false, closed: false, group: 'riga.store17.till3' });
    expect(body.metadata).toEqual({ floor: 2, open: true });
    expect(must(await session.account('till'))).toEqual(body);
  });

  test('the same again is no new account, and shows how it stands by now', async () => {
    const { session } = shop();
    await accounts(session, ['house']);
    await session.createAccount(TILL);
    await move(session, 't1', 'till', 'house', 70);
    await session.updateAccount('till', { max_balance: 100 });
    const again = await session.createAccount(TILL);
    expect(again).toMatchObject({ ok: true, created: false, body: { balance: 70n, max_balance: 100n } });
  });

  test('the same id with anything else is refused', async () => {
    const { session } = shop();
    await session.createAccount(TILL);
    const others: Partial<AccountInput>[] = [
      { currency: 'USD' },
      { type: 'expense' },
      { min_balance: -1 },
      { max_balance: 5 },
      { group: 'riga' },
      { metadata: { a: 1 } },
    ];
    for (const other of others) refusal(await session.createAccount({ ...TILL, ...other }), 'account_exists');
  });

  test('the minimum is 0 for assets and liabilities, and there is none for the others', async () => {
    const { session } = shop();
    const types = ['asset', 'liability', 'equity', 'revenue', 'expense'] as const;
    const minimums = [];
    for (const type of types) {
      const body = must(await session.createAccount({ id: type, currency: 'EUR', type }));
      expect(body.max_balance).toBeNull();
      minimums.push(body.min_balance);
    }
    expect(minimums).toEqual([0n, 0n, null, null, null]);
  });

  test('a null minimum takes the default away', async () => {
    const { session } = shop();
    const body = must(await session.createAccount({ ...TILL, min_balance: null }));
    expect(body).toMatchObject({ min_balance: null, available: null });
  });

  test('limits that the empty account would break are refused', async () => {
    const { session } = shop();
    expect((await session.createAccount({ ...TILL, min_balance: 1 })).ok).toBe(false);
    expect((await session.createAccount({ ...TILL, min_balance: null, max_balance: -1 })).ok).toBe(false);
  });

  test('malformed bodies are named by their fault and a pointer', async () => {
    const { session } = shop();
    const faults: [object, string][] = [
      [{ id: '' }, '/id'],
      [{ id: 'a b' }, '/id'],
      [{ id: 'x'.repeat(65) }, '/id'],
      [{ id: 7 }, '/id'],
      [{ currency: 'eur' }, '/currency'],
      [{ currency: 'EU' }, '/currency'],
      [{ currency: 'EUROEUROE' }, '/currency'],
      [{ type: 'cash' }, '/type'],
      [{ group: 'x'.repeat(65) }, '/group'],
      [{ metadata: [1] }, '/metadata'],
      [{ colour: 'red' }, '/colour'],
    ];
    for (const [fault, pointer] of faults) {
      const refused = refusal(await session.createAccount({ ...TILL, ...fault }), 'invalid_request');
      expect([fault, refused.pointer]).toEqual([fault, pointer]);
    }
    refusal(await session.createAccount({ ...TILL, metadata: { a: 'x'.repeat(1024) } }), 'too_large');
    refusal(await session.createAccount({ ...TILL, min_balance: 0.5 }), 'invalid_amount');
    expect(await answer(session.account('till'))).toBe('account_not_found');
  });

  test('an account and a transaction may have the same id, and ids belong to their tenant', async () => {
    const [one, other] = [shop().session, shop().session];
    for (const session of [one, other]) {
      await accounts(session, ['same', 'house']);
      await move(session, 'same', 'same', 'house', 5);
    }
    await move(one, 'more', 'same', 'house', 5);
    expect(await balanceAt(one, 'same')).toBe(10n);
    expect(await balanceAt(other, 'same')).toBe(5n);
    expect(await answer(other.status('more'))).toBe('transaction_not_found');
  });
});

describe('a batch of accounts', () => {
  test('each is decided by itself, in the order given', async () => {
    const { session } = shop();
    const { results } = must(
      await session.createAccounts({
        accounts: [TILL, { ...TILL, currency: 'USD' }, TILL, { ...TILL, id: '?' }, { ...TILL, id: 'next' }],
      }),
    );
    expect(results.map((result) => (result.ok ? 'ok' : result.code))).toEqual([
      'ok',
      'account_exists',
      'ok',
      'invalid_request',
      'ok',
    ]);
    expect(results[1]).toMatchObject({ ok: false, id: 'till' });
    expect(results[4]).toMatchObject({ ok: true, id: 'next', balance: 0n });
  });

  test('takes 8,192 and not one more', async () => {
    const { session } = shop();
    const many = Array.from({ length: 8192 }, (_, index) => ({ ...TILL, id: `a${index}` }));
    const tooMany = [...many, { ...TILL, id: 'straw' }];
    refusal(await session.createAccounts({ accounts: tooMany }), 'invalid_request');
    expect(await answer(session.account('a0'))).toBe('account_not_found');
    const { results } = must(await session.createAccounts({ accounts: many }));
    expect(results.length).toBe(8192);
    expect(results.every((result) => result.ok)).toBe(true);
  });
});

describe('a balance', () => {
  test('is on the normal side: debits raise assets and expenses, credits raise the others', async () => {
    const { session } = shop();
    const types = ['asset', 'expense', 'liability', 'equity', 'revenue'] as const;
    await accounts(session, ['other']);
    for (const type of types) {
      await accounts(session, [type], { type });
      await move(session, `d-${type}`, type, 'other', 100);
      await move(session, `c-${type}`, 'other', type, 30);
    }
    const balances = [];
    for (const type of types) balances.push(await balanceAt(session, type));
    expect(balances).toEqual([70n, 70n, -70n, -70n, -70n]);
  });

  test('shows what is posted, what is pending and what is available, at an LSN', async () => {
    const { session } = shop();
    await accounts(session, ['house']);
    await session.createAccount({ ...TILL, min_balance: -50 });
    await move(session, 't1', 'till', 'house', 200);
    await move(session, 't2', 'house', 'till', 30);
    await session.transaction({ id: 'h1', debit: 'house', credit: 'till', amount: 40, pending: true });
    const last = must(
      await session.transaction({ id: 'h2', debit: 'till', credit: 'house', amount: 7, pending: true }),
    );
    const body = must(await session.balance('till'));
    expect(body).toEqual({
      account: 'till',
      currency: 'EUR',
      balance: 170n,
      available: 180n,
      debits_posted: 200n,
      credits_posted: 30n,
      debits_pending: 7n,
      credits_pending: 40n,
      lsn: body.lsn,
    });
    expect(body.lsn).toBeGreaterThanOrEqual(last.lsn);
    expect(must(await session.balance('house')).available).toBeNull();
  });

  test('of an account that does not exist is not found', async () => {
    const { session } = shop();
    refusal(await session.balance('nobody'), 'account_not_found');
    refusal(await session.account('nobody'), 'account_not_found');
    refusal(await session.updateAccount('nobody', { frozen: true }), 'account_not_found');
  });
});

describe('changing an account', () => {
  test('limits, group and metadata are kept, and null takes them away', async () => {
    const { session } = shop();
    await session.createAccount({ ...TILL, group: 'riga', metadata: { a: 1 } });
    const set = { min_balance: -5, max_balance: 10n, group: 'riga.store1', metadata: { b: [2] } };
    expect(must(await session.updateAccount('till', set))).toMatchObject({
      ...set,
      min_balance: -5n,
      max_balance: 10n,
    });
    const none = { min_balance: null, max_balance: null, group: null, metadata: null };
    const body = must(await session.updateAccount('till', none));
    expect(body).toMatchObject({ min_balance: null, max_balance: null, available: null });
    expect(body.group ?? null).toBeNull();
    expect(body.metadata ?? null).toBeNull();
    expect(must(await session.account('till'))).toEqual(body);
  });

  test('a minimum that the balance with its pending outflow breaks is refused', async () => {
    const { session } = shop();
    await accounts(session, ['house']);
    await accounts(session, ['till']);
    await move(session, 't1', 'till', 'house', 100);
    await session.transaction({ id: 'h1', debit: 'house', credit: 'till', amount: 40, pending: true });
    refusal(await session.updateAccount('till', { min_balance: 61 }), 'limit_exceeded');
    expect(must(await session.account('till')).min_balance).toBeNull();
    expect(must(await session.updateAccount('till', { min_balance: 60 })).available).toBe(0n);
  });

  test('a maximum that the balance with its pending inflow breaks is refused', async () => {
    const { session } = shop();
    await accounts(session, ['house', 'till']);
    await move(session, 't1', 'till', 'house', 100);
    await session.transaction({ id: 'h1', debit: 'till', credit: 'house', amount: 40, pending: true });
    const refused = refusal(await session.updateAccount('till', { max_balance: 139 }), 'limit_exceeded');
    expect(refused.account).toBe('till');
    expect(must(await session.updateAccount('till', { max_balance: 140 })).max_balance).toBe(140n);
  });

  test('a refused change changes nothing of what it asked for', async () => {
    const { session } = shop();
    await session.createAccount(TILL);
    const before = must(await session.account('till'));
    refusal(
      await session.updateAccount('till', { frozen: true, group: 'x', min_balance: 1 }),
      'limit_exceeded',
    );
    expect(must(await session.account('till'))).toEqual(before);
  });

  test('unknown fields and wrong types are malformed', async () => {
    const { session } = shop();
    await session.createAccount(TILL);
    const faults = [{ currency: 'USD' }, { type: 'equity' }, { frozen: 1 }, { closed: 'yes' }, { id: 'x' }];
    for (const fault of faults) {
      refusal(await session.updateAccount('till', fault as object), 'invalid_request');
    }
    refusal(await session.updateAccount('till', { max_balance: 1.5 }), 'invalid_amount');
  });

  test('a raised limit lets pass what it kept out', async () => {
    const { session } = shop();
    await accounts(session, ['house']);
    await session.createAccount({ ...TILL, max_balance: 10 });
    const sale = { debit: 'till', credit: 'house', amount: 11 };
    refusal(await session.transaction({ id: 't1', ...sale }), 'limit_exceeded');
    await session.updateAccount('till', { max_balance: 11 });
    expect(await answer(session.transaction({ id: 't1', ...sale }))).toBe('ok');
  });
});

describe('a frozen account', () => {
  test('refuses create, post and reverse; void passes, and so does everything once it thaws', async () => {
    const { session } = shop();
    await accounts(session, ['till', 'house']);
    const sale = { debit: 'till', credit: 'house', amount: 10 };
    await session.transaction({ id: 'posted', ...sale });
    for (const id of ['h1', 'h2']) await session.transaction({ id, ...sale, pending: true });
    expect(must(await session.updateAccount('till', { frozen: true })).frozen).toBe(true);

    for (const refused of [
      await session.transaction({ id: 't1', ...sale }),
      await session.transaction({ id: 't1', ...sale, debit: 'house', credit: 'till' }),
      await session.transaction({ id: 't2', ...sale, pending: true }),
      await session.post('h1'),
      await session.reverse('posted', { id: 'r1' }),
    ]) {
      expect(refusal(refused, 'account_frozen').account).toBe('till');
    }
    expect(must(await session.void('h2')).status).toBe('voided');
    expect(must(await session.balance('till'))).toMatchObject({ balance: 10n, debits_pending: 10n });

    await session.updateAccount('till', { frozen: false });
    expect(codeOf(await session.post('h1'))).toBe('ok');
    expect(codeOf(await session.reverse('posted', { id: 'r1' }))).toBe('ok');
    expect(codeOf(await session.transaction({ id: 't1', ...sale }))).toBe('ok');
  });
});

describe('a closed account', () => {
  test('needs a zero balance and nothing pending', async () => {
    const { session } = shop();
    await accounts(session, ['till', 'house']);
    await move(session, 't1', 'till', 'house', 5);
    refusal(await session.updateAccount('till', { closed: true }), 'balance_not_zero');
    await move(session, 't2', 'house', 'till', 5);
    await session.transaction({ id: 'h1', debit: 'till', credit: 'house', amount: 5, pending: true });
    refusal(await session.updateAccount('till', { closed: true }), 'balance_not_zero');
    await session.void('h1');
    expect(must(await session.updateAccount('till', { closed: true })).closed).toBe(true);
  });

  test('refuses what is new until it is opened again', async () => {
    const { session } = shop();
    await accounts(session, ['till', 'house']);
    await move(session, 't1', 'till', 'house', 5);
    await move(session, 't2', 'house', 'till', 5);
    await session.updateAccount('till', { closed: true });
    const sale = { debit: 'till', credit: 'house', amount: 5 };
    expect(refusal(await session.transaction({ id: 't3', ...sale }), 'account_closed').account).toBe('till');
    refusal(await session.transaction({ id: 't3', ...sale, pending: true }), 'account_closed');
    refusal(await session.reverse('t1', { id: 'r1' }), 'account_closed');
    await session.updateAccount('till', { closed: false });
    expect(await answer(session.transaction({ id: 't3', ...sale }))).toBe('ok');
  });
});
