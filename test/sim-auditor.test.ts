import { describe, expect, test } from 'vitest';
import type { Ledger } from '../src/ledger.js';
import { Auditor } from './sim/auditor.js';
import { Clients } from './sim/clients.js';
import { until, World } from './support/ledger.js';
import { readLog } from './support/log-records.js';

/** The clients and the auditor of the simulator, against the real ledger in the test's process. */

const TIMEOUT_MS = 120_000;
const ACTIONS = 60;

/** The clock that all threads of an open ledger share. */
function clockOf(ledger: Ledger): () => number {
  const { threads } = ledger as unknown as { readonly threads: { now(): number } };
  return () => threads.now();
}

class Run {
  readonly auditor = new Auditor();
  readonly clients: Clients;
  private action = 0;

  constructor(
    readonly world: World,
    readonly seed: number,
  ) {
    this.clients = new Clients(seed, this.auditor);
    this.connect();
  }

  private connect(): void {
    const { ledger } = this.world;
    const durable = () => ledger.stats().durableLsn;
    this.clients.connect({ as: (caller) => ledger.as(caller), now: clockOf(ledger), durable });
  }

  async act(times: number): Promise<void> {
    for (let i = 0; i < times; i++) {
      this.clients.act(this.action++);
      if (i % 4 === 3) await new Promise((resolve) => setImmediate(resolve));
    }
    await this.rest();
  }

  async rest(): Promise<void> {
    await until('all answers', () => this.clients.inFlight === 0);
  }

  /** Judges the log, after closing the ledger, and opens it again. */
  async reopen(shards: number): Promise<void> {
    this.clients.crashed();
    await this.world.close();
    this.audit();
    await this.world.reopen(shards);
    this.connect();
  }

  audit(): void {
    try {
      this.auditor.audit({ records: readLog(this.world.data) });
    } catch (error) {
      throw new Error(`seed ${this.seed}: ${(error as Error).message}`, { cause: error });
    }
  }
}

describe('what random clients hear of the real ledger is explained by its log', () => {
  test.each([1, 2, 4])('on %i shards, with restarts', { timeout: TIMEOUT_MS }, async (shards) => {
    for (let seed = 1; seed <= 6; seed++) {
      const world = await World.open(shards);
      const run = new Run(world, seed);
      await run.act(ACTIONS);
      await run.reopen((shards % 4) + 1);
      await run.act(ACTIONS);
      await run.reopen(shards);
      run.clients.inspect();
      await run.rest();
      run.audit();
      expect(run.clients.script.length).toBeGreaterThan(ACTIONS);
      await world.close();
    }
  });
});
