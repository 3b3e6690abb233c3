import type { Accounts } from './answers.js';
import { get } from './api.js';
import { h } from './dom.js';
import { type Filter, filterForm, filterQuery } from './filter-form.js';
import { money } from './money.js';
import { pagedTable } from './paged-table.js';
import { panel } from './panel.js';
import { Source } from './source.js';
import type { Column } from './table.js';
import { moment } from './times.js';
import { linkTo, type Page, type View } from './view.js';

const PAGE_ROWS = 100;
const FILTERS: readonly Filter[] = [
  { name: 'prefix', label: 'Id begins with' },
  { name: 'group', label: 'Group' },
  {
    name: 'type',
    label: 'Type',
    options: [
      ['', 'All'],
      ['asset', 'Asset'],
      ['liability', 'Liability'],
      ['equity', 'Equity'],
      ['revenue', 'Revenue'],
      ['expense', 'Expense'],
    ],
  },
];

type Account = Accounts['accounts'][number];

/** All accounts, by how their ids begin, by type and by group. */
export function accountsView(page: Page): View {
  const query = { ...filterQuery(page.route, FILTERS), limit: PAGE_ROWS };
  const load = (end: AbortSignal, cursor?: string) => get<Accounts>('accounts', { ...query, cursor }, end);
  const source = new Source(page.signal, load);
  // Once more pages were read they stay: a refresh would take them away.
  let paging = false;
  return {
    title: 'Accounts',
    trail: [h('a', { href: linkTo(page, 'overview') }, 'Overview')],
    element: h(
      'div',
      { class: 'grid' },
      panel({
        title: 'All accounts',
        class: 'full',
        source,
        actions: [filterForm(page.route, 'accounts', FILTERS)],
        empty: ({ accounts }) => (accounts.length === 0 ? 'No account fits.' : undefined),
        show: ({ accounts, cursor, tz }) =>
          pagedTable({
            caption: 'Accounts',
            columns: columnsOf(page, tz),
            what: 'accounts',
            first: { rows: accounts, cursor },
            next: async (from) => {
              paging = true;
              const answer = await load(page.signal, from);
              return { rows: answer.accounts, cursor: answer.cursor };
            },
          }),
      }),
    ),
    refresh: () => {
      if (!paging) void source.refresh();
    },
  };
}

function columnsOf(page: Page, zone: string): Column<Account>[] {
  return [
    {
      name: 'Account',
      head: true,
      cell: ({ id }) => h('a', { href: linkTo(page, 'account', id), 'data-key': `account ${id}` }, id),
    },
    { name: 'Type', leave: 'small', cell: ({ type }) => type },
    { name: 'Group', leave: 'medium', cell: ({ group }) => group || '\u2013' },
    {
      name: 'State',
      leave: 'medium',
      cell: ({ frozen, closed }) => (closed ? 'closed' : frozen ? 'frozen' : 'open'),
    },
    {
      name: 'Latest posting',
      leave: 'medium',
      cell: ({ last_effective_at }) => (last_effective_at ? moment(last_effective_at, zone) : '\u2013'),
    },
    { name: 'Balance', figure: true, cell: ({ balance, currency }) => money(balance, currency) },
  ];
}
