import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DecodeError } from '../src/gateway/decode-error.js';
import { decodeJson, encodeJson } from '../src/gateway/json.js';

const decode = (text: string) => decodeJson(Buffer.from(text));

describe('decodeJson', () => {
  it.each([
    ['0', 0],
    ['9007199254740991', 9007199254740991],
    ['9007199254740992', 9007199254740992n],
    ['9007199254740993', 9007199254740993n],
    ['9223372036854775807', 9223372036854775807n],
    ['-9223372036854775808', -9223372036854775808n],
    ['1.0', 1],
    ['1e3', 1000],
    ['1000000000000000.0', 1e15],
    ['0.5', 0.5],
    ['0.12345678901234566', 0.12345678901234566],
    ['10.5', 10.5],
  ])('reads %s exactly', (text, value) => {
    expect(decode(text)).toBe(value);
    expect(decode(`{"a":[${text}]}`)).toEqual({ a: [value] });
  });

  it.each(['1e999', '1.00000000000000000001', '9007199254740991.4', '1'.repeat(33), '9'.repeat(1_000_000)])(
    'reads a number that nothing can hold as one that no field accepts',
    (text) => {
      expect(Number.isFinite(decode(`[${text}]`) as never)).toBe(false);
      expect(Number.isFinite((decode(`[${text}]`) as number[])[0])).toBe(false);
    },
  );

  it('reads a short number the same beside a long one as alone', () => {
    for (const token of ['1e3', '690E-1', '1.5e1', '5.0', '0.5', '-2e-1', '1e999']) {
      expect(decode(`[${token},9007199254740993]`)).toEqual([
        ...(decode(`[${token}]`) as unknown[]),
        2n ** 53n + 1n,
      ]);
    }
  });

  it.each([
    '{"a":1,"a":1}',
    '{"a":1,"a":2}',
    '{"a":1,"\\u0061":1}',
    '{"x":{"b":[],"b":[]}}',
    '[{"a":{"c":1},"a":{"c":1}}]',
    '{"a":9007199254740993,"a":9007199254740993}',
    '{"__proto__":1,"__proto__":1}',
  ])('refuses repeated keys: %s', (text) => {
    expect(() => decode(text)).toThrow(/twice/);
  });

  it.each([
    '',
    ' ',
    '{',
    '[1,]',
    '{"a":1,}',
    '01',
    '+1',
    '.5',
    'NaN',
    "{'a':1}",
    '{a:1}',
    '[1] x',
    '"\n"',
    '\ufeff{}',
    'nul',
    '"\\x41"',
    '[9007199254740993,]',
    '{"a":9007199254740993 "b":1}',
  ])('refuses %j', (text) => {
    expect(() => decode(text)).toThrow(DecodeError);
  });

  it('refuses invalid UTF-8 and halves of surrogate pairs', () => {
    expect(() => decodeJson(Buffer.from([0x22, 0xff, 0x22]))).toThrow(/UTF-8/);
    expect(() => decodeJson(Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]))).toThrow(/UTF-8/);
    expect(() => decode('{"a":"\\ud800"}')).toThrow(/surrogate/);
    expect(() => decode('{"\\udc00":1}')).toThrow(/surrogate/);
    expect(decode('"\\ud83d\\ude00 \\u0041"')).toBe('😀 A');
  });

  it('refuses deep nesting before it parses', () => {
    const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
    expect(decode(nested(32))).toBeDefined();
    expect(() => decode(nested(33))).toThrow(/deeper/);
    expect(() => decode('['.repeat(1_000_000))).toThrow(DecodeError);
    expect(() => decode('{"a":'.repeat(100_000))).toThrow(DecodeError);
    expect(decode(`"${'['.repeat(100)}"`)).toBe('['.repeat(100));
  });

  it('makes __proto__ an ordinary key', () => {
    for (const text of ['{"__proto__":{"admin":true}}', '{"__proto__":{"admin":9007199254740993}}']) {
      const value = decode(text) as Record<string, unknown>;
      expect(Object.keys(value)).toEqual(['__proto__']);
      expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
      expect(encodeJson(value)).toBe(text);
    }
  });

  it('agrees with JSON.parse on every JSON value', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
        const text = JSON.stringify(value);
        fc.pre(!/\d{15}|e[+-]?\d/.test(text));
        expect(decode(text)).toEqual(JSON.parse(text));
        expect(encodeJson(decode(text))).toBe(text);
      }),
    );
  });
});

describe('encodeJson', () => {
  it('writes 64-bit integers as bare digits and leaves out what is undefined', () => {
    const value = { a: 2n ** 63n - 1n, b: -(2n ** 63n), c: undefined, d: [1n, null, 'é"'], e: true, f: {} };
    expect(encodeJson(value)).toBe(
      '{"a":9223372036854775807,"b":-9223372036854775808,"d":[1,null,"é\\""],"e":true,"f":{}}',
    );
  });
});
