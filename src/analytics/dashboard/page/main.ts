import { accountsView } from './accounts.js';
import type { Status } from './answers.js';
import { ApiError, get, takeTokenFromAddress, token } from './api.js';
import { h, refill, svg } from './dom.js';
import { LiveStrip } from './live.js';
import { count } from './money.js';
import { overviewView } from './overview.js';
import { choiceOf, spanOf } from './period.js';
import { periodPicker } from './period-picker.js';
import { addressOf, type Route, routeOf, type ViewName } from './route.js';
import { shopView } from './shop.js';
import { signIn } from './sign-in.js';
import { statementView } from './statement.js';
import { currentTheme, setTheme, THEMES } from './theme.js';
import { tillView } from './till.js';
import { clock, dayOf, moment } from './times.js';
import type { Page, View } from './view.js';

/*
 * The page: what stays (header, period, live line) is in index.html and filled here; what changes with the address is a view.
 * `status` comes first, because it says whether there is anything to show, in which currencies, and of which days.
 */

const VIEWS: Readonly<Record<ViewName, (page: Page) => View>> = {
  overview: overviewView,
  shop: shopView,
  till: tillView,
  account: statementView,
  accounts: accountsView,
};

/** Reports are asked for again at most so often, however fast the books grow. */
const REFRESH_MS = 4_000;
/** Until a server that is not ready is asked again. */
const RETRY_MS = 2_000;

const place = (id: string) => document.getElementById(id)!;

class App {
  readonly #live = new LiveStrip({
    onBooks: () => this.#booksGrew(),
    onLink: (error) => this.#linkTold(error),
  });
  #status: Status | undefined;
  #view: View | undefined;
  /** The present view and its questions. */
  #showing = new AbortController();
  #retry: ReturnType<typeof setTimeout> | undefined;
  #refresh: ReturnType<typeof setTimeout> | undefined;
  #refreshed = 0;
  #lostAt: number | undefined;

  start(): void {
    takeTokenFromAddress();
    place('live').replaceChildren(this.#live.element);
    this.#themes();
    // Its address would be taken for a route.
    place('skip').addEventListener('click', (event) => {
      event.preventDefault();
      place('main').focus();
    });
    place('sign-out').addEventListener('click', () => {
      token.clear();
      this.#live.stop();
      this.#status = undefined;
      void this.#open(false);
    });
    window.addEventListener('hashchange', () => {
      takeTokenFromAddress();
      void this.#open(true);
    });
    void this.#open(false);
  }

  /** Shows what the address says. @param moved by the reader: the new title gets the focus */
  async #open(moved: boolean): Promise<void> {
    clearTimeout(this.#retry);
    this.#showing.abort();
    this.#showing = new AbortController();
    const { signal } = this.#showing;
    place('sign-out').hidden = token.get() === null;
    try {
      const status = this.#status ?? (await get<Status>('status', {}, signal));
      if (signal.aborted) return;
      if (this.#status === undefined) this.#live.start();
      this.#status = status;
      this.#show(status, routeOf(location.hash), moved);
    } catch (error) {
      if (signal.aborted) return;
      this.#cannotOpen(error as Error, moved);
    }
  }

  #show(status: Status, route: Route, moved: boolean): void {
    const zone = status.tz;
    const currencies = status.currencies.map(({ currency }) => currency);
    const asked = route.params.get('currency');
    const currency = currencies.find((known) => known === asked) ?? currencies[0];
    const span = spanOf(choiceOf(route.params), status.last_effective_at ?? undefined, zone, Date.now());
    this.#navigation(route);
    if (currency === undefined) {
      place('bar').replaceChildren();
      this.#noTrade(moved);
      return;
    }
    refill(place('bar'), ...periodPicker(route, span, currencies, currency));
    this.#note(span.note);
    const { signal } = this.#showing;
    this.#view = VIEWS[route.view]({ route, span, zone, currency, signal });
    this.#put(this.#view.title, this.#view.trail, this.#view.element, moved);
    this.#asOf(status);
    this.#refreshed = performance.now();
    this.#view.refresh();
  }

  #put(title: string, trail: readonly Node[], element: HTMLElement, moved: boolean): void {
    document.title = `${title} \u2013 Kassa`;
    const heading = h('h1', { tabindex: -1 }, title);
    const steps = trail.map((step) => h('li', {}, step));
    const way =
      steps.length === 0
        ? []
        : [h('nav', { class: 'trail', 'aria-label': 'You are here' }, h('ol', {}, ...steps))];
    place('main').replaceChildren(h('div', { class: 'title' }, ...way, heading), element);
    if (!moved) return;
    // Within the period's links the focus stays where it is: the next one may follow.
    if (!place('bar').contains(document.activeElement)) heading.focus({ preventScroll: true });
    window.scrollTo({ top: 0 });
  }

  #navigation(route: Route): void {
    for (const link of document.querySelectorAll<HTMLAnchorElement>('#views a')) {
      const view = link.dataset['view'] as ViewName;
      link.href = addressOf({ view, id: '' }, route.params);
      if (view === route.view) link.setAttribute('aria-current', 'page');
      else link.removeAttribute('aria-current');
    }
  }

  #note(text: string | undefined): void {
    place('note').textContent = text ?? '';
  }

  #asOf({ as_of, as_of_lsn, tz }: Status): void {
    const time = as_of ? `, committed ${moment(as_of, tz)}` : '';
    place('as-of').textContent = `Books up to LSN ${count(as_of_lsn)}${time}. Days begin in ${tz}.`;
  }

  #noTrade(moved: boolean): void {
    this.#view = undefined;
    this.#note(undefined);
    const element = h(
      'div',
      { class: 'panel blank' },
      h('p', { class: 'blank-title' }, 'No trade yet'),
      h('p', {}, 'As soon as a till has sold something, it is here within about a second.'),
    );
    this.#put('Overview', [], element, moved);
  }

  #cannotOpen(error: Error, moved: boolean): void {
    this.#view = undefined;
    this.#live.stop();
    this.#status = undefined;
    this.#note(undefined);
    place('bar').replaceChildren();
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 401 || error.status === 403) {
      document.title = 'Open the books \u2013 Kassa';
      place('main').replaceChildren(signIn(error, () => void this.#open(true)));
      if (token.get() !== null) document.getElementById('token')?.focus();
      return;
    }
    const element = h(
      'div',
      { class: 'panel blank', role: 'alert' },
      h(
        'p',
        { class: 'blank-title' },
        error.isAway ? 'The server does not answer' : 'The books are not open yet',
      ),
      h('p', {}, error.message),
      h('p', { class: 'hint' }, 'Asked again every two seconds.'),
    );
    this.#put('Overview', [], element, moved);
    this.#retry = setTimeout(() => void this.#open(false), RETRY_MS);
  }

  /** New records are in: the view asks again, soon after the first of them and then now and again. */
  #booksGrew(): void {
    if (this.#refresh !== undefined) return;
    const wait = Math.max(0, this.#refreshed + REFRESH_MS - performance.now());
    this.#refresh = setTimeout(() => void this.#refreshNow(), wait);
  }

  async #refreshNow(): Promise<void> {
    const { signal } = this.#showing;
    try {
      const status = await get<Status>('status', {}, signal);
      this.#refresh = undefined;
      if (signal.aborted) return;
      const before = this.#status;
      this.#status = status;
      this.#refreshed = performance.now();
      // The first trade, another day or another currency: the page itself is another.
      if (this.#view === undefined || before === undefined || frame(before) !== frame(status)) {
        void this.#open(false);
        return;
      }
      this.#asOf(status);
      this.#view.refresh();
    } catch (error) {
      this.#refresh = undefined;
      if (!signal.aborted && error instanceof ApiError) this.#linkTold(error);
    }
  }

  /** What was shown stays, and the page says since when it is not kept up. */
  #linkTold(error: ApiError | undefined): void {
    const alert = place('alert');
    if (error === undefined) {
      if (this.#lostAt !== undefined) this.#view?.refresh();
      this.#lostAt = undefined;
      alert.hidden = true;
      return;
    }
    if (error.status === 401 || error.status === 403) {
      this.#cannotOpen(error, false);
      return;
    }
    this.#lostAt ??= Date.now();
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    const words =
      `No news from the server (${error.message.replace(/\.$/, '')}). ` +
      `The figures are those of ${clock(this.#lostAt, zone, true)}; the page keeps asking.`;
    // The same words again would be read out again.
    if (alert.textContent !== words) alert.textContent = words;
    alert.hidden = false;
  }

  #themes(): void {
    const choice = place('theme');
    const buttons = THEMES.map((theme) =>
      h(
        'button',
        {
          ...{ type: 'button', class: 'choice icon', 'data-theme-choice': theme },
          ...{ title: THEME_NAMES[theme], 'aria-label': THEME_NAMES[theme] },
        },
        svg('svg', { viewBox: '0 0 16 16', 'aria-hidden': 'true' }, svg('path', { d: THEME_PATHS[theme] })),
      ),
    );
    const mark = () => {
      for (const button of buttons) {
        button.setAttribute('aria-pressed', String(button.dataset['themeChoice'] === currentTheme()));
      }
    };
    buttons.forEach((button, index) => {
      button.addEventListener('click', () => {
        setTheme(THEMES[index]!);
        mark();
      });
    });
    mark();
    choice.replaceChildren(
      h('div', { class: 'choices', role: 'group', 'aria-label': 'Colours' }, ...buttons),
    );
  }
}

const THEME_NAMES = { auto: 'As the system has it', light: 'Light', dark: 'Dark' } as const;

/** A half-filled circle, a sun, a moon. */
const THEME_PATHS = {
  auto: 'M8 1.5a6.5 6.5 0 1 0 0 13a6.5 6.5 0 0 0 0-13zm0 1.5v10a5 5 0 0 1 0-10z',
  light:
    'M8 4.5a3.5 3.5 0 1 0 0 7a3.5 3.5 0 0 0 0-7zM7.250.5h1.5v2.5h-1.5zM7.250 13h1.5v2.5h-1.5zM.5 7.250h2.5v1.5h-2.5zM13 7.250h2.5v1.5h-2.5zM2.2 3.250l1.050-1.050 1.750 1.750-1.050 1.050zM11 12.050l1.050-1.050 1.750 1.750-1.050 1.050zM12.050 5l-1.050-1.050 1.750-1.750 1.050 1.050zM3.250 13.8l-1.050-1.050 1.750-1.750 1.050 1.050z',
  dark: 'M6.2 1.6a6.6 6.6 0 1 0 8.2 8.2a5.6 5.6 0 0 1-8.2-8.2z',
} as const;

/** What of the status the page's frame is made of. */
function frame({ currencies, last_effective_at, tz }: Status): string {
  const day = last_effective_at == null ? '' : dayOf(last_effective_at, tz);
  return [tz, day, ...currencies.map(({ currency }) => currency)].join(' ');
}

new App().start();
