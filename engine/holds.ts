/** An open pending transaction, at its home. */
export interface Hold {
  /** The id's entry in the table of ids. */
  readonly entry: number;
  /** Fingerprint of the id. */
  readonly fingerprint: Uint32Array;
  readonly lsn: number;
  /** ms since the epoch; 0 = never. */
  readonly expiresAt: number;
  readonly approval: boolean;
  /** The `by` of its creator. */
  readonly creator: string;
  readonly n: number;
  readonly presence: number;
  /** The payload of its record. */
  readonly payload: Uint8Array;
  /** Route and hash of each leg's account. */
  readonly words: Uint32Array;
}

/** Open holds of a home, and the order in which they expire (a binary heap on the time). */
export class Holds {
  private readonly byEntry = new Map<number, Hold>();
  private readonly heap: Hold[] = [];

  get count(): number {
    return this.byEntry.size;
  }

  get(entry: number): Hold | undefined {
    return this.byEntry.get(entry);
  }

  add(hold: Hold): void {
    this.byEntry.set(hold.entry, hold);
    if (hold.expiresAt > 0) this.push(hold);
  }

  /** Closes a hold. Its place in the order is swept out once most of the order is closed holds. */
  remove(entry: number): void {
    this.byEntry.delete(entry);
    if (this.heap.length > 64 && this.heap.length > 2 * this.byEntry.size) {
      const open = this.heap.filter((hold) => this.byEntry.get(hold.entry) === hold);
      this.heap.length = 0;
      for (const hold of open) this.push(hold);
    }
  }

  values(): IterableIterator<Hold> {
    return this.byEntry.values();
  }

  /** Takes the next hold that is open and due at `time` out of the order; {@link push} puts it back if it could not be ended. */
  takeDue(time: number): Hold | undefined {
    for (;;) {
      const first = this.heap[0];
      if (first === undefined || first.expiresAt > time) return undefined;
      const last = this.heap.pop()!;
      if (this.heap.length > 0) this.sink(last);
      if (this.byEntry.get(first.entry) === first) return first;
    }
  }

  push(hold: Hold): void {
    const { heap } = this;
    let at = heap.push(hold) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (heap[parent]!.expiresAt <= hold.expiresAt) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = hold;
  }

  private sink(hold: Hold): void {
    const { heap } = this;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1]!.expiresAt < heap[child]!.expiresAt) child++;
      if (heap[child]!.expiresAt >= hold.expiresAt) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = hold;
  }
}
