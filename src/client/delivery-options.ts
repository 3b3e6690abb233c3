import type { Journal } from './journal.js';
import type { Refusals } from './refusals.js';
import type { Requests } from './requests.js';
import type { Problem, RefusedSale, SettledEvent } from './types.js';

/** What a delivery works with, wired by `openTerminal`. Times are in ms. */
export interface DeliveryOptions {
  readonly journal: Journal;
  readonly refusals: Refusals;
  readonly requests: Requests;
  readonly journalAlways: boolean;
  readonly window: number;
  readonly timeoutMs: number;
  /** The token is no longer good: make a new connection. */
  readonly reconnect: () => void;
  readonly onSettled: (event: SettledEvent) => void;
  readonly onRefused: (sale: RefusedSale) => void;
  readonly onProblem: (problem: Problem) => void;
}
