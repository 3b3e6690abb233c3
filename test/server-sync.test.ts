import { describe, expect, onTestFinished, test } from 'vitest';
import { type Faults, startFaultyServer } from './support/faults.js';
import type { HttpAnswer, HttpClient } from './support/http-client.js';
import { makeDataDirectory, ServerProcess, until, within } from './support/server.js';
import { createAccounts } from './support/shop.js';
import type { Wire } from './support/wire.js';

/**
 * A reply is a promise that nothing can take back, so it may only leave when what it shows is synced: accepts, refusals
 * and reads alike.
 */

const ANSWER_MS = 10_000;

interface Asked {
  readonly name: string;
  readonly answer: Promise<unknown>;
  isAnswered: boolean;
}

/** Keeps book of what was asked and what of it was answered. */
class Questions {
  readonly asked: Asked[] = [];

  ask(name: string, answer: Promise<unknown>): void {
    const one: Asked = { name, answer, isAnswered: false };
    const done = () => {
      one.isAnswered = true;
    };
    answer.then(done, () => undefined);
    this.asked.push(one);
  }

  answered(): string[] {
    return this.asked.filter((one) => one.isAnswered).map((one) => one.name);
  }

  async all(): Promise<Record<string, unknown>> {
    const entries = this.asked.map(async ({ name, answer }) => [name, await answer] as const);
    return Object.fromEntries(await within(Promise.all(entries), ANSWER_MS, () => `only ${this.answered()}`));
  }
}

async function start(shards: number) {
  const data = await makeDataDirectory();
  const { server, faults } = await startFaultyServer({ data, shards });
  onTestFinished(async () => {
    faults.release();
    await server.kill();
  });
  const http = server.http();
  await createAccounts(http, [
    { id: 'till' },
    { id: 'bank', type: 'asset', min_balance: null },
    { id: 'sales', type: 'revenue' },
    { id: 'elsewhere', type: 'revenue' },
  ]);
  expect(await http.post('/v1/transactions', deposit('deposit', 100))).toMatchObject({ status: 201 });
  return { data, server, faults, http, wire: await server.wire() };
}

const deposit = (id: string, amount: number) => ({ id, debit: 'bank', credit: 'till', amount });
const sale = (id: string, amount: number) => ({ id, debit: 'till', credit: 'sales', amount });

/**
 * Asks a server whose log is held for everything that rests on a sale of 80 out of 100, all of it decided in memory
 * already: the copies and the refusals are answered by the state that is not yet durable.
 */
async function askWhileHeld(faults: Faults, http: HttpClient, wire: Wire): Promise<Questions> {
  const questions = new Questions();
  faults.hold();
  questions.ask('accept', http.post('/v1/transactions', sale('sale', 80)));
  await faults.held();
  questions.ask('duplicate', http.post('/v1/transactions', sale('sale', 80)));
  questions.ask('compact duplicate', wire.compact(['sale', 'till', 'sales', 80]));
  questions.ask('id_reused', http.post('/v1/transactions', sale('sale', 81)));
  questions.ask('insufficient_funds', http.post('/v1/transactions', sale('sale-2', 80)));
  questions.ask('compact insufficient_funds', wire.compact(['sale-2', 'till', 'sales', 80]));
  questions.ask('balance', http.get('/v1/accounts/till/balance'));
  questions.ask('balance over the socket', wire.call('balance', { account: 'till' }));
  questions.ask('account', http.get('/v1/accounts/till'));
  questions.ask('status', http.get('/v1/transactions/sale'));
  questions.ask('not_pending', http.post('/v1/transactions/sale/post'));
  questions.ask('accept behind it', wire.compact(['sale-3', 'till', 'sales', 20]));
  questions.ask(
    'balance_not_zero',
    http.send('PATCH', '/v1/accounts/sales', '{"closed":true}', { 'content-type': 'application/json' }),
  );
  return questions;
}

/** Everything asked has reached the ledger; what does not go through it is answered in spite of all. */
async function allInFlight(http: HttpClient, wire: Wire, questions: Questions): Promise<void> {
  const inFlight = async () => {
    const { text } = await http.get('/metrics');
    return Number(/^kassa_ledger_in_flight (\d+)$/m.exec(text)?.[1]);
  };
  const all = questions.asked.length;
  await until(
    async () => (await inFlight()) >= all,
    ANSWER_MS,
    () => `not all of ${all} are in flight`,
  );
  expect(await http.get('/health/live')).toMatchObject({ status: 200 });
  expect(await wire.call('ping')).toMatchObject({ ok: true });
}

describe.each([1, 2])('on %i shards', { timeout: 60_000 }, (shards) => {
  test('a log whose sync is slow gets no reply before the sync', async () => {
    const { faults, http, wire } = await start(shards);
    const questions = await askWhileHeld(faults, http, wire);
    await allInFlight(http, wire, questions);
    expect(questions.answered()).toEqual([]);
    faults.release();
    const answers = await questions.all();
    const lsn = (answers['accept'] as HttpAnswer).body['lsn'];
    expect(answers).toMatchObject({
      accept: { status: 201, body: { id: 'sale', status: 'posted', balances: { till: expect.any(Number) } } },
      duplicate: { status: 200, body: { duplicate: true, lsn } },
      'compact duplicate': [expect.any(Number), 1, lsn],
      id_reused: { status: 409, body: { code: 'id_reused' } },
      insufficient_funds: { status: 422, body: { code: 'insufficient_funds', required: 80 } },
      'compact insufficient_funds': [expect.any(Number), 31],
      status: { status: 200, body: { status: 'posted', lsn } },
      not_pending: { status: 409, body: { code: 'not_pending' } },
      'accept behind it': [expect.any(Number), 0, expect.any(Number)],
      balance_not_zero: { status: 409, body: { code: 'balance_not_zero' } },
    });
    for (const name of ['balance', 'account']) {
      const { body } = answers[name] as HttpAnswer;
      expect([20, 0]).toContain(body['balance']);
      expect(body['lsn']).toBeGreaterThanOrEqual(lsn as number);
    }
    expect(await http.get('/v1/accounts/till/balance')).toMatchObject({ body: { balance: 0 } });
  });

  test('a log whose sync fails answers nobody, exits with 70 and says why; what was acknowledged is there', async () => {
    const { data, server, faults, http, wire } = await start(shards);
    const questions = await askWhileHeld(faults, http, wire);
    await allInFlight(http, wire, questions);
    expect(questions.answered()).toEqual([]);
    // The held batch comes through, the one behind it does not.
    faults.fail('the disk is gone');
    faults.release();
    expect(await server.exited).toEqual({ code: 70, signal: null });
    expect(server.stderr()).toContain('the disk is gone');

    const restarted = await ServerProcess.start({ data, shards });
    onTestFinished(() => restarted.kill());
    const after = restarted.http();
    // The last good commit holds the sale of 80; the one of 20 came with the commit that failed.
    expect(questions.answered()).not.toContain('accept behind it');
    expect(await after.get('/v1/transactions/sale')).toMatchObject({
      status: 200,
      body: { status: 'posted' },
    });
    expect(await after.get('/v1/transactions/sale-3')).toMatchObject({ status: 404 });
    expect(await after.get('/v1/accounts/till/balance')).toMatchObject({ body: { balance: 20 } });
    expect(await after.get('/v1/accounts/sales/balance')).toMatchObject({ body: { balance: 80 } });
    expect(await after.post('/v1/transactions', sale('sale', 80))).toMatchObject({
      status: 200,
      body: { duplicate: true },
    });
    expect(await after.post('/v1/transactions', sale('sale-3', 20))).toMatchObject({ status: 201 });
  });

  test('a first commit that fails is answered to nobody and leaves nothing', async () => {
    const { data, server, faults, http, wire } = await start(shards);
    faults.fail('no space left on device');
    const questions = new Questions();
    questions.ask('accept', wire.compact(['sale', 'till', 'sales', 80]));
    questions.ask('over http', http.post('/v1/transactions', sale('other', 5)));
    questions.ask('pending', wire.call('transaction', { ...sale('hold', 5), pending: true }));
    questions.ask('account', wire.call('account', { id: 'new', type: 'asset', currency: 'EUR' }));
    expect(await server.exited).toEqual({ code: 70, signal: null });
    expect(server.stderr()).toContain('no space left on device');
    expect(questions.answered()).toEqual([]);

    const restarted = await ServerProcess.start({ data, shards });
    onTestFinished(() => restarted.kill());
    const after = restarted.http();
    for (const id of ['sale', 'other', 'hold']) {
      expect(await after.get(`/v1/transactions/${id}`)).toMatchObject({ status: 404 });
    }
    expect(await after.get('/v1/accounts/new')).toMatchObject({ status: 404 });
    expect(await after.get('/v1/accounts/till/balance')).toMatchObject({
      body: { balance: 100, debits_pending: 0 },
    });
  });
});
