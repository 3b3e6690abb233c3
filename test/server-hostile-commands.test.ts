import { inspect } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Fields } from './support/exact-json.js';
import type { HttpClient } from './support/http-client.js';
import { createAccounts } from './support/shop.js';
import { rawMap, SALE, sharedVictim } from './support/victim.js';

/**
 * Commands with one thing wrong, by WebSocket in both encodings and by HTTP. After each of these the connection (where the contract keeps it) and the server go on: a good sale right after
 * works, and the balances hold the good sales and nothing else.
 */

const TIMEOUT_MS = 60_000;

const victim = sharedVictim();
const { server, goodId, stillGood } = victim;
let admin: HttpClient;

beforeAll(() => {
  admin = victim.admin();
});

/** Faults in one field of an otherwise good sale: field, what stands there, the code. */
const FIELD_FAULTS: readonly (readonly [field: string, value: unknown, code: string])[] = [
  ...[0, -1, -0, 1.5, 0.1, 2n ** 63n, 2n ** 64n - 1n, -(2n ** 63n), 2 ** 63, 1e300].map(
    (amount) => ['amount', amount, 'invalid_amount'] as const,
  ),
  ...['', ' 5', '5 ', '+5', '-5', '5.0', '5e0', '0x5', '9223372036854775808', '٥', '0'].map(
    (amount) => ['amount', amount, 'invalid_amount'] as const,
  ),
  ...[true, [], {}, [5], { amount: 5 }].map((amount) => ['amount', amount, 'invalid_amount'] as const),
  ...['', 'a b', 'a/b', 'ä', 'a\n', 'a\0', 'x'.repeat(65), 5, true, null, [], {}, ['x']].flatMap((id) => [
    ['id', id, 'invalid_request'] as const,
    ['debit', id, 'invalid_request'] as const,
    ['credit', id, 'invalid_request'] as const,
  ]),
  ['colour', 'red', 'invalid_request'],
  ['constructor', {}, 'invalid_request'],
  ['toString', 'x', 'invalid_request'],
  ['tenant', 'other', 'invalid_request'],
  ['by', 'someone', 'invalid_request'],
  ['', 1, 'invalid_request'],
  ['currency', 'eur', 'invalid_request'],
  ['currency', 'EU', 'invalid_request'],
  ['currency', 'ABCDEFGHI', 'invalid_request'],
  ['currency', 5, 'invalid_request'],
  ['code', '', 'invalid_request'],
  ['code', 'c'.repeat(33), 'invalid_request'],
  ['code', 'a b', 'invalid_request'],
  ['reference', 'r'.repeat(65), 'invalid_request'],
  ['reference', '', 'invalid_request'],
  ['reference', 'a\tb', 'invalid_request'],
  ['reference', 'ä', 'invalid_request'],
  ['effective_at', 'yesterday', 'invalid_request'],
  ['effective_at', '2026-02-30T00:00:00Z', 'invalid_request'],
  ['effective_at', '2026-02-03T00:00:00+01:00', 'invalid_request'],
  ['effective_at', '2026-02-03', 'invalid_request'],
  ['effective_at', '2026-02-03T24:00:01Z', 'invalid_request'],
  ['effective_at', 1770000000000, 'invalid_request'],
  ['metadata', [], 'invalid_request'],
  ['metadata', 'text', 'invalid_request'],
  ['metadata', 5, 'invalid_request'],
  ['metadata', { n: 2n ** 60n }, 'invalid_request'],
  ['metadata', { note: 'n'.repeat(1100) }, 'too_large'],
  ['pending', 'yes', 'invalid_request'],
  ['pending', 1, 'invalid_request'],
  ['pending', [], 'invalid_request'],
  ['pending', { expires_in: 0 }, 'invalid_request'],
  ['pending', { expires_in: 1.5 }, 'invalid_request'],
  ['pending', { expires_in: -1 }, 'invalid_request'],
  ['pending', { expires_in: '5' }, 'invalid_request'],
  ['pending', { approval: 'yes' }, 'invalid_request'],
  ['pending', { other: 1 }, 'invalid_request'],
  ['postings', [], 'invalid_request'],
];

const posting = (fields: Fields) => ({ account: 'bank', debit: 5, ...fields });
const other = { account: 'till', credit: 5 };
const POSTINGS_FAULTS: readonly (readonly [name: string, postings: unknown, code: string])[] = [
  ['none', [], 'invalid_request'],
  ['one', [posting({})], 'invalid_request'],
  ['65', [posting({ debit: 64 }), ...new Array(64).fill({ ...other, credit: 1 })], 'invalid_request'],
  ['a map', { 0: posting({}), 1: other, length: 2 }, 'invalid_request'],
  ['a string', 'bank', 'invalid_request'],
  ['nulls', [null, null], 'invalid_request'],
  [
    'arrays',
    [
      ['bank', 5],
      ['till', -5],
    ],
    'invalid_request',
  ],
  ['both sides', [posting({ credit: 5 }), other], 'invalid_request'],
  ['no side', [{ account: 'bank' }, other], 'invalid_request'],
  ['unknown field', [posting({ colour: 1 }), other], 'invalid_request'],
  ['no account', [{ debit: 5 }, other], 'invalid_request'],
  ['bad tag', [posting({ tag: 'a b' }), other], 'invalid_request'],
  ['zero', [posting({ debit: 0 }), other], 'invalid_amount'],
  ['negative', [posting({ debit: -5 }), other], 'invalid_amount'],
  ['fraction', [posting({ debit: 5.5 }), { ...other, credit: 5.5 }], 'invalid_amount'],
  ['unequal', [posting({ debit: 6 }), other], 'unbalanced'],
  [
    'sums that wrap around 2^64',
    [
      posting({ debit: 2n ** 63n - 1n }),
      posting({ debit: 2n ** 63n - 1n }),
      posting({ debit: 2 }),
      { ...other, credit: 1 },
    ],
    'unbalanced',
  ],
];

describe('a sale with one thing wrong', { timeout: TIMEOUT_MS }, () => {
  const { rid: _, op: __, ...sale } = SALE;

  async function refused(body: Fields, code: string): Promise<void> {
    const wire = await server().wire();
    for (const encoding of ['msgpack', 'json'] as const) {
      expect(await wire.call('transaction', body, encoding), encoding).toMatchObject({ ok: false, code });
    }
    expect(await admin.post('/v1/transactions', body)).toMatchObject({ body: { code } });
    await stillGood(wire);
  }

  const named = FIELD_FAULTS.map(([field, ...rest]) => [inspect(rest[0]), field, ...rest] as const);
  test.each(named)('%s as %s', async (_name, field, value, code) => {
    await refused({ ...sale, [field]: value }, code);
  });

  test.each(POSTINGS_FAULTS)('postings: %s', async (_name, postings, code) => {
    await refused({ id: 'bad', postings }, code);
  });

  test.each(['id', 'debit', 'credit', 'amount'])('without %s', async (field) => {
    const { [field as keyof typeof sale]: _gone, ...rest } = sale;
    const wire = await server().wire();
    const { code } = await wire.call('transaction', rest);
    expect(field === 'amount' ? ['invalid_request', 'invalid_amount'] : ['invalid_request']).toContain(code);
    await stillGood(wire);
  });

  test('floats that are no exact integer below 2^53, as MessagePack has them', async () => {
    const wire = await server().wire();
    for (const amount of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 2 ** 53, 2 ** 62]) {
      expect(await wire.call('transaction', { ...sale, amount })).toMatchObject({ code: 'invalid_amount' });
      const reply = await wire.compact(['bad', 'bank', 'till', amount]);
      expect(reply).toEqual([reply[0], 17]);
    }
    await stillGood(wire);
  });

  test('digits as amount: JSON only', async () => {
    const wire = await server().wire();
    const asText = { ...sale, id: 'digits', amount: '5' };
    expect(await wire.call('transaction', asText, 'msgpack')).toMatchObject({ code: 'invalid_amount' });
    const reply = await wire.compact(['digits', 'bank', 'till', '5'], 'msgpack');
    expect(reply).toEqual([reply[0], 17]);
    expect(
      await wire.call('transaction', { ...asText, debit: 'till:1', credit: 'till:1' }, 'json'),
    ).toMatchObject({ ok: true });
    await stillGood(wire);
  });

  test.each(['1e400', '-1e400', '5e-1', '5.00000000000000000001', '1'.repeat(400), '92233720368547758070'])(
    'the JSON number %s as amount',
    async (number) => {
      const text = JSON.stringify(sale).replace('"amount":5', `"amount":${number}`);
      expect(await admin.send('POST', '/v1/transactions', text)).toMatchObject({
        status: 400,
        body: { code: 'invalid_amount', pointer: '/amount' },
      });
      await stillGood();
    },
  );

  test('__proto__ as a field is an unknown field, also with the sale inside', async () => {
    const wire = await server().wire();
    const inherited = '{"__proto__":{"id":"p","debit":"bank","credit":"till","amount":5}}';
    for (const text of [inherited, inherited.replace('{"__proto__"', '{"id":"p","__proto__"')]) {
      expect(await admin.send('POST', '/v1/transactions', text)).toMatchObject({
        status: 400,
        body: { code: 'invalid_request' },
      });
      wire.sendRaw(text.replace('{', '{"rid":9,"op":"transaction",'));
      expect(await wire.nextStray()).toMatchObject({ rid: 9, ok: false, code: 'invalid_request' });
    }
    const packed = rawMap(['rid', 9], ['op', 'transaction'], ['__proto__', { ...sale }]);
    wire.sendRaw(packed);
    expect(await wire.nextStray()).toMatchObject({ rid: 9, ok: false, code: 'invalid_request' });
    expect(({} as Fields)['id']).toBeUndefined();
    await stillGood(wire);
  });
});

describe('names that mean something to JavaScript', { timeout: TIMEOUT_MS }, () => {
  test.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'null', 'NaN', '0', '-', '.', '..'])(
    'an account and a transaction called %s are like any other',
    async (name) => {
      await createAccounts(admin, [{ id: name }]);
      const text = `{"id":"${name}","debit":"side","credit":"${name}","amount":7}`;
      const first = await admin.send('POST', '/v1/transactions', text);
      expect(first.status).toBe(201);
      expect(first.text).toContain(`"${name}":7`);
      const back = { id: `${name}-back`, debit: name, credit: 'side', amount: 7 };
      const wire = await server().wire();
      const reply = await wire.call('transaction', back, 'json');
      expect(Object.entries(reply['balances'] as object)).toContainEqual([name, 0]);
      const path = encodeURIComponent(name).replaceAll('.', '%2E');
      expect(await wire.call('balance', { account: name })).toMatchObject({ account: name, balance: 0 });
      expect(await wire.call('status', { id: name })).toMatchObject({ id: name, status: 'posted' });
      if (!name.startsWith('.')) {
        expect(await admin.get(`/v1/accounts/${path}`)).toMatchObject({ body: { id: name, balance: 0 } });
        expect(await admin.get(`/v1/transactions/${path}`)).toMatchObject({ body: { id: name } });
      }
    },
  );

  test('__proto__ in metadata is kept as it came', async () => {
    const metadata = '{"__proto__":{"a":1},"constructor":2}';
    const text = `{"id":"meta","debit":"side","credit":"till:1","amount":1,"metadata":${metadata}}`;
    expect(await admin.send('POST', '/v1/transactions', text)).toMatchObject({ status: 201 });
    expect((await admin.get('/v1/transactions/meta')).text).toContain(`"metadata":${metadata}`);
    const back = { id: 'meta-back', debit: 'till:1', credit: 'side', amount: 1 };
    expect(await admin.post('/v1/transactions', back)).toMatchObject({ status: 201 });
  });
});

describe('commands that do not exist', { timeout: TIMEOUT_MS }, () => {
  test.each([['nothing'], [''], ['Transaction'], ['__proto__'], ['toString'], [5], [null], [[]], [{}]])(
    'op %j',
    async (op: unknown) => {
      const wire = await server().wire();
      for (const encoding of ['msgpack', 'json'] as const) {
        wire.sendFrame({ ...SALE, op }, encoding);
        expect(await wire.nextStray()).toMatchObject({ rid: 7, ok: false, code: 'invalid_request' });
      }
      await stillGood(wire);
    },
  );

  test('no op at all', async () => {
    const { op: _, ...rest } = SALE;
    const wire = await server().wire();
    for (const encoding of ['msgpack', 'json'] as const) {
      wire.sendFrame(rest, encoding);
      expect(await wire.nextStray()).toMatchObject({ rid: 7, ok: false, code: 'invalid_request' });
    }
    await stillGood(wire);
  });

  test.each([
    ['status', { id: 'x', more: 1 }],
    ['status', {}],
    ['status', { id: 5 }],
    ['balance', { id: 'till' }],
    ['balance', { account: ['till'] }],
    ['account_get', { account: 'till' }],
    ['account_update', { id: 'till', frozen: 'yes' }],
    ['account_update', { id: 'till', type: 'asset' }],
    ['account', { id: 'new', currency: 'EUR', type: 'money' }],
    ['account', { id: 'new', currency: 'EUR' }],
    ['post', { id: 'x', amount: 5, postings: [] }],
    ['void', { id: 'x', amount: 5 }],
    ['reverse', { id: 'x' }],
    ['reverse', { original: 'x' }],
    ['batch', { transactions: {} }],
    ['batch', { transactions: [], more: 1 }],
    ['batch', {}],
  ])('%s with %j', async (op, fields) => {
    const wire = await server().wire();
    for (const encoding of ['msgpack', 'json'] as const) {
      expect(await wire.call(op, fields, encoding)).toMatchObject({ ok: false, code: 'invalid_request' });
    }
    await stillGood(wire);
  });

  test.each<[name: string, fields: readonly unknown[]]>([
    ['nothing', []],
    ['id only', ['bad']],
    ['too few', ['bad', 'bank', 'till']],
    ['too many', ['bad', 'bank', 'till', 5, null, null, null, null]],
    ['a nested id', [{ id: 'bad' }, 'bank', 'till', 5]],
    ['one posting', ['bad', [['bank', 5]]]],
    [
      'a posting too long',
      [
        'bad',
        [
          ['bank', 5, null, 1],
          ['till', -5],
        ],
      ],
    ],
    ['a posting too short', ['bad', [['bank'], ['till', -5]]]],
    ['postings of maps', ['bad', [{ account: 'bank' }, { account: 'till' }]]],
    ['a bad code', ['bad', 'bank', 'till', 5, 'a b']],
    ['a bad reference', ['bad', 'bank', 'till', 5, null, 7]],
    ['a bad time', ['bad', 'bank', 'till', 5, null, null, 'now']],
    ['an empty batch', [[]]],
    ['a batch with more behind it', [[['bad', 'bank', 'till', 5]], 'more']],
  ])('compact: %s', async (_name, fields) => {
    const wire = await server().wire();
    for (const encoding of ['msgpack', 'json'] as const) {
      const reply = await wire.compact(fields, encoding);
      expect(reply).toEqual([reply[0], 16]);
    }
    await stillGood(wire);
  });

  test('a compact batch of rubbish refuses each entry by itself', async () => {
    const wire = await server().wire();
    const id = goodId();
    const entries = [7, null, 'x', {}, [], ['a'], [id, 'bank', 'till', 1], ['x', 'bank', 'till', -1]];
    const reply = await wire.compact([entries]);
    const refused = [0, 1, 2, 3, 4, 5].map((index) => [index, 16]);
    expect(reply).toEqual([reply[0], 0, expect.any(Number), [...refused, [7, 17]]]);
    await stillGood(wire);
  });
});
