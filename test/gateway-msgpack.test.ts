import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import { DecodeError } from '../src/gateway/decode-error.js';
import { decodeMsgpack, encodeAnswer, encodeMsgpack } from '../src/gateway/msgpack.js';

const packr = new Packr({ useRecords: false, mapsAsObjects: true, structuredClone: false, moreTypes: false });
const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

const scalar = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 80 }),
  fc.integer(),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
  fc.double(),
  fc.boolean(),
  fc.constant(null),
);
const value = fc.letrec((tie) => ({
  any: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    scalar,
    fc.array(tie('any'), { maxLength: 20 }),
    fc.dictionary(
      fc.string({ maxLength: 40 }).filter((key) => key !== '__proto__'),
      tie('any'),
      { maxKeys: 20 },
    ),
  ),
})).any;

/** 64-bit integers that are safe come as numbers, and minus zero as zero. */
function normal(given: unknown): unknown {
  if (Object.is(given, -0)) return 0;
  if (typeof given === 'bigint') return Number.isSafeInteger(Number(given)) ? Number(given) : given;
  if (Array.isArray(given)) return given.map(normal);
  if (typeof given === 'object' && given !== null) {
    return Object.fromEntries(Object.entries(given).map(([key, item]) => [key, normal(item)]));
  }
  return given;
}

describe('decodeMsgpack', () => {
  it('reads what a general encoder writes', () => {
    fc.assert(
      fc.property(value, (given) => {
        expect(decodeMsgpack(Buffer.from(packr.pack(given)))).toEqual(normal(given));
      }),
    );
  });

  it.each([
    ['cf 00 1f ff ff ff ff ff ff', 9007199254740991],
    ['cf 00 20 00 00 00 00 00 00', 9007199254740992n],
    ['cf 7f ff ff ff ff ff ff ff', 9223372036854775807n],
    ['cf ff ff ff ff ff ff ff ff', 18446744073709551615n],
    ['d3 80 00 00 00 00 00 00 00', -9223372036854775808n],
    ['d3 ff ff ff ff ff ff ff ff', -1],
    ['cb 43 3f ff ff ff ff ff ff', 9007199254740991],
    ['cb 40 14 00 00 00 00 00 00', 5],
    ['ca 3f 00 00 00', 0.5],
    ['e0', -32],
    ['d0 80', -128],
  ])('reads %s exactly', (bytes, expected) => {
    expect(decodeMsgpack(hex(bytes))).toBe(expected);
  });

  it.each([
    ['nothing', ''],
    ['the type that is never used', 'c1'],
    ['binary', 'c4 01 00'],
    ['a timestamp', 'd6 ff 00 00 00 00'],
    ['an extension that a general decoder would act on', 'd4 72 40'],
    ['a large extension', 'c9 ff ff ff ff 00'],
    ['a key that is an integer', '81 01 01'],
    ['a key that is nil', '81 c0 01'],
    ['a key that is a map', '81 80 01'],
    ['a repeated key', '82 a1 61 01 a1 61 01'],
    ['a repeated key in another length form', '82 a1 61 01 d9 01 61 02'],
    [
      'a repeated __proto__',
      `82 a9 ${Buffer.from('__proto__').toString('hex')} 01 a9 ${Buffer.from('__proto__').toString('hex')} 01`,
    ],
    ['trailing bytes', '01 01'],
    ['a truncated integer', 'cf 00 00'],
    ['a truncated string', 'a5 61'],
    ['a truncated array', '93 01 02'],
    ['a truncated map', '81 a1 61'],
    ['an array that claims four billion items', 'dd ff ff ff ff'],
    ['a map that claims four billion members', 'df ff ff ff ff'],
    ['a string that claims four gigabytes', 'db ff ff ff ff 61'],
    ['invalid UTF-8', 'a2 c3 28'],
    ['a surrogate in UTF-8', 'a3 ed a0 80'],
  ])('refuses %s', (_, bytes) => {
    expect(() => decodeMsgpack(hex(bytes))).toThrow(DecodeError);
  });

  it('refuses deep nesting', () => {
    const nested = (depth: number) => Buffer.concat([Buffer.alloc(depth - 1, 0x91), hex('90')]);
    expect(decodeMsgpack(nested(32))).toBeDefined();
    expect(() => decodeMsgpack(nested(33))).toThrow(/deeper/);
    expect(() => decodeMsgpack(Buffer.alloc(1 << 20, 0x91))).toThrow(DecodeError);
  });

  it('makes __proto__ an ordinary key', () => {
    const bytes = hex(`81 a9 ${Buffer.from('__proto__').toString('hex')} 81 a1 61 01`);
    const map = decodeMsgpack(bytes) as object;
    expect(Object.keys(map)).toEqual(['__proto__']);
    expect(Object.getPrototypeOf(map)).toBe(Object.prototype);
    expect(encodeMsgpack(map)).toEqual(bytes);
  });

  it('tells strings apart that share a hash', () => {
    // 31 * 'A' + 'a' = 31 * 'B' + 'B'
    expect(decodeMsgpack(Buffer.from(packr.pack(['Aa', 'BB', 'Aa', 'BB'])))).toEqual([
      'Aa',
      'BB',
      'Aa',
      'BB',
    ]);
  });
});

describe('encodeMsgpack', () => {
  it('writes what a general decoder reads', () => {
    fc.assert(
      fc.property(value, (given) => {
        expect(normal(packr.unpack(encodeMsgpack(given)))).toEqual(normal(given));
        expect(decodeMsgpack(encodeMsgpack(given))).toEqual(normal(given));
      }),
    );
  });

  it('writes integers of any size as integers, in their shortest form', () => {
    for (const [given, bytes] of [
      [127, '7f'],
      [128, 'cc80'],
      [65_535, 'cdffff'],
      [2 ** 32 - 1, 'ceffffffff'],
      [2 ** 32, 'cf0000000100000000'],
      [Number.MAX_SAFE_INTEGER, 'cf001fffffffffffff'],
      [5n, '05'],
      [2n ** 63n - 1n, 'cf7fffffffffffffff'],
      [-1, 'ff'],
      [-33, 'd0df'],
      [-(2 ** 31), 'd280000000'],
      [-(2 ** 40), 'd3ffffff0000000000'],
      [-(2n ** 63n), 'd38000000000000000'],
    ] as const) {
      expect(encodeMsgpack(given).toString('hex')).toBe(bytes);
    }
  });

  it('writes large replies and leaves out what is undefined', () => {
    const reply = {
      results: Array.from({ length: 8192 }, (_, i) => ({ ok: true, id: `t${i}`, lsn: i, x: undefined })),
    };
    const back = packr.unpack(encodeMsgpack(reply)) as typeof reply;
    expect(back.results[8191]).toEqual({ ok: true, id: 't8191', lsn: 8191 });
  });
});

describe('encodeAnswer', () => {
  it('writes compact answers', () => {
    const integer = fc.oneof(fc.nat(300), fc.nat(70_000), fc.maxSafeNat());
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), integer, (rid, lsn) => {
        expect(decodeMsgpack(Buffer.from(encodeAnswer(rid, 0, lsn)))).toEqual([rid, 0, lsn]);
        expect(decodeMsgpack(Buffer.from(encodeAnswer(rid, 1, lsn)))).toEqual([rid, 1, lsn]);
        expect(decodeMsgpack(Buffer.from(encodeAnswer(rid, 31, 0)))).toEqual([rid, 31]);
      }),
    );
  });
});
