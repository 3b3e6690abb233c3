import {
  type Block,
  BlockKind,
  BlockReader,
  type BlockWriter,
  CheckpointFault,
  Stopped,
} from './checkpoint-block.js';
import {
  AccountChange,
  compareAccounts,
  ENTRY_ROUTE,
  HOLD_LSN,
  HOLD_OPEN,
  REVERSAL_FINGERPRINT,
  REVERSAL_LEGS,
  REVERSAL_LSN,
  REVERSAL_SUMS,
} from './checkpoint-entry.js';
import { type Foot, type Run, writeRun } from './checkpoint-files.js';
import { writeReversal } from './checkpoint-round.js';
import type { Disk, OpenFile } from './disk.js';

/**
 * Merges runs that follow each other into one that says the same, reading each block once.
 * @param shouldStop asked for every entry that begins a block
 * @throws {Stopped} and then nothing was changed
 * @throws {CheckpointFault}
 */
export function mergeRuns(
  data: string,
  ledger: string,
  runs: readonly Run[],
  disk: Disk,
  shouldStop: () => boolean,
): Run {
  const cursors: Cursor[] = [];
  try {
    for (const run of runs) cursors.push(new Cursor(run, disk, shouldStop));
    const last = runs.at(-1)!;
    const span = { from: runs[0]!.from, end: last.end, idsBytes: last.idsBytes, ids: last.ids };
    return writeRun(data, ledger, span, disk, (block) => new Merge(cursors, block, span.from === 0).write());
  } finally {
    for (const cursor of cursors) cursor.close();
  }
}

/** Walks over the entries of a run. */
class Cursor {
  private readonly file: OpenFile;
  private readonly reader: BlockReader;
  private block: Block | undefined;
  at = 0;

  constructor(
    run: Run,
    disk: Disk,
    private readonly shouldStop: () => boolean,
  ) {
    this.file = disk.open(run.path, 'read');
    this.reader = new BlockReader(this.file, run.path, 0, run.bytes);
    this.nextBlock();
  }

  close(): void {
    this.file.close();
  }

  get bytes(): Uint8Array {
    return this.block!.bytes;
  }
  get view(): DataView {
    return this.block!.view;
  }
  get size(): number {
    return this.view.getUint16(this.at, true);
  }
  get route(): number {
    return this.view.getUint32(this.at + ENTRY_ROUTE, true);
  }

  /** Whether the cursor is at an entry of this kind; blocks of lower kinds are passed. */
  isAt(kind: number): boolean {
    while (this.block !== undefined && this.block.kind < kind) this.nextBlock();
    return this.block?.kind === kind;
  }

  next(): void {
    const { size } = this;
    if (size < ENTRY_ROUTE + 4) throw new CheckpointFault('a run of the checkpoint has an entry of no size');
    this.at += size;
    if (this.at >= this.block!.length) this.nextBlock();
  }

  private nextBlock(): void {
    if (this.shouldStop()) throw new Stopped('stopped');
    this.block = this.reader.next();
    this.at = 0;
  }
}

class Merge {
  private readonly sum = new AccountChange();
  private readonly later = new AccountChange();
  private readonly foot: Foot = { accounts: 0, holds: 0, reversals: 0 };

  /** @param cursors oldest first. @param isFirst whether nothing came before the oldest */
  constructor(
    private readonly cursors: readonly Cursor[],
    private readonly block: BlockWriter,
    private readonly isFirst: boolean,
  ) {}

  write(): Foot {
    this.mergeAccounts();
    this.mergeHolds();
    this.mergeReversals();
    return this.foot;
  }

  private mergeAccounts(): void {
    const { block, sum, later, foot } = this;
    block.start(BlockKind.accounts);
    for (;;) {
      const same = this.lowest(BlockKind.accounts, byAccount);
      const first = same[0];
      if (first === undefined) return;
      foot.accounts++;
      if (same.length === 1) {
        block.copy(first.bytes, first.at, first.size, first.route);
        first.next();
        continue;
      }
      sum.read(first.bytes, first.view, first.at);
      for (let i = 1; i < same.length; i++) {
        const cursor = same[i]!;
        later.read(cursor.bytes, cursor.view, cursor.at);
        sum.add(later);
      }
      sum.write(block);
      // Only now: the sum refers to the blocks of all.
      for (let i = 0; i < same.length; i++) same[i]!.next();
    }
  }

  /** An opening and an end of the same hold leave nothing; an end alone concerns an older run. */
  private mergeHolds(): void {
    const { block, foot } = this;
    block.start(BlockKind.holds);
    for (;;) {
      const same = this.lowest(BlockKind.holds, byLsn);
      const first = same[0];
      if (first === undefined) return;
      if (same.length === 1) {
        if (this.isFirst && first.bytes[first.at + HOLD_OPEN] === 0) {
          throw new CheckpointFault('a run of the checkpoint ends a hold that was not open');
        }
        foot.holds++;
        block.copy(first.bytes, first.at, first.size, first.route);
      }
      for (const cursor of same) cursor.next();
    }
  }

  private mergeReversals(): void {
    const { block, foot } = this;
    block.start(BlockKind.reversals);
    for (;;) {
      const same = this.lowest(BlockKind.reversals, byLsn);
      const first = same[0];
      if (first === undefined) return;
      foot.reversals++;
      const sums: bigint[] = [];
      const fp = [first.route];
      for (let i = 0; i < 3; i++)
        fp.push(first.view.getUint32(first.at + REVERSAL_FINGERPRINT + 4 * i, true));
      const lsn = first.view.getFloat64(first.at + REVERSAL_LSN, true);
      for (const cursor of same) {
        const legs = cursor.view.getUint16(cursor.at + REVERSAL_LEGS, true);
        while (sums.length < legs) sums.push(0n);
        for (let leg = 0; leg < legs; leg++) {
          sums[leg] = sums[leg]! + cursor.view.getBigInt64(cursor.at + REVERSAL_SUMS + 8 * leg, true);
        }
        cursor.next();
      }
      writeReversal(block, lsn, fp, sums);
    }
  }

  private readonly same: Cursor[] = [];

  /** The cursors at the lowest entry of a kind, oldest first; reused. Runs are few, so they are simply gone through. */
  private lowest(kind: number, compare: (a: Cursor, b: Cursor) => number): readonly Cursor[] {
    const { same } = this;
    same.length = 0;
    for (const cursor of this.cursors) {
      if (!cursor.isAt(kind)) continue;
      const order = same.length === 0 ? 0 : compare(cursor, same[0]!);
      if (order < 0) same.length = 0;
      if (order <= 0) same.push(cursor);
    }
    return same;
  }
}

function byAccount(a: Cursor, b: Cursor): number {
  return compareAccounts(a.bytes, a.view, a.at, b.bytes, b.view, b.at);
}

function byLsn(a: Cursor, b: Cursor): number {
  return a.view.getFloat64(a.at + HOLD_LSN, true) - b.view.getFloat64(b.at + HOLD_LSN, true);
}
