import { once } from 'node:events';
import { describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { CODES } from '../engine/codes.js';
import type { Fields } from './support/exact-json.js';
import { startFaultyServer } from './support/faults.js';
import type { HttpAnswer } from './support/http-client.js';
import { CASES, type Case, MAX, TABLE, withSuffix } from './support/refusal-cases.js';
import { makeDataDirectory, ServerProcess, sharedServer, until } from './support/server.js';
import { createAccounts } from './support/shop.js';

/** Sending too fast is not refused yet: no request leads to `rate_limited`. The table alone says it. */
const NOT_PRODUCED = ['rate_limited'];

const DEADLINE_MS = 15_000;

test('the table of codes is the contract’s', () => {
  const actual = Object.fromEntries(Object.entries(CODES).map(([code, { http, n }]) => [code, [http, n]]));
  expect(actual).toEqual(TABLE);
  expect(NOT_PRODUCED).toEqual(['rate_limited']);
});

/** The shape of RFC 9457 that the contract promises. */
function expectProblem(answer: HttpAnswer, code: string, extras: Fields = {}): void {
  const status = TABLE[code]![0];
  expect(answer.body).toMatchObject({
    type: expect.stringMatching(/\S/),
    title: expect.stringMatching(/\S/),
    detail: expect.stringMatching(/\S/),
    status,
    code,
    ...extras,
  });
  expect(answer.status).toBe(status);
  expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
  expect(answer.body).not.toHaveProperty('ok');
}

describe.each([1, 2])('over real sockets, on %i shards', { timeout: 60_000 }, (shards) => {
  const server = sharedServer({ shards });
  let prepared: Promise<void> | undefined;
  let suffixes = 0;

  async function prepare(): Promise<void> {
    const admin = server().http();
    await createAccounts(admin, [
      { id: 'bank', type: 'asset', min_balance: null },
      { id: 'till' },
      { id: 'full' },
      { id: 'capped', max_balance: 10 },
      { id: 'frozen' },
      { id: 'closed' },
      { id: 'dollars', currency: 'USD' },
      { id: 'huge', type: 'asset' },
      { id: 'huge-too' },
    ]);
    const given = [
      await admin.post('/v1/transactions', { id: 'fill', debit: 'bank', credit: 'full', amount: 100 }),
      await admin.post('/v1/transactions', {
        id: 'fill-huge',
        debit: 'huge',
        credit: 'huge-too',
        amount: MAX,
      }),
      await admin.patch('/v1/accounts/frozen', { frozen: true }),
      await admin.patch('/v1/accounts/closed', { closed: true }),
    ];
    for (const answer of given) expect(answer.status).toBeLessThan(300);
  }

  async function ready(one: Case): Promise<string> {
    prepared ??= prepare();
    await prepared;
    const suffix = `-${suffixes++}`;
    const admin = server().http();
    for (const [method, path, body] of withSuffix(one.before ?? [], suffix)) {
      const answer = method === 'POST' ? await admin.post(path, body) : await admin.patch(path, body);
      expect(answer.status, answer.text).toBeLessThan(300);
    }
    return suffix;
  }

  describe.each(CASES)('$code', (one) => {
    const n = TABLE[one.code]![1];

    test('over HTTP', async () => {
      const suffix = await ready(one);
      const http = server().http(one.as);
      const [method, path, body] = withSuffix(one.http, suffix);
      let answer: HttpAnswer;
      if (method === 'GET') answer = await http.get(path);
      else answer = method === 'PATCH' ? await http.patch(path, body) : await http.post(path, body);
      expectProblem(answer, one.code, one.extras);
    });

    test.each(['msgpack', 'json'] as const)('in map form, %s', async (encoding) => {
      const suffix = await ready(one);
      const wire = await server().wire(one.as, { encoding });
      const [op, fields] = withSuffix(one.map, suffix);
      const reply = await wire.call(op, fields);
      expect(reply).toMatchObject({ rid: expect.any(Number), ok: false, code: one.code, ...one.extras });
      expect(reply).not.toHaveProperty('status');
    });

    if (one.compact === undefined) return;
    test.each(['msgpack', 'json'] as const)('in compact form, %s', async (encoding) => {
      const suffix = await ready(one);
      const wire = await server().wire(one.as, { encoding });
      const reply = await wire.compact(withSuffix(one.compact!, suffix));
      expect(reply).toEqual([reply[0], n]);
    });
  });

  test('expired, once the hold’s time has come', async () => {
    prepared ??= prepare();
    await prepared;
    const http = server().http();
    const held = {
      id: 'short-lived',
      debit: 'bank',
      credit: 'till',
      amount: 5,
      pending: { expires_in: 1 },
    };
    expect(await http.post('/v1/transactions', held)).toMatchObject({ status: 201 });
    const status = async () => (await http.get('/v1/transactions/short-lived')).body['status'];
    await until(
      async () => (await status()) === 'expired',
      DEADLINE_MS,
      () => 'it does not expire',
    );
    expectProblem(await http.post('/v1/transactions/short-lived/post'), 'expired');
    const wire = await server().wire();
    expect(await wire.call('void', { id: 'short-lived' })).toMatchObject({ ok: false, code: 'expired' });
  });

  test('ok and duplicate', async () => {
    prepared ??= prepare();
    await prepared;
    const http = server().http();
    const wire = await server().wire();
    const body = { id: 'done', debit: 'bank', credit: 'till', amount: 5 };
    const first = await http.post('/v1/transactions', body);
    expect(first).toMatchObject({ status: 201, body: { id: 'done', status: 'posted' } });
    expect(first.body).not.toHaveProperty('duplicate');
    const again = await http.post('/v1/transactions', body);
    expect(again).toMatchObject({ status: 200, body: { duplicate: true } });
    const { lsn } = first.body;
    expect(await wire.compact(['done', 'bank', 'till', 5])).toEqual([expect.any(Number), 1, lsn]);
    const fresh = await wire.compact(['done-2', 'bank', 'till', 5]);
    expect(fresh).toEqual([fresh[0], 0, (lsn as number) + 1]);
  });
});

describe('unauthenticated', { timeout: 60_000 }, () => {
  const server = sharedServer();

  test.each([
    ['POST', '/v1/transactions', { id: 'x', debit: 'a', credit: 'b', amount: 1 }],
    ['POST', '/v1/accounts', { id: 'a', type: 'asset', currency: 'EUR' }],
    ['GET', '/v1/accounts/a', undefined],
    ['GET', '/v1/transactions/x', undefined],
    ['PATCH', '/v1/accounts/a', { frozen: true }],
  ])('%s %s without a token', async (method, path, body) => {
    const answer = await server()
      .httpWith(undefined)
      .send(method, path, body && JSON.stringify(body));
    expectProblem(answer, 'unauthenticated');
    expect(answer.headers['www-authenticate']).toMatch(/^Bearer/);
  });

  test('a socket without a token is never opened', async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${server().port}/v1/ws`);
    const [, response] = (await once(socket, 'unexpected-response')) as [
      unknown,
      { statusCode: number; headers: Record<string, string> },
    ];
    expect(response.statusCode).toBe(401);
    expect(response.headers['content-type']).toMatch(/problem\+json/);
  });

  test('health and metrics need none', async () => {
    for (const path of ['/health/live', '/health/ready', '/metrics']) {
      expect(await server().httpWith(undefined).get(path)).toMatchObject({ status: 200 });
    }
  });
});

describe('too_large', { timeout: 60_000 }, () => {
  const server = sharedServer();

  test('a body beyond 4 MiB names the limit', async () => {
    const body = JSON.stringify({ transactions: [], padding: 'x'.repeat(4 << 20) });
    const answer = await server().http().send('POST', '/v1/transactions/batch', body);
    expectProblem(answer, 'too_large', { limit: 4 << 20 });
  });
});

describe('overloaded and not_ready', { timeout: 60_000 }, () => {
  test('overloaded: nothing was done, and the client is told when to try again', async () => {
    const server = await ServerProcess.fresh({ args: ['--in-flight', '1'] });
    const http = server.http();
    await createAccounts(http, [{ id: 'bank', type: 'asset' }, { id: 'till' }]);
    const sale = (id: string) => ({ id, debit: 'bank', credit: 'till', amount: 1 });
    let attempt = 0;
    let done = 0;
    await until(
      async () => {
        const ids = Array.from({ length: 32 }, (_, i) => `a${attempt}-${i}`);
        attempt++;
        const answers = await Promise.all(ids.map((id) => http.post('/v1/transactions', sale(id))));
        const refused = answers.filter(({ status }) => status !== 201);
        done += answers.length - refused.length;
        for (const answer of refused) {
          expectProblem(answer, 'overloaded');
          expect(answer.headers['retry-after']).toMatch(/^\d+$/);
        }
        return refused.length > 0;
      },
      DEADLINE_MS,
      () => 'nothing was refused',
    );
    const wire = await server.wire();
    const compact: Promise<readonly unknown[]>[] = [];
    const maps: Promise<Fields>[] = [];
    for (let i = 0; i < 500; i++) {
      compact.push(wire.compact([`c${i}`, 'bank', 'till', 1]));
      maps.push(wire.call('transaction', sale(`m${i}`)));
    }
    const numbers = (await Promise.all(compact)).map(([, n]) => n);
    const codes = (await Promise.all(maps)).map(({ ok, code }) => (ok ? 'ok' : code));
    done += numbers.filter((n) => n === 0).length + codes.filter((code) => code === 'ok').length;
    expect(new Set([...numbers, 0])).toEqual(new Set([0, 39]));
    expect(new Set([...codes, 'ok'])).toEqual(new Set(['ok', 'overloaded']));
    expect(await http.get('/v1/accounts/till/balance')).toMatchObject({ body: { balance: done } });
  });

  test('not_ready: while the server stops', async () => {
    const data = await makeDataDirectory();
    const { server, faults } = await startFaultyServer({ data });
    onTestFinished(async () => {
      faults.release();
      await server.kill();
    });
    const http = server.http();
    await createAccounts(http, [{ id: 'bank', type: 'asset' }, { id: 'till' }]);
    const wire = await server.wire();
    faults.hold();
    const last = wire.compact(['last', 'bank', 'till', 1]);
    await faults.held();
    server.signal('SIGTERM');
    const ready = async () => (await http.get('/health/ready')).status;
    await until(
      async () => (await ready()) === 503,
      DEADLINE_MS,
      () => 'still ready',
    );
    expectProblem(await http.get('/health/ready'), 'not_ready');
    const answer = await http.post('/v1/transactions', { id: 'x', debit: 'bank', credit: 'till', amount: 1 });
    expectProblem(answer, 'not_ready');
    expect(answer.headers['retry-after']).toMatch(/^\d+$/);
    expect(await wire.call('status', { id: 'x' })).toMatchObject({ ok: false, code: 'not_ready' });
    const reply = await wire.compact(['x', 'bank', 'till', 1]);
    expect(reply).toEqual([reply[0], 40]);
    faults.release();
    expect((await last)[1]).toBe(0);
    expect(await server.exited).toMatchObject({ code: 0 });
  });
});
