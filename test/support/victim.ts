import { beforeAll, expect } from 'vitest';
import type { HttpClient } from './http-client.js';
import { type ServerProcess, sharedServer } from './server.js';
import { createAccounts } from './shop.js';
import { packFrame, type Wire } from './wire.js';

/** A server that is attacked, and the good sales that prove it alive and exact. */
export interface Victim {
  server(): ServerProcess;
  admin(): HttpClient;
  /** An id for a sale of 1 from `bank` to `till` that a test makes itself. */
  goodId(): string;
  /**
   * A sale of 1 on each way in, and exact balances after it: nothing but good sales has moved `bank` and `till`.
   * @param wire the connection that was abused, where the contract keeps it open
   */
  stillGood(wire?: Wire): Promise<void>;
}

/** Accounts: `bank` and `till` of the good sales, `till:1`, `till:2` and `side` (without minimum) for the others. */
export function sharedVictim(): Victim {
  const server = sharedServer({ shards: 2 });
  let admin: HttpClient;
  let goodSales = 0;
  beforeAll(async () => {
    admin = server().http();
    await createAccounts(admin, [
      { id: 'bank', type: 'asset', min_balance: null },
      { id: 'side', type: 'asset', min_balance: null },
      { id: 'till' },
      { id: 'till:1' },
      { id: 'till:2' },
    ]);
  });
  const goodId = () => `good-${goodSales++}`;

  async function stillGood(wire?: Wire): Promise<void> {
    const [debit, credit, amount] = ['bank', 'till', 1] as const;
    const http = await admin.post('/v1/transactions', { id: goodId(), debit, credit, amount });
    expect(http).toMatchObject({ status: 201, body: { balances: { till: goodSales } } });
    const socket = wire ?? (await server().wire());
    const compact = await socket.compact([goodId(), debit, credit, amount], 'msgpack');
    expect(compact).toEqual([compact[0], 0, expect.any(Number)]);
    const text = await socket.call('transaction', { id: goodId(), debit, credit, amount }, 'json');
    expect(text).toMatchObject({ ok: true, balances: { till: goodSales, bank: goodSales } });
    expect(await admin.get('/v1/accounts/bank/balance')).toMatchObject({
      body: { balance: goodSales, debits_posted: goodSales, credits_posted: 0, debits_pending: 0 },
    });
    socket.close();
  }

  return { server, admin: () => admin, goodId, stillGood };
}

/** Bytes from their hexadecimal form; blanks are for the reader. */
export function bytes(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(' ', ''), 'hex');
}

/** A MessagePack map of raw pairs, which may hold what an encoder would not write. */
export function rawMap(...pairs: readonly (readonly [key: unknown, value: unknown])[]): Buffer {
  const raw = (value: unknown) => (Buffer.isBuffer(value) ? value : packFrame(value));
  const items = pairs.flatMap(([key, value]) => [raw(key), raw(value)]);
  return Buffer.concat([Buffer.from([0x80 | pairs.length]), ...items]);
}

/** A sale that is good but for what a test does to it. */
export const SALE = { rid: 7, op: 'transaction', id: 'bad', debit: 'bank', credit: 'till', amount: 5 };
