import { parseTime } from '../../ledger/fields.js';
import { ReportError } from '../report-error.js';
import { TIME_MAX_MS, TIME_MIN_MS } from '../schema.js';
import { DAY_MS, type Zone } from './zone.js';

/** No word of the contract is longer; a cursor may be. */
const TEXT_MAX = 512;
const OFFSET_TIME = /^(\d{4}-\d{2}-\d{2})[Tt](\d{2}:\d{2}:\d{2}(?:\.\d{1,3})?)([Zz]|[+\- ]\d{2}:\d{2})$/;
const DATE = /^\d{4}-\d{2}-\d{2}$/;

/** The query string of a question: each parameter once, none that the report does not know. */
export class Parameters {
  private readonly values = new Map<string, string>();

  /** @throws {ReportError} */
  constructor(query: string, known: ReadonlySet<string>) {
    for (const part of query.split('&')) {
      if (part === '') continue;
      const equals = part.indexOf('=');
      const name = decodeQuery(equals < 0 ? part : part.slice(0, equals), part);
      const value = equals < 0 ? '' : decodeQuery(part.slice(equals + 1), name);
      if (!known.has(name)) {
        // `Accept: text/csv` comes as this one.
        const isFormat = name === 'format';
        throw invalid(
          name,
          isFormat
            ? 'this answer is JSON: there is no CSV of it'
            : `unknown parameter ${JSON.stringify(name)}`,
        );
      }
      if (this.values.has(name)) throw invalid(name, 'a parameter is given once');
      if (value.length > TEXT_MAX) throw invalid(name, `at most ${TEXT_MAX} characters`);
      this.values.set(name, value);
    }
  }

  /** A text; an empty one counts as not given. */
  text(name: string): string | undefined {
    return this.values.get(name) || undefined;
  }

  /** A text, the empty one too. */
  anyText(name: string): string | undefined {
    return this.values.get(name);
  }

  choice<T extends string>(name: string, choices: readonly T[]): T | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    if (!choices.includes(value as T)) throw invalid(name, `one of ${choices.join(', ')}`);
    return value as T;
  }

  integer(name: string, min: number, max: number): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const n = /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN;
    if (!(n >= min && n <= max)) throw invalid(name, `a whole number from ${min} to ${max}`);
    return n;
  }

  /** A count of minor units. */
  amount(name: string): bigint | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    if (!/^\d{1,19}$/.test(value) || BigInt(value) > 2n ** 63n - 1n) {
      throw invalid(name, 'an amount is an integer from 0 to 2^63-1');
    }
    return BigInt(value);
  }

  /** A moment: RFC 3339, or a date, which means its start in the zone. Milliseconds since the epoch. */
  time(name: string, zone: Zone): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const ms = this.isDate(name) ? dateStart(value, zone) : offsetTime(value);
    if (ms === undefined) throw invalid(name, 'a time is RFC 3339 with at most milliseconds, or a date');
    // What is beyond the tables' times counts as these.
    return Math.min(Math.max(ms, TIME_MIN_MS), TIME_MAX_MS + 1);
  }

  isDate(name: string): boolean {
    return DATE.test(this.values.get(name) ?? '');
  }
}

/** The refusal of a parameter's value. */
export function invalid(name: string, detail: string): ReportError {
  return new ReportError(
    'invalid_request',
    `${name}: ${detail}`,
    `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`,
  );
}

/** A part of a query string, where a plus sign means a space. */
function decodeQuery(text: string, name: string): string {
  return decode(text.replaceAll('+', ' '), name);
}

/** A part of a path. */
export function decode(text: string, name: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid(name, 'faulty percent-encoding');
  }
}

function dateStart(value: string, zone: Zone): number | undefined {
  const wall = parseTime(`${value}T00:00:00Z`);
  if (wall === undefined) return undefined;
  // What is beyond the tables in UTC is kept beyond them in every zone.
  return zone.momentOf(Math.min(Math.max(wall, TIME_MIN_MS - DAY_MS), TIME_MAX_MS + 1 + DAY_MS));
}

/** With an offset from UTC too; its plus sign may have come as the space that it means in a query string. */
function offsetTime(value: string): number | undefined {
  const [, date, time, offset] = OFFSET_TIME.exec(value) ?? [];
  if (offset === undefined) return undefined;
  const ms = parseTime(`${date}T${time}Z`);
  if (ms === undefined || offset.toUpperCase() === 'Z') return ms;
  const [hours, minutes] = offset.slice(1).split(':').map(Number) as [number, number];
  if (hours > 23 || minutes > 59) return undefined;
  const away = (hours * 60 + minutes) * 60_000;
  return offset.startsWith('-') ? ms + away : ms - away;
}
