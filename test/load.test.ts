import { describe, expect, test } from 'vitest';
import type {
  AccountInput,
  Outcome,
  PostingInput,
  TransactionBody,
  TransactionInput,
  TransactionReply,
} from '../engine/types.js';
import { balanceDisagreement } from './support/audit.js';
import { caller, codeOf, execute, must, persist, SHARD_COUNTS, World } from './support/ledger.js';
import { type Command, Model } from './support/model.js';
import { balanceOf } from './support/model-state.js';
import { randomFrom } from './support/random.js';

/**
 * Many at once. The answers carry LSNs: replayed in their order, every accepted transaction must be allowed by the naive model at
 * just that place, so no limit is broken at any LSN.
 */

const TIMEOUT_MS = 60_000;
const BY = caller('shop', 'ann');

interface Sent {
  readonly command: Command;
  readonly outcome: Outcome<object>;
}

/** Sends all at once. */
function sendAll(world: World, commands: readonly Command[]): Promise<Sent[]> {
  return Promise.all(
    commands.map(async (command) => ({
      command,
      outcome: await persist(() => execute(world.ledger, command)),
    })),
  );
}

/** The LSN at which an accepted command took effect. */
function lsnOf({ command, outcome }: Sent): number {
  const body = must(outcome) as TransactionReply & TransactionBody;
  return command.op === 'post' || command.op === 'void' ? body.end!.lsn : body.lsn;
}

/**
 * Replays what was accepted in the order of the log, and holds every answer's balances against what they were from that LSN on.
 * @throws when the model refuses one of them at its place
 */
function replay(model: Model, sent: readonly Sent[]): void {
  const accepted = sent.filter(({ outcome }) => outcome.ok).sort((a, b) => lsnOf(a) - lsnOf(b));
  const lastSeen = new Map<string, number>();
  for (const [index, one] of accepted.entries()) {
    const lsn = lsnOf(one);
    expect(index === 0 || lsn > lsnOf(accepted[index - 1]!)).toBe(true);
    const verdict = model.decide(one.command);
    if (!verdict.codes.has('ok')) {
      throw new Error(`accepted at LSN ${lsn}, where ${[...verdict.codes].join(' or ')} was due`);
    }
    verdict.apply?.(lsn);
    const id = one.command.op === 'transaction' || one.command.op === 'reverse' ? one.command.body.id : '';
    const named = id || (one.command as { id: string }).id;
    for (const { account } of model.transaction('shop', named)!.legs) {
      lastSeen.set(`${account} ${balanceOf(model.account('shop', account)!)}`, lsn);
    }
  }
  for (const one of accepted) {
    const { balances = {} } = must(one.outcome) as Partial<TransactionReply>;
    for (const [account, balance] of Object.entries(balances)) {
      const seen = lastSeen.get(`${account} ${balance}`) ?? 0;
      if (seen < lsnOf(one)) throw new Error(`${account} never had ${balance} from LSN ${lsnOf(one)} on`);
    }
  }
}

/** All accounts agree with the model, and the currency sums up to nothing. */
async function verify(world: World, model: Model): Promise<void> {
  const session = world.as();
  let sum = 0n;
  for (const id of model.accountIds('shop')) {
    const body = must(await session.account(id));
    expect(balanceDisagreement(model.account('shop', id)!, body)).toBeUndefined();
    sum += body.debits_posted - body.credits_posted;
  }
  expect(sum).toBe(0n);
}

async function createAll(world: World, model: Model, inputs: readonly AccountInput[]): Promise<void> {
  must(await world.as().createAccounts({ accounts: inputs }));
  for (const body of inputs) model.decide({ op: 'createAccount', caller: BY, body }).apply?.(0);
}

function codesOf(sent: readonly Sent[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { outcome } of sent) counts.set(codeOf(outcome), (counts.get(codeOf(outcome)) ?? 0) + 1);
  return counts;
}

const asCommand = (body: TransactionInput): Command => ({ op: 'transaction', caller: BY, body });

describe.each(SHARD_COUNTS)('on %i shards', { timeout: TIMEOUT_MS }, (shards) => {
  test('10,000 sales at once on one purse spend it exactly, and not one more passes', async () => {
    const world = await World.open(shards);
    const model = new Model();
    await createAll(world, model, [
      { id: 'purse', currency: 'EUR', type: 'liability' },
      { id: 'house', currency: 'EUR', type: 'equity' },
      ...[0, 1, 2, 3].map((n) => ({ id: `{${n}}:sales`, currency: 'EUR', type: 'revenue' }) as const),
    ]);
    const load = asCommand({ id: 'load', debit: 'house', credit: 'purse', amount: 3000 });
    replay(model, await sendAll(world, [load]));
    const sales = Array.from({ length: 10_000 }, (_, n) =>
      asCommand({ id: `sale-${n}`, debit: 'purse', credit: `{${n % 4}}:sales`, amount: 1 }),
    );
    const sent = await sendAll(world, sales);
    expect(Object.fromEntries(codesOf(sent))).toEqual({ ok: 3000, insufficient_funds: 7000 });
    replay(model, sent);
    await verify(world, model);
  });

  test('10,000 in and out of one purse at once never overdraw it at any LSN', async () => {
    const world = await World.open(shards);
    const model = new Model();
    await createAll(world, model, [
      { id: 'purse', currency: 'EUR', type: 'liability', max_balance: 500 },
      ...[0, 1, 2, 3].map((n) => ({ id: `{${n}}:house`, currency: 'EUR', type: 'equity' }) as const),
    ]);
    const random = randomFrom(7);
    const commands = Array.from({ length: 10_000 }, (_, n) => {
      const house = `{${random(4)}}:house`;
      const [debit, credit] = random(2) === 0 ? ['purse', house] : [house, 'purse'];
      return asCommand({ id: `t-${n}`, debit, credit, amount: 1 + random(20) });
    });
    const sent = await sendAll(world, commands);
    const codes = codesOf(sent);
    expect(codes.get('ok')).toBeGreaterThan(1000);
    for (const code of codes.keys()) expect(['ok', 'insufficient_funds', 'limit_exceeded']).toContain(code);
    replay(model, sent);
    await verify(world, model);
  });

  test('20,000 of many postings, holds, ends and reversals over 200 accounts are exact', async () => {
    const world = await World.open(shards);
    const model = new Model();
    const random = randomFrom(11);
    await createAll(world, model, manyAccounts());
    const loads = Array.from({ length: 199 }, (_, n) =>
      asCommand({ id: `load-${n}`, debit: `a${n + 1}`, credit: 'a0', amount: 300 }),
    );
    replay(model, await sendAll(world, loads));
    const first = await sendAll(
      world,
      Array.from({ length: 15_000 }, (_, n) => asCommand(basket(`b${n}`, random))),
    );
    replay(model, first);
    const ends = first.flatMap(({ command, outcome }, n) => {
      if (command.op !== 'transaction' || !outcome.ok) return [];
      return endsOf(command.body, n, random);
    });
    const fresh = Array.from({ length: 5000 }, (_, n) => asCommand(basket(`c${n}`, random)));
    const second = await sendAll(world, [...ends, ...fresh]);
    expect(codesOf(second).get('ok')).toBeGreaterThan(1000);
    replay(model, second);
    await verify(world, model);
    await world.reopen(shards === 1 ? 3 : 1);
    await verify(world, model);
  });
});

/** 200 accounts: `a0` has no limits, the others are purses with an overdraft or a cap here and there. */
function manyAccounts(): AccountInput[] {
  return Array.from({ length: 200 }, (_, n) => ({
    id: `a${n}`,
    currency: 'EUR',
    type: 'asset' as const,
    min_balance: n === 0 ? null : n % 3 === 0 ? -50 : 0,
    max_balance: n % 5 === 1 ? 600 : null,
  }));
}

/** A transaction of two to eight postings among random accounts; one of six only reserves. */
function basket(id: string, random: (below: number) => number): TransactionInput {
  const postings: PostingInput[] = [];
  for (let moves = 1 + random(4); moves > 0; moves -= 1) {
    const amount = 1 + random(80);
    postings.push(
      { account: `a${random(200)}`, debit: amount },
      { account: `a${random(200)}`, credit: amount },
    );
  }
  return { id, postings, ...(random(6) === 0 && { pending: true }) };
}

/** What happens to an accepted basket: holds are captured in whole or in part or voided, some of the others reversed. */
function endsOf(body: TransactionInput, n: number, random: (below: number) => number): Command[] {
  const part = random(2) === 0 ? {} : { postings: body.postings!.slice(0, 2) };
  if (body.pending === true) {
    return [
      random(3) === 0
        ? { op: 'void', caller: BY, id: body.id }
        : { op: 'post', caller: BY, id: body.id, body: part },
    ];
  }
  if (random(5) > 0) return [];
  return [0, 1].map((k) => ({
    op: 'reverse',
    caller: BY,
    original: body.id,
    body: { id: `r${k}-${n}`, ...part },
  }));
}
