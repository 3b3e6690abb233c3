import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { DATA_FILE, type EntryReader } from './disk.js';
import { META_BYTES, type Meta, newestMeta, newestTxnid, readPageSize } from './meta-pages.js';
import { BeyondLastPage, P_BRANCH, P_LEAF, Page, PageFault, readFully } from './page.js';

export { PageFault } from './page.js';

/*
 * Reading an LMDB file by its pages.
 *
 * The writer commits through LMDB, into files that it has made itself since it started; all reading is done here.
 * The reasons, each seen in practice with lmdb 3.5.6:
 *
 *  - LMDB trusts its pages. They carry no checksum. Of 60 random bit flips in a leaf page 37 gave wrong or missing
 *    values, 7 an error and 2 a SIGBUS. Kassa has to refuse by name instead.
 *  - Of the two meta pages LMDB takes the one with the higher commit id, whatever else it says. A bit flip there
 *    makes the newest commit vanish without a trace.
 *  - All openings of a file in one process share one environment: opened read-only by one thread, it cannot be
 *    opened for writing by another. And each read transaction leaves a timer behind, which a thread that blocks
 *    never gets to run.
 *
 * What makes reading beside the writer safe: LMDB never overwrites a page that its newest snapshot uses, so a walk
 * from the newest meta page stays whole until at least the second commit after it. Every page names the commit that
 * wrote it: a page newer than the snapshot was reused. The meta pages are read again after the walk; when the writer
 * has moved on by more than one commit, the walk is repeated. And a value, once found, stays: Kassa never changes
 * or deletes one, so its pages are never reused, and every batch has its own checksum.
 */

/** A walk is some ten microseconds and a commit some hundreds: that many in a row do not fail by chance. */
const ATTEMPTS_MAX = 10_000;

/** One data file, opened for reading. Keys are unsigned 64-bit integers, big endian. One thread, any number of calls. */
export class PageFile implements EntryReader {
  readonly pageSize: number;
  readonly #fd: number;
  readonly #metas: Uint8Array;
  readonly #metasBefore: Uint8Array;
  readonly #metaViews: readonly [DataView, DataView];
  readonly #branch: Page;
  readonly #leaf: Page;
  #leafMeta: Meta | undefined;
  #leafIsLast = false;

  /** @param directory of the environment. @throws PageFault when there is no such file or it has no page size */
  constructor(directory: string) {
    this.#fd = openFile(join(directory, DATA_FILE));
    try {
      this.pageSize = readPageSize(this.#fd);
    } catch (error) {
      closeSync(this.#fd);
      throw error;
    }
    this.#metas = new Uint8Array(this.pageSize + META_BYTES);
    this.#metasBefore = new Uint8Array(this.#metas.length);
    this.#metaViews = [new DataView(this.#metas.buffer, 0), new DataView(this.#metas.buffer, this.pageSize)];
    this.#branch = new Page(this.pageSize);
    this.#leaf = new Page(this.pageSize);
  }

  close(): void {
    closeSync(this.#fd);
  }

  /** The newest commit, by `newestMeta`'s rules. @throws PageFault */
  meta(): Meta {
    return this.#stable((meta) => meta);
  }

  /**
   * Finds the leaf that holds the greatest key at or below `key` in the newest snapshot and keeps a copy of it.
   * @returns the snapshot, and whether no leaf comes after this one
   */
  seek(key: number): { readonly meta: Meta; readonly isLastLeaf: boolean } {
    this.#leafMeta = undefined;
    const meta = this.#stable((snapshot) => {
      this.#descend(snapshot, key);
      return snapshot;
    });
    this.#leafMeta = meta;
    return { meta, isLastLeaf: this.#leafIsLast };
  }

  /** Entries in the leaf of the last `seek`; 0 before the first. */
  get leafSize(): number {
    return this.#leafMeta === undefined ? 0 : this.#leaf.size;
  }

  /** The key of an entry of the leaf. */
  leafKey(index: number): number {
    return this.#leaf.key(index);
  }

  /** Index of the greatest key of the leaf at or below `key`, or -1. */
  leafFloor(key: number): number {
    return this.#leafMeta === undefined ? -1 : this.#leaf.floor(key);
  }

  /** A copy of the value of an entry of the leaf. @throws PageFault */
  leafValue(index: number): Uint8Array {
    return this.#leaf.value(index, this.#fd, this.#leafMeta!.lastPage);
  }

  /**
   * Reads a page of a snapshot.
   * @param flags what kind it must be: `P_BRANCH` or `P_LEAF`
   * @throws PageFault
   */
  readPage(page: Page, number: number, flags: number, meta: Meta): void {
    if (number > meta.lastPage) throw new BeyondLastPage(`a reference to page ${number}`);
    if (number < 2) throw new PageFault(`a reference to page ${number}`);
    readFully(this.#fd, page.bytes, number * this.pageSize);
    page.check(number, flags, meta);
  }

  /** A copy of the value of an entry of a leaf that `readPage` has read. @throws PageFault */
  valueOf(leaf: Page, index: number, meta: Meta): Uint8Array {
    return leaf.value(index, this.#fd, meta.lastPage);
  }

  /** Runs `walk` on the newest snapshot until it was whole from its beginning to its end. */
  #stable<T>(walk: (meta: Meta) => T): T {
    for (let attempt = 1; ; attempt++) {
      this.#readMetas();
      this.#metasBefore.set(this.#metas);
      let fault: unknown;
      try {
        const meta = this.#newest();
        const result = walk(meta);
        this.#readMetas();
        if (newestTxnid(this.#metaViews) <= meta.txnid + 1) return result;
      } catch (error) {
        if (!(error instanceof PageFault)) throw error;
        fault = error;
        this.#readMetas();
      }
      const moved = Buffer.compare(this.#metasBefore, this.#metas) !== 0;
      if (!moved || attempt === ATTEMPTS_MAX) throw fault ?? new PageFault('the file changes all the time');
    }
  }

  #newest(): Meta {
    const { newer, undone } = newestMeta(this.#metaViews, this.pageSize);
    return undone !== undefined && this.#isWithinFile(undone) ? undone : newer;
  }

  /** Whether the path to the last entry of a commit and its value are within the pages that it speaks of. @throws PageFault for other faults */
  #isWithinFile(meta: Meta): boolean {
    try {
      this.#descend(meta, Number.MAX_SAFE_INTEGER);
    } catch (error) {
      if (error instanceof BeyondLastPage) return false;
      throw error;
    }
    return this.#leaf.lastPageOf(this.#leaf.size - 1) <= meta.lastPage;
  }

  #readMetas(): void {
    readFully(this.#fd, this.#metas, 0);
  }

  #descend(meta: Meta, key: number): void {
    let number = meta.root;
    let isLast = true;
    for (let level = 1; level < meta.depth; level++) {
      this.readPage(this.#branch, number, P_BRANCH, meta);
      const index = Math.max(0, this.#branch.floor(key));
      isLast &&= index === this.#branch.size - 1;
      number = this.#branch.child(index);
    }
    this.readPage(this.#leaf, number, P_LEAF, meta);
    this.#leafIsLast = isLast;
  }
}

function openFile(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw new PageFault('its data file is missing');
    throw error;
  }
}
