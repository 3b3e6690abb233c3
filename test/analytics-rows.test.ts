import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RecordKind } from '../engine/record.js';
import { AccountLookup } from '../src/analytics/account-lookup.js';
import { AccountTable } from '../src/analytics/account-table.js';
import { type BatchLimits, BatchMaker } from '../src/analytics/batch-maker.js';
import { RowEncoder } from '../src/analytics/rows.js';
import { ACCOUNTS, POSTINGS, TRANSACTIONS } from '../src/analytics/schema.js';
import { openLogReader } from '../wal/log.js';
import { type ExpectedRows, expectedRows } from './support/expected-rows.js';
import { FaultyDatabase } from './support/faulty-database.js';
import { MadeLog, RandomTrade } from './support/made-log.js';
import { readRows } from './support/row-binary.js';
import { temporaryDirectory } from './support/wal.js';

/** A log from its beginning asks for no account: all are made in it. */
function noDatabase(): FaultyDatabase {
  const database = new FaultyDatabase(undefined as never);
  database.fault = (_when, statement) => {
    throw new Error(`nothing is to be asked: ${statement}`);
  };
  return database;
}

const NO_LIMITS: BatchLimits = { records: Infinity, postings: Infinity, bytes: Infinity };

async function encode(data: string, lsn: number): Promise<ExpectedRows> {
  const reader = openLogReader({ data });
  const lookup = new AccountLookup(noDatabase());
  const maker = new BatchMaker(reader, lookup, []);
  const encoder = new RowEncoder(lookup);
  await maker.make(encoder, 1, lsn, Promise.resolve(), NO_LIMITS);
  reader.close();
  expect(encoder.lastLsn).toBe(lsn);
  return {
    accounts: readRows(encoder.accounts.filled, ACCOUNTS),
    transactions: readRows(encoder.transactions.filled, TRANSACTIONS),
    postings: readRows(encoder.postings.filled, POSTINGS),
  };
}

describe('rows', () => {
  it('say what the records say, whatever they hold', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), fc.integer({ min: 1, max: 400 }), async (seed, records) => {
        const data = temporaryDirectory();
        const log = new MadeLog(data);
        new RandomTrade(log, seed).run(records);
        log.close();
        const { accounts, transactions, postings } = await encode(data, records);
        expect({ accounts, transactions, postings }).toEqual(expectedRows(data));
      }),
      { numRuns: 25 },
    );
  });

  it('hold amounts and releases to the last unit', async () => {
    const max = (1n << 63n) - 1n;
    const data = temporaryDirectory();
    const log = new MadeLog(data);
    const named = { tenant: 't', currency: 'EUR' };
    log.add(RecordKind.account, { ...named, id: 'a' }, [], 0);
    log.add(RecordKind.account, { ...named, id: 'b', currency: 'USD' }, [], 2);
    const cases = [
      [0n, max],
      [max - 1n, 1n],
      [1n << 32n, (1n << 32n) - 1n],
      [(1n << 32n) - 1n, 1n],
      [0xffffffffn, 0xffffffffn],
    ] as const;
    for (const [amount, released] of cases) {
      log.add(RecordKind.post, { tenant: 't', id: 'h', created: 1 }, [
        { account: 'a', credit: false, amount, released },
        { account: 'a', credit: false, amount: max },
        { account: 'b', credit: false, amount: 5n },
      ]);
    }
    log.close();
    const { postings, transactions } = await encode(data, 2 + cases.length);
    const held = POSTINGS.findIndex(({ name }) => name === 'held');
    const amount = TRANSACTIONS.findIndex(({ name }) => name === 'amount');
    expect(postings.filter((_, i) => i % 3 === 0).map((row) => row[held])).toEqual(
      cases.map(([taken, released]) => String(-(taken + released))),
    );
    expect(transactions.map((row) => row[amount])).toEqual(cases.map(([taken]) => String(taken + max)));
  });
});

describe('the table of accounts', () => {
  const bytesOf = (tenant: string, id: string): [Uint8Array, number, number] => {
    const bytes = Buffer.from(
      `${String.fromCharCode(tenant.length)}${tenant}${String.fromCharCode(id.length)}${id}`,
      'latin1',
    );
    return [bytes, 0, 1 + tenant.length];
  };

  it('finds what was put in, by tenant and id as a whole', () => {
    const table = new AccountTable(1 << 16);
    const names = Array.from(
      { length: 20_000 },
      (_, i) => [`t${i % 7}`, `${i}`.repeat(1 + (i % 5))] as const,
    );
    names.forEach(([tenant, id], i) => {
      table.set(...bytesOf(tenant, id), i);
    });
    expect(names.findIndex(([tenant, id], i) => table.get(...bytesOf(tenant, id)) !== i)).toBe(-1);
    expect(table.get(...bytesOf('t1', 'x'))).toBe(-1);
    expect(table.get(...bytesOf('t', '1x'))).toBe(-1);
    table.set(...bytesOf(...names[5]!), 99);
    expect(table.get(...bytesOf(...names[5]!))).toBe(99);
    table.clear();
    expect(table.get(...bytesOf(...names[5]!))).toBe(-1);
  });

  it('stays bounded, and keeps what is used', () => {
    const table = new AccountTable(1 << 10);
    table.set(...bytesOf('t', 'used'), 7);
    for (let i = 0; i < 10_000; i++) {
      table.set(...bytesOf('t', `other-${i}`), i);
      if (table.get(...bytesOf('t', 'used')) !== 7) expect.fail(`forgotten after ${i} others`);
    }
    expect(table.get(...bytesOf('t', 'other-9999'))).toBe(9999);
    expect(table.get(...bytesOf('t', 'other-0'))).toBe(-1);
  });
});
