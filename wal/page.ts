import { readSync } from 'node:fs';
import { BATCH_BYTES_MAX } from './batch.js';

/*
 * Layout of a file (mdb.c of that package, 64 bit, little endian): pages of `psize` bytes. Each starts with
 * 0 u64 own number, 8 u64 commit id, 18 u16 flags, 20 u16 lower, 22 u16 upper (both counted from byte 24; 20 u32
 * page count in an overflow page). Then the meta data, or u16 offsets of nodes, also counted from byte 24. A node:
 * 0 u32 low bits of child page or value size, 4 u16 flags (or high bits of the child), 6 u16 key size, 8 key, value.
 */

const PAGE_HEADER = 24;
const NODE_HEADER = 8;
const KEY_BYTES = 8;
const OVERFLOW_REF_BYTES = 24;
export const P_BRANCH = 1;
export const P_LEAF = 2;
const P_OVERFLOW = 4;
const F_BIGDATA = 1;
const NO_PAGES = { first: 0, count: 0 };

/** The pages do not hang together. Becomes a DamagedLogError one level up. */
export class PageFault extends Error {}

/** A commit refers to a page beyond the last that it speaks of. */
export class BeyondLastPage extends PageFault {}

/** Of a commit, what its pages are held against. */
interface Snapshot {
  readonly txnid: number;
  readonly root: number;
  readonly lastPage: number;
}

/** A copy of one branch or leaf page. */
export class Page {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  size = 0;
  #isLeaf = false;

  constructor(pageSize: number) {
    this.bytes = new Uint8Array(pageSize);
    this.view = new DataView(this.bytes.buffer);
  }

  /** The commit that wrote the page. */
  get commit(): number {
    return u64(this.view, 8);
  }

  /** Whether the entries begin where the header says. LMDB leaves no gap; whoever only reads does not need to know. */
  get isPacked(): boolean {
    let first = this.bytes.length;
    for (let index = 0; index < this.size; index++) first = Math.min(first, this.node(index));
    return first === PAGE_HEADER + this.view.getUint16(22, true);
  }

  /** Checks everything that the other methods rely on. @throws PageFault */
  check(number: number, flags: number, snapshot: Snapshot): void {
    const { view } = this;
    const txnid = this.commit;
    const found = view.getUint16(18, true);
    if (u64(view, 0) !== number || found !== flags) throw new PageFault(`page ${number} is of another kind`);
    const isWrittenBySnapshot = number === snapshot.root ? txnid === snapshot.txnid : txnid <= snapshot.txnid;
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

  /** The pages of their own that hold an entry's value; none when it lies in this page. @throws PageFault when that cannot be */
  ownPages(index: number, lastPage: number): { readonly first: number; readonly count: number } {
    const { view } = this;
    const node = this.node(index);
    if ((view.getUint16(node + 4, true) & F_BIGDATA) === 0) return NO_PAGES;
    const size = view.getUint32(node, true);
    const at = node + NODE_HEADER + KEY_BYTES;
    const first = u64(view, at);
    const count = u64(view, at + 16);
    if (size > BATCH_BYTES_MAX) throw new PageFault(`a value of ${size} bytes`);
    const isRight = count === Math.ceil((PAGE_HEADER + size) / this.bytes.length);
    if (first < 2 || first + count - 1 > lastPage || !isRight) {
      throw new PageFault(`a value of ${size} bytes in ${count} pages from page ${first}`);
    }
    return { first, count };
  }

  /** A copy of an entry's value. @param fd of the file, for one that has pages of its own. @throws PageFault */
  value(index: number, fd: number, lastPage: number): Uint8Array {
    const { view } = this;
    const { first, count } = this.ownPages(index, lastPage);
    const node = this.node(index);
    const size = view.getUint32(node, true);
    const at = node + NODE_HEADER + KEY_BYTES;
    if (count === 0) return this.bytes.slice(at, at + size);
    const bytes = Buffer.allocUnsafeSlow(PAGE_HEADER + size);
    readFully(fd, bytes, first * this.bytes.length);
    const sound =
      Number(bytes.readBigUInt64LE(0)) === first &&
      bytes.readUInt16LE(18) === P_OVERFLOW &&
      bytes.readUInt32LE(20) === count;
    if (!sound) throw new PageFault(`page ${first} does not start a value of ${count} pages`);
    return bytes.subarray(PAGE_HEADER);
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

/** Fills `into` from `position` on. @throws PageFault when the file ends before */
export function readFully(fd: number, into: Uint8Array, position: number): void {
  for (let done = 0; done < into.length; ) {
    const read = readSync(fd, into, done, into.length - done, position + done);
    if (read === 0) throw new PageFault(`the file ends before byte ${position + into.length}`);
    done += read;
  }
}

/** A u64 as a number: exact below 2^53, and never below it when it is above. */
export function u64(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
}
