import { describe, expect, test } from 'vitest';
import { CODES } from '../engine/codes.js';
import { Op } from '../engine/command.js';
import { readDetail } from '../engine/shard.js';
import { encodeAccount, encodeAccountUpdate } from '../src/ledger/account-requests.js';
import { prefixOf } from '../src/ledger/caller.js';
import { CommandEncoder, type Fault } from '../src/ledger/encoder.js';
import { encodeEnd, encodeQuestion, encodeTransaction } from '../src/ledger/requests.js';
import { Dice } from './support/dice.js';
import { composed, KEY, type Sent, World } from './support/world.js';
import { checkQuiet, checkReplies, dump, replayed } from './support/world-checks.js';

/**
 * Every schedule of small worlds: a few commands to two or three shards with one credit a pair, each command arriving at any moment, the
 * steps of the shards in any order. With KASSA_INTERRUPTIONS=1 also each with a step interrupted once, wherever it looks at shared memory, by a
 * step of another shard (minutes). Enumerated by running each schedule from the start.
 */

const TIMEOUT_MS = 3_600_000;
const INTERRUPTIONS = Number(process.env['KASSA_INTERRUPTIONS'] ?? 0);
const encoder = new CommandEncoder();
const prefix = prefixOf({ tenant: 'dev', by: 'ann' }, KEY, true);

interface Scenario {
  readonly name: string;
  readonly shards: number;
  /** Commands before, one after the other. */
  readonly before: (world: Maker) => readonly Sent[];
  /** Commands at once. */
  readonly atOnce: (world: Maker) => readonly Sent[];
}

/** Commands of a world; names are chosen by the shard they belong to. */
class Maker {
  constructor(readonly shards: number) {}

  private keep(fault: Fault | undefined, id: string): Sent {
    if (fault !== undefined) throw new Error(fault.detail);
    return composed(encoder, this.shards, 'dev', 'ann', id);
  }

  /** The n-th name of a kind that is at home on a shard. */
  on(shard: number, kind: string): string {
    for (let i = 0; ; i++) {
      const id = `${kind}${i}`;
      if (this.keep(encodeQuestion(encoder, prefix, Op.lookup, id), id).shard === shard) return id;
    }
  }

  account(
    shard: number,
    kind: string,
    bounds: { min_balance?: number | null; max_balance?: number } = {},
  ): Sent {
    const id = this.on(shard, kind);
    return this.keep(encodeAccount(encoder, prefix, { id, currency: 'EUR', type: 'asset', ...bounds }), id);
  }

  /** `to` gets, `from` gives. */
  move(id: string, to: string, from: string, amount: number, pending = false): Sent {
    const body = { id, debit: to, credit: from, amount, ...(pending ? { pending } : {}) };
    return this.keep(encodeTransaction(encoder, prefix, body, 0), id);
  }

  /** x on shard 0 with some money, y and an unbounded bank on shard 1. */
  funded(amount: number): Sent[] {
    return [
      this.account(0, 'x'),
      this.account(1, 'y'),
      this.account(1, 'bank', { min_balance: null }),
      this.move('fund', this.on(0, 'x'), this.on(1, 'bank'), amount),
    ];
  }

  read(id: string): Sent {
    return this.keep(encodeQuestion(encoder, prefix, Op.readAccount, id), id);
  }

  update(id: string, body: object): Sent {
    return this.keep(encodeAccountUpdate(encoder, prefix, id, body), id);
  }

  void(id: string): Sent {
    return this.keep(encodeEnd(encoder, prefix, Op.void, 4, id, {}), id);
  }

  post(id: string): Sent {
    return this.keep(encodeEnd(encoder, prefix, Op.post, 4, id, {}), id);
  }
}

const SCENARIOS: readonly Scenario[] = [
  {
    name: 'scarce money from two sides',
    shards: 2,
    before: (m) => m.funded(10),
    atOnce: (m) => [
      m.move(m.on(0, 'a'), m.on(1, 'y'), m.on(0, 'x'), 10),
      m.move(m.on(1, 'b'), m.on(1, 'y'), m.on(0, 'x'), 10),
    ],
  },
  {
    name: 'a shortage while a deposit is under way, which is not enough',
    shards: 2,
    before: (m) => [m.account(0, 'x'), m.account(1, 'y'), m.account(1, 'bank', { min_balance: null })],
    atOnce: (m) => [
      m.move(m.on(1, 'a'), m.on(0, 'x'), m.on(1, 'bank'), 5),
      m.move(m.on(1, 'b'), m.on(1, 'y'), m.on(0, 'x'), 7),
      m.move(m.on(0, 'c'), m.on(1, 'y'), m.on(0, 'x'), 5),
    ],
  },
  {
    name: 'a shortage behind another, and a read',
    shards: 2,
    before: (m) => m.funded(4),
    atOnce: (m) => [
      m.move(m.on(1, 'a'), m.on(1, 'y'), m.on(0, 'x'), 4),
      m.move(m.on(0, 'b'), m.on(1, 'y'), m.on(0, 'x'), 9),
      m.read(m.on(0, 'x')),
    ],
  },
  {
    name: 'a shortage beside a sale that fails on the higher shard',
    shards: 2,
    before: (m) => [
      m.account(0, 'x'),
      m.account(1, 'full', { max_balance: 3 }),
      m.account(1, 'y'),
      m.account(1, 'bank', { min_balance: null }),
      m.move('fund', m.on(0, 'x'), m.on(1, 'bank'), 10),
    ],
    atOnce: (m) => [
      m.move(m.on(0, 'a'), m.on(1, 'full'), m.on(0, 'x'), 8),
      m.move(m.on(1, 'b'), m.on(1, 'y'), m.on(0, 'x'), 9),
      m.move(m.on(0, 'c'), m.on(1, 'y'), m.on(0, 'x'), 12),
    ],
  },
  {
    name: 'opposite transfers, both short',
    shards: 2,
    before: (m) => [m.account(0, 'x'), m.account(1, 'y')],
    atOnce: (m) => [
      m.move(m.on(0, 'a'), m.on(1, 'y'), m.on(0, 'x'), 3),
      m.move(m.on(1, 'b'), m.on(0, 'x'), m.on(1, 'y'), 3),
    ],
  },
  {
    name: 'a circle over three shards, where each needs what another brings',
    shards: 3,
    before: (m) => [
      m.account(0, 'x'),
      m.account(1, 'y'),
      m.account(2, 'z'),
      m.account(2, 'bank', { min_balance: null }),
      m.move('fund', m.on(0, 'x'), m.on(2, 'bank'), 5),
    ],
    atOnce: (m) => [
      m.move(m.on(2, 'a'), m.on(1, 'y'), m.on(0, 'x'), 5),
      m.move(m.on(0, 'b'), m.on(2, 'z'), m.on(1, 'y'), 5),
    ],
  },
  {
    name: 'a shortage against a freeze',
    shards: 2,
    before: (m) => m.funded(5),
    atOnce: (m) => [
      m.move(m.on(1, 'a'), m.on(1, 'y'), m.on(0, 'x'), 5),
      m.move(m.on(0, 'b'), m.on(1, 'y'), m.on(0, 'x'), 6),
      m.update(m.on(0, 'x'), { frozen: true }),
    ],
  },
  {
    name: 'a shortage that the void of a hold would end',
    shards: 2,
    before: (m) => [...m.funded(5), m.move(m.on(1, 'hold'), m.on(1, 'y'), m.on(0, 'x'), 5, true)],
    atOnce: (m) => [
      m.void(m.on(1, 'hold')),
      m.post(m.on(1, 'hold')),
      m.move(m.on(0, 'b'), m.on(1, 'y'), m.on(0, 'x'), 5),
    ],
  },
];

/** A step of a shard (the action's number), or a command and the step that takes it; and what interrupts it at which look. */
interface Choice {
  readonly action: number;
  readonly interruption?: { readonly look: number; readonly action: number };
}

/** The world of a schedule so far. */
class Run {
  readonly world: World;
  private readonly waiting: (Sent | undefined)[];
  /** Looks at shared memory in the last action. */
  looks = 0;

  constructor(
    private readonly scenario: Scenario,
    before: readonly Sent[],
    atOnce: readonly Sent[],
  ) {
    this.world = new World(scenario.shards, 1, new Dice(1));
    this.world.atLook = () => undefined;
    for (const sent of before) {
      this.world.send(sent);
      this.world.rest();
    }
    this.waiting = [...atOnce];
  }

  /** The shard that an action is of, or undefined when its command was sent before. */
  shardOf(action: number): number | undefined {
    return action < this.scenario.shards ? action : this.waiting[action - this.scenario.shards]?.shard;
  }

  /** @returns false when the action, or its interruption, does nothing here */
  act({ action, interruption }: Choice): boolean {
    const shard = this.shardOf(action);
    if (shard === undefined) return false;
    let wasInterrupted = interruption === undefined;
    this.looks = 0;
    this.world.atLook = () => {
      if (this.looks++ !== interruption?.look) return;
      const other = this.shardOf(interruption.action);
      this.world.atLook = () => undefined;
      wasInterrupted = other !== undefined && other !== shard && this.perform(interruption.action, other);
    };
    const worked = this.perform(action, shard);
    this.world.atLook = () => undefined;
    return worked && wasInterrupted;
  }

  private perform(action: number, shard: number): boolean {
    const { shards } = this.scenario;
    if (action >= shards) {
      this.world.send(this.waiting[action - shards]!);
      this.waiting[action - shards] = undefined;
    }
    return this.world.stepWorked(shard);
  }
}

/** Runs every schedule. @returns how many there are */
function explore(scenario: Scenario): number {
  const maker = new Maker(scenario.shards);
  const before = scenario.before(maker);
  const atOnce = scenario.atOnce(maker);
  const actions = scenario.shards + atOnce.length;
  const path: Choice[] = [];
  let schedules = 0;
  const follow = (): Run => {
    const run = new Run(scenario, before, atOnce);
    for (const choice of path)
      if (!run.act(choice)) throw new Error(`the schedule ${JSON.stringify(path)} cannot be repeated`);
    return run;
  };
  /** Follows a choice, if it does something here. @returns the looks of its step, or undefined */
  const branch = (choice: Choice, interruptions: number): number | undefined => {
    const run = follow();
    if (!run.act(choice)) return undefined;
    path.push(choice);
    visit(interruptions);
    path.pop();
    return run.looks;
  };
  const visit = (interruptions: number): void => {
    let isEnd = true;
    for (let action = 0; action < actions; action++) {
      const looks = branch({ action }, interruptions);
      if (looks === undefined) continue;
      isEnd = false;
      if (interruptions === 0) continue;
      for (let look = 0; look < looks; look++) {
        for (let other = 0; other < actions; other++) {
          if (other !== action) branch({ action, interruption: { look, action: other } }, interruptions - 1);
        }
      }
    }
    if (!isEnd) return;
    schedules++;
    try {
      finish(follow().world, before.length + atOnce.length);
    } catch (error) {
      throw new Error(
        `schedule ${JSON.stringify(path)}: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  };
  visit(INTERRUPTIONS);
  return schedules;
}

function finish(world: World, commands: number): void {
  world.rest();
  checkQuiet(world);
  checkReplies(world);
  checkShortages(world);
  expect(world.replies).toHaveLength(commands);
  const live = dump(world.shards.map((shard) => shard.state));
  expect(dump(replayed(world, 1))).toBe(live);
}

/** A shortage is told with the figures of the LSN that the refusal waited for. */
function checkShortages(world: World): void {
  for (const { code, payload, wait } of world.replies) {
    if (code !== CODES.insufficient_funds.n) continue;
    const { account, available, required } = readDetail(payload, 0);
    const [state] = replayed(world, 1, wait);
    const { accounts } = state!;
    const row = Array.from({ length: accounts.count }, (_, i) => i).find(
      (i) => accounts.name(i) === account,
    )!;
    const free = accounts.balance(row) - accounts.creditsPending(row);
    expect([account, available]).toEqual([account, String(free)]);
    expect(BigInt(required)).toBeGreaterThan(free);
  }
}

describe('every schedule of a small world', { timeout: TIMEOUT_MS }, () => {
  test.each(SCENARIOS)('$name', (scenario) => {
    const schedules = explore(scenario);
    expect(schedules).toBeGreaterThan(1);
  });
});
