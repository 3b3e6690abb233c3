import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { BatchBody, Outcome, TransactionReply } from '../engine/types.js';
import { balanceDisagreement, disagreement, statusDisagreement } from './support/audit.js';
import { execute, must, until, World, within } from './support/ledger.js';
import { type Command, Model } from './support/model.js';
import { balanceOf } from './support/model-state.js';
import {
  callerOf,
  commandOf,
  concurrentPlan,
  expiringPlan,
  type Plan,
  restartPlan,
  SEED_ACCOUNTS,
  SEED_MONEY,
  sequentialPlan,
} from './support/worlds.js';

/**
 * Random histories against the naive model. Every run is a tenant of its own in one running ledger, so that runs are cheap and
 * tenants prove to be worlds apart. KASSA_TEST_SEED chooses another seed (see support/seed.ts).
 */

const TIMEOUT_MS = 120_000;
/** Commands before a failure that are shown with it. */
const LAST = 12;
/** For how long a failure is made smaller. */
const SHRINK_MS = 10_000;
let tenants = 0;

/** One tenant's history: what was sent, and the model that heard the same. */
class History {
  readonly tenant = `tenant-${++tenants}`;
  model = new Model();
  readonly sent: Command[] = [];
  readonly trace: string[] = [];

  constructor(readonly world: World) {}

  async seed(): Promise<void> {
    const caller = callerOf(this.tenant, 'ann');
    for (const body of SEED_ACCOUNTS) await this.run({ op: 'createAccount', caller, body });
    for (const body of SEED_MONEY) await this.run({ op: 'transaction', caller, body });
  }

  /** Runs one command alone and compares its answer. */
  async run(command: Command): Promise<void> {
    this.sent.push(command);
    this.compare(command, await within(shown(command), execute(this.world.ledger, command)));
  }

  compare(command: Command, outcome: Outcome<object>, options = { sequential: true }): void {
    const wrong = disagreement(this.model, command, outcome, options);
    this.trace.push(`${shown(command)}\n    ${shown(outcome)}`);
    if (wrong !== undefined) throw new Error(`${wrong}, after\n${this.trace.slice(-LAST).join('\n')}`);
  }

  async play(plan: Plan): Promise<void> {
    if (plan.kind === 'restart') return this.world.reopen(plan.shards);
    if (plan.kind === 'batch') return this.batch(plan);
    if (plan.kind === 'expiring') return this.expiring(plan);
    const command = commandOf(plan, this.tenant, this.model, this.sent);
    if (command !== undefined) await this.run(command);
  }

  private async batch(plan: Plan & { kind: 'batch' }): Promise<void> {
    const caller = callerOf(this.tenant, plan.who);
    const sent = this.world.ledger.as(caller).batch({ transactions: plan.bodies });
    const outcome = await within(shown(plan), sent);
    this.trace.push(`a batch of ${plan.bodies.length}`);
    if (!outcome.ok) {
      expect(outcome.code).toBe('forbidden');
      expect(caller.permissions?.has('transactions:create')).toBe(false);
      return;
    }
    const { results } = outcome.body as BatchBody<TransactionReply>;
    expect(results.length).toBe(plan.bodies.length);
    for (const [index, result] of results.entries()) {
      const body = plan.bodies[index]!;
      const command: Command = { op: 'transaction', caller, body };
      const entry = result.ok ? { ok: true as const, created: true, body: result } : result;
      // Later entries may be in an earlier one's balances.
      this.compare(command, entry, { sequential: false });
      if (!result.ok && result.code !== 'invalid_request') expect(result.id).toBe(body.id);
    }
  }

  /** A hold of one second, followed by nothing until the ledger says that it expired. */
  private async expiring(plan: Plan & { kind: 'expiring' }): Promise<void> {
    const { body } = plan;
    const caller = callerOf(this.tenant, 'ann');
    const command: Command = { op: 'transaction', caller, body };
    const outcome = await execute(this.world.ledger, command);
    this.sent.push(command);
    this.compare(command, outcome);
    if (!outcome.ok || (outcome.body as TransactionReply).duplicate === true) return;
    const session = this.world.ledger.as(caller);
    await until('expiry', async () => must(await session.status(body.id)).status === 'expired');
    this.model.expire(this.tenant, body.id);
  }

  /** Everything that can be read agrees, and all balances of a currency sum up to nothing. */
  async verify(): Promise<void> {
    const session = this.world.ledger.as(callerOf(this.tenant, 'ann'));
    const sums = new Map<string, bigint>();
    for (const id of this.model.accountIds(this.tenant)) {
      const account = this.model.account(this.tenant, id)!;
      expect(balanceDisagreement(account, must(await session.account(id)))).toBeUndefined();
      const debit = account.type === 'asset' || account.type === 'expense';
      const balance = debit ? balanceOf(account) : -balanceOf(account);
      sums.set(account.currency, (sums.get(account.currency) ?? 0n) + balance);
    }
    for (const sum of sums.values()) expect(sum).toBe(0n);
    for (const id of this.model.transactionIds(this.tenant)) {
      const body = must(await session.status(id));
      if (this.model.transaction(this.tenant, id)!.kind === 'tombstone') expect(body.status).toBe('voided');
      else expect(statusDisagreement(this.model, this.tenant, id, body)).toBeUndefined();
    }
  }
}

/** Once a run has failed, smaller ones are tried for a while only: with races, finding a smaller one can take for ever. */
function bounded<T extends unknown[]>(play: (...input: T) => Promise<void>): (...input: T) => Promise<void> {
  let failedAt: number | undefined;
  return async (...input) => {
    if (failedAt !== undefined && Date.now() - failedAt > SHRINK_MS) return;
    try {
      await play(...input);
    } catch (error) {
      failedAt ??= Date.now();
      throw error;
    }
  };
}

describe('a random history, one command after the other, is answered as the model answers', () => {
  test.each([1, 2, 3, 4])('on %i shards', { timeout: TIMEOUT_MS }, async (shards) => {
    const world = await World.open(shards);
    const play = async (plans: readonly Plan[]) => {
      const history = new History(world);
      await history.seed();
      for (const plan of plans) await history.play(plan);
      await history.verify();
    };
    const plans = fc.array(sequentialPlan, { minLength: 30, maxLength: 90, size: 'max' });
    await fc.assert(fc.asyncProperty(plans, bounded(play)), { numRuns: 40 });
  });

  test('through restarts with other numbers of shards', { timeout: TIMEOUT_MS }, async () => {
    const world = await World.open(2);
    const play = async (parts: readonly (readonly [Plan, readonly Plan[]])[]) => {
      const history = new History(world);
      await history.seed();
      for (const [first, plans] of parts) {
        for (const plan of [first, ...plans]) await history.play(plan);
      }
      await history.verify();
    };
    const plans = fc.array(sequentialPlan, { minLength: 10, maxLength: 40, size: 'max' });
    const parts = fc.array(fc.tuple(restartPlan, plans), { minLength: 2, maxLength: 4, size: 'max' });
    await fc.assert(fc.asyncProperty(parts, bounded(play)), { numRuns: 8 });
  });

  test('with holds that expire on the way', { timeout: TIMEOUT_MS }, async () => {
    const world = await World.open(2);
    const play = async (first: readonly Plan[], expiring: Plan, then: readonly Plan[]) => {
      const history = new History(world);
      await history.seed();
      for (const plan of [...first, expiring, ...then]) await history.play(plan);
      await history.verify();
    };
    const plans = fc.array(sequentialPlan, { minLength: 0, maxLength: 15, size: 'max' });
    await fc.assert(fc.asyncProperty(plans, expiringPlan, plans, bounded(play)), { numRuns: 5 });
  });
});

describe('what commands at the same time answer is explained by some order of them', () => {
  test.each([1, 2, 4])('on %i shards', { timeout: TIMEOUT_MS }, async (shards) => {
    const world = await World.open(shards);
    const play = async (groups: readonly (readonly Plan[])[]) => {
      const history = new History(world);
      await history.seed();
      let worlds = [history.model];
      for (const group of groups) {
        const base = worlds[0]!;
        const commands = group.flatMap((plan) => {
          const command = commandOf(plan, history.tenant, base, history.sent);
          return command === undefined ? [] : [command];
        });
        const answers = Promise.all(commands.map((command) => execute(world.ledger, command)));
        const outcomes = await within(shown(commands), answers);
        history.sent.push(...commands);
        worlds = explanations(worlds, commands, outcomes, history.trace);
      }
      history.model = worlds[0]!;
      await history.verify();
    };
    const group = fc.array(concurrentPlan, { minLength: 2, maxLength: 3 });
    const groups = fc.array(group, { minLength: 15, maxLength: 40, size: 'max' });
    await fc.assert(fc.asyncProperty(groups, bounded(play)), { numRuns: 40 });
  });
});

/**
 * All states in which the ledger may be after these answers: those of every order of the commands in which the model answers the
 * same. @throws when no order explains the answers
 */
function explanations(
  worlds: readonly Model[],
  commands: readonly Command[],
  outcomes: readonly Outcome<object>[],
  trace: string[],
): Model[] {
  const found = new Map<string, Model>();
  const reasons: string[] = [];
  for (const world of worlds) {
    for (const order of permutations(commands.map((_, index) => index))) {
      const model = world.clone();
      const reason = follow(model, order, commands, outcomes);
      if (reason === undefined) found.set(model.fingerprint(), model);
      else reasons.push(`${order.join()}: ${reason}`);
    }
  }
  trace.push(
    ...commands.map((command, index) => `${index} ${shown(command)}\n    ${shown(outcomes[index])}`),
  );
  if (found.size > 0) return [...found.values()];
  throw new Error(['no order explains the last of', ...trace.slice(-LAST), ...reasons].join('\n'));
}

/** Follows one order. @returns why it does not explain the answers, undefined when it does */
function follow(
  model: Model,
  order: readonly number[],
  commands: readonly Command[],
  outcomes: readonly Outcome<object>[],
): string | undefined {
  const later: { readonly shown: Readonly<Record<string, bigint>>; readonly seen: Set<string> }[] = [];
  let lsn = 0;
  for (const index of order) {
    const command = commands[index]!;
    const outcome = outcomes[index]!;
    const wrong = disagreement(model, command, outcome, { sequential: false });
    if (wrong !== undefined) return `${index}: ${wrong}`;
    const own = lsnOf(command, outcome);
    if (own !== undefined && own < lsn) return `${index}: its LSN ${own} is below ${lsn}, which came before`;
    lsn = own ?? lsn;
    const balances = outcome.ok ? ((outcome.body as Partial<TransactionReply>).balances ?? {}) : {};
    later.push({ shown: balances, seen: new Set() });
    for (const { shown, seen } of later) {
      for (const id of Object.keys(shown)) {
        const account = model.account(command.caller.tenant, id)!;
        if (balanceOf(account) === shown[id]) seen.add(id);
      }
    }
  }
  const stray = later.findIndex(({ shown, seen }) => seen.size < Object.keys(shown).length);
  return stray === -1 ? undefined : `${order[stray]}: a balance that never was`;
}

/** The LSN at which an accepted command took effect, where its answer tells. */
function lsnOf({ op }: Command, outcome: Outcome<object>): number | undefined {
  if (!outcome.ok || !outcome.created || (op !== 'transaction' && op !== 'reverse')) return undefined;
  return (outcome.body as TransactionReply).lsn;
}

function permutations(items: readonly number[]): number[][] {
  if (items.length <= 1) return [[...items]];
  return items.flatMap((item) =>
    permutations(items.filter((other) => other !== item)).map((rest) => [item, ...rest]),
  );
}

function shown(value: unknown): string {
  return JSON.stringify(value, (_, item) => {
    if (typeof item === 'bigint') return `${item}n`;
    return item instanceof Set ? [...item] : item;
  });
}
