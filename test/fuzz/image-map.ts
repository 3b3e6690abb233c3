import { BATCH_HEADER_BYTES } from '../../wal/batch.js';

/**
 * What each byte of a file of the log is there for, worked out from the layout that is written down (see wal/page.ts, wal/batch.ts) and not with
 * the code that reads it. Live is what an answer of Kassa may come from; of the rest nothing is read.
 */

/** Bytes of one purpose: `[from, to)` of the file. */
export interface Span {
  readonly kind: ByteKind;
  readonly from: number;
  readonly to: number;
  /** First LSN of the batch that they belong to; 0 for none. */
  readonly lsn: number;
}

export const BYTE_KINDS = {
  'meta page: what is checked': true,
  'meta page: commit id': true,
  'meta page: the rest': false,
  'tree page: header': true,
  'tree page: commit id': false,
  'tree page: room': false,
  'branch: entries': true,
  'leaf: entries': true,
  'leaf: commit id of a reference': false,
  'value pages: header': true,
  'value pages: commit id': false,
  'value pages: slack': false,
  'segment header': true,
  'batch: header': true,
  'batch: checksum': true,
  'batch: hash': true,
  'batch: records': true,
  'free pages and old copies': false,
  'checkpoint: block headers': true,
  'checkpoint: head of a run': true,
  'checkpoint: accounts': true,
  'checkpoint: holds': true,
  'checkpoint: reversals': true,
  'checkpoint: foot of a run': true,
  'checkpoint: ids': true,
  'checkpoint: ids beyond the newest run': false,
  'lock files': false,
} as const;
export type ByteKind = keyof typeof BYTE_KINDS;

const PAGE = 4096;
const HEADER = 24;
/** Of a meta page: from, to. Depth and root only of the newer one. */
const META_CHECKED = [
  [0, 8],
  [18, 20],
  [24, 30],
  [48, 52],
  [128, 136],
] as const;
const META_OF_NEWER = [
  [102, 104],
  [136, 144],
] as const;

/** Maps a segment's data file. */
export function mapSegment(bytes: Buffer): Span[] {
  return new SegmentMap(bytes).spans();
}

class SegmentMap {
  private readonly kinds: (ByteKind | undefined)[];
  private readonly lsns: Float64Array;

  constructor(private readonly bytes: Buffer) {
    this.kinds = new Array<ByteKind | undefined>(bytes.length).fill(undefined);
    this.lsns = new Float64Array(bytes.length);
  }

  spans(): Span[] {
    const { bytes } = this;
    const [even, odd] = [bytes.readBigUInt64LE(152), bytes.readBigUInt64LE(PAGE + 152)];
    const newer = even > odd ? 0 : PAGE;
    for (const meta of [0, PAGE]) {
      this.mark(meta, PAGE, 'meta page: the rest');
      for (const [from, to] of META_CHECKED) this.mark(meta + from, to - from, 'meta page: what is checked');
    }
    for (const meta of [0, PAGE]) this.mark(meta + 152, 8, 'meta page: commit id');
    for (const [from, to] of META_OF_NEWER) this.mark(newer + from, to - from, 'meta page: what is checked');
    this.page(Number(bytes.readBigUInt64LE(newer + 136)), bytes.readUInt16LE(newer + 102));
    return joined(this.kinds, this.lsns);
  }

  private mark(from: number, length: number, kind: ByteKind, lsn = 0): void {
    this.kinds.fill(kind, from, from + length);
    this.lsns.fill(lsn, from, from + length);
  }

  private page(number: number, depth: number): void {
    const { bytes } = this;
    const at = number * PAGE;
    const count = bytes.readUInt16LE(at + 20) / 2;
    this.mark(at, PAGE, 'tree page: room');
    this.mark(at, 8, 'tree page: header');
    this.mark(at + 8, 8, 'tree page: commit id');
    this.mark(at + 18, 6, 'tree page: header');
    const kind = depth === 1 ? 'leaf: entries' : 'branch: entries';
    this.mark(at + HEADER, 2 * count, kind);
    for (let i = 0; i < count; i++) {
      const node = at + HEADER + bytes.readUInt16LE(at + HEADER + 2 * i);
      if (depth === 1) this.entry(node);
      else {
        this.mark(node, 8 + bytes.readUInt16LE(node + 6), kind);
        this.page(bytes.readUInt32LE(node) + bytes.readUInt16LE(node + 4) * 2 ** 32, depth - 1);
      }
    }
  }

  private entry(node: number): void {
    const { bytes } = this;
    const key = Number(bytes.readBigUInt64BE(node + 8));
    const size = bytes.readUInt32LE(node);
    const value = node + 16;
    this.mark(node, 16, 'leaf: entries', key);
    if (bytes.readUInt16LE(node + 4) === 0) {
      this.value(value, size, key);
      return;
    }
    this.mark(value, 24, 'leaf: entries', key);
    this.mark(value + 8, 8, 'leaf: commit id of a reference', key);
    const first = Number(bytes.readBigUInt64LE(value)) * PAGE;
    this.mark(first, Number(bytes.readBigUInt64LE(value + 16)) * PAGE, 'value pages: slack', key);
    this.mark(first, HEADER, 'value pages: header', key);
    this.mark(first + 8, 8, 'value pages: commit id', key);
    this.mark(first + 16, 2, 'value pages: slack', key);
    this.value(first + HEADER, size, key);
  }

  private value(at: number, size: number, key: number): void {
    if (key === 0) {
      this.mark(at, size, 'segment header');
      return;
    }
    this.mark(at, size, 'batch: records', key);
    this.mark(at, BATCH_HEADER_BYTES, 'batch: header', key);
    this.mark(at + 20, 4, 'batch: checksum', key);
    this.mark(at + 32, 32, 'batch: hash', key);
  }
}

function joined(kinds: readonly (ByteKind | undefined)[], lsns: Float64Array): Span[] {
  const spans: Span[] = [];
  for (let from = 0; from < kinds.length; ) {
    let to = from + 1;
    while (to < kinds.length && kinds[to] === kinds[from] && lsns[to] === lsns[from]) to++;
    spans.push({ kind: kinds[from] ?? 'free pages and old copies', from, to, lsn: lsns[from]! });
    from = to;
  }
  return spans;
}

const BLOCK_HEADER = 32;
const BLOCK_KINDS: { readonly [kind: number]: ByteKind } = {
  1: 'checkpoint: head of a run',
  2: 'checkpoint: ids',
  3: 'checkpoint: accounts',
  4: 'checkpoint: holds',
  5: 'checkpoint: reversals',
  6: 'checkpoint: foot of a run',
};

/** Maps a file of the checkpoint. @param length of it that counts */
export function mapBlocks(bytes: Buffer, length = bytes.length): Span[] {
  const spans: Span[] = [];
  for (let at = 0; at < length; ) {
    const payload = at + BLOCK_HEADER;
    const end = payload + bytes.readUInt32LE(at + 8);
    spans.push({ kind: 'checkpoint: block headers', from: at, to: payload, lsn: 0 });
    spans.push({ kind: BLOCK_KINDS[bytes.readUInt16LE(at + 4)]!, from: payload, to: end, lsn: 0 });
    at = end;
  }
  if (length < bytes.length) {
    spans.push({ kind: 'checkpoint: ids beyond the newest run', from: length, to: bytes.length, lsn: 0 });
  }
  return spans;
}
