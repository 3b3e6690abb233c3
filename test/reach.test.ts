import { describe, expect, it } from 'vitest';
import { SHARD_COUNTS, shopsOf } from './support/ledger.js';

describe.each(SHARD_COUNTS)('a token of limited reach, on %i shards', (shards) => {
  const nextShop = shopsOf(shards);

  it('never ends a hold beyond it, not even one made while it looks', async () => {
    const shop = nextShop();
    const anna = shop.session;
    const limited = shop.as('ben', { accounts: ['mine:'] });
    for (const id of ['safe', 'bank']) {
      await anna.createAccount({ id, currency: 'EUR', type: 'asset', min_balance: null });
    }
    const endings = new Set<string>();
    for (let i = 0; i < 300; i++) {
      const id = `hold:${i}`;
      const [made, ended] = await Promise.all([
        anna.transaction({ id, debit: 'safe', credit: 'bank', amount: 5, pending: true }),
        limited.void(id),
      ]);
      // Either the id was given up before it was seen, or the hold stands and the void was forbidden.
      if (made.ok) {
        expect(ended).toMatchObject({ ok: false, code: 'forbidden' });
        expect(await anna.status(id)).toMatchObject({ body: { status: 'pending' } });
      } else {
        expect(made.code).toBe('already_voided');
        expect(ended).toMatchObject({ ok: true, body: { status: 'voided' } });
      }
      endings.add(made.ok ? 'made' : 'voided');
    }
    expect(endings).toContain('made');
  });
});
