/**
 * The replay: each till sells its lines of the file one after another, in the order of the file and at the pace of the
 * whole shop, over a terminal of its own with a queue of its own.
 */

import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { openTerminal, type SaleInput, type SettledEvent, type Terminal } from '../client/index.js';
import type { BookedLine, Step } from './booking.js';
import { type SaleLine, TILLS } from './sales.js';

const QUESTIONS_AT_ONCE = 16;

export interface TradeOptions {
  readonly url: string;
  /** The token of a till. */
  readonly token: (till: number) => Promise<string>;
  /** The queue directory of a till. */
  readonly queue: (till: number) => string;
  readonly book: readonly BookedLine[];
  /** Over which the lines are spread. */
  readonly seconds: number;
}

/** What the terminals have seen so far. */
export interface Tally {
  /** Lines handed to a terminal. */
  lines: number;
  /** Answered `queued`: sold into the queue on disk. */
  queued: number;
  /** Of the acknowledged ones, those that had arrived before: sent again after an unknown outcome. */
  duplicates: number;
  /** Ids whose booking was acknowledged. */
  readonly acknowledged: Set<string>;
  readonly refused: string[];
  readonly problems: string[];
  /** Nanoseconds from the sale to its acknowledgement, of those that were answered while the till waited. */
  readonly latency: RecordableHistogram;
}

export class Trade {
  readonly #options: TradeOptions;
  readonly #terminals: Terminal[] = [];
  readonly tally: Tally = {
    ...{ lines: 0, queued: 0, duplicates: 0 },
    acknowledged: new Set(),
    refused: [],
    problems: [],
    latency: createHistogram(),
  };

  constructor(options: TradeOptions) {
    this.#options = options;
  }

  /** Sales on disk or in flight, of all terminals. */
  get pending(): number {
    return this.#terminals.reduce((sum, terminal) => sum + terminal.pending, 0);
  }

  get online(): number {
    return this.#terminals.filter(({ state }) => state === 'online').length;
  }

  async open(): Promise<void> {
    for (let till = 0; till < TILLS; till += 1) {
      const { url, token, queue } = this.#options;
      const terminal = await openTerminal({
        ...{ url, token: await token(till), queue: queue(till), name: `till${till}` },
        ...{ reconnect_min_ms: 50, reconnect_max_ms: 500 },
        onSettled: (event) => this.#settled(event),
        onRefused: ({ id, code }) => this.tally.refused.push(`${id} ${code}`),
        onProblem: ({ kind, detail }) => this.tally.problems.push(`till ${till}: ${kind}, ${detail}`),
      });
      this.#terminals.push(terminal);
    }
  }

  /** Sells everything. Resolves when the last line is sold, queued ones included. */
  async run(): Promise<void> {
    const { book, seconds } = this.#options;
    const start = performance.now();
    const dealt = book.map((booked, index) => ({
      booked,
      due: start + (index / book.length) * seconds * 1000,
    }));
    const tills = this.#terminals.map(async (terminal, till) => {
      for (const { booked, due } of dealt) {
        if (booked.line.till !== till) continue;
        const wait = due - performance.now();
        if (wait > 1) await sleep(wait);
        await this.#sell(terminal, booked);
      }
    });
    await Promise.all(tills);
  }

  /** Resolves when nothing is left in any queue. @throws Error when that takes longer than it may */
  async drained(timeoutMs: number): Promise<void> {
    const late = new AbortController();
    const timeout = sleep(timeoutMs, 'late', { signal: late.signal }).catch(() => 'in time');
    const drained = Promise.all(this.#terminals.map((terminal) => terminal.drained()));
    const first = await Promise.race([drained, timeout]);
    late.abort();
    if (first === 'late')
      throw new Error(`${this.pending} sales are still queued after ${timeoutMs / 1000} s`);
  }

  /** Asks for every id how it stands. @returns the ids that are booked */
  async recorded(): Promise<Set<string>> {
    const recorded = new Set<string>();
    const left = this.#options.book.flatMap(({ line, steps }) =>
      steps.map(({ id }) => ({ id, till: line.till })),
    );
    const asker = async () => {
      for (let next = left.pop(); next !== undefined; next = left.pop()) {
        const body = await this.#terminals[next.till]!.status(next.id);
        if (body?.status === 'posted') recorded.add(next.id);
      }
    };
    await Promise.all(Array.from({ length: QUESTIONS_AT_ONCE }, asker));
    return recorded;
  }

  async close(): Promise<void> {
    await Promise.all(this.#terminals.map((terminal) => terminal.close()));
  }

  async #sell(terminal: Terminal, { line, steps }: BookedLine): Promise<void> {
    this.tally.lines += 1;
    for (const step of steps) {
      if (step.hold) await this.#timed(step, false, () => terminal.hold(sale(line, step)));
      if (step.hold) await this.#timed(step, true, () => terminal.capture(step.id, described(line, step)));
      else await this.#timed(step, true, () => terminal.sell(sale(line, step)));
    }
  }

  /** @param books whether success means that the step is booked */
  async #timed(step: Step, books: boolean, act: () => ReturnType<Terminal['hold' | 'sell']>): Promise<void> {
    const start = performance.now();
    const result = await act();
    if (result.status === 'queued') this.tally.queued += 1;
    else if (result.status === 'refused') this.tally.refused.push(`${step.id} ${result.code}`);
    else {
      this.tally.latency.record(Math.max(1, Math.round((performance.now() - start) * 1e6)));
      if (result.duplicate) this.tally.duplicates += 1;
      if (books) this.tally.acknowledged.add(step.id);
    }
  }

  #settled({ id, status, duplicate }: SettledEvent): void {
    if (duplicate) this.tally.duplicates += 1;
    if (status === 'posted') this.tally.acknowledged.add(id);
  }
}

function sale(line: SaleLine, step: Step): SaleInput {
  return { id: step.id, postings: step.postings, ...described(line, step) };
}

/** A capture says it again: reports go by what books, and that is the capture. */
function described(
  { invoice, time }: SaleLine,
  { code }: Step,
): Pick<SaleInput, 'code' | 'reference' | 'effective_at'> {
  return { code, reference: invoice, effective_at: time };
}
