import type { Overview } from './answers.js';
import { h } from './dom.js';
import { headline } from './figures.js';
import { overviewSource } from './overview.js';
import { panel } from './panel.js';
import { NO_SHOP, shopName, tillsPanel } from './shops.js';
import type { Source } from './source.js';
import { linkTo, type Page, type View } from './view.js';

/** A shop: its figures and its tills. */
export function shopView(page: Page): View {
  const shop = page.route.id;
  const source = overviewSource(page);
  return {
    title: shop === NO_SHOP ? 'Tills without a shop' : shop,
    trail: [h('a', { href: linkTo(page, 'overview') }, 'Overview')],
    element: h('div', { class: 'grid' }, figuresPanel(source, shop), tillsPanel(page, source, shop)),
    refresh: () => void source.refresh(),
  };
}

function figuresPanel(source: Source<Overview>, shop: string): HTMLElement {
  return panel({
    title: 'Net sales',
    quietTitle: true,
    class: 'hero wide',
    source,
    empty: ({ shops }) =>
      shops.some((one) => shopName(one.shop) === shop)
        ? undefined
        : 'This shop has not sold anything in this period.',
    show: (overview) => {
      const figures = overview.shops.find((one) => shopName(one.shop) === shop)!;
      return headline(overview, figures, { net: figures.previous_net });
    },
  });
}
