import { connect } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startFaultyServer, startRecoveringServer } from './support/faults.js';
import { freePort, kassa, makeDataDirectory, ServerProcess, until, within } from './support/server.js';
import { createAccounts, sumOf } from './support/shop.js';
import type { CompactReply } from './support/wire.js';

const WAIT_MS = 10_000;
const NOT_READY = 40;

const CASH = { id: 'cash', type: 'asset' };
const SALES = { id: 'sales', type: 'revenue' };

/** @returns the error of a connection attempt, undefined when it worked */
function connectionError(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code));
  });
}

describe('SIGTERM', { timeout: 60_000 }, () => {
  test('what was accepted is answered, new work is refused with not_ready, the exit code is 0', async () => {
    const data = await makeDataDirectory();
    const { server, faults } = await startFaultyServer({ data, shards: 2 });
    onTestFinished(async () => {
      faults.release();
      await server.kill();
    });
    const http = server.http();
    await createAccounts(http, [CASH, SALES]);
    const wire = await server.wire();
    const text = await server.wire({}, { encoding: 'json' });
    faults.hold();
    const accepted = [
      wire.compact(['a1', 'cash', 'sales', 1]),
      text.compact(['a2', 'cash', 'sales', 2]),
      wire.call('transaction', { id: 'a3', debit: 'cash', credit: 'sales', amount: 3 }),
    ];
    const overHttp = http.post('/v1/transactions', { id: 'a4', debit: 'cash', credit: 'sales', amount: 4 });
    await faults.held();
    await until(
      async () => /^kassa_ledger_in_flight 4$/m.test((await http.get('/metrics')).text),
      WAIT_MS,
      () => 'the four are not in flight',
    );
    server.signal('SIGTERM');
    await until(
      async () => (await connectionError(server.port)) === 'ECONNREFUSED',
      WAIT_MS,
      () => 'still listening',
    );

    const sale = { id: 'late', debit: 'cash', credit: 'sales', amount: 5 };
    expect(await http.post('/v1/transactions', sale)).toMatchObject({
      status: 503,
      body: { code: 'not_ready', status: 503 },
      headers: { 'retry-after': expect.stringMatching(/^\d+$/) },
    });
    expect(await http.get('/health/ready')).toMatchObject({
      status: 503,
      body: { detail: expect.stringContaining('stopping') },
    });
    expect(await http.get('/health/live')).toMatchObject({ status: 200 });
    expect(await wire.call('transaction', sale)).toMatchObject({ ok: false, code: 'not_ready' });
    expect(await wire.call('balance', { account: 'cash' })).toMatchObject({ ok: false, code: 'not_ready' });
    for (const socket of [wire, text]) {
      const reply = await socket.compact(['late', 'cash', 'sales', 5]);
      expect(reply).toEqual([reply[0], NOT_READY]);
    }

    faults.release();
    const [first, second, third] = await within(Promise.all(accepted), WAIT_MS, () => 'no answers');
    for (const reply of [first, second] as CompactReply[]) {
      expect(reply).toEqual([reply[0], 0, expect.any(Number)]);
    }
    expect(third).toMatchObject({ ok: true, id: 'a3' });
    expect(await overHttp).toMatchObject({ status: 201 });
    expect(await wire.closed).toMatchObject({ code: 1001 });
    expect(await text.closed).toMatchObject({ code: 1001 });
    expect(await server.exited).toEqual({ code: 0, signal: null });

    const restarted = await ServerProcess.start({ data, shards: 1 });
    onTestFinished(() => restarted.kill());
    const after = restarted.http();
    expect(await after.get('/v1/accounts/cash/balance')).toMatchObject({ body: { balance: 10 } });
    expect(await after.get('/v1/transactions/late')).toMatchObject({ status: 404 });
  });

  test('under load every request is answered or was never taken, and the books agree', async () => {
    const server = await ServerProcess.fresh({ shards: 2 });
    const http = server.http();
    await createAccounts(http, [CASH, SALES]);
    const wires = await Promise.all(Array.from({ length: 8 }, () => server.wire()));
    let [done, refused, cut] = [0, 0, 0];
    const load = wires.map(async (wire, w) => {
      for (let i = 0; !wire.isClosed; i++) {
        const burst = Array.from({ length: 50 }, (_, k) =>
          wire.compact([`w${w}-${i}-${k}`, 'cash', 'sales', 1]).then(
            ([, n]) => {
              if (n === 0) done++;
              else if (n === NOT_READY) refused++;
              else throw new Error(`answered ${n}`);
            },
            () => {
              cut++;
            },
          ),
        );
        await Promise.all(burst);
      }
    });
    await until(
      () => done > 2000,
      WAIT_MS,
      () => 'no load',
    );
    expect(await server.stop()).toEqual({ code: 0, signal: null });
    await Promise.all(load);

    const restarted = await ServerProcess.start({ data: server.options.data });
    onTestFinished(() => restarted.kill());
    const after = restarted.http();
    const { body } = await after.get('/v1/accounts/cash/balance');
    // Frames that reached the server are answered before it says goodbye; what was cut off never got there.
    expect(body['balance'], `${refused} refused, ${cut} cut off`).toBe(done);
    expect(await sumOf(after, ['cash', 'sales'])).toBe(0n);
  });

  test('while it recovers nothing was accepted, so it just ends with 0', async () => {
    const server = await ServerProcess.launch({ data: await makeDataDirectory() });
    onTestFinished(() => server.kill());
    await until(
      () => server.stdout().includes('listening on'),
      WAIT_MS,
      () => server.stderr(),
    );
    expect(await server.stop()).toEqual({ code: 0, signal: null });
  });
});

test('while it recovers it lives, is not ready and says so to everyone', { timeout: 60_000 }, async () => {
  const data = await makeDataDirectory();
  const { server, faults } = await startRecoveringServer({ data });
  onTestFinished(async () => {
    faults.release();
    await server.kill();
  });
  const http = server.http();
  expect(await http.get('/health/live')).toMatchObject({ status: 200 });
  expect(await http.get('/health/ready')).toMatchObject({
    status: 503,
    body: { code: 'not_ready', detail: expect.stringContaining('recovering') },
  });
  expect(await http.get('/metrics')).toMatchObject({ status: 200 });
  const notReady = {
    status: 503,
    body: { code: 'not_ready' },
    headers: { 'retry-after': expect.any(String) },
  };
  const account = { id: 'cash', type: 'asset', currency: 'EUR' };
  expect(await http.post('/v1/accounts', account)).toMatchObject(notReady);
  expect(await http.get('/v1/accounts/cash')).toMatchObject(notReady);
  await expect(server.wire()).rejects.toThrow('503');
  faults.release();
  await server.ready();
  expect(await http.get('/health/ready')).toMatchObject({ status: 200 });
  expect(await http.post('/v1/accounts', account)).toMatchObject({ status: 201 });
});

describe('a start that must not be', { timeout: 60_000 }, () => {
  test('a second process on the same data directory exits with 3 and names the first', async () => {
    const server = await ServerProcess.fresh();
    const http = server.http();
    await createAccounts(http, [CASH, SALES]);
    const second = await ServerProcess.launch({ data: server.options.data });
    onTestFinished(() => second.kill());
    expect(await second.exited).toEqual({ code: 3, signal: null });
    expect(second.stderr()).toContain(`in use by process ${server.pid}`);
    expect(second.stderr()).toContain(server.options.data);
    const sale = { id: 's', debit: 'cash', credit: 'sales', amount: 1 };
    expect(await http.post('/v1/transactions', sale)).toMatchObject({ status: 201 });
    await server.kill();
    const third = await server.restart();
    onTestFinished(() => third.kill());
    expect(await third.http().get('/v1/transactions/s')).toMatchObject({ status: 200 });
  });

  test('a port that is taken ends it with 3 and leaves the data to others', async () => {
    const server = await ServerProcess.fresh();
    const data = await makeDataDirectory();
    const second = await ServerProcess.launch({ data, port: server.port });
    onTestFinished(() => second.kill());
    expect(await second.exited).toEqual({ code: 3, signal: null });
    expect(second.stderr()).toMatch(/port is in use/);
    const third = await ServerProcess.start({ data });
    onTestFinished(() => third.kill());
  });

  test.each(['0.0.0.0', '::', '192.0.2.1', 'example.com'])('--auth off refuses --host %s', async (host) => {
    const args = ['serve', '--data', await makeDataDirectory(), '--port', `${await freePort()}`];
    const { code, stderr } = await kassa([...args, '--auth', 'off', '--host', host]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/--auth off .*loopback/);
  });

  test('--auth jwt refuses to start without a key', async () => {
    const { code, stderr } = await kassa(['serve', '--data', await makeDataDirectory(), '--port', '0']);
    expect(code).toBe(2);
    expect(stderr).toContain('KASSA_JWT_SECRET');
  });
});

test('--auth off serves tenant dev on loopback without a token', { timeout: 60_000 }, async () => {
  const server = await ServerProcess.fresh({ args: ['--auth', 'off'] });
  const http = server.httpWith(undefined);
  await createAccounts(http, [CASH, SALES]);
  const sale = { id: 's', debit: 'cash', credit: 'sales', amount: 1 };
  expect(await http.post('/v1/transactions', sale)).toMatchObject({ status: 201 });
  expect(await http.patch('/v1/accounts/sales', { frozen: true })).toMatchObject({ status: 200 });
  await server.stop();

  // The tenant is `dev`: a token of that tenant finds it all again, one of another finds nothing.
  const locked = await server.restart({ args: [] });
  onTestFinished(() => locked.kill());
  const found = await locked.http({ tenant: 'dev' }).get('/v1/transactions/s');
  expect(found).toMatchObject({ status: 200, body: { by: 'dev' } });
  expect(await locked.http({ tenant: 'shop' }).get('/v1/transactions/s')).toMatchObject({ status: 404 });
  expect(await locked.httpWith(undefined).get('/v1/transactions/s')).toMatchObject({ status: 401 });
});
