import type { Maker } from './maker.js';
import type { Item, Posted } from './small-clients.js';

/**
 * A small world whose every schedule is searched. Accounts: x at home on shard 0, y on shard 1, z on shard 2; `bank` is without a
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
export function funded(m: Maker, amount: number): Posted[] {
  const bank = m.on(m.shards - 1, 'bank');
  const list = [m.account(m.on(0, 'x')), m.account(m.on(1, 'y')), m.account(bank, { min_balance: null })];
  if (m.shards > 2) list.push(m.account(m.on(2, 'z')));
  if (amount > 0) list.push(m.move('fund', m.on(0, 'x'), bank, amount));
  return list;
}

export const x = (m: Maker) => m.on(0, 'x');
export const y = (m: Maker) => m.on(1, 'y');
export const z = (m: Maker) => m.on(2, 'z');
export const bank = (m: Maker) => m.on(m.shards - 1, 'bank');
/** A transaction at home on a shard. */
export const a = (m: Maker, shard: number) => m.on(shard, 'a');
export const b = (m: Maker, shard: number) => m.on(shard, 'b');
export const c = (m: Maker, shard: number) => m.on(shard, 'c');
