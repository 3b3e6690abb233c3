import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openTerminal, type RefusedSale, type SettledEvent } from '../src/client/index.js';
import { FakeLedger, FakeServer, type Treatment } from './client-fake-server.js';
import { randomFrom } from './support/random.js';

/** Numbers from 0 to 1 that are the same for the same seed. */
function random(seed: number): () => number {
  const whole = randomFrom(seed);
  return () => whole(2 ** 32) / 2 ** 32;
}

const FAULTS: readonly Treatment[] = ['no_answer', 'ignore', 'overloaded', 'rate_limited'];

/** Sells through a server that loses, refuses and hangs up at random, and through restarts of the till. */
async function sellThroughFaults(seed: number, journal: 'always' | 'offline') {
  const dir = mkdtempSync(join(tmpdir(), 'kassa-chaos-'));
  const chance = random(seed);
  const ledger = new FakeLedger();
  ledger.limited.add('gift');
  const server = new FakeServer(ledger);
  let faults = true;
  server.treat = () => {
    const fault = faults && chance() < 0.3 ? FAULTS[Math.floor(chance() * FAULTS.length)]! : 'normal';
    if (faults && chance() < 0.1) server.cut();
    return fault;
  };
  const port = await server.listen();
  const settled: SettledEvent[] = [];
  const refused: RefusedSale[] = [];
  const open = () =>
    openTerminal({
      ...{ url: `http://127.0.0.1:${port}`, queue: dir, journal, stamp_offline: false },
      ...{ timeout_ms: 15, heartbeat_ms: 20, reconnect_min_ms: 1, reconnect_max_ms: 4, window: 3 },
      onSettled: (event) => settled.push(event),
      onRefused: (sale) => refused.push(sale),
    });
  let till = await open();
  const told = new Map<string, string>();
  try {
    for (let n = 0; n < 80; n += 1) {
      // Every seventh can only be refused: the account it takes from is empty and stays so.
      const accounts = n % 7 === 3 ? { debit: 'till', credit: 'gift' } : { debit: 'till', credit: 'sales' };
      const result = await till.sell({ ...accounts, id: `s${n}`, amount: n + 1 });
      told.set(result.id, result.status);
      if (chance() < 0.05) {
        await till.close();
        till = await open();
      }
    }
    faults = false;
    server.cut();
    await till.drained();
    const listed = till.refused().map(({ id }) => id);
    await till.close();
    return { ledger, told, settled, refused, listed };
  } finally {
    await till.close();
    await server.close();
    rmSync(dir, { recursive: true });
  }
}

describe('whatever goes wrong on the way', () => {
  const runs = Array.from({ length: 6 }, (_, n) => [n + 1, n % 2 === 0 ? 'always' : 'offline'] as const);
  it.each(runs)('every sale is booked once or refused once (seed %i, journal %s)', async (seed, journal) => {
    const { ledger, told, settled, refused, listed } = await sellThroughFaults(seed, journal);
    const all = Array.from({ length: 80 }, (_, n) => n);
    const good = all.filter((n) => n % 7 !== 3);
    expect([...ledger.order].sort()).toEqual(good.map((n) => `s${n}`).sort());
    expect(ledger.balance('till')).toBe(BigInt(good.reduce((sum, n) => sum + n + 1, 0)));
    const ended = new Map([
      ...settled.map(({ id }) => [id, 'posted']),
      ...refused.map(({ id }) => [id, 'refused']),
    ] as [string, string][]);
    for (const n of all) {
      const answer = told.get(`s${n}`);
      expect(answer === 'queued' ? ended.get(`s${n}`) : answer).toBe(n % 7 === 3 ? 'refused' : 'posted');
    }
    expect(listed).toEqual(refused.map(({ id }) => id));
  });
});
