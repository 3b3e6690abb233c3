import type { Live } from './answers.js';
import { ApiError, get } from './api.js';
import { h, svg } from './dom.js';
import { count } from './money.js';

const EVERY_MS = 1_000;
/** While nobody looks, and while the server does not answer. */
const SLOW_MS = 5_000;
const POINTS = 60;

export interface LiveListener {
  /** The books have grown. */
  readonly onBooks: () => void;
  /** There was an answer, or there was none. */
  readonly onLink: (error: ApiError | undefined) => void;
}

/** What happens this second, in one line: transactions a second, how long they take, and how far the books are behind. */
export class LiveStrip {
  readonly element: HTMLElement;
  readonly #rate = h('span', {}, '\u2013');
  readonly #p99 = h('dd', {}, '\u2013');
  readonly #books = h('dd', {}, '\u2013');
  readonly #line = svg('polyline', { points: '' });
  readonly #rates: number[] = [];
  readonly #listener: LiveListener;
  #cursor = -1;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #running: AbortController | undefined;

  constructor(listener: LiveListener) {
    this.#listener = listener;
    const item = (name: string, value: HTMLElement, title: string, className = '') =>
      h('div', { class: className, title }, h('dt', {}, name), value);
    const spark = svg(
      'svg',
      { class: 'spark', viewBox: `0 0 ${POINTS - 1} 20`, preserveAspectRatio: 'none', 'aria-hidden': 'true' },
      this.#line,
    );
    this.element = h(
      'dl',
      { class: 'live', 'aria-label': 'Live' },
      item(
        'Transactions/s',
        h('dd', { class: 'rate' }, this.#rate, spark),
        'Over the last seconds',
        'rate-item',
      ),
      item('p99', this.#p99, '99 of 100 commands were answered within this time'),
      item('Books', this.#books, 'How far these figures are behind the ledger', 'books'),
    );
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden && this.#running !== undefined) this.#soon(0);
    });
  }

  start(): void {
    this.stop();
    this.#running = new AbortController();
    this.#soon(0);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#running?.abort();
    this.#running = undefined;
  }

  #soon(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#ask(), ms);
  }

  async #ask(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    let error: ApiError | undefined;
    try {
      this.#show(await get<Live>('live', {}, running.signal));
    } catch (failure) {
      if (running.signal.aborted) return;
      if (!(failure instanceof ApiError)) throw failure;
      error = failure;
      this.element.classList.add('stale');
    }
    this.#listener.onLink(error);
    if (!running.signal.aborted) this.#soon(document.hidden || error !== undefined ? SLOW_MS : EVERY_MS);
  }

  #show({ transactions_per_second, p99_ms, sink }: Live): void {
    this.element.classList.remove('stale');
    this.#rate.textContent = count(Math.round(transactions_per_second));
    this.#p99.textContent = p99_ms === null ? '\u2013' : milliseconds(p99_ms);
    this.#books.textContent = booksText(sink);
    this.#books.dataset['state'] = sink.state;
    this.#rates.push(transactions_per_second);
    if (this.#rates.length > POINTS) this.#rates.shift();
    const most = Math.max(1, ...this.#rates);
    const offset = POINTS - this.#rates.length;
    const points = this.#rates.map((rate, index) => `${offset + index},${19 - (rate / most) * 18}`);
    this.#line.setAttribute('points', points.length > 1 ? points.join(' ') : '');
    if (sink.state !== 'off' && sink.cursor !== this.#cursor) {
      this.#cursor = sink.cursor;
      this.#listener.onBooks();
    }
  }
}

function milliseconds(ms: number): string {
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}

/** How far the sink is, in words. */
function booksText(sink: Live['sink']): string {
  if (sink.state === 'off' || sink.state === 'halted' || sink.state === 'starting') return sink.state;
  if (sink.state === 'down') return 'restarting';
  if (sink.state === 'running' && sink.lag_lsns === 0) return 'up to date';
  const seconds = sink.lag_seconds < 10 ? sink.lag_seconds.toFixed(1) : Math.round(sink.lag_seconds);
  return sink.state === 'retrying' ? `${seconds} s behind, ClickHouse is away` : `${seconds} s behind`;
}
