import type { Figures, Overview } from './answers.js';
import { h, hidden } from './dom.js';
import type { Amount } from './exact-json.js';
import { change, count, money, percent } from './money.js';
import { span } from './times.js';

interface FigureOptions {
  readonly name: string;
  readonly value: string;
  /** Under the value. */
  readonly more?: Node | string;
  readonly title?: string | undefined;
}

/** A name and its figure, for inside of a `dl`. */
export function figure({ name, value, more = '', title }: FigureOptions): HTMLElement {
  return h(
    'div',
    { class: 'tile', title },
    h('dt', {}, name),
    h('dd', { class: 'tile-value' }, value),
    h('dd', { class: 'tile-more' }, more),
  );
}

/** How a figure stands against the period before: an arrow, a percentage, and words for those who see neither. */
export function against(now: Amount, before: Amount, amount: (value: Amount) => string): HTMLElement {
  if (BigInt(now) === BigInt(before)) return h('span', { class: 'delta' }, 'unchanged');
  const share = change(now, before);
  if (share === undefined) {
    const words = BigInt(before) === 0n ? 'nothing before' : `before ${amount(before)}`;
    return h('span', { class: 'delta' }, words);
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

/** Net sales first and large, the other figures beside them. @param before figures of the period before, as far as they are known */
export function headline(
  { currency, period, previous, tz }: Overview,
  now: Figures,
  before: Partial<Figures> & Pick<Figures, 'net'>,
): HTMLElement {
  const earlier = span(previous.from, previous.to, tz);
  const traded = BigInt(before.net) !== 0n || BigInt(before.count ?? 0) !== 0n;
  return h(
    'div',
    { class: 'hero-grid' },
    h(
      'div',
      { class: 'lead' },
      h('p', { class: 'lead-name' }, 'Net sales'),
      h('p', { class: 'lead-value' }, money(now.net, currency)),
      h('p', { class: 'lead-period' }, span(period.from, period.to, tz)),
      h(
        'p',
        { class: 'lead-more' },
        ...(traded
          ? [against(now.net, before.net, (value) => money(value, currency)), ` against ${earlier}`]
          : [`No trade in the period before, ${earlier}`]),
      ),
    ),
    tiles(now, traded ? before : {}, currency),
  );
}

function tiles(now: Figures, before: Partial<Figures>, currency: string): HTMLElement {
  const amount = (value: Amount) => money(value, currency);
  const more = (name: keyof Figures, words: (value: Amount) => string) => {
    const [value, earlier] = [now[name], before[name]];
    return value === null || earlier === undefined || earlier === null ? '' : against(value, earlier, words);
  };
  const plain = (name: string, key: 'sales' | 'refunds' | 'vat' | 'expense' | 'profit', title?: string) =>
    figure({ name, value: amount(now[key]), more: more(key, amount), title });
  const rate = (share: number | null) => (share === null ? '\u2013' : percent(share));
  return h(
    'dl',
    { class: 'tiles' },
    plain('Sales', 'sales'),
    plain('Refunds', 'refunds'),
    figure({
      name: 'Refund rate',
      value: rate(now.refund_rate),
      more: before.refund_rate == null ? '' : `before ${rate(before.refund_rate)}`,
      title: 'Refunds as a share of sales',
    }),
    plain('VAT', 'vat'),
    plain('Expenses', 'expense'),
    plain('Profit', 'profit', 'Net sales less expenses'),
    figure({
      name: 'Sales and refunds',
      value: count(now.count),
      more: more('count', count),
      title: 'How many there were',
    }),
    figure({
      name: 'Average sale',
      value: now.average === null ? '\u2013' : amount(now.average),
      more: more('average', amount),
    }),
  );
}
