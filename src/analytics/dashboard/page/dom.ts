type Child = Node | string | undefined | false | null;

type Attributes = Readonly<Record<string, string | number | boolean | undefined | ((event: Event) => void)>>;

/**
 * Makes an element. Attributes that are functions become listeners (`onclick`), `true` an empty attribute, `false` and `undefined` none.
 * Children are only ever nodes and plain text: nothing that came from the ledger is read as HTML.
 */
export function h<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  apply(element, attributes);
  element.append(...children.filter(isChild));
  return element;
}

const SVG = 'http://www.w3.org/2000/svg';

/** The same for drawings. */
export function svg<Tag extends keyof SVGElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: readonly Child[]
): SVGElementTagNameMap[Tag] {
  const element = document.createElementNS(SVG, tag);
  apply(element, attributes);
  element.append(...children.filter(isChild));
  return element;
}

function isChild(child: Child): child is Node | string {
  return child !== undefined && child !== false && child !== null;
}

function apply(element: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (typeof value === 'function') element.addEventListener(name.replace(/^on/, ''), value);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
}

/** Puts other content into an element; what had the focus keeps it where there is something with the same `data-key`. */
export function refill(element: Element, ...children: readonly Node[]): void {
  const active = document.activeElement;
  const key = element.contains(active) ? (active as HTMLElement).dataset['key'] : undefined;
  element.replaceChildren(...children);
  if (key !== undefined) {
    element.querySelector<HTMLElement>(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
  }
}

/** Text for screen readers alone. */
export function hidden(text: string): HTMLElement {
  return h('span', { class: 'sr-only' }, text);
}
