const PARTS = 256;
const FIRST_SLOTS = 8;
/** Full at 3/4: with doubling a slot of 8 bytes costs 10.7 to 21.3 bytes per entry. */
const LOAD_NUMERATOR = 3;
const LOAD_DENOMINATOR = 4;
/** Stands for a part without rows: its one slot, which is free, ends every search. Shared and never written. */
const NO_ROWS = new Int32Array(2);

/** Rows of one part that are put into it together while a table is filled. */
const FILL_ROWS = 1024;

/**
 * An index from a 32-bit keyed hash to row numbers: open addressing in 256 parts that grow one by one, so that growing never stops
 * the shard for long (at 10 million rows a part holds 40,000). Rows are only ever added. Several rows may share a hash: the owner walks the
 * candidates from {@link firstPlace} by {@link nextPlace} until a free place, and compares the rest. A place is two words: hash, row + 1.
 */
export class IndexTable {
  private readonly parts: Int32Array[] = new Array(PARTS).fill(NO_ROWS);
  private readonly counts = new Int32Array(PARTS);
  /** Bytes held by the index. */
  byteLength = 0;
  /** While the table is filled: hash and row of what waits, by part, and how many. */
  private waiting: Int32Array | undefined;
  private readonly waitingCounts = new Int32Array(PARTS);

  private allocate(slots: number): Int32Array {
    this.byteLength += slots * 8;
    return new Int32Array(slots * 2);
  }

  /** The part in which the rows of a hash are. */
  part(hash: number): Int32Array {
    return this.parts[hash >>> 24]!;
  }

  /** What stands where the search for a hash begins: most often its row. Only to have the memory at hand when it is searched for. */
  peek(hash: number): number {
    const part = this.part(hash);
    return part[firstPlace(part, hash) + 1]! - 1;
  }

  /**
   * Until {@link endFill} rows are added part by part, {@link FILL_ROWS} at a time, and not found before. One after the other they go to
   * places all over a memory that no cache holds: 10,000,000 rows took 227 ns each and take 138.
   */
  beginFill(): void {
    this.waiting = new Int32Array(PARTS * FILL_ROWS * 2);
  }

  /** Makes the rows of a hash found that were added so far. */
  settleFill(hash: number): void {
    this.addWaiting(hash >>> 24);
  }

  endFill(): void {
    for (let p = 0; p < PARTS; p++) this.addWaiting(p);
    this.waiting = undefined;
  }

  private wait(waiting: Int32Array, hash: number, row: number): void {
    const p = hash >>> 24;
    const at = (p * FILL_ROWS + this.waitingCounts[p]!) * 2;
    waiting[at] = hash;
    waiting[at + 1] = row;
    if (++this.waitingCounts[p]! === FILL_ROWS) this.addWaiting(p);
  }

  private addWaiting(p: number): void {
    const { waiting, waitingCounts } = this;
    const from = p * FILL_ROWS * 2;
    const to = from + waitingCounts[p]! * 2;
    for (let at = from; at < to; at += 2) this.addNow(waiting![at]! >>> 0, waiting![at + 1]!);
    waitingCounts[p] = 0;
  }

  /** Adds a row. The caller has made sure that it is not there. */
  add(hash: number, row: number): void {
    if (this.waiting !== undefined) this.wait(this.waiting, hash, row);
    else this.addNow(hash, row);
  }

  private addNow(hash: number, row: number): void {
    const p = hash >>> 24;
    let part = this.parts[p]!;
    if (part === NO_ROWS) this.parts[p] = part = this.allocate(FIRST_SLOTS);
    const slots = part.length >>> 1;
    if (this.counts[p]! * LOAD_DENOMINATOR >= slots * LOAD_NUMERATOR) {
      const bigger = this.allocate(slots * 2);
      for (let at = 0; at < part.length; at += 2) {
        if (part[at + 1] !== 0) put(bigger, part[at]!, part[at + 1]!);
      }
      this.byteLength -= slots * 8;
      this.parts[p] = part = bigger;
    }
    put(part, hash | 0, row + 1);
    this.counts[p]!++;
  }
}

/** Where the search for a hash begins in its part. */
export function firstPlace(part: Int32Array, hash: number): number {
  return (hash << 1) & (part.length - 2);
}

/** Where it goes on. */
export function nextPlace(part: Int32Array, place: number): number {
  return (place + 2) & (part.length - 2);
}

function put(part: Int32Array, hash: number, stored: number): void {
  let place = firstPlace(part, hash);
  while (part[place + 1] !== 0) place = nextPlace(part, place);
  part[place] = hash;
  part[place + 1] = stored;
}
