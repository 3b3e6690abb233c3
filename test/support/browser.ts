import { existsSync } from 'node:fs';
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page,
} from 'playwright-core';
import { onTestFinished } from 'vitest';

/** Debian's own Chromium, driven by playwright-core, which brings no browser. */

const PLACES = [
  process.env['KASSA_TEST_CHROMIUM'],
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
];

/** Undefined where there is none: then tests of pages are skipped, but never in CI. */
export const CHROMIUM = PLACES.find((place) => place !== undefined && existsSync(place));

export const NO_CHROMIUM =
  'skipped: there is no Chromium here. Install it (apt-get install chromium), or name one in KASSA_TEST_CHROMIUM';

export function launchChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: CHROMIUM!,
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run'],
  });
}

export interface Visit {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Errors of the page, words of its console, and requests to other places; must stay empty. */
  readonly complaints: readonly string[];
}

/** A fresh window, closed when the test is over. @param origin all that the page may ask */
export async function visit(
  browser: Browser,
  origin: string,
  options: BrowserContextOptions = {},
): Promise<Visit> {
  const context = await browser.newContext({
    viewport: { width: 1440, height: 900 },
    locale: 'en-GB',
    ...options,
  });
  const page = await context.newPage();
  onTestFinished(async () => {
    // The page may be asking still: an answer under way is for nobody then.
    await page.unrouteAll({ behavior: 'ignoreErrors' });
    await context.close();
  });
  const complaints: string[] = [];
  page.on('pageerror', ({ message }) => complaints.push(message));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (url.origin !== origin && url.protocol !== 'blob:') complaints.push(`asks ${url}`);
  });
  return { page, context, complaints };
}

/** Whether anything can be moved sideways: the page itself, or what lies beyond its edge. */
export function overflow(page: Page): Promise<readonly string[]> {
  return page.evaluate(`[...document.querySelectorAll('body *')]
    .filter((element) => element.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
    .filter((element) => !element.closest('.sr-only, .chart-table'))
    .map((element) => element.tagName + '.' + element.className)
    .concat(document.documentElement.scrollWidth > document.documentElement.clientWidth ? ['the page'] : []).slice(-5)`);
}

/** What a checker of accessibility finds first, in words; empty when all is well. */
export function faults(page: Page): Promise<readonly string[]> {
  return page.evaluate(`(() => {
    const found = [];
    const name = (element) =>
      element.getAttribute('aria-label') ||
      (element.getAttribute('aria-labelledby') || '').split(' ').map((id) => document.getElementById(id)?.textContent).join('') ||
      [...(element.labels || [])].map((label) => label.textContent).join('').trim() ||
      (['A', 'BUTTON', 'SUMMARY', 'H1', 'H2'].includes(element.tagName) ? element.textContent.trim() : '');
    const all = (selector) => [...document.querySelectorAll(selector)].filter((element) => element.checkVisibility());
    const say = (what, element) => found.push(what + ': ' + element.outerHTML.slice(0, 120));
    if (document.documentElement.lang === '') found.push('no language');
    if (document.title === '') found.push('no title');
    for (const one of ['header', 'main', 'footer', 'h1']) if (all(one).length === 0) found.push('no ' + one);
    if (document.querySelectorAll('main').length !== 1) found.push('more than one main');
    if (document.querySelectorAll('h1').length !== 1) found.push('more than one h1');
    for (const element of all('a, button, input, select, summary, [tabindex="0"], nav, section')) if (!name(element)) say('no name', element);
    for (const element of all('section')) if (!element.querySelector('h1, h2')) say('no heading', element);
    for (const element of all('table')) if (!element.caption?.textContent) say('no caption', element);
    for (const element of all('thead th')) if (element.scope !== 'col' || element.textContent === '') say('no column head', element);
    for (const element of all('tbody tr')) if (!element.querySelector('th[scope=row]')) say('no row head', element);
    for (const element of all('svg')) if (element.getAttribute('aria-hidden') !== 'true') say('drawing without words', element);
    for (const element of all('dl')) if ([...element.children].some(({ tagName }) => !['DIV', 'DT', 'DD'].includes(tagName))) say('odd list', element);
    for (const element of all('[tabindex]')) if (element.tabIndex > 0) say('tabindex', element);
    const ids = [...document.querySelectorAll('[id]')].map(({ id }) => id);
    for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) found.push('id twice: ' + id);
    for (const element of all('a, button, input, select, summary')) {
      const { width, height } = element.getBoundingClientRect();
      if (height < 16 || width < 8) say('too small', element);
    }
    return found;
  })()`);
}
