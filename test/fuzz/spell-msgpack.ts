import type { Dice } from '../support/dice.js';
import { Entries, type Value } from './values.js';

/**
 * Writes MessagePack in every spelling that the format has: lengths and integers in any width that holds them, numbers as floats where that
 * is exact. Nothing here is shared with the server's encoder.
 */
export function spellMsgpack(dice: Dice, value: Value): Buffer {
  const parts: Buffer[] = [];
  spell(dice, value, parts);
  return Buffer.concat(parts);
}

function spell(dice: Dice, value: Value, out: Buffer[]): void {
  if (value === null) out.push(Buffer.from([0xc0]));
  else if (typeof value === 'boolean') out.push(Buffer.from([value ? 0xc3 : 0xc2]));
  else if (typeof value === 'string') spellText(dice, value, out);
  else if (typeof value === 'bigint') out.push(spellInteger(dice, value));
  else if (typeof value === 'number') out.push(spellFloat(dice, value));
  else if (value instanceof Entries) {
    const { pairs } = value;
    spellSize(dice, pairs.length, [0x80, 15], undefined, 0xde, 0xdf, out);
    for (const [key, item] of pairs) {
      spellText(dice, key, out);
      spell(dice, item, out);
    }
  } else {
    spellSize(dice, value.length, [0x90, 15], undefined, 0xdc, 0xdd, out);
    for (const item of value) spell(dice, item, out);
  }
}

function spellText(dice: Dice, text: string, out: Buffer[]): void {
  const bytes = Buffer.from(text);
  spellSize(dice, bytes.length, [0xa0, 31], 0xd9, 0xda, 0xdb, out);
  out.push(bytes);
}

/** A length in one of the widths that hold it, mostly the shortest. */
function spellSize(
  dice: Dice,
  size: number,
  [fix, fixMax]: readonly [number, number],
  type8: number | undefined,
  type16: number,
  type32: number,
  out: Buffer[],
): void {
  const forms: Buffer[] = [];
  if (size <= fixMax) forms.push(Buffer.from([fix | size]));
  if (type8 !== undefined && size < 0x100) forms.push(Buffer.from([type8, size]));
  if (size < 0x1_0000) forms.push(typed(type16, 2, BigInt(size)));
  forms.push(typed(type32, 4, BigInt(size)));
  out.push(dice.chance(70) ? forms[0]! : dice.pick(forms));
}

function typed(type: number, width: number, value: bigint): Buffer {
  const bytes = Buffer.alloc(9);
  bytes[0] = type;
  bytes.writeBigUInt64BE(BigInt.asUintN(64, value << BigInt(64 - 8 * width)), 1);
  return bytes.subarray(0, 1 + width);
}

function spellInteger(dice: Dice, n: bigint): Buffer {
  const forms: Buffer[] = [];
  if (n >= -32n && n < 128n) forms.push(Buffer.from([Number(BigInt.asUintN(8, n))]));
  [1, 2, 4, 8].forEach((width, i) => {
    const bits = BigInt(8 * width);
    if (n >= 0n && n < 1n << bits) forms.push(typed(0xcc + i, width, n));
    if (n >= -(1n << (bits - 1n)) && n < 1n << (bits - 1n))
      forms.push(typed(0xd0 + i, width, BigInt.asUintN(Number(bits), n)));
  });
  return dice.pick(forms);
}

function spellFloat(dice: Dice, n: number): Buffer {
  const bytes = Buffer.alloc(9);
  if (dice.chance(30) && Object.is(Math.fround(n), n)) {
    bytes[0] = 0xca;
    bytes.writeFloatBE(n, 1);
    return bytes.subarray(0, 5);
  }
  bytes[0] = 0xcb;
  bytes.writeDoubleBE(n, 1);
  return bytes;
}
