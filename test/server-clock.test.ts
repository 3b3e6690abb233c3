import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { openLogReader } from '../wal/log.js';
import { Dealer } from './support/dealer.js';
import { FaultFs, faultFsMissing } from './support/faultfs.js';
import type { HttpClient } from './support/http-client.js';
import { randomFrom } from './support/random.js';
import { makeDataDirectory, ServerProcess, until, within } from './support/server.js';
import { makeToken } from './support/token.js';

/** A wall clock that is set back and forth under the real server: ledger time is the time that has passed, and never goes back. */

const WAIT_MS = 20_000;
const HOUR_MS = 3_600_000;

const missing = faultFsMissing();
const title = missing === undefined ? 'a clock that jumps' : `a clock that jumps (skipped: ${missing})`;

describe.skipIf(missing !== undefined)(title, { timeout: 90_000 }, () => {
  let clock: FaultFs;
  beforeAll(() => {
    clock = new FaultFs();
  });
  afterAll(() => clock?.remove());

  async function start(shiftMs = 0): Promise<ServerProcess> {
    clock.shiftClock(shiftMs);
    const server = await ServerProcess.start({ data: await makeDataDirectory(), shards: 2, env: clock.env });
    onTestFinished(() => server.kill());
    await new Dealer(randomFrom(0)).open(server);
    return server;
  }

  async function restart(server: ServerProcess, shiftMs: number): Promise<ServerProcess> {
    await server.kill();
    clock.shiftClock(shiftMs);
    const next = await server.restart();
    onTestFinished(() => next.kill());
    return next;
  }

  /** @returns when it was committed, ms since 1970 */
  async function sell(http: HttpClient, id: string, pending?: { expires_in: number }): Promise<number> {
    const sale = { id, debit: 'bank', credit: 't0', amount: 1, ...(pending && { pending }) };
    const { status, body } = await http.post('/v1/transactions', sale);
    expect(status).toBe(201);
    return Date.parse(body['committed_at'] as string);
  }

  const statusOf = async (http: HttpClient, id: string) =>
    (await http.get(`/v1/transactions/${id}`)).body['status'] as string;

  async function expectExpired(http: HttpClient, id: string): Promise<void> {
    await until(
      async () => (await statusOf(http, id)) === 'expired',
      WAIT_MS,
      () => `${id} does not expire`,
    );
  }

  /** Commit times in the order of the log. */
  function commitTimes(data: string): number[] {
    const reader = openLogReader({ data });
    const times = [...reader.batchesFrom(1)].map((batch) => batch.timeMs);
    reader.close();
    return times;
  }

  function expectMonotonic(times: readonly number[]): void {
    expect(times).toEqual(times.toSorted((a, b) => a - b));
  }

  test('within a run ledger time goes on as if nothing had happened, and holds expire by the time that has passed', async () => {
    const server = await start();
    const http = server.http();
    const begun = await sell(http, 'first');
    await sell(http, 'short', { expires_in: 2 });
    await sell(http, 'long', { expires_in: 3600 });
    let last = begun;
    for (const [i, hours] of [-3, 5, -1, 48, -24].entries()) {
      clock.shiftClock(hours * HOUR_MS);
      const now = await sell(http, `after-${i}`);
      expect(now).toBeGreaterThanOrEqual(last);
      last = now;
    }
    await expectExpired(http, 'short');
    clock.shiftClock(5 * HOUR_MS);
    last = await sell(http, 'last');
    expect(last - begun).toBeLessThan(HOUR_MS);
    expect(await statusOf(http, 'long')).toBe('pending');
    await server.kill();
    expectMonotonic(commitTimes(server.options.data));
  });

  test('under load it may jump all the time', async () => {
    const server = await start();
    const random = randomFrom(0xc10c);
    const dealer = new Dealer(random);
    const trading = dealer.trade(server.port);
    let jumps = 0;
    await until(
      () => {
        clock.shiftClock((random(49) - 24) * HOUR_MS);
        jumps++;
        return dealer.done.size > 1500;
      },
      WAIT_MS,
      server.stdout,
    );
    expect(jumps).toBeGreaterThan(20);
    dealer.stop();
    await trading;
    expect(dealer.refused.size).toBe(0);
    const next = await restart(server, -HOUR_MS);
    const times = commitTimes(server.options.data);
    expectMonotonic(times);
    expect(times.at(-1)! - times[0]!).toBeLessThan(HOUR_MS);
    await dealer.audit(next);
  });

  test('a start with a clock that is behind goes on from the last commit; one that is ahead is believed', async () => {
    let server = await start(HOUR_MS);
    const ahead = await sell(server.http(), 'ahead');
    expect(ahead - Date.now()).toBeGreaterThan(HOUR_MS / 2);
    await sell(server.http(), 'short', { expires_in: 1 });
    await sell(server.http(), 'long', { expires_in: 3600 });
    let last = ahead;
    for (const [i, hours] of [0, -24].entries()) {
      server = await restart(server, hours * HOUR_MS);
      const now = await sell(server.http(), `behind-${i}`);
      expect(now).toBeGreaterThanOrEqual(last);
      expect(now - ahead).toBeLessThan(HOUR_MS / 2);
      last = now;
    }
    await expectExpired(server.http(), 'short');
    expect(await statusOf(server.http(), 'long')).toBe('pending');
    server = await restart(server, 72 * HOUR_MS);
    expect((await sell(server.http(), 'days-later')) - last).toBeGreaterThan(48 * HOUR_MS);
    await expectExpired(server.http(), 'long');
    await server.kill();
    expectMonotonic(commitTimes(server.options.data));
  });

  test('tokens are judged by the clock as it stands, open sockets too', async () => {
    const server = await start();
    const exp = Math.floor(Date.now() / 1000) + 3600;
    const http = server.httpWith(makeToken({ exp }));
    const early = server.httpWith(makeToken({ nbf: exp }));
    const read = async (client: HttpClient) => (await client.get('/v1/accounts/bank')).status;
    const wire = await server.wire({ exp });
    expect([await read(http), await read(early)]).toEqual([200, 401]);
    clock.shiftClock(-5 * HOUR_MS);
    expect([await read(http), await read(early)]).toEqual([200, 401]);
    expect(await wire.call('ping')).toMatchObject({ ok: true });
    clock.shiftClock(5 * HOUR_MS);
    expect([await read(http), await read(early)]).toEqual([401, 200]);
    expect(await within(wire.closed, WAIT_MS, () => 'the socket stays open')).toMatchObject({ code: 4001 });
    clock.shiftClock(0);
    expect([await read(http), await read(early)]).toEqual([200, 401]);
  });
});
