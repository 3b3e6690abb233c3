import { describe, expect, test } from 'vitest';
import { sharedBooks } from './support/books.js';
import { shownByFeed, shownByLog } from './support/feed-log.js';
import { Follower } from './support/follower.js';
import { ServerProcess, until, within } from './support/server.js';
import { createAccounts } from './support/shop.js';
import { Traders } from './support/traders.js';
import { flipBatch } from './support/wal-damage.js';
import type { Encoding } from './support/wire.js';

/** The live feed as its clients see it. */

const TIMEOUT_MS = 120_000;
const ENCODINGS: readonly Encoding[] = ['json', 'msgpack'];

const SCRIPT = new URL('./support/feed-thread-server.js', import.meta.url).pathname;

describe('while sales go on', { timeout: TIMEOUT_MS }, () => {
  test.each([1, 2])(
    'subscriptions show what the log holds, from any LSN, by %i gateways',
    async (gateways) => {
      const server = await ServerProcess.fresh({ shards: 2, args: ['--gateways', `${gateways}`] });
      const traders = await Traders.start(server, 'a');
      await until(
        async () => (await server.metric('kassa_durable_lsn')) > 1000,
        TIMEOUT_MS,
        () => 'no sales',
      );
      const followers: [from: number, Follower][] = [];
      for (const from of [1, 500, undefined]) {
        for (const encoding of ENCODINGS) {
          for (let i = 0; i < 4; i++) {
            const wire = await server.wire({ role: 'auditor' });
            const follower = await Follower.open(
              wire,
              from === undefined ? {} : { from_lsn: from },
              encoding,
            );
            followers.push([from ?? follower.lsn + 1, follower]);
          }
        }
      }
      const before = await server.metric('kassa_durable_lsn');
      await until(
        async () => (await server.metric('kassa_durable_lsn')) > before + 2000,
        TIMEOUT_MS,
        () => 'no sales',
      );
      await traders.stop();
      const last = shownByLog(server.options.data).at(-1)!.lsn;
      for (const [, follower] of followers) await follower.through(last);
      expect(await server.stop()).toEqual({ code: 0, signal: null });
      const log = shownByLog(server.options.data);
      expect(new Set(log.map(({ op }) => op)).size).toBe(5);
      for (const [from, follower] of followers) {
        const wanted = log.filter(({ lsn }) => lsn >= from);
        expect(wanted.length).toBeGreaterThan(0);
        expect(shownByFeed(follower.transactions)).toEqual(wanted);
      }
    },
  );

  test('after kill -9 a client goes on where it was: no gap, and nothing that it saw is gone', async () => {
    let server = await ServerProcess.fresh({ shards: 2 });
    const seen: ReturnType<typeof shownByFeed> = [];
    const acknowledged: string[] = [];
    for (let round = 0; round < 3; round++) {
      const traders = await Traders.start(server, `r${round}`);
      const follower = await Follower.open(await server.wire(), {
        from_lsn: (seen.at(-1)?.lsn ?? 0) + 1,
      });
      await follower.through(follower.lsn + 500);
      await server.kill();
      await traders.stop();
      if (follower.fault !== undefined) throw follower.fault;
      seen.push(...shownByFeed(follower.transactions));
      acknowledged.push(...traders.acknowledged);
      server = await server.restart();
    }
    try {
      const at = seen.at(-1)!.lsn;
      const again = await Follower.open(await server.wire(), { from_lsn: at - 100 });
      await again.through(again.lsn);
      const rest = shownByFeed(again.transactions);
      // What it asked for twice it is given twice.
      expect(rest.filter(({ lsn }) => lsn <= at)).toEqual(seen.filter(({ lsn }) => lsn >= at - 100));
      seen.push(...rest.filter(({ lsn }) => lsn > at));
    } finally {
      await server.kill();
    }
    expect(seen).toEqual(shownByLog(server.options.data));
    const ids = new Set(seen.map(({ id }) => id));
    expect(acknowledged.length).toBeGreaterThan(0);
    expect(acknowledged.filter((id) => !ids.has(id))).toEqual([]);
  });
});

describe('a slow reader', { timeout: TIMEOUT_MS }, () => {
  const SALES = 5000;
  const PER_BATCH = 150;

  /** Transactions of 64 postings: some 5 KB of JSON each. */
  async function sellMuch(server: ServerProcess): Promise<number> {
    const tills = Array.from({ length: 63 }, (_, i) => ({ id: `some-till:${i}` }));
    await createAccounts(server.http(), [{ id: 'bank', type: 'asset', min_balance: null }, ...tills]);
    const postings = [
      { account: 'bank', debit: 63 },
      ...tills.map(({ id }) => ({ account: id, credit: 1, tag: 'a-cost-centre-of-some-length' })),
    ];
    const wire = await server.wire();
    for (let from = 0; from < SALES; from += PER_BATCH) {
      const transactions = Array.from({ length: Math.min(PER_BATCH, SALES - from) }, (_, i) => ({
        id: `much:${from + i}`,
        postings,
      }));
      expect(await wire.call('batch', { transactions })).toMatchObject({ ok: true });
    }
    wire.close();
    return await server.metric('kassa_durable_lsn');
  }

  test('is waited for, alone: the others get everything, tills are answered, and it gets all in its time', async () => {
    // The least there may be of replies left unread: the feed must not count among them.
    const server = await ServerProcess.fresh({ shards: 2, args: ['--backpressure-bytes', '16384'] });
    const slow = await Promise.all(Array.from({ length: 2 }, () => server.wire()));
    const slowOnes = await Promise.all(slow.map((wire) => Follower.open(wire, {}, 'json')));
    for (const wire of slow) wire.socket.pause();
    const last = await sellMuch(server);

    const till = await server.wire({ role: 'pos' });
    const fast = await Follower.open(await server.wire(), { from_lsn: 1 }, 'json');
    let asked = 0;
    for (; fast.reached < last; asked++) {
      expect(await till.compact([`meanwhile:${asked}`, 'bank', 'some-till:0', 1])).toMatchObject({ 1: 0 });
    }
    expect(asked).toBeGreaterThan(0);
    await fast.through(last);
    expect(fast.transactions.filter(({ id }) => `${id}`.startsWith('much:'))).toHaveLength(SALES);
    expect(await server.metric('kassa_feed_subscriptions')).toBe(3);
    expect(await server.metric('kassa_feed_lag_lsns')).toBeGreaterThan(0);

    // They still can be answered, in the midst of what they have not read.
    const answers = slow.map((wire) => wire.call('balance', { account: 'bank' }));
    for (const wire of slow) wire.socket.resume();
    for (const answer of answers) expect(await answer).toMatchObject({ ok: true });
    const end = await server.metric('kassa_durable_lsn');
    for (const follower of slowOnes) await follower.through(end);
    const log = shownByLog(server.options.data);
    for (const follower of slowOnes) expect(shownByFeed(follower.transactions)).toEqual(log);
    expect(slow.filter(({ isClosed }) => isClosed)).toEqual([]);
    await until(
      async () => (await server.metric('kassa_feed_lag_lsns')) === 0,
      TIMEOUT_MS,
      () => 'it stays behind',
    );
  });

  test('that leaves its replies unread is closed with 1013 as ever', async () => {
    const server = await ServerProcess.fresh({ args: ['--backpressure-bytes', '16384'] });
    await sellMuch(server);
    const wire = await server.wire();
    await Follower.open(wire, { from_lsn: 1 });
    wire.socket.pause();
    for (let round = 0; round < 500 && (await server.metric('kassa_connections')) > 0; round++) {
      for (let i = 0; i < 40; i++) wire.sendFrame({ rid: i, op: 'status', id: 'much:1' });
    }
    expect(await server.metric('kassa_connections')).toBe(0);
    expect(await server.metric('kassa_feed_subscriptions')).toBe(0);
    wire.socket.resume();
    expect(await wire.closed).toMatchObject({ code: 1013 });
  });
});

describe('who sees what', { timeout: TIMEOUT_MS }, () => {
  const { server, fresh, accounts, post } = sharedBooks({ shards: 2 });

  test('a tenant sees its own, a token of limited reach what it could read, a filter what it names', async () => {
    const [bank, till, other] = (await accounts(2)) as [string, string, string];
    const stranger = server().http({ tenant: 'stranger' });
    await createAccounts(stranger, [{ id: bank, type: 'asset', min_balance: null }, { id: till }]);
    const from = (await server().metric('kassa_durable_lsn')) + 1;
    const mine = fresh('mine');
    const theirs = fresh('theirs');
    const within = fresh('within');
    await post({ id: mine, debit: bank, credit: till, amount: 3 });
    await stranger.post('/v1/transactions', { id: theirs, debit: bank, credit: till, amount: 3 });
    await post({ id: within, debit: till, credit: other, amount: 1 });
    const last = await server().metric('kassa_durable_lsn');
    const seenBy = async (claims: object, fields: object = {}) => {
      const wire = await server().wire(claims);
      const follower = await Follower.open(wire, { from_lsn: from, ...fields });
      await follower.through(last);
      wire.close();
      return follower.ids;
    };
    expect(await seenBy({})).toEqual([mine, within]);
    expect(await seenBy({ role: 'pos' })).toEqual([mine, within]);
    expect(await seenBy({ tenant: 'stranger' })).toEqual([theirs]);
    expect(await seenBy({ tenant: 'nobody' })).toEqual([]);
    expect(await seenBy({ accounts: ['till'] })).toEqual([within]);
    expect(await seenBy({ accounts: [bank] })).toEqual([]);
    expect(await seenBy({}, { accounts: [bank] })).toEqual([mine]);
    expect(await seenBy({}, { accounts: [other, 'none'] })).toEqual([within]);
    expect(await seenBy({}, { accounts: ['bank*'] })).toEqual([mine]);
    expect(await seenBy({ accounts: ['till'] }, { accounts: ['*'] })).toEqual([within]);
  });

  test('what is shown of a transaction is the body of GET', async () => {
    const [bank, till] = (await accounts()) as [string, string];
    for (const encoding of ENCODINGS) {
      const wire = await server().wire();
      const follower = await Follower.open(wire, {}, encoding);
      const id = fresh();
      const postings = [
        { account: bank, debit: 2n ** 61n, tag: 'vat' },
        { account: till, credit: 2n ** 61n },
      ];
      const metadata = { text: '"ä€😀"', n: [1.5, -2, null, { a: true }] };
      await post({ id, postings, currency: 'EUR', code: 'c', reference: '"r"', metadata, pending: true });
      const { body } = await server().http().get(`/v1/transactions/${id}`);
      const { lsn } = (await server().http().post(`/v1/transactions/${id}/void`)).body['end'] as {
        lsn: number;
      };
      await follower.through(lsn);
      expect(follower.transactions[0]).toEqual({ op: 'transaction', ...body });
      expect(follower.transactions[1]).toMatchObject({
        op: 'void',
        id,
        status: 'voided',
        created_lsn: body['lsn'],
      });
      wire.close();
    }
  });
});

describe('subscriptions of a connection', { timeout: TIMEOUT_MS }, () => {
  const { server, fresh, accounts, post } = sharedBooks({ shards: 1 });

  test('are refused when they cannot be', async () => {
    const wire = await server().wire();
    const durable = await server().metric('kassa_durable_lsn');
    for (const encoding of ENCODINGS) {
      const call = (fields: object, op = 'subscribe') => wire.call(op, fields, encoding);
      const invalid = (pointer: string) => ({ ok: false, code: 'invalid_request', pointer });
      expect(await call({ from_lsn: durable + 2 })).toMatchObject(invalid('/from_lsn'));
      expect(await call({ from_lsn: 0 })).toMatchObject(invalid('/from_lsn'));
      expect(await call({ from_lsn: 2n ** 60n })).toMatchObject(invalid('/from_lsn'));
      expect(await call({ accounts: [] })).toMatchObject(invalid('/accounts'));
      expect(await call({ accounts: ['a', 'b c'] })).toMatchObject(invalid('/accounts/1'));
      expect(await call({ tenant: 'shop' })).toMatchObject(invalid('/tenant'));
      expect(await call({}, 'unsubscribe')).toMatchObject(invalid('/subscription'));
      expect(await call({ subscription: 4711 }, 'unsubscribe')).toMatchObject(invalid('/subscription'));
      expect(await call({ subscription: 1, x: 1 }, 'unsubscribe')).toMatchObject(invalid('/x'));
      expect(await call({}, 'subscribes')).toMatchObject({
        detail: expect.stringContaining('subscribe, unsubscribe'),
      });
    }
    const limited = await server().wire({ accounts: ['till'] });
    expect(await limited.call('subscribe', { accounts: ['till', 'bank'] })).toMatchObject({
      code: 'forbidden',
      account: 'bank',
    });
    expect(await server().metric('kassa_feed_subscriptions')).toBe(0);
  });

  test('are sixteen at most, each of its own rid, and each can be ended', async () => {
    const [bank, till] = (await accounts()) as [string, string];
    const wire = await server().wire();
    const followers: Follower[] = [];
    for (let i = 0; i < 16; i++) followers.push(await Follower.open(wire, {}, ENCODINGS[i % 2]!));
    expect(await wire.call('subscribe')).toMatchObject({ ok: false, code: 'invalid_request', limit: 16 });
    const { rid } = followers[0]!;
    wire.sendFrame({ rid, op: 'subscribe' });
    await until(
      () => followers[0]!.end !== undefined,
      TIMEOUT_MS,
      () => 'no answer',
    );
    // The refusal of the second, which has the rid of the first.
    expect(followers[0]!.end).toMatchObject({ code: 'invalid_request', pointer: '/rid' });
    expect(followers[0]!.end).not.toHaveProperty('event');

    const sell = async () =>
      (await post({ id: fresh(), debit: bank, credit: till, amount: 1 }))['lsn'] as number;
    const first = await sell();
    for (const follower of followers.slice(1)) await follower.through(first);
    const ended = followers.splice(1, 8);
    for (const { rid: subscription } of ended) {
      expect(await wire.call('unsubscribe', { subscription })).toEqual({ rid: expect.any(Number), ok: true });
    }
    expect(await server().metric('kassa_feed_subscriptions')).toBe(8);
    const second = await sell();
    for (const follower of followers.slice(1)) await follower.through(second);
    expect(ended.map(({ reached }) => reached)).toEqual(ended.map(() => first));
    const again = await Follower.open(wire, { from_lsn: first });
    await again.through(second);
    expect(again.transactions.map(({ lsn }) => lsn)).toEqual([first, second]);
    wire.close();
    await until(
      async () => (await server().metric('kassa_feed_subscriptions')) === 0,
      TIMEOUT_MS,
      () => 'they outlive their connection',
    );
  });

  test('end with the token', async () => {
    const wire = await server().wire({ exp: Math.floor(Date.now() / 1000) + 2 });
    await Follower.open(wire, { from_lsn: 1 });
    expect(await within(wire.closed, 10_000, () => 'it stays open')).toMatchObject({ code: 4001 });
    expect(await server().metric('kassa_feed_subscriptions')).toBe(0);
  });
});

describe('when something breaks', { timeout: TIMEOUT_MS }, () => {
  test.each([1, 2])(
    'a server of %i gateways that stops says goodbye, to slow readers too',
    async (gateways) => {
      const server = await ServerProcess.fresh({ args: ['--gateways', `${gateways}`] });
      const traders = await Traders.start(server, 'a', { count: 1 });
      const wires = await Promise.all(Array.from({ length: 8 }, () => server.wire()));
      const followers = await Promise.all(wires.map((wire) => Follower.open(wire, { from_lsn: 1 })));
      for (const follower of followers) await follower.through(follower.lsn);
      wires[0]!.socket.pause();
      const stopped = server.stop();
      for (const wire of wires.slice(1)) expect((await wire.closed).code).toBe(1001);
      await traders.stop();
      expect(await stopped).toEqual({ code: 0, signal: null });
    },
  );

  test.each([1, 2])(
    'the death of the thread ends the subscriptions of %i gateways, with word of it; the next one gets a new thread',
    async (gateways) => {
      const server = await ServerProcess.fresh({ script: SCRIPT, args: ['--gateways', `${gateways}`] });
      const traders = await Traders.start(server, 'a', { count: 1 });
      const wires = await Promise.all(Array.from({ length: 6 }, () => server.wire()));
      for (let round = 0; round < 3; round++) {
        const followers = await Promise.all(
          wires.map((wire, i) => Follower.open(wire, i % 3 === 0 ? {} : { from_lsn: 1 }, ENCODINGS[i % 2]!)),
        );
        for (const follower of followers) await follower.through(follower.lsn + 1);
        server.signal('SIGUSR2');
        await until(
          () => followers.every(({ end }) => end !== undefined),
          TIMEOUT_MS,
          () => 'nobody says that it ended',
        );
        for (const { end, fault, rid } of followers) {
          expect(end).toEqual({
            rid,
            event: 'end',
            ok: false,
            code: 'not_ready',
            detail: 'the feed was interrupted: subscribe again',
          });
          expect(fault).toBeUndefined();
        }
        expect(await server.metric('kassa_feed_subscriptions')).toBe(0);
      }
      await traders.stop();
      const last = await Follower.open(wires[0]!, { from_lsn: 1 });
      await last.through(last.lsn);
      expect(shownByFeed(last.transactions)).toEqual(shownByLog(server.options.data));
    },
  );

  test('a damaged batch ends the subscriptions that come to it, and nothing else', async () => {
    const server = await ServerProcess.fresh({ args: ['--checkpoint-records', '1'] });
    const http = server.http();
    await createAccounts(http, [{ id: 'bank', type: 'asset', min_balance: null }, { id: 'till' }]);
    const sell = async (id: string) => {
      const { body } = await http.post('/v1/transactions', { id, debit: 'bank', credit: 'till', amount: 1 });
      const lsn = body['lsn'] as number;
      await until(
        async () => (await server.metric('kassa_checkpoint_lsn')) >= lsn,
        TIMEOUT_MS,
        () => 'no checkpoint',
      );
      return lsn;
    };
    const before = await sell('before');
    const rotten = await sell('rotten');
    const after = await sell('after');
    flipBatch(server.options.data, 1, rotten, 90);
    const wire = await server.wire();
    const sound = await Follower.open(wire, { from_lsn: after });
    const broken = await Follower.open(wire, { from_lsn: 1 });
    await until(
      () => broken.end !== undefined,
      TIMEOUT_MS,
      () => 'it does not end',
    );
    expect(broken.end).toMatchObject({ event: 'end', ok: false, code: 'not_ready', lsn: rotten });
    expect(broken.end!['detail']).toBe(`LSN ${rotten} cannot be read`);
    expect(broken.reached).toBe(before);
    await sound.through(await sell('last'));
    expect(sound.ids).toEqual(['after', 'last']);
    expect(server.stdout()).toContain('damaged');
  });
});
