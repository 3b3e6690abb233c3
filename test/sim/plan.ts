import { Dice, seedOf } from '../support/dice.js';
import type { Layout } from './life.js';

/*
 * What a world is made of, drawn from its seed: how it is laid out, how many things the clients do, and what goes wrong when. Each part has
 * a stream of choices of its own, so that one can be left out and the others stay as they are.
 */

export const FAULT_KINDS = [
  /** The process dies; what it wrote stays. */
  'kill',
  /** The power fails: what was not synced is lost, kept or torn. */
  'power',
  /** The ledger is closed and opened. */
  'stop',
  /** A commit fails. */
  'commit fails',
  /** The disk is full, and the log finds that before it writes. */
  'disk full',
  /** The disk becomes full in the middle of a file. */
  'no space',
  /** A bit of log or checkpoint flips while the ledger runs. */
  'rot',
  /** A bit flips while it is down. */
  'rot while down',
  /** The power fails, and the disk had only said that it synced the last batch. */
  'torn batch',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** The most common first. */
const KINDS_DRAWN: readonly FaultKind[] = [
  'power',
  'power',
  'power',
  'kill',
  'kill',
  'kill',
  'stop',
  'commit fails',
  'disk full',
  'no space',
  'rot',
  'rot while down',
  'torn batch',
];

/** What is looked at: shared memory, bytes on the disk, names on the disk. The higher ones are rarer. */
export const LOOKED = { memory: 0, bytes: 1, names: 2 } as const;
export type Looked = (typeof LOOKED)[keyof typeof LOOKED];
const LOOKS_MAX: Readonly<Record<Looked, readonly number[]>> = {
  [LOOKED.memory]: [20, 200, 1500],
  [LOOKED.bytes]: [10, 100],
  [LOOKED.names]: [5, 25],
};

/** Something that goes wrong, or a clean stop; in any case the next life has another layout. */
export interface Fault {
  /** Its number among the world's faults. */
  readonly n: number;
  readonly kind: FaultKind;
  /** It begins when the clients have come to this action. */
  readonly atAction: number;
  /** Looks until the process dies, for kinds that end in a death, and which of them are counted. */
  readonly looks: number;
  readonly counted: Looked;
  /** The power fails too when the process ends. */
  readonly isPowerLost: boolean;
  /** The starts that follow are cut off after so many looks. */
  readonly startLooks: readonly number[];
  /** What the wall clock jumps by before the next start. */
  readonly clockJumpMs: number;
  readonly layout: Layout;
}

export interface Plan {
  readonly actions: number;
  /** The chance that clients do something before a turn. */
  readonly clientsPercent: number;
  /** There are accounts before anything else happens. */
  readonly isOpened: boolean;
  readonly layout: Layout;
  readonly faults: readonly Fault[];
  /** What the last start is laid out like, after all has healed. */
  readonly lastLayout: Layout;
}

export function planOf(seed: number): Plan {
  const dice = new Dice(seedOf(seed, 'plan'));
  const actions = 60 + dice.below(180);
  const faults = 1 + dice.below(5);
  return {
    actions,
    clientsPercent: dice.pick([6, 20, 50]),
    isOpened: dice.chance(90),
    layout: layoutFrom(dice),
    faults: Array.from({ length: faults }, (_, n) =>
      faultFrom(new Dice(seedOf(seed, 'fault', n)), n, actions),
    ).sort((a, b) => a.atAction - b.atAction),
    // Clients then ask about everything at once.
    lastLayout: { ...layoutFrom(dice), inFlightMax: 500 },
  };
}

function faultFrom(dice: Dice, n: number, actions: number): Fault {
  const kind = dice.pick(KINDS_DRAWN);
  const counted = dice.pick([LOOKED.memory, LOOKED.memory, LOOKED.bytes, LOOKED.names]);
  return {
    n,
    kind,
    atAction: dice.below(actions),
    looks: dice.below(dice.pick(LOOKS_MAX[counted])),
    counted,
    isPowerLost: kind === 'power' || kind === 'torn batch' || (kind !== 'kill' && dice.chance(50)),
    startLooks: Array.from({ length: dice.pick([0, 0, 0, 1, 2]) }, () =>
      dice.below(dice.pick([10, 60, 300])),
    ),
    clockJumpMs: dice.pick([0, dice.below(5000), -dice.below(100_000), dice.below(100_000)]),
    layout: layoutFrom(dice),
  };
}

function layoutFrom(dice: Dice): Layout {
  return {
    shards: dice.pick([1, 2, 2, 2, 3, 4]),
    fronts: dice.pick([1, 1, 1, 2]),
    credits: 1 + dice.below(3),
    inFlightMax: dice.pick([20, 50, 200]),
    resultRingBytes: dice.pick([1 << 13, 1 << 15]),
    checkpointRecords: dice.pick([2, 8, 30]),
  };
}
