import type { Figures, Overview, ShopFigures } from './answers.js';
import { h, svg } from './dom.js';
import { csvButton } from './download.js';
import type { Amount } from './exact-json.js';
import { against } from './figures.js';
import { count, decimalText, money, percent } from './money.js';
import { panel } from './panel.js';
import type { Source } from './source.js';
import { type Column, csvOf, table } from './table.js';
import { linkTo, type Page } from './view.js';

export const NO_SHOP = '\u2013';

/** The name of a shop in an address; tills without one stand together. */
export function shopName(shop: string | null | undefined): string {
  return shop ? shop : NO_SHOP;
}

/** A bar as long as a share of the largest; nothing where it is below zero. @param share 0-1 */
export function bar(share: number): SVGSVGElement {
  const width = Math.max(0, Math.min(1, share)) * 100;
  return svg(
    'svg',
    { class: 'bar', viewBox: '0 0 100 8', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
    svg('rect', { class: 'bar-ground', width: 100, height: 8 }),
    svg('rect', { class: 'bar-fill', width, height: 8 }),
  );
}

function figureColumns<Row extends Figures>(currency: string, most: Amount): Column<Row>[] {
  const amount = (name: string, of: (row: Row) => Amount, leave?: 'small' | 'medium'): Column<Row> => ({
    name,
    figure: true,
    cell: (row) => money(of(row), currency, { plain: true }),
    text: (row) => decimalText(of(row), currency),
    ...(leave !== undefined && { leave }),
  });
  return [
    amount('Net sales', ({ net }) => net),
    {
      name: 'Share of the largest',
      leave: 'small',
      cell: ({ net }) => bar(Number(most) > 0 ? Number(net) / Number(most) : 0),
    },
    amount('Refunds', ({ refunds }) => refunds, 'small'),
    {
      name: 'Refund rate',
      figure: true,
      leave: 'medium',
      cell: ({ refund_rate }) => (refund_rate === null ? '\u2013' : percent(refund_rate)),
      text: ({ refund_rate }) => String(refund_rate ?? ''),
    },
    amount('VAT', ({ vat }) => vat, 'medium'),
    {
      name: 'Sales and refunds',
      figure: true,
      leave: 'small',
      cell: (row) => count(row.count),
      text: (row) => String(row.count),
    },
  ];
}

function changeColumn(currency: string): Column<ShopFigures> {
  return {
    name: 'Change',
    figure: true,
    leave: 'medium',
    cell: ({ net, previous_net }) =>
      BigInt(previous_net) === 0n ? '\u2013' : against(net, previous_net, (value) => money(value, currency)),
  };
}

function largest(rows: readonly Figures[]): Amount {
  return rows.reduce<Amount>((most, { net }) => (net > most ? net : most), 0);
}

/** Shops, largest first, each a way to its tills. */
export function shopsPanel(page: Page, source: Source<Overview>): HTMLElement {
  const columns = ({ shops, currency }: Overview): Column<ShopFigures>[] => {
    const [net, ...others] = figureColumns<ShopFigures>(currency, largest(shops));
    return [
      {
        name: 'Shop',
        head: true,
        cell: ({ shop }) =>
          h(
            'a',
            { href: linkTo(page, 'shop', shopName(shop)), 'data-key': `shop ${shopName(shop)}` },
            shop ? shop : 'Tills without a shop',
          ),
        text: ({ shop }) => shop ?? '',
      },
      {
        name: 'Tills',
        figure: true,
        leave: 'medium',
        cell: ({ tills }) => String(tills.length),
        text: ({ tills }) => String(tills.length),
      },
      net!,
      ...(shops.some(({ previous_net }) => BigInt(previous_net) !== 0n) ? [changeColumn(currency)] : []),
      ...others,
    ];
  };
  return panel({
    title: 'Shops',
    class: 'wide',
    source,
    empty: ({ shops }) => (shops.length === 0 ? 'No till has sold anything in this period.' : undefined),
    actions: [
      csvButton('shops', source, ['shops', page.span.from, page.span.to], (overview) =>
        csvOf(columns(overview), overview.shops),
      ),
    ],
    show: (overview) =>
      table({ caption: `Shops, ${overview.currency}`, columns: columns(overview), rows: overview.shops }),
  });
}

/** The tills of a shop. */
export function tillsPanel(page: Page, source: Source<Overview>, shop: string): HTMLElement {
  const tillsOf = ({ shops }: Overview) => shops.find((one) => shopName(one.shop) === shop)?.tills ?? [];
  const columns = (overview: Overview) => [
    {
      name: 'Till',
      head: true,
      cell: ({ till }: { till: string }) =>
        h(
          'a',
          { href: linkTo(page, 'till', till), 'data-key': `till ${till}` },
          till === '' ? NO_SHOP : till,
        ),
      text: ({ till }: { till: string }) => till,
    },
    ...figureColumns<Figures & { till: string }>(overview.currency, largest(tillsOf(overview))),
  ];
  return panel({
    title: 'Tills',
    class: 'full',
    source,
    empty: (overview) =>
      tillsOf(overview).length === 0 ? 'No till of this shop has sold anything in this period.' : undefined,
    actions: [
      csvButton('tills', source, ['tills', shop, page.span.from, page.span.to], (overview) =>
        csvOf(columns(overview), tillsOf(overview)),
      ),
    ],
    show: (overview) =>
      table({
        caption: `Tills of ${shop}, ${overview.currency}`,
        columns: columns(overview),
        rows: tillsOf(overview),
      }),
  });
}
