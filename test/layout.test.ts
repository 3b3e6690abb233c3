import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { defaultThreads, layOut, nameOf } from '../src/ledger/layout.js';
import { openLedger } from '../src/ledger.js';

const caller = { tenant: 't', by: 'who' };
const SALES = 200;

describe('threads', () => {
  it.each([
    [1, 1, [[0]], true],
    [4, 1, [[0, 1, 2, 3]], true],
    [1, 2, [[], [0]], false],
    [4, 3, [[], [0, 2], [1, 3]], false],
    [2, 9, [[], [0], [1]], false],
  ])('%i shards on %i', (shards, threads, by, isShared) => {
    const runners = layOut(shards, threads);
    expect(runners.map((runner) => runner.shards)).toEqual(by);
    expect(runners.map((runner) => runner.isWriter)).toEqual(by.map((_, i) => i === 0));
    expect(runners[0]!.shards.length > 0).toBe(isShared);
  });

  it('are one on two processors, and no more shard threads than processors beside the gateway', () => {
    expect([1, 2, 4].map((shards) => defaultThreads(shards, 2))).toEqual([1, 1, 1]);
    expect([1, 2, 4].map((shards) => defaultThreads(shards, 4))).toEqual([2, 3, 4]);
  });

  it('are named after what they run', () => {
    expect(layOut(2, 1).map(nameOf)).toEqual(['shards 0, 1 and log writer']);
    expect(layOut(2, 3).map(nameOf)).toEqual(['log writer', 'shard 0', 'shard 1']);
  });

  it('are a whole number', async () => {
    await expect(openLedger({ data: '/nowhere', threads: 0 })).rejects.toThrow(/^threads: a whole number/);
  });

  it('may change between runs: four shards on one, two and five threads sell, and know what was sold', async () => {
    const data = await mkdtemp(join(tmpdir(), 'kassa-layout-'));
    onTestFinished(() => rm(data, { recursive: true, force: true }));
    let sold = 0n;
    for (const threads of [1, 2, 5, 1]) {
      const ledger = await openLedger({ data, shards: 4, threads });
      const session = ledger.as(caller);
      if (sold === 0n) {
        const accounts = Array.from({ length: 8 }, (_, i) => ({
          id: `a${i}`,
          currency: 'EUR',
          type: 'equity' as const,
        }));
        await session.createAccounts({ accounts });
      }
      const outcomes = await Promise.all(
        Array.from({ length: SALES }, (_, i) =>
          session.transaction({ id: `${sold}-${i}`, debit: `a${i % 7}`, credit: 'a7', amount: 1 }),
        ),
      );
      expect(outcomes.every((outcome) => outcome.ok)).toBe(true);
      sold += BigInt(SALES);
      const read = await session.balance('a7');
      expect(read.ok && read.body.balance).toBe(sold);
      await ledger.close();
    }
  });
});
