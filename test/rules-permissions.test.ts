import { describe, expect, test } from 'vitest';
import type { Permission } from '../src/session.js';
import { accounts, answer, codeOf, must, ROLES, refusal, shopsOf } from './support/ledger.js';

/** Who may do what: the contract's roles, approvals and account prefixes. */

const shop = shopsOf(2);
const SALE = { id: 't1', debit: 'till', credit: 'sales', amount: 100 };

async function opened() {
  const made = shop();
  await accounts(made.session, ['till', 'sales', '{x}:other']);
  const as = (by: string, role: keyof typeof ROLES) => made.as(by, { permissions: ROLES[role] });
  return { ...made, role: as };
}

describe('a permission', () => {
  test('that is missing is named', async () => {
    const { session, as } = await opened();
    await session.transaction(SALE);
    await session.transaction({ ...SALE, id: 'h1', pending: true });
    const none = as('nobody', { permissions: new Set() });
    const attempts: [Permission, Promise<unknown>][] = [
      ['accounts:create', none.createAccount({ id: 'x', currency: 'EUR', type: 'asset' })],
      ['accounts:read', none.account('till')],
      ['accounts:read', none.balance('till')],
      ['accounts:update', none.updateAccount('till', { frozen: true })],
      ['transactions:create', none.transaction({ ...SALE, id: 't2' })],
      ['transactions:read', none.status('t1')],
      ['transactions:reverse', none.reverse('t1', { id: 'r1' })],
    ];
    for (const [permission, outcome] of attempts) {
      expect(await outcome).toMatchObject({ ok: false, code: 'forbidden', permission });
    }
    refusal(await none.post('h1'), 'forbidden');
    refusal(await none.void('h1'), 'forbidden');
    refusal(await none.void('never-seen'), 'forbidden');
    expect(await answer(session.status('never-seen'))).toBe('transaction_not_found');
    expect(must(await session.account('till'))).toMatchObject({ frozen: false, balance: 100n });
  });

  test('of a pos: creates, holds, ends its own, voids, asks status and balances, and no more', async () => {
    const { session, role } = await opened();
    const [pos, other] = [role('p1', 'pos'), role('p2', 'pos')];
    expect(await answer(pos.transaction(SALE))).toBe('ok');
    for (const id of ['h1', 'h2', 'h3']) await pos.transaction({ ...SALE, id, pending: true });
    expect(codeOf(await pos.post('h1'))).toBe('ok');
    expect(codeOf(await pos.void('h2'))).toBe('ok');
    expect(codeOf(await pos.void('never-seen'))).toBe('ok');
    expect(codeOf(await other.status('h3'))).toBe('ok');
    expect(codeOf(await other.balance('till'))).toBe('ok');
    refusal(await other.post('h3'), 'forbidden');
    refusal(await other.void('h3'), 'forbidden');
    refusal(await pos.reverse('t1', { id: 'r1' }), 'forbidden');
    refusal(await pos.createAccount({ id: 'x', currency: 'EUR', type: 'asset' }), 'forbidden');
    refusal(await pos.updateAccount('till', { frozen: true }), 'forbidden');
    expect(codeOf(await role('t', 'teller').post('h3'))).toBe('ok');
    expect(must(await session.status('h3')).end?.by).toBe('t');
  });

  test('of an auditor: reads, and changes nothing', async () => {
    const { session, role } = await opened();
    await session.transaction(SALE);
    const auditor = role('eve', 'auditor');
    expect(codeOf(await auditor.status('t1'))).toBe('ok');
    expect(codeOf(await auditor.account('till'))).toBe('ok');
    refusal(await auditor.transaction({ ...SALE, id: 't2' }), 'forbidden');
    const batch = await auditor.batch({ transactions: [{ ...SALE, id: 't2' }] });
    if (batch.ok) expect(batch.body.results[0]).toMatchObject({ ok: false, code: 'forbidden' });
    else expect(batch.code).toBe('forbidden');
    refusal(await session.status('t2'), 'transaction_not_found');
  });

  test('is no content: a copy by someone else is a duplicate, and so is the same end', async () => {
    const { session, as } = await opened();
    await session.transaction(SALE);
    await session.transaction({ ...SALE, id: 'h1', pending: true });
    const posted = await session.post('h1');
    const bob = as('bob', { terminal: 'till-9' });
    expect(await answer(bob.transaction(SALE))).toBe('duplicate');
    expect(await bob.post('h1')).toEqual(posted);
    expect(must(await session.status('t1')).by).toBe('ann');
  });
});

describe('an approval', () => {
  const PAYOUT = { ...SALE, id: 'h1', pending: { approval: true } };

  test('is posted only by someone who may approve and did not create it', async () => {
    const { as, role } = await opened();
    const creator = as('creator');
    await creator.transaction(PAYOUT);
    expect(must(await creator.status('h1')).pending).toMatchObject({ approval: true });
    refusal(await creator.post('h1'), 'forbidden');
    const teller = refusal(await role('bob', 'teller').post('h1'), 'forbidden');
    expect(teller.permission).toBe('transactions:approve');
    const posted = must(await role('eve', 'approver').post('h1', { amount: 60 }));
    expect(posted).toMatchObject({ status: 'posted', by: 'creator', end: { by: 'eve' } });
  });

  test('is voided only by its creator or by someone who may approve', async () => {
    const { role } = await opened();
    const creator = role('creator', 'pos');
    for (const id of ['h1', 'h2']) await creator.transaction({ ...PAYOUT, id });
    refusal(await role('bob', 'teller').void('h1'), 'forbidden');
    expect(codeOf(await creator.void('h1'))).toBe('ok');
    expect(codeOf(await role('eve', 'approver').void('h2'))).toBe('ok');
  });

  test('may have a time limit too', async () => {
    const { session, role } = await opened();
    await session.transaction({ ...PAYOUT, pending: { approval: true, expires_in: 60 } });
    expect(must(await session.status('h1')).pending).toMatchObject({ approval: true });
    expect(must(await session.status('h1')).pending?.expires_at).toBeDefined();
    expect(codeOf(await role('eve', 'approver').post('h1'))).toBe('ok');
  });
});

describe('a caller of some accounts', () => {
  test('debits, credits and reads those of its prefixes and no others', async () => {
    const { session, as } = await opened();
    const clerk = as('clerk', { accounts: ['till', 'sal'] });
    expect(await answer(clerk.transaction(SALE))).toBe('ok');
    refusal(await clerk.transaction({ ...SALE, id: 't2', credit: '{x}:other' }), 'forbidden');
    refusal(await clerk.transaction({ ...SALE, id: 't2', debit: '{x}:other' }), 'forbidden');
    refusal(await clerk.balance('{x}:other'), 'forbidden');
    refusal(await clerk.account('{x}:other'), 'forbidden');
    expect(codeOf(await clerk.balance('sales'))).toBe('ok');
    refusal(await session.status('t2'), 'transaction_not_found');
  });

  test('cannot move others by ending or reversing what someone else made', async () => {
    const { session, as } = await opened();
    const across = { ...SALE, credit: '{x}:other' };
    await session.transaction(across);
    await session.transaction({ ...across, id: 'h1', pending: true });
    const clerk = as('clerk', { accounts: ['till'] });
    refusal(await clerk.reverse('t1', { id: 'r1' }), 'forbidden');
    refusal(await clerk.post('h1'), 'forbidden');
    expect(must(await session.balance('{x}:other'))).toMatchObject({ balance: -100n, credits_pending: 100n });
  });
});

describe('a caller', () => {
  test('that is malformed gets no session', () => {
    const { as } = shop();
    expect(() => as('')).toThrow(RangeError);
    expect(() => as('x'.repeat(65))).toThrow(RangeError);
    expect(() => as('ann', { terminal: '\u0000' })).toThrow(RangeError);
  });
});
