import { setTimeout } from 'node:timers/promises';
import { openLedger } from '../../src/ledger.js';

/**
 * A process that trades until it is killed, with a checkpoint as often as can be; each line says that the checkpoint has moved on.
 * Arguments: data directory, shards, a number that makes its ids its own.
 */
const [, , data, shards, turn] = process.argv;
const ledger = await openLedger({ data: data!, shards: Number(shards), checkpointRecords: 1 });
const session = ledger.as({ tenant: 'shop', by: 'ann' });
const names = Array.from({ length: 20 }, (_, i) => `{${i % 5}}:account-${i}`);
await session.createAccounts({
  accounts: names.map((id) => ({ id, currency: 'EUR', type: 'asset', min_balance: null })),
});

/** Between two rounds: else what a test has to read again grows with the time that checkpoints take. */
const PAUSE_MS = 10;

let told = 0;
process.stdout.write('open\n');
for (let i = 0; ; i++) {
  const sends = Array.from({ length: 50 }, async (_, k) => {
    const id = `{${k % 5}}:${turn}-${i}-${k}`;
    const pending = k % 4 === 0;
    await session.transaction({
      id,
      debit: names[k % 20]!,
      credit: names[(k * 7 + i) % 20]!,
      amount: k + 1,
      pending,
    });
    if (k % 8 === 0) await session.post(id, { amount: 1 });
    if (k % 5 === 1) await session.reverse(id, { id: `${id}-back`, amount: 1 });
  });
  await Promise.all(sends);
  const { checkpointLsn } = ledger.stats();
  if (checkpointLsn > told) process.stdout.write(`${checkpointLsn}\n`);
  told = Math.max(told, checkpointLsn);
  await setTimeout(PAUSE_MS);
}
