import { ReportError } from '../report-error.js';

/*
 * Days, hours and months of a time zone, by the zone database of the runtime. Where a clock goes back over midnight, a day begins at the first
 * of the two; where midnight does not exist, at the first moment behind the gap.
 */

export const UNITS = ['minute', 'hour', 'day', 'month'] as const;
export type Unit = (typeof UNITS)[number];

export const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

/** Wall-clock time as if it were UTC: milliseconds since the epoch. */
type Wall = number;

export class Zone {
  private readonly format: Intl.DateTimeFormat | undefined;
  /** As ClickHouse knows it, which does not take every name and case that the runtime takes. */
  readonly sqlName: string;

  /** @throws {ReportError} for a name that is no zone */
  constructor(readonly name: string) {
    this.sqlName = name;
    if (name === 'UTC') return;
    if (!/^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/.test(name)) throw noZone(name);
    try {
      this.format = new Intl.DateTimeFormat('en-US', {
        timeZone: name,
        calendar: 'gregory',
        numberingSystem: 'latn',
        hourCycle: 'h23',
        era: 'short',
        year: 'numeric',
        month: 'numeric',
        day: 'numeric',
        hour: 'numeric',
        minute: 'numeric',
        second: 'numeric',
      });
      this.sqlName = this.format.resolvedOptions().timeZone;
    } catch {
      throw noZone(name);
    }
  }

  /** What a clock in the zone shows at a moment. */
  wallOf(ms: number): Wall {
    if (this.format === undefined) return ms;
    const seconds = Math.floor(ms / 1000) * 1000;
    const parts: Record<string, number> = {};
    for (const { type, value } of this.format.formatToParts(seconds)) {
      if (type !== 'literal' && type !== 'era') parts[type] = Number(value);
    }
    const { year, month, day, hour, minute, second } = parts as Record<string, number>;
    return utc(year!, month! - 1, day!, hour!, minute!, second!) + (ms - seconds);
  }

  /** The first moment at which a clock in the zone shows this time, or, where it is left out, the moment behind the gap. */
  momentOf(wall: Wall): number {
    if (this.format === undefined) return wall;
    // No zone is further than a day from UTC, and none changes twice within two days.
    const before = this.wallOf(wall - DAY_MS) - (wall - DAY_MS);
    const after = this.wallOf(wall + DAY_MS) - (wall + DAY_MS);
    const early = Math.min(wall - before, wall - after);
    const late = Math.max(wall - before, wall - after);
    if (this.wallOf(early) === wall) return early;
    if (this.wallOf(late) === wall) return late;
    return this.changeBetween(early, late);
  }

  /** The moment between two at which the clocks change. */
  private changeBetween(early: number, late: number): number {
    const offset = this.wallOf(early) - early;
    let low = early;
    let high = late;
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (this.wallOf(middle) - middle === offset) low = middle;
      else high = middle;
    }
    return high;
  }

  /** The start of the unit that a moment lies in. */
  floor(ms: number, unit: Unit): number {
    const wall = this.wallOf(ms);
    // No zone's clocks have changed by part of a minute for a century.
    if (unit === 'minute') return ms - modulo(wall, MINUTE_MS);
    if (unit === 'hour') {
      // One that a change of clocks cuts begins with the change.
      const start = ms - modulo(wall, HOUR_MS);
      return this.wallOf(start) - start === wall - ms ? start : this.changeBetween(start, ms);
    }
    const start = this.momentOf(floorWall(wall, unit));
    if (start > ms) return this.momentOf(stepWall(floorWall(wall, unit), unit, -1));
    const next = this.momentOf(stepWall(floorWall(wall, unit), unit, 1));
    return next <= ms ? next : start;
  }

  /** The first start of a unit that is not before a moment. */
  ceil(ms: number, unit: Unit): number {
    const start = this.floor(ms, unit);
    return start === ms ? ms : this.next(start, unit);
  }

  /** From a start of a unit to the next. */
  next(start: number, unit: Unit): number {
    if (unit === 'minute') return start + MINUTE_MS;
    if (unit !== 'hour') return this.step(start, unit, 1);
    const next = start + HOUR_MS - modulo(this.wallOf(start), HOUR_MS);
    const cut = this.floor(next, 'hour');
    return cut > start ? cut : next;
  }

  /** From a start of a day or month, so many of them on or back. */
  step(start: number, unit: 'day' | 'month', n: number): number {
    return this.momentOf(stepWall(floorWall(this.wallOf(start), unit), unit, n));
  }

  /** Days back from a moment, to the same time of day. */
  daysBefore(ms: number, days: number): number {
    return this.momentOf(this.wallOf(ms) - days * DAY_MS);
  }

  /** Starts of all units from the one that `from` lies in, below `to`. @throws {ReportError} when there are more than `most` */
  starts(from: number, to: number, unit: Unit, most: number): number[] {
    const tooMany = () =>
      new ReportError('invalid_request', `the span has more than ${most} of: ${unit}`, '/from');
    const least = { minute: 60_000, hour: 3_600_000, day: 22 * 3_600_000, month: 27 * DAY_MS }[unit];
    if ((to - from) / least > most * 1.2) throw tooMany();
    const starts: number[] = [];
    for (let at = this.floor(from, unit); at < to; ) {
      starts.push(at);
      if (starts.length > most) throw tooMany();
      at = this.next(at, unit);
    }
    return starts;
  }

  /** The date that a moment has, `2010-12-01`. */
  dateOf(ms: number): string {
    return new Date(this.wallOf(ms)).toISOString().slice(0, 10);
  }
}

function utc(year: number, month: number, day: number, hour: number, minute: number, second: number): Wall {
  const date = new Date(0);
  date.setUTCFullYear(year, month, day);
  date.setUTCHours(hour, minute, second);
  return date.getTime();
}

function floorWall(wall: Wall, unit: 'day' | 'month'): Wall {
  const day = wall - modulo(wall, DAY_MS);
  return unit === 'day' ? day : day - (new Date(day).getUTCDate() - 1) * DAY_MS;
}

function stepWall(wall: Wall, unit: 'day' | 'month', n: number): Wall {
  if (unit === 'day') return wall + n * DAY_MS;
  const date = new Date(wall);
  date.setUTCMonth(date.getUTCMonth() + n);
  return date.getTime();
}

function modulo(a: number, b: number): number {
  return ((a % b) + b) % b;
}

function noZone(name: string): ReportError {
  return new ReportError('invalid_request', `not a time zone: ${JSON.stringify(name)}`, '/tz');
}
