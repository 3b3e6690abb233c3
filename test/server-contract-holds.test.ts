import { beforeAll, describe, expect, test } from 'vitest';
import { sharedBooks } from './support/books.js';
import type { HttpClient } from './support/http-client.js';

/** The wire contract as a client sees it: holds, their ends, and reversals. */

const TIMEOUT_MS = 60_000;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

const { server, fresh, accounts, post, balance } = sharedBooks({ shards: 2 });
let http: HttpClient;

beforeAll(() => {
  http = server().http();
});

describe('holds and reversals', { timeout: TIMEOUT_MS }, () => {
  test('a hold is captured in part by amount; the rest is released', async () => {
    const [bank, till] = (await accounts()) as [string, string];
    await post({ id: fresh(), debit: bank, credit: till, amount: 100 });
    const id = fresh('hold');
    const body = { id, debit: till, credit: bank, amount: 60, pending: true };
    expect(await post(body)).toMatchObject({ status: 'pending', balances: { [till]: 100 } });
    expect(await balance(till)).toMatchObject({ balance: 100, available: 40, debits_pending: 60 });
    expect(await http.post(`/v1/transactions/${id}/post`, { amount: 61 })).toMatchObject({
      body: { code: 'exceeds_original' },
    });
    const capture = { amount: 25, code: 'CAP', reference: 'slip', metadata: { k: 1 } };
    const end = await http.post(`/v1/transactions/${id}/post`, capture);
    expect(end).toMatchObject({
      status: 200,
      body: {
        id,
        status: 'posted',
        postings: [
          { account: till, debit: 60 },
          { account: bank, credit: 60 },
        ],
        end: {
          status: 'posted',
          by: 'ann',
          code: 'CAP',
          reference: 'slip',
          metadata: { k: 1 },
          postings: [
            { account: till, debit: 25 },
            { account: bank, credit: 25 },
          ],
        },
      },
    });
    expect(await balance(till)).toMatchObject({ balance: 75, available: 75, debits_pending: 0 });
    expect((await http.post(`/v1/transactions/${id}/post`, capture)).body).toEqual(end.body);
    expect(await http.post(`/v1/transactions/${id}/post`)).toMatchObject({
      body: { code: 'already_posted' },
    });
    expect(await http.post(`/v1/transactions/${id}/void`)).toMatchObject({
      body: { code: 'already_posted' },
    });
    // A copy of a hold that has ended since is a duplicate too.
    expect(await post(body, 200)).toMatchObject({ duplicate: true, lsn: end.body['lsn'] });
    expect((await http.get(`/v1/transactions/${id}`)).body).toEqual(end.body);
  });

  test('a hold is captured in part by postings, which name account, side and tag', async () => {
    const [bank, net, tip] = (await accounts(2)) as [string, string, string];
    const id = fresh('hold');
    await post({
      id,
      pending: { expires_in: 3600 },
      postings: [
        { account: bank, debit: 120 },
        { account: net, credit: 60, tag: 'a' },
        { account: net, credit: 40, tag: 'a' },
        { account: tip, credit: 20, tag: 'tip' },
      ],
    });
    const part = {
      postings: [
        { account: bank, debit: 70 },
        { account: net, credit: 70, tag: 'a' },
      ],
    };
    const wrong = { postings: [part.postings[0], { account: net, credit: 70, tag: 'b' }] };
    expect((await http.post(`/v1/transactions/${id}/post`, wrong)).status).toBeGreaterThanOrEqual(400);
    const wire = await server().wire();
    expect(await wire.call('post', { id, ...part })).toMatchObject({
      ok: true,
      status: 'posted',
      pending: { expires_at: expect.stringMatching(TIME) },
      end: { postings: expect.arrayContaining([{ account: net, credit: 60, tag: 'a' }]) },
    });
    expect(await balance(net)).toMatchObject({ balance: 70, credits_pending: 0 });
    expect(await balance(tip)).toMatchObject({ balance: 0, credits_pending: 0 });
    expect(await balance(bank)).toMatchObject({ balance: 70, debits_pending: 0 });
  });

  test('only its creator or an approver voids what needs approval', async () => {
    const [bank, till] = (await accounts()) as [string, string];
    const teller = (sub: string, role = 'teller') => server().http({ sub, role });
    for (const [sub, role, status] of [
      ['ann', 'teller', 200],
      ['bob', 'teller', 403],
      ['bob', 'approver', 200],
    ] as const) {
      const id = fresh('appr');
      const body = { id, debit: bank, credit: till, amount: 5, pending: { approval: true } };
      expect(await teller('ann').post('/v1/transactions', body)).toMatchObject({ status: 201 });
      expect(await teller(sub, role).post(`/v1/transactions/${id}/void`)).toMatchObject({ status });
    }
  });

  test('reversals: in part, the rest, and no more than the original; one of a reversal gives nothing back', async () => {
    const [bank, till] = (await accounts()) as [string, string];
    const id = fresh('orig');
    await post({ id, debit: bank, credit: till, amount: 100 });
    const path = `/v1/transactions/${id}/reverse`;
    const [first, rest, undone] = [fresh('rev'), fresh('rev'), fresh('rev')];
    const part = await http.post(path, { id: first, amount: 30, reference: 'broken' });
    expect(part).toMatchObject({
      status: 201,
      body: { id: first, status: 'posted', balances: { [till]: 70 } },
    });
    expect(await http.post(path, { id: first, amount: 30, reference: 'broken' })).toMatchObject({
      status: 200,
      body: { duplicate: true, lsn: part.body['lsn'] },
    });
    expect(await http.post(path, { id: fresh(), amount: 71 })).toMatchObject({
      status: 409,
      body: { code: 'exceeds_original' },
    });
    const wire = await server().wire();
    expect(await wire.call('reverse', { id: rest, original: id })).toMatchObject({
      ok: true,
      balances: { [till]: 0 },
    });
    expect(await http.post(path, { id: fresh() })).toMatchObject({ body: { code: 'exceeds_original' } });
    const again = await http.post(`/v1/transactions/${rest}/reverse`, { id: undone });
    expect(again).toMatchObject({ status: 201, body: { balances: { [till]: 70 } } });
    expect(await http.post(path, { id: fresh(), amount: 1 })).toMatchObject({
      body: { code: 'exceeds_original' },
    });
    expect(await http.get(`/v1/transactions/${id}`)).toMatchObject({
      body: {
        status: 'posted',
        reversals: [
          {
            id: first,
            postings: [
              { account: bank, credit: 30 },
              { account: till, debit: 30 },
            ],
          },
          { id: rest, lsn: expect.any(Number), committed_at: expect.stringMatching(TIME) },
        ],
      },
    });
    expect(await http.get(`/v1/transactions/${first}`)).toMatchObject({
      body: { reverses: id, reference: 'broken' },
    });
    const byPostings = await http.post(`/v1/transactions/${undone}/reverse`, {
      id: fresh(),
      postings: [
        { account: bank, debit: 10 },
        { account: till, credit: 10 },
      ],
    });
    expect(byPostings).toMatchObject({ status: 201, body: { balances: { [till]: 60 } } });
  });
});
