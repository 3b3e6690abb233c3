import type { Overview } from './answers.js';
import { bucketsOf } from './buckets.js';
import { h } from './dom.js';
import { headline } from './figures.js';
import { netSales, overviewSource } from './overview.js';
import { panel } from './panel.js';
import { salesChart } from './sales-chart.js';
import { NO_SHOP, shopName, tillsPanel } from './shops.js';
import type { Source } from './source.js';
import { linkTo, type Page, type View } from './view.js';

/** A shop: its figures and its tills. What came from no shop has no name to ask by, so it is taken out of the whole. */
export function shopView(page: Page): View {
  const shop = page.route.id;
  const hasName = shop !== NO_SHOP;
  const buckets = bucketsOf(page.route, page.span);
  const source = overviewSource(page, buckets, hasName ? { shop } : {});
  return {
    title: hasName ? shop : 'Tills without a shop',
    trail: [h('a', { href: linkTo(page, 'overview') }, 'Overview')],
    element: h(
      'div',
      { class: 'grid' },
      ...(hasName
        ? [netSales(source), salesChart(page, source, buckets, shop, 'full')]
        : [restOfSales(source)]),
      tillsPanel(page, source, shop),
    ),
    refresh: () => void source.refresh(),
  };
}

function restOfSales(source: Source<Overview>): HTMLElement {
  return panel({
    title: 'Net sales',
    quietTitle: true,
    class: 'hero',
    source,
    empty: ({ shops }) =>
      shops.some((one) => shopName(one.shop) === NO_SHOP)
        ? undefined
        : 'All sales of this period came from shops.',
    show: (overview) => {
      const figures = overview.shops.find((one) => shopName(one.shop) === NO_SHOP)!;
      return headline(overview, figures, { net: figures.previous_net });
    },
  });
}
