/**
 * JSON in and out, exact and strict.
 *
 * `JSON.parse` silently loses digits beyond 2^53 and silently keeps the last of several equal keys; both would falsify
 * a ledger. So one scan over the text learns what the parser would hide: the nesting, the number of members (colons
 * outside strings) and whether any number is too long for a double. Texts without long numbers go to `JSON.parse`,
 * others to lossless-json. Either way a key occurred twice exactly when the value holds fewer members than the
 * text (lossless-json's own check lets repeated keys with equal values pass).
 *
 * For a sale of 190 bytes (Node.js 20, bytes to value): 1.2 µs here, 2.0 µs by lossless-json alone, 0.6 µs by
 * `JSON.parse` alone.
 */
import { isUtf8 } from 'node:buffer';
import { parse as parseLossless } from 'lossless-json';
import { DEPTH_MAX, DecodeError } from './decode-error.js';

/** Number tokens of up to this many characters survive a double exactly (15 significant digits always do). */
const EXACT_TOKEN_LENGTH = 15;
/** No field takes an integer this long; converting millions of digits to a bigint would stall the loop. */
const INTEGER_TOKEN_LENGTH_MAX = 32;

const LONE_SURROGATE = /\p{Surrogate}/u;
const INTEGER = /^-?\d+$/;
const INTEGER_WITH_ZERO_FRACTION = /^-?\d{1,16}\.0+$/;

/**
 * Reads one JSON text. Integers come as number when safe, otherwise as bigint; other numbers as number. A number that
 * neither can hold (`1e999`, 33 digits, a fraction that rounds to an integer) comes as Infinity or NaN, which no
 * field accepts. `__proto__` comes as an own property.
 * @throws DecodeError for invalid UTF-8 or JSON, repeated keys, lone surrogates, and nesting beyond 32
 */
export function decodeJson(bytes: Uint8Array): unknown {
  if (!isUtf8(bytes)) throw new DecodeError('the text is not valid UTF-8');
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  const shape = scan(text);
  let value: unknown;
  try {
    value = shape.longNumbers ? parseLossless(text, null, { parseNumber }) : JSON.parse(text);
  } catch (error) {
    throw new DecodeError(`the text is not valid JSON: ${(error as Error).message}`);
  }
  if (countMembers(value) !== shape.members) throw new DecodeError('a key occurs twice in one object');
  if (shape.unicodeEscapes) refuseLoneSurrogates(value);
  return value;
}

interface Shape {
  members: number;
  longNumbers: boolean;
  unicodeEscapes: boolean;
}

/** Right for every valid text; of an invalid one it only matters that the scan ends, as the parser refuses it. */
function scan(text: string): Shape {
  const shape: Shape = { members: 0, longNumbers: false, unicodeEscapes: false };
  const length = text.length;
  let depth = 0;
  let i = 0;
  while (i < length) {
    const c = text.charCodeAt(i);
    if (c === 0x22) {
      i++;
      for (; i < length; i++) {
        const s = text.charCodeAt(i);
        if (s === 0x22) break;
        if (s === 0x5c) {
          i++;
          if (text.charCodeAt(i) === 0x75) shape.unicodeEscapes = true;
        }
      }
      i++;
    } else if (c === 0x2d || (c >= 0x30 && c <= 0x39)) {
      const start = i++;
      while (i < length && isNumberCharacter(text.charCodeAt(i))) i++;
      if (i - start > EXACT_TOKEN_LENGTH) shape.longNumbers = true;
    } else {
      if (c === 0x3a) shape.members++;
      else if (c === 0x7b || c === 0x5b) {
        if (++depth > DEPTH_MAX) throw new DecodeError(`the text nests deeper than ${DEPTH_MAX} levels`);
      } else if (c === 0x7d || c === 0x5d) depth--;
      i++;
    }
  }
  return shape;
}

/** Digits and `+ - . e E`. */
function isNumberCharacter(c: number): boolean {
  return (c >= 0x30 && c <= 0x39) || c === 0x2e || c === 0x65 || c === 0x45 || c === 0x2b || c === 0x2d;
}

function parseNumber(token: string): number | bigint {
  if (INTEGER.test(token)) {
    if (token.length > INTEGER_TOKEN_LENGTH_MAX) return Number.NaN;
    const n = Number(token);
    return Number.isSafeInteger(n) ? n : BigInt(token);
  }
  const n = Number(token);
  // As JSON.parse reads it where no long number stands beside it: what a field takes must not depend on its neighbours.
  if (token.length <= EXACT_TOKEN_LENGTH || !Number.isInteger(n)) return n;
  return Number.isSafeInteger(n) && INTEGER_WITH_ZERO_FRACTION.test(token) ? n : Number.NaN;
}

function countMembers(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  let count = 0;
  if (Array.isArray(value)) {
    for (const item of value) count += countMembers(item);
    return count;
  }
  for (const key in value) count += 1 + countMembers((value as Record<string, unknown>)[key]);
  return count;
}

/** `"\ud800"` has no UTF-8 form, so it could not be kept as it came. */
function refuseLoneSurrogates(value: unknown): void {
  if (typeof value === 'string') {
    if (LONE_SURROGATE.test(value)) throw new DecodeError('a string has half of a surrogate pair');
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, item] of Object.entries(value)) {
      refuseLoneSurrogates(key);
      refuseLoneSurrogates(item);
    }
  }
}

/** Writes plain values as JSON. Bigints come as bare digits; undefined members are left out. */
export function encodeJson(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return encodeString(value);
    case 'bigint':
      return value.toString();
    case 'number':
      return Number.isFinite(value) ? String(value) : 'null';
    case 'boolean':
      return value ? 'true' : 'false';
    case 'object':
      if (value === null) return 'null';
      return Array.isArray(value) ? encodeArray(value) : encodeObject(value);
    default:
      return 'null';
  }
}

/** Most texts are ids and codes, which need no escape: then `JSON.stringify` need not be called. */
function encodeString(text: string): string {
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c < 0x20 || c > 0x7e || c === 0x22 || c === 0x5c) return JSON.stringify(text);
  }
  return `"${text}"`;
}

function encodeArray(items: readonly unknown[]): string {
  let text = '[';
  for (let i = 0; i < items.length; i++) text += (i === 0 ? '' : ',') + encodeJson(items[i]);
  return `${text}]`;
}

function encodeObject(object: object): string {
  let text = '{';
  for (const key of Object.keys(object)) {
    const item = (object as Record<string, unknown>)[key];
    if (item === undefined) continue;
    text += `${text.length === 1 ? '' : ','}${encodeString(key)}:${encodeJson(item)}`;
  }
  return `${text}}`;
}
