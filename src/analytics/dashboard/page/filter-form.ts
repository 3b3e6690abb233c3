import { h } from './dom.js';
import { changed, type Route } from './route.js';

/** A field that narrows down what is shown. With options it is a choice; the first is for all. */
export interface Filter {
  /** In the address and in the API alike. */
  readonly name: string;
  readonly label: string;
  readonly options?: readonly (readonly [value: string, label: string])[];
}

/** Fields that are kept in the address, so that going back takes them back. */
export function filterForm(route: Route, what: string, filters: readonly Filter[]): HTMLElement {
  const value = (name: string) => route.params.get(name) ?? '';
  const control = ({ name, options }: Filter) =>
    options === undefined
      ? h('input', {
          name,
          value: value(name),
          size: 10,
          maxlength: 64,
          autocomplete: 'off',
          spellcheck: 'false',
        })
      : h(
          'select',
          { name },
          ...options.map(([option, label]) =>
            h('option', { value: option, selected: option === value(name) }, label),
          ),
        );
  const submit = (event: Event) => {
    event.preventDefault();
    const values = new FormData(event.target as HTMLFormElement);
    const change = filters.map(({ name }) => [name, String(values.get(name) ?? '').trim()] as const);
    location.hash = changed(route, Object.fromEntries(change));
  };
  return h(
    'form',
    { class: 'filters', 'aria-label': `Filter the ${what}`, onsubmit: submit },
    ...filters.map((filter) => h('label', { class: 'field' }, h('span', {}, filter.label), control(filter))),
    h('button', { class: 'button quiet' }, 'Apply'),
  );
}

/** The filters as parameters of the API. */
export function filterQuery(
  route: Route,
  filters: readonly Filter[],
): Readonly<Record<string, string | undefined>> {
  return Object.fromEntries(filters.map(({ name }) => [name, route.params.get(name) ?? undefined]));
}
