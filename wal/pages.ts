import { closeSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { BATCH_BYTES_MAX } from './batch.js';
import { DATA_FILE, type EntryReader } from './disk.js';

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
 *
 * Layout of a file (mdb.c of that package, 64 bit, little endian): pages of `psize` bytes. Each starts with
 * 0 u64 own number, 8 u64 commit id, 18 u16 flags, 20 u16 lower, 22 u16 upper (both counted from byte 24; 20 u32
 * page count in an overflow page). Then the meta data, or u16 offsets of nodes, also counted from byte 24. A node:
 * 0 u32 low bits of child page or value size, 4 u16 flags (or high bits of the child), 6 u16 key size, 8 key, value.
 */

const PAGE_HEADER = 24;
const NODE_HEADER = 8;
const KEY_BYTES = 8;
const OVERFLOW_REF_BYTES = 24;
const MAGIC = 0xbeefc0de;
const DATA_VERSION = 2;
const P_BRANCH = 1;
const P_LEAF = 2;
const P_OVERFLOW = 4;
const P_META = 8;
const F_BIGDATA = 1;
const DEPTH_MAX = 16;
const META_BYTES = 160;
const AT_MAGIC = 24;
const AT_VERSION = 28;
const AT_PAGE_SIZE = 48;
const AT_DEPTH = 102;
const AT_ENTRIES = 128;
const AT_ROOT = 136;
const AT_LAST_PAGE = 144;
const AT_TXNID = 152;
/** A walk is some ten microseconds and a commit some hundreds: that many in a row do not fail by chance. */
const ATTEMPTS_MAX = 10_000;

/** The pages do not hang together. Becomes a DamagedLogError one level up. */
export class PageFault extends Error {}

/** A commit refers to a page beyond the last that it speaks of. */
class BeyondLastPage extends PageFault {}

/** What one meta page says. */
export interface Meta {
  /** LMDB's commit id: 0 in a new file, then 1, 2, ... */
  readonly txnid: number;
  readonly depth: number;
  readonly entries: number;
  readonly root: number;
  readonly lastPage: number;
}

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
    const { bytes, view } = this.#leaf;
    const node = this.#leaf.node(index);
    const size = view.getUint32(node, true);
    const at = node + NODE_HEADER + KEY_BYTES;
    if ((view.getUint16(node + 4, true) & F_BIGDATA) === 0) return bytes.slice(at, at + size);
    if (size > BATCH_BYTES_MAX) throw new PageFault(`a value of ${size} bytes`);
    return this.#overflow(u64(view, at), u64(view, at + 16), size);
  }

  #overflow(number: number, pages: number, size: number): Uint8Array {
    const length = PAGE_HEADER + size;
    if (number < 2 || number > this.#leafMeta!.lastPage || pages !== Math.ceil(length / this.pageSize)) {
      throw new PageFault(`a value of ${size} bytes in ${pages} pages from page ${number}`);
    }
    const bytes = Buffer.allocUnsafeSlow(length);
    readFully(this.#fd, bytes, number * this.pageSize);
    const sound =
      Number(bytes.readBigUInt64LE(0)) === number &&
      bytes.readUInt16LE(18) === P_OVERFLOW &&
      bytes.readUInt32LE(20) === pages;
    if (!sound) throw new PageFault(`page ${number} does not start a value of ${pages} pages`);
    return bytes.subarray(PAGE_HEADER);
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
      this.#readPage(this.#branch, number, P_BRANCH, meta);
      const index = Math.max(0, this.#branch.floor(key));
      isLast &&= index === this.#branch.size - 1;
      number = this.#branch.child(index);
    }
    this.#readPage(this.#leaf, number, P_LEAF, meta);
    this.#leafIsLast = isLast;
  }

  #readPage(page: Page, number: number, flags: number, meta: Meta): void {
    if (number > meta.lastPage) throw new BeyondLastPage(`a reference to page ${number}`);
    if (number < 2) throw new PageFault(`a reference to page ${number}`);
    readFully(this.#fd, page.bytes, number * this.pageSize);
    page.check(number, flags, meta);
  }
}

/**
 * The newer of the two meta pages, once both agree that it is the newest.
 *
 * Meta pages have no checksum, and LMDB takes the one with the higher commit id. What if a bit of it flipped? Kassa
 * writes so regularly that both pages can be held against each other: every commit of a segment adds exactly one
 * entry (the segment's header, then one batch each) and raises the commit id by exactly one, and commit N writes page
 * N mod 2. So, in a file that was written to the end of some commit N:
 *
 *   - both pages carry the magic, the version, the meta flag and their own number;
 *   - page 0 has an even and page 1 an odd commit id, and they differ by exactly 1 (both are 0 in a new file);
 *   - the number of entries equals the commit id, on both;
 *   - the root page was written by commit N itself, since a commit rewrites the path to the entry that it adds.
 *
 * A commit id that flipped cannot fulfil all of these, a magic that flipped is not the magic, and a root or a depth
 * that flipped leads to a page that is of another kind, number or commit. One level up, the last batch must in
 * addition carry the commit number N - 1.
 *
 * A crash in the middle of a commit breaks none of it: LMDB writes and syncs data pages that the newest snapshot does
 * not use, and then writes one meta page, 120 bytes within one sector, synced as well. Before that write the file is
 * the old one, after it the new one.
 *
 * One exception. When the write of the meta page of commit N fails (a bad disk, or one without room for a copy on
 * write), LMDB puts the old commit id N - 2 and the old last page back beside the new entries and root. Nothing of it
 * was acknowledged and the other page is the newest, so this must not be refused. Where the last page is below that of
 * the other page it is told from a commit id that flipped, since the last page never goes down from commit to commit.
 * Where it is the same, which is common for small batches, both may be: commit N was undone, or it was finished and
 * its id has flipped. If all that the page leads to lies within its last page, commit N is taken as it is: it was
 * synced as a whole before the meta page was written, and what was not acknowledged may be there. If not, it cannot be
 * a finished commit, and the other page is the newest.
 *
 * @returns the newer, and the commit that may stand above it
 * @throws PageFault naming the rule that is broken
 */
function newestMeta(
  views: readonly [DataView, DataView],
  pageSize: number,
): { readonly newer: Meta; readonly undone: Meta | undefined } {
  const even = readMeta(views[0], 0, pageSize);
  const odd = readMeta(views[1], 1, pageSize);
  if (even.txnid === 0 && odd.txnid === 0) throw new PageFault('no commit was ever finished');
  if (even.txnid % 2 !== 0 || odd.txnid % 2 !== 1 || Math.abs(even.txnid - odd.txnid) !== 1) {
    throw new PageFault(`the meta pages are of commits ${even.txnid} and ${odd.txnid}`);
  }
  const newer = even.txnid > odd.txnid ? even : odd;
  const older = newer === even ? odd : even;
  const isPutBack = older.entries === older.txnid + 2 && older.lastPage <= newer.lastPage;
  for (const meta of isPutBack ? [newer] : [newer, older]) {
    if (meta.entries !== meta.txnid) {
      throw new PageFault(`the meta page of commit ${meta.txnid} speaks of ${meta.entries} entries`);
    }
  }
  const undone =
    isPutBack && older.lastPage === newer.lastPage ? { ...older, txnid: older.entries } : undefined;
  for (const { depth } of undone === undefined ? [newer] : [newer, undone]) {
    if (depth < 1 || depth > DEPTH_MAX) throw new PageFault(`a tree of depth ${depth}`);
  }
  return { newer, undone };
}

function readMeta(view: DataView, number: number, pageSize: number): Meta {
  const sound =
    u64(view, 0) === number &&
    view.getUint16(18, true) === P_META &&
    view.getUint32(AT_MAGIC, true) === MAGIC &&
    (view.getUint32(AT_VERSION, true) & 0xffff) === DATA_VERSION &&
    view.getUint32(AT_PAGE_SIZE, true) === pageSize;
  if (!sound) throw new PageFault(`page ${number} is not a meta page`);
  return {
    txnid: u64(view, AT_TXNID),
    depth: view.getUint16(AT_DEPTH, true),
    entries: u64(view, AT_ENTRIES),
    root: u64(view, AT_ROOT),
    lastPage: u64(view, AT_LAST_PAGE),
  };
}

function newestTxnid(views: readonly [DataView, DataView]): number {
  return Math.max(u64(views[0], AT_TXNID), u64(views[1], AT_TXNID));
}

/** A copy of one branch or leaf page. */
class Page {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  size = 0;
  #isLeaf = false;

  constructor(pageSize: number) {
    this.bytes = new Uint8Array(pageSize);
    this.view = new DataView(this.bytes.buffer);
  }

  /** Checks everything that the other methods rely on. @throws PageFault */
  check(number: number, flags: number, meta: Meta): void {
    const { view } = this;
    const txnid = u64(view, 8);
    const found = view.getUint16(18, true);
    if (u64(view, 0) !== number || found !== flags) throw new PageFault(`page ${number} is of another kind`);
    const isWrittenBySnapshot = number === meta.root ? txnid === meta.txnid : txnid <= meta.txnid;
    if (!isWrittenBySnapshot) throw new PageFault(`page ${number} is of commit ${txnid}`);
    const lower = view.getUint16(20, true);
    const upper = view.getUint16(22, true);
    if (lower === 0 || lower % 2 !== 0 || lower > upper || upper > this.bytes.length - PAGE_HEADER) {
      throw new PageFault(`page ${number} has the bounds ${lower} and ${upper}`);
    }
    this.size = lower / 2;
    this.#isLeaf = flags === P_LEAF;
    let previous = -1;
    for (let index = 0; index < this.size; index++) {
      this.#checkNode(index, PAGE_HEADER + upper, number);
      const key = this.key(index);
      if (key <= previous) throw new PageFault(`page ${number} is out of order`);
      previous = key;
    }
  }

  #checkNode(index: number, from: number, number: number): void {
    const { bytes, view } = this;
    const node = this.node(index);
    let end = node + NODE_HEADER;
    if (node >= from && end <= bytes.length) {
      const keySize = view.getUint16(node + 6, true);
      end += keySize;
      const isFirstOfBranch = !this.#isLeaf && index === 0;
      if (keySize === (isFirstOfBranch ? 0 : KEY_BYTES)) {
        if (!this.#isLeaf && end <= bytes.length) return;
        const flags = view.getUint16(node + 4, true);
        end += flags === F_BIGDATA ? OVERFLOW_REF_BYTES : view.getUint32(node, true);
        if ((flags === F_BIGDATA || flags === 0) && end <= bytes.length) return;
      }
    }
    throw new PageFault(`entry ${index} of page ${number} is malformed`);
  }

  /** Offset of a node in the page. */
  node(index: number): number {
    return PAGE_HEADER + this.view.getUint16(PAGE_HEADER + 2 * index, true);
  }

  /** The first key of a branch is left out in the file and counts as 0. */
  key(index: number): number {
    if (index === 0 && !this.#isLeaf) return 0;
    const at = this.node(index) + NODE_HEADER;
    return this.view.getUint32(at) * 2 ** 32 + this.view.getUint32(at + 4);
  }

  /** The last page that the value of a leaf's entry takes; 0 when it lies within the leaf. */
  lastPageOf(index: number): number {
    const node = this.node(index);
    if ((this.view.getUint16(node + 4, true) & F_BIGDATA) === 0) return 0;
    const at = node + NODE_HEADER + KEY_BYTES;
    return u64(this.view, at) + u64(this.view, at + 16) - 1;
  }

  child(index: number): number {
    const node = this.node(index);
    return this.view.getUint32(node, true) + this.view.getUint16(node + 4, true) * 2 ** 32;
  }

  /** Index of the greatest key at or below `key`, or -1. */
  floor(key: number): number {
    let low = 0;
    let high = this.size;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.key(middle) <= key) low = middle + 1;
      else high = middle;
    }
    return low - 1;
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

function readPageSize(fd: number): number {
  const bytes = new Uint8Array(META_BYTES);
  readFully(fd, bytes, 0);
  const pageSize = new DataView(bytes.buffer).getUint32(AT_PAGE_SIZE, true);
  if (pageSize < 512 || pageSize > 65_536 || (pageSize & (pageSize - 1)) !== 0) {
    throw new PageFault('page 0 is not a meta page');
  }
  return pageSize;
}

function readFully(fd: number, into: Uint8Array, position: number): void {
  for (let done = 0; done < into.length; ) {
    const read = readSync(fd, into, done, into.length - done, position + done);
    if (read === 0) throw new PageFault(`the file ends before byte ${position + into.length}`);
    done += read;
  }
}

function u64(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
}
