import type { Bucketed, Overview } from './answers.js';
import type { Buckets } from './buckets.js';
import { Chart, type ChartData, type Line } from './chart.js';
import { choices } from './choices.js';
import { csvText } from './csv.js';
import { h } from './dom.js';
import { csvButton } from './download.js';
import type { Amount } from './exact-json.js';
import { approximate, count, decimalText, money, shortMoney, unitOf } from './money.js';
import { panel } from './panel.js';
import { changed } from './route.js';
import type { Source } from './source.js';
import { type BucketSize, bucketName, span } from './times.js';
import type { Page } from './view.js';

/** What can be drawn, and its place in a bucket. */
const MEASURES = [
  { key: 'net', name: 'Net sales', at: 3, colour: '--sales' },
  { key: 'sales', name: 'Sales', at: 1, colour: '--sales' },
  { key: 'refunds', name: 'Refunds', at: 2, colour: '--refunds' },
  { key: 'vat', name: 'VAT', at: 4, colour: '--vat' },
  { key: 'count', name: 'Number', at: 5, colour: '--count' },
] as const;
type Measure = (typeof MEASURES)[number];

const SIZE_NAMES: Readonly<Record<BucketSize, string>> = {
  minute: 'minute',
  hour: 'hour',
  day: 'day',
  month: 'month',
};

/** Sales over the period, beside the period before. @param name of what they are of, for files */
export function salesChart(
  page: Page,
  source: Source<Overview>,
  buckets: Buckets,
  name: string,
  width = 'wide',
): HTMLElement {
  const chart = new Chart(page.signal);
  const caption = h('p', { class: 'hint' });
  const chosen = page.route.params.get('show');
  let measure: Measure = MEASURES.find(({ key }) => key === chosen) ?? MEASURES[0];
  const draw = (overview: Overview) => {
    const { period, previous, tz } = overview;
    const before = traded(overview) ? ` Dashed: ${span(previous.from, previous.to, tz)}.` : '';
    caption.textContent = `By ${SIZE_NAMES[period.bucket]}, ${span(period.from, period.to, tz)}.${before}`;
    return chart.show(chartData(overview, measure));
  };
  // Kept in the address, but nothing to go back to.
  const keep = () =>
    history.replaceState(null, '', changed(page.route, { show: measure.key, by: buckets.current }));
  const measures = choices(
    'What the chart shows',
    MEASURES.map((option) => option.name),
    MEASURES.indexOf(measure),
    (index) => {
      measure = MEASURES[index]!;
      keep();
      if (source.state.data !== undefined) draw(source.state.data);
    },
  );
  const sizes = choices(
    'How fine the chart is',
    buckets.options.map((option) => `By ${SIZE_NAMES[option]}`),
    buckets.options.indexOf(buckets.current),
    (index) => {
      buckets.current = buckets.options[index]!;
      keep();
      void source.refresh();
    },
  );
  return panel({
    title: 'Sales over time',
    class: width,
    source,
    actions: [
      measures,
      sizes,
      csvButton('sales over time', source, [name, 'sales', page.span.from, page.span.to], salesCsv),
    ],
    show: (overview) => {
      const element = draw(overview);
      if (element.firstChild !== caption) element.prepend(caption);
      return element;
    },
  });
}

function chartData(overview: Overview, measure: Measure): ChartData {
  const { currency, series, previous_series, period, tz } = overview;
  const isCount = measure.key === 'count';
  const words = (amount: Amount) => (isCount ? count(amount) : money(amount, currency));
  const height = (amount: Amount) => (isCount ? Number(amount) : approximate(amount, currency));
  const line = (of: readonly Bucketed[]): Pick<Line, 'values' | 'text'> => ({
    values: of.map((bucket) => height(bucket[measure.at])),
    text: (index) => (of[index] === undefined ? '\u2013' : words(of[index][measure.at])),
  });
  return {
    starts: series.map(([start]) => start),
    size: period.bucket,
    zone: tz,
    lines: [
      { name: measure.name, colour: measure.colour, kind: 'bars', ...line(series) },
      ...(traded(overview)
        ? [{ name: 'Period before', colour: '--before', kind: 'dashed' as const, ...line(previous_series) }]
        : []),
    ],
    yLabel: isCount ? 'Sales and refunds' : unitOf(currency),
    xLabel: `Time (${tz})`,
    axis: isCount ? (value) => count(value) : (value) => shortMoney(value, currency),
    summary: `${measure.name} by ${SIZE_NAMES[period.bucket]}, ${span(period.from, period.to, tz)}.`,
  };
}

/** Whether there is a period before to compare with. */
function traded({ previous_totals: { count: number, net } }: Overview): boolean {
  return BigInt(number) !== 0n || BigInt(net) !== 0n;
}

function salesCsv({ series, currency, period, tz }: Overview): string {
  const size = period.bucket;
  return csvText([
    [
      'start',
      `${size} (${tz})`,
      ...['sales', 'refunds', 'net', 'vat'].map((name) => `${name} ${currency}`),
      'count',
    ],
    ...series.map(([start, sales, refunds, net, vat, number]) => [
      start,
      bucketName(start, size, tz),
      ...[sales, refunds, net, vat].map((amount) => decimalText(amount, currency)),
      String(number),
    ]),
  ]);
}
