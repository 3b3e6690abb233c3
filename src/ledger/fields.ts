import canonicalize from 'canonicalize';
import { METADATA_BYTES_MAX } from '../../engine/limits.js';
import { type CommandEncoder, type Fault, invalid } from './encoder.js';

/** A body as it came. */
export type Body = { readonly [field: string]: unknown };

/** The fields that describe a transaction or an end. */
export const DESCRIBED = ['code', 'reference', 'effective_at', 'metadata'];

export const ID_DETAIL = 'an id is 1-64 characters of A-Z a-z 0-9 . _ : @ - { }';

/** A plain object, as JSON has them. */
export function isPlainObject(value: unknown): value is Body {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

export function checkFields(body: unknown, allowed: ReadonlySet<string>, at: string): Fault | undefined {
  if (!isPlainObject(body)) return invalid('an object is expected', at);
  for (const field of Object.keys(body)) {
    if (!allowed.has(field))
      return invalid(
        `unknown field ${JSON.stringify(field)}`,
        `${at}/${field.replaceAll('~', '~0').replaceAll('/', '~1')}`,
      );
  }
  return undefined;
}

const TIME = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,3}))?Z$/;

/** Milliseconds since the epoch of an RFC 3339 time in UTC with at most milliseconds, or undefined. */
export function parseTime(value: unknown): number | undefined {
  if (typeof value !== 'string' || !TIME.test(value)) return undefined;
  const ms = Date.parse(value);
  if (Number.isNaN(ms)) return undefined;
  // Date.parse takes 30 February for 2 March; the text must come back.
  return new Date(ms).toISOString().slice(0, 19) === value.slice(0, 19) ? ms : undefined;
}

/** code, reference, effective_at, metadata: the fields that describe, in the order of their bits. */
export function putDescription(enc: CommandEncoder, body: Body): Fault | undefined {
  if (body['code'] !== undefined && !enc.putCode(body['code'])) {
    return invalid('a code is 1-32 characters of the id alphabet', '/code');
  }
  if (body['reference'] !== undefined && !enc.putReference(body['reference'])) {
    return invalid('a reference is 1-64 printable ASCII characters', '/reference');
  }
  if (body['effective_at'] !== undefined) {
    const ms = parseTime(body['effective_at']);
    if (ms === undefined)
      return invalid('a time is RFC 3339, UTC, with at most milliseconds', '/effective_at');
    enc.putEffectiveAt(ms);
  }
  return body['metadata'] === undefined ? undefined : putMetadata(enc, body['metadata']);
}

export function putMetadata(enc: CommandEncoder, value: unknown): Fault | undefined {
  if (!isPlainObject(value)) return invalid('metadata is a JSON object', '/metadata');
  const fault = checkJson(value, '/metadata', 0);
  if (fault !== undefined) return fault;
  const text = Buffer.from(JSON.stringify(value));
  if (text.length > METADATA_BYTES_MAX) {
    return {
      code: 'too_large',
      detail: `metadata of ${text.length} bytes; the limit is ${METADATA_BYTES_MAX}`,
      pointer: '/metadata',
      limit: METADATA_BYTES_MAX,
    };
  }
  enc.putMetadata(text, Buffer.from(canonicalize(value)!));
  return undefined;
}

/** That a value is what JSON can say, with numbers that survive. */
function checkJson(value: unknown, at: string, depth: number): Fault | undefined {
  if (depth > 32) return invalid('metadata is nested too deeply', at);
  if (value === null || typeof value === 'boolean') return undefined;
  if (typeof value === 'string') {
    return value.isWellFormed() ? undefined : invalid('metadata holds text that is not Unicode', at);
  }
  if (typeof value === 'number') {
    const fits = Number.isFinite(value) && Math.abs(value) <= Number.MAX_SAFE_INTEGER;
    return fits ? undefined : invalid('numbers in metadata are within 2^53', at);
  }
  if (Array.isArray(value)) {
    for (const item of value) {
      const fault = checkJson(item, at, depth + 1);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }
  if (!isPlainObject(value)) return invalid('metadata holds a value that JSON does not have', at);
  for (const [key, item] of Object.entries(value)) {
    const fault = key.isWellFormed()
      ? checkJson(item, at, depth + 1)
      : invalid('metadata holds text that is not Unicode', at);
    if (fault !== undefined) return fault;
  }
  return undefined;
}
