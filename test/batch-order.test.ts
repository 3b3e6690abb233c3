import { describe, expect, test } from 'vitest';
import type { TransactionInput } from '../engine/types.js';
import type { Session } from '../src/session.js';
import { balanceDisagreement } from './support/audit.js';
import {
  accounts,
  answer,
  balanceAt,
  caller,
  compactBatch,
  must,
  refusal,
  SHARD_COUNTS,
  World,
} from './support/ledger.js';
import { Model } from './support/model.js';

/** The contract on batches. */

const TIMEOUT_MS = 60_000;
const BY = caller('shop', 'ann');
const NAMES = ['{a}:1', '{a}:2', '{b}:1', '{b}:2', '{c}:1', '{d}:1', 'plain-1', 'plain-2', 'plain-3'];

async function codesOfBatch(session: Session, transactions: readonly TransactionInput[]): Promise<string[]> {
  const { results } = must(await session.batch({ transactions }));
  return results.map((result) => (result.ok ? (result.duplicate ? 'duplicate' : 'ok') : result.code));
}

describe.each(SHARD_COUNTS)('on %i shards', { timeout: TIMEOUT_MS }, (shards) => {
  async function opened(): Promise<{ world: World; session: Session }> {
    const world = await World.open(shards);
    const session = world.as();
    await accounts(session, ['house', '{x}:house']);
    return { world, session };
  }

  test('entries that share an account are decided in their order', async () => {
    const { session } = await opened();
    await accounts(session, ['{p}:purse'], { type: 'liability', min_balance: 0 });
    const load = (id: string) => ({ id, debit: 'house', credit: '{p}:purse', amount: 10 });
    const spend = (id: string) => ({ id, debit: '{p}:purse', credit: '{x}:house', amount: 10 });
    const codes = await codesOfBatch(session, [
      spend('{1}'),
      load('{2}'),
      spend('{3}'),
      spend('{4}'),
      load('{5}'),
      load('{6}'),
      spend('{7}'),
    ]);
    expect(codes).toEqual(['insufficient_funds', 'ok', 'ok', 'insufficient_funds', 'ok', 'ok', 'ok']);
    expect(await balanceAt(session, '{p}:purse')).toBe(10n);
  });

  test('entries that share an id are decided in their order', async () => {
    const { session } = await opened();
    const sale = { id: '{i}:1', debit: 'house', credit: '{x}:house', amount: 5 };
    const codes = await codesOfBatch(session, [
      { ...sale, credit: 'nobody' },
      sale,
      { ...sale, amount: 6 },
      sale,
      { ...sale, id: 'next' },
    ]);
    expect(codes).toEqual(['account_not_found', 'ok', 'id_reused', 'duplicate', 'ok']);
    expect(await balanceAt(session, 'house')).toBe(10n);
  });

  test('a chain through accounts on many shards is decided in its order', async () => {
    const { session } = await opened();
    const stops = Array.from({ length: 40 }, (_, n) => `{stop${n % 8}}:${n}`);
    await accounts(session, stops, { min_balance: 0 });
    for (const round of [0, 1, 2, 3, 4]) {
      const hops: TransactionInput[] = [{ id: `${round}:in`, debit: stops[0]!, credit: 'house', amount: 9 }];
      for (let n = 1; n < stops.length; n += 1) {
        hops.push({ id: `${round}:{h${n}}`, debit: stops[n]!, credit: stops[n - 1]!, amount: 9 });
      }
      expect(new Set(await codesOfBatch(session, hops))).toEqual(new Set(['ok']));
      expect(await balanceAt(session, stops.at(-1)!)).toBe(BigInt(9 * (round + 1)));
    }
  });

  test('a refusal says what was available in its place', async () => {
    const { session } = await opened();
    const purses = Array.from({ length: 250 }, (_, n) => `{p${n}}:purse`);
    await accounts(session, purses, { min_balance: 0 });
    for (const [n, purse] of purses.entries()) {
      const load = { id: `{i${n}}`, debit: purse, credit: 'house', amount: 41 };
      const spend = { id: `{j${n}}`, debit: '{x}:house', credit: purse, amount: 84 };
      const { results } = must(await session.batch({ transactions: [load, spend] }));
      expect(results[0]).toMatchObject({ ok: true });
      expect(results[1]).toMatchObject({ code: 'insufficient_funds', available: 41n, shortage: 43n });
    }
  });

  test('each entry is answered in its place, refused ones with id and code', async () => {
    const { session } = await opened();
    const sale = { debit: 'house', credit: '{x}:house', amount: 5 };
    const { results } = must(
      await session.batch({
        transactions: [
          { id: 'one', ...sale },
          { id: 'two', ...sale, amount: 0 },
          { id: 'three', ...sale, credit: 'nobody' },
          { id: 'four', ...sale, pending: true },
          { ...sale } as TransactionInput,
        ],
      }),
    );
    expect(results[0]).toMatchObject({ ok: true, id: 'one', status: 'posted' });
    expect(results[1]).toMatchObject({ ok: false, id: 'two', code: 'invalid_amount' });
    expect(results[2]).toMatchObject({
      ok: false,
      id: 'three',
      code: 'account_not_found',
      account: 'nobody',
    });
    expect(results[3]).toMatchObject({ ok: true, id: 'four', status: 'pending' });
    expect(results[4]).toMatchObject({ ok: false, code: 'invalid_request' });
    expect(results[0]).toHaveProperty('balances');
  });

  test('8,192 entries pass, 8,193 are refused whole', async () => {
    const { session } = await opened();
    const transactions = Array.from({ length: 8192 }, (_, n) => ({
      id: `t${n}`,
      debit: 'house',
      credit: '{x}:house',
      amount: 1,
    }));
    const straw = { ...transactions[0]!, id: 'straw' };
    refusal(await session.batch({ transactions: [...transactions, straw] }), 'invalid_request');
    expect(await answer(session.status('t0'))).toBe('transaction_not_found');
    expect(new Set(await codesOfBatch(session, transactions))).toEqual(new Set(['ok']));
    expect(await balanceAt(session, 'house')).toBe(8192n);
    const frame = [1, transactions.map(({ id, debit, credit, amount }) => [id, debit, credit, amount])];
    const again = await compactBatch(session, frame);
    expect(again.refused.length).toBe(8192);
    expect(new Set(again.refused.map(([, code]) => code))).toEqual(new Set(['duplicate']));
  });

  test('a long random batch is decided as if one by one, local and across shards', async () => {
    const { world, session: first } = await opened();
    let session = first;
    const model = new Model();
    const inputs = NAMES.map((id, n) => ({
      id,
      currency: 'EUR',
      type: 'asset' as const,
      min_balance: n === 0 ? null : n % 2 === 0 ? -40 : 0,
      max_balance: n % 3 === 1 ? 120 : null,
    }));
    must(await session.createAccounts({ accounts: inputs }));
    for (const body of inputs) model.decide({ op: 'createAccount', caller: BY, body }).apply?.(0);
    let state: number = shards;
    const random = (below: number) => {
      state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
      return (state >>> 8) % below;
    };
    for (let round = 0; round < 6; round += 1) {
      const bodies = Array.from({ length: 700 }, () => entry(round, random));
      const codes = await (round % 2 === 0 ? codesOfBatch(session, bodies) : codesOfCompact(session, bodies));
      for (const [index, body] of bodies.entries()) {
        const verdict = model.decide({ op: 'transaction', caller: BY, body });
        const due = [...verdict.codes];
        expect([index, due.includes(codes[index] as (typeof due)[0]), codes[index]]).toEqual([
          index,
          true,
          codes[index],
        ]);
        if (codes[index] === 'ok') verdict.apply?.(0);
      }
      if (round === 3) await world.reopen(shards === 4 ? 1 : shards + 1);
      session = world.as();
      for (const { id } of inputs) {
        const body = must(await session.account(id));
        expect(balanceDisagreement(model.account('shop', id)!, body)).toBeUndefined();
      }
    }
  });

  test('batches at once keep their own order', async () => {
    const { session } = await opened();
    const purses = Array.from({ length: 12 }, (_, n) => `{p${n}}:purse`);
    await accounts(session, purses, { type: 'liability', min_balance: 0 });
    const batches = purses.map((purse, b) =>
      Array.from({ length: 100 }, (_, n) =>
        n % 2 === 0
          ? { id: `{i${n}}:${b}`, debit: 'house', credit: purse, amount: 10 }
          : { id: `{i${n}}:${b}`, debit: purse, credit: '{x}:house', amount: 10 },
      ),
    );
    const answers = await Promise.all(batches.map((transactions) => codesOfBatch(session, transactions)));
    for (const codes of answers) expect(new Set(codes)).toEqual(new Set(['ok']));
    expect(await balanceAt(session, 'house')).toBe(6000n);
  });
});

/** A random entry over few accounts and few ids, so that entries share both. */
function entry(round: number, random: (below: number) => number): TransactionInput {
  const id = `{${random(5)}}:${round}:${random(500)}`;
  const pick = () => NAMES[random(NAMES.length)]!;
  const amount = 1 + random(40);
  if (random(3) > 0) return { id, debit: pick(), credit: pick(), amount };
  const other = 1 + random(40);
  const postings = [
    { account: pick(), debit: amount + other },
    { account: pick(), credit: amount, tag: 'x' },
    { account: pick(), credit: other },
  ];
  return { id, postings };
}

/** Sends bodies as one compact batch. */
async function codesOfCompact(session: Session, bodies: readonly TransactionInput[]): Promise<string[]> {
  const entries = bodies.map(({ id, postings, debit, credit, amount }) => {
    if (postings === undefined) return [id, debit, credit, amount];
    const legs = postings.map((posting) => {
      const signed = posting.debit === undefined ? -Number(posting.credit) : Number(posting.debit);
      return posting.tag === undefined ? [posting.account, signed] : [posting.account, signed, posting.tag];
    });
    return [id, legs];
  });
  const { refused } = await compactBatch(session, [7, entries]);
  const codes: string[] = bodies.map(() => 'ok');
  for (const [index, code] of refused) codes[index] = code;
  return codes;
}
