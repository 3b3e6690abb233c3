import {
  type CaseResult,
  type ContenderResult,
  isRate,
  type Measure,
  type Spread,
  type Unit,
} from './result.js';

/** Results as text, a line for each contender. */

interface Column {
  readonly title: string;
  readonly width: number;
  readonly cell: (contender: ContenderResult, result: CaseResult, loadProcesses: number) => string;
}

const NAME_WIDTH = 44;
/** Share of a processor from which a load generator, which is one thread, counts as busy all the time. */
const BUSY = 0.95;

const COLUMNS: readonly Column[] = [
  { title: 'median', width: 10, cell: ({ value }, { unit }) => format(value.median, unit) },
  { title: 'min-max', width: 17, cell: ({ value, rounds }, { unit }) => range(value, rounds.length, unit) },
  { title: 'ratio', width: 7, cell: ({ ratio }) => (ratio === undefined ? '' : ratio.median.toFixed(2)) },
  { title: 'min-max', width: 11, cell: ({ ratio, rounds }) => ratioRange(ratio, rounds.length) },
  { title: 'p50', width: 8, cell: ({ typical }) => ms(typical, 'p50') },
  { title: 'p99', width: 8, cell: ({ typical }) => ms(typical, 'p99') },
  { title: 'p99.9', width: 8, cell: ({ typical }) => ms(typical, 'p999') },
  { title: 'max ms', width: 8, cell: ({ typical }) => ms(typical, 'max') },
  {
    title: 'client',
    width: 8,
    cell: ({ typical }, { unit }, processes) => clientCores(typical, unit, processes),
  },
  { title: 'server', width: 7, cell: ({ typical }) => cores(typical.serverCores) },
  { title: 'refused', width: 8, cell: ({ typical }) => (typical.refused ? String(typical.refused) : '') },
];

/** The head of a suite's table. `client` and `server` are processors kept busy; a `!` says that the load generator had nothing left to give. */
export function tableHead(suite: string, about: string): string {
  const titles = COLUMNS.map(({ title, width }) => title.padStart(width)).join('');
  return `\n${suite}: ${about}\n${''.padEnd(NAME_WIDTH)}${titles}\n`;
}

/** @param loadProcesses that sent the load */
export function tableRows(result: CaseResult, loadProcesses: number): string {
  const { name, unit, contenders } = result;
  const rows = contenders.map((contender) => {
    const cells = COLUMNS.map(({ width, cell }) =>
      cell(contender, result, loadProcesses).padStart(width),
    ).join('');
    return `  ${contender.name.padEnd(NAME_WIDTH - 2)}${cells}`;
  });
  return `${`${name}, ${unit}`}\n${rows.join('\n')}\n`;
}

/** A figure for people: at most three digits and a letter. */
export function format(value: number, unit: Unit): string {
  if (!isRate(unit)) return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)} M`;
  return value >= 1e4
    ? `${(value / 1e3).toFixed(0)} k`
    : value >= 1e3
      ? `${(value / 1e3).toFixed(1)} k`
      : value.toFixed(0);
}

function range({ min, max }: Spread, rounds: number, unit: Unit): string {
  return rounds < 2 ? '' : `${format(min, unit)}-${format(max, unit)}`;
}

function ratioRange(ratio: Spread | undefined, rounds: number): string {
  return ratio === undefined || rounds < 2 ? '' : `${ratio.min.toFixed(2)}-${ratio.max.toFixed(2)}`;
}

function ms({ latencyMs }: Measure, key: 'p50' | 'p99' | 'p999' | 'max'): string {
  return latencyMs === undefined ? '' : latencyMs[key].toFixed(2);
}

/** Over HTTP there is one generator in any case. */
function clientCores({ clientCores: busy }: Measure, unit: Unit, loadProcesses: number): string {
  const processes = unit === 'requests/s' ? 1 : loadProcesses;
  return cores(busy) + (busy !== undefined && busy >= BUSY * processes ? '!' : '');
}

function cores(value: number | undefined): string {
  return value === undefined ? '' : value.toFixed(2);
}
