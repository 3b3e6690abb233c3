import type { Overview } from './answers.js';
import { h } from './dom.js';
import { against, tiles } from './figures.js';
import { money } from './money.js';
import { overviewSource } from './overview.js';
import { panel } from './panel.js';
import { NO_SHOP, shopName, tillsPanel } from './shops.js';
import type { Source } from './source.js';
import { span } from './times.js';
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
    show: ({ shops, currency, period, previous, tz }) => {
      const figures = shops.find((one) => shopName(one.shop) === shop)!;
      return h(
        'div',
        { class: 'hero-grid' },
        h(
          'div',
          { class: 'lead' },
          h('p', { class: 'lead-name' }, 'Net sales'),
          h('p', { class: 'lead-value' }, money(figures.net, currency)),
          h(
            'p',
            { class: 'lead-more' },
            against(figures.net, figures.previous_net, (value) => money(value, currency)),
            ` against ${span(previous.from, previous.to, tz)}`,
          ),
          h('p', { class: 'lead-period' }, span(period.from, period.to, tz)),
        ),
        tiles(figures, undefined, currency),
      );
    },
  });
}
