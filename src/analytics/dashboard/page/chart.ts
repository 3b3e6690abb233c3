import { h } from './dom.js';
import { table } from './table.js';
import { colour, onColours } from './theme.js';
import { type BucketSize, bucketName, ticks } from './times.js';
import uPlot from './uplot.js';

/** One figure over time. */
export interface Line {
  readonly name: string;
  /** Beside the name in the legend, such as the sum. */
  readonly more?: string;
  /** A colour of the style sheet, such as `--sales`. */
  readonly colour: string;
  /** bars stand side by side; dashed is for what is only compared with. */
  readonly kind: 'bars' | 'dashed';
  /** For drawing: one for each start, undefined where there is none. */
  readonly values: readonly (number | undefined)[];
  /** Exact, in words. */
  readonly text: (index: number) => string;
}

export interface ChartData {
  readonly starts: readonly string[];
  readonly size: BucketSize;
  readonly zone: string;
  readonly lines: readonly Line[];
  readonly yLabel: string;
  readonly xLabel: string;
  readonly axis: (value: number) => string;
  /** Says in a sentence what there is to see. */
  readonly summary: string;
}

/** Narrower bars would be hairs: a filled line is drawn instead. */
const BAR_WIDTH_MIN_PX = 2;
/** Wider ones would be slabs: a single day's. */
const BAR_WIDTH_MAX_PX = 120;
const TICK_WIDTH_PX = 68;
const DIGIT_PX = 7;
const GROUP_WIDTH = 0.78;
/** Of a pointer that is not over the plot. */
const OUTSIDE_PX = -10;
/** Rows of the table beside a chart; a longer one would be slow, and CSV is there. */
const TABLE_ROWS_MAX = 400;

/** A chart with its legend, its values under the pointer or the arrow keys, and a table of the same figures. */
export class Chart {
  readonly element: HTMLElement;
  readonly #legend = h('ul', { class: 'legend' });
  readonly #plot: HTMLElement;
  readonly #tip = h('div', { class: 'tip', hidden: true });
  readonly #spoken = h('p', { class: 'sr-only', 'aria-live': 'polite' });
  readonly #tableBody = h('div', { class: 'chart-table' });
  readonly #details: HTMLDetailsElement;
  #data: ChartData | undefined;
  #uplot: uPlot | undefined;
  #drawn = '';
  #index: number | undefined;

  constructor(signal: AbortSignal) {
    this.#plot = h('div', {
      class: 'plot',
      tabindex: 0,
      role: 'group',
      'aria-roledescription': 'chart',
      onkeydown: (event) => this.#key(event as KeyboardEvent),
      onblur: () => this.#leave(),
    });
    this.#details = h(
      'details',
      { class: 'as-table', ontoggle: () => this.#fillTable() },
      h('summary', {}, 'Show as table'),
      this.#tableBody,
    );
    this.element = h(
      'div',
      { class: 'chart' },
      this.#legend,
      h('div', { class: 'plot-frame' }, this.#plot, this.#tip),
      this.#spoken,
      this.#details,
    );
    const resize = new ResizeObserver(() => this.#draw(true));
    resize.observe(this.#plot);
    onColours(signal, () => this.#draw(true));
    signal.addEventListener('abort', () => {
      resize.disconnect();
      this.#uplot?.destroy();
    });
  }

  show(data: ChartData): HTMLElement {
    this.#data = data;
    this.#plot.setAttribute('aria-label', `${data.summary} Arrow keys read single values.`);
    this.#legend.replaceChildren(
      ...data.lines.map(({ name, more, colour: of, kind }) =>
        h('li', { class: `key key-${kind} ${of.slice(2)}` }, more === undefined ? name : `${name} ${more}`),
      ),
    );
    this.#draw(false);
    this.#fillTable();
    return this.element;
  }

  /** A new plot where its time, its lines or its room are others; otherwise the same one with new values, so that nothing flickers. */
  #draw(anew: boolean): void {
    const data = this.#data;
    if (data === undefined || this.#plot.clientWidth === 0) return;
    const shape = JSON.stringify([
      data.starts,
      data.size,
      data.zone,
      data.xLabel,
      data.yLabel,
      data.lines.map(({ colour: of, kind }) => [of, kind]),
    ]);
    const aligned = alignedOf(data);
    if (this.#uplot !== undefined && !anew && shape === this.#drawn) {
      this.#uplot.setData(aligned);
      if (this.#index !== undefined) this.#point(this.#index);
      return;
    }
    const { left = OUTSIDE_PX, top = OUTSIDE_PX } = this.#uplot?.cursor ?? {};
    this.#uplot?.destroy();
    this.#drawn = shape;
    this.#uplot = new uPlot(this.#options(data, { left, top }), aligned, this.#plot);
  }

  /** @param pointer where it rests, from the plot before */
  #options(data: ChartData, pointer: { left: number; top: number }): uPlot.Options {
    const { lines, starts, size, zone } = data;
    const [ink, grid] = [colour('--ink-2'), colour('--grid')];
    const font = `${Number.parseFloat(getComputedStyle(this.#plot).fontSize)}px ${getComputedStyle(this.#plot).fontFamily}`;
    const axis = { stroke: ink, font, labelFont: font, labelGap: 4 };
    const scale = Number.parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;
    const room = this.#plot.clientWidth - 8 * DIGIT_PX * scale;
    const most = Math.max(2, room / (TICK_WIDTH_PX * scale));
    const labels = new Map(ticks(starts, size, zone, most).map(({ index, label }) => [index, label]));
    const bars = lines.filter(({ kind }) => kind === 'bars');
    return {
      width: this.#plot.clientWidth,
      height: this.#plot.clientHeight,
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false, setScale: false }, points: { size: 7 } },
      scales: {
        x: { time: false, range: () => [-0.5, starts.length - 0.5] },
        y: { range: (_plot, min, max) => rangeWithZero(min, max) },
      },
      axes: [
        {
          ...axis,
          label: data.xLabel,
          labelSize: 22 * scale,
          size: 30 * scale,
          grid: { show: false },
          ticks: { stroke: grid, width: 1, size: 5 },
          splits: () => [...labels.keys()],
          values: () => [...labels.values()],
        },
        {
          ...axis,
          label: data.yLabel,
          labelSize: 22 * scale,
          size: (_plot, values) =>
            (Math.max(3, ...(values ?? []).map(({ length }) => length)) * DIGIT_PX + 12) * scale,
          space: 36 * scale,
          grid: { stroke: grid, width: 1 },
          ticks: { show: false },
          values: (_plot, splits) => splits.map(data.axis),
        },
      ],
      series: [
        {},
        ...lines.map((line) => seriesOf(line, bars.indexOf(line), bars.length, starts.length, room)),
      ],
      hooks: {
        ready: [(plot) => (this.#index === undefined ? plot.setCursor(pointer) : this.#point(this.#index))],
        setCursor: [(plot) => this.#pointed(plot)],
        // The line of zero, where there is anything below it.
        drawAxes: [(plot) => zeroLine(plot, ink)],
      },
    };
  }

  #pointed(plot: uPlot): void {
    const { idx } = plot.cursor;
    const data = this.#data!;
    if (idx == null || plot.cursor.left == null || plot.cursor.left < 0 || idx >= data.starts.length) {
      this.#tip.hidden = true;
      return;
    }
    this.#tip.replaceChildren(
      h('p', { class: 'tip-title' }, bucketName(data.starts[idx]!, data.size, data.zone)),
      h(
        'dl',
        {},
        ...data.lines.flatMap((line) => [
          h('dt', { class: `key key-${line.kind} ${line.colour.slice(2)}` }, line.name),
          h('dd', {}, line.text(idx)),
        ]),
      ),
    );
    this.#tip.hidden = false;
    const x = plot.over.offsetLeft + plot.valToPos(idx, 'x');
    const room = this.#plot.clientWidth - this.#tip.offsetWidth;
    const beside = x + 14 > room ? x - this.#tip.offsetWidth - 14 : x + 14;
    this.#tip.style.transform = `translate(${Math.round(Math.min(Math.max(0, beside), Math.max(0, room)))}px, 4px)`;
  }

  #point(index: number): void {
    this.#uplot?.setCursor({ left: this.#uplot.valToPos(index, 'x'), top: 10 });
  }

  #leave(): void {
    this.#index = undefined;
    this.#uplot?.setCursor({ left: OUTSIDE_PX, top: OUTSIDE_PX });
  }

  #key(event: KeyboardEvent): void {
    const data = this.#data;
    if (data === undefined || data.starts.length === 0) return;
    const last = data.starts.length - 1;
    const at = this.#index ?? -1;
    const next = { ArrowRight: at + 1, ArrowLeft: at < 0 ? last : at - 1, Home: 0, End: last }[event.key];
    if (event.key === 'Escape') this.#leave();
    if (next === undefined) return;
    event.preventDefault();
    this.#index = Math.min(last, Math.max(0, next));
    this.#point(this.#index);
    const name = bucketName(data.starts[this.#index]!, data.size, data.zone);
    this.#spoken.textContent = `${name}: ${data.lines.map((line) => `${line.name} ${line.text(this.#index!)}`).join(', ')}`;
  }

  #fillTable(): void {
    const data = this.#data;
    if (data === undefined || !this.#details.open) return;
    const rows = data.starts.map((_, index) => index).slice(-TABLE_ROWS_MAX);
    this.#tableBody.replaceChildren(
      table({
        caption:
          rows.length < data.starts.length
            ? `The last ${rows.length} of ${data.starts.length}. CSV has all of them.`
            : data.summary,
        showCaption: rows.length < data.starts.length,
        columns: [
          {
            name: data.xLabel,
            head: true,
            cell: (index: number) => bucketName(data.starts[index]!, data.size, data.zone),
          },
          ...data.lines.map((line) => ({
            name: line.name,
            figure: true,
            cell: (index: number) => line.text(index),
          })),
        ],
        rows,
      }),
    );
  }
}

function alignedOf({ starts, lines }: ChartData): uPlot.AlignedData {
  return [
    starts.map((_, index) => index),
    ...lines.map(({ values }) => starts.map((_, index) => values[index] ?? null)),
  ] as uPlot.AlignedData;
}

function seriesOf(line: Line, place: number, bars: number, length: number, room: number): uPlot.Series {
  const stroke = colour(line.colour);
  const few = length <= 2;
  const common = { points: { show: few, size: 8, fill: stroke } };
  if (line.kind === 'dashed') {
    return { ...common, stroke, width: 1.5, dash: [5, 4] };
  }
  if (room / (length * bars) < BAR_WIDTH_MIN_PX)
    return { ...common, stroke, width: 1.5, fill: colour(`${line.colour}-soft`) };
  const width = Math.min(GROUP_WIDTH / bars, (BAR_WIDTH_MAX_PX * length) / room);
  return {
    ...common,
    points: { show: false },
    width: 0,
    fill: stroke,
    paths: uPlot.paths.bars!({
      disp: {
        x0: {
          unit: 1,
          values: (plot) => (plot.data[0] as number[]).map((x) => x + (place - bars / 2) * width),
        },
        size: { unit: 1, values: (plot) => (plot.data[0] as number[]).map(() => width * 0.94) },
      },
    }),
  };
}

function rangeWithZero(min: number | null, max: number | null): [number, number] {
  const [low, high] = [Math.min(0, min ?? 0), Math.max(0, max ?? 0)];
  if (low === high) return [0, 1];
  const room = (high - low) * 0.06;
  return [low < 0 ? low - room : 0, high > 0 ? high + room : 0];
}

function zeroLine(plot: uPlot, stroke: string): void {
  const y = Math.round(plot.valToPos(0, 'y', true));
  plot.ctx.save();
  plot.ctx.strokeStyle = stroke;
  plot.ctx.lineWidth = 1;
  plot.ctx.beginPath();
  plot.ctx.moveTo(plot.bbox.left, y + 0.5);
  plot.ctx.lineTo(plot.bbox.left + plot.bbox.width, y + 0.5);
  plot.ctx.stroke();
  plot.ctx.restore();
}
