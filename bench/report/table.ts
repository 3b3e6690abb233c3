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

const LINE_WIDTH = 100;
/** Share of a processor from which a load generator, which is one thread, counts as busy all the time. */
const BUSY = 0.95;

const COLUMNS: readonly Column[] = [
  { title: 'median', width: 8, cell: ({ value }, { unit }) => format(value.median, unit) },
  { title: 'min-max', width: 15, cell: ({ value, rounds }, { unit }) => range(value, rounds.length, unit) },
  {
    title: 'ratio',
    width: 6,
    cell: ({ ratio }) => (ratio === undefined ? '' : threeDigits(ratio.median)),
  },
  { title: 'min-max', width: 10, cell: ({ ratio, rounds }) => ratioRange(ratio, rounds.length) },
  { title: 'p50', width: 6, cell: ({ typical }) => ms(typical, 'p50') },
  { title: 'p99', width: 6, cell: ({ typical }) => ms(typical, 'p99') },
  { title: 'p99.9 ms', width: 9, cell: ({ typical }) => ms(typical, 'p999') },
  {
    title: 'client',
    width: 7,
    cell: ({ typical }, { unit }, processes) => clientCores(typical, unit, processes),
  },
  { title: 'server', width: 7, cell: ({ typical }) => cores(typical.serverCores) },
  { title: 'refused', width: 8, cell: ({ typical }) => (typical.refused ? String(typical.refused) : '') },
];

/** A case as lines. */
export interface Rows {
  /** The titles of the columns that hold anything: `client` and `server` are processors kept busy; a `!` says that the load generator had nothing left to give. */
  readonly head: string;
  readonly lines: string;
}

/** @param loadProcesses that sent the load */
export function tableRows(result: CaseResult, loadProcesses: number): Rows {
  const { name, unit, contenders } = result;
  const columns = COLUMNS.map(({ title, width, cell }) => ({
    title,
    width,
    cells: contenders.map((contender) => cell(contender, result, loadProcesses)),
  })).filter(({ cells }) => cells.some((text) => text !== ''));
  const nameWidth = Math.max(
    LINE_WIDTH - COLUMNS.reduce((sum, { title, width }) => sum + (title === 'refused' ? 0 : width), 0),
    ...contenders.map((contender) => contender.name.length + 2),
  );
  const line = (text: string, cells: readonly string[]) =>
    `${text.padEnd(nameWidth)}${cells.map((one, i) => one.padStart(columns[i]!.width)).join('')}\n`;
  return {
    head: line(
      '',
      columns.map(({ title }) => title),
    ),
    lines:
      `${name}, ${unit}\n` +
      contenders
        .map((contender, i) =>
          line(
            `  ${contender.name}`,
            columns.map(({ cells }) => cells[i]!),
          ),
        )
        .join(''),
  };
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
  return ratio === undefined || rounds < 2 ? '' : `${threeDigits(ratio.min)}-${threeDigits(ratio.max)}`;
}

function ms({ latencyMs }: Measure, key: 'p50' | 'p99' | 'p999'): string {
  return latencyMs === undefined ? '' : threeDigits(latencyMs[key]);
}

/** So that columns stay narrow: two decimals at most. */
function threeDigits(value: number): string {
  return value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);
}

/** Over HTTP there is one generator in any case. */
function clientCores({ clientCores: busy }: Measure, unit: Unit, loadProcesses: number): string {
  const processes = unit === 'requests/s' ? 1 : loadProcesses;
  return cores(busy) + (busy !== undefined && busy >= BUSY * processes ? '!' : '');
}

function cores(value: number | undefined): string {
  return value === undefined ? '' : value.toFixed(2);
}
