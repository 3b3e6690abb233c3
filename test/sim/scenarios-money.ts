import { a, b, bank, c, funded, type Scenario, x, y, z } from './scenario.js';

/** Money that moves, copies, and changes of accounts meanwhile. */
export const MONEY_SCENARIOS: readonly Scenario[] = [
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
];
