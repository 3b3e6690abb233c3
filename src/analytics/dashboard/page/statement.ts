import type { Reconciled, Statement, StatementRow } from './answers.js';
import { get, pathOf } from './api.js';
import { h } from './dom.js';
import { allPages, fileName, save } from './download.js';
import { figure } from './figures.js';
import { type Filter, filterForm, filterQuery } from './filter-form.js';
import { count, money } from './money.js';
import { pagedTable } from './paged-table.js';
import { panel } from './panel.js';
import { Source } from './source.js';
import type { Column } from './table.js';
import { dayRange, moment } from './times.js';
import { daysOf, linkTo, type Page, type View } from './view.js';

const PAGE_ROWS = 100;
const CSV_ROWS = 10_000;
const FILTERS: readonly Filter[] = [
  { name: 'code', label: 'Code' },
  { name: 'tag', label: 'Tag' },
  {
    name: 'order',
    label: 'Order',
    options: [
      ['', 'Oldest first'],
      ['desc', 'Newest first'],
    ],
  },
];

/** Every posting of an account, with the balance after each. */
export function statementView(page: Page): View {
  const { route, signal } = page;
  const account = route.id;
  const path = pathOf('accounts', account, 'statement');
  const query = { ...daysOf(page), ...filterQuery(route, FILTERS) };
  const load = (end: AbortSignal, cursor?: string) =>
    get<Statement>(path, { ...query, limit: PAGE_ROWS, cursor }, end);
  const source = new Source(signal, load);
  // Once more pages were read they stay: a refresh would take them away.
  let paging = false;
  const said = h('p', { class: 'hint', role: 'status' });
  const csv = h('button', { type: 'button', class: 'button', 'data-key': 'csv' }, 'Download CSV');
  csv.addEventListener('click', () => void download(page, path, query, csv, said));
  return {
    title: account,
    trail: [
      h('a', { href: linkTo(page, 'overview') }, 'Overview'),
      h('a', { href: linkTo(page, 'accounts') }, 'Accounts'),
    ],
    element: h(
      'div',
      { class: 'grid' },
      balancePanel(page, source),
      panel({
        title: 'Statement',
        class: 'full',
        source,
        actions: [filterForm(route, 'statement', FILTERS), csv],
        show: (statement) =>
          h(
            'div',
            {},
            said,
            statement.rows.length === 0
              ? h('p', { class: 'empty' }, 'No postings in this period that fit.')
              : pagedTable({
                  caption: `Postings of ${account}`,
                  columns: columnsOf(page, statement),
                  what: 'postings',
                  first: statement,
                  next: (cursor) => {
                    paging = true;
                    return load(signal, cursor);
                  },
                }),
          ),
      }),
    ),
    refresh: () => {
      if (!paging) void source.refresh();
    },
  };
}

function balancePanel(page: Page, source: Source<Statement>): HTMLElement {
  const checked = h('p', { class: 'hint', role: 'status' });
  const check = h(
    'button',
    { type: 'button', class: 'button quiet', 'data-key': 'reconcile' },
    'Compare with the engine',
  );
  check.addEventListener('click', () => void reconcile(page, checked));
  return panel({
    title: 'Balance',
    quietTitle: true,
    class: 'hero full',
    source,
    show: ({ opening, closing, debits, credits, currency, type, count: rows }) => {
      const amount = (value: number | bigint) => money(value, currency);
      const days = dayRange(page.span.from, page.span.to);
      return h(
        'div',
        { class: 'hero-grid' },
        h(
          'div',
          { class: 'lead' },
          h('p', { class: 'lead-name' }, 'Closing balance'),
          h('p', { class: 'lead-value' }, amount(closing)),
          h('p', { class: 'lead-period' }, `${days}, ${type} account, ${currency}`),
        ),
        h(
          'div',
          {},
          h(
            'dl',
            { class: 'tiles' },
            figure({ name: 'Opening', value: amount(opening) }),
            figure({ name: 'Debits', value: amount(debits) }),
            figure({ name: 'Credits', value: amount(credits) }),
            figure({ name: 'Postings', value: count(rows) }),
          ),
          h('div', { class: 'check' }, check, checked),
        ),
      );
    },
  });
}

async function reconcile(page: Page, words: HTMLElement): Promise<void> {
  const account = page.route.id;
  words.textContent = 'Comparing\u2026';
  try {
    const path = pathOf('accounts', account, 'reconcile');
    const { lsn, equal, difference } = await get<Reconciled>(path, {}, page.signal);
    words.textContent = equal
      ? `Equal: the engine and the sum of all postings agree at LSN ${count(lsn)}.`
      : `They differ by ${money(difference, page.currency)} at LSN ${count(lsn)}.`;
  } catch (error) {
    if (!page.signal.aborted) words.textContent = (error as Error).message;
  }
}

function columnsOf(page: Page, { currency, tz }: Statement): Column<StatementRow>[] {
  const plain = (value: number | bigint) => money(value, currency, { plain: true });
  const dash = (text: string | undefined) => text || '\u2013';
  const side = (of: 'debit' | 'credit') => (row: StatementRow) => (row.side === of ? plain(row.amount) : '');
  return [
    { name: 'Time', leave: 'small', cell: ({ effective_at }) => moment(effective_at, tz) },
    {
      name: 'Transaction',
      head: true,
      cell: ({ transaction, effective_at }) =>
        h('span', {}, transaction, h('span', { class: 'under only-small' }, moment(effective_at, tz))),
    },
    { name: 'Kind', leave: 'medium', cell: ({ kind }) => kind },
    { name: 'Code', leave: 'small', cell: ({ code }) => dash(code) },
    { name: 'Reference', leave: 'medium', cell: ({ reference }) => dash(reference) },
    { name: 'Tag', leave: 'medium', cell: ({ tag }) => dash(tag) },
    {
      name: 'With',
      leave: 'medium',
      cell: ({ counterparts }) =>
        h(
          'span',
          { class: 'list' },
          ...counterparts.flatMap((other, index) => [
            index > 0 && ', ',
            h('a', { href: linkTo(page, 'account', other) }, other),
          ]),
        ),
    },
    { name: 'Debit', figure: true, leave: 'small', cell: side('debit') },
    { name: 'Credit', figure: true, leave: 'small', cell: side('credit') },
    {
      name: 'Dr/Cr',
      figure: true,
      only: 'small',
      cell: ({ side: of, amount }) => `${of === 'debit' ? 'Dr' : 'Cr'} ${plain(amount)}`,
    },
    { name: `Balance ${currency}`, figure: true, cell: ({ balance }) => plain(balance) },
  ];
}

async function download(
  page: Page,
  path: string,
  query: Readonly<Record<string, string | undefined>>,
  button: HTMLButtonElement,
  words: HTMLElement,
): Promise<void> {
  button.disabled = true;
  try {
    const { text, complete } = await allPages(path, { ...query, limit: CSV_ROWS }, page.signal, (pages) => {
      if (pages > 1) words.textContent = `${count(pages * CSV_ROWS)} rows\u2026`;
    });
    save(fileName(page.route.id, page.span.from, page.span.to), text);
    words.textContent = complete ? '' : 'The file ends before the statement does: choose a shorter period.';
  } catch (error) {
    if (!page.signal.aborted) words.textContent = `No CSV: ${(error as Error).message}`;
  }
  button.disabled = false;
}
