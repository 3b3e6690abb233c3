import { describe, expect, test } from 'vitest';
import { randomFrom } from './support/random.js';
import { ServerProcess } from './support/server.js';
import { balancesOf, createAccounts, sumOf } from './support/shop.js';

/**
 * Sellers of prepaid charge: the house lends each seller credit, which someone else must approve, and every sale spends
 * some of it. Half of everything goes over HTTP, half over WebSocket.
 */

const SELLERS = ['{s1}:credit', '{s2}:credit'] as const;
const ACCOUNTS = [...SELLERS, 'receivables', 'operator:charge'];
const INCREASES = 10;
const INCREASE = 100_000;
const SALES = 1000;

const CREATOR = { sub: 'ann', role: 'approver' };
const APPROVER = { sub: 'bob', role: 'approver' };
const SELLER = { sub: 'till', role: 'pos', terminal: 'till-7' };

describe.each([1, 2])('two charge sellers on %i shards', { timeout: 60_000 }, (shards) => {
  test('credit is approved by another, sales are exact, and overspending is refused with the shortage', async () => {
    const server = await ServerProcess.fresh({ shards });
    const admin = server.http();
    await createAccounts(admin, [
      { id: SELLERS[0] },
      { id: SELLERS[1] },
      { id: 'receivables', type: 'asset' },
      { id: 'operator:charge', type: 'revenue' },
    ]);
    await increaseCredit(server);
    const perSeller = (INCREASES / 2) * INCREASE;
    expect(await balancesOf(admin, ACCOUNTS)).toEqual({
      [SELLERS[0]]: perSeller,
      [SELLERS[1]]: perSeller,
      receivables: 2 * perSeller,
      'operator:charge': 0,
    });

    const sold = await sell(server);
    expect(sold[0]! + sold[1]!).toBeGreaterThan(0);
    expect(await balancesOf(admin, ACCOUNTS)).toEqual({
      [SELLERS[0]]: perSeller - sold[0]!,
      [SELLERS[1]]: perSeller - sold[1]!,
      receivables: 2 * perSeller,
      'operator:charge': sold[0]! + sold[1]!,
    });

    await overspend(server, perSeller - sold[0]!);
    expect(await balancesOf(admin, [SELLERS[0]])).toEqual({ [SELLERS[0]]: perSeller - sold[0]! });
    expect(await sumOf(admin, ACCOUNTS)).toBe(0n);
    expect(await server.stop()).toEqual({ code: 0, signal: null });
  });
});

async function increaseCredit(server: ServerProcess): Promise<void> {
  const [http, wire] = [server.http(CREATOR), await server.wire(CREATOR)];
  const [approverHttp, approverWire] = [server.http(APPROVER), await server.wire(APPROVER)];
  const third = server.http({ sub: 'cyd', role: 'approver' });
  for (let i = 0; i < INCREASES; i++) {
    const isHttp = i % 2 === 0;
    const id = `increase-${i}`;
    const seller = SELLERS[i < INCREASES / 2 ? 0 : 1]!;
    const body = {
      id,
      debit: 'receivables',
      credit: seller,
      amount: INCREASE,
      pending: { approval: true },
    };
    if (isHttp) {
      expect(await http.post('/v1/transactions', body)).toMatchObject({
        status: 201,
        body: { id, status: 'pending' },
      });
    } else {
      expect(await wire.call('transaction', body)).toMatchObject({ ok: true, id, status: 'pending' });
    }
    const before = await balancesOf(http, [seller]);

    // Whoever created it may not approve it, although his role could.
    expect(await http.post(`/v1/transactions/${id}/post`)).toMatchObject({
      status: 403,
      body: { code: 'forbidden', permission: 'transactions:approve' },
    });
    expect(await wire.call('post', { id })).toMatchObject({
      ok: false,
      code: 'forbidden',
      permission: 'transactions:approve',
    });
    expect(await balancesOf(http, [seller])).toEqual(before);

    const approved = isHttp
      ? (await approverHttp.post(`/v1/transactions/${id}/post`)).body
      : await approverWire.call('post', { id });
    expect(approved).toMatchObject({ id, status: 'posted', end: { status: 'posted', by: 'bob' } });

    // A second approval is answered with the first one and changes nothing; one with other content is refused.
    const again = await third.post(`/v1/transactions/${id}/post`);
    expect(again).toMatchObject({ status: 200, body: { status: 'posted', end: { by: 'bob' } } });
    expect((again.body['end'] as { lsn: number }).lsn).toBe((approved['end'] as { lsn: number }).lsn);
    expect(await approverWire.call('post', { id, reference: 'once more' })).toMatchObject({
      ok: false,
      code: 'already_posted',
    });
    expect(await balancesOf(http, [seller])).toEqual({
      [seller]: (before[seller] as number) + INCREASE,
    });
  }
}

/** @returns what each seller sold */
async function sell(server: ServerProcess): Promise<number[]> {
  const http = server.http(SELLER);
  const wires = [await server.wire(SELLER), await server.wire(SELLER, { encoding: 'json' })];
  const random = randomFrom(7);
  const sold = [0, 0];
  const answers: Promise<unknown>[] = [];
  for (let i = 0; i < SALES; i++) {
    const seller = random(2);
    const amount = 1 + random(600);
    sold[seller]! += amount;
    const [id, debit, credit] = [`sale-${i}`, SELLERS[seller]!, 'operator:charge'];
    if (i % 2 === 0) {
      const answer = http.post('/v1/transactions', { id, debit, credit, amount });
      answers.push(answer.then((reply) => expect(reply).toMatchObject({ status: 201, body: { id } })));
    } else if (i % 4 === 1) {
      const answer = wires[i % 8 === 1 ? 0 : 1]!.compact([id, debit, credit, amount]);
      answers.push(answer.then((reply) => expect(reply).toEqual([reply[0], 0, expect.any(Number)])));
    } else {
      const answer = wires[i % 8 === 3 ? 0 : 1]!.call('transaction', { id, debit, credit, amount });
      answers.push(answer.then((reply) => expect(reply).toMatchObject({ ok: true, id, status: 'posted' })));
    }
  }
  await Promise.all(answers);
  return sold;
}

async function overspend(server: ServerProcess, left: number): Promise<void> {
  const [http, wire] = [server.http(SELLER), await server.wire(SELLER)];
  const sale = { id: 'too-much', debit: SELLERS[0], credit: 'operator:charge', amount: left + 17 };
  const shortage = { account: SELLERS[0], available: left, required: left + 17, shortage: 17 };
  expect(await http.post('/v1/transactions', sale)).toMatchObject({
    status: 422,
    body: { status: 422, code: 'insufficient_funds', ...shortage },
  });
  expect(await wire.call('transaction', sale)).toMatchObject({
    ok: false,
    code: 'insufficient_funds',
    ...shortage,
  });
  const reply = await wire.compact(['too-much', SELLERS[0], 'operator:charge', left + 17]);
  expect(reply).toEqual([reply[0], 31]);
}
