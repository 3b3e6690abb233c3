import { beforeAll, describe, expect, test } from 'vitest';
import { sharedBooks } from './support/books.js';
import type { Fields } from './support/exact-json.js';
import type { HttpClient } from './support/http-client.js';

/** The wire contract as a client sees it: accounts. */

const TIMEOUT_MS = 60_000;
const MAX = 2n ** 63n - 1n;
const BATCH_MAX = 8192;

const { server, fresh, accounts, post, balance } = sharedBooks({ shards: 2 });
let http: HttpClient;

beforeAll(() => {
  http = server().http();
});

describe('accounts', { timeout: TIMEOUT_MS }, () => {
  test('created 201, with just this again 200 as it stands, with other content 409', async () => {
    const [bank] = (await accounts()) as [string];
    const body = {
      id: fresh('acc'),
      currency: 'EUR',
      type: 'liability',
      min_balance: -50,
      max_balance: MAX,
      group: 'riga.store17.till3',
      metadata: { till: 3 },
    };
    const first = await http.post('/v1/accounts', body);
    const { id, ...rest } = body;
    const state = { ...rest, id, account: id, balance: 0, available: 50, frozen: false, closed: false };
    expect(first).toMatchObject({ status: 201, body: state });
    expect(first.body['lsn']).toEqual(expect.any(Number));
    await post({ id: fresh(), debit: bank, credit: id, amount: 7 });
    expect(await http.post('/v1/accounts', body)).toMatchObject({
      status: 200,
      body: { ...state, balance: 7, available: 57 },
    });
    expect(await http.post('/v1/accounts', { ...body, type: 'asset' })).toMatchObject({
      status: 409,
      body: { code: 'account_exists' },
    });
    expect(await http.get(`/v1/accounts/${id}`)).toMatchObject({
      status: 200,
      body: { ...state, balance: 7, available: 57 },
    });
  });

  test.each([
    ['asset', 0],
    ['liability', 0],
    ['expense', null],
    ['equity', null],
    ['revenue', null],
  ])('%s has the default minimum %s, its balance is on the normal side', async (type, min) => {
    const id = fresh(type);
    expect(await http.post('/v1/accounts', { id, currency: 'EUR', type })).toMatchObject({
      status: 201,
      body: { min_balance: min, max_balance: null, available: min },
    });
    const [bank] = (await accounts()) as [string];
    const isDebit = type === 'asset' || type === 'expense';
    const sides = isDebit ? { debit: id, credit: bank } : { debit: bank, credit: id };
    await post({ id: fresh(), ...sides, amount: 9 });
    expect(await balance(id)).toMatchObject({ balance: 9, available: min === null ? null : 9 });
  });

  test('a balance has just these fields and is exactly the one at its lsn', async () => {
    const [bank, till] = (await accounts()) as [string, string];
    const { lsn } = await post({ id: fresh(), debit: bank, credit: till, amount: 100 });
    await post({ id: fresh(), debit: till, credit: bank, amount: 30, pending: true });
    const body = await balance(till);
    expect(body).toEqual({
      account: till,
      currency: 'EUR',
      balance: 100,
      available: 70,
      debits_posted: 0,
      credits_posted: 100,
      debits_pending: 30,
      credits_pending: 0,
      lsn: expect.any(Number),
    });
    expect(body['lsn']).toBeGreaterThan(lsn as number);
    const wire = await server().wire();
    const { rid: _, ok: __, ...reply } = await wire.call('balance', { account: till });
    expect({ ...reply, lsn: 0 }).toEqual({ ...body, lsn: 0 });
  });

  test('min_balance and max_balance bound a posted transaction by its net, a pending one leg by leg', async () => {
    const [bank, till] = (await accounts()) as [string, string];
    await http.patch(`/v1/accounts/${till}`, { min_balance: -10, max_balance: 10 });
    const legs = (id: string, pending?: true) => ({
      id,
      postings: [
        { account: till, debit: 100 },
        { account: till, credit: 95 },
        { account: bank, credit: 5 },
      ],
      ...(pending && { pending }),
    });
    await post(legs(fresh()));
    expect(await balance(till)).toMatchObject({ balance: -5 });
    expect(await http.post('/v1/transactions', legs(fresh(), true))).toMatchObject({
      status: 422,
      body: { account: till },
    });
    const sale = { debit: bank, credit: till, amount: 16 };
    expect(await http.post('/v1/transactions', { id: fresh(), ...sale })).toMatchObject({
      body: { code: 'limit_exceeded', account: till },
    });
    await post({ id: fresh(), ...sale, amount: 15 });
    expect(
      await http.post('/v1/transactions', { id: fresh(), debit: till, credit: bank, amount: 21 }),
    ).toMatchObject({ body: { code: 'insufficient_funds', available: 20, required: 21, shortage: 1 } });
  });

  test('a batch of 8,192 accounts is decided one by one', async () => {
    const prefix = fresh('mass');
    const list = Array.from({ length: BATCH_MAX }, (_, i) => ({
      id: i === 5 ? 'bad id' : `${prefix}-${i === 7 ? 6 : i}`,
      currency: i === 7 ? 'USD' : 'EUR',
      type: 'asset',
    }));
    const { status, body } = await http.post('/v1/accounts/batch', { accounts: list });
    expect(status).toBe(200);
    const results = body['results'] as Fields[];
    expect(results).toHaveLength(BATCH_MAX);
    expect(results[5]).toMatchObject({ ok: false, id: 'bad id', code: 'invalid_request' });
    expect(results[7]).toMatchObject({ ok: false, id: `${prefix}-6`, code: 'account_exists' });
    expect(results[8191]).toMatchObject({ ok: true, id: `${prefix}-8191`, currency: 'EUR', balance: 0 });
    expect(results.filter(({ ok }) => ok)).toHaveLength(BATCH_MAX - 2);
  });

  test('PATCH changes what it names, over HTTP and WebSocket alike', async () => {
    const [, till] = (await accounts()) as [string, string];
    const path = `/v1/accounts/${till}`;
    const change = { frozen: true, min_balance: -5, max_balance: 500, group: 'a.b', metadata: { k: 'v' } };
    expect(await http.patch(path, change)).toMatchObject({ status: 200, body: { id: till, ...change } });
    const wire = await server().wire();
    expect(await wire.call('account_update', { id: till, frozen: false, min_balance: null })).toMatchObject({
      ok: true,
      id: till,
      frozen: false,
      min_balance: null,
      max_balance: 500,
      group: 'a.b',
      metadata: { k: 'v' },
    });
    expect(await wire.call('account_get', { id: till }, 'json')).toMatchObject({
      frozen: false,
      max_balance: 500,
    });
  });

  test('a limit that the balance with its pending flows already breaks is refused', async () => {
    const [bank, till] = (await accounts()) as [string, string];
    await post({ id: fresh(), debit: bank, credit: till, amount: 100 });
    await post({ id: fresh(), debit: till, credit: bank, amount: 30, pending: true });
    const path = `/v1/accounts/${till}`;
    for (const change of [{ min_balance: 71 }, { max_balance: 99 }]) {
      expect(await http.patch(path, change)).toMatchObject({
        status: 422,
        body: { code: 'limit_exceeded', account: till },
      });
    }
    expect(await http.patch(path, { min_balance: 70, max_balance: 100 })).toMatchObject({ status: 200 });
  });

  test('frozen refuses create, post and reverse; void passes; both states can be undone', async () => {
    const [bank, till] = (await accounts()) as [string, string];
    const sale = { debit: bank, credit: till, amount: 10 };
    const [posted, held, other] = [fresh(), fresh(), fresh()];
    await post({ id: posted, ...sale });
    await post({ id: held, ...sale, pending: true });
    await post({ id: other, ...sale, pending: true });
    const path = `/v1/accounts/${till}`;
    const frozen = { status: 422, body: { code: 'account_frozen', account: till } };
    expect(await http.patch(path, { frozen: true })).toMatchObject({ status: 200 });
    expect(await http.post('/v1/transactions', { id: fresh(), ...sale })).toMatchObject(frozen);
    expect(await http.post(`/v1/transactions/${held}/post`)).toMatchObject(frozen);
    expect(await http.post(`/v1/transactions/${posted}/reverse`, { id: fresh() })).toMatchObject(frozen);
    expect(await http.post(`/v1/transactions/${other}/void`)).toMatchObject({ status: 200 });
    expect(await http.patch(path, { frozen: false })).toMatchObject({ status: 200 });
    expect(await http.patch(path, { closed: true })).toMatchObject({
      status: 409,
      body: { code: 'balance_not_zero' },
    });
    expect(await http.post(`/v1/transactions/${held}/post`)).toMatchObject({ status: 200 });
    await post({ id: fresh(), debit: till, credit: bank, amount: 20 });
    expect(await http.patch(path, { closed: true })).toMatchObject({ status: 200, body: { closed: true } });
    expect(await http.post('/v1/transactions', { id: fresh(), ...sale })).toMatchObject({
      body: { code: 'account_closed', account: till },
    });
    expect(await http.patch(path, { closed: false })).toMatchObject({ status: 200 });
    await post({ id: fresh(), ...sale });
  });
});
