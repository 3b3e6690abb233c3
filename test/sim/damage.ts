import { basename } from 'node:path';
import { parseBatch } from '../../wal/batch.js';
import { CheckpointFault } from '../../wal/checkpoint-block.js';
import { idsPath, readRuns } from '../../wal/checkpoint-files.js';
import { DATA_FILE } from '../../wal/disk.js';
import type { DamagedLogError } from '../../wal/errors.js';
import { listSegments, segmentPath } from '../../wal/segment.js';
import type { Dice } from '../support/dice.js';
import type { MemoryDisk } from './disk.js';
import { DATA } from './life.js';
import { Bytes, Entries, type Platter } from './platter.js';

/** Something on the disk that is no longer what was written. */
export interface Damage {
  readonly place: 'log' | 'checkpoint';
  /** For people. */
  readonly what: string;
  /** Of the log: the segment, and the LSNs that a refusal may name. */
  readonly segment: string;
  readonly firstLsn: number;
  readonly lastLsn: number;
  /** A start looks at it, whatever it starts from. */
  readonly isLookedAt: boolean;
  /** Makes it as it was, or again as it is now. */
  turn(): void;
  /** Whether what is damaged is still in use. */
  isLive(): boolean;
}

/** The entries of a segment. */
function entriesOf(platter: Platter, first: number): Entries | undefined {
  const node = platter.find(`${segmentPath(DATA, first)}/${DATA_FILE}`);
  return node instanceof Entries ? node : undefined;
}

/** Flips a bit that the ledger relies on. @returns undefined when there is nothing of the kind that the dice chose */
export function flipBit(disk: MemoryDisk, ledger: string, dice: Dice): Damage | undefined {
  const damage = dice.chance(50) ? inLog(disk, dice) : inCheckpoint(disk, ledger, dice);
  damage?.turn();
  return damage;
}

function inLog(disk: MemoryDisk, dice: Dice): Damage | undefined {
  const segments = listSegments(DATA, disk);
  if (segments.length === 0) return undefined;
  const first = dice.pick(segments);
  const entries = entriesOf(disk.platter, first);
  if (entries === undefined || entries.list.length === 0) return undefined;
  if (dice.chance(15)) {
    const bit = 1 << dice.below(4);
    const what = `the number of the newest commit of segment ${first}`;
    return logDamage(disk, first, what, first, true, () => {
      entries.txnidFlips ^= bit;
    });
  }
  // The newest batches are the ones that matter most.
  const index = Math.max(0, entries.list.length - 1 - dice.below(dice.pick([1, 3, 100])));
  const entry = entries.list[index]!;
  const bit = dice.below(entry.value.length * 8);
  const flip = (): void => {
    entry.value[bit >>> 3] = entry.value[bit >>> 3]! ^ (1 << (bit & 7));
  };
  // Headers and last batches of all segments.
  const isLookedAt = index === 0 || index === entries.list.length - 1;
  const what = `bit ${bit} of entry ${entry.key} of segment ${first}`;
  return logDamage(disk, first, what, entry.key, isLookedAt, flip);
}

function logDamage(
  disk: MemoryDisk,
  first: number,
  what: string,
  lsn: number,
  isLookedAt: boolean,
  turn: () => void,
): Damage {
  const entries = entriesOf(disk.platter, first)!;
  const last = entries.list.at(-1)!;
  const end = entries.list.length === 1 ? first : last.key + parseBatch(last.value).count;
  return {
    place: 'log',
    what,
    segment: basename(segmentPath(DATA, first)),
    firstLsn: Math.max(1, lsn === 0 ? first : lsn),
    lastLsn: end,
    isLookedAt,
    turn,
    isLive: () => true,
  };
}

function inCheckpoint(disk: MemoryDisk, ledger: string, dice: Dice): Damage | undefined {
  let runs: ReturnType<typeof readRuns>;
  try {
    runs = readRuns(DATA, ledger, disk);
  } catch (error) {
    // It is being made anew at this moment.
    if (error instanceof CheckpointFault) return undefined;
    throw error;
  }
  const last = runs.at(-1);
  if (last === undefined) return undefined;
  const run = dice.pick(runs);
  const [path, bytes] = dice.chance(50) ? [run.path, run.bytes] : [idsPath(DATA), last.idsBytes];
  const node = disk.platter.find(path);
  if (!(node instanceof Bytes) || bytes === 0) return undefined;
  const bit = dice.below(bytes * 8);
  return {
    place: 'checkpoint',
    what: `bit ${bit} of the checkpoint's ${basename(path)}`,
    segment: '',
    firstLsn: 0,
    lastLsn: 0,
    isLookedAt: true,
    turn: () => node.flip(bit),
    // The newest run may have been lost with the power, and what it counted on is no longer read.
    isLive: () => disk.platter.find(path) === node && bit < 8 * bytesRead(disk, ledger, path),
  };
}

/** The bytes of a file that the checkpoint counts on. */
function bytesRead(disk: MemoryDisk, ledger: string, path: string): number {
  const runs = readRuns(DATA, ledger, disk);
  return (path === idsPath(DATA) ? runs.at(-1)?.idsBytes : runs.find((run) => run.path === path)?.bytes) ?? 0;
}

/** Leaves only the first bytes of the last batch, as a disk does that says it has synced and has not. */
export function tearBatch(disk: MemoryDisk, dice: Dice): Damage | undefined {
  const first = listSegments(DATA, disk).findLast(
    (one) => (entriesOf(disk.platter, one)?.list.length ?? 0) > 1,
  );
  if (first === undefined) return undefined;
  const entry = entriesOf(disk.platter, first)!.list.at(-1)!;
  const torn = Buffer.from(entry.value);
  torn.fill(0, dice.below(torn.length));
  if (torn.equals(entry.value)) return undefined;
  const what = `the last batch, of LSN ${entry.key}, is torn`;
  const damage = logDamage(disk, first, what, entry.key, true, () => {
    const other = Buffer.from(entry.value);
    entry.value.set(torn);
    torn.set(other);
  });
  damage.turn();
  return damage;
}

/** Throws when a refusal to start does not name what is damaged. */
export function checkNamed(damage: Damage, error: DamagedLogError): void {
  const isNamed =
    error.segment === damage.segment && error.lsn >= damage.firstLsn && error.lsn <= damage.lastLsn;
  if (isNamed) return;
  throw new Error(
    `damaged was ${damage.what} (segment ${damage.segment}, LSN ${damage.firstLsn} to ${damage.lastLsn}), but the refusal says: ${error.message}`,
  );
}
