import type { Maker } from './maker.js';
import type { Item, Posted } from './small-clients.js';

/**
 * The small worlds whose every schedule is searched. Accounts: x at home on shard 0, y on shard 1, z on shard 2; `bank` is without a
 * limit, on the last shard. Transactions: a, b, c …, at home on the shard that their scenario says.
 */

/** A durable fact that a reversal is about. */
export interface Fact {
  readonly lsn: number;
  readonly record: Uint8Array;
}

export interface Scenario {
  readonly name: string;
  readonly shards: number;
  /** Quick enough for `npm test`. */
  readonly isQuick?: boolean;
  /** The rings to the writer hold one record. */
  readonly isTight?: boolean;
  /** The rings of commands hold two small ones. */
  readonly isNarrow?: boolean;
  /** Actors sleep and are woken by their bells. */
  readonly withBells?: boolean;
  /** Interruptions at most, where the number asked for is more than can be searched in minutes. */
  readonly interruptionsMax?: number;
  /** What is durable before. */
  before(m: Maker): readonly Posted[];
  /** By client, what is done at once. */
  atOnce(m: Maker, fact: (id: string) => Fact): readonly (readonly Item[])[];
}

/** x with some money, y without, and the bank. */
function funded(m: Maker, amount: number): Posted[] {
  const bank = m.on(m.shards - 1, 'bank');
  const list = [m.account(m.on(0, 'x')), m.account(m.on(1, 'y')), m.account(bank, { min_balance: null })];
  if (m.shards > 2) list.push(m.account(m.on(2, 'z')));
  if (amount > 0) list.push(m.move('fund', m.on(0, 'x'), bank, amount));
  return list;
}

const x = (m: Maker) => m.on(0, 'x');
const y = (m: Maker) => m.on(1, 'y');
const z = (m: Maker) => m.on(2, 'z');
const bank = (m: Maker) => m.on(m.shards - 1, 'bank');
/** A transaction at home on a shard. */
const a = (m: Maker, shard: number) => m.on(shard, 'a');
const b = (m: Maker, shard: number) => m.on(shard, 'b');
const c = (m: Maker, shard: number) => m.on(shard, 'c');

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'scarce money from two sides',
    shards: 2,
    isQuick: true,
    before: (m) => funded(m, 10),
    atOnce: (m) => [[m.move(a(m, 0), y(m), x(m), 10)], [m.move(b(m, 1), y(m), x(m), 10)]],
  },
  {
    name: 'scarce money, and the writer has room for one record',
    shards: 2,
    isTight: true,
    before: (m) => funded(m, 10),
    atOnce: (m) => [[m.move(a(m, 0), y(m), x(m), 6)], [m.move(b(m, 1), y(m), x(m), 4), m.read(x(m))]],
  },
  {
    name: 'scarce money, actors that sleep and are woken',
    shards: 2,
    withBells: true,
    before: (m) => funded(m, 10),
    atOnce: (m) => [[m.move(a(m, 0), y(m), x(m), 10)], [m.move(b(m, 1), y(m), x(m), 10)]],
  },
  {
    name: 'a shortage while a deposit is under way, which is not enough',
    shards: 2,
    before: (m) => funded(m, 0),
    atOnce: (m) => [
      [m.move(a(m, 1), x(m), bank(m), 5)],
      [m.move(b(m, 1), y(m), x(m), 7)],
      [m.move(c(m, 0), y(m), x(m), 5)],
    ],
  },
  {
    name: 'a shortage behind another, and a read',
    shards: 2,
    isQuick: true,
    before: (m) => funded(m, 4),
    atOnce: (m) => [[m.move(a(m, 1), y(m), x(m), 4)], [m.move(b(m, 0), y(m), x(m), 9)], [m.read(x(m))]],
  },
  {
    name: 'a shortage beside a sale that fails on the higher shard',
    shards: 2,
    before: (m) => [...funded(m, 10), m.account(m.on(1, 'full'), { max_balance: 3 })],
    atOnce: (m) => [
      [m.move(a(m, 0), m.on(1, 'full'), x(m), 8)],
      [m.move(b(m, 1), y(m), x(m), 9)],
      [m.move(c(m, 0), y(m), x(m), 12)],
    ],
  },
  {
    name: 'opposite transfers, both short',
    shards: 2,
    isQuick: true,
    before: (m) => funded(m, 0),
    atOnce: (m) => [[m.move(a(m, 0), y(m), x(m), 3)], [m.move(b(m, 1), x(m), y(m), 3)]],
  },
  {
    name: 'opposite transfers, each of which the other makes possible',
    shards: 2,
    before: (m) => funded(m, 5),
    atOnce: (m) => [
      [m.move(a(m, 1), y(m), x(m), 5), m.read(x(m))],
      [m.move(b(m, 0), x(m), y(m), 5), m.read(y(m))],
    ],
  },
  {
    name: 'a way through three shards, where each needs what another brings',
    shards: 3,
    before: (m) => funded(m, 5),
    atOnce: (m) => [[m.move(a(m, 2), y(m), x(m), 5)], [m.move(b(m, 0), z(m), y(m), 5)]],
  },
  {
    name: 'a circle over three shards',
    shards: 3,
    before: (m) => funded(m, 5),
    atOnce: (m) => [
      [m.move(a(m, 2), y(m), x(m), 5)],
      [m.move(b(m, 0), z(m), y(m), 5)],
      [m.move(c(m, 1), x(m), z(m), 5)],
    ],
  },
  {
    name: 'a transaction over three shards against one over two',
    shards: 3,
    before: (m) => funded(m, 6),
    atOnce: (m) => [
      [
        m.postings(a(m, 1), [
          { account: x(m), credit: 6 },
          { account: y(m), debit: 2 },
          { account: z(m), debit: 4 },
        ]),
      ],
      [m.move(b(m, 2), x(m), z(m), 4)],
    ],
  },
  {
    name: 'copies of one id',
    shards: 2,
    isQuick: true,
    before: (m) => funded(m, 5),
    atOnce: (m) => [
      [m.move(a(m, 0), y(m), x(m), 5)],
      [m.move(a(m, 0), y(m), x(m), 5)],
      [m.move(a(m, 0), y(m), x(m), 5), m.lookup(a(m, 0))],
    ],
  },
  {
    name: 'copies of one id, the first of which is refused',
    shards: 2,
    before: (m) => funded(m, 0),
    atOnce: (m) => [
      [m.move(a(m, 1), y(m), x(m), 5)],
      [m.move(a(m, 1), y(m), x(m), 5)],
      [m.move(b(m, 0), x(m), bank(m), 5)],
    ],
  },
  {
    name: 'one id with two bodies',
    shards: 2,
    isQuick: true,
    before: (m) => funded(m, 9),
    atOnce: (m) => [
      [m.move(a(m, 1), y(m), x(m), 5)],
      [m.move(a(m, 1), y(m), x(m), 4)],
      [m.lookup(a(m, 1)), m.read(x(m))],
    ],
  },
  {
    name: 'a shortage against a freeze',
    shards: 2,
    before: (m) => funded(m, 5),
    atOnce: (m) => [
      [m.move(a(m, 1), y(m), x(m), 5)],
      [m.move(b(m, 0), y(m), x(m), 6)],
      [m.update(x(m), { frozen: true })],
    ],
  },
  {
    name: 'a freeze between two sales, and a thaw',
    shards: 2,
    before: (m) => funded(m, 5),
    atOnce: (m) => [
      [m.move(a(m, 1), y(m), x(m), 2), m.move(b(m, 1), y(m), x(m), 2)],
      [m.update(y(m), { frozen: true }), m.update(y(m), { frozen: false })],
    ],
  },
  {
    name: 'a limit that changes while money moves',
    shards: 2,
    before: (m) => funded(m, 5),
    atOnce: (m) => [
      [m.move(a(m, 1), y(m), x(m), 5)],
      [m.update(x(m), { min_balance: -5 })],
      [m.move(b(m, 0), y(m), x(m), 5)],
    ],
  },
  {
    name: 'a maximum that is set while money comes',
    shards: 2,
    isQuick: true,
    before: (m) => funded(m, 5),
    atOnce: (m) => [
      [m.move(a(m, 0), y(m), x(m), 3)],
      [m.update(y(m), { max_balance: 2 })],
      [m.read(y(m)), m.read(x(m))],
    ],
  },
  {
    name: 'an account closed while its last money leaves',
    shards: 2,
    before: (m) => funded(m, 5),
    atOnce: (m) => [
      [m.move(a(m, 1), y(m), x(m), 5)],
      [m.update(x(m), { closed: true })],
      [m.move(b(m, 1), x(m), bank(m), 1)],
    ],
  },
  {
    name: 'two reversals of one original',
    shards: 2,
    isQuick: true,
    before: (m) => [...funded(m, 10), m.move(m.on(0, 'sale'), y(m), x(m), 6)],
    atOnce: (m, fact) => [
      [m.reversal(a(m, 1), fact(m.on(0, 'sale')))],
      [m.reversal(b(m, 0), fact(m.on(0, 'sale')), 3)],
      [m.lookup(m.on(0, 'sale'))],
    ],
  },
  {
    name: 'three reversals of one original',
    shards: 2,
    before: (m) => [...funded(m, 10), m.move(m.on(0, 'sale'), y(m), x(m), 6)],
    atOnce: (m, fact) => [
      [m.reversal(a(m, 1), fact(m.on(0, 'sale')), 4)],
      [m.reversal(b(m, 0), fact(m.on(0, 'sale')), 3)],
      [m.reversal(c(m, 1), fact(m.on(0, 'sale')), 2)],
    ],
  },
  {
    name: 'two reversals of an original whose money was spent',
    shards: 2,
    before: (m) => [...funded(m, 10), m.move(m.on(1, 'sale'), y(m), x(m), 6)],
    atOnce: (m, fact) => [
      [m.reversal(a(m, 0), fact(m.on(1, 'sale')), 4)],
      [m.reversal(b(m, 1), fact(m.on(1, 'sale')), 3)],
      [m.move(c(m, 0), x(m), y(m), 2)],
    ],
  },
  {
    name: 'a reversal from a third shard',
    shards: 3,
    before: (m) => [...funded(m, 10), m.move(m.on(2, 'sale'), y(m), x(m), 6)],
    atOnce: (m, fact) => [
      [m.reversal(a(m, 1), fact(m.on(2, 'sale')), 4)],
      [m.reversal(b(m, 0), fact(m.on(2, 'sale')), 4)],
    ],
  },
  {
    name: 'a shortage that the void of a hold would end',
    shards: 2,
    before: (m) => [...funded(m, 5), m.move(m.on(1, 'hold'), y(m), x(m), 5, {})],
    atOnce: (m) => [[m.void(m.on(1, 'hold'))], [m.post(m.on(1, 'hold'))], [m.move(b(m, 0), y(m), x(m), 5)]],
  },
  {
    name: 'post against freeze against reversal',
    shards: 2,
    before: (m) => [
      ...funded(m, 10),
      m.move(m.on(0, 'sale'), y(m), x(m), 4),
      m.move(m.on(1, 'hold'), y(m), x(m), 5, {}),
    ],
    atOnce: (m, fact) => [
      [m.post(m.on(1, 'hold'), { amount: 3 })],
      [m.update(y(m), { frozen: true })],
      [m.reversal(a(m, 1), fact(m.on(0, 'sale')))],
    ],
  },
  {
    name: 'a hold that expires while its money is wanted',
    shards: 2,
    isQuick: true,
    before: (m) => [...funded(m, 5), m.move(m.on(1, 'hold'), y(m), x(m), 5, { expires_in: 1 })],
    atOnce: (m) => [[{ passMs: 1500 }], [m.move(b(m, 0), y(m), x(m), 5)], [m.read(x(m))]],
  },
  {
    name: 'a hold that expires while it is posted',
    shards: 2,
    before: (m) => [...funded(m, 5), m.move(m.on(0, 'hold'), y(m), x(m), 5, { expires_in: 1 })],
    atOnce: (m) => [
      [{ passMs: 1500 }, { passMs: 1500 }],
      [m.post(m.on(0, 'hold'), { amount: 2 })],
      [m.void(m.on(0, 'hold'))],
    ],
  },
  {
    name: 'a void against the freeze of an account that others want to use',
    shards: 2,
    before: (m) => [...funded(m, 5), m.move(m.on(1, 'hold'), y(m), x(m), 4, {})],
    atOnce: (m) => [
      [m.void(m.on(1, 'hold'))],
      [m.update(x(m), { frozen: true })],
      [m.move(b(m, 1), y(m), x(m), 3)],
    ],
  },
  {
    name: 'a tombstone against a late copy',
    shards: 2,
    isQuick: true,
    before: (m) => funded(m, 5),
    atOnce: (m) => [
      [m.move(a(m, 1), y(m), x(m), 5)],
      [m.void(a(m, 1)), m.move(a(m, 1), y(m), x(m), 5)],
      [m.lookup(a(m, 1))],
    ],
  },
  {
    name: 'a tombstone against a late hold and its post',
    shards: 2,
    before: (m) => funded(m, 5),
    atOnce: (m) => [[m.move(a(m, 0), y(m), x(m), 5, {})], [m.void(a(m, 0))], [m.post(a(m, 0)), m.read(x(m))]],
  },
  {
    name: 'two readers of two accounts during a transfer',
    shards: 2,
    isQuick: true,
    before: (m) => funded(m, 5),
    atOnce: (m) => [
      [m.move(a(m, 1), y(m), x(m), 5)],
      [m.read(x(m)), m.read(y(m))],
      [m.read(y(m)), m.read(x(m))],
    ],
  },
  {
    name: 'two readers during two transfers',
    shards: 2,
    interruptionsMax: 1,
    before: (m) => funded(m, 5),
    atOnce: (m) => [
      [m.move(a(m, 0), y(m), x(m), 3)],
      [m.move(b(m, 1), y(m), x(m), 2)],
      [m.read(x(m)), m.read(y(m))],
      [m.read(y(m)), m.read(x(m))],
    ],
  },
  {
    name: 'a read of what was told through another shard',
    shards: 2,
    before: (m) => funded(m, 5),
    atOnce: (m) => [
      [m.move(a(m, 1), y(m), x(m), 5), m.read(x(m)), m.read(y(m))],
      [m.move(b(m, 0), y(m), bank(m), 1), m.read(y(m))],
    ],
  },
  {
    name: 'a batch whose entries share accounts',
    shards: 2,
    isQuick: true,
    before: (m) => funded(m, 5),
    atOnce: (m) => [
      [
        {
          batch: [
            m.move(a(m, 1), y(m), x(m), 5),
            m.move(b(m, 0), x(m), y(m), 4),
            m.move(c(m, 1), y(m), x(m), 4),
          ],
        },
      ],
    ],
  },
  {
    name: 'a batch whose entries share an id, against a copy',
    shards: 2,
    before: (m) => funded(m, 9),
    atOnce: (m) => [
      [
        {
          batch: [
            m.move(a(m, 0), y(m), x(m), 5),
            m.move(a(m, 0), y(m), x(m), 4),
            m.move(b(m, 1), y(m), x(m), 4),
          ],
        },
      ],
      [m.move(a(m, 0), y(m), x(m), 4)],
    ],
  },
  {
    name: 'a batch with a local entry whose id is in flight from another client',
    shards: 2,
    isQuick: true,
    before: (m) => [...funded(m, 4), m.account(m.on(0, 'w'))],
    atOnce: (m) => [
      [
        {
          batch: [m.move(a(m, 0), m.on(0, 'w'), x(m), 4), m.move(b(m, 0), m.on(0, 'w'), x(m), 4)],
        },
      ],
      [m.move(a(m, 0), x(m), y(m), 7)],
    ],
  },
  {
    name: 'a batch that finds the ring of commands full',
    shards: 2,
    isQuick: true,
    isNarrow: true,
    before: (m) => [...funded(m, 4), m.account(m.on(0, 'w'))],
    atOnce: (m) => [
      [
        {
          batch: [
            m.longMove(a(m, 0), m.on(0, 'w'), x(m), 1),
            m.longMove(b(m, 0), m.on(0, 'w'), x(m), 3),
            m.move(c(m, 0), m.on(0, 'w'), x(m), 3),
          ],
        },
      ],
    ],
  },
];
