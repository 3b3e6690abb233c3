import { once } from 'node:events';
import { beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { sharedBooks } from './support/books.js';
import { readJson } from './support/exact-json.js';
import type { HttpClient } from './support/http-client.js';
import { until } from './support/server.js';
import { createAccounts } from './support/shop.js';
import { makeToken } from './support/token.js';
import { type Encoding, packFrame, type Wire } from './support/wire.js';

/** The wire contract as a client sees it: values, health and metrics. The other parts of the contract have files of their own. */

const TIMEOUT_MS = 60_000;
const MAX = 2n ** 63n - 1n;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const ENCODINGS: readonly Encoding[] = ['msgpack', 'json'];
const BATCH_MAX = 8192;

const { server, fresh, accounts, post, balance } = sharedBooks({ shards: 2 });
let http: HttpClient;

beforeAll(() => {
  http = server().http();
});

describe('values', { timeout: TIMEOUT_MS }, () => {
  test('amounts up to 2^63-1 are exact, in, out and in between', async () => {
    const wire = await server().wire();
    const amounts = [1n, 2n ** 31n, 2n ** 32n + 1n, 2n ** 53n - 1n, 2n ** 53n + 1n, 2n ** 62n + 1n, MAX];
    for (const amount of amounts) {
      const [bank, till] = (await accounts()) as [string, string];
      const exact = amount <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(amount) : amount;
      const id = fresh();
      const answer = await post({ id, debit: bank, credit: till, amount });
      expect(answer['balances']).toEqual({ [bank]: exact, [till]: exact });
      expect(await balance(till)).toMatchObject({ balance: exact, available: exact, credits_posted: exact });
      for (const encoding of ENCODINGS) {
        expect(await wire.call('balance', { account: bank }, encoding)).toMatchObject({ balance: exact });
        expect(await wire.call('status', { id }, encoding)).toMatchObject({
          postings: [
            { account: bank, debit: exact },
            { account: till, credit: exact },
          ],
        });
      }
      const back = { id: fresh(), original: id, amount };
      expect(await wire.call('reverse', back)).toMatchObject({
        ok: true,
        balances: { [bank]: 0, [till]: 0 },
      });
    }
  });

  test.each(ENCODINGS)('2^63-1 goes through each form of %s', async (encoding) => {
    const wire = await server().wire({}, { encoding });
    const forms = [
      async (id: string, bank: string, till: string) => (await wire.compact([id, bank, till, MAX]))[1] === 0,
      async (id: string, bank: string, till: string) =>
        (
          await wire.compact([
            id,
            [
              [bank, MAX],
              [till, -MAX],
            ],
          ])
        )[1] === 0,
      async (id: string, debit: string, credit: string) =>
        (await wire.call('transaction', { id, debit, credit, amount: MAX })).ok,
    ];
    for (const form of forms) {
      const [bank, till] = (await accounts()) as [string, string];
      expect(await form(fresh(), bank, till)).toBe(true);
      expect(await wire.call('balance', { account: till })).toMatchObject({ balance: MAX, available: MAX });
      expect(
        await http.post('/v1/transactions', { id: fresh(), debit: bank, credit: till, amount: 1 }),
      ).toMatchObject({
        status: 422,
        body: { code: 'overflow' },
      });
    }
  });

  test('an amount is the same as JSON integer, JSON digits, MessagePack integer of any type and exact float', async () => {
    const [bank, till] = (await accounts()) as [string, string];
    const wire = await server().wire();
    const body = { id: fresh(), debit: bank, credit: till };
    await post({ ...body, amount: 200 });
    await post({ ...body, amount: '200' }, 200);
    const head = packFrame([3, body.id, bank, till]);
    head[0] = 0x95;
    const wires = [
      'cc c8',
      'cd 00c8',
      'ce 000000c8',
      'cf 00000000000000c8',
      'd1 00c8',
      'd2 000000c8',
      'd3 00000000000000c8',
    ];
    for (const hex of [...wires, 'cb 4069000000000000', 'ca 43480000']) {
      wire.sendRaw(Buffer.concat([head, Buffer.from(hex.replace(' ', ''), 'hex')]));
      expect((await wire.nextStray()) as unknown, hex).toEqual([3, 1, expect.any(Number)]);
    }
  });

  test('a float that holds an exact integer below 2^53 is an amount in MessagePack', async () => {
    const [bank, till] = (await accounts()) as [string, string];
    const wire = await server().wire();
    const large = 2 ** 53 - 1;
    // This is how JavaScript encoders send it.
    expect(packFrame(large)[0]).toBe(0xcb);
    expect((await wire.compact([fresh(), bank, till, large]))[1]).toBe(0);
    expect(
      (
        await wire.compact([
          fresh(),
          [
            [till, large],
            [bank, -large],
          ],
        ])
      )[1],
    ).toBe(0);
    const body = { id: fresh(), debit: bank, credit: till, amount: large };
    expect(await wire.call('transaction', body)).toMatchObject({ ok: true, balances: { [till]: large } });
    expect((await wire.compact([fresh(), bank, till, 2 ** 53]))[1]).toBe(17);
  });

  test('replies carry integers as integers in MessagePack', async () => {
    const [bank, till] = (await accounts()) as [string, string];
    const amount = 2 ** 40 + 1;
    await post({ id: fresh(), debit: bank, credit: till, amount });
    const wire = await server().wire();
    const raw = once(wire.socket, 'message') as Promise<[Buffer]>;
    wire.sendFrame({ rid: 1, op: 'balance', account: till });
    const [frame] = await raw;
    const expected = Buffer.concat([packFrame('balance'), Buffer.from([0xcf]), Buffer.alloc(8)]);
    expected.writeBigUInt64BE(BigInt(amount), expected.length - 8);
    expect(frame.includes(expected)).toBe(true);
  });

  test('ids, codes, tags, references and groups take their whole alphabet and length', async () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:@-{}';
    const account = alphabet.slice(0, 64);
    const id = alphabet.slice(-64);
    await createAccounts(http, [{ id: account, type: 'asset' }]);
    const [, till] = (await accounts()) as [string, string];
    const reference = Array.from({ length: 64 }, (_, i) => String.fromCharCode(0x20 + i)).join('');
    const code = alphabet.slice(-32);
    const tag = alphabet.slice(-40, -8);
    const sent = {
      id,
      postings: [
        { account, debit: 3, tag },
        { account: till, credit: 3, tag: 'VAT.21' },
      ],
      code,
      reference,
    };
    await post(sent);
    expect((await http.get(`/v1/transactions/${encodeURIComponent(id)}`)).body).toMatchObject(sent);
    const group = `riga.store17.${'t'.repeat(51)}`;
    expect(await http.patch(`/v1/accounts/${till}`, { group })).toMatchObject({ body: { group } });
    expect(await http.patch(`/v1/accounts/${till}`, { group: `${group}x` })).toMatchObject({ status: 400 });
  });

  test('metadata of 1 KiB comes back as it came; a byte more is too large', async () => {
    const [bank, till] = (await accounts()) as [string, string];
    const text = (size: number) => {
      const start = '{"z":1,"a":{"ключ":[true,null,1.5,-9007199254740991,"é"]},"b":"';
      return `${start}${'x'.repeat(size - Buffer.byteLength(start) - 2)}"}`;
    };
    const body = (id: string, metadata: string) =>
      `{"id":"${id}","debit":"${bank}","credit":"${till}","amount":1,"metadata":${metadata}}`;
    const id = fresh();
    expect(await http.send('POST', '/v1/transactions', body(id, text(1024)))).toMatchObject({ status: 201 });
    expect((await http.get(`/v1/transactions/${id}`)).text).toContain(`"metadata":${text(1024)}`);
    expect(await http.send('POST', '/v1/transactions', body(fresh(), text(1025)))).toMatchObject({
      status: 413,
      body: { code: 'too_large' },
    });
    const wire = await server().wire();
    const { metadata } = (await http.get(`/v1/transactions/${id}`)).body;
    expect(await wire.call('status', { id })).toMatchObject({ metadata });
  });

  test('times are RFC 3339, UTC, milliseconds', async () => {
    const [bank, till] = (await accounts()) as [string, string];
    for (const [given, kept] of [
      ['2026-02-03T04:05:06Z', '2026-02-03T04:05:06.000Z'],
      ['2026-02-03T04:05:06.789Z', '2026-02-03T04:05:06.789Z'],
      ['2024-02-29T23:59:59.999Z', '2024-02-29T23:59:59.999Z'],
    ]) {
      const id = fresh();
      const { committed_at } = await post({ id, debit: bank, credit: till, amount: 1, effective_at: given });
      expect(committed_at).toMatch(TIME);
      expect((await http.get(`/v1/transactions/${id}`)).body).toMatchObject({
        effective_at: kept,
        committed_at,
      });
    }
    const id = fresh();
    const { committed_at } = await post({ id, debit: bank, credit: till, amount: 1 });
    expect((await http.get(`/v1/transactions/${id}`)).body).toMatchObject({ effective_at: committed_at });
  });

  test('counts that are wrong are invalid_request', async () => {
    const [bank, till] = (await accounts()) as [string, string];
    const wire = await server().wire();
    const transactions = Array.from({ length: BATCH_MAX + 1 }, (_, i) => ({
      id: `b${i}`,
      debit: bank,
      credit: till,
      amount: 1,
    }));
    const wrong = { status: 400, body: { code: 'invalid_request' } };
    expect(await http.post('/v1/transactions/batch', { transactions })).toMatchObject(wrong);
    expect(await http.post('/v1/transactions/batch', { transactions: [] })).toMatchObject(wrong);
    const many = Array.from({ length: BATCH_MAX + 1 }, (_, i) => ({
      id: `m${i}`,
      currency: 'EUR',
      type: 'asset',
    }));
    expect(await http.post('/v1/accounts/batch', { accounts: many })).toMatchObject(wrong);
    const compact = await wire.compact([transactions.map(({ id }) => [id, bank, till, 1])]);
    expect(compact).toEqual([compact[0], 16]);
    expect(await balance(till)).toMatchObject({ balance: 0 });
  });
});

describe('health and metrics', { timeout: TIMEOUT_MS }, () => {
  test('live and ready', async () => {
    for (const path of ['/health/live', '/health/ready']) {
      const answer = await server().httpWith(undefined).get(path);
      expect(answer).toMatchObject({ status: 200 });
      expect(readJson(answer.text)).toBeTypeOf('object');
    }
  });

  test('metrics are Prometheus text and count', async () => {
    const value = async (name: string) => {
      const { status, text, headers } = await server().httpWith(undefined).get('/metrics');
      expect(status).toBe(200);
      expect(headers['content-type']).toMatch(/^text\/plain/);
      for (const line of text.split('\n'))
        expect(line).toMatch(/^(#.*|[a-zA-Z_:][\w:]*(\{.*\})? \S+( \d+)?|)$/);
      return Number(
        text
          .split('\n')
          .find((line) => line.startsWith(`${name} `))
          ?.split(' ')[1],
      );
    };
    const [bank, till] = (await accounts()) as [string, string];
    const before = await value('kassa_durable_lsn');
    await post({ id: fresh(), debit: bank, credit: till, amount: 1 });
    expect(await value('kassa_durable_lsn')).toBe(before + 1);
    const wire: Wire = await server().wire();
    await until(
      async () => (await value('kassa_connections')) >= 1,
      5000,
      () => 'no connection is counted',
    );
    wire.close();
  });

  test('an upgrade without WebSocket is refused politely', async () => {
    expect((await http.get('/v1/ws')).status).toBeGreaterThanOrEqual(400);
    const socket = new WebSocket(`ws://127.0.0.1:${server().port}/v1/other`, {
      headers: { authorization: `Bearer ${makeToken()}` },
    });
    const [, response] = (await once(socket, 'unexpected-response')) as [unknown, { statusCode: number }];
    expect(response.statusCode).toBe(404);
  });
});
