import { describe, expect, it, onTestFinished } from 'vitest';
import { CODES } from '../engine/codes.js';
import { Control } from '../engine/control.js';
import { noRoom, RoomWatch } from '../src/ledger/room.js';
import { openLedger } from '../src/ledger.js';
import type { CompactSink } from '../src/session.js';
import { until } from './support/server.js';
import { temporaryDirectory } from './support/wal.js';

const MIB = 1 << 20;
/** More than any disk has. */
const NEVER_FREE = 2 ** 52;

describe('the watch over the disk', () => {
  function watched(keptBytes: number) {
    const control = new Control(new SharedArrayBuffer(Control.bytes));
    const disk = { free: 0, fails: false };
    const heard: boolean[] = [];
    const watch = new RoomWatch(
      control,
      keptBytes,
      () => {
        if (disk.fails) throw new Error('EIO');
        return disk.free;
      },
      (reason) => heard.push(reason === undefined),
    );
    const look = (free: number): string | undefined => {
      disk.free = free;
      watch.look();
      return noRoom(control);
    };
    return { control, disk, heard, look };
  }

  it('refuses below the bound, naming both figures, and takes work again an eighth above it', () => {
    const { control, heard, look } = watched(80 * MIB);
    expect(look(80 * MIB)).toBeUndefined();
    expect(look(80 * MIB - 1)).toBe(
      `only ${80 * MIB - 1} bytes are free on the disk of the data directory, and ${80 * MIB} are kept (--min-free)`,
    );
    expect(look(90 * MIB - 1)).toContain(`only ${90 * MIB - 1} bytes`);
    expect(look(90 * MIB)).toBeUndefined();
    expect(look(80 * MIB)).toBeUndefined();
    expect(control.freeBytes()).toBe(80 * MIB);
    expect(heard).toEqual([false, true]);
  });

  it('refuses when the file system does not tell, and goes on when it does', () => {
    const { disk, look } = watched(MIB);
    disk.fails = true;
    expect(look(NEVER_FREE)).toContain('it cannot be told how many bytes are free');
    disk.fails = false;
    expect(look(NEVER_FREE)).toBeUndefined();
  });

  it('never refuses with a bound of 0', () => {
    const { disk, look, heard } = watched(0);
    expect(look(0)).toBeUndefined();
    disk.fails = true;
    expect(look(0)).toBeUndefined();
    expect(heard).toEqual([]);
  });
});

/** A ledger with a sale and a hold, opened anew where nothing may be written. */
async function short(shards: number) {
  const data = temporaryDirectory();
  const caller = { tenant: 'shop', by: 'ann' };
  const before = await openLedger({ data, shards, minFreeBytes: 0 });
  const trader = before.as(caller);
  for (const id of ['till', 'sales'])
    await trader.createAccount({ id, type: 'asset', currency: 'EUR', min_balance: null });
  await trader.transaction({ id: 'sale', debit: 'till', credit: 'sales', amount: 5n });
  await trader.transaction({
    id: 'hold',
    debit: 'till',
    credit: 'sales',
    amount: 7n,
    pending: { expires_in: 1 },
  });
  await before.close();
  const ledger = await openLedger({ data, shards, minFreeBytes: NEVER_FREE });
  onTestFinished(() => ledger.close());
  return { ledger, session: ledger.as(caller) };
}

describe.each([1, 2])('without room, on %i shards', (shards) => {
  const sale = { id: 'late', debit: 'till', credit: 'sales', amount: 1n };
  const refused = {
    ok: false,
    code: 'not_ready',
    detail: expect.stringMatching(new RegExp(`only \\d+ bytes are free .* and ${NEVER_FREE} are kept`)),
  };

  it('whatever would write is refused with not_ready and leaves nothing', async () => {
    const { ledger, session } = await short(shards);
    const { lsn } = ledger.stats();
    expect(ledger.notReady()).toContain('are kept (--min-free)');
    const account = { id: 'new', type: 'asset' as const, currency: 'EUR' };
    const answers = await Promise.all([
      session.transaction(sale),
      session.transaction({ ...sale, pending: true }),
      session.batch({ transactions: [sale] }),
      session.post('hold'),
      session.void('hold'),
      session.void('never-seen'),
      session.reverse('sale', { id: 'back' }),
      session.createAccount(account),
      session.createAccounts({ accounts: [account] }),
      session.updateAccount('till', { frozen: true }),
    ]);
    expect(answers).toEqual(answers.map(() => refused));
    const compact: [number, number][] = [];
    const sink: CompactSink = {
      answer: (rid, n) => compact.push([rid, n]),
      answerBatch: () => expect.unreachable('a batch was admitted'),
    };
    session.compact([1, 'late', 'till', 'sales', 1], sink);
    session.compact([2, [['late', 'till', 'sales', 1]]], sink);
    expect(compact).toEqual([
      [1, CODES.not_ready.n],
      [2, CODES.not_ready.n],
    ]);
    expect(await session.status('late')).toMatchObject({ ok: false, code: 'transaction_not_found' });
    // Nothing but the expiry of the hold is ever logged.
    expect(ledger.stats().lsn - lsn).toBeLessThanOrEqual(1);
  });

  it('reads go on, and holds expire', async () => {
    const { session } = await short(shards);
    expect(await session.status('sale')).toMatchObject({ ok: true, body: { status: 'posted' } });
    expect(await session.balance('till')).toMatchObject({ ok: true, body: { balance: 5n } });
    expect(await session.account('sales')).toMatchObject({ ok: true });
    await until(
      async () => {
        const outcome = await session.status('hold');
        return outcome.ok && outcome.body.status === 'expired';
      },
      10_000,
      () => 'the hold does not expire',
    );
    expect(await session.balance('till')).toMatchObject({ ok: true, body: { debits_pending: 0n } });
  });
});
