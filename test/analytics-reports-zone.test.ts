import { describe, expect, it } from 'vitest';
import { UNITS, Zone } from '../src/analytics/reports/zone.js';
import { dateText, firstOfDate, wallText } from './support/analytics-model.js';
import { randomFrom } from './support/random.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** By whole hours, by half and quarter hours, with clocks that change by half an hour, at midnight, or that left a day out. */
const NAMES = [
  ...['UTC', 'Europe/Riga', 'Asia/Kathmandu', 'Australia/Lord_Howe', 'America/Sao_Paulo', 'America/St_Johns'],
  ...[
    'Pacific/Apia',
    'Africa/Casablanca',
    'Asia/Tehran',
    'America/Havana',
    'Pacific/Chatham',
    'Asia/Kolkata',
  ],
];

describe.each(NAMES)('%s', (name) => {
  const zone = new Zone(name);
  const pick = randomFrom(NAMES.indexOf(name) + 1);
  const moments = Array.from(
    { length: 100 },
    () => Date.UTC(1995, 0, 1) + pick(35 * 365) * DAY_MS + pick(DAY_MS),
  );

  it('a day begins at the first quarter of an hour that has its date', () => {
    for (const ms of moments) {
      const start = zone.floor(ms, 'day');
      const date = dateText(start, name);
      // A clock that goes back over midnight shows the old date again; the day has begun for all that.
      expect([date, start % 60_000 === 0 ? start : -1]).toEqual([date, ceilMinute(firstOf(date, name))]);
      expect(start).toBeLessThanOrEqual(ms);
      expect(ms - start).toBeLessThan(26 * HOUR_MS);
    }
  });

  it('days, months, hours and minutes follow each other without a gap', () => {
    for (const unit of UNITS) {
      for (const ms of moments.slice(0, 60)) {
        const span = { minute: HOUR_MS, hour: 2 * DAY_MS, day: 40 * DAY_MS, month: 800 * DAY_MS }[unit];
        const starts = zone.starts(ms, ms + span, unit, 1_000);
        expect(starts[0]).toBe(zone.floor(ms, unit));
        for (const [i, start] of starts.entries()) {
          const next = starts[i + 1];
          expect(zone.floor(start, unit)).toBe(start);
          if (next === undefined) continue;
          expect(next).toBeGreaterThan(start);
          expect(zone.floor(next - 1, unit)).toBe(start);
        }
      }
    }
  });

  it('a moment has the wall time that its clock shows', () => {
    for (const ms of moments) {
      expect(new Date(zone.wallOf(ms)).toISOString().slice(0, 19).replace('T', ' ')).toBe(wallText(ms, name));
      const back = zone.momentOf(zone.wallOf(ms));
      expect(back).toBeLessThanOrEqual(ms);
      expect(zone.wallOf(back)).toBe(zone.wallOf(ms));
    }
  });
});

/** To the minute: of the quarter before, where clocks change at one minute past midnight. */
function firstOf(date: string, name: string): number {
  const quarter = firstOfDate(date, name);
  for (let ms = quarter - 900_000; ; ms += 60_000) if (dateText(ms, name) >= date) return ms;
}

function ceilMinute(ms: number): number {
  return Math.ceil(ms / 60_000) * 60_000;
}

describe('a zone', () => {
  it('has the time behind the gap for a time that is left out', () => {
    const zone = new Zone('Europe/Riga');
    expect(zone.momentOf(Date.UTC(2024, 2, 31, 3, 30))).toBe(Date.UTC(2024, 2, 31, 1));
    expect(new Zone('America/Sao_Paulo').floor(Date.UTC(2018, 10, 4, 12), 'day')).toBe(
      Date.UTC(2018, 10, 4, 3),
    );
    expect(
      dateText(new Zone('Pacific/Apia').step(Date.UTC(2011, 11, 29, 10), 'day', 1), 'Pacific/Apia'),
    ).toBe('2011-12-31');
  });

  it('has the first of two for a time that comes twice', () => {
    expect(new Zone('Europe/Riga').momentOf(Date.UTC(2024, 9, 27, 3, 30))).toBe(Date.UTC(2024, 9, 27, 0, 30));
  });

  it('counts days back to the same time of day', () => {
    const zone = new Zone('Europe/Riga');
    expect(zone.daysBefore(Date.UTC(2024, 3, 1, 9), 2)).toBe(Date.UTC(2024, 2, 30, 10));
  });

  it.each(['', 'Mars/Olympus', "UTC'; DROP", '+03:00', 'a'.repeat(100)])('is not %j', (name) => {
    expect(() => new Zone(name)).toThrow('not a time zone');
  });

  it('gives no more starts than it may', () => {
    expect(() => new Zone('UTC').starts(0, 10 * DAY_MS, 'minute', 1_000)).toThrow('more than 1000');
  });
});
