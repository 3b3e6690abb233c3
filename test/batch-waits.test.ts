import { describe, expect, test } from 'vitest';
import { codeName } from '../engine/codes.js';
import { encodeAccount } from '../src/ledger/account-requests.js';
import { prefixOf } from '../src/ledger/caller.js';
import { CommandEncoder } from '../src/ledger/encoder.js';
import { encodeTransaction } from '../src/ledger/requests.js';
import { Dice } from './support/dice.js';
import { composed, KEY, type Sent, World } from './support/world.js';

/** The order of a batch at a shard that the batch was left to. */

const encoder = new CommandEncoder();
const prefix = prefixOf({ tenant: 'shop', by: 'ann' }, KEY, true);

describe('an entry of a batch', () => {
  /** A command of a world of two shards, with the number of its batch. */
  function command(id: string, body: { debit: string; credit: string; amount: number }, batch: number): Sent {
    const fault = encodeTransaction(encoder, prefix, { id, ...body }, 0);
    if (fault !== undefined) throw new Error(fault.detail);
    encoder.argument = batch;
    return composed(encoder, 2, 'shop', 'ann', id);
  }

  function account(id: string, min_balance: number | null): Sent {
    encodeAccount(encoder, prefix, { id, currency: 'EUR', type: 'asset', min_balance });
    return composed(encoder, 2, 'shop', 'ann', id);
  }

  /** The n-th name of a kind that belongs to a shard. */
  function on(shard: number, kind: string): string {
    for (let i = 0; ; i++) if (account(`${kind}${i}`, 0).shard === shard) return `${kind}${i}`;
  }

  test('does not overtake one before it that waits for its id', () => {
    const world = new World(2, 4, new Dice(1));
    const [house, purse, sale, spending] = [on(0, 'house'), on(0, 'purse'), on(0, 'sale'), on(0, 'spending')];
    world.send(account(house, null));
    world.send(account(purse, 0));
    world.rest();
    // Another terminal's body under the same id asks the other shard, which will refuse it.
    world.send(command(sale, { debit: on(1, 'nobody'), credit: house, amount: 1 }, 0));
    world.step(0);
    world.send(command(sale, { debit: purse, credit: house, amount: 10 }, 7));
    world.send(command(spending, { debit: house, credit: purse, amount: 10 }, 7));
    world.step(0);
    world.rest();
    const codes = world.replies.slice(-3).map(({ code }) => codeName(code));
    expect(codes).toEqual(['account_not_found', 'ok', 'ok']);
    const [first, second] = world.replies.slice(-2);
    expect([first!.sent.id, second!.sent.id]).toEqual([sale, spending]);
    expect(second!.lsn).toBe(first!.lsn + 1);
  });
});
