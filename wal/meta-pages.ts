import { PageFault, readFully, u64 } from './page.js';

const MAGIC = 0xbeefc0de;
const DATA_VERSION = 2;
const P_META = 8;
const DEPTH_MAX = 16;
export const META_BYTES = 160;
const AT_MAGIC = 24;
const AT_VERSION = 28;
const AT_PAGE_SIZE = 48;
const AT_DEPTH = 102;
const AT_ENTRIES = 128;
const AT_ROOT = 136;
const AT_LAST_PAGE = 144;
const AT_TXNID = 152;

/** What one meta page says. */
export interface Meta {
  /** LMDB's commit id: 0 in a new file, then 1, 2, ... */
  readonly txnid: number;
  readonly depth: number;
  readonly entries: number;
  readonly root: number;
  readonly lastPage: number;
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
export function newestMeta(
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

/** The higher commit id of the two, sound or not. */
export function newestTxnid(views: readonly [DataView, DataView]): number {
  return Math.max(u64(views[0], AT_TXNID), u64(views[1], AT_TXNID));
}

/** @throws PageFault */
export function readPageSize(fd: number): number {
  const bytes = new Uint8Array(META_BYTES);
  readFully(fd, bytes, 0);
  const pageSize = new DataView(bytes.buffer).getUint32(AT_PAGE_SIZE, true);
  if (pageSize < 512 || pageSize > 65_536 || (pageSize & (pageSize - 1)) !== 0) {
    throw new PageFault('page 0 is not a meta page');
  }
  return pageSize;
}
