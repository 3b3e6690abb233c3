import { describe, expect, test } from 'vitest';
import type { HttpClient } from './support/http-client.js';
import { addUp, type LoggedRecord, readRecords } from './support/log-records.js';
import { randomFrom } from './support/random.js';
import { ServerProcess, until, within } from './support/server.js';
import { createAccounts } from './support/shop.js';
import type { Wire } from './support/wire.js';

const TIMEOUT_MS = 120_000;
const ANSWERS_MS = 60_000;
const SOCKETS = 50;
const INSUFFICIENT_FUNDS = 31;
const OVERLOADED = 39;

/** A transaction of the load: signed amounts by account, positive = debit. */
interface Load {
  readonly id: string;
  readonly postings: readonly (readonly [account: string, amount: number])[];
}

/** Sends in one of the contract's forms, by turns. @returns the code's number and the LSN of an accepted one */
async function send(
  wire: Wire,
  { id, postings }: Load,
  form: number,
): Promise<readonly [n: number, lsn: number]> {
  const encoding = form % 2 === 0 ? 'msgpack' : 'json';
  const [first, second] = postings;
  if (form % 3 === 0) {
    const [, n, lsn = 0] = await wire.compact([id, postings], encoding);
    return [n, lsn];
  }
  if (form % 3 === 1 && postings.length === 2 && first![1] > 0) {
    const [, n, lsn = 0] = await wire.compact([id, first![0], second![0], first![1]], encoding);
    return [n, lsn];
  }
  const long = postings.map(([account, amount]) =>
    amount > 0 ? { account, debit: amount } : { account, credit: -amount },
  );
  const reply = await wire.call('transaction', { id, postings: long }, encoding);
  if (reply.ok) return [0, reply['lsn'] as number];
  expect(reply).toMatchObject({ code: 'insufficient_funds', account: expect.any(String) });
  return [INSUFFICIENT_FUNDS, 0];
}

/** Sends all at once over all sockets. @returns LSN by id of what was accepted; all else lacked funds */
async function sendAll(server: ServerProcess, load: readonly Load[]): Promise<Map<string, number>> {
  const wires = await Promise.all(Array.from({ length: SOCKETS }, () => server.wire()));
  const accepted = new Map<string, number>();
  const answers = load.map(async (one, i) => {
    const [n, lsn] = await send(wires[i % SOCKETS]!, one, i);
    if (n === 0) accepted.set(one.id, lsn);
    else expect(n).toBe(INSUFFICIENT_FUNDS);
  });
  await within(Promise.all(answers), ANSWERS_MS, () => `${accepted.size} of ${load.length} accepted`);
  return accepted;
}

/**
 * Reads the log of a stopped server: what was acknowledged is there, once, at its LSN, nothing else is, no account of
 * `minimums` was ever below its minimum, and all of it sums up to nothing.
 * @returns nets by account
 */
function auditLog(
  server: ServerProcess,
  load: readonly Load[],
  accepted: ReadonlyMap<string, number>,
  minimums: ReadonlyMap<string, { readonly sign: bigint; readonly min: bigint }>,
): Map<string, bigint> {
  const records = readRecords(server.options.data);
  const loadIds = new Set(load.map(({ id }) => id));
  const logged = records.filter(({ id, kind }) => kind === 'posted' && loadIds.has(id));
  expect(logged.length).toBe(accepted.size);
  expect(new Map(logged.map(({ id, lsn }) => [id, lsn]))).toEqual(accepted);
  const nets = addUp(records, (account, net, record: LoggedRecord) => {
    const bound = minimums.get(account);
    if (bound !== undefined && net * bound.sign < bound.min) {
      throw new Error(`${account} is at ${net * bound.sign} at LSN ${record.lsn}`);
    }
  });
  expect([...nets.values()].reduce((sum, net) => sum + net, 0n)).toBe(0n);
  return nets;
}

/** Balances over HTTP are those of the log. */
async function expectBalances(http: HttpClient, expected: ReadonlyMap<string, bigint>): Promise<void> {
  for (const [account, balance] of expected) {
    const { body } = await http.get(`/v1/accounts/${account}/balance`);
    expect([
      account,
      BigInt(body['balance'] as number),
      body['debits_pending'],
      body['credits_pending'],
    ]).toEqual([account, balance, 0, 0]);
  }
}

describe.each([1, 2, 4])('on %i shards', { timeout: TIMEOUT_MS }, (shards) => {
  test('10,000 concurrent transactions from 50 sockets on one account', async () => {
    const server = await ServerProcess.fresh({ shards });
    const http = server.http();
    await createAccounts(http, [
      { id: 'hot' },
      { id: 'bank', type: 'asset', min_balance: null },
      { id: 'sales', type: 'revenue' },
    ]);
    const funds = { id: 'funds', debit: 'bank', credit: 'hot', amount: 15_000 };
    expect(await http.post('/v1/transactions', funds)).toMatchObject({ status: 201 });
    const random = randomFrom(shards);
    const load: Load[] = Array.from({ length: 10_000 }, (_, i) => {
      const amount = 1 + random(10);
      const isSale = random(10) > 0;
      const [debit, credit] = isSale ? ['hot', 'sales'] : ['bank', 'hot'];
      return {
        id: `t${i}`,
        postings: [
          [debit!, amount],
          [credit!, -amount],
        ],
      };
    });
    const accepted = await sendAll(server, load);
    expect(accepted.size).toBeGreaterThan(2000);
    expect(accepted.size).toBeLessThan(load.length);
    let balance = 15_000n;
    for (const { id, postings } of load) {
      for (const [account, amount] of postings) {
        if (account === 'hot' && accepted.has(id)) balance -= BigInt(amount);
      }
    }
    expect(balance).toBeGreaterThanOrEqual(0n);
    await expectBalances(http, new Map([['hot', balance]]));
    expect(await server.stop()).toMatchObject({ code: 0 });
    const nets = auditLog(server, load, accepted, new Map([['hot', { sign: -1n, min: 0n }]]));
    expect(nets.get('hot')).toBe(-balance);
  });

  test('20,000 random transactions of 2 to 7 postings over 200 accounts', async () => {
    const server = await ServerProcess.fresh({ shards });
    const http = server.http();
    const random = randomFrom(100 + shards);
    const accounts = Array.from({ length: 200 }, (_, i) => ({
      id: i % 5 === 0 ? `{store${i % 3}}:a${i}` : `a${i}`,
      type: i % 2 === 0 ? 'asset' : 'liability',
      min_balance: [0, -50, null][i % 3] ?? null,
    }));
    await createAccounts(http, accounts);
    const anyAccount = () => accounts[random(200)]!.id;
    const load: Load[] = Array.from({ length: 20_000 }, (_, i) => {
      const postings: [string, number][] = [];
      let sum = 0;
      for (let more = 1 + random(5); more > 0; more--) {
        const amount = (1 + random(20)) * (random(2) === 0 ? 1 : -1);
        postings.push([anyAccount(), amount]);
        sum += amount;
      }
      if (sum === 0) {
        postings.push([anyAccount(), 5]);
        sum = 5;
      }
      postings.push([anyAccount(), -sum]);
      return { id: random(2) === 0 ? `{store${random(3)}}:t${i}` : `t${i}`, postings };
    });
    const accepted = await sendAll(server, load);
    expect(accepted.size).toBeGreaterThan(2000);
    expect(accepted.size).toBeLessThan(load.length);
    const expected = new Map(accounts.map(({ id }) => [id, 0n]));
    for (const { id, postings } of load) {
      if (!accepted.has(id)) continue;
      for (const [account, amount] of postings)
        expected.set(account, expected.get(account)! + BigInt(amount));
    }
    const signs = new Map(accounts.map(({ id, type }) => [id, type === 'asset' ? 1n : -1n]));
    await expectBalances(http, new Map([...expected].map(([id, net]) => [id, net * signs.get(id)!])));
    expect(await server.stop()).toMatchObject({ code: 0 });
    const bounded = accounts.filter(({ min_balance }) => min_balance !== null);
    const minimums = new Map(
      bounded.map(({ id, min_balance }) => [id, { sign: signs.get(id)!, min: BigInt(min_balance!) }]),
    );
    const nets = auditLog(server, load, accepted, minimums);
    for (const [account, net] of expected) expect(nets.get(account) ?? 0n).toBe(net);
  });
});

describe('clients that do not behave', { timeout: TIMEOUT_MS }, () => {
  test('one that never reads is closed with 1013, memory stays bounded, others do not notice', async () => {
    const server = await ServerProcess.fresh({ args: ['--backpressure-bytes', '65536'] });
    const http = server.http();
    await createAccounts(http, [{ id: 'bank', type: 'asset' }, { id: 'till' }]);
    const postings = Array.from({ length: 63 }, () => ({
      account: 'till',
      credit: 1,
      tag: 'a-tag-of-some-length',
    }));
    const large = {
      id: 'large',
      postings: [{ account: 'bank', debit: 63 }, ...postings],
      metadata: { note: 'n'.repeat(1000) },
    };
    expect(await http.post('/v1/transactions', large)).toMatchObject({ status: 201 });
    const before = await server.metric('process_resident_memory_bytes');
    const slow = await Promise.all(Array.from({ length: 4 }, () => server.wire({}, { encoding: 'json' })));
    for (const wire of slow) wire.socket.pause();
    const good = await server.wire();
    const replyBytes = 5000;
    let asked = 0;
    let peak = before;
    // Asks until the server has had enough; if it never had, it would hold 400 MB of replies at the end.
    await until(
      async () => {
        for (const wire of slow) {
          for (let i = 0; i < 500; i++) wire.sendFrame({ rid: i, op: 'status', id: 'large' });
        }
        asked += 4 * 500;
        expect((await good.compact([`good-${asked}`, 'bank', 'till', 1]))[1]).toBe(0);
        peak = Math.max(peak, await server.metric('process_resident_memory_bytes'));
        return (await server.metric('kassa_connections')) === 1 || asked * replyBytes > 400e6;
      },
      ANSWERS_MS,
      () => `still open after ${asked} requests`,
    );
    expect(await server.metric('kassa_connections')).toBe(1);
    expect(peak - before).toBeLessThan(200e6);
    for (const wire of slow) wire.socket.resume();
    for (const wire of slow) {
      const { code } = await within(wire.closed, ANSWERS_MS, () => 'never closed');
      expect(code).toBe(1013);
    }
    expect((await good.call('ping')).ok).toBe(true);
    await until(
      async () => (await server.metric('kassa_commands_in_flight')) === 0,
      ANSWERS_MS,
      () => 'commands stay in flight',
    );
  });

  test('nothing that a slow reader was owed is lost: it asks status', async () => {
    const server = await ServerProcess.fresh({ args: ['--backpressure-bytes', '16384'], shards: 2 });
    const http = server.http();
    await createAccounts(http, [{ id: 'bank', type: 'asset' }, { id: 'till' }]);
    const wire = await server.wire({}, { encoding: 'json' });
    wire.socket.pause();
    const ids: string[] = [];
    const note = 'n'.repeat(900);
    await until(
      async () => {
        for (let i = 0; i < 500; i++) {
          const id = `s${ids.length}`;
          ids.push(id);
          const sale = { id, debit: 'bank', credit: 'till', amount: 1, metadata: { note } };
          wire.sendFrame({ rid: i, op: 'transaction', ...sale });
          wire.sendFrame({ rid: i, op: 'status', id });
        }
        return (await server.metric('kassa_connections')) === 0;
      },
      ANSWERS_MS,
      () => `open after ${ids.length} sales`,
    );
    await until(
      async () => (await server.metric('kassa_commands_in_flight')) === 0,
      ANSWERS_MS,
      () => 'commands stay in flight',
    );
    const again = await server.wire();
    const statuses = await Promise.all(ids.map((id) => again.call('status', { id })));
    const done = statuses.filter(({ ok }) => ok).length;
    expect(done).toBeGreaterThan(0);
    expect(statuses.every(({ ok, code }) => ok || code === 'transaction_not_found')).toBe(true);
    expect(await http.get('/v1/accounts/till/balance')).toMatchObject({ body: { balance: done } });
  });

  test('clients that vanish leave nothing behind', async () => {
    const server = await ServerProcess.fresh({ shards: 2 });
    const http = server.http();
    await createAccounts(http, [{ id: 'bank', type: 'asset' }, { id: 'till' }]);
    const ids: string[] = [];
    for (let round = 0; round < 5; round++) {
      const wires = await Promise.all(Array.from({ length: 40 }, () => server.wire()));
      wires.forEach((wire, w) => {
        for (let i = 0; i < 50; i++) {
          const id = `v${round}-${w}-${i}`;
          ids.push(id);
          wire.sendFrame([i, id, 'bank', 'till', 1]);
          if (i % 10 === 0) wire.sendFrame({ rid: i, op: 'status', id });
        }
        wire.socket.terminate();
      });
    }
    await until(
      async () =>
        (await server.metric('kassa_connections')) === 0 &&
        (await server.metric('kassa_commands_in_flight')) === 0,
      ANSWERS_MS,
      () => 'connections or commands stay',
    );
    const { body } = await http.get('/v1/accounts/till/balance');
    const wires = await Promise.all(Array.from({ length: 5 }, () => server.wire()));
    const replies = await Promise.all(ids.map((id, i) => wires[i % 5]!.compact([id, 'bank', 'till', 1])));
    expect(replies.filter(([, n]) => n === 1).length).toBe(body['balance']);
    expect(replies.every(([, n]) => n === 0 || n === 1)).toBe(true);
    expect(await http.get('/v1/accounts/till/balance')).toMatchObject({ body: { balance: ids.length } });
  });
});

describe('at the bound of admission', { timeout: TIMEOUT_MS }, () => {
  test('overloaded does nothing, and the same again is done later', async () => {
    const server = await ServerProcess.fresh({ shards: 2, args: ['--in-flight', '64'] });
    const http = server.http();
    await createAccounts(http, [{ id: 'bank', type: 'asset' }, { id: 'till' }]);
    const wires = await Promise.all(Array.from({ length: 20 }, () => server.wire()));
    const ids = Array.from({ length: 10_000 }, (_, i) => `o${i}`);
    const sendOnce = async (some: readonly string[]) => {
      const replies = await Promise.all(some.map((id, i) => wires[i % 20]!.compact([id, 'bank', 'till', 1])));
      for (const [, n] of replies) expect([0, OVERLOADED]).toContain(n);
      return some.filter((_, i) => replies[i]![1] === OVERLOADED);
    };
    let left = await sendOnce(ids);
    expect(left.length).toBeGreaterThan(0);
    expect(await http.get('/v1/accounts/till/balance')).toMatchObject({
      body: { balance: ids.length - left.length },
    });
    for (const id of left.slice(0, 20)) {
      expect(await http.get(`/v1/transactions/${id}`)).toMatchObject({ status: 404 });
    }
    for (let round = 0; left.length > 0 && round < 1000; round++) {
      left = [...(await sendOnce(left.slice(0, 64))), ...left.slice(64)];
    }
    expect(left).toEqual([]);
    expect(await http.get('/v1/accounts/till/balance')).toMatchObject({ body: { balance: ids.length } });
    expect(await server.stop()).toMatchObject({ code: 0 });
    const logged = readRecords(server.options.data).filter(({ kind }) => kind === 'posted');
    expect(new Set(logged.map(({ id }) => id))).toEqual(new Set(ids));
    expect(logged.length).toBe(ids.length);
  });

  test('a batch is admitted whole or refused whole', async () => {
    const server = await ServerProcess.fresh({ shards: 2 });
    const http = server.http();
    await createAccounts(http, [{ id: 'bank', type: 'asset' }, { id: 'till' }]);
    const wires = await Promise.all(Array.from({ length: 10 }, () => server.wire()));
    const size = 8192;
    const entries = (b: number) => Array.from({ length: size }, (_, i) => [`b${b}-${i}`, 'bank', 'till', 1]);
    const replies = await Promise.all(wires.map((wire, b) => wire.compact([entries(b)])));
    let done = 0;
    for (const [b, reply] of replies.entries()) {
      if (reply[1] === OVERLOADED) expect(reply).toEqual([reply[0], OVERLOADED]);
      else expect(reply).toEqual([reply[0], 0, expect.any(Number), []]);
      const isDone = reply[1] === 0;
      if (isDone) done += size;
      for (const i of [0, size - 1]) {
        expect(await http.get(`/v1/transactions/b${b}-${i}`)).toMatchObject({ status: isDone ? 200 : 404 });
      }
    }
    expect(done).toBeGreaterThan(0);
    expect(await http.get('/v1/accounts/till/balance')).toMatchObject({ body: { balance: done } });
  });
});
