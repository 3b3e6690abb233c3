import { parse, stringify } from 'lossless-json';

/** JSON that keeps every digit: integers beyond 2^53 are bigints. */

export type Fields = { [field: string]: unknown };

export function readJson(text: string): unknown {
  return parse(text, null, { parseNumber: readNumber });
}

export function writeJson(value: unknown): string {
  return stringify(value) ?? 'null';
}

function readNumber(token: string): number | bigint {
  const n = Number(token);
  if (!/^-?\d+$/.test(token)) return n;
  return Number.isSafeInteger(n) ? n : BigInt(token);
}
