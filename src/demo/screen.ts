import type { WriteStream } from 'node:tty';
import { paint } from '../cli/style.js';

const CLEAR_LINE = '\r\u001b[K';
const LIVE_EVERY_MS = 100;
const PLAIN_EVERY_MS = 4_000;

/** What the demo says while it runs: lines that stay, and on a terminal one line that is written over. */
export class Screen {
  readonly #stream: WriteStream;
  readonly #started = performance.now();
  #live: NodeJS.Timeout | undefined;

  constructor(stream: WriteStream) {
    this.#stream = stream;
  }

  /** Says something that stays. */
  say(text: string, style?: Parameters<typeof paint>[0]): void {
    const seconds = ((performance.now() - this.#started) / 1000).toFixed(1).padStart(5);
    const line = `${paint('dim', `${seconds} s`, this.#stream)}  ${style ? paint(style, text, this.#stream) : text}`;
    this.#stream.write(`${this.#stream.isTTY ? CLEAR_LINE : ''}${line}\n`);
  }

  /** Shows a line of figures from now on: written over on a terminal, now and then elsewhere. */
  show(line: () => string): void {
    this.hide();
    const { isTTY } = this.#stream;
    this.#live = setInterval(
      () => {
        if (isTTY) this.#stream.write(`${CLEAR_LINE}         ${line()}`);
        else this.say(line());
      },
      isTTY ? LIVE_EVERY_MS : PLAIN_EVERY_MS,
    );
  }

  hide(): void {
    if (this.#live === undefined) return;
    clearInterval(this.#live);
    this.#live = undefined;
    if (this.#stream.isTTY) this.#stream.write(CLEAR_LINE);
  }
}

/** How fast a count grows, over about the last second. */
export class Rate {
  readonly #points = [{ at: performance.now(), count: 0 }];

  /** @returns per second */
  next(count: number): number {
    const at = performance.now();
    this.#points.push({ at, count });
    while (this.#points.length > 2 && at - this.#points[1]!.at >= 1_000) this.#points.shift();
    const first = this.#points[0]!;
    return at === first.at ? 0 : ((count - first.count) * 1000) / (at - first.at);
  }
}
