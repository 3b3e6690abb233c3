import { describe, expect, test } from 'vitest';
import { Op } from '../engine/command.js';
import { parseLookup } from '../src/ledger/bodies.js';
import { Dice } from './support/dice.js';
import { World } from './support/world.js';
import { checkQuiet, checkReplies, dump, replayed } from './support/world-checks.js';
import { ACCOUNTS, CommandMaker, IDS, TENANTS } from './support/world-commands.js';

/**
 * Random commands to a few shards whose every step, message and sync is interleaved at random. Everything is drawn from the seed, so a
 * failure is repeated by running its seed alone:
 *
 *   KASSA_SEED=42 npx vitest run dist/test/interleave.test.js
 */

const ONE_SEED = process.env['KASSA_SEED'];
const SEEDS = ONE_SEED === undefined ? Number(process.env['KASSA_SEEDS'] ?? 200) : 1;
const FIRST_SEED = ONE_SEED === undefined ? 1 : Number(ONE_SEED);
const TIMEOUT_MS = 600_000;
const IN_FLIGHT_MAX = 14;

/** Plays one seed until nothing moves. */
function play(seed: number): World {
  const dice = new Dice(seed);
  const world = new World(1 + dice.below(4), 1 + dice.below(3), dice);
  const maker = new CommandMaker(world);
  const late = ACCOUNTS.filter(() => dice.chance(15));
  for (const tenant of TENANTS) {
    for (const id of ACCOUNTS) if (!late.includes(id)) world.send(maker.account(id, tenant));
    if (dice.chance(80)) world.rest();
  }
  let left = 30 + dice.below(80);
  world.terminals = () => {
    if (dice.chance(10)) {
      world.now += dice.below(700);
      world.tick();
    } else if (left > 0 && world.inFlight < IN_FLIGHT_MAX) {
      left--;
      world.send(maker.next());
    }
  };
  // At rest the terminals may still have something to say.
  while (world.turn() || left > 0);
  world.terminals = () => undefined;
  world.rest();
  // What is due has expired by the second tick: a hold whose end was in flight at the first stood back.
  for (let tick = 0; tick < 2; tick++) {
    world.now += 5000;
    world.tick();
    world.rest();
  }
  return world;
}

function check(seed: number): void {
  const world = play(seed);
  checkQuiet(world);
  checkReplies(world);
  const live = dump(world.shards.map((shard) => shard.state));
  for (const shards of [1, 2, 3, 4]) expect(dump(replayed(world, shards))).toBe(live);
}

describe('shards in any interleaving', { timeout: TIMEOUT_MS }, () => {
  test('answer each command once, truthfully, keep limits at every LSN, leave nothing behind, and replay to the same state', () => {
    const failures: string[] = [];
    for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS && failures.length < 5; seed++) {
      try {
        check(seed);
      } catch (error) {
        failures.push(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    expect(failures).toEqual([]);
  });

  test('show a reversal to who was told of it, wherever in a step of the original’s home that happened', () => {
    for (let look = 0; look < 12; look++) expect(reversalsShown(look)).toEqual([4]);
  });
});

/**
 * A reversal is told, and the original then looked up, while the original's home is amid a step, at its look number `look` at a ring: it has
 * perhaps looked for settles already, and not yet for commands.
 * @returns the reversals that the lookup shows
 */
function reversalsShown(look: number): readonly number[] {
  const world = new World(2, 1, new Dice(1));
  const maker = new CommandMaker(world);
  world.atLook = () => undefined;
  const lookupOf = (id: string) => maker.question('dev', 'ann', Op.lookup, id);
  const [id, original] = [0, 1].map((shard) => IDS.find((one) => lookupOf(one).shard === shard)!) as [
    string,
    string,
  ];
  for (const account of ['{a}:usd', '{e}:usd']) world.send(maker.account(account, 'dev'));
  world.rest();
  world.send(maker.sale('dev', 'ann', original, '{a}:usd', '{e}:usd', 5));
  world.rest();
  world.send(maker.reversalOf(3, 'ann', id));
  world.step(0);
  world.step(1);

  let looks = 0;
  world.atLook = () => {
    if (looks++ !== look) return;
    for (const who of [0, 'writer', 'front'] as const) world.step(who);
    world.send(lookupOf(original));
  };
  world.step(1);
  world.atLook = () => undefined;
  world.rest();
  const told = world.replies.map(({ sent }) => sent.op);
  if (looks <= look) return [4];
  expect(told.slice(-2)).toEqual([Op.reverse, Op.lookup]);
  return parseLookup(world.replies[world.replies.length - 1]!.payload).reversals;
}
