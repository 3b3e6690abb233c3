const PARTS = 256;
const FIRST_SLOTS = 8;
/** Full at 3/4: with doubling a slot of 8 bytes costs 10.7 to 21.3 bytes per entry. */
const LOAD_NUMERATOR = 3;
const LOAD_DENOMINATOR = 4;
/** Stands for a part without rows: its one slot, which is free, ends every search. Shared and never written. */
const NO_ROWS = new Int32Array(2);

/**
 * An index from a 32-bit keyed hash to row numbers: open addressing in 256 parts that grow one by one, so that growing never stops
 * the shard for long (at 10 million rows a part holds 40,000). Rows are only ever added. Several rows may share a hash: {@link first} and
 * {@link next} walk the candidates, the owner compares the rest.
 */
export class IndexTable {
  private readonly parts: Int32Array[] = new Array(PARTS).fill(NO_ROWS);
  private readonly counts = new Int32Array(PARTS);
  private part: Int32Array = NO_ROWS;
  private slot = 0;
  private hash = 0;
  /** Bytes held by the index. */
  byteLength = 0;

  private allocate(slots: number): Int32Array {
    this.byteLength += slots * 8;
    return new Int32Array(slots * 2);
  }

  /** The first row with this hash, or -1. */
  first(hash: number): number {
    this.hash = hash | 0;
    this.part = this.parts[hash >>> 24]!;
    const mask = (this.part.length >>> 1) - 1;
    this.slot = (hash & mask) - 1;
    return this.next();
  }

  /** The next row with the hash that {@link first} was asked for, or -1. */
  next(): number {
    const part = this.part;
    const mask = (part.length >>> 1) - 1;
    for (;;) {
      this.slot = (this.slot + 1) & mask;
      const row = part[this.slot * 2 + 1]!;
      if (row === 0) return -1;
      if (part[this.slot * 2] === this.hash) return row - 1;
    }
  }

  /** What stands where the search for a hash begins: most often its row. Only to have the memory at hand when {@link first} comes. */
  peek(hash: number): number {
    const part = this.parts[hash >>> 24]!;
    return part[(hash & ((part.length >>> 1) - 1)) * 2 + 1]! - 1;
  }

  /** Adds a row. The caller has made sure that it is not there. */
  add(hash: number, row: number): void {
    const p = hash >>> 24;
    let part = this.parts[p]!;
    if (part === NO_ROWS) this.parts[p] = part = this.allocate(FIRST_SLOTS);
    const slots = part.length >>> 1;
    if (this.counts[p]! * LOAD_DENOMINATOR >= slots * LOAD_NUMERATOR) {
      const bigger = this.allocate(slots * 2);
      for (let at = 0; at < part.length; at += 2) {
        if (part[at + 1] !== 0) place(bigger, part[at]!, part[at + 1]!);
      }
      this.byteLength -= slots * 8;
      this.parts[p] = part = bigger;
    }
    place(part, hash | 0, row + 1);
    this.counts[p]!++;
  }
}

function place(part: Int32Array, hash: number, stored: number): void {
  const mask = (part.length >>> 1) - 1;
  let slot = hash & mask;
  while (part[slot * 2 + 1] !== 0) slot = (slot + 1) & mask;
  part[slot * 2] = hash;
  part[slot * 2 + 1] = stored;
}
