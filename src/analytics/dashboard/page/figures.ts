import type { Figures } from './answers.js';
import { h, hidden } from './dom.js';
import type { Amount } from './exact-json.js';
import { change, count, money, percent } from './money.js';

export interface FigureOptions {
  readonly name: string;
  readonly value: string;
  /** Under the value. */
  readonly more?: Node | string | undefined;
  readonly title?: string;
  readonly class?: string;
}

/** A name and its figure. For inside of a `dl`. */
export function figure({ name, value, more, title, class: className = '' }: FigureOptions): HTMLElement {
  return h(
    'div',
    { class: `tile ${className}`, title },
    h('dt', {}, name),
    h('dd', { class: 'tile-value' }, value),
    h('dd', { class: 'tile-more' }, more ?? ''),
  );
}

/** How a figure stands against the period before: an arrow, a percentage, and words for those who see neither. */
export function against(now: Amount, before: Amount, amount: (value: Amount) => string): HTMLElement {
  const share = change(now, before);
  if (share === undefined) {
    return h(
      'span',
      { class: 'delta' },
      BigInt(before) === 0n ? 'nothing before' : `before ${amount(before)}`,
    );
  }
  const rounded = Math.abs(share) < 0.0005;
  const [arrow, word] = rounded ? ['=', 'the same'] : share > 0 ? ['\u25b2', 'up'] : ['\u25bc', 'down'];
  return h(
    'span',
    { class: 'delta', title: `before: ${amount(before)}` },
    h('span', { class: 'arrow', 'aria-hidden': 'true' }, arrow),
    hidden(`${word} `),
    rounded ? 'unchanged' : percent(Math.abs(share)),
    hidden(` against ${amount(before)} before`),
  );
}

/** The figures beside net sales. */
export function tiles(now: Figures, before: Figures | undefined, currency: string): HTMLElement {
  const amount = (value: Amount) => money(value, currency);
  const compare = (name: 'sales' | 'refunds' | 'vat' | 'profit' | 'expense') =>
    before === undefined ? undefined : against(now[name], before[name], amount);
  const rate = (figures: Figures) => (figures.refund_rate === null ? '\u2013' : percent(figures.refund_rate));
  return h(
    'dl',
    { class: 'tiles' },
    figure({ name: 'Sales', value: amount(now.sales), more: compare('sales') }),
    figure({
      name: 'Refunds',
      value: amount(now.refunds),
      more: compare('refunds'),
    }),
    figure({
      name: 'Refund rate',
      value: rate(now),
      more: before === undefined ? undefined : `before ${rate(before)}`,
      title: 'Refunds as a share of sales',
    }),
    figure({ name: 'VAT', value: amount(now.vat), more: compare('vat') }),
    figure({
      name: 'Profit',
      value: amount(now.profit),
      more: compare('profit'),
      title: 'Net sales less expenses',
    }),
    figure({
      name: 'Sales, number of',
      value: count(now.count),
      more: before === undefined ? undefined : against(now.count, before.count, count),
    }),
    figure({
      name: 'Average sale',
      value: now.average === null ? '\u2013' : amount(now.average),
      more:
        before === undefined || before.average === null || now.average === null
          ? undefined
          : against(now.average, before.average, amount),
    }),
  );
}
