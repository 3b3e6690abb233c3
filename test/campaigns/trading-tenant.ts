import { type Deed, Shop, type Verdict } from '../support/deeds.js';
import { Book, type Random } from './book.js';

/** A tenant that trades on, whatever becomes of the server. */

/** Requests at once. */
const WINDOW = 6;
const RECONNECT_MS = 20;

export class TradingTenant {
  acknowledged = 0;
  /** The longest that an answer took, ms. */
  longestMs = 0;
  private isOver = false;
  private failure: Error | undefined;
  private running: Promise<unknown> = Promise.resolve();
  private readonly book: Book;

  constructor(
    private readonly port: number,
    private readonly tenant: string,
    random: Random,
    prefix: string,
  ) {
    this.book = new Book(random, prefix, { tenant, by: 'ann', terminal: 'office' });
  }

  /** Opens the accounts, and begins. */
  async start(): Promise<void> {
    const shop = await this.connect();
    await this.say(shop, this.book.openingDeeds());
    shop.close();
    this.running = this.trade().catch((error: Error) => {
      this.failure = error;
    });
  }

  /** @throws when it was told what no honest shop may be told */
  check(): void {
    if (this.failure !== undefined) throw this.failure;
  }

  async stop(): Promise<void> {
    this.isOver = true;
    await this.running;
    this.check();
  }

  private connect(): Promise<Shop> {
    return Shop.open(this.port, { tenant: this.tenant });
  }

  /** From one connection to the next. */
  private async trade(): Promise<void> {
    while (!this.isOver) {
      let shop: Shop;
      try {
        shop = await this.connect();
      } catch {
        await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS));
        continue;
      }
      // A freeze of before would have everything refused.
      if (await this.say(shop, this.book.thawingDeeds()))
        await Promise.all(Array.from({ length: WINDOW }, () => this.lane(shop)));
      shop.close();
    }
  }

  private async lane(shop: Shop): Promise<void> {
    while (!this.isOver) {
      const { form, deeds } = this.book.next();
      const said = this.book.say(form, deeds);
      const startMs = performance.now();
      let verdicts: readonly Verdict[];
      try {
        verdicts = await shop.perform(form, deeds);
      } catch {
        // The connection broke. What became of it is in the log.
        return;
      }
      this.longestMs = Math.max(this.longestMs, performance.now() - startMs);
      said.forEach((one, i) => {
        this.book.answered(one, verdicts[i]!);
        if (one.state === 'done') this.acknowledged++;
      });
    }
  }

  /** @returns whether all of them were answered */
  private async say(shop: Shop, deeds: readonly Deed[]): Promise<boolean> {
    for (const deed of deeds) {
      const [said] = this.book.say('map', [deed]);
      try {
        this.book.answered(said!, (await shop.perform('map', [deed]))[0]!);
      } catch (error) {
        if (said!.state === 'sent') return false;
        throw error;
      }
    }
    return true;
  }
}
