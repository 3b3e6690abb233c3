import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { Dealer } from './support/dealer.js';
import { type Fault, FaultFs, type FaultOp, faultFsMissing } from './support/faultfs.js';
import { randomFrom } from './support/random.js';
import { makeDataDirectory, ServerProcess, until, within } from './support/server.js';

/**
 * Any call of the file system fails at any moment: while a server starts, trades, writes checkpoints or stops. However it ends, a start on a disk
 * that works again is a clean one and the books are right. More rounds: `npm run faults -- --rounds N --seed S`.
 */

const ROUNDS = Number(process.env['KASSA_FAULT_ROUNDS'] ?? 3);
const SEED = Number(process.env['KASSA_FAULT_SEED'] ?? 0xfa17);
/** Rounds on the same data. */
const ROUNDS_PER_LEDGER = 5;
const ROUND_MS = 60_000;
const WAIT_MS = 20_000;

const OPS: readonly FaultOp[] = ['fsync', 'fdatasync', 'pwrite', 'write', 'ftruncate', 'rename', 'pread'];
const PATHS = ['/log', '/log/', '/log/new-', '/checkpoint', '/kassa-server-'];
/** What a server may end with. LMDB 3.5.6 itself crashes now and then when a write fails. */
const ENDS = ['0', '70', '3', 'SIGKILL', 'SIGSEGV', 'SIGABRT', 'SIGBUS'];

const missing = faultFsMissing();
const title = missing === undefined ? 'faults at random' : `faults at random (skipped: ${missing})`;

describe.skipIf(missing !== undefined)(title, () => {
  const random = randomFrom(SEED);
  let faults: FaultFs;
  beforeAll(() => {
    faults = new FaultFs();
  });
  afterAll(() => faults?.remove());

  function someFault(): Fault {
    return {
      ops: [OPS[random(OPS.length)]!],
      error: random(2) === 0 ? 'EIO' : 'ENOSPC',
      path: PATHS[random(PATHS.length)]!,
      skip: random(4) === 0 ? 0 : random(120),
      count: random(2),
      torn: random(2) === 0,
    };
  }

  async function launch(data: string): Promise<ServerProcess> {
    const args = ['--checkpoint-records', '100'];
    const server = await ServerProcess.launch({ data, shards: 1 + random(4), args, env: faults.env });
    onTestFinished(() => server.kill());
    return server;
  }

  /** @returns whether it got so far */
  async function isReady(server: ServerProcess): Promise<boolean> {
    await until(
      () => server.stdout().includes('ready on http') || server.hasExited,
      WAIT_MS,
      () => `neither ready nor gone: ${server.stderr()}`,
    );
    return !server.hasExited;
  }

  /** Trades until something has come of it or nobody answers any more. */
  async function trade(server: ServerProcess, dealer: Dealer): Promise<void> {
    const enough = dealer.done.size + 150 + random(300);
    let isOver = false;
    const trading = dealer.trade(server.port).then(
      () => {
        isOver = true;
      },
      () => {
        isOver = true;
      },
    );
    await until(() => isOver || dealer.done.size >= enough, WAIT_MS, server.stderr);
    dealer.stop();
    await within(trading, WAIT_MS, server.stderr);
  }

  async function round(data: string, dealer: Dealer, fault: Fault, isAtStart: boolean): Promise<void> {
    if (isAtStart) faults.fail(fault);
    const faulty = await launch(data);
    if (await isReady(faulty)) {
      if (!isAtStart) faults.fail(fault);
      await trade(faulty, dealer);
      faulty.signal(random(2) === 0 ? 'SIGTERM' : 'SIGKILL');
    }
    const { code, signal } = await within(faulty.exited, WAIT_MS, faulty.stdout);
    expect(ENDS).toContain(String(code ?? signal));
    faults.heal();
    const next = await launch(data);
    await next.ready();
    await dealer.audit(next);
  }

  test(`a start is clean and the books are right after each of ${ROUNDS} rounds, seed ${SEED}`, {
    timeout: ROUNDS * ROUND_MS,
  }, async () => {
    let data = '';
    let dealer = new Dealer(random);
    for (let n = 0; n < ROUNDS; n++) {
      faults.heal();
      if (n % ROUNDS_PER_LEDGER === 0) {
        data = await makeDataDirectory();
        dealer = new Dealer(random);
        const first = await launch(data);
        await first.ready();
        await dealer.open(first);
        await first.stop();
      }
      const fault = someFault();
      const isAtStart = random(3) === 0;
      await round(data, dealer, fault, isAtStart).catch((error: Error) => {
        const what = JSON.stringify({ round: n, seed: SEED, isAtStart, ...fault });
        throw new Error(`${what}: ${error.message}`, { cause: error });
      });
      if (ROUNDS > 10) process.stderr.write(`${n + 1} of ${ROUNDS} rounds\n`);
    }
  });
});
