import { describe, expect, test } from 'vitest';
import type { TransactionBody } from '../engine/types.js';
import type { LedgerOptions } from '../src/ledger.js';
import type { Session } from '../src/session.js';
import {
  accounts,
  answer,
  balanceAt,
  codeOf,
  move,
  must,
  persist,
  refusal,
  SHARD_COUNTS,
  until,
  World,
} from './support/ledger.js';

/** The scenarios that break careless designs. Ids carry tags, so that with more shards they live on different ones. */

const TIMEOUT_MS = 60_000;
/** Tries of a scenario, and how many of them are under way at once. */
const TRIES = 204;
const AT_ONCE = 12;

/** Plays a scenario with numbers from 0, some at once, so that they also get into each other's way. */
async function tries(play: (n: number) => Promise<void>, count = TRIES): Promise<void> {
  for (let first = 0; first < count; first += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, (_, index) => play(first + index)));
  }
}

const sorted = (codes: readonly string[]) => [...codes].sort();

function all(...pending: Promise<Parameters<typeof codeOf>[0]>[]): Promise<string[]> {
  return Promise.all(pending.map(answer));
}

describe.each(SHARD_COUNTS)('on %i shards', { timeout: TIMEOUT_MS }, (shards) => {
  async function opened(options: Partial<LedgerOptions> = {}): Promise<{ world: World; session: Session }> {
    const world = await World.open(shards, options);
    const session = world.as();
    await accounts(session, ['{a}:till', '{b}:sales', 'house']);
    return { world, session };
  }

  test('of two reversals at once one finds nothing left, and after a restart from a checkpoint too', async () => {
    const { world, session } = await opened({ checkpointRecords: 20 });
    const winners = new Map<string, string>();
    await tries(async (n) => {
      const sale = `{s${n}}:sale`;
      await move(session, sale, '{a}:till', '{b}:sales', 100);
      const ids = [`{x${n}}:r`, `{y${n}}:r`];
      const codes = await all(...ids.map((id) => session.reverse(sale, { id })));
      expect(sorted(codes)).toEqual(['exceeds_original', 'ok']);
      winners.set(sale, ids[codes.indexOf('ok')]!);
    });
    expect(await balanceAt(session, '{a}:till')).toBe(0n);

    const { lsn } = world.ledger.stats();
    await until('a checkpoint', () => world.ledger.stats().checkpointLsn > lsn - 40, 10_000);
    await world.reopen(shards === 4 ? 2 : shards + 1);
    const after = world.as();
    await tries(async (n) => {
      const sale = `{s${n}}:sale`;
      refusal(await after.reverse(sale, { id: `{z${n}}:r`, amount: 1 }), 'exceeds_original');
      expect(await answer(after.reverse(sale, { id: winners.get(sale)! }))).toBe('duplicate');
      expect(must(await after.status(sale)).reversals?.map(({ id }) => id)).toEqual([winners.get(sale)]);
    });
    expect(await balanceAt(after, '{a}:till')).toBe(0n);
  });

  test('the reversal that finds nothing left is told so, and not that funds lack for what is gone', async () => {
    const { session } = await opened();
    await tries(async (n) => {
      const purse = `{p${n}}:purse`;
      await accounts(session, [purse], { min_balance: 0 });
      await move(session, `{s${n}}`, purse, '{b}:sales', 100);
      const codes = await all(
        ...['x', 'y'].map((tag) => session.reverse(`{s${n}}`, { id: `{${tag}${n}}:r` })),
      );
      expect(sorted(codes)).toEqual(['exceeds_original', 'ok']);
    });
  });

  test('reversals of parts at once never take more than there was', async () => {
    const { session } = await opened();
    await tries(async (n) => {
      const sale = `{s${n}}:sale`;
      await move(session, sale, '{a}:till', '{b}:sales', 100);
      const parts = [40, 40, 40, 20].map((amount, index) =>
        session.reverse(sale, { id: `{${'wxyz'[index]}${n}}:r`, amount }),
      );
      const codes = await all(...parts);
      expect(codes.filter((code) => code === 'ok').length).toBeGreaterThanOrEqual(2);
      expect(new Set(codes)).toEqual(new Set(['ok', 'exceeds_original']));
      const taken = [40, 40, 40, 20].reduce((sum, amount, i) => (codes[i] === 'ok' ? sum + amount : sum), 0);
      expect([80, 100]).toContain(taken);
    }, 120);
  });

  test('of two copies of one id at once one is the duplicate, and another body under it is refused', async () => {
    const { session } = await opened();
    let otherWon = 0;
    let expected = 0n;
    await tries(async (n) => {
      const sale = { id: `{s${n}}`, debit: '{a}:till', credit: '{b}:sales', amount: 10 };
      const outcomes = await Promise.all([
        session.transaction(sale),
        session.transaction({ ...sale, amount: 7 }),
        session.transaction({ ...sale }),
      ]);
      const codes = outcomes.map(codeOf);
      const lsns = new Set(outcomes.flatMap((outcome) => (outcome.ok ? [outcome.body.lsn] : [])));
      expect(lsns.size).toBe(1);
      if (codes[1] === 'ok') {
        otherWon += 1;
        expect(codes).toEqual(['id_reused', 'ok', 'id_reused']);
      } else {
        expect(codes[1]).toBe('id_reused');
        expect(sorted(codes)).toEqual(['duplicate', 'id_reused', 'ok']);
      }
      expected += codes[1] === 'ok' ? 7n : 10n;
    });
    expect(otherWon).toBeLessThanOrEqual(TRIES);
    expect(await balanceAt(session, '{a}:till')).toBe(expected);
  });

  test('two copies at once that lack funds are both refused, and leave the id free', async () => {
    const { session } = await opened();
    await accounts(session, ['{c}:purse'], { min_balance: 0 });
    await tries(async (n) => {
      const sale = { id: `{s${n}}`, debit: '{a}:till', credit: '{c}:purse', amount: 10 };
      const codes = await all(session.transaction(sale), session.transaction(sale));
      expect(codes).toEqual(['insufficient_funds', 'insufficient_funds']);
      refusal(await session.status(sale.id), 'transaction_not_found');
    }, 120);
  });

  test('copies of one reversal at once take once', async () => {
    const { session } = await opened();
    await tries(async (n) => {
      const sale = `{s${n}}`;
      await move(session, sale, '{a}:till', '{b}:sales', 100);
      const one = { id: `{x${n}}:r`, amount: 60 };
      const codes = await all(session.reverse(sale, one), session.reverse(sale, { ...one }));
      expect(sorted(codes)).toEqual(['duplicate', 'ok']);
      expect(await answer(session.reverse(sale, { id: `{y${n}}:r`, amount: 41 }))).toBe('exceeds_original');
    }, 120);
  });

  test('a freeze holds for everything that comes after its answer, and for nothing before', async () => {
    const { session } = await opened();
    await tries(async (n) => {
      const id = `{f${n}}:acc`;
      await accounts(session, [id]);
      const sale = (k: number) => ({ id: `{k${k}}:${n}`, debit: id, credit: '{b}:sales', amount: 1 });
      const before = [0, 1, 2].map((k) => session.transaction(sale(k)));
      const frozen = session.updateAccount(id, { frozen: true });
      const beside = [3, 4, 5].map((k) => session.transaction(sale(k)));
      expect(await answer(frozen)).toBe('ok');
      refusal(await session.transaction(sale(9)), 'account_frozen');
      const codes = await all(...before, ...beside);
      for (const code of codes) expect(['ok', 'account_frozen']).toContain(code);
      const passed = codes.filter((code) => code === 'ok').length;
      expect(must(await session.balance(id)).balance).toBe(BigInt(passed));
      await session.updateAccount(id, { frozen: false });
    }, 120);
  });

  test('of a close and a sale at once only one comes through', async () => {
    const { session } = await opened();
    await tries(async (n) => {
      const id = `{c${n}}:acc`;
      await accounts(session, [id]);
      const pending = n % 2 === 0;
      const sale = { id: `{s${n}}`, debit: id, credit: '{b}:sales', amount: 5, pending };
      const codes = await all(session.transaction(sale), session.updateAccount(id, { closed: true }));
      expect([
        ['ok', 'balance_not_zero'],
        ['account_closed', 'ok'],
      ]).toContainEqual(codes);
      const body = must(await session.account(id));
      expect(body.closed).toBe(codes[1] === 'ok');
      expect(body.debits_pending + body.balance).toBe(codes[0] === 'ok' ? 5n : 0n);
    });
  });

  test('of a limit and a sale that would break it at once only one comes through', async () => {
    const { session } = await opened();
    await tries(async (n) => {
      const id = `{l${n}}:acc`;
      await accounts(session, [id], { min_balance: -10, max_balance: 10 });
      const raise = n % 2 === 0;
      const [debit, credit] = raise ? [id, '{b}:sales'] : ['{b}:sales', id];
      const limit = raise ? { max_balance: 5 } : { min_balance: -5 };
      const sale = { id: `{s${n}}`, debit, credit, amount: 8, pending: n % 4 > 1 };
      const codes = await all(session.transaction(sale), session.updateAccount(id, limit));
      expect([
        ['ok', 'limit_exceeded'],
        [raise ? 'limit_exceeded' : 'insufficient_funds', 'ok'],
      ]).toContainEqual(codes);
    });
  });

  test('a deposit that was acknowledged can be spent at once on another session', async () => {
    const { world, session } = await opened();
    await tries(async (n) => {
      const purse = `{p${n}}:purse`;
      await accounts(session, [purse], { type: 'liability', min_balance: 0 });
      const spend = world.as('shop', 'other');
      for (const round of [0, 1, 2]) {
        await move(session, `{d${n}}:${round}`, '{a}:till', purse, 50);
        must(
          await spend.transaction({ id: `{e${n}}:${round}`, debit: purse, credit: '{b}:sales', amount: 50 }),
        );
      }
      expect(await balanceAt(spend, purse)).toBe(0n);
    }, 120);
  });

  test('a sale beside one that fails is not refused for its sake', async () => {
    const { session } = await opened();
    await accounts(session, ['{e}:empty'], { min_balance: 0 });
    await tries(async (n) => {
      const purse = `{p${n}}:purse`;
      await accounts(session, [purse], { type: 'liability', min_balance: 0 });
      await move(session, `{d${n}}`, '{a}:till', purse, 50);
      const doomed = [
        { account: purse, debit: 50 },
        { account: '{e}:empty', credit: 50 },
      ];
      const codes = await all(
        session.transaction({ id: `{x${n}}`, postings: doomed }),
        session.transaction({ id: `{y${n}}`, debit: purse, credit: '{b}:sales', amount: 50 }),
      );
      expect(codes).toEqual(['insufficient_funds', 'ok']);
    });
  });

  test('of two ends of one hold at once one wins, and the money follows it', async () => {
    const { session } = await opened();
    await tries(async (n) => {
      const till = `{t${n}}:till`;
      await accounts(session, [till]);
      const hold = `{h${n}}`;
      const body = { id: hold, debit: till, credit: '{b}:sales', amount: 10, pending: true };
      must(await session.transaction(body));
      const codes = await all(session.post(hold), session.void(hold), session.post(hold, { amount: 4 }));
      expect(codes.filter((code) => code === 'ok').length).toBe(1);
      const won = codes.indexOf('ok');
      expect(new Set(codes)).toEqual(new Set(['ok', won === 1 ? 'already_voided' : 'already_posted']));
      const after = must(await session.balance(till));
      expect(after).toMatchObject({ balance: [10n, 0n, 4n][won], debits_pending: 0n });
    });
  });

  test('a reversal beside the capture of its original is judged before or after it', async () => {
    const { session } = await opened();
    await tries(async (n) => {
      const hold = `{h${n}}`;
      const body = { id: hold, debit: '{a}:till', credit: '{b}:sales', amount: 10, pending: true };
      must(await session.transaction(body));
      const [posted, reversed] = await all(session.post(hold), session.reverse(hold, { id: `{r${n}}` }));
      expect(posted).toBe('ok');
      expect(['ok', 'not_posted']).toContain(reversed);
      if (reversed === 'not_posted') must(await session.reverse(hold, { id: `{r${n}}` }));
    });
    expect(must(await session.balance('{a}:till'))).toMatchObject({ balance: 0n, debits_pending: 0n });
  });

  test('expiry and capture at once: one of them happens', async () => {
    const { session } = await opened();
    await accounts(session, ['{p}:purse'], { type: 'liability', min_balance: 0 });
    await move(session, 'load', '{a}:till', '{p}:purse', 200);
    const holds = Array.from({ length: 200 }, (_, n) => ({
      id: `{h${n}}`,
      debit: '{p}:purse',
      credit: '{b}:sales',
      amount: 1,
      pending: { expires_in: 1 },
    }));
    const { results } = must(await session.batch({ transactions: holds }));
    expect(results.every((result) => result.ok)).toBe(true);
    const expiresAt = Date.parse(must(await session.status('{h0}')).pending!.expires_at!);
    const ends = holds.map(async ({ id }, n) => {
      const due = expiresAt + (n % 50) - 25;
      await until('the moment of expiry', () => Date.now() >= due);
      return n % 4 === 0 ? session.void(id) : session.post(id);
    });
    const outcomes = await Promise.all(ends);
    await until(
      'the last expiry',
      async () => must(await session.balance('{p}:purse')).debits_pending === 0n,
    );
    let captured = 0n;
    for (const [n, outcome] of outcomes.entries()) {
      const due = outcome.ok ? outcome.body.status : 'expired';
      if (!outcome.ok) expect(outcome.code).toBe('expired');
      expect(must(await session.status(holds[n]!.id)).status).toBe(due);
      if (due === 'posted') captured += 1n;
    }
    expect(must(await session.balance('{p}:purse'))).toMatchObject({
      balance: 200n - captured,
      available: 200n - captured,
    });
  });

  test('opposite transfers with many in flight all come to an end and lose nothing', async () => {
    const { session } = await opened();
    const ends = ['{a}:left', '{b}:right', '{c}:up', '{d}:down'];
    await accounts(session, ends, { min_balance: 0 });
    for (const id of ends) await move(session, `load-${id}`, id, 'house', 20);
    const pending = Array.from({ length: 4000 }, (_, n) => {
      const [from, to] = [ends[n % 4]!, ends[(n + 1 + (n % 3)) % 4]!];
      const body = { id: `{${n % 7}}:${n}`, debit: to, credit: from, amount: 1 + (n % 9) };
      return answer(persist(() => session.transaction(body)));
    });
    const codes = new Set(await Promise.all(pending));
    codes.delete('insufficient_funds');
    expect([...codes]).toEqual(['ok']);
    let sum = 0n;
    for (const id of ends) {
      const balance = await balanceAt(session, id);
      expect(balance).toBeGreaterThanOrEqual(0n);
      sum += balance;
    }
    expect(sum).toBe(80n);
  });

  test('after a void no late copy does anything, whichever came first', async () => {
    const { session } = await opened();
    let expected = 0n;
    await tries(async (n) => {
      const pending = n % 3 === 0;
      const sale = { id: `{s${n}}`, debit: '{a}:till', credit: '{b}:sales', amount: 3, pending };
      const [sold, given] = await Promise.all([session.transaction(sale), session.void(sale.id)]);
      const late = await answer(session.transaction(sale));
      const status: TransactionBody = must(await session.status(sale.id));
      if (sold.ok) {
        expect(late).toBe('duplicate');
        expect(codeOf(given)).toBe(pending ? 'ok' : 'not_pending');
        expect(status.status).toBe(pending ? 'voided' : 'posted');
        if (!pending) expected += 3n;
      } else {
        expect([sold.code, late]).toEqual(['already_voided', 'already_voided']);
        expect(given).toMatchObject({ ok: true, created: true });
        expect(status.status).toBe('voided');
      }
    });
    expect(must(await session.balance('{a}:till'))).toMatchObject({ balance: expected, debits_pending: 0n });
  });

  test('closing answers what was accepted, keeps it, and takes nothing more', async () => {
    const { world, session } = await opened();
    const sent = Array.from({ length: 400 }, (_, n) =>
      session.transaction({ id: `{${n % 5}}:${n}`, debit: '{a}:till', credit: '{b}:sales', amount: 1 }),
    );
    const closed = world.close();
    const late = answer(session.transaction({ id: 'late', debit: '{a}:till', credit: 'house', amount: 1 }));
    const codes = await all(...sent);
    await closed;
    expect(await late).toBe('not_ready');
    expect(await answer(session.balance('house'))).toBe('not_ready');
    await world.reopen(shards === 1 ? 2 : 1);
    const after = world.as();
    for (const [n, code] of codes.entries()) {
      const found = await answer(after.status(`{${n % 5}}:${n}`));
      expect([code, found]).toEqual(code === 'ok' ? ['ok', 'ok'] : ['not_ready', 'transaction_not_found']);
    }
    const passed = codes.filter((code) => code === 'ok').length;
    expect(await balanceAt(after, '{a}:till')).toBe(BigInt(passed));
  });

  test('a balance read beside transfers is always one that was', async () => {
    const { session } = await opened();
    await accounts(session, ['{p}:one', '{q}:two'], { min_balance: 0 });
    await move(session, 'load', '{p}:one', 'house', 100);
    const moves = Array.from({ length: 600 }, (_, n) => {
      const [debit, credit] = n % 2 === 0 ? ['{q}:two', '{p}:one'] : ['{p}:one', '{q}:two'];
      return session.transaction({ id: `{${n % 5}}:${n}`, debit, credit, amount: 1 + (n % 4) });
    });
    const reads = Array.from({ length: 300 }, (_, n) => session.balance(n % 2 === 0 ? '{p}:one' : '{q}:two'));
    const made = await Promise.all(moves);
    const history = made
      .flatMap((outcome, n) => {
        if (!outcome.ok) return [];
        const amount = BigInt(1 + (n % 4));
        return [{ lsn: outcome.body.lsn, change: n % 2 === 0 ? -amount : amount }];
      })
      .sort((a, b) => a.lsn - b.lsn);
    for (const read of await Promise.all(reads)) {
      const { account, balance, lsn } = must(read);
      const until = history.filter((entry) => entry.lsn <= lsn).reduce((sum, { change }) => sum + change, 0n);
      expect(balance).toBe(account === '{p}:one' ? 100n + until : -until);
    }
  });
});
