import { beforeAll, describe, expect, test } from 'vitest';
import { sharedBooks } from './support/books.js';
import type { Fields } from './support/exact-json.js';
import type { HttpClient } from './support/http-client.js';
import { createAccounts } from './support/shop.js';
import type { Encoding } from './support/wire.js';

/** The wire contract as a client sees it: transactions, copies of them, and batches. */

const TIMEOUT_MS = 60_000;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const ENCODINGS: readonly Encoding[] = ['msgpack', 'json'];
const BATCH_MAX = 8192;

const { server, fresh, accounts, post, balance } = sharedBooks({ shards: 2 });
let http: HttpClient;

beforeAll(() => {
  http = server().http();
});

describe('transactions', { timeout: TIMEOUT_MS }, () => {
  test('the answer and the record of a sale with all there is to say', async () => {
    const [bank, net, vat] = (await accounts(2)) as [string, string, string];
    const till = server().http({ sub: 'ann b.', role: 'pos', terminal: 'till 3' });
    const sent = {
      id: fresh('sale'),
      postings: [
        { account: bank, debit: 121 },
        { account: net, credit: 100, tag: 'net' },
        { account: vat, credit: 21, tag: 'VAT21' },
      ],
      currency: 'EUR',
      code: 'SALE',
      reference: 'receipt 17/2026',
      effective_at: '2026-01-02T03:04:05.006Z',
      metadata: { b: 1, a: [1, 2] },
    };
    const answer = await till.post('/v1/transactions', sent);
    expect(answer.status).toBe(201);
    const { lsn, committed_at, ...rest } = answer.body;
    expect(rest).toEqual({ id: sent.id, status: 'posted', balances: { [bank]: 121, [net]: 100, [vat]: 21 } });
    expect(committed_at).toMatch(TIME);
    const stored = await http.get(`/v1/transactions/${sent.id}`);
    expect(stored.status).toBe(200);
    expect(stored.body).toEqual({
      ...sent,
      status: 'posted',
      lsn,
      committed_at,
      by: 'ann b.',
      terminal: 'till 3',
    });
    const wire = await server().wire();
    for (const encoding of ENCODINGS) {
      const { rid: _, ok, ...body } = await wire.call('status', { id: sent.id }, encoding);
      expect(ok).toBe(true);
      expect(body).toEqual(stored.body);
    }
  });

  test('64 postings, an account more than once, currencies balanced each by itself', async () => {
    const [bank, till] = (await accounts()) as [string, string];
    const postings = [
      ...Array.from({ length: 63 }, (_, i) => ({ account: till, credit: i + 1 })),
      { account: bank, debit: (63 * 64) / 2 },
    ];
    const { balances } = await post({ id: fresh(), postings });
    expect(balances).toEqual({ [bank]: 2016, [till]: 2016 });

    const [usdBank, usdTill] = [fresh('usd'), fresh('usd')];
    await createAccounts(http, [
      { id: usdBank, type: 'asset', currency: 'USD' },
      { id: usdTill, currency: 'USD' },
    ]);
    const mixed = (id: string, usd: number, eur: number) => ({
      id,
      postings: [
        { account: usdBank, debit: usd },
        { account: usdTill, credit: 10 },
        { account: bank, debit: eur },
        { account: till, credit: 20 },
      ],
    });
    await post(mixed(fresh(), 10, 20));
    const skewed = await http.post('/v1/transactions', mixed(fresh(), 20, 10));
    expect(skewed).toMatchObject({ status: 400, body: { code: 'unbalanced' } });
    expect(await http.post('/v1/transactions', { ...mixed(fresh(), 10, 20), currency: 'EUR' })).toMatchObject(
      {
        status: 422,
        body: { code: 'currency_mismatch' },
      },
    );
  });

  test('a duplicate is one whatever the encoding, the form and the sender; other content is id_reused', async () => {
    const [bank, till] = (await accounts()) as [string, string];
    const id = fresh();
    const short = {
      id,
      debit: bank,
      credit: till,
      amount: 5,
      code: 'S',
      reference: 'r',
      metadata: { a: 1, b: 2 },
    };
    const { debit: _, credit: __, amount: ___, ...rest } = short;
    const long = {
      ...rest,
      metadata: { b: 2, a: 1 },
      postings: [
        { account: bank, debit: 5 },
        { account: till, credit: 5 },
      ],
    };
    const first = await post(short);
    const { balances: ____, ...result } = first;
    const bob = { sub: 'bob', role: 'pos', terminal: 't2' };
    expect(await post(short, 200)).toEqual({ ...result, duplicate: true });
    expect((await server().http(bob).post('/v1/transactions', long)).body).toEqual({
      ...result,
      duplicate: true,
    });
    const wire = await server().wire(bob);
    for (const encoding of ENCODINGS) {
      for (const body of [short, long]) {
        const { rid, ...reply } = await wire.call('transaction', body, encoding);
        expect(reply).toEqual({ ok: true, ...result, duplicate: true });
      }
      const reused = await wire.compact([id, bank, till, 5, 'S', 'r'], encoding);
      expect(reused).toEqual([reused[0], 23]);
    }
    for (const change of [
      { amount: 6 },
      { code: 'T' },
      { reference: 'q' },
      { metadata: { a: 1 } },
      { effective_at: '2026-01-01T00:00:00Z' },
      { pending: true },
      { debit: till, credit: bank },
    ]) {
      expect(await http.post('/v1/transactions', { ...short, ...change })).toMatchObject({
        status: 409,
        body: { code: 'id_reused' },
      });
    }
    expect(await http.get(`/v1/transactions/${id}`)).toMatchObject({
      body: { by: 'ann', lsn: first['lsn'] },
    });
    expect(await balance(till)).toMatchObject({ balance: 5 });
  });

  test('a compact sale equals the map form and HTTP', async () => {
    const [bank, till] = (await accounts()) as [string, string];
    const wire = await server().wire();
    const time = '2026-01-02T03:04:05Z';
    const forms: [readonly unknown[], Fields][] = [
      [[bank, till, 5], {}],
      [[bank, till, 5, 'C'], { code: 'C' }],
      [[bank, till, 5, null, 'ref'], { reference: 'ref' }],
      [[bank, till, 5, null, null, time], { effective_at: time }],
      [[bank, till, 5, 'C', 'ref', time], { code: 'C', reference: 'ref', effective_at: time }],
    ];
    for (const encoding of ENCODINGS) {
      for (const [fields, more] of forms) {
        const id = fresh();
        const reply = await wire.compact([id, ...fields], encoding);
        expect(reply).toEqual([reply[0], 0, expect.any(Number)]);
        expect(await wire.compact([id, ...fields], encoding)).toEqual([expect.any(Number), 1, reply[2]]);
        const body = { id, debit: bank, credit: till, amount: 5, ...more };
        expect(await post(body, 200)).toMatchObject({ duplicate: true, lsn: reply[2] });
        const long = fresh();
        const [, , , ...options] = fields;
        const postings = [
          [bank, 6],
          [till, -4, 'net'],
          [till, -2, null],
        ];
        const longReply = await wire.compact([long, postings, ...options], encoding);
        expect(longReply).toEqual([longReply[0], 0, expect.any(Number)]);
        expect(await http.get(`/v1/transactions/${long}`)).toMatchObject({
          body: {
            lsn: longReply[2],
            postings: [
              { account: bank, debit: 6 },
              { account: till, credit: 4, tag: 'net' },
              { account: till, credit: 2 },
            ],
          },
        });
      }
    }
  });

  test('a tombstone: void of an id never seen is 201, and every later copy finds it', async () => {
    const [bank, till] = (await accounts()) as [string, string];
    const id = fresh('tomb');
    const first = await http.post(`/v1/transactions/${id}/void`);
    expect(first).toMatchObject({ status: 201, body: { id, status: 'voided', lsn: expect.any(Number) } });
    expect(await http.post('/v1/transactions', { id, debit: bank, credit: till, amount: 5 })).toMatchObject({
      status: 409,
      body: { code: 'already_voided' },
    });
    const wire = await server().wire();
    const reply = await wire.compact([id, bank, till, 5]);
    expect(reply).toEqual([reply[0], 26]);
    expect(await wire.call('status', { id })).toMatchObject({
      ok: true,
      status: 'voided',
      lsn: first.body['lsn'],
    });
    expect(await wire.call('void', { id })).toMatchObject({
      ok: true,
      status: 'voided',
      lsn: first.body['lsn'],
    });
  });

  test('a batch is decided in order where entries share something, each by itself', async () => {
    const [bank, till] = (await accounts()) as [string, string];
    const ids = Array.from({ length: 6 }, () => fresh('batch'));
    const sale = (id: string, debit: string, credit: string, amount: unknown) => ({
      id,
      debit,
      credit,
      amount,
    });
    const transactions = [
      sale(ids[0]!, till, bank, 10),
      sale(ids[1]!, bank, till, 10),
      sale(ids[2]!, till, bank, 10),
      sale(ids[3]!, till, bank, 1),
      sale(ids[1]!, bank, till, 10),
      sale(ids[4]!, bank, till, 1.5),
      { ...sale(ids[5]!, bank, till, 1), pending: true },
    ];
    const { status, body } = await http.post('/v1/transactions/batch', { transactions });
    expect(status).toBe(200);
    const short = { available: 0, account: till };
    expect(body['results']).toMatchObject([
      { ok: false, id: ids[0], code: 'insufficient_funds', ...short, required: 10, shortage: 10 },
      { ok: true, id: ids[1], status: 'posted', balances: { [till]: expect.any(Number) } },
      { ok: true, id: ids[2] },
      { ok: false, id: ids[3], code: 'insufficient_funds', ...short },
      { ok: true, id: ids[1], duplicate: true },
      { ok: false, id: ids[4], code: 'invalid_amount' },
      { ok: true, id: ids[5], status: 'pending' },
    ]);
    for (const result of body['results'] as Fields[]) expect(typeof result['status']).not.toBe('number');
    const wire = await server().wire();
    for (const encoding of ENCODINGS) {
      const again = await wire.call('batch', { transactions: transactions.slice(1, 3) }, encoding);
      expect(again).toMatchObject({ ok: true, results: [{ duplicate: true }, { duplicate: true }] });
    }
  });

  test('a compact batch names only those that are not ok, and the highest lsn', async () => {
    const [bank, till] = (await accounts()) as [string, string];
    const wire = await server().wire();
    for (const encoding of ENCODINGS) {
      const ids = Array.from({ length: 5 }, () => fresh('cb'));
      const entries = [
        [ids[0], bank, till, 5],
        [ids[0], bank, till, 5],
        [ids[0], bank, till, 6],
        [ids[1], 'nobody', till, 5],
        [
          ids[2],
          [
            [bank, 7],
            [till, -7],
          ],
          'C',
          null,
          null,
        ],
        [ids[3], bank, till, 0],
        [
          ids[4],
          [
            [bank, 7],
            [till, -6],
          ],
        ],
      ];
      const reply = await wire.compact([entries], encoding);
      expect(reply.slice(1, 2)).toEqual([0]);
      expect(reply[3]).toEqual([
        [1, 1],
        [2, 23],
        [3, 21],
        [5, 17],
        [6, 18],
      ]);
      const { lsn } = (await http.get(`/v1/transactions/${ids[2]}`)).body;
      expect(reply[2]).toBe(lsn);
      const none = await wire.compact([[[fresh(), 'nobody', till, 5]]], encoding);
      expect(none).toEqual([none[0], 0, 0, [[0, 21]]]);
    }
  });

  test('a compact batch takes 8,192', async () => {
    const [bank, till] = (await accounts()) as [string, string];
    const wire = await server().wire();
    const prefix = fresh('k');
    const entries = Array.from({ length: BATCH_MAX }, (_, i) => [`${prefix}${i}`, bank, till, 1]);
    const reply = await wire.compact([entries]);
    expect(reply).toEqual([reply[0], 0, expect.any(Number), []]);
    expect(await balance(till)).toMatchObject({ balance: BATCH_MAX });
    const transactions = entries.map(([id, debit, credit, amount]) => ({ id, debit, credit, amount }));
    const { body } = await http.post('/v1/transactions/batch', { transactions });
    expect((body['results'] as Fields[]).filter(({ duplicate }) => duplicate === true)).toHaveLength(
      BATCH_MAX,
    );
  });
});
