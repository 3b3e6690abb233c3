import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DASHBOARD_FILES } from '../src/analytics/dashboard/files.js';
import { csvText } from '../src/analytics/dashboard/page/csv.js';
import { parseExact } from '../src/analytics/dashboard/page/exact-json.js';
import {
  change,
  decimalsOf,
  decimalText,
  money,
  percent,
  unitOf,
} from '../src/analytics/dashboard/page/money.js';
import { choiceOf, spanOf } from '../src/analytics/dashboard/page/period.js';
import { addressOf, changed, routeOf } from '../src/analytics/dashboard/page/route.js';
import { addDays, dayOf, isDay, span, ticks } from '../src/analytics/dashboard/page/times.js';
import { contrast, distance, palette, SIGHTS } from './support/palette.js';

const SOURCES = new URL('../../src/analytics/dashboard/', import.meta.url);
const INDEX = readFileSync(new URL('static/index.html', SOURCES), 'utf8');
const STYLE = new URL('static/base.css', SOURCES);

/** Nothing is left of them in a browser. */
const TYPES_ONLY = ['answers.ts', 'uplot.d.ts'];

describe('CSV', () => {
  it('has figures as they are, and no text that a spreadsheet would work out', () => {
    const lines = [
      ['=HYPERLINK("x")', '-12.30'],
      ['-1+1', '5'],
      ['a, b', '-7'],
    ];
    expect(csvText(lines)).toBe('"\'=HYPERLINK(""x"")",-12.30\r\n\'-1+1,5\r\n"a, b",-7\r\n');
  });
});

describe('what is served', () => {
  it('is every module and every static file, and nothing that is not there', () => {
    const names = (folder: string, from: RegExp, to: string) =>
      readdirSync(new URL(folder, SOURCES))
        .filter((name) => from.test(name) && !TYPES_ONLY.includes(name))
        .map((name) => `/dashboard/${name.replace(from, to)}`);
    const expected = [
      ...['/dashboard', '/dashboard/', '/dashboard/uplot.js', '/dashboard/uplot.css'],
      ...names('page', /\.ts$/, '.js'),
      ...names('static', /\.(css|svg)$/, '.$1'),
    ];
    expect([...DASHBOARD_FILES.keys()].sort()).toEqual(expected.sort());
    for (const { file } of DASHBOARD_FILES.values()) expect(readFileSync(file).length).toBeGreaterThan(0);
  });

  it('asks for nothing else: every import and every link is served, and no address is foreign', () => {
    let imports = 0;
    for (const [path, { file }] of DASHBOARD_FILES) {
      const text = readFileSync(file, 'utf8');
      for (const [, target] of text.matchAll(/^(?:import|export) (?:[^;'"]* from )?['"]([^'"]+)['"];/gm)) {
        if (!path.endsWith('.js')) continue;
        imports += 1;
        expect(DASHBOARD_FILES.has(new URL(target!, `http://x${path}`).pathname), `${path}: ${target}`).toBe(
          true,
        );
      }
      // The namespace of SVG is a name, not an address.
      const addresses = [...text.matchAll(/(?:https?:)?\/\/[\w-]+\.[\w.-]+[^\s'")]*/g)].map(
        ([address]) => address,
      );
      expect(
        addresses.filter((address) => address !== 'http://www.w3.org/2000/svg'),
        path,
      ).toEqual(path === '/dashboard/uplot.js' ? expect.any(Array) : []);
    }
    expect(imports).toBeGreaterThan(0);
    const links = [...INDEX.matchAll(/(?:href|src)="(\/[^"]*)"/g)].map(([, target]) => target!);
    expect(links.filter((target) => !DASHBOARD_FILES.has(target))).toEqual([]);
    expect(links.length).toBeGreaterThan(0);
  });

  it('has no script and no style within the page', () => {
    expect(INDEX).not.toMatch(/<style|style=|<script(?![^>]* src=)|\son\w+=/);
  });
});

/** Bigints as the nearest number, and no sign on zero: that is how JSON.parse reads them. */
function plain(value: unknown): unknown {
  if (typeof value === 'number' || typeof value === 'bigint') return Number(value) + 0;
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, plain(inner)]));
}

describe('answers', () => {
  it('keep every digit of long integers', () => {
    expect(parseExact('{"a":9223372036854775807,"b":[-9223372036854775808,1.5,9007199254740993e0]}')).toEqual(
      {
        a: 9223372036854775807n,
        b: [-9223372036854775808n, 1.5, 9007199254740992],
      },
    );
    expect(parseExact('{"a":"12345678901234567890 \\" 1","b":{}, "c":[] }')).toEqual({
      a: '12345678901234567890 " 1',
      b: {},
      c: [],
    });
  });

  it('are read as JSON.parse reads them otherwise', () => {
    const long = '12345678901234567890';
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(plain(parseExact(`[${text},${long}]`))).toEqual(plain([JSON.parse(text), Number(long)]));
      }),
    );
  });

  it('that are not JSON are refused', () => {
    for (const text of ['', '[1', '{"a" 1}', '[1 2]', '{1:2}', '1 2', 'x', '[,]', '{"a":}']) {
      expect(() => parseExact(text), text).toThrow(SyntaxError);
      expect(() => parseExact(`[12345678901234567890,${text}`), text).toThrow(SyntaxError);
    }
  });
});

describe('amounts', () => {
  it('have the decimals of ISO 4217, whatever is customary', () => {
    expect(['GBP', 'JPY', 'KWD', 'CLF', 'AFN', 'ISK', 'HUF'].map(decimalsOf)).toEqual([2, 0, 3, 4, 2, 0, 2]);
    expect(['XAU', 'POINTS', 'ABC'].map(decimalsOf)).toEqual([undefined, undefined, undefined]);
  });

  it('are exact text', () => {
    expect(decimalText(-5, 'GBP')).toBe('-0.05');
    expect(decimalText(9223372036854775807n, 'GBP')).toBe('92233720368547758.07');
    expect(decimalText(1234, 'JPY')).toBe('1234');
    expect(decimalText(1, 'KWD')).toBe('0.001');
    fc.assert(
      fc.property(fc.bigInt(-(2n ** 63n), 2n ** 63n), (amount) => {
        expect(BigInt(decimalText(amount, 'EUR').replace('.', ''))).toBe(amount);
      }),
    );
  });

  it('are shown with their currency; whole minor units where the currency is not known', () => {
    expect(money(123456789n, 'GBP')).toBe('£1,234,567.89');
    expect(money(9223372036854775807n, 'GBP')).toBe('£92,233,720,368,547,758.07');
    expect(money(-5, 'GBP')).toBe('\u2212£0.05');
    expect(money(-123456, 'GBP', { plain: true })).toBe('\u22121,234.56');
    expect(money(1234, 'POINTS')).toBe('1,234 POINTS');
    expect(unitOf('POINTS')).toContain('minor units');
  });

  it('change by a share of what was before, where there was something', () => {
    expect(change(150, 100n)).toBe(0.5);
    expect([change(1, 0), change(1, -5)]).toEqual([undefined, undefined]);
    expect(percent(-0.1234)).toBe('\u221212.3%');
  });
});

describe('days', () => {
  it('begin in the zone', () => {
    expect(dayOf('2010-12-05T23:30:00Z', 'Europe/Riga')).toBe('2010-12-06');
    expect(dayOf('2010-12-05T23:30:00Z', 'America/New_York')).toBe('2010-12-05');
    expect(addDays('2010-12-31', 1)).toBe('2011-01-01');
    expect(['2010-02-29', '2010-1-1', '', null, '2012-02-29'].map(isDay)).toEqual([
      ...[false, false, false, false, true],
    ]);
  });

  it('are named alone when a period is made of whole ones', () => {
    expect(span('2010-12-05T00:00:00Z', '2010-12-06T00:00:00Z', 'UTC')).toBe('5 December 2010');
    expect(span('2010-12-04T22:00:00Z', '2010-12-05T22:00:00Z', 'Europe/Riga')).toBe('5 December 2010');
    expect(span('2010-12-01T00:00:00Z', '2010-12-06T00:00:00Z', 'UTC')).toMatch(/1.*5 December 2010/);
    expect(span('2010-12-05T14:00:00Z', '2010-12-05T16:30:00Z', 'UTC')).toContain('14:00\u201316:30');
  });

  it('of a chart are marked at round times of the zone, at most so many', () => {
    const hours = Array.from({ length: 48 }, (_, i) => new Date(Date.UTC(2011, 2, 26, i - 2)).toISOString());
    const found = ticks(hours, 'hour', 'Europe/Riga', 8);
    expect(found.length).toBeLessThanOrEqual(8);
    expect(found.map(({ label }) => label)).toEqual(['26 Mar', '12:00', '27 Mar', '12:00', '28 Mar']);
    const days = Array.from({ length: 365 }, (_, i) => `${addDays('2010-01-01', i)}T00:00:00Z`);
    expect(ticks(days, 'day', 'UTC', 6).map(({ label }) => label)).toEqual([
      ...['2010', 'Mar', 'May', 'Jul', 'Sept', 'Nov'],
    ]);
  });
});

describe('the period', () => {
  const now = Date.parse('2010-12-10T12:00:00Z');
  const length = (key: string) => choiceOf(new URLSearchParams({ period: key }));

  it('ends now while there is trade', () => {
    expect(spanOf(length('7d'), '2010-12-09T10:00:00Z', 'UTC', now)).toEqual({
      overview: { period: '7d' },
      from: '2010-12-04',
      to: '2010-12-11',
    });
    expect(spanOf(length('1d'), undefined, 'UTC', now)).toMatchObject({ overview: { period: '1d' } });
  });

  it('ends with the day of the newest trade where that is older, and says so', () => {
    const found = spanOf(length('1d'), '2010-12-05T20:00:00Z', 'UTC', now);
    expect(found).toMatchObject({ from: '2010-12-05', to: '2010-12-06' });
    expect(found.overview).toEqual({ from: '2010-12-05', to: '2010-12-06' });
    expect(found.note).toContain('5 December 2010');
    expect(spanOf(length('7d'), '2010-12-05T20:00:00Z', 'UTC', now).note).toBeUndefined();
    expect(spanOf(length('1d'), '2010-12-05T23:00:00Z', 'Europe/Riga', now)).toMatchObject({
      from: '2010-12-06',
    });
  });

  it('is two days, both included, when they are given; a day otherwise', () => {
    const days = choiceOf(new URLSearchParams({ from: '2010-12-01', through: '2010-12-03' }));
    expect(spanOf(days, undefined, 'UTC', now)).toEqual({
      overview: { from: '2010-12-01', to: '2010-12-04' },
      from: '2010-12-01',
      to: '2010-12-04',
    });
    for (const wrong of [{ from: '2010-12-03', through: '2010-12-01' }, { period: '2d' }, { from: 'x' }]) {
      expect(choiceOf(new URLSearchParams(wrong as Record<string, string>))).toEqual({
        kind: 'length',
        key: '1d',
      });
    }
  });
});

describe('addresses', () => {
  it('name a view, an id and the period, and are read back', () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1 }).filter((id) => id.isWellFormed()),
        (id) => {
          const address = addressOf({ view: 'account', id }, new URLSearchParams('period=7d&x=1'), {
            code: 'a&b',
          });
          const route = routeOf(address);
          expect([route.view, route.id]).toEqual(['account', id]);
          expect(Object.fromEntries(route.params)).toEqual({ period: '7d', code: 'a&b' });
          expect(routeOf(changed(route, { code: undefined, period: '1d' })).params.toString()).toBe(
            'period=1d',
          );
        },
      ),
    );
  });

  it('that lead nowhere lead to the overview', () => {
    for (const hash of ['', '#', '#/', '#/nothing', '#/till', '#/till/', '#main']) {
      expect(routeOf(hash).view, hash).toBe('overview');
    }
    expect(routeOf('#/till/%E0%A4%A')).toMatchObject({ view: 'till', id: '%E0%A4%A' });
  });
});

describe.each(['light', 'dark'] as const)('%s colours', (scheme) => {
  const colours = palette(STYLE, scheme);
  const of = (name: string) => colours.get(name)!;

  it('can be read: text 4.5 to 1, lines of charts and of controls 3 to 1', () => {
    const text = {
      ground: ['ink', 'ink-2', 'accent'],
      surface: ['ink', 'ink-2', 'accent', 'warn'],
      raised: ['ink', 'ink-2'],
      'accent-soft': ['ink', 'ink-2', 'accent'],
      'warn-soft': ['warn'],
      accent: ['on-accent'],
    };
    for (const [behind, names] of Object.entries(text)) {
      for (const name of names) {
        expect(contrast(of(name), of(behind)), `${name} on ${behind}`).toBeGreaterThanOrEqual(4.5);
      }
    }
    for (const name of ['sales', 'refunds', 'vat', 'count', 'profit', 'before', 'control']) {
      expect(contrast(of(name), of('surface')), name).toBeGreaterThanOrEqual(3);
    }
  });

  it.each(SIGHTS)('can be told apart where they stand side by side: %s', (sight) => {
    const together = [
      ['sales', 'refunds'],
      ['sales', 'profit'],
      ['refunds', 'profit'],
      ['sales', 'before'],
    ];
    for (const [one, other] of together) {
      expect(distance(of(one!), of(other!), sight), `${one} and ${other}`).toBeGreaterThan(0.06);
    }
  });
});
