import type { Meta } from './meta-pages.js';
import { P_BRANCH, P_LEAF, Page, PageFault } from './page.js';
import { PageFile } from './pages.js';

/** An entry as it stands in a leaf; `value` is a copy. */
export interface Entry {
  readonly key: number;
  readonly value: Uint8Array;
}

/** Says what is wrong at the entry with the key `key`, or from it on. */
type ReportPage = (key: number, problem: string) => void;

/**
 * Goes over every page of the newest commit of a closed file, each reached once, from its root to its last value, and does not stop at what is
 * wrong: the rest is gone over all the same. A reader that looks for single keys passes by much of this: how a branch names its children
 * matters only to who asks for a key in between.
 *
 * What is not looked at, because nothing is read from it: pages that no page of this commit leads to (free ones, and copies of earlier
 * commits), LMDB's own list of free pages, the room between a page's entries, and of the meta pages what `newestMeta` does not name.
 * @param directory of the environment
 * @throws PageFault when there is no newest commit to start from
 */
export function* walkEntries(directory: string, report: ReportPage): Generator<Entry, void, undefined> {
  const file = new PageFile(directory);
  try {
    yield* new PageWalk(file, file.meta(), report).entries();
  } finally {
    file.close();
  }
}

/** What a page must be like by its parent. */
interface Place {
  readonly number: number;
  readonly level: number;
  /** The first key in it is this one, the last below `high`. */
  readonly low: number;
  readonly high: number;
  /** The parent's; a page is never newer than the one that leads to it. */
  readonly commit: number;
}

class PageWalk {
  private readonly reached = new Set<number>();
  private found = 0;
  private isFaulty = false;

  constructor(
    private readonly file: PageFile,
    private readonly meta: Meta,
    private readonly report: ReportPage,
  ) {}

  *entries(): Generator<Entry, void, undefined> {
    const { meta } = this;
    yield* this.page({
      number: meta.root,
      level: 1,
      low: 0,
      high: Number.POSITIVE_INFINITY,
      commit: meta.txnid,
    });
    // Of a page that could not be read its entries are missing, which was said.
    if (this.found !== meta.entries && !this.isFaulty) {
      this.report(0, `${this.found} entries are there, and the meta page speaks of ${meta.entries}`);
    }
  }

  private *page(place: Place): Generator<Entry, void, undefined> {
    const { file, meta } = this;
    const { number, level, low } = place;
    const isLeaf = level === meta.depth;
    const page = new Page(file.pageSize);
    try {
      this.reach(number, 1);
      file.readPage(page, number, isLeaf ? P_LEAF : P_BRANCH, meta);
      checkPlace(page, place, isLeaf);
    } catch (error) {
      this.fault(low, error);
      return;
    }
    if (isLeaf) yield* this.leaf(page);
    else yield* this.children(page, place);
  }

  private *children(page: Page, { level, low, high }: Place): Generator<Entry, void, undefined> {
    for (let index = 0; index < page.size; index++) {
      yield* this.page({
        number: page.child(index),
        level: level + 1,
        low: index === 0 ? low : page.key(index),
        high: index + 1 < page.size ? page.key(index + 1) : high,
        commit: page.commit,
      });
    }
  }

  private *leaf(page: Page): Generator<Entry, void, undefined> {
    const { file, meta } = this;
    for (let index = 0; index < page.size; index++) {
      const key = page.key(index);
      this.found++;
      let value: Uint8Array;
      try {
        const { first, count } = page.ownPages(index, meta.lastPage);
        this.reach(first, count);
        value = file.valueOf(page, index, meta);
      } catch (error) {
        this.fault(key, error);
        continue;
      }
      yield { key, value };
    }
  }

  /** @throws PageFault when one of these pages is used twice */
  private reach(first: number, count: number): void {
    for (let number = first; number < first + count; number++) {
      if (this.reached.has(number)) throw new PageFault(`page ${number} is used twice`);
      this.reached.add(number);
    }
  }

  private fault(key: number, error: unknown): void {
    if (!(error instanceof PageFault)) throw error;
    this.isFaulty = true;
    this.report(key, error.message);
  }
}

/** @throws PageFault when a page does not hold what its parent says */
function checkPlace(page: Page, { number, low, high, commit }: Place, isLeaf: boolean): void {
  if (page.commit > commit)
    throw new PageFault(`page ${number} is of commit ${page.commit}, after its parent`);
  if (!page.isPacked) throw new PageFault(`page ${number} has a gap before its entries`);
  // The first key of a branch is left out: it is its first child's.
  if (isLeaf && page.key(0) !== low) {
    throw new PageFault(`page ${number} begins with key ${page.key(0)}, and its parent says ${low}`);
  }
  if (page.key(page.size - 1) >= high) {
    throw new PageFault(`page ${number} reaches beyond key ${high}, where the next begins`);
  }
}
