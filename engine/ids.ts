import { firstPlace, IndexTable, nextPlace } from './index-table.js';

/** What a remembered fact says about its id. */
export const IdKind = {
  posted: 1,
  pending: 2,
  tombstone: 3,
  reversal: 4,
  /** Facts about an id, kept under a derived fingerprint: its end, and each of its reversals. */
  endPosted: 5,
  endVoided: 6,
  endExpired: 7,
  reversedBy: 8,
} as const;

/** Words of an entry: fingerprint (4), LSN (low; high 16 bits with the kind above), content hash (2). */
export const ID_ENTRY_WORDS = 8;
/** Entry `e` is in segment `e >>> SEGMENT_SHIFT`. */
const SEGMENT_SHIFT = 13;
const SEGMENT_MASK = (1 << SEGMENT_SHIFT) - 1;
const SEGMENT_WORDS = ID_ENTRY_WORDS << SEGMENT_SHIFT;

/**
 * The fingerprint under which a fact about an id is kept: 0 is the id itself, 1 its end, 2 + k its k-th reversal. Only word 1 changes, and
 * reversibly, so an end found in a checkpoint leads back to its transaction.
 */
export function derive(word1: number, fact: number): number {
  return (word1 ^ Math.imul(fact, 0x9e3779b1)) >>> 0;
}
export const FACT_END = 1;
export const FACT_REVERSAL = 2;

/**
 * All transaction ids a shard is home of, for ever: 32 bytes each and an index. Entries never change and are kept in the order they came,
 * in segments, so a checkpoint appends them and growing never copies them.
 */
export class IdTable {
  private readonly segments: Uint32Array[] = [];
  private readonly index = new IndexTable();
  /** Facts remembered (ids, ends, reversals). */
  count = 0;
  /** Ids of transactions among them. */
  ids = 0;

  /** Bytes held, slack included. */
  get byteLength(): number {
    return this.segments.length * SEGMENT_WORDS * 4 + this.index.byteLength;
  }

  /** The entry of a fingerprint, or -1. */
  find(f0: number, f1: number, f2: number, f3: number): number {
    const part = this.index.part(f1);
    const hash = f1 | 0;
    for (let place = firstPlace(part, hash); part[place + 1] !== 0; place = nextPlace(part, place)) {
      if (part[place] !== hash) continue;
      const entry = part[place + 1]! - 1;
      const words = this.segments[entry >>> SEGMENT_SHIFT]!;
      const at = (entry & SEGMENT_MASK) * ID_ENTRY_WORDS;
      if (words[at] === f0 && words[at + 1] === f1 && words[at + 2] === f2 && words[at + 3] === f3)
        return entry;
    }
    return -1;
  }

  /** Fetches what adding or finding these fingerprints (by their second words) will read. @returns nothing of meaning */
  warm(words: Uint32Array, n: number): number {
    let sum = 0;
    for (let i = 0; i < n; i++) sum ^= this.index.peek(words[i]!);
    return sum;
  }

  /** Remembers a fact; the caller has made sure that it is new. @returns its entry */
  add(
    f0: number,
    f1: number,
    f2: number,
    f3: number,
    lsn: number,
    kind: number,
    c0: number,
    c1: number,
  ): number {
    const words = this.segmentForNext();
    const entry = this.count++;
    const at = (entry & SEGMENT_MASK) * ID_ENTRY_WORDS;
    words[at] = f0;
    words[at + 1] = f1;
    words[at + 2] = f2;
    words[at + 3] = f3;
    words[at + 4] = lsn;
    words[at + 5] = (Math.floor(lsn / 4294967296) & 0xffff) | (kind << 16);
    words[at + 6] = c0;
    words[at + 7] = c1;
    if (kind <= IdKind.reversal) this.ids++;
    this.index.add(f1, entry);
    return entry;
  }

  /** Until {@link endFill} facts are only added, and none is looked up unless {@link settleFill} comes before. See `IndexTable`. */
  beginFill(): void {
    this.index.beginFill();
  }
  /** @param f1 the second word of the fingerprint that is to be looked up */
  settleFill(f1: number): void {
    this.index.settleFill(f1);
  }
  endFill(): void {
    this.index.endFill();
  }

  /** Remembers a fact from its packed words, as {@link copy} gives them. @returns its entry */
  addPacked(words: Uint32Array, at: number): number {
    const segment = this.segmentForNext();
    const to = (this.count & SEGMENT_MASK) * ID_ENTRY_WORDS;
    for (let i = 0; i < ID_ENTRY_WORDS; i++) segment[to + i] = words[at + i]!;
    if (words[at + 5]! >>> 16 <= IdKind.reversal) this.ids++;
    this.index.add(words[at + 1]!, this.count);
    return this.count++;
  }

  /** The segment that the next entry goes to. */
  private segmentForNext(): Uint32Array {
    if ((this.count & SEGMENT_MASK) === 0) this.segments.push(new Uint32Array(SEGMENT_WORDS));
    return this.segments[this.segments.length - 1]!;
  }

  /** Copies the words of an entry. */
  copy(entry: number, out: Uint32Array): void {
    for (let i = 0; i < ID_ENTRY_WORDS; i++) out[i] = this.word(entry, i);
  }

  private word(entry: number, word: number): number {
    return this.segments[entry >>> SEGMENT_SHIFT]![(entry & SEGMENT_MASK) * ID_ENTRY_WORDS + word]!;
  }

  lsn(entry: number): number {
    return this.word(entry, 4) + (this.word(entry, 5) & 0xffff) * 4294967296;
  }

  kind(entry: number): number {
    return this.word(entry, 5) >>> 16;
  }

  /** Whether the entry was made with this content. */
  sameContent(entry: number, c0: number, c1: number): boolean {
    return this.word(entry, 6) === c0 && this.word(entry, 7) === c1;
  }
}
