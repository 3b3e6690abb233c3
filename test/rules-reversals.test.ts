import { describe, expect, test } from 'vitest';
import type { PartInput, TransactionInput } from '../engine/types.js';
import { OVERLOADED } from '../src/ledger/answers.js';
import type { LedgerSession } from '../src/ledger/ledger-session.js';
import { accounts, answer, balanceAt, codeOf, move, must, refusal, shopsOf } from './support/ledger.js';

/** The contract on reversals. */

const shop = shopsOf(3);
const SALE: TransactionInput = { id: 't1', debit: 'till', credit: 'sales', amount: 100 };
const BASKET: TransactionInput = {
  id: 't1',
  postings: [
    { account: 'till', debit: 121, tag: 'basket' },
    { account: 'sales', credit: 60, tag: 'food' },
    { account: 'sales', credit: 40, tag: 'drink' },
    { account: '{x}:vat', credit: 21 },
  ],
};

async function opened() {
  const made = shop();
  await accounts(made.session, ['till', 'sales', '{x}:vat', '{y}:bank']);
  return made;
}

describe('a reversal', () => {
  test('mirrors the whole of a posted transaction', async () => {
    const { session } = await opened();
    const { lsn } = must(await session.transaction(BASKET));
    const outcome = await session.reverse('t1', { id: 'r1', code: 'refund', reference: 'no 5' });
    expect(outcome).toMatchObject({ ok: true, created: true });
    const reply = must(outcome);
    expect(reply).toMatchObject({ id: 'r1', status: 'posted' });
    expect(reply.balances).toEqual({ till: 0n, sales: 0n, '{x}:vat': 0n });
    expect(reply.lsn).toBeGreaterThan(lsn);
    const body = must(await session.status('r1'));
    expect(body).toMatchObject({ reverses: 't1', code: 'refund', reference: 'no 5', by: 'ann' });
    expect(body.postings).toEqual([
      { account: 'till', credit: 121n, tag: 'basket' },
      { account: 'sales', debit: 60n, tag: 'food' },
      { account: 'sales', debit: 40n, tag: 'drink' },
      { account: '{x}:vat', debit: 21n },
    ]);
    const original = must(await session.status('t1'));
    expect(original.status).toBe('posted');
    expect(original.reversals).toMatchObject([{ id: 'r1', lsn: reply.lsn }]);
  });

  test('by amount takes part of it, again and again until nothing remains', async () => {
    const { session } = await opened();
    await session.transaction(SALE);
    expect(codeOf(await session.reverse('t1', { id: 'r1', amount: 30 }))).toBe('ok');
    refusal(await session.reverse('t1', { id: 'r2', amount: 71 }), 'exceeds_original');
    expect(codeOf(await session.reverse('t1', { id: 'r2', amount: 20n }))).toBe('ok');
    expect(must(await session.reverse('t1', { id: 'r3' })).balances).toEqual({ till: 0n, sales: 0n });
    refusal(await session.reverse('t1', { id: 'r4' }), 'exceeds_original');
    refusal(await session.reverse('t1', { id: 'r4', amount: 1 }), 'exceeds_original');
    const { reversals } = must(await session.status('t1'));
    expect(reversals?.map((reversal) => reversal.id)).toEqual(['r1', 'r2', 'r3']);
  });

  test('by postings names the sides of the original, leg by leg', async () => {
    const { session } = await opened();
    await session.transaction(BASKET);
    const postings = [
      { account: 'till', debit: 40, tag: 'basket' },
      { account: 'sales', credit: 40, tag: 'drink' },
    ];
    expect(must(await session.reverse('t1', { id: 'r1', postings })).balances).toEqual({
      till: 81n,
      sales: -60n,
    });
    expect(must(await session.status('r1')).postings).toEqual([
      { account: 'till', credit: 40n, tag: 'basket' },
      { account: 'sales', debit: 40n, tag: 'drink' },
    ]);
    const again = [
      { account: 'till', debit: 1, tag: 'basket' },
      { account: 'sales', credit: 1, tag: 'drink' },
    ];
    refusal(await session.reverse('t1', { id: 'r2', postings: again }), 'exceeds_original');
    must(await session.reverse('t1', { id: 'r3' }));
    expect(must(await session.status('r3')).postings).toEqual([
      { account: 'till', credit: 81n, tag: 'basket' },
      { account: 'sales', debit: 60n, tag: 'food' },
      { account: '{x}:vat', debit: 21n },
    ]);
  });

  test('refuses what the original did not have and what does not balance', async () => {
    const { session } = await opened();
    await session.transaction(BASKET);
    const credit = { account: 'sales', credit: 10, tag: 'food' };
    const strange = [
      { account: 'till', debit: 10 },
      { account: '{y}:bank', debit: 10 },
      { account: 'till', debit: 10, tag: 'food' },
    ];
    for (const debit of strange) {
      const code = await answer(session.reverse('t1', { id: 'r1', postings: [debit, credit] }));
      expect(['exceeds_original', 'invalid_request']).toContain(code);
    }
    const mirrored = [
      { account: 'till', credit: 10, tag: 'basket' },
      { account: 'sales', debit: 10, tag: 'food' },
    ];
    const code = await answer(session.reverse('t1', { id: 'r1', postings: mirrored }));
    expect(['exceeds_original', 'invalid_request']).toContain(code);
    const lame = [{ account: 'till', debit: 11, tag: 'basket' }, credit];
    refusal(await session.reverse('t1', { id: 'r1', postings: lame }), 'unbalanced');
    refusal(await session.reverse('t1', { id: 'r1', amount: 5 }), 'invalid_request');
    refusal(await session.reverse('t1', { id: 'r1', amount: 0 }), 'invalid_amount');
    refusal(await session.reverse('t1', { id: 'a b' }), 'invalid_request');
    refusal(await session.reverse('t1', {} as PartInput & { id: string }), 'invalid_request');
    expect(await balanceAt(session, 'till')).toBe(121n);
  });

  test('of a captured hold mirrors what was captured', async () => {
    const { session } = await opened();
    await session.transaction({ ...SALE, pending: true });
    await session.post('t1', { amount: 60 });
    refusal(await session.reverse('t1', { id: 'r1', amount: 61 }), 'exceeds_original');
    expect(must(await session.reverse('t1', { id: 'r1' })).balances).toEqual({ till: 0n, sales: 0n });
  });

  test('of what is not posted is refused, of the unknown not found', async () => {
    const { session } = await opened();
    for (const id of ['pending', 'voided']) await session.transaction({ ...SALE, id, pending: true });
    await session.void('voided');
    await session.void('tombstone');
    for (const id of ['pending', 'voided', 'tombstone']) {
      refusal(await session.reverse(id, { id: 'r1' }), 'not_posted');
    }
    refusal(await session.reverse('nothing', { id: 'r1' }), 'transaction_not_found');
    refusal(await session.status('r1'), 'transaction_not_found');
  });

  test('can be reversed, and that gives nothing back to the original', async () => {
    const { session } = await opened();
    await session.transaction(SALE);
    await session.reverse('t1', { id: 'r1' });
    expect(codeOf(await session.reverse('r1', { id: 'rr1' }))).toBe('ok');
    expect(await balanceAt(session, 'till')).toBe(100n);
    refusal(await session.reverse('t1', { id: 'r2' }), 'exceeds_original');
    expect(codeOf(await session.reverse('rr1', { id: 'rrr1', amount: 40 }))).toBe('ok');
    expect(await balanceAt(session, 'till')).toBe(60n);
    refusal(await session.reverse('r1', { id: 'rr2', amount: 1 }), 'exceeds_original');
  });

  test('the same again is a duplicate, another content or original is not', async () => {
    const { session } = await opened();
    await session.transaction(SALE);
    await move(session, 't2', 'till', 'sales', 100);
    const { balances: _, ...first } = must(await session.reverse('t1', { id: 'r1' }));
    const copy = { ok: true, created: false, body: { ...first, duplicate: true } };
    expect(await session.reverse('t1', { id: 'r1' })).toEqual(copy);
    refusal(await session.reverse('t2', { id: 'r1' }), 'id_reused');
    refusal(await session.reverse('t1', { id: 'r1', code: 'x' }), 'id_reused');
    refusal(await session.reverse('t1', { id: 't2' }), 'id_reused');
    refusal(await session.reverse('t1', { id: 't1' }), 'id_reused');
    refusal(await session.transaction({ ...SALE, id: 'r1' }), 'id_reused');
    const mirror = { id: 'r1', debit: 'sales', credit: 'till', amount: 100 };
    refusal(await session.transaction(mirror), 'id_reused');
    expect(await balanceAt(session, 'till')).toBe(100n);
  });

  test('keeps the limits of the accounts', async () => {
    const { session } = await opened();
    await accounts(session, ['purse'], { type: 'liability', min_balance: 0, max_balance: 100 });
    await session.transaction({ id: 'load', debit: 'till', credit: 'purse', amount: 100 });
    await session.transaction({ id: 'spend', debit: 'purse', credit: 'sales', amount: 80 });
    const refused = refusal(await session.reverse('load', { id: 'r1' }), 'insufficient_funds');
    expect(refused).toMatchObject({ account: 'purse', available: 20n, required: 100n, shortage: 80n });
    expect(codeOf(await session.reverse('load', { id: 'r1', amount: 20 }))).toBe('ok');
    await move(session, 'load-2', 'till', 'purse', 30);
    refusal(await session.reverse('spend', { id: 'r2' }), 'limit_exceeded');
    refusal(await session.status('r2'), 'transaction_not_found');
    expect(codeOf(await session.reverse('spend', { id: 'r2', amount: 70 }))).toBe('ok');
  });

  test('that another one overtook takes what remains now, however much is in flight', async () => {
    const { session, as } = await opened();
    await session.transaction(SALE);
    const late = session as LedgerSession;
    const look = late.lookup.bind(late);
    let looks = 0;
    late.lookup = async (id, waits) => {
      looks++;
      if (looks === 2 && waits !== true) return OVERLOADED;
      const found = await look(id, waits);
      if (looks === 1) must(await as('bob').reverse('t1', { id: 'r1', amount: 30 }));
      return found;
    };
    expect(must(await late.reverse('t1', { id: 'r2' })).balances).toEqual({ till: 0n, sales: 0n });
  });

  test('that was refused takes nothing from the original', async () => {
    const { session } = await opened();
    await session.transaction(SALE);
    await session.updateAccount('sales', { frozen: true });
    refusal(await session.reverse('t1', { id: 'r1' }), 'account_frozen');
    await session.updateAccount('sales', { frozen: false });
    expect(codeOf(await session.reverse('t1', { id: 'r2' }))).toBe('ok');
  });
});
