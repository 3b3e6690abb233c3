import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openLedger } from '../src/ledger.js';
import { verify } from '../wal/verify.js';
import { disagreement } from './support/audit.js';
import { execute, must, until, World } from './support/ledger.js';
import { type Command, Model } from './support/model.js';
import { replayedHash } from './support/recovery.js';
import { exported, imported } from './support/transfer.js';
import { temporaryDirectory } from './support/wal.js';
import {
  callerOf,
  commandOf,
  expiringPlan,
  type Plan,
  SEED_ACCOUNTS,
  SEED_MONEY,
  sequentialPlan,
} from './support/worlds.js';

/** Random histories of several tenants at the same time, exported, imported and exported again. */

const TIMEOUT_MS = 240_000;
const TENANTS = ['riga', 'vilnius', 'tartu'];
const SEGMENT_BYTES = 1 << 16;
/** For each number of shards. `KASSA_TEST_SEED` gives other ones. */
const WORLDS = 1;

/** Plays a tenant's plans. @returns the commands that the ledger took */
async function play(world: World, tenant: string, plans: readonly Plan[]): Promise<Command[]> {
  const model = new Model();
  const sent: Command[] = [];
  const taken: Command[] = [];
  const run = async (command: Command): Promise<void> => {
    const outcome = await execute(world.ledger, command);
    sent.push(command);
    const wrong = disagreement(model, command, outcome, { sequential: true });
    if (wrong !== undefined) throw new Error(wrong);
    const isWrite = !['status', 'account', 'balance', 'updateAccount'].includes(command.op);
    if (outcome.ok && isWrite) taken.push(command);
  };
  const caller = callerOf(tenant, 'ann');
  for (const body of SEED_ACCOUNTS) await run({ op: 'createAccount', caller, body });
  for (const body of SEED_MONEY) await run({ op: 'transaction', caller, body });
  for (const plan of plans) {
    if (plan.kind === 'expiring') {
      const command: Command = { op: 'transaction', caller, body: plan.body };
      await run(command);
      const session = world.ledger.as(caller);
      const { status, pending } = { pending: undefined, ...must(await session.status(plan.body.id)) };
      if (status === 'pending' && (pending as { expires_at?: string }).expires_at !== undefined) {
        await until('expiry', async () => must(await session.status(plan.body.id)).status !== 'pending');
        model.expire(tenant, plan.body.id);
      }
      continue;
    }
    const command =
      plan.kind === 'batch' || plan.kind === 'restart' ? undefined : commandOf(plan, tenant, model, sent);
    if (command !== undefined) await run(command);
  }
  return taken;
}

/** That copies of what was taken are recognised. */
async function expectCopiesKnown(data: string, taken: readonly Command[]): Promise<void> {
  const ledger = await openLedger({ data, shards: 2 });
  try {
    const before = ledger.stats().lsn;
    for (const command of taken) {
      const outcome = await execute(ledger, command);
      expect({ command, outcome }).toMatchObject({ outcome: { ok: true, created: false } });
    }
    expect(ledger.stats().lsn).toBe(before);
  } finally {
    await ledger.close();
  }
}

const history = fc.array(sequentialPlan, { minLength: 60, maxLength: 120, size: 'max' });
const world = fc.tuple(fc.tuple(history, history, history), expiringPlan);

/** One world of histories, there and back again. */
async function roundTrip(shards: number, seed: number): Promise<void> {
  const [[histories, expiring]] = fc.sample(world, { numRuns: 1, seed }) as unknown as [[Plan[][], Plan]];
  const origin = await World.open(shards);
  const taken = await Promise.all(
    TENANTS.map((tenant, i) => play(origin, tenant, i === 0 ? [...histories[i]!, expiring] : histories[i]!)),
  );
  await origin.close();
  const text = await exported(origin.data);
  const copy = join(temporaryDirectory(), 'copy');
  await imported(copy, text, { segmentBytes: SEGMENT_BYTES });
  expect(await exported(copy)).toBe(text);
  expect(replayedHash(copy)).toBe(replayedHash(origin.data));
  expect((await verify({ data: copy })).findings).toEqual([]);
  await expectCopiesKnown(copy, taken.flat());
}

test.each([1, 2, 4])(
  'an import of an export of a random history on %i shards is that history, and knows its requests',
  { timeout: TIMEOUT_MS },
  async (shards) => {
    const base = fc.readConfigureGlobal().seed ?? Date.now();
    for (let seed = base; seed < base + WORLDS; seed++) {
      await roundTrip(shards, seed).catch((error: Error) => {
        throw new Error(`KASSA_TEST_SEED=${seed}: ${error.message}`, { cause: error });
      });
    }
  },
);
