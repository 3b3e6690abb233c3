import { expect, it } from 'vitest';
import { openLedger } from '../src/ledger.js';
import { verify } from '../wal/verify.js';
import { must } from './support/ledger.js';
import { untilCheckpointed } from './support/recovery.js';
import { temporaryDirectory } from './support/wal.js';
import { flipBatch } from './support/wal-damage.js';

it('a batch that rots while the ledger runs fails the question about it, and nothing else', async () => {
  const data = temporaryDirectory();
  const ledger = await openLedger({ data, checkpointRecords: 1 });
  const shop = ledger.as({ tenant: 'shop', by: 'ann' });
  for (const id of ['till', 'sales']) {
    await shop.createAccount({ id, currency: 'EUR', type: 'asset', min_balance: null });
  }
  const sale = { id: 'rotten-sale', debit: 'till', credit: 'sales', amount: 5 };
  const { lsn } = must(await shop.transaction(sale));
  // Above the checkpoint the checkpointer would find it, and end the ledger: a start would need that batch. And it looks at the batch that the
  // checkpoint ends with, to go on from its hash.
  await untilCheckpointed(ledger);
  await shop.transaction({ id: 'between', debit: 'till', credit: 'sales', amount: 1 });
  await untilCheckpointed(ledger);
  flipBatch(data, 1, lsn, 90);

  await expect(shop.status('rotten-sale')).rejects.toThrow('damaged');
  expect(await shop.transaction({ id: 'next', debit: 'till', credit: 'sales', amount: 6 })).toMatchObject({
    ok: true,
  });
  expect(await shop.balance('till')).toMatchObject({ ok: true, body: { balance: 12n } });
  expect(await shop.status('next')).toMatchObject({ ok: true, body: { status: 'posted' } });
  await ledger.close();
  expect(await verify({ data })).toMatchObject({ ok: false });
});
