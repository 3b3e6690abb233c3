import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Dealer } from './support/dealer.js';
import { randomFrom } from './support/random.js';
import { ServerProcess, until, within } from './support/server.js';
import { SmallDisk, smallDiskMissing } from './support/small-disk.js';

/** A disk that fills up under load: refusals in time, and if they are switched off, an end in good order. Nothing acknowledged is lost. */

const MIB = 1 << 20;
const WAIT_MS = 20_000;
const DISK_BYTES = 96 * MIB;
const MIN_FREE_BYTES = 16 * MIB;
/** What the log leaves free in any case. */
const LOG_LEAVES_BYTES = 8 * MIB;
/** So much may be written until it comes to that. */
const MARGIN_BYTES = MIB / 4;

const missing = smallDiskMissing();
const title = missing === undefined ? 'a disk that fills up' : `a disk that fills up (skipped: ${missing})`;

describe.skipIf(missing !== undefined)(title, { timeout: 90_000 }, () => {
  async function start(shards: number, minFree: string) {
    const disk = new SmallDisk(DISK_BYTES);
    onTestFinished(() => disk.remove());
    const server = await ServerProcess.start({
      data: join(disk.path, 'data'),
      shards,
      args: ['--min-free', minFree, '--checkpoint-records', '500'],
    });
    onTestFinished(() => server.kill());
    const dealer = new Dealer(randomFrom(0xf011 + shards));
    await dealer.open(server);
    return { disk, server, dealer };
  }

  async function audit(server: ServerProcess, dealer: Dealer): Promise<void> {
    const restarted = await server.restart();
    onTestFinished(() => restarted.kill());
    await dealer.audit(restarted);
  }

  test('below --min-free new work is refused until there is room, all else goes on', async () => {
    const { disk, server, dealer } = await start(2, '16MiB');
    const http = server.http();
    const hold = { id: 'hold', debit: 'bank', credit: 't0', amount: 5, pending: { expires_in: 2 } };
    expect(await http.post('/v1/transactions', hold)).toMatchObject({ status: 201 });
    disk.leave(MIN_FREE_BYTES + MARGIN_BYTES);
    const trading = dealer.trade(server.port);
    await until(
      () => dealer.refused.size > 100,
      WAIT_MS,
      () => `${disk.freeBytes} bytes are free`,
    );
    expect(new Set(dealer.refused.values())).toEqual(new Set(['not_ready']));
    expect(disk.freeBytes).toBeGreaterThan(MIN_FREE_BYTES / 2);

    const detail = expect.stringMatching(
      new RegExp(`only \\d+ bytes are free .* and ${MIN_FREE_BYTES} are kept`),
    );
    const notReady = {
      status: 503,
      body: { code: 'not_ready', detail },
      headers: { 'retry-after': expect.any(String) },
    };
    const sale = { id: 'late', debit: 'bank', credit: 't0', amount: 1 };
    expect(await http.post('/v1/transactions', sale)).toMatchObject(notReady);
    expect(await http.patch('/v1/accounts/bank', { frozen: true })).toMatchObject(notReady);
    expect(await http.get('/health/ready')).toMatchObject({ status: 503, body: { detail } });
    expect(await http.get('/health/live')).toMatchObject({ status: 200 });
    const metrics = (await http.get('/metrics')).text;
    expect(Number(/^kassa_disk_free_bytes (\d+)$/m.exec(metrics)?.[1])).toBeLessThan(MIN_FREE_BYTES);
    expect(metrics).toMatch(/^kassa_ready 0$/m);
    expect(server.stdout()).toContain('new work is refused: only');

    expect(await http.get('/v1/accounts/bank/balance')).toMatchObject({ status: 200 });
    expect(await http.get('/v1/transactions/late')).toMatchObject({ status: 404 });
    await until(
      async () => (await http.get('/v1/transactions/hold')).body['status'] === 'expired',
      WAIT_MS,
      () => 'the hold does not expire',
    );

    const done = dealer.done.size;
    disk.giveBack();
    await until(() => dealer.done.size > done + 100, WAIT_MS, server.stdout);
    expect(await http.get('/health/ready')).toMatchObject({ status: 200 });
    expect(server.stdout()).toContain('there is room again: new work is taken');
    dealer.stop();
    await trading;
    await server.kill();
    await audit(server, dealer);
  });

  test('with --min-free 0 the log ends the server before the disk is full, and all is there once it has room', async () => {
    const { disk, server, dealer } = await start(2, '0');
    disk.leave(LOG_LEAVES_BYTES + MARGIN_BYTES);
    await within(dealer.trade(server.port), 2 * WAIT_MS, () => `${disk.freeBytes} bytes are free`);
    expect(await within(server.exited, WAIT_MS, server.stdout)).toEqual({ code: 70, signal: null });
    expect(server.stdout()).toMatch(
      /the ledger cannot go on: no room for the log: \d+ bytes are left on the disk of /,
    );
    expect(dealer.refused.size).toBe(
      [...dealer.refused.values()].filter((code) => code === 'not_ready').length,
    );

    // As full as it is, it starts and tells what it knows; it takes nothing new.
    const full = await server.restart({ args: ['--min-free', '16MiB'] });
    onTestFinished(() => full.kill());
    const http = full.http();
    expect(await http.get('/v1/accounts/bank/balance')).toMatchObject({ status: 200 });
    expect(await http.get('/health/ready')).toMatchObject({ status: 503 });
    expect(await full.stop()).toEqual({ code: 0, signal: null });

    disk.resize(2 * DISK_BYTES);
    const restarted = await server.restart();
    onTestFinished(() => restarted.kill());
    const done = dealer.done.size;
    const trading = dealer.trade(restarted.port);
    await until(() => dealer.done.size > done + 100, WAIT_MS, restarted.stdout);
    dealer.stop();
    await trading;
    await restarted.kill();
    await audit(server, dealer);
  });

  test('a server starts on a disk without a single free byte, and tells what it knows', async () => {
    const { disk, server, dealer } = await start(1, '0');
    const trading = dealer.trade(server.port);
    await until(() => dealer.done.size > 300, WAIT_MS, server.stdout);
    dealer.stop();
    await trading;
    expect(await server.stop()).toEqual({ code: 0, signal: null });
    disk.leave(0);
    const full = await server.restart({ args: ['--min-free', '1MiB'] });
    onTestFinished(() => full.kill());
    expect(await full.http().get('/v1/accounts/bank/balance')).toMatchObject({ status: 200 });
    expect(await full.http().get('/health/ready')).toMatchObject({ status: 503 });
    expect(await full.stop()).toEqual({ code: 0, signal: null });
    disk.giveBack();
    await audit(server, dealer);
  });
});
