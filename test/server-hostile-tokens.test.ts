import { once } from 'node:events';
import { beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import type { Fields } from './support/exact-json.js';
import type { HttpClient } from './support/http-client.js';
import { createAccounts } from './support/shop.js';
import { changePayload, makeToken, SECRET, type TokenClaims, unsignedToken } from './support/token.js';
import { sharedVictim } from './support/victim.js';

/**
 * Tokens that open nothing, or not this. After each of these the connection (where the contract keeps it) and the server go on: a good sale right after
 * works, and the balances hold the good sales and nothing else.
 */

const TIMEOUT_MS = 60_000;

const victim = sharedVictim();
const { server, stillGood } = victim;
let admin: HttpClient;

beforeAll(() => {
  admin = victim.admin();
});

describe('tokens', { timeout: TIMEOUT_MS }, () => {
  const past = Math.floor(Date.now() / 1000) - 3600;
  const good = makeToken();
  const signed = (claims: TokenClaims | Fields) => makeToken(claims);

  test.each<[name: string, token: string]>([
    ['expired', makeToken({ exp: past })],
    ['not valid yet', makeToken({ nbf: past + 7200 })],
    ['alg none', unsignedToken()],
    ['alg none with the old signature', `${unsignedToken()}${good.split('.')[2]}`],
    ['alg None', makeToken({}, { header: { alg: 'None' } })],
    ['HS512 by name', makeToken({}, { header: { alg: 'HS512' } })],
    ['RS256 by name', makeToken({}, { header: { alg: 'RS256' } })],
    ['no alg', makeToken({}, { header: {} })],
    ['an unknown critical header', makeToken({}, { header: { alg: 'HS256', crit: ['x'], x: 1 } })],
    ['another secret', makeToken({}, { secret: `${SECRET}!` })],
    ['an empty secret', makeToken({}, { secret: '' })],
    ['a changed tenant', changePayload(good, { tenant: 'other' })],
    ['a changed role', changePayload(makeToken({ role: 'pos' }), { role: 'admin' })],
    ['a cut signature', good.slice(0, -2)],
    ['no signature', good.split('.').slice(0, 2).join('.')],
    ['a signature and a half', `${good}${good.split('.')[2]}`],
    ['rubbish', 'rubbish'],
    ['dots', '..'],
    ['no tenant', signed({ tenant: null })],
    ['an empty tenant', signed({ tenant: '' })],
    ['a tenant with a slash', signed({ tenant: 'a/b' })],
    ['a tenant that is an array', signed({ tenant: ['shop'] })],
    ['a long tenant', signed({ tenant: 't'.repeat(65) })],
    ['no sub', signed({ sub: null })],
    ['an unknown role', signed({ role: 'root' })],
    ['the role __proto__', signed({ role: '__proto__' })],
    ['the role constructor', signed({ role: 'constructor' })],
    ['the role toString', signed({ role: 'toString' })],
    ['roles', signed({ role: ['admin'] })],
    ['accounts that are not a list', signed({ accounts: 'till' })],
    ['accounts that are numbers', signed({ accounts: [1] })],
    ['an exp that is text', signed({ exp: '2099-01-01' })],
  ])('%s opens nothing', async (_name, token) => {
    const http = server().httpWith(token);
    const sale = { id: 'bad', debit: 'bank', credit: 'till', amount: 5 };
    for (const answer of [await http.post('/v1/transactions', sale), await http.get('/v1/accounts/till')]) {
      expect(answer).toMatchObject({ status: 401, body: { code: 'unauthenticated' } });
    }
    const url = `ws://127.0.0.1:${server().port}/v1/ws`;
    const sockets = [
      new WebSocket(url, { headers: { authorization: `Bearer ${token}` } }),
      ...(/^[\w.-]+$/.test(token) ? [new WebSocket(url, ['kassa.v1', `bearer.${token}`])] : []),
    ];
    for (const socket of sockets) {
      const [, response] = (await once(socket, 'unexpected-response')) as [unknown, { statusCode: number }];
      expect(response.statusCode).toBe(401);
    }
    await stillGood();
  });

  test('a changed token is refused after the good one was accepted, and the other way round', async () => {
    const token = makeToken({ sub: 'fresh' });
    const forged = changePayload(token, { sub: 'forged' });
    for (const [tried, status] of [
      [forged, 401],
      [token, 200],
      [forged, 401],
      [token, 200],
    ] as const) {
      expect(await server().httpWith(tried).get('/v1/accounts/till')).toMatchObject({ status });
    }
  });

  test('another tenant sees and moves nothing of this one', async () => {
    const foreign = { tenant: 'other' };
    const http = server().http(foreign);
    const wire = await server().wire(foreign);
    await stillGood();
    const gone = { status: 404, body: { code: 'account_not_found' } };
    expect(await http.get('/v1/accounts/till')).toMatchObject(gone);
    expect(await http.get('/v1/accounts/till/balance')).toMatchObject(gone);
    expect(await http.patch('/v1/accounts/till', { frozen: true })).toMatchObject(gone);
    expect(await http.get('/v1/transactions/good-0')).toMatchObject({ status: 404 });
    expect(await wire.call('post', { id: 'good-0' })).toMatchObject({ code: 'transaction_not_found' });
    expect(await wire.call('reverse', { id: 'r', original: 'good-0' })).toMatchObject({
      code: 'transaction_not_found',
    });
    const reply = await wire.compact(['steal', 'bank', 'till', 1]);
    expect(reply).toEqual([reply[0], 21]);
    // The same ids over there are others.
    await createAccounts(http, [{ id: 'bank', type: 'asset' }, { id: 'till' }]);
    const theirs = await wire.compact(['good-0', 'bank', 'till', 1000]);
    expect(theirs[1]).toBe(0);
    expect(await http.get('/v1/accounts/till')).toMatchObject({ body: { balance: 1000 } });
    expect(await wire.call('void', { id: 'tomb' })).toMatchObject({ ok: true, status: 'voided' });
    expect(await admin.get('/v1/transactions/tomb')).toMatchObject({ status: 404 });
    await stillGood();
  });

  test('a token with prefixes reaches the accounts that begin so, and no others', async () => {
    const narrow = { role: 'admin', accounts: ['till:1'] };
    const http = server().http(narrow);
    const wire = await server().wire(narrow);
    const sale = { id: 'narrow', debit: 'bank', credit: 'till:1', amount: 5 };
    const refused = { ok: false, code: 'forbidden' };
    await stillGood();
    const hold = { id: 'held', debit: 'bank', credit: 'till', amount: 1, pending: true };
    expect(await admin.post('/v1/transactions', hold)).toMatchObject({ status: 201 });
    expect(await http.post('/v1/transactions', sale)).toMatchObject({
      status: 403,
      body: { code: 'forbidden' },
    });
    expect(await wire.call('transaction', sale)).toMatchObject(refused);
    const compact = await wire.compact(['narrow', 'till:1', 'till:2', 5]);
    expect(compact).toEqual([compact[0], 20]);
    const batch = await wire.call('batch', { transactions: [sale] });
    expect(batch['results']).toMatchObject([refused]);
    for (const account of ['till', 'till:2', 'bank']) {
      expect(await wire.call('balance', { account })).toMatchObject(refused);
      expect(await wire.call('account_get', { id: account })).toMatchObject(refused);
    }
    expect(await wire.call('status', { id: 'good-0' })).toMatchObject(refused);
    expect(await wire.call('post', { id: 'held' })).toMatchObject(refused);
    expect(await wire.call('void', { id: 'held' })).toMatchObject(refused);
    expect(await wire.call('reverse', { id: 'r', original: 'good-0' })).toMatchObject(refused);
    expect(await wire.call('balance', { account: 'till:1' })).toMatchObject({ ok: true, balance: 0 });
    await createAccounts(http, [{ id: 'till:11', type: 'asset' }]);
    expect(await wire.call('transaction', { ...sale, debit: 'till:11', credit: 'till:1' })).toMatchObject({
      ok: true,
      balances: { 'till:1': 5, 'till:11': 5 },
    });
    expect(await admin.post('/v1/transactions/held/void')).toMatchObject({ status: 200 });
    await stillGood();
  });

  test.each([
    ['pos', 'account', { id: 'n', type: 'asset', currency: 'EUR' }, 'accounts:create'],
    ['pos', 'account_update', { id: 'till', frozen: true }, 'accounts:update'],
    ['pos', 'reverse', { id: 'r', original: 'good-0' }, 'transactions:reverse'],
    ['teller', 'account_update', { id: 'till', frozen: true }, 'accounts:update'],
    ['approver', 'account_update', { id: 'till', frozen: true }, 'accounts:update'],
    ['auditor', 'void', { id: 'good-0' }, 'transactions:end'],
    ['auditor', 'post', { id: 'good-0' }, 'transactions:end'],
    ['auditor', 'account', { id: 'n', type: 'asset', currency: 'EUR' }, 'accounts:create'],
  ])('%s may not %s', async (role, op, fields, permission) => {
    await stillGood();
    const wire = await server().wire({ role });
    expect(await wire.call(op, fields)).toMatchObject({ ok: false, code: 'forbidden', permission });
  });
});
