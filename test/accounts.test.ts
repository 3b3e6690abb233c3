import { describe, expect, test } from 'vitest';
import { Accounts } from '../engine/accounts.js';
import { dataViewOf, hashAccount, tenantKeys } from '../engine/hash.js';

/** More than two segments of rows, with those before them that double. */
const COUNT = 20_000;
const keys = tenantKeys(new Uint8Array(16), 'tenant');
const hashes = new Uint32Array(2);

function idOf(n: number): Buffer {
  const id = Buffer.from(`account.${String(n).padStart(8, '0')}`, 'latin1');
  hashAccount(dataViewOf(id), 0, id.length, keys, hashes, 0);
  return id;
}

describe('the table of accounts', () => {
  test('keeps what every account holds while it grows, and finds each by its tenant and id', () => {
    const accounts = new Accounts();
    for (let n = 0; n < COUNT; n++) {
      const id = idOf(n);
      const row = accounts.add(hashes[1]!, n % 3, id, 0, id.length, n % 5, 'EUR', n, n + 1);
      accounts.addSums(row, BigInt(n), 1n, BigInt(2 * n), 2n);
      accounts.setMin(row, BigInt(-n));
      accounts.touch(row, n + 7);
    }
    for (let n = 0; n < COUNT; n++) {
      const id = idOf(n);
      expect(accounts.find(hashes[1]!, (n + 1) % 3, id, 0, id.length)).toBe(-1);
      const row = accounts.find(hashes[1]!, n % 3, id, 0, id.length);
      expect([
        accounts.name(row),
        accounts.type(row),
        accounts.createdWith(row, n, n + 1),
        accounts.debitsPosted(row),
        accounts.creditsPosted(row),
        accounts.debitsPending(row),
        accounts.creditsPending(row),
        accounts.min(row),
        accounts.lsn(row),
      ]).toEqual([id.toString('latin1'), n % 5, true, BigInt(n), 1n, BigInt(2 * n), 2n, BigInt(-n), n + 7]);
    }
  });

  test('tells ids of every length apart by each of their bytes, under one hash', () => {
    const accounts = new Accounts();
    const id = Buffer.alloc(64, 0x61);
    for (let length = 1; length <= 64; length++) accounts.add(5, 9, id, 0, length, 0, 'EUR', 0, 0);
    for (let length = 1; length <= 64; length++) {
      const row = accounts.find(5, 9, id, 0, length);
      expect([row, accounts.name(row), accounts.tenant(row)]).toEqual([length - 1, 'a'.repeat(length), 9]);
      for (let at = 0; at < length; at++) {
        const other = Buffer.from(id);
        other[at] = 0x62;
        expect(accounts.find(5, 9, other, 0, length)).toBe(-1);
      }
    }
  });

  test('takes at most 160 bytes for each, at the worst moment on the way', () => {
    const accounts = new Accounts();
    let worst = 0;
    for (let n = 0; n < 10 * COUNT; n++) {
      const id = idOf(n);
      accounts.add(hashes[1]!, 0, id, 0, id.length, 0, 'EUR', 0, 0);
      // Before, the first segments weigh more.
      if (n >= COUNT) worst = Math.max(worst, accounts.byteLength / (n + 1));
    }
    expect(worst).toBeLessThanOrEqual(160);
  });
});
