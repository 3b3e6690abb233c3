import type { Dice } from '../support/dice.js';
import { skewed } from './odds.js';

/** Bytes that mean something in one of our formats, or lie at a boundary. */
const BYTES = [
  0x00, 0x01, 0x20, 0x22, 0x2c, 0x2d, 0x30, 0x3a, 0x5b, 0x5c, 0x7b, 0x7d, 0x7f, 0x80, 0x81, 0x90, 0x91,
];
const MORE = [
  0xa0, 0xc0, 0xc1, 0xc4, 0xc7, 0xca, 0xcb, 0xcf, 0xd3, 0xd4, 0xd9, 0xdb, 0xdd, 0xdf, 0xe0, 0xed, 0xff,
];
const INTERESTING = [...BYTES, ...MORE];
const SIZES = [
  0,
  1,
  2,
  31,
  32,
  33,
  64,
  65,
  255,
  256,
  4095,
  4096,
  65_535,
  65_536,
  2 ** 20,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
];

/**
 * A changed copy: one to eight changes, each small. Knows nothing of a format; what it is given does.
 * @param other of the same format, to take a piece from
 */
export function mutate(dice: Dice, bytes: Uint8Array, other: Uint8Array): Buffer {
  let result: Buffer = Buffer.from(bytes);
  for (let n = 1 + skewed(dice, 8); n > 0; n--) result = change(dice, result, other);
  return result;
}

function change(dice: Dice, bytes: Buffer, other: Uint8Array): Buffer {
  const at = dice.below(bytes.length + 1);
  const end = Math.min(bytes.length, at + 1 + skewed(dice, 32));
  switch (dice.below(10)) {
    case 0:
      return replaced(bytes, at, at, Buffer.from([dice.pick(INTERESTING)]));
    case 1:
      return replaced(bytes, at, end, Buffer.alloc(0));
    case 2:
      return replaced(bytes, at, at, bytes.subarray(at, end));
    case 3:
      return bytes.subarray(0, at);
    case 4:
      return spliced(dice, bytes, at, end, other);
    case 5:
      return withNumber(dice, bytes, at);
    case 6:
      if (at < bytes.length) bytes[at] = dice.pick(INTERESTING);
      return bytes;
    default:
      if (at < bytes.length) bytes[at]! ^= 1 << dice.below(8);
      return bytes;
  }
}

function replaced(bytes: Buffer, from: number, to: number, by: Uint8Array): Buffer {
  return Buffer.concat([bytes.subarray(0, from), by, bytes.subarray(to)]);
}

function spliced(dice: Dice, bytes: Buffer, from: number, to: number, other: Uint8Array): Buffer {
  const at = dice.below(other.length + 1);
  return replaced(bytes, from, to, other.subarray(at, at + 1 + skewed(dice, 64)));
}

/** Puts a size or count of 2, 4 or 8 bytes, in either order of bytes, over what is there. */
function withNumber(dice: Dice, bytes: Buffer, at: number): Buffer {
  const width = dice.pick([2, 4, 8] as const);
  if (at + width > bytes.length) return bytes;
  const number = Buffer.alloc(8);
  number.writeBigUInt64LE(BigInt(dice.pick(SIZES)));
  const little = number.subarray(0, width);
  bytes.set(dice.chance(50) ? little : little.reverse(), at);
  return bytes;
}
