import { type CaseResult, type ContenderResult, isRate, type Unit } from './result.js';
import { format } from './table.js';

/**
 * A suite as a picture: bars of medians with the range over rounds, a panel for each unit, and one of latencies for open loops, where the
 * rate is given. Plain SVG, readable on light and dark pages.
 */

interface Bar {
  readonly label: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly color: string;
}

interface Group {
  readonly title: string;
  readonly bars: readonly Bar[];
}

interface Panel {
  readonly title: string;
  readonly unit: Unit;
  readonly groups: readonly Group[];
}

const WIDTH = 900;
const LABEL_WIDTH = 250;
const VALUE_WIDTH = 110;
const BAR_HEIGHT = 15;
const LINE_HEIGHT = 20;
const PADDING = 12;
const OURS = '#2563eb';
const OTHERS = ['#9ca3af', '#d97706', '#059669', '#7c3aed', '#db2777'];
const LATENCIES = ['p50', 'p99', 'p999'] as const;

/** @param footer one line on where the figures are from */
export function suiteChart(suite: string, results: readonly CaseResult[], footer: string): string {
  let y = PADDING + LINE_HEIGHT;
  const parts = [text(PADDING, y, suite, 'font-weight="bold" font-size="16"')];
  for (const panel of panelsOf(results)) {
    y += LINE_HEIGHT * 1.5;
    parts.push(text(PADDING, y, `${panel.title} (bar: median; line: least and most)`, 'font-style="italic"'));
    const most = Math.max(...panel.groups.flatMap(({ bars }) => bars.map(({ max }) => max)));
    for (const group of panel.groups) {
      y += LINE_HEIGHT * 1.2;
      parts.push(text(PADDING, y, group.title, 'font-weight="bold"'));
      for (const bar of group.bars) {
        y += LINE_HEIGHT;
        parts.push(drawBar(bar, y, most, panel.unit));
      }
    }
  }
  y += LINE_HEIGHT * 1.5;
  parts.push(text(PADDING, y, footer, 'font-size="10" fill="#6b7280"'));
  const height = Math.ceil(y + PADDING);
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" ` +
    `font-family="system-ui, sans-serif" font-size="12" fill="#111827">\n` +
    `<rect width="100%" height="100%" fill="#ffffff"/>\n${parts.join('\n')}\n</svg>\n`
  );
}

function panelsOf(results: readonly CaseResult[]): Panel[] {
  const open = results.filter(({ settings }) => 'rate' in settings);
  const closed = results.filter((result) => !open.includes(result));
  const units = [...new Set(closed.map(({ unit }) => unit))];
  const panels = units.map((unit): Panel => {
    const groups = closed.filter((result) => result.unit === unit).map(valueGroup);
    return { title: isRate(unit) ? `${unit}, more is better` : `${unit}, less is better`, unit, groups };
  });
  if (open.length > 0) {
    const groups = open.flatMap((result) => LATENCIES.map((key) => latencyGroup(result, key)));
    panels.push({ title: 'latency in ms from when a sale was due, less is better', unit: 'ms', groups });
  }
  return panels;
}

function valueGroup({ name, contenders }: CaseResult): Group {
  return {
    title: name,
    bars: contenders.map((contender, i) => {
      const ratio = contender.ratio === undefined ? '' : ` (× ${contender.ratio.median.toFixed(2)})`;
      return { ...contender.value, label: contender.name + ratio, color: color(contender, i) };
    }),
  };
}

function latencyGroup({ name, contenders }: CaseResult, key: (typeof LATENCIES)[number]): Group {
  return {
    title: `${name}, ${key === 'p999' ? 'p99.9' : key}`,
    bars: contenders.map((contender, i) => {
      const values = contender.rounds.map(({ latencyMs }) => latencyMs![key]);
      return {
        label: contender.name,
        median: contender.typical.latencyMs![key],
        min: Math.min(...values),
        max: Math.max(...values),
        color: color(contender, i),
      };
    }),
  };
}

function color({ name }: ContenderResult, place: number): string {
  return name.startsWith('kassa') ? OURS : OTHERS[place % OTHERS.length]!;
}

function drawBar(bar: Bar, y: number, most: number, unit: Unit): string {
  const room = WIDTH - LABEL_WIDTH - VALUE_WIDTH - 2 * PADDING;
  const x = (value: number) => LABEL_WIDTH + PADDING + (most > 0 ? (value / most) * room : 0);
  const middle = y - BAR_HEIGHT / 2 + 3;
  const zero = x(0);
  return [
    text(LABEL_WIDTH, y, bar.label, 'text-anchor="end"'),
    `<rect x="${zero}" y="${y - BAR_HEIGHT + 3}" width="${round(x(bar.median) - zero)}" height="${BAR_HEIGHT}" fill="${bar.color}"/>`,
    `<line x1="${round(x(bar.min))}" x2="${round(x(bar.max))}" y1="${middle}" y2="${middle}" stroke="#111827"/>`,
    text(round(x(Math.max(bar.max, bar.median)) + 6), y, format(bar.median, unit), ''),
  ].join('');
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function text(x: number, y: number, content: string, attributes: string): string {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${x}" y="${y}" ${attributes}>${escaped}</text>`;
}
