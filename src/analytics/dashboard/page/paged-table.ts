import { h } from './dom.js';
import { count } from './money.js';
import { type Column, table, tableRow } from './table.js';

export interface Rows<Row> {
  readonly rows: readonly Row[];
  /** Of the next page, where there is one. */
  readonly cursor?: string | undefined;
}

export interface PagedTableOptions<Row> {
  readonly caption: string;
  readonly columns: readonly Column<Row>[];
  readonly first: Rows<Row>;
  readonly next: (cursor: string) => Promise<Rows<Row>>;
  /** What the rows are: `postings`. */
  readonly what: string;
}

/** A table that grows by a page at a time. */
export function pagedTable<Row>({
  caption,
  columns,
  first,
  next,
  what,
}: PagedTableOptions<Row>): HTMLElement {
  const rows = table({ caption, columns, rows: first.rows });
  const said = h('p', { class: 'hint', role: 'status' });
  const more = h('button', { type: 'button', class: 'button', 'data-key': 'more' }, 'Show more');
  let { cursor } = first;
  let shown = first.rows.length;
  const tell = () => {
    more.hidden = cursor === undefined;
    said.textContent = `${count(shown)} ${what} shown${cursor === undefined ? ', all of them.' : '.'}`;
  };
  more.addEventListener('click', async () => {
    if (cursor === undefined || more.disabled) return;
    more.disabled = true;
    try {
      const page = await next(cursor);
      rows.tBodies[0]!.append(...page.rows.map((row) => tableRow(columns, row)));
      cursor = page.cursor;
      shown += page.rows.length;
      tell();
    } catch (error) {
      said.textContent = (error as Error).message;
    }
    more.disabled = false;
  });
  tell();
  return h('div', {}, rows, h('div', { class: 'more' }, more, said));
}
