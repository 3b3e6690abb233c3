import type { Bucketed, Overview } from './answers.js';
import { Chart, type ChartData, type Line } from './chart.js';
import { h } from './dom.js';
import { csvButton, fileName } from './download.js';
import type { Amount } from './exact-json.js';
import { approximate, count, decimalText, money, shortMoney, unitOf } from './money.js';
import { panel } from './panel.js';
import type { Source } from './source.js';
import { csvOf } from './table.js';
import { type BucketSize, bucketName, span } from './times.js';

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
  quarter: 'quarter of an hour',
  hour: 'hour',
  day: 'day',
  month: 'month',
};

/** Sales over the period, beside the period before. */
export function salesChart(source: Source<Overview>, signal: AbortSignal, name: string): HTMLElement {
  const chart = new Chart(signal);
  let measure: Measure = MEASURES[0];
  let latest: Overview | undefined;
  const caption = h('p', { class: 'hint' });
  const draw = (overview: Overview) => {
    latest = overview;
    const { period, previous, tz } = overview;
    const before = traded(overview) ? ` Dashed: ${span(previous.from, previous.to, tz)}.` : '';
    caption.textContent = `By ${SIZE_NAMES[period.bucket]}, ${span(period.from, period.to, tz)}.${before}`;
    return chart.show(chartData(overview, measure));
  };
  const choices = h('div', { class: 'choices', role: 'group', 'aria-label': 'What the chart shows' });
  choices.append(
    ...MEASURES.map((option) => {
      const button = h(
        'button',
        {
          type: 'button',
          class: 'choice',
          'aria-pressed': String(option === measure),
          onclick: () => {
            measure = option;
            for (const other of choices.children)
              other.setAttribute('aria-pressed', String(other === button));
            if (latest !== undefined) draw(latest);
          },
        },
        option.name,
      );
      return button;
    }),
  );
  const section = panel({
    title: 'Sales over time',
    class: 'wide',
    source,
    actions: [
      choices,
      csvButton('sales over time', () => ({
        name: fileName(name, 'sales', latest === undefined ? '' : latest.period.from.slice(0, 10)),
        text: latest === undefined ? '' : salesCsv(latest),
      })),
    ],
    show: (overview) => {
      const element = draw(overview);
      if (element.firstChild !== caption) element.prepend(caption);
      return element;
    },
  });
  return section;
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
    yLabel: isCount ? 'Sales' : unitOf(currency),
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
  const amount = (name: string, at: 1 | 2 | 3 | 4) => ({
    name: `${name} ${currency}`,
    cell: () => '',
    text: (bucket: Bucketed) => decimalText(bucket[at], currency),
  });
  const columns = [
    { name: 'start', cell: () => '', text: ([start]: Bucketed) => start },
    {
      name: `${period.bucket} (${tz})`,
      cell: () => '',
      text: ([start]: Bucketed) => bucketName(start, period.bucket, tz),
    },
    amount('sales', 1),
    amount('refunds', 2),
    amount('net', 3),
    amount('vat', 4),
    { name: 'count', cell: () => '', text: (bucket: Bucketed) => String(bucket[5]) },
  ];
  return csvOf(columns, series);
}
