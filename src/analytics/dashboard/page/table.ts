import { csvText } from './csv.js';
import { h } from './dom.js';

export interface Column<Row> {
  readonly name: string;
  readonly cell: (row: Row) => Node | string;
  /** Right-aligned, with figures of equal width. */
  readonly figure?: boolean;
  /** Left out where there is little room: `small` below the width of a tablet, `medium` below that of a laptop. */
  readonly leave?: 'small' | 'medium';
  /** Shown only where another form of it was left out: `small` as with `leave`. */
  readonly only?: 'small';
  /** Names the row. One column has it. */
  readonly head?: boolean;
  /** As text for CSV; the column is not in it without. */
  readonly text?: (row: Row) => string;
}

export interface TableOptions<Row> {
  readonly caption: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  /** Shown above the table; otherwise for screen readers alone. */
  readonly showCaption?: boolean;
}

export function table<Row>({
  caption,
  columns,
  rows,
  showCaption = false,
}: TableOptions<Row>): HTMLTableElement {
  return h(
    'table',
    {},
    h('caption', { class: showCaption ? '' : 'sr-only' }, caption),
    h(
      'thead',
      {},
      h('tr', {}, ...columns.map((column) => h('th', { scope: 'col', class: classOf(column) }, column.name))),
    ),
    h('tbody', {}, ...rows.map((row) => tableRow(columns, row))),
  );
}

/** Also for rows that come later. */
export function tableRow<Row>(columns: readonly Column<Row>[], row: Row): HTMLTableRowElement {
  return h(
    'tr',
    {},
    ...columns.map((column) =>
      column.head
        ? h('th', { scope: 'row', class: classOf(column) }, column.cell(row))
        : h('td', { class: classOf(column) }, column.cell(row)),
    ),
  );
}

function classOf<Row>({ figure, leave, only }: Column<Row>): string {
  const names = [figure && 'figure', leave && `leave-${leave}`, only && `only-${only}`];
  return names.filter((name) => typeof name === 'string').join(' ');
}

/** The columns that have text, as CSV. */
export function csvOf<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const used = columns.filter(({ text }) => text !== undefined);
  return csvText([used.map(({ name }) => name), ...rows.map((row) => used.map(({ text }) => text!(row)))]);
}
