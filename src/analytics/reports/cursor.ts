import { invalid, type Parameters } from './parameters.js';

/** The key that a page ended with, as the opaque text of `cursor`. */

export function writeCursor(key: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify(key)).toString('base64url');
}

/** @throws {ReportError} for one that `writeCursor` did not make of such a key */
export function readCursor(
  parameters: Parameters,
  types: readonly ('string' | 'number')[],
): readonly (string | number)[] | undefined {
  const text = parameters.text('cursor');
  if (text === undefined) return undefined;
  try {
    const key = JSON.parse(Buffer.from(text, 'base64url').toString('utf8')) as unknown[];
    const fits = Array.isArray(key) && key.length === types.length;
    if (fits && key.every((part, i) => isOf(part, types[i]!))) return key as (string | number)[];
  } catch {
    // Refused below, like a key of another form.
  }
  throw invalid('cursor', 'give it back as it came');
}

function isOf(part: unknown, type: 'string' | 'number'): boolean {
  return type === 'string' ? typeof part === 'string' : Number.isSafeInteger(part);
}
