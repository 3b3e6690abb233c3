import type { Transactions, ZReport } from './answers.js';
import { get, pathOf } from './api.js';
import { bucketsOf } from './buckets.js';
import { h } from './dom.js';
import { count, money } from './money.js';
import { lastDay, netSales, overviewSource, periodOf, refreshWith } from './overview.js';
import { panel } from './panel.js';
import { changed } from './route.js';
import { salesChart } from './sales-chart.js';
import { shopName } from './shops.js';
import { Source } from './source.js';
import { table } from './table.js';
import { addDays, clock, dayOf, isDay, longDay, moment } from './times.js';
import { linkTo, type Page, type View } from './view.js';

const TRANSACTIONS_SHOWN = 15;

/** A till: its sales, its end of day, its latest transactions, and the way to its drawer's statement. */
export function tillView(page: Page): View {
  const { route, signal, currency } = page;
  const till = route.id;
  const buckets = bucketsOf(route, page.span);
  const overview = overviewSource(page, buckets, { terminal: till });
  const asked = route.params.get('date');
  const date = isDay(asked) ? asked : dateOf(page);
  const zReport = new Source(signal, (end) => get<ZReport>(pathOf('tills', till, 'z-report'), { date }, end));
  const transactions = new Source(signal, (end) =>
    get<Transactions>(
      'transactions',
      { terminal: till, ...periodOf(overview), currency, limit: TRANSACTIONS_SHOWN },
      end,
    ),
  );
  const shop = h('span', { class: 'trail-shop' });
  zReport.watch(({ data }) => {
    if (data?.shop) shop.replaceChildren(h('a', { href: linkTo(page, 'shop', data.shop) }, data.shop));
  });
  return {
    title: till,
    trail: [h('a', { href: linkTo(page, 'overview') }, 'Overview'), shop],
    element: h(
      'div',
      { class: 'grid' },
      netSales(overview),
      salesChart(page, overview, buckets, till),
      zReportPanel(page, zReport, date),
      transactionsPanel(page, transactions),
    ),
    refresh: () => refreshWith(overview, [zReport, transactions]),
  };
}

/** The period's last day on which there can have been trade. */
function dateOf(page: Page): string {
  const last = lastDay(page);
  const today = dayOf(Date.now(), page.zone);
  return last > today ? today : last;
}

function zReportPanel(page: Page, source: Source<ZReport>, date: string): HTMLElement {
  const go = (to: string) => changed(page.route, { date: to });
  const day = h('input', {
    type: 'date',
    value: date,
    'aria-label': 'Day of the end-of-day report',
    'data-key': 'z-date',
    onchange: (event) => {
      const { value } = event.target as HTMLInputElement;
      if (isDay(value)) location.hash = go(value);
    },
  });
  return panel({
    title: 'End of day',
    class: 'z-report',
    source,
    actions: [
      h(
        'div',
        { class: 'stepper' },
        h(
          'a',
          { class: 'button quiet', href: go(addDays(date, -1)), 'aria-label': 'The day before' },
          '\u2039',
        ),
        day,
        h('a', { class: 'button quiet', href: go(addDays(date, 1)), 'aria-label': 'The next day' }, '\u203a'),
      ),
    ],
    empty: ({ currencies }) =>
      currencies.length === 0 ? `No trade on ${longDay(date)}: there is no Z report.` : undefined,
    show: (report) =>
      h(
        'div',
        {},
        h(
          'p',
          { class: 'hint' },
          report.number === 0
            ? `No trade on ${longDay(report.date)}`
            : `Z report no. ${report.number} of ${report.till}, ${longDay(report.date)}`,
          report.first_at != null &&
            report.last_at != null &&
            `, first sale ${clock(report.first_at, report.tz)}, last ${clock(report.last_at, report.tz)}`,
        ),
        ...report.currencies.map((of) => currencyReport(page, report, of)),
      ),
  });
}

function currencyReport(page: Page, report: ZReport, of: ZReport['currencies'][number]): HTMLElement {
  const amount = (value: number | bigint) => money(value, of.currency);
  const line = (name: string, value: string, more = '', className = '') =>
    h(
      'tr',
      { class: className },
      h('th', { scope: 'row' }, name),
      h('td', { class: 'dim' }, more),
      h('td', { class: 'figure' }, value),
    );
  const number = (n: number | bigint) => `${count(n)} \u00d7`;
  const { drawer } = of;
  return h(
    'div',
    {},
    h(
      'table',
      { class: 'ledger' },
      h('caption', { class: 'sr-only' }, `End of day of ${report.till}, ${of.currency}`),
      h(
        'tbody',
        {},
        line('Sales', amount(of.sales), number(of.sales_count)),
        line('Refunds', amount(of.refunds), number(of.refund_count)),
        line('Net', amount(of.net), '', 'sum'),
        ...of.vat_rates.map(({ tag, vat }) => line(`VAT ${tag}`, amount(vat))),
        line('VAT', amount(of.vat), 'in all'),
        line('Gross', amount(of.gross), '', 'sum'),
        line('Holds open', amount(of.holds_open.amount), number(of.holds_open.count)),
      ),
    ),
    drawer === null
      ? h('p', { class: 'hint' }, 'This till has no account of its own, so there is no drawer.')
      : h(
          'table',
          { class: 'ledger' },
          h('caption', {}, 'Drawer'),
          h(
            'tbody',
            {},
            line('Opening', amount(drawer.opening)),
            line('In', amount(drawer.debits)),
            line('Out', amount(drawer.credits)),
            line('Closing', amount(drawer.closing), '', 'sum'),
          ),
        ),
    of.codes.length > 0 &&
      table({
        caption: 'By code',
        showCaption: true,
        columns: [
          { name: 'Code', head: true, cell: ({ code }) => code || '\u2013' },
          { name: 'Number', figure: true, cell: (row) => count(row.count) },
          { name: 'Debits', figure: true, cell: ({ debits }) => amount(debits) },
          { name: 'Credits', figure: true, cell: ({ credits }) => amount(credits) },
        ],
        rows: of.codes,
      }),
    drawer !== null &&
      h(
        'p',
        { class: 'onward' },
        h(
          'a',
          {
            href: linkTo(page, 'account', report.till, { from: report.date, through: report.date }),
            class: 'button',
          },
          `Statement of ${report.till} on this day`,
        ),
      ),
  );
}

function transactionsPanel(page: Page, source: Source<Transactions>): HTMLElement {
  const shop = shopName(page.route.id);
  return panel({
    title: 'Latest transactions',
    class: 'wide',
    source,
    hint: `Sent from ${shop} in this period, newest first.`,
    actions: [
      h(
        'a',
        { class: 'button quiet', href: linkTo(page, 'account', page.route.id), 'data-key': 'statement' },
        'Statement',
      ),
    ],
    empty: ({ transactions }) =>
      transactions.length === 0 ? 'This till has sent nothing in this period.' : undefined,
    show: ({ transactions, tz }) =>
      table({
        caption: 'Latest transactions',
        columns: [
          { name: 'Time', cell: ({ effective_at }) => moment(effective_at, tz) },
          { name: 'Transaction', head: true, cell: ({ id }) => id },
          { name: 'Code', leave: 'small', cell: ({ code }) => code ?? '\u2013' },
          { name: 'Status', leave: 'medium', cell: ({ status }) => status },
          { name: 'Amount', figure: true, cell: ({ amount, currency }) => money(amount, currency) },
        ],
        rows: transactions,
      }),
  });
}
