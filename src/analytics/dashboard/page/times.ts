import { LOCALE } from './locale.js';

/** A day as `2010-12-01`. */
export type Day = string;

const DAY_MS = 86_400_000;
const formats = new Map<string, Intl.DateTimeFormat>();

function format(zone: string, options: Intl.DateTimeFormatOptions, locale = LOCALE): Intl.DateTimeFormat {
  const key = `${zone} ${locale} ${JSON.stringify(options)}`;
  let found = formats.get(key);
  if (found === undefined) {
    found = new Intl.DateTimeFormat(locale, { timeZone: zone, ...options });
    formats.set(key, found);
  }
  return found;
}

/** The day on which an instant falls in a zone. */
export function dayOf(time: string | number, zone: string): Day {
  return format(zone, { year: 'numeric', month: '2-digit', day: '2-digit' }, 'en-CA').format(new Date(time));
}

/** Clock time of an instant in a zone, `14:03`. */
export function clock(time: string | number, zone: string, seconds = false): string {
  return format(
    zone,
    { hour: '2-digit', minute: '2-digit', ...(seconds && { second: '2-digit' }), hourCycle: 'h23' },
    'en-GB',
  ).format(new Date(time));
}

export function addDays(day: Day, days: number): Day {
  return new Date(Date.parse(day) + days * DAY_MS).toISOString().slice(0, 10);
}

/** @param to not before `from` */
export function daysBetween(from: Day, to: Day): number {
  return Math.round((Date.parse(to) - Date.parse(from)) / DAY_MS);
}

export function isDay(text: string | null | undefined): text is Day {
  return (
    text != null &&
    /^\d{4}-\d\d-\d\d$/.test(text) &&
    !Number.isNaN(Date.parse(text)) &&
    addDays(text, 0) === text
  );
}

/** `5 December 2010`. */
export function longDay(day: Day): string {
  return format('UTC', { day: 'numeric', month: 'long', year: 'numeric' }).format(new Date(day));
}

/** `Sun 5 Dec`. */
function shortDay(day: Day, weekday = false): string {
  return format('UTC', { day: 'numeric', month: 'short', ...(weekday && { weekday: 'short' }) }).format(
    new Date(day),
  );
}

/** `December 2010`. */
function longMonth(day: Day): string {
  return format('UTC', { month: 'long', year: 'numeric' }).format(new Date(day));
}

/** `Dec` or, in January, `2011`. */
function shortMonth(day: Day): string {
  return day.slice(5, 7) === '01' ? day.slice(0, 4) : format('UTC', { month: 'short' }).format(new Date(day));
}

/** Day and clock time in a zone, for tables: `5 Dec 2010, 14:03:05`. */
export function moment(time: string, zone: string): string {
  const day = format(zone, { day: 'numeric', month: 'short', year: 'numeric' }).format(new Date(time));
  return `${day}, ${clock(time, zone, true)}`;
}

/** From one instant to another (not included), as people say it: whole days without clock times. */
export function span(from: string, to: string, zone: string): string {
  const [first, end] = [dayOf(from, zone), dayOf(to, zone)];
  const whole = clock(from, zone, true) === '00:00:00' && clock(to, zone, true) === '00:00:00' && first < end;
  if (!whole) {
    const days = format(zone, { day: 'numeric', month: 'short', year: 'numeric' });
    const start = `${days.format(new Date(from))}, ${clock(from, zone)}`;
    return first === end
      ? `${start}\u2013${clock(to, zone)}`
      : `${start} \u2013 ${days.format(new Date(to))}, ${clock(to, zone)}`;
  }
  return dayRange(first, end);
}

/** From one day to another (not included): `1 – 3 December 2010`. */
export function dayRange(from: Day, to: Day): string {
  const last = addDays(to, -1);
  if (from === last) return longDay(from);
  return format('UTC', { day: 'numeric', month: 'long', year: 'numeric' }).formatRange(
    new Date(from),
    new Date(last),
  );
}

export type BucketSize = 'minute' | 'hour' | 'day' | 'month';

/** A bucket named in full, for tooltips and tables. */
export function bucketName(start: string, size: BucketSize, zone: string): string {
  const day = dayOf(start, zone);
  if (size === 'month') return longMonth(day);
  const named = `${shortDay(day, true)} ${day.slice(0, 4)}`;
  return size === 'day' ? named : `${named}, ${clock(start, zone)}`;
}

/** A tick of a chart's axis of time: where, and what is written there. */
interface Tick {
  readonly index: number;
  readonly label: string;
}

const CLOCK_STEPS = [5, 10, 15, 30, 60, 120, 180, 240, 360, 720, 1440, 2880, 4320, 10080, 20160];
const DAY_STEPS = [1, 2, 3, 4, 5, 7, 14, 28];
const MONTH_STEPS = [1, 2, 3, 6, 12, 24, 60];

/** Ticks at round times of the zone, at most so many. Buckets may be left out: a day of 23 hours has 23. */
export function ticks(starts: readonly string[], size: BucketSize, zone: string, most: number): Tick[] {
  const days = starts.map((start) => dayOf(start, zone));
  if (size === 'month') return monthTicks(days, most);
  if (size === 'day') {
    if (days.length > 16 * most) return monthTicks(days, most);
    return stepped(DAY_STEPS, most, (step) =>
      days.flatMap((day, index) =>
        (days.length - 1 - index) % step === 0 ? [{ index, label: shortDay(day) }] : [],
      ),
    );
  }
  const minutes = starts.map((start, index) => {
    const [hour, minute] = clock(start, zone).split(':').map(Number) as [number, number];
    return Math.round(Date.parse(days[index]!) / 60_000) + hour * 60 + minute;
  });
  return stepped(CLOCK_STEPS, most, (step) =>
    minutes.flatMap((minute, index) => {
      if (minute % step !== 0) return [];
      const midnight = minute % 1440 === 0;
      return [{ index, label: midnight ? shortDay(days[index]!) : clock(starts[index]!, zone) }];
    }),
  );
}

function monthTicks(days: readonly Day[], most: number): Tick[] {
  return stepped(MONTH_STEPS, most, (step) =>
    days.flatMap((day, index) => {
      const month = Number(day.slice(0, 4)) * 12 + Number(day.slice(5, 7)) - 1;
      return day.endsWith('-01') && month % step === 0 ? [{ index, label: shortMonth(day) }] : [];
    }),
  );
}

function stepped(steps: readonly number[], most: number, at: (step: number) => Tick[]): Tick[] {
  let found: Tick[] = [];
  for (const step of steps) {
    found = at(step);
    if (found.length <= most) break;
  }
  return found;
}
