import { describe, expect, it } from 'vitest';
import { encode } from '../src/client/codec.js';
import { makeCompact } from './fuzz/commands.js';
import { compareWays } from './fuzz/compact-ways.js';
import { mutate } from './fuzz/mutate.js';
import { spellMsgpack } from './fuzz/spell-msgpack.js';
import { makeValue } from './fuzz/values.js';
import { Dice } from './support/dice.js';

const sale = ['t-1', 'till:1', '{s}:sales', 1234];
const legs = [
  ['till:1', 1234],
  ['{s}:sales', -1000],
  ['vat', -234, 'VAT'],
];

describe('the short way of a compact frame', () => {
  it.each<[string, unknown[]]>([
    ['a sale', [1, ...sale]],
    ['with code, reference and time', [70_000, ...sale, 'S', 'a reference', '2026-02-03T04:05:06.789Z']],
    ['with options skipped', [2 ** 32 - 1, ...sale, null, 'a reference', null]],
    ['with postings', [0, 't-2', legs]],
    ['with postings and options', [200, 't-3', legs, null, null, '2026-02-03T04:05:06Z']],
    [
      'with postings whose tags are skipped',
      [
        3,
        't-4',
        [
          ['a', 5, null],
          ['b', -5, null],
        ],
      ],
    ],
    ['of a large amount', [4, 'x', 'a', 'b', 2 ** 32 - 1]],
    ['that is a batch', [5, [sale, ['t-5', legs], [...sale, 'S']]]],
    [
      'that is a batch with a fault in it',
      [6, [sale, ['t 5', 'a', 'b', 1], ['t', 'a', 'b', 0.5], ['t'], [...sale, null, null, null, null], []]],
    ],
    [
      'of amounts in every width',
      [7, [1, 127, 128, 255, 256, 65_535, 65_536].map((n) => ['t', 'a', 'b', n])],
    ],
  ])('takes %s', (_, frame) => {
    expect(compareWays(Buffer.from(encode(frame)))).toBe(true);
  });

  it('takes amounts of 64 bits within 2^53, and leaves larger ones', () => {
    const int64 = (n: bigint) => {
      const bytes = Buffer.from('d30000000000000000', 'hex');
      bytes.writeBigInt64BE(n, 1);
      return bytes.toString('hex');
    };
    const frame = (n: bigint) => Buffer.from(`9301a1749292a161${int64(n)}92a162${int64(-n)}`, 'hex');
    expect(compareWays(frame(5n))).toBe(true);
    expect(compareWays(frame(2n ** 53n - 1n))).toBe(true);
    for (const n of [2n ** 53n, 2n ** 53n + 1n, 2n ** 63n - 1n]) expect(compareWays(frame(n))).toBe(false);
  });

  it.each<[string, unknown]>([
    ['a map', { rid: 1, op: 'ping' }],
    ['no rid', ['t', 'a', 'b', 1]],
    ['a rid below 0', [-1, ...sale]],
    ['a rid beyond 32 bits', [2 ** 32, ...sale]],
    ['too few fields', [1, 't', 'a', 'b']],
    ['too many', [1, ...sale, 'S', 'r', null, null]],
    [
      'an unbalanced one',
      [
        1,
        't',
        [
          ['a', 5],
          ['b', -4],
        ],
      ],
    ],
    ['an amount of 0', [1, 't', 'a', 'b', 0]],
    ['a batch with something behind it', [1, [sale], null]],
    ['an empty batch', [1, []]],
    ['a batch of 8,193', [1, new Array(8193).fill(sale)]],
    ['a batch with an entry that is no array', [1, [sale, 5]]],
    ['text that is not ASCII in a batch', [1, [sale, ['ä', 'a', 'b', 1]]]],
  ])('leaves %s', (_, frame) => {
    expect(compareWays(Buffer.from(encode(frame)))).toBe(false);
  });

  it('leaves a frame with bytes behind it, and one that ends too early, wherever', () => {
    for (const frame of [
      [1, ...sale],
      [1, 't', legs, 'S'],
      [1, [sale, ['t', legs]]],
    ]) {
      const bytes = Buffer.from(encode(frame));
      expect(compareWays(Buffer.concat([bytes, Buffer.from([0xc0])]))).toBe(false);
      for (let end = 0; end < bytes.length; end++) expect(compareWays(bytes.subarray(0, end))).toBe(false);
    }
  });

  it('makes the same commands and faults as the long way of whatever it takes', () => {
    const dice = new Dice(Number(process.env['KASSA_TEST_SEED'] ?? 20_261_120));
    const spell = () =>
      spellMsgpack(dice, dice.chance(95) ? makeCompact(dice, dice.below(2 ** 32)) : makeValue(dice, 3));
    let taken = 0;
    for (let i = 0; i < 20_000; i++) {
      const bytes = dice.chance(50) ? spell() : mutate(dice, spell(), spell());
      if (compareWays(bytes)) taken++;
    }
    expect(taken).toBeGreaterThan(2000);
  });
});
