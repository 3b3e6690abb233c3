import { getCsv, type Query } from './api.js';
import { h } from './dom.js';
import type { Source } from './source.js';

/** So many rows are put into one file; more than that is for the API. */
const PAGES_MAX = 100;
const URL_LIFE_MS = 60_000;

/** Gives a text to the reader as a file. */
export function save(name: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: 'text/csv;charset=utf-8' }));
  const link = h('a', { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), URL_LIFE_MS);
}

/** A name that every file system takes. */
export function fileName(...parts: readonly string[]): string {
  return `${parts.map((part) => part.replaceAll(/[^A-Za-z0-9._-]+/g, '-')).join('_')}.csv`;
}

/** A button that makes a file of what is on the page, once it is there. @param nameParts of the file's name */
export function csvButton<T>(
  what: string,
  source: Source<T>,
  nameParts: readonly string[],
  text: (data: T) => string,
): HTMLButtonElement {
  return h(
    'button',
    {
      type: 'button',
      class: 'button quiet',
      'aria-label': `Download ${what} as CSV`,
      onclick: () => {
        const { data } = source.state;
        if (data !== undefined) save(fileName(...nameParts), text(data));
      },
    },
    'CSV',
  );
}

/** All pages of a report as one text: the line of names once. @param onPage pages so far @throws ApiError */
export async function allPages(
  path: string,
  query: Query,
  signal: AbortSignal,
  onPage: (pages: number) => void,
): Promise<{ text: string; complete: boolean }> {
  const texts: string[] = [];
  let next: string | undefined;
  do {
    const page = await getCsv(path, query, next, signal);
    texts.push(texts.length === 0 ? page.text : page.text.slice(page.text.indexOf('\n') + 1));
    next = page.next;
    onPage(texts.length);
  } while (next !== undefined && texts.length < PAGES_MAX);
  return { text: texts.join(''), complete: next === undefined };
}
