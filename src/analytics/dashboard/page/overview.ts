import type { Anomalies, Balances, Overview, ProfitLoss, Top } from './answers.js';
import { get } from './api.js';
import { type Buckets, bucketsOf } from './buckets.js';
import { Chart, type Line } from './chart.js';
import { csvText } from './csv.js';
import { h } from './dom.js';
import { csvButton } from './download.js';
import { headline } from './figures.js';
import { approximate, count, decimalText, money, shortMoney, unitOf } from './money.js';
import { panel } from './panel.js';
import { salesChart } from './sales-chart.js';
import { bar, shopsPanel } from './shops.js';
import { Source } from './source.js';
import { table } from './table.js';
import { addDays, dayOf, longDay, moment } from './times.js';
import { linkTo, type Page, type View } from './view.js';

const ANOMALIES_SHOWN = 4;
const TOP_SHOWN = 6;

/** The first page: the period's net sales, and all that stands behind them. */
export function overviewView(page: Page): View {
  const { signal, currency } = page;
  const buckets = bucketsOf(page.route, page.span);
  const overview = overviewSource(page, buckets);
  const profitLoss = new Source(signal, (end) =>
    get<ProfitLoss>('profit-loss', { ...periodOf(overview), currency }, end),
  );
  const balances = new Source(signal, (end) => get<Balances>('balances', {}, end));
  const anomalies = new Source(signal, (end) =>
    get<Anomalies>('anomalies', { ...periodOf(overview), currency, limit: ANOMALIES_SHOWN }, end),
  );
  const top = new Source(signal, (end) =>
    get<Top>('top', { ...periodOf(overview), by: 'sales', of: 'account', currency, limit: TOP_SHOWN }, end),
  );
  const element = h(
    'div',
    { class: 'grid' },
    netSales(overview),
    salesChart(page, overview, buckets, 'all'),
    balancesPanel(page, balances),
    shopsPanel(page, overview),
    topPanel(page, top),
    profitLossPanel(page, profitLoss),
    anomaliesPanel(page, anomalies),
  );
  return {
    title: 'Overview',
    trail: [],
    element,
    refresh: () => refreshWith(overview, [profitLoss, balances, anomalies, top]),
  };
}

/** The span that an overview was of. @throws ApiError where there is no overview */
export function periodOf({ state: { data, error } }: Source<Overview>): { from: string; to: string } {
  if (data === undefined) throw error ?? new Error('the overview comes first');
  return { from: data.period.from, to: data.period.to };
}

/** The overview first: it says which span the others are to be of. */
export function refreshWith(
  overview: Source<Overview>,
  others: readonly { refresh(): Promise<void> }[],
): void {
  void overview.refresh().then(() => Promise.all(others.map((source) => source.refresh())));
}

/** @param more what narrows it down, such as a terminal */
export function overviewSource(
  page: Page,
  buckets: Buckets,
  more: Readonly<Record<string, string>> = {},
): Source<Overview> {
  const { span: of, currency } = page;
  return new Source(page.signal, (end) =>
    get<Overview>('overview', { ...of.overview, bucket: buckets.current, currency, ...more }, end),
  );
}

/** Net sales first and large, the other figures beside them. */
export function netSales(source: Source<Overview>): HTMLElement {
  return panel({
    title: 'Net sales',
    quietTitle: true,
    class: 'hero wide',
    source,
    show: (overview) => headline(overview, overview.totals, overview.previous_totals),
  });
}

const TYPE_NAMES = {
  asset: 'Assets',
  liability: 'Liabilities',
  equity: 'Equity',
  revenue: 'Revenue',
  expense: 'Expenses',
} as const;

function balancesPanel(page: Page, source: Source<Balances>): HTMLElement {
  return panel({
    title: 'Balances now',
    source,
    hint: 'All accounts, each on its normal side.',
    empty: ({ types }) => (types.length === 0 ? 'There are no accounts yet.' : undefined),
    show: ({ types }) =>
      table({
        caption: 'Balances by type of account',
        columns: [
          {
            name: 'Type',
            head: true,
            cell: ({ type }) =>
              h(
                'a',
                { href: linkTo(page, 'accounts', '', { type }), 'data-key': `type ${type}` },
                TYPE_NAMES[type],
              ),
          },
          { name: 'Accounts', figure: true, leave: 'small', cell: ({ accounts }) => count(accounts) },
          { name: 'Balance', figure: true, cell: ({ balance, currency }) => money(balance, currency) },
        ],
        rows: types,
      }),
  });
}

function topPanel(page: Page, source: Source<Top>): HTMLElement {
  const { currency } = page;
  return panel({
    title: 'Where sales come from',
    source,
    hint: 'Accounts with the most sales.',
    empty: ({ rows }) => (rows.length === 0 ? 'Nothing was sold in this period.' : undefined),
    show: ({ rows }) =>
      table({
        caption: 'Accounts with the most sales',
        columns: [
          {
            name: 'Account',
            head: true,
            cell: ({ key }) =>
              h('a', { href: linkTo(page, 'account', key), 'data-key': `account ${key}` }, key),
          },
          {
            name: 'Share of the largest',
            leave: 'small',
            cell: ({ value }) => bar(Number(rows[0]!.value) > 0 ? Number(value) / Number(rows[0]!.value) : 0),
          },
          { name: `Sales`, figure: true, cell: ({ value }) => money(value, currency) },
        ],
        rows,
      }),
  });
}

function profitLossPanel(page: Page, source: Source<ProfitLoss>): HTMLElement {
  const chart = new Chart(page.signal);
  return panel({
    title: 'Profit and loss',
    class: 'wide',
    source,
    actions: [
      csvButton('profit and loss', source, ['profit-loss', page.span.from, page.span.to], profitLossCsv),
    ],
    show: ({ currency, days, totals, tz }) => {
      const line = (name: string, at: 1 | 2 | 3, colour: string): Line => ({
        name,
        more: money(totals[name.toLowerCase() as 'revenue'], currency),
        colour,
        kind: 'bars',
        values: days.map((day) => approximate(day[at], currency)),
        text: (index) => money(days[index]![at], currency),
      });
      return chart.show({
        starts: days.map(([day]) => `${day}T00:00:00Z`),
        // Days are named already, whatever the zone they begin in.
        zone: 'UTC',
        size: 'day',
        lines:
          BigInt(totals.expense) === 0n && days.every(([, , expense]) => BigInt(expense) === 0n)
            ? [
                {
                  ...line('Profit', 3, '--profit'),
                  more: `${money(totals.profit, currency)}, no expenses`,
                },
              ]
            : [line('Revenue', 1, '--sales'), line('Expense', 2, '--refunds'), line('Profit', 3, '--profit')],
        yLabel: unitOf(currency),
        xLabel: `Day (${tz})`,
        axis: (value) => shortMoney(value, currency),
        summary: `Revenue, expense and profit by day. Profit ${money(totals.profit, currency)}.`,
      });
    },
  });
}

function profitLossCsv({ currency, days }: ProfitLoss): string {
  return csvText([
    ['day', ...['revenue', 'expense', 'profit'].map((name) => `${name} ${currency}`)],
    ...days.map(([day, ...amounts]) => [day, ...amounts.map((amount) => decimalText(amount, currency))]),
  ]);
}

function anomaliesPanel(page: Page, source: Source<Anomalies>): HTMLElement {
  return panel({
    title: 'Unusual',
    source,
    hint: 'Against each account\u2019s own history.',
    empty: ({ anomalies }) => (anomalies.length === 0 ? 'Nothing unusual in this period.' : undefined),
    show: ({ anomalies, tz }) =>
      h(
        'ul',
        { class: 'events' },
        ...anomalies.map((anomaly) => {
          const { account, transaction, effective_at, amount, currency, score, lsn, reason } = anomaly;
          const day = dayOf(effective_at, tz);
          return h(
            'li',
            {},
            h(
              'p',
              { class: 'event-head' },
              h(
                'a',
                {
                  href: linkTo(page, 'account', account, { from: day, through: day }),
                  'data-key': `${reason} ${lsn} ${account}`,
                  title: `Statement of ${account} on ${longDay(day)}`,
                },
                account,
              ),
              h('span', { class: 'event-amount' }, money(amount, currency)),
            ),
            h('p', { class: 'event-detail' }, unusual(anomaly)),
            h(
              'p',
              { class: 'event-time' },
              `${moment(effective_at, tz)} \u00b7 ${transaction} \u00b7 score ${score.toFixed(1)}`,
            ),
          );
        }),
      ),
  });
}

/** Why it is, in the words of a shop. */
function unusual({ reason, amount, usual, currency, detail }: Anomalies['anomalies'][number]): string {
  if (reason !== 'amount') return `${detail[0]?.toUpperCase() ?? ''}${detail.slice(1)}`;
  return `${money(amount, currency)}, where ${money(Math.round(usual), currency)} is usual`;
}

/** The last day of a span. */
export function lastDay({ span: { to } }: Page): string {
  return addDays(to, -1);
}
