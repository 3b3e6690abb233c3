import { closeSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openLedger } from '../src/ledger.js';
import { verify } from '../wal/verify.js';
import { untilCheckpointed } from './support/recovery.js';
import { temporaryDirectory } from './support/wal.js';

it('a batch that rots while the ledger runs fails the question about it, and nothing else', async () => {
  const data = temporaryDirectory();
  const ledger = await openLedger({ data, checkpointRecords: 1 });
  const shop = ledger.as({ tenant: 'shop', by: 'ann' });
  for (const id of ['till', 'sales']) {
    await shop.createAccount({ id, currency: 'EUR', type: 'asset', min_balance: null });
  }
  await shop.transaction({ id: 'rotten-sale', debit: 'till', credit: 'sales', amount: 5 });
  // Above the checkpoint the checkpointer would find it, and end the ledger: a start would need that batch.
  await untilCheckpointed(ledger);
  const [segment] = readdirSync(join(data, 'log'));
  const file = join(data, 'log', segment!, 'data.mdb');
  const at = readFileSync(file).indexOf('rotten-sale');
  expect(at).toBeGreaterThan(0);
  const fd = openSync(file, 'r+');
  writeSync(fd, 'R', at);
  closeSync(fd);

  await expect(shop.status('rotten-sale')).rejects.toThrow('damaged');
  expect(await shop.transaction({ id: 'next', debit: 'till', credit: 'sales', amount: 6 })).toMatchObject({
    ok: true,
  });
  expect(await shop.balance('till')).toMatchObject({ ok: true, body: { balance: 11n } });
  expect(await shop.status('next')).toMatchObject({ ok: true, body: { status: 'posted' } });
  await ledger.close();
  expect(await verify({ data })).toMatchObject({ ok: false });
});
