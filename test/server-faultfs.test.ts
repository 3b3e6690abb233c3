import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { Dealer } from './support/dealer.js';
import { type Fault, FaultFs, faultFsMissing } from './support/faultfs.js';
import { randomFrom } from './support/random.js';
import { makeDataDirectory, ServerProcess, until, within } from './support/server.js';

/**
 * The file system fails under the real server, one call or all of them from some moment on. Nothing that was acknowledged is lost, nothing else
 * is there, the process says what failed, and a start on a disk that works again is a clean one.
 */

const TIMEOUT_MS = 60_000;
const LMDB_CRASHES = ['SIGABRT', 'SIGSEGV'];
const WAIT_MS = 20_000;
const EXIT = { fatal: 70, cannotRun: 3 };
/** Few enough that checkpoints are made all the time. */
const CHECKPOINT_RECORDS = '100';

const missing = faultFsMissing();
const title =
  missing === undefined ? 'a file system that fails' : `a file system that fails (skipped: ${missing})`;

describe.skipIf(missing !== undefined)(title, { timeout: TIMEOUT_MS }, () => {
  let faults: FaultFs;
  beforeAll(() => {
    faults = new FaultFs();
  });
  afterAll(() => faults?.remove());

  async function start(args: readonly string[] = [], shards = 2) {
    faults.heal();
    const server = await ServerProcess.start({
      data: await makeDataDirectory(),
      shards,
      args: ['--checkpoint-records', CHECKPOINT_RECORDS, ...args],
      env: faults.env,
    });
    onTestFinished(() => server.kill());
    const dealer = new Dealer(randomFrom(0xd15c));
    await dealer.open(server);
    return { server, dealer };
  }

  /** Trades until something has come of it: so many more acknowledged deeds. */
  async function tradeFor(server: ServerProcess, dealer: Dealer, deeds: number): Promise<void> {
    const enough = dealer.done.size + deeds;
    const trading = dealer.trade(server.port);
    await until(() => dealer.done.size >= enough, WAIT_MS, server.stderr);
    dealer.stop();
    await trading;
  }

  async function auditAfterRestart(server: ServerProcess, dealer: Dealer): Promise<void> {
    faults.heal();
    await server.kill();
    const restarted = await server.restart();
    onTestFinished(() => restarted.kill());
    await dealer.audit(restarted);
  }

  async function expectFatal(server: ServerProcess, fault: Fault): Promise<void> {
    const exit = await within(server.exited, WAIT_MS, server.stdout);
    // LMDB writes beyond a buffer when it tells of a page that could not be written (see FREE_BYTES_MIN); now and then that ends the process first.
    if (exit.signal !== null && fault.ops.includes('pwrite')) {
      expect(LMDB_CRASHES).toContain(exit.signal);
      return;
    }
    expect(exit).toEqual({ code: EXIT.fatal, signal: null });
    expect(faults.failed).toBeGreaterThan(0);
    expect(server.stdout()).toMatch(/the ledger cannot go on: the log in .* cannot be written at LSN \d+: /);
    expect(server.stdout()).toMatch(
      fault.error === 'EIO' ? /i\/o error|input\/output error/i : /no space left/i,
    );
  }

  test.each<Fault>([
    { ops: ['fdatasync'], error: 'EIO', path: '/log/', skip: 30, count: 1 },
    { ops: ['pwrite'], error: 'EIO', path: '/log/', skip: 40, count: 1 },
    { ops: ['pwrite'], error: 'ENOSPC', path: '/log/', skip: 42, count: 1, torn: true },
  ])('the log fails under load, %j: the process says so and ends', async (fault) => {
    const { server, dealer } = await start();
    faults.fail(fault);
    await within(dealer.trade(server.port), WAIT_MS, server.stderr);
    await expectFatal(server, fault);
    // Final: after a sync that failed nobody may believe the next one.
    if (fault.ops[0] === 'fdatasync') expect(faults.matched).toBe(fault.skip! + 1);
    expect(dealer.done.size).toBeGreaterThan(0);
    await auditAfterRestart(server, dealer);
  });

  test.each<Fault>([
    { ops: ['write', 'pwrite'], error: 'EIO', path: '/log/new-' },
    { ops: ['fsync'], error: 'EIO', path: '/log' },
    { ops: ['rename'], error: 'ENOSPC', path: '/log/new-' },
  ])('a new segment cannot be made, %j: its first batch was never acknowledged', async (fault) => {
    const { server, dealer } = await start();
    await tradeFor(server, dealer, 200);
    const done = dealer.done.size;
    // A log that is opened again goes on in a new segment.
    await server.stop();
    const second = await server.restart();
    onTestFinished(() => second.kill());
    faults.fail(fault);
    await within(dealer.trade(second.port), WAIT_MS, second.stderr);
    await expectFatal(second, fault);
    expect(dealer.done.size).toBe(done);
    await auditAfterRestart(second, dealer);
  });

  test('the log fails behind two gateways: all of them end with it', async () => {
    const { server, dealer } = await start(['--gateways', '2']);
    const fault: Fault = { ops: ['fdatasync'], error: 'EIO', path: '/log/', skip: 30 };
    faults.fail(fault);
    await within(
      Promise.all([dealer.trade(server.port), dealer.trade(server.port), dealer.trade(server.port)]),
      WAIT_MS,
      server.stderr,
    );
    await expectFatal(server, fault);
    await auditAfterRestart(server, dealer);
  });

  test.each<Fault>([
    { ops: ['fsync'], error: 'EIO', path: '/log' },
    { ops: ['pread'], error: 'EIO', path: '/log/' },
    { ops: ['write'], error: 'EIO', path: '/lock' },
  ])('a start on it, %j, is refused with 3 and says why', async (fault) => {
    const { server, dealer } = await start();
    await tradeFor(server, dealer, 100);
    await server.kill();
    faults.fail(fault);
    const second = await ServerProcess.launch(server.options);
    onTestFinished(() => second.kill());
    expect(await within(second.exited, WAIT_MS, second.stdout)).toEqual({ code: 3, signal: null });
    expect(second.stderr()).toMatch(/^kassa: .*EIO/m);
    expect(faults.failed).toBeGreaterThan(0);
    await auditAfterRestart(second, dealer);
  });

  test.each<Fault>([
    { ops: ['write', 'pwrite'], error: 'ENOSPC', path: '/checkpoint/', torn: true },
    { ops: ['fsync', 'fdatasync'], error: 'EIO', path: '/checkpoint' },
    { ops: ['rename'], error: 'EIO', path: '/checkpoint/' },
  ])('a checkpoint cannot be written, %j: the ledger goes on without', async (fault) => {
    const { server, dealer } = await start();
    faults.fail(fault);
    await tradeFor(server, dealer, 300);
    await until(() => server.stderr().includes('no checkpoint was made'), WAIT_MS, server.stdout);
    expect(server.stderr()).toContain(fault.error);
    await tradeFor(server, dealer, 300);
    expect(await server.http().get('/health/ready')).toMatchObject({ status: 200 });
    await auditAfterRestart(server, dealer);
  });

  test('a checkpoint cannot be opened: the ledger goes on without', async () => {
    // The last sync of a first start is that of the directory of checkpoints: how many come before it is counted in a start without faults.
    const fault: Fault = { ops: ['fsync'], error: 'EIO', path: '/kassa-server-' };
    const startNew = async (skip: number) => {
      const data = await makeDataDirectory();
      faults.fail({ ...fault, skip });
      const server = await ServerProcess.start({ data, env: faults.env });
      onTestFinished(() => server.kill());
      await until(() => existsSync(join(data, 'checkpoint')), WAIT_MS, server.stderr);
      return server;
    };
    const sound = await startNew(1_000_000);
    // Not killed: between making the directory and its sync there is a moment. A stop waits for the checkpointer and syncs nothing itself.
    await sound.stop();
    const syncs = faults.matched;
    const server = await startNew(syncs - 1);
    await until(() => server.stderr().includes('no checkpoint was made'), WAIT_MS, server.stdout);
    expect([faults.matched, faults.failed]).toEqual([syncs, 1]);
    faults.heal();
    const dealer = new Dealer(randomFrom(0xd15c));
    await dealer.open(server);
    await tradeFor(server, dealer, 200);
    await auditAfterRestart(server, dealer);
  });

  test('a batch that cannot be read fails the question about it, not the ledger', async () => {
    const { server, dealer } = await start();
    await tradeFor(server, dealer, 300);
    const http = server.http();
    const sales = [...dealer.done.keys()].filter(({ kind }) => kind === 'posted');
    // Not in one batch: the one that was read last is remembered.
    const asked = [sales[0]!, sales[sales.length >> 1]!];
    const ask = () => Promise.all(asked.map(({ id }) => http.get(`/v1/transactions/${id}`)));
    // Whoever reads the log meanwhile, the checkpointer too, fails; nothing is written.
    faults.fail({ ops: ['pread'], error: 'EIO', path: '/log/' });
    expect((await ask()).map(({ status }) => status)).toContain(500);
    expect(faults.failed).toBeGreaterThan(0);
    faults.heal();
    const sale = { id: 'meanwhile', debit: 'bank', credit: 't0', amount: 1 };
    expect(await http.post('/v1/transactions', sale)).toMatchObject({ status: 201 });
    expect((await ask()).map(({ status }) => status)).toEqual([200, 200]);
  });
});
