import { beforeAll, describe, expect, test } from 'vitest';
import { sharedBooks } from './support/books.js';
import type { Fields } from './support/exact-json.js';
import type { HttpAnswer, HttpClient } from './support/http-client.js';
import { kassa, within } from './support/server.js';
import { SECRET } from './support/token.js';
import type { Encoding } from './support/wire.js';

/** The wire contract as a client sees it: the WebSocket, its tokens and roles. */

const TIMEOUT_MS = 60_000;
const ENCODINGS: readonly Encoding[] = ['msgpack', 'json'];

const { server, fresh, accounts, post } = sharedBooks({ shards: 2 });
let http: HttpClient;

beforeAll(() => {
  http = server().http();
});

describe('the socket', { timeout: TIMEOUT_MS }, () => {
  test('every op of the contract is answered in the encoding of its request', async () => {
    const [bank, till] = (await accounts()) as [string, string];
    const wire = await server().wire();
    const kinds: boolean[] = [];
    wire.socket.on('message', (_data, isBinary) => kinds.push(isBinary));
    for (const encoding of ENCODINGS) {
      const [id, held] = [fresh(), fresh()];
      const sale = { debit: bank, credit: till, amount: 3 };
      const replies = [
        await wire.call('ping', {}, encoding),
        await wire.call('account', { id: fresh('w'), type: 'asset', currency: 'EUR' }, encoding),
        await wire.call('account_get', { id: till }, encoding),
        await wire.call('account_update', { id: till, metadata: { a: 1 } }, encoding),
        await wire.call('transaction', { id, ...sale }, encoding),
        await wire.call('transaction', { id: held, ...sale, pending: true }, encoding),
        await wire.call('post', { id: held, amount: 2 }, encoding),
        await wire.call('reverse', { id: fresh(), original: id }, encoding),
        await wire.call('void', { id: fresh() }, encoding),
        await wire.call('batch', { transactions: [{ id: fresh(), ...sale }] }, encoding),
        await wire.call('status', { id }, encoding),
        await wire.call('balance', { account: till }, encoding),
      ];
      expect(replies.filter(({ ok }) => !ok)).toEqual([]);
      await wire.compact([fresh(), bank, till, 1], encoding);
      expect(new Set(kinds.splice(0))).toEqual(new Set([encoding === 'msgpack']));
    }
  });

  test('the body of a map reply is that of HTTP', async () => {
    const [bank, till] = (await accounts()) as [string, string];
    const wire = await server().wire();
    const id = fresh();
    await post({ id, debit: bank, credit: till, amount: 3 });
    const strip = ({ rid: _, ok: __, ...body }: Fields) => body;
    const pairs: [Promise<HttpAnswer>, string, object][] = [
      [http.get(`/v1/transactions/${id}`), 'status', { id }],
      [http.get(`/v1/accounts/${till}`), 'account_get', { id: till }],
      [http.post(`/v1/transactions/${id}/void`), 'void', { id }],
    ];
    for (const [answer, op, fields] of pairs) {
      const { status, body } = await answer;
      const { type: _, title: __, status: ___, ...refusal } = body;
      for (const encoding of ENCODINGS) {
        expect(strip(await wire.call(op, fields, encoding))).toEqual(status === 200 ? body : refusal);
      }
    }
  });

  test('rids pair replies with requests, whatever their order', async () => {
    const [bank, till] = (await accounts()) as [string, string];
    const wire = await server().wire();
    const rids = [0, 1, 4_294_967_295, 65_536, 2_147_483_648];
    for (const rid of rids) {
      wire.sendFrame([rid, fresh(), bank, till, 1]);
      wire.sendFrame({ rid, op: 'balance', account: till }, 'json');
    }
    const replies: unknown[] = [];
    while (replies.length < rids.length * 2) replies.push(await wire.nextStray());
    const compact = replies.filter((reply) => Array.isArray(reply)) as number[][];
    const maps = replies.filter((reply) => !Array.isArray(reply)) as Fields[];
    expect(new Set(compact.map(([rid]) => rid))).toEqual(new Set(rids));
    expect(new Set(maps.map(({ rid }) => rid))).toEqual(new Set(rids));
  });

  test('a browser gives its token in the subprotocol list and gets kassa.v1 back', async () => {
    const wire = await server().wire({ role: 'pos' }, { tokenIn: 'subprotocol' });
    expect(wire.socket.protocol).toBe('kassa.v1');
    expect(await wire.call('ping')).toMatchObject({ ok: true });
    expect(await wire.call('account', { id: 'x', type: 'asset', currency: 'EUR' })).toMatchObject({
      code: 'forbidden',
    });
  });

  test('the socket closes with 4001 when the token expires, and a new one opens with a new token', async () => {
    const exp = Math.floor(Date.now() / 1000) + 2;
    const wire = await server().wire({ exp });
    const second = server().http({ exp });
    expect(await wire.call('ping')).toMatchObject({ ok: true });
    expect(await second.get('/v1/accounts/none')).toMatchObject({ status: 404 });
    const { code } = await within(wire.closed, 10_000, () => 'it stays open');
    expect(code).toBe(4001);
    expect(Date.now()).toBeGreaterThanOrEqual(exp * 1000);
    expect(await second.get('/v1/accounts/none')).toMatchObject({ status: 401 });
    const again = await server().wire({ exp: exp + 3600 });
    expect(await again.call('ping')).toMatchObject({ ok: true });
  });

  test('roles', async () => {
    const [bank, till] = (await accounts()) as [string, string];
    const can = async (role: string, op: string, fields: Fields) => {
      const wire = await server().wire({ role, sub: fresh(role) });
      const { ok, code } = await wire.call(op, fields);
      wire.close();
      return ok || code !== 'forbidden';
    };
    const sale = () => ({ id: fresh(), debit: bank, credit: till, amount: 1 });
    const held = async (approval = false) => {
      const body = { ...sale(), pending: { approval } };
      await post(body);
      return { id: body.id };
    };
    const posted = async () => {
      const body = sale();
      await post(body);
      return { id: fresh(), original: body.id };
    };
    const newAccount = () => ({ id: fresh('acc'), type: 'asset', currency: 'EUR' });
    const rights: Record<string, boolean[]> = {};
    for (const role of ['pos', 'teller', 'approver', 'auditor', 'admin']) {
      rights[role] = [
        await can(role, 'transaction', sale()),
        await can(role, 'void', { id: fresh() }),
        await can(role, 'status', { id: fresh() }),
        await can(role, 'balance', { account: till }),
        await can(role, 'account', newAccount()),
        await can(role, 'post', await held()),
        await can(role, 'reverse', await posted()),
        await can(role, 'post', await held(true)),
        await can(role, 'account_update', { id: till, group: 'a' }),
      ];
    }
    const [yes, no] = [true, false];
    expect(rights).toEqual({
      pos: [yes, yes, yes, yes, no, no, no, no, no],
      teller: [yes, yes, yes, yes, yes, yes, yes, no, no],
      approver: [yes, yes, yes, yes, yes, yes, yes, yes, no],
      auditor: [no, no, yes, yes, no, no, no, no, no],
      admin: [yes, yes, yes, yes, yes, yes, yes, yes, yes],
    });
  });

  test('a pos ends its own hold', async () => {
    const [bank, till] = (await accounts()) as [string, string];
    const wire = await server().wire({ role: 'pos', sub: 'own' });
    for (const op of ['post', 'void']) {
      const id = fresh();
      await wire.call('transaction', { id, debit: bank, credit: till, amount: 1, pending: true });
      expect(await wire.call(op, { id })).toMatchObject({ ok: true });
    }
  });

  test('a token of kassa token opens the server', async () => {
    const args = ['token', '--tenant', 'shop', '--sub', 'made', '--role', 'pos', '--expires', '1m'];
    const { stdout } = await kassa(args, { KASSA_JWT_SECRET: SECRET });
    const answer = await server().httpWith(stdout.trim()).get('/v1/accounts/none');
    expect(answer).toMatchObject({ status: 404, body: { code: 'account_not_found' } });
  });
});
