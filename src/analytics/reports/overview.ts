import type { Row } from '../database.js';
import { type Asked, ascending, descending, iso, msOf, type Report } from './asked.js';
import { currenciesOf, oneCurrency } from './currencies.js';
import { FIGURES_SQL, type Figures, figuresOf } from './figures.js';
import { both, type Filter, GROUPS_MAX, readKey } from './filters.js';
import { invalid } from './parameters.js';
import { drawers, ofShop } from './shops.js';
import { bucketStart, source } from './source.js';
import { DAY_MS, type Unit, type Zone } from './zone.js';

const PERIODS = { '1d': 1, '7d': 7, '30d': 30, '90d': 90, '1y': 365 } as const;
type Period = keyof typeof PERIODS;
const BUCKETS = ['minute', 'hour', 'day', 'month'] as const;

/** Points of a series at most. */
const BUCKETS_MAX = 10_000;

interface Stretch {
  readonly from: number;
  readonly to: number;
}

interface Layout extends Stretch {
  readonly bucket: Unit;
  readonly previous: Stretch;
}

interface Shop extends Figures {
  readonly shop: string;
  previous_net: bigint;
  readonly tills: (Figures & { readonly till: string })[];
}

/** The day, week, month or year at a glance, with the period before. */
export async function overview(asked: Asked): Promise<Report> {
  const layout = layoutOf(asked);
  const key = readKey(asked.parameters);
  const currencies = await currenciesOf(asked);
  const { currency, filter: ofCurrency } = await oneCurrency(asked, currencies);
  const filter = both(ofCurrency, asked.filters.others, ofShop(asked));
  const [now, before, groups] = await Promise.all([
    stretch(asked, layout, layout.bucket, filter),
    stretch(asked, layout.previous, layout.bucket, filter),
    key === undefined ? undefined : figuresBy(asked, layout, filter, key),
  ]);
  for (const shop of now.shops) {
    shop.previous_net = before.shops.find(({ shop: name }) => name === shop.shop)?.net ?? 0n;
  }
  const { from, to, bucket, previous } = layout;
  return {
    body: {
      currency,
      currencies: currencies.map(({ currency: name }) => name),
      period: { from: iso(from), to: iso(to), bucket },
      previous: { from: iso(previous.from), to: iso(previous.to) },
      totals: now.totals,
      previous_totals: before.totals,
      series: now.series,
      previous_series: before.series,
      shops: now.shops,
      ...(groups !== undefined && { groups }),
    },
  };
}

/** Figures by a key, largest sales first. */
export async function figuresBy(
  asked: Asked,
  span: Stretch,
  filter: Filter,
  key: string,
): Promise<(Figures & { readonly key: string })[]> {
  const rows = await asked.rows(
    `SELECT ${key} AS k, ${FIGURES_SQL} FROM ${source(asked, span, { filter })} GROUP BY k ` +
      `ORDER BY f_sales DESC, k LIMIT ${GROUPS_MAX}`,
    filter.params,
  );
  return rows.map((row) => ({ key: row[0] as string, ...figuresOf(row, 1) }));
}

/** Which period, which one before, and how fine the series are. */
function layoutOf(asked: Asked): Layout {
  const { parameters, zone, nowMs } = asked;
  const given = parameters.choice('bucket', BUCKETS);
  const from = parameters.time('from', zone);
  const to = parameters.time('to', zone);
  if (from !== undefined || to !== undefined) {
    for (const name of ['period', 'until']) {
      if (parameters.text(name) !== undefined) throw invalid(name, 'it goes without from and to');
    }
    if (from === undefined) throw invalid('from', 'from and to go together');
    if (to === undefined) throw invalid('to', 'from and to go together');
    if (from >= to) throw invalid('to', 'it is not behind from');
    return { from, to, bucket: given ?? bucketFor(to - from), previous: before(zone, from, to) };
  }
  const period = parameters.choice('period', Object.keys(PERIODS) as Period[]) ?? '1d';
  const bucket = given ?? bucketFor(PERIODS[period] * DAY_MS);
  // Without an end of its own a period ends with the bucket that now lies in, so that all buckets are whole.
  const end = parameters.time('until', zone) ?? zone.ceil(nowMs + 1, bucket === 'month' ? 'day' : bucket);
  const start = zone.daysBefore(end, PERIODS[period]);
  return {
    from: start,
    to: end,
    bucket,
    previous: { from: zone.daysBefore(start, PERIODS[period]), to: start },
  };
}

function bucketFor(lengthMs: number): Unit {
  if (lengthMs <= 1.5 * DAY_MS) return 'minute';
  if (lengthMs <= 14 * DAY_MS) return 'hour';
  return lengthMs <= 100 * DAY_MS ? 'day' : 'month';
}

/** As long, by the zone's calendar, right before. */
function before(zone: Zone, from: number, to: number): Stretch {
  const wall = zone.wallOf(from);
  return { from: Math.min(zone.momentOf(wall - (zone.wallOf(to) - wall)), from - 1), to: from };
}

/** `GROUPING SETS` of the query below, by what `grouping()` says of them. */
const SERIES = '3';
const TILLS = '4';
const SHOPS = '5';
const TOTAL = '7';

async function stretch(asked: Asked, span: Stretch, bucket: Unit, filter: Filter) {
  const starts = asked.zone.starts(span.from, span.to, bucket, BUCKETS_MAX);
  const rows = await asked.rows(
    `SELECT grouping(b, s, t) AS level, b, s, t, ${FIGURES_SQL} FROM (SELECT ${bucketStart(starts)} AS b, ` +
      `shop AS s, toString(terminal) AS t, type, tag, debits, credits, count, debit_count ` +
      `FROM ${source(asked, span, { filter, starts })} AS rows LEFT JOIN ${drawers(asked)} AS drawers ON toString(terminal) = drawer) ` +
      'GROUP BY GROUPING SETS ((b), (s, t), (s), ())',
    filter.params,
  );
  const level = (wanted: string) => rows.filter(([found]) => found === wanted);
  return {
    totals: figuresOf(level(TOTAL)[0], 4),
    series: seriesOf(starts, level(SERIES)),
    shops: shopsOf(level(SHOPS), level(TILLS)),
  };
}

function seriesOf(starts: readonly number[], rows: readonly Row[]): unknown[][] {
  const found = new Map(rows.map((row) => [msOf(row[1]), figuresOf(row, 4)]));
  return starts.map((start) => {
    const { sales, refunds, net, vat, count } = found.get(start) ?? figuresOf(undefined);
    return [iso(start), sales, refunds, net, vat, count];
  });
}

/** Shops with trade of any kind, and their tills, largest net first; what came without a terminal, or from one without a drawer, is in the shop "". */
function shopsOf(shopRows: readonly Row[], tillRows: readonly Row[]): Shop[] {
  const shops = shopRows.map((row) => {
    const shop = row[2] as string;
    const tills = tillRows
      .filter((till) => till[2] === shop)
      .map((till) => ({ till: till[3] as string, ...figuresOf(till, 4) }))
      .sort((a, b) => descending(a.net, b.net) || ascending(a.till, b.till));
    return { shop, ...figuresOf(row, 4), previous_net: 0n, tills };
  });
  return shops.sort((a, b) => descending(a.net, b.net) || ascending(a.shop, b.shop));
}
