import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Outcome } from '../engine/types.js';
import { openLedger } from '../src/ledger.js';
import { verify } from '../wal/verify.js';
import { disagreement } from './support/audit.js';
import { codeOf, execute, must, until, World } from './support/ledger.js';
import { type Command, Model } from './support/model.js';
import { randomFrom } from './support/random.js';
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

/** That an import of an export of a closed ledger is that ledger. @returns where it is */
async function thereAndBack(data: string): Promise<string> {
  const text = await exported(data);
  const copy = join(temporaryDirectory(), 'copy');
  await imported(copy, text, { segmentBytes: SEGMENT_BYTES });
  expect(await exported(copy)).toBe(text);
  expect(replayedHash(copy)).toBe(replayedHash(data));
  expect((await verify({ data: copy })).findings).toEqual([]);
  return copy;
}

/** One world of histories, there and back again. */
async function roundTrip(shards: number, seed: number): Promise<void> {
  const [[histories, expiring]] = fc.sample(world, { numRuns: 1, seed }) as unknown as [[Plan[][], Plan]];
  const origin = await World.open(shards);
  const taken = await Promise.all(
    TENANTS.map((tenant, i) => play(origin, tenant, i === 0 ? [...histories[i]!, expiring] : histories[i]!)),
  );
  await origin.close();
  await expectCopiesKnown(await thereAndBack(origin.data), taken.flat());
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

/** Scarce accounts on several shards, whose limits and freezes change under way. */
const SCARCE = ['{s}:a', '{t}:b', '{u}:c', 'd', 'e'];

test('what was decided at the same time on four shards is decided alike one after the other', {
  timeout: TIMEOUT_MS,
}, async () => {
  const seed = fc.readConfigureGlobal().seed ?? Date.now();
  const random = randomFrom(seed);
  const origin = await World.open(4);
  const session = origin.as('riga');
  must(await session.createAccount({ id: 'bank', currency: 'EUR', type: 'equity' }));
  for (const id of SCARCE) {
    must(await session.createAccount({ id, currency: 'EUR', type: 'asset', max_balance: 120 }));
    must(await session.transaction({ id: `fund-${id}`, debit: id, credit: 'bank', amount: 60 }));
  }
  const pick = () => SCARCE[random(SCARCE.length)]!;
  const ids: string[] = SCARCE.map((id) => `fund-${id}`);
  let serial = 0;
  const step = (): Promise<Outcome<object>> => {
    const id = `{${'stuv'[random(4)]!}}${serial++}`;
    const known = ids[Math.max(0, ids.length - 1 - random(12))]!;
    const [debit, credit, amount] = [pick(), pick(), 1 + random(50)];
    switch (random(12)) {
      case 0:
        return session.updateAccount(pick(), { frozen: random(8) === 0 });
      case 1:
        return session.updateAccount(pick(), { min_balance: random(20) - 15, max_balance: 100 + random(60) });
      case 2:
        return session.reverse(known, { id, amount: 1 + random(20) });
      case 3:
        return session.reverse(known, { id });
      case 4:
        return session.post(known, { amount: 1 + random(40) });
      case 5:
        return session.post(known);
      case 6:
        return session.void(known);
      case 7:
      case 8:
        ids.push(id);
        return session.transaction({ id, debit, credit, amount, pending: true });
      default:
        ids.push(id);
        return session.transaction({ id, debit, credit, amount });
    }
  };
  const codes = new Map<string, number>();
  for (let round = 0; round < 100; round++) {
    for (const outcome of await Promise.all(Array.from({ length: 20 }, step))) {
      const code = codeOf(outcome);
      codes.set(code, (codes.get(code) ?? 0) + 1);
    }
  }
  await origin.close();
  for (const code of ['ok', 'insufficient_funds', 'limit_exceeded', 'account_frozen', 'exceeds_original'])
    expect(codes.get(code) ?? 0, `${code}, seed ${seed}`).toBeGreaterThan(0);
  await thereAndBack(origin.data);
});
