import { cpSync, mkdtempSync, readFileSync, renameSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { markName } from '../wal/durable-mark.js';
import { DamagedLogError, NewerFormatError } from '../wal/errors.js';
import { checkedBatches, openLog, openLogReader } from '../wal/log.js';
import { listSegments, SegmentWriter } from '../wal/segment.js';
import { SegmentFile } from '../wal/segment-file.js';
import type { LogPosition } from '../wal/store.js';
import { append, dataFile, temporaryDirectory } from './support/wal.js';
import { copyField, flipBatch, moveKey, PAGE, patch, removeMark, reseal } from './support/wal-damage.js';

const META_BITS = 160 * 8;
const AT_DEPTH = 102;
const AT_ROOT = 136;
const AT_LAST_PAGE = 144;
const AT_TXNID = 152;

/** A log of several segments; the newest has 8 batches. Three LSNs a batch. */
function buildLog(data: string): { last: LogPosition; segments: number[] } {
  const log = openLog({ data, segmentBytes: 256 << 10 });
  while (log.segments < 3) append(log, 3, 2000);
  for (let batch = 1; batch < 8; batch++) append(log, 3, batch % 2 === 0 ? 2000 : 50);
  const { last } = log;
  log.close();
  return { last, segments: listSegments(data) };
}

function txnids(path: string): [number, number] {
  const bytes = readFileSync(path);
  return [Number(bytes.readBigUInt64LE(AT_TXNID)), Number(bytes.readBigUInt64LE(PAGE + AT_TXNID))];
}

/** 0 or 1: the meta page of the newest commit. */
function newestMetaPage(path: string): 0 | 1 {
  const [even, odd] = txnids(path);
  return even > odd ? 0 : 1;
}

function lastLsn(data: string): number {
  let lsn = 0;
  for (const batch of checkedBatches(data, 1)) lsn = batch.firstLsn + batch.count - 1;
  return lsn;
}

function damageOf(action: () => unknown): DamagedLogError | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    if (error instanceof DamagedLogError) return error;
    throw error;
  }
}

describe('damage to the log', () => {
  let root: string;
  let data: string;
  let last: LogPosition;
  let segments: number[];

  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), 'kassa-'));
    data = join(root, 'data');
    ({ last, segments } = buildLog(data));
  });

  afterAll(() => rmSync(root, { recursive: true }));

  /** A fresh copy of the sound log, with one file changed. */
  function damagedCopy(change: (copy: string) => void): string {
    const copy = join(temporaryDirectory(), 'data');
    cpSync(data, copy, { recursive: true });
    change(copy);
    return copy;
  }

  it('is named with segment, LSN, reason and the command that shows more', () => {
    const first = segments.at(-1)!;
    const copy = damagedCopy((path) => flipBatch(path, first, last.lsn - 2, 90));
    const error = damageOf(() => openLog({ data: copy }))!;
    expect(error).toMatchObject({ data: copy, segment: String(first).padStart(16, '0') });
    expect(error.reason).toBe('the checksum of a batch does not match');
    expect(error.lsn).toBe(last.lsn - 2);
    expect(error.message).toContain(`segment ${error.segment} at LSN ${error.lsn}`);
    expect(error.message).toContain(`kassa verify --data ${copy}`);
  });

  it('in any field of a batch is found, wherever the batch is', () => {
    const fields = {
      magic: 0,
      kind: 4,
      version: 6,
      lsn: 8,
      count: 16,
      crc: 20,
      time: 24,
      hash: 32,
      length: 64,
    };
    const offsets = [...Object.values(fields), 68, 72, 100];
    const first = segments[1]!;
    for (const lsn of [first, first + 9, segments[2]! - 3, last.lsn - 2]) {
      for (const offset of offsets) {
        const segment = segments.findLast((start) => start <= lsn)!;
        const copy = damagedCopy((path) => flipBatch(path, segment, lsn, offset));
        const error = damageOf(() => lastLsn(copy));
        expect(error?.segment, `offset ${offset} of LSN ${lsn}`).toBe(String(segment).padStart(16, '0'));
        expect(error!.lsn).toBeLessThanOrEqual(lsn);
      }
    }
  });

  it('in the last batch of any segment is found on opening', () => {
    const lasts = segments.map((_, index) => (segments[index + 1] ?? last.lsn + 1) - 3);
    lasts.forEach((lsn, index) => {
      const copy = damagedCopy((path) => flipBatch(path, segments[index]!, lsn, 80));
      const segment = String(segments[index]).padStart(16, '0');
      expect(damageOf(() => openLog({ data: copy }))).toMatchObject({ segment, lsn });
    });
  });

  it('by someone who put the checksum right is found by the chain of hashes', () => {
    const lsn = segments[1]! + 6;
    const copy = damagedCopy((path) =>
      reseal(path, segments[1]!, lsn, (batch) => batch.writeUInt8(batch[90]! ^ 1, 90)),
    );
    openLog({ data: copy }).close();
    const error = damageOf(() => lastLsn(copy))!;
    expect(error).toMatchObject({ lsn: lsn + 3, reason: expect.stringContaining('hash') });
  });

  it('across segments is found by the header of the next', () => {
    const lsn = segments[1]! - 3;
    const copy = damagedCopy((path) =>
      reseal(path, segments[0]!, lsn, (batch) => batch.writeUInt8(batch[90]! ^ 1, 90)),
    );
    expect(damageOf(() => openLog({ data: copy }))?.segment).toBe(String(segments[1]).padStart(16, '0'));
    expect(damageOf(() => lastLsn(copy))?.segment).toBe(String(segments[1]).padStart(16, '0'));
  });

  it('is not what a newer Kassa wrote', () => {
    const lsn = last.lsn - 2;
    const copy = damagedCopy((path) =>
      reseal(path, segments.at(-1)!, lsn, (batch) => batch.writeUInt8(2, 6)),
    );
    expect(() => openLog({ data: copy })).toThrow(NewerFormatError);
    expect(() => lastLsn(copy)).toThrow('written by a newer Kassa: kind 1 version 2');
  });

  it('of any bit of the newest meta page that matters is refused, and no bit of either loses a batch', () => {
    const copy = damagedCopy(() => {});
    const path = dataFile(copy, segments.at(-1)!);
    const sound = readFileSync(path).subarray(0, 2 * PAGE);
    const page = newestMetaPage(path);
    const mustRefuse = new Set<number>();
    for (const [from, bytes] of [
      [0, 8],
      [18, 2],
      [24, 6],
      [48, 4],
      [AT_DEPTH, 2],
      [128, 8],
      [AT_ROOT, 8],
      [AT_TXNID, 8],
    ] as const) {
      for (let bit = from * 8; bit < (from + bytes) * 8; bit++) mustRefuse.add(bit);
    }
    for (const at of [0, 1]) {
      for (let bit = 0; bit < META_BITS; bit++) {
        const bytes = Buffer.from(sound);
        bytes[at * PAGE + (bit >> 3)]! ^= 1 << (bit & 7);
        patch(path, 0, (target) => bytes.copy(target), bytes.length);
        const error = damageOf(() => new SegmentFile(copy, segments.at(-1)!).close());
        if (at === page && mustRefuse.has(bit)) expect(error, `bit ${bit}`).toBeDefined();
        if (error === undefined) expect(endOf(copy)).toBe(last.lsn);
      }
    }
  });

  it('that makes the newest batch vanish for LMDB is refused by writer and readers', () => {
    const ways: ((path: string, page: number) => void)[] = [
      (path, page) => patch(path, page * PAGE + AT_TXNID, (bytes) => bytes.writeBigUInt64LE(0n)),
      (path, page) =>
        patch(path, page * PAGE + AT_TXNID, (bytes) => bytes.writeBigUInt64LE(bytes.readBigUInt64LE() + 2n)),
      (path, page) => patch(path, page * PAGE + 24, (bytes) => bytes.fill(0)),
      (path, page) => patch(path, page * PAGE, (bytes) => bytes.fill(0), PAGE),
      (path, page) =>
        patch(path, page * PAGE + AT_ROOT, (bytes) => bytes.writeBigUInt64LE(bytes.readBigUInt64LE() + 1n)),
      (path, page) => copyField(path, page, AT_ROOT),
    ];
    for (const way of ways) {
      const copy = damagedCopy((path) => {
        const file = dataFile(path, segments.at(-1)!);
        way(file, newestMetaPage(file));
      });
      expect(
        damageOf(() => openLog({ data: copy })),
        String(way),
      ).toBeDefined();
      expect(
        damageOf(() => openLogReader({ data: copy })),
        String(way),
      ).toBeDefined();
      expect(
        damageOf(() => lastLsn(copy)),
        String(way),
      ).toBeDefined();
    }
  });

  it('that takes the newest commit id back by two is refused, or loses nothing', () => {
    const copy = damagedCopy((path) => {
      const file = dataFile(path, segments.at(-1)!);
      const at = newestMetaPage(file) * PAGE + AT_TXNID;
      patch(file, at, (bytes) => bytes.writeBigUInt64LE(bytes.readBigUInt64LE() - 2n));
    });
    const error = damageOf(() => openLog({ data: copy }).close());
    if (error === undefined) expect(lastLsn(copy)).toBe(last.lsn);
  });

  it('such as a missing, empty or cut-off file is refused', () => {
    const [first, middle, end] = segments as [number, number, number];
    const ways: ((copy: string) => void)[] = [
      ...[first, middle].map(
        (segment) => (copy: string) => rmSync(dirname(dataFile(copy, segment)), { recursive: true }),
      ),
      ...segments.map((segment) => (copy: string) => rmSync(dataFile(copy, segment))),
      ...[0, 100, PAGE, 3 * PAGE].map((size) => (copy: string) => truncateSync(dataFile(copy, end), size)),
      (copy) => truncateSync(dataFile(copy, middle), PAGE * 20),
      (copy) => renameSync(dirname(dataFile(copy, end)), dirname(dataFile(copy, end + 3))),
      (copy) => cpSync(dataFile(copy, first), dataFile(copy, end)),
    ];
    for (const way of ways) {
      const copy = damagedCopy(way);
      expect(
        damageOf(() => openLog({ data: copy })),
        String(way),
      ).toBeDefined();
      expect(
        damageOf(() => lastLsn(copy)),
        String(way),
      ).toBeDefined();
    }
  });

  it('such as a segment of another ledger is refused', () => {
    const other = join(temporaryDirectory(), 'other');
    buildLog(other);
    const copy = damagedCopy((path) => cpSync(dataFile(other, segments[1]!), dataFile(path, segments[1]!)));
    expect(damageOf(() => openLog({ data: copy }))).toBeDefined();
    expect(damageOf(() => lastLsn(copy))).toBeDefined();
  });

  it('such as a segment that continues this log for another ledger is refused', () => {
    const other = { id: '00000000-0000-4000-8000-000000000000', key: new Uint8Array(16), createdMs: 0 };
    const copy = damagedCopy((path) =>
      SegmentWriter.create(path, { ledger: other, firstLsn: last.lsn + 1, previous: last }, 1 << 20).close(),
    );
    expect(damageOf(() => openLog({ data: copy }))?.reason).toContain('another ledger');
  });

  it('such as a batch that went missing in the middle is not taken for the end', () => {
    const lsn = last.lsn - 5;
    const copy = damagedCopy((path) => moveKey(dataFile(path, segments.at(-1)!), lsn, lsn + 1));
    expect(damageOf(() => lastLsn(copy))).toMatchObject({ lsn, reason: 'a batch is missing' });
  });

  it('such as a commit out of turn is named by its LSN', () => {
    const lsn = segments[1]! + 6;
    const copy = damagedCopy((path) =>
      reseal(path, segments[1]!, lsn, (batch) => batch.writeUInt32LE(9, 68)),
    );
    expect(damageOf(() => lastLsn(copy))).toMatchObject({
      lsn,
      reason: 'the batch is of commit 9 and not 3',
    });
  });

  it('such as a meta page as it was some commits ago is refused', () => {
    const copy = damagedCopy(() => {});
    const path = dataFile(copy, last.lsn + 1);
    const log = openLog({ data: copy });
    const states: Buffer[] = [];
    for (let batch = 0; batch < 8; batch++) {
      append(log, 3, batch % 2 === 0 ? 2000 : 50);
      states.push(readFileSync(path).subarray(0, 2 * PAGE));
    }
    log.close();
    const page = newestMetaPage(path) * PAGE;
    const sound = states.at(-1)!;
    // The state of two commits ago is that of a disk that lost the last write: a log one batch shorter, and sound.
    for (const state of [states[1]!, states[3]!]) {
      patch(path, 0, (bytes) => sound.copy(bytes), sound.length);
      patch(path, page, (bytes) => state.copy(bytes, 0, page, page + PAGE), PAGE);
      expect(damageOf(() => openLog({ data: copy }))?.reason).toMatch(/^the meta pages are of commits/);
    }
    patch(path, 0, (bytes) => sound.copy(bytes), sound.length);
    patch(path, page, (bytes) => sound.copy(bytes, 8, PAGE - page + 8, 2 * PAGE - page), PAGE);
    expect(damageOf(() => openLog({ data: copy }))).toBeDefined();
  });

  it('such as a newest segment that is gone as a whole is noticed by the mark', () => {
    const copy = damagedCopy((path) =>
      rmSync(dirname(dataFile(path, segments.at(-1)!)), { recursive: true }),
    );
    expect(damageOf(() => openLog({ data: copy }))).toMatchObject({
      segment: String(segments.at(-2)).padStart(16, '0'),
      lsn: segments.at(-1)!,
      reason: `the log ends at LSN ${segments.at(-1)! - 1}, but LSN ${last.lsn} was durable once, as the file ${markName(last.lsn)} says`,
    });
    rmSync(join(copy, 'log'), { recursive: true });
    expect(damageOf(() => openLog({ data: copy }))?.reason).toMatch(/^the log is gone, but LSN/);
  });

  it('to a newest segment that was never closed is noticed by the mark of its first batch', () => {
    const copy = damagedCopy(() => {});
    const log = openLog({ data: copy });
    append(log, 3);
    const first = log.last.lsn;
    append(log, 3);
    // A process that dies here leaves this behind.
    const left = join(temporaryDirectory(), 'data');
    cpSync(copy, left, { recursive: true });
    log.close();
    rmSync(dirname(dataFile(left, last.lsn + 1)), { recursive: true });
    expect(damageOf(() => openLog({ data: left }))?.reason).toContain(`LSN ${first} was durable once`);
  });

  it('that looks like an older log, without a mark, is noticed by who knows better', () => {
    const copy = damagedCopy((path) => {
      rmSync(dirname(dataFile(path, segments.at(-1)!)), { recursive: true });
      removeMark(path);
    });
    const log = openLog({ data: copy });
    expect(log.last.lsn).toBe(segments.at(-1)! - 1);
    log.close();
    const error = damageOf(() => [...checkedBatches(copy, last.lsn + 1, last.hash)])!;
    expect(error.lsn).toBe(segments.at(-1)!);
    expect(error.reason).toContain(`LSN ${last.lsn} was once known`);
  });

  it('is not what a failed write of a meta page leaves', () => {
    const copy = damagedCopy(() => {});
    const path = dataFile(copy, last.lsn + 1);
    const log = openLog({ data: copy });
    append(log, 3, 2000);
    const before = readFileSync(path);
    append(log, 3, 2000);
    const acknowledged = log.last;
    append(log, 3, 2000);
    log.close();
    // The process that failed did not close the log.
    removeMark(copy);
    const page = newestMetaPage(path);
    for (const at of [AT_LAST_PAGE, AT_TXNID]) {
      patch(path, page * PAGE + at, (bytes) => before.copy(bytes, 0, page * PAGE + at, page * PAGE + at + 8));
    }
    const again = openLog({ data: copy });
    expect(again.last).toEqual(acknowledged);
    append(again, 3, 2000);
    again.close();
    expect(lastLsn(copy)).toBe(acknowledged.lsn + 3);
  });

  function endOf(copy: string): number {
    const reader = openLogReader({ data: copy });
    try {
      expect(reader.batchAt(last.lsn + 1)).toBeUndefined();
      const batch = reader.batchAt(last.lsn);
      return batch === undefined ? 0 : batch.firstLsn + batch.count - 1;
    } finally {
      reader.close();
    }
  }
});
