import type { ApiError } from './api.js';
import { h, refill } from './dom.js';
import type { Source } from './source.js';

export interface PanelOptions<T> {
  readonly title: string;
  /** Only for screen readers. */
  readonly quietTitle?: boolean;
  readonly class?: string;
  readonly source: Source<T>;
  /** What is shown of an answer: the same element again, or a new one. */
  readonly show: (data: T) => Node;
  /** Words for an answer with nothing in it. */
  readonly empty?: (data: T) => string | undefined;
  /** At the right of the title. */
  readonly actions?: readonly Node[];
  /** Under the title. */
  readonly hint?: string;
}

let ids = 0;

/** A part of the page that loads, shows, is empty, or says what went wrong. Its place is there from the beginning: nothing jumps. */
export function panel<T>(options: PanelOptions<T>): HTMLElement {
  const { title, quietTitle = false, source, show, empty, actions = [], hint } = options;
  ids += 1;
  const id = `panel-${ids}`;
  const note = h('p', { class: 'panel-note', role: 'status' });
  const body = h('div', { class: 'panel-body' });
  const heading = h('h2', { id, class: quietTitle ? 'sr-only' : '' }, title);
  const section = h(
    'section',
    { class: `panel ${options.class ?? ''}`, 'aria-labelledby': id },
    h(
      'header',
      { class: quietTitle && actions.length === 0 ? 'sr-only' : 'panel-head' },
      heading,
      ...actions,
    ),
    hint !== undefined && h('p', { class: 'hint' }, hint),
    note,
    body,
  );
  source.watch(({ data, error, loading }) => {
    section.setAttribute('aria-busy', String(loading || (data === undefined && error === undefined)));
    note.textContent = data !== undefined && error !== undefined ? `Not refreshed: ${error.message}` : '';
    if (data === undefined) {
      body.replaceChildren(error === undefined ? skeleton() : trouble(error, () => void source.refresh()));
      return;
    }
    if (loading) return;
    const words = empty?.(data);
    const content = words === undefined ? show(data) : h('p', { class: 'empty' }, words);
    if (body.firstChild !== content) refill(body, content);
  });
  return section;
}

function skeleton(): HTMLElement {
  return h(
    'div',
    { class: 'skeleton' },
    h('p', { class: 'sr-only' }, 'Loading'),
    ...Array.from({ length: 3 }, () => h('div', { class: 'bone', 'aria-hidden': 'true' })),
  );
}

function trouble(error: ApiError, again: () => void): HTMLElement {
  return h(
    'div',
    { class: 'trouble', role: 'alert' },
    h('p', {}, error.message),
    h('button', { type: 'button', class: 'button', onclick: again }, 'Try again'),
  );
}
