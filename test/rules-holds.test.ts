import { describe, expect, test } from 'vitest';
import type { PartInput, TransactionInput } from '../engine/types.js';
import { accounts, answer, codeOf, move, must, refusal, shopsOf, until } from './support/ledger.js';

/** The contract on pending transactions, their ends and tombstones. */

const shop = shopsOf(3);
const HOLD = { id: 'h1', debit: 'till', credit: 'card', amount: 100, pending: true } as const;
const SPLIT: TransactionInput = {
  id: 'h1',
  pending: true,
  postings: [
    { account: 'till', debit: 60, tag: 'food' },
    { account: 'till', debit: 40, tag: 'drink' },
    { account: 'card', credit: 70 },
    { account: '{x}:points', credit: 30 },
  ],
};

async function opened() {
  const made = shop();
  await accounts(made.session, ['till', 'card', '{x}:points']);
  return made;
}

describe('a hold', () => {
  test('reserves on both sides and moves nothing', async () => {
    const { session } = await opened();
    const reply = must(await session.transaction(HOLD));
    expect(reply).toMatchObject({ status: 'pending', balances: { till: 0n, card: 0n } });
    expect(must(await session.balance('till'))).toMatchObject({ balance: 0n, debits_pending: 100n });
    expect(must(await session.balance('card'))).toMatchObject({ balance: 0n, credits_pending: 100n });
    expect(must(await session.status('h1'))).toMatchObject({ status: 'pending', pending: {} });
  });

  test('takes from what is available, and not from the balance', async () => {
    const { session } = await opened();
    await accounts(session, ['purse'], { min_balance: 0 });
    await move(session, 'load', 'purse', 'card', 100);
    const spend = { debit: 'till', credit: 'purse' };
    await session.transaction({ id: 'h1', ...spend, amount: 80, pending: true });
    expect(must(await session.balance('purse'))).toMatchObject({ balance: 100n, available: 20n });
    for (const pending of [true, false]) {
      const refused = await session.transaction({ id: 't1', ...spend, amount: 21, pending });
      expect(refusal(refused, 'insufficient_funds')).toMatchObject({ available: 20n, shortage: 1n });
    }
    expect(await answer(session.transaction({ id: 't1', ...spend, amount: 20 }))).toBe('ok');
  });

  test('reserves room below the maximum, and its inflow is not there to be spent', async () => {
    const { session } = await opened();
    await accounts(session, ['drawer'], { min_balance: 0, max_balance: 100 });
    await session.transaction({ ...HOLD, debit: 'drawer', amount: 90 });
    const more = { id: 't1', debit: 'drawer', credit: 'card', amount: 11 };
    refusal(await session.transaction(more), 'limit_exceeded');
    refusal(await session.transaction({ ...more, pending: true }), 'limit_exceeded');
    const spend = { id: 't1', debit: 'card', credit: 'drawer', amount: 1 };
    refusal(await session.transaction(spend), 'insufficient_funds');
  });

  test('counts an account leg by leg, and not with its net', async () => {
    const { session } = await opened();
    await accounts(session, ['drawer'], { min_balance: 0, max_balance: 20 });
    const swap = (out: number, back: number, pending: boolean) => ({
      id: 'h1',
      pending,
      postings: [
        { account: 'drawer', credit: out },
        { account: 'drawer', debit: back },
        { account: 'till', debit: out },
        { account: 'till', credit: back },
      ],
    });
    refusal(await session.transaction(swap(5, 10, true)), 'insufficient_funds');
    await move(session, 'load', 'drawer', 'card', 15);
    const refused = await session.transaction(swap(10, 10, true));
    expect(refusal(refused, 'limit_exceeded').account).toBe('drawer');
    expect(await answer(session.transaction(swap(10, 5, true)))).toBe('ok');
    expect(must(await session.balance('drawer'))).toMatchObject({ credits_pending: 10n, debits_pending: 5n });
  });
});

describe('posting a hold', () => {
  test('captures the whole and releases the reservation', async () => {
    const { session } = await opened();
    const { lsn } = must(await session.transaction(HOLD));
    const said = { code: 'captured', reference: 'slip 9', metadata: { n: 1 } };
    const posted = must(await session.post('h1', said));
    expect(posted).toMatchObject({ id: 'h1', status: 'posted', lsn, end: { status: 'posted', ...said } });
    expect(posted.end!.lsn).toBeGreaterThan(lsn);
    expect(posted.end!.by).toBe('ann');
    expect(posted.end!.postings).toEqual(posted.postings);
    expect(must(await session.balance('till'))).toMatchObject({ balance: 100n, debits_pending: 0n });
    expect(must(await session.status('h1'))).toEqual(posted);
  });

  test('by amount captures less and gives back the rest', async () => {
    const { session } = await opened();
    await session.transaction(HOLD);
    const posted = must(await session.post('h1', { amount: 35n }));
    expect(posted.end!.postings).toEqual([
      { account: 'till', debit: 35n },
      { account: 'card', credit: 35n },
    ]);
    expect(posted.postings?.[0]).toEqual({ account: 'till', debit: 100n });
    for (const [id, balance] of [['till', 35n] as const, ['card', -35n] as const]) {
      const body = must(await session.balance(id));
      expect(body).toMatchObject({ balance, debits_pending: 0n, credits_pending: 0n });
    }
  });

  test('by postings captures a balanced part of the legs it names', async () => {
    const { session } = await opened();
    await session.transaction(SPLIT);
    const part = [
      { account: 'till', debit: 25, tag: 'drink' },
      { account: 'till', debit: 10, tag: 'food' },
      { account: '{x}:points', credit: 30 },
      { account: 'card', credit: 5 },
    ];
    const posted = must(await session.post('h1', { postings: part }));
    expect(posted.status).toBe('posted');
    expect(must(await session.balance('till'))).toMatchObject({ balance: 35n, debits_pending: 0n });
    expect(must(await session.balance('card'))).toMatchObject({ balance: -5n, credits_pending: 0n });
    expect(must(await session.balance('{x}:points'))).toMatchObject({ balance: -30n, credits_pending: 0n });
  });

  test('takes from legs of one name in their order', async () => {
    const { session } = await opened();
    const twice = [
      { account: 'till', debit: 10 },
      { account: 'till', debit: 10 },
      { account: 'card', credit: 20 },
    ];
    await session.transaction({ id: 'h1', postings: twice, pending: true });
    const part = [
      { account: 'till', debit: 15 },
      { account: 'card', credit: 15 },
    ];
    expect(must(await session.post('h1', { postings: part })).end!.postings).toEqual([
      { account: 'till', debit: 10n },
      { account: 'till', debit: 5n },
      { account: 'card', credit: 15n },
    ]);
  });

  test('refuses more than was reserved, what was not, and what does not balance', async () => {
    const { session } = await opened();
    await session.transaction(SPLIT);
    await session.transaction({ ...HOLD, id: 'h2' });
    const part = (debit: object, credit: object) => ({ postings: [debit, credit] }) as PartInput;
    const card = { account: 'card', credit: 61 };
    const more = await session.post('h1', part({ account: 'till', debit: 61, tag: 'food' }, card));
    expect(['exceeds_original', 'invalid_request']).toContain(codeOf(more));
    for (const debit of [
      { account: 'till', debit: 61, tag: 'none' },
      { account: 'till', debit: 61 },
      { account: 'sales', debit: 61 },
    ]) {
      expect(['exceeds_original', 'invalid_request']).toContain(
        await answer(session.post('h1', part(debit, card))),
      );
    }
    const lame = part({ account: 'till', debit: 5, tag: 'food' }, card);
    refusal(await session.post('h1', lame), 'unbalanced');
    expect((await session.post('h2', { amount: 101 })).ok).toBe(false);
    refusal(await session.post('h1', { amount: 10 }), 'invalid_request');
    refusal(await session.post('h2', { amount: 0 }), 'invalid_amount');
    refusal(await session.post('h2', { amount: 5, ...lame }), 'invalid_request');
    refusal(await session.post('h2', { colour: 'red' } as PartInput), 'invalid_request');
    expect(must(await session.status('h1')).status).toBe('pending');
    expect(must(await session.status('h2')).status).toBe('pending');
  });

  test('of any part never breaks a limit, however full the account is', async () => {
    const { session } = await opened();
    await accounts(session, ['drawer'], { min_balance: 0, max_balance: 20 });
    await move(session, 'load', 'drawer', 'card', 10);
    const postings = [
      { account: 'drawer', credit: 10 },
      { account: 'drawer', debit: 10 },
      { account: 'till', debit: 10 },
      { account: 'till', credit: 10 },
    ];
    await session.transaction({ id: 'h1', postings, pending: true });
    expect(await answer(session.post('h1', { postings: [postings[1]!, postings[3]!] }))).toBe('ok');
    expect(must(await session.balance('drawer'))).toMatchObject({ balance: 20n, available: 20n });
  });
});

describe('ending a hold', () => {
  test('void gives back what was reserved', async () => {
    const { session } = await opened();
    await session.transaction(HOLD);
    const voided = await session.void('h1');
    expect(voided).toMatchObject({ ok: true, created: false });
    expect(must(voided)).toMatchObject({ id: 'h1', status: 'voided', end: { status: 'voided', by: 'ann' } });
    expect(must(await session.balance('till'))).toMatchObject({ balance: 0n, debits_pending: 0n });
    expect(must(await session.status('h1'))).toEqual(must(voided));
  });

  test('void keeps its code, reference, time and metadata', async () => {
    const { session } = await opened();
    await session.transaction(HOLD);
    const said = {
      code: 'gave-up',
      reference: 'walked out',
      effective_at: '2024-05-05T05:05:05.005Z',
      metadata: { a: 1 },
    };
    expect(must(await session.void('h1', said)).end).toMatchObject({ status: 'voided', ...said });
    expect(await answer(session.void('h1', said))).toBe('ok');
    expect(await answer(session.void('h1', { ...said, code: 'other' }))).toBe('already_voided');
    refusal(await session.void('h1', { amount: 5 } as PartInput), 'invalid_request');
  });

  test('the same end with the same content gives the same answer, any other end is refused', async () => {
    const { session } = await opened();
    for (const id of ['h1', 'h2', 'h3']) await session.transaction({ ...HOLD, id });
    const posted = await session.post('h1');
    const part = await session.post('h2', { amount: 30, code: 'x' });
    const voided = await session.void('h3');
    expect(await session.post('h1')).toEqual(posted);
    expect(await session.post('h2', { code: 'x', amount: '30' })).toEqual(part);
    expect(await session.void('h3')).toEqual(voided);
    refusal(await session.void('h1'), 'already_posted');
    refusal(await session.post('h1', { code: 'x' }), 'already_posted');
    refusal(await session.post('h2', { amount: 31, code: 'x' }), 'already_posted');
    refusal(await session.post('h3'), 'already_voided');
    expect(must(await session.balance('till'))).toMatchObject({ balance: 130n, debits_pending: 0n });
  });

  test('an end of what was never pending is refused, of the unknown not found', async () => {
    const { session } = await opened();
    await move(session, 't1', 'till', 'card', 5);
    await session.reverse('t1', { id: 'r1' });
    for (const id of ['t1', 'r1']) {
      refusal(await session.post(id), 'not_pending');
      refusal(await session.void(id), 'not_pending');
    }
    refusal(await session.post('nothing'), 'transaction_not_found');
  });

  test('a copy of a hold that has ended is a duplicate', async () => {
    const { session } = await opened();
    const first = must(await session.transaction(HOLD));
    await session.transaction({ ...HOLD, id: 'h2' });
    await session.post('h1');
    await session.void('h2');
    const { balances: _, ...rest } = first;
    expect(await session.transaction(HOLD)).toEqual({
      ok: true,
      created: false,
      body: { ...rest, duplicate: true },
    });
    expect(await answer(session.transaction({ ...HOLD, id: 'h2' }))).toBe('duplicate');
    refusal(await session.transaction({ ...HOLD, amount: 5 }), 'id_reused');
    refusal(await session.transaction({ ...HOLD, pending: false }), 'id_reused');
  });
});

describe('a hold that expires', () => {
  test('gives back what it reserved, is logged, and answers every end with it', async () => {
    const { session } = await opened();
    const asked = Date.now();
    const { committed_at } = must(await session.transaction({ ...HOLD, pending: { expires_in: 1 } }));
    const expiresAt = Date.parse(must(await session.status('h1')).pending!.expires_at!);
    expect(Math.abs(expiresAt - Date.parse(committed_at) - 1000)).toBeLessThan(500);
    expect(expiresAt - asked).toBeLessThan(60_000);
    const status = await until('the expiry', async () => {
      const body = must(await session.status('h1'));
      return body.status === 'expired' && body;
    });
    expect(status.end).toMatchObject({ status: 'expired' });
    expect(status.end!.lsn).toBeGreaterThan(status.lsn);
    expect(Date.parse(status.end!.committed_at)).toBeGreaterThanOrEqual(expiresAt);
    expect(must(await session.balance('till'))).toMatchObject({ balance: 0n, debits_pending: 0n });
    refusal(await session.post('h1'), 'expired');
    refusal(await session.void('h1'), 'expired');
    refusal(await session.reverse('h1', { id: 'r1' }), 'not_posted');
    expect(await answer(session.transaction({ ...HOLD, pending: { expires_in: 1 } }))).toBe('duplicate');
  });

  test('expires on a frozen account as well', async () => {
    const { session } = await opened();
    await session.transaction({ ...HOLD, pending: { expires_in: 1 } });
    await session.updateAccount('till', { frozen: true });
    await until('the expiry', async () => must(await session.balance('till')).debits_pending === 0n);
    expect(must(await session.status('h1')).status).toBe('expired');
  });

  test('does not, once it was captured in time', async () => {
    const { session } = await opened();
    await session.transaction({ ...HOLD, id: 'other', pending: { expires_in: 1 } });
    await session.transaction({ ...HOLD, pending: { expires_in: 3600 } });
    expect(codeOf(await session.post('h1'))).toBe('ok');
    await until('the other to expire', async () => must(await session.status('other')).status === 'expired');
    expect(must(await session.status('h1')).status).toBe('posted');
  });
});

describe('a tombstone', () => {
  test('is what a void leaves of an id that was never seen; every later copy finds it', async () => {
    const { session } = await opened();
    const outcome = await session.void('t1');
    expect(outcome).toMatchObject({ ok: true, created: true, body: { id: 't1', status: 'voided' } });
    const { pending: _, ...sale } = HOLD;
    for (const body of [HOLD, sale, { ...sale, amount: 5 }]) {
      refusal(await session.transaction({ ...body, id: 't1' }), 'already_voided');
    }
    await move(session, 't2', 'till', 'card', 5);
    refusal(await session.reverse('t2', { id: 't1' }), 'already_voided');
    refusal(await session.post('t1'), 'already_voided');
    refusal(await session.reverse('t1', { id: 'r1' }), 'not_posted');
    expect(must(await session.void('t1'))).toMatchObject({ status: 'voided', lsn: must(outcome).lsn });
    expect(must(await session.status('t1'))).toMatchObject({ id: 't1', status: 'voided', by: 'ann' });
    expect(must(await session.balance('till')).balance).toBe(5n);
  });

  test('settles an id whose delivery was refused', async () => {
    const { session } = await opened();
    refusal(await session.transaction({ ...HOLD, debit: 'nobody' }), 'account_not_found');
    expect(await session.void('h1')).toMatchObject({ ok: true, created: true });
    refusal(await session.transaction(HOLD), 'already_voided');
  });
});
