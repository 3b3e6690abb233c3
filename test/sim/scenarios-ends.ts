import { a, b, bank, c, funded, type Scenario, x, y } from './scenario.js';

/** Reversals, holds and their ends, tombstones, reads meanwhile, batches. */
export const ENDS_SCENARIOS: readonly Scenario[] = [
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
    name: 'a void against a deposit, and a read',
    shards: 2,
    isQuick: true,
    before: (m) => [...funded(m, 5), m.move(m.on(1, 'hold'), y(m), x(m), 4, {})],
    atOnce: (m) => [[m.void(m.on(1, 'hold'))], [m.move(b(m, 0), x(m), bank(m), 3)], [m.read(x(m))]],
  },
  {
    name: 'two deposits from two sides, and a read',
    shards: 2,
    before: (m) => funded(m, 5),
    atOnce: (m) => [[m.move(a(m, 1), x(m), bank(m), 2)], [m.move(b(m, 0), x(m), bank(m), 3)], [m.read(x(m))]],
  },
  {
    name: 'two deposits from two sides, and a spending that is short without one',
    shards: 2,
    before: (m) => [...funded(m, 0), m.account(m.on(0, 'w'))],
    atOnce: (m) => [
      [m.move(a(m, 1), x(m), bank(m), 2)],
      [m.move(b(m, 0), x(m), bank(m), 3)],
      [m.move(c(m, 0), m.on(0, 'w'), x(m), 4)],
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
