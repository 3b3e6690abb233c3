import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BatchError,
  type BatchFault,
  forEachRecord,
  hashBatch,
  NO_HASH,
  parseBatch,
  recordOffset,
  recordSize,
  sealBatch,
} from '../wal/batch.js';
import { NewerFormatError } from '../wal/errors.js';
import { composeBatch } from './support/wal.js';

function sealed(sizes: readonly number[], firstLsn = 7): Uint8Array {
  const bytes = composeBatch(sizes);
  sealBatch(bytes, {
    firstLsn,
    count: sizes.length,
    timeMs: 1_700_000_000_123,
    prevHash: NO_HASH,
    commitNumber: 3,
  });
  return bytes;
}

function patched(bytes: Uint8Array, at: number, values: readonly number[]): Uint8Array {
  const copy = Buffer.from(bytes);
  copy.set(values, at);
  copy.writeUInt32LE(0, 20);
  copy.writeUInt32LE(crc32(copy), 20);
  return copy;
}

function faultOf(bytes: Uint8Array): BatchFault | undefined {
  try {
    parseBatch(bytes);
    return undefined;
  } catch (error) {
    if (error instanceof BatchError) return error.fault;
    throw error;
  }
}

describe('a batch', () => {
  it('has the same bytes for ever', () => {
    const prevHash = Buffer.alloc(32, 0xab);
    const bytes = composeBatch([5, 6]);
    sealBatch(bytes, { firstLsn: 2 ** 40 + 5, count: 2, timeMs: 2 ** 41 + 1, prevHash, commitNumber: 9 });
    const header = [
      '4b424154 0100 0100 0500000000010000 02000000',
      Buffer.from(bytes).toString('hex', 20, 24),
      '0100000000020000',
      'ab'.repeat(32),
      '53000000 09000000',
    ];
    const records = '05000000 01 06000000 0202';
    expect(Buffer.from(bytes).toString('hex')).toBe([...header, records].join('').replaceAll(' ', ''));
    const zeroed = Buffer.from(bytes).fill(0, 20, 24);
    expect(Buffer.from(bytes).readUInt32LE(20)).toBe(crc32(zeroed));
  });

  it('is read back as it was sealed', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 4, max: 300 }), { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER - 100 }),
        (sizes, firstLsn) => {
          const bytes = sealed(sizes, firstLsn);
          const batch = parseBatch(bytes);
          expect(batch).toMatchObject({
            firstLsn,
            count: sizes.length,
            timeMs: 1_700_000_000_123,
            commitNumber: 3,
          });
          const seen: number[] = [];
          forEachRecord(batch, (_bytes, offset, size, lsn) => {
            expect(lsn).toBe(firstLsn + seen.length);
            expect(recordOffset(batch, lsn)).toBe(offset);
            expect(recordSize(batch.bytes, offset)).toBe(size);
            seen.push(size);
          });
          expect(seen).toEqual(sizes);
          expect(recordOffset(batch, firstLsn - 1)).toBe(-1);
          expect(recordOffset(batch, firstLsn + sizes.length)).toBe(-1);
        },
      ),
    );
  });

  it('is hashed as a whole with SHA-256', () => {
    const bytes = sealed([10]);
    expect(Buffer.from(hashBatch(bytes))).toEqual(createHash('sha256').update(bytes).digest());
  });

  it('is refused when any bit of it flipped', () => {
    const bytes = sealed([20, 30]);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const copy = Buffer.from(bytes);
      copy[bit >> 3]! ^= 1 << (bit & 7);
      expect(faultOf(copy), `bit ${bit}`).toBeDefined();
    }
  });

  it('is refused with the name of what is wrong', () => {
    const bytes = sealed([20, 30]);
    expect(faultOf(bytes.subarray(0, 71))).toBe('short');
    expect(faultOf(bytes.subarray(0, bytes.length - 1))).toBe('length');
    expect(faultOf(patched(bytes, 0, [0]))).toBe('magic');
    expect(faultOf(patched(bytes, 64, [1]))).toBe('length');
    expect(faultOf(patched(bytes, 8, [0]))).toBe('lsn');
    expect(faultOf(patched(bytes, 14, [0x20]))).toBe('lsn');
    expect(faultOf(patched(bytes, 16, [3]))).toBe('count');
    expect(faultOf(patched(bytes, 72, [3]))).toBe('count');
    expect(faultOf(patched(bytes, 72, [60]))).toBe('count');
    const copy = Buffer.from(bytes);
    copy[80]! ^= 1;
    expect(faultOf(copy)).toBe('crc');
  });

  it('of an unknown kind or version names the newer Kassa, once the checksum is right', () => {
    const bytes = sealed([20]);
    expect(() => parseBatch(patched(bytes, 4, [2]))).toThrow(
      new NewerFormatError('written by a newer Kassa: kind 2 version 1'),
    );
    expect(() => parseBatch(patched(bytes, 6, [7]))).toThrow(
      new NewerFormatError('written by a newer Kassa: kind 1 version 7'),
    );
    const flipped = Buffer.from(bytes);
    flipped[4] = 2;
    expect(faultOf(flipped)).toBe('crc');
  });
});
