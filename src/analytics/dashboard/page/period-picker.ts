import { h } from './dom.js';
import { choiceOf, PERIODS, type Span } from './period.js';
import { changed, type Route } from './route.js';
import { addDays, isDay } from './times.js';

/** Lengths as links, any two days as a form, and the currency where there are several. */
export function periodPicker(
  route: Route,
  span: Span,
  currencies: readonly string[],
  currency: string,
): Node[] {
  const choice = choiceOf(route.params);
  const links = PERIODS.map(({ key, name }) => {
    const current = choice.kind === 'length' && choice.key === key;
    const href = changed(route, {
      period: key,
      from: undefined,
      through: undefined,
      date: undefined,
      by: undefined,
    });
    return h('a', { href, 'aria-current': current && 'true', 'data-key': `period ${key}` }, name);
  });
  const nodes: Node[] = [
    h('nav', { class: 'periods', 'aria-label': 'Period' }, ...links),
    customForm(route, span, choice.kind === 'days'),
  ];
  if (currencies.length > 1) nodes.push(currencyChoice(route, currencies, currency));
  return nodes;
}

function customForm(route: Route, span: Span, current: boolean): HTMLElement {
  const day = (name: string, label: string, value: string) =>
    h(
      'label',
      { class: 'field' },
      h('span', {}, label),
      h('input', {
        type: 'date',
        name,
        value,
        required: true,
        'aria-label': name === 'from' ? 'First day' : 'Last day',
        'data-key': `period ${name}`,
      }),
    );
  const form = h(
    'form',
    { class: current ? 'days current' : 'days', 'aria-label': 'Days' },
    day('from', 'From', span.from),
    day('through', 'to', addDays(span.to, -1)),
    h('button', { class: 'button quiet', 'data-key': 'period apply' }, 'Show'),
  );
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const values = new FormData(form);
    const [from, through] = [String(values.get('from')), String(values.get('through'))];
    if (!isDay(from) || !isDay(through)) return;
    const [first, last] = from <= through ? [from, through] : [through, from];
    location.hash = changed(route, {
      period: undefined,
      from: first,
      through: last,
      date: undefined,
      by: undefined,
    });
  });
  return form;
}

function currencyChoice(route: Route, currencies: readonly string[], currency: string): HTMLElement {
  const select = h(
    'select',
    { 'data-key': 'currency' },
    ...currencies.map((code) => h('option', { value: code, selected: code === currency }, code)),
  );
  select.addEventListener('change', () => {
    location.hash = changed(route, { currency: select.value });
  });
  return h('label', { class: 'field' }, h('span', {}, 'Currency'), select);
}
