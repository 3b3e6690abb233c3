import type { Span } from './period.js';
import { addressOf, type Route, type ViewName } from './route.js';

/** What every view is made with. */
export interface Page {
  readonly route: Route;
  readonly span: Span;
  /** In which days begin. */
  readonly zone: string;
  readonly currency: string;
  /** Ends when another view takes the place. */
  readonly signal: AbortSignal;
}

/** A part of the page that an address leads to. */
export interface View {
  readonly title: string;
  /** Above the title: the way here. */
  readonly trail: readonly Node[];
  readonly element: HTMLElement;
  /** Asks again: there is something new in the books. */
  refresh(): void;
}

/** Address of another view, with the same period and currency. */
export function linkTo(page: Page, view: ViewName, id = '', change: Record<string, string> = {}): string {
  return addressOf({ view, id }, page.route.params, change);
}

/** Parameters of a report that stands by itself. */
export function daysOf({ span }: Page): { from: string; to: string } {
  return { from: span.from, to: span.to };
}
