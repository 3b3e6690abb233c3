import type { Asked } from './asked.js';
import { invalid } from './parameters.js';
import type { Span } from './source.js';

const DEFAULT_DAYS = 30;

/** `from` and `to`, each open when it is not given. */
export function openSpan({ parameters, zone }: Asked): Span {
  const from = parameters.time('from', zone);
  const to = parameters.time('to', zone);
  if (from !== undefined && to !== undefined && from >= to) throw invalid('to', 'it is not behind from');
  return { from, to };
}

/** `from` and `to`; without them the thirty days up to the end of today. */
export function closedSpan(asked: Asked): { readonly from: number; readonly to: number } {
  const { zone, nowMs } = asked;
  const span = openSpan(asked);
  const to = span.to ?? Math.max(zone.step(zone.floor(nowMs, 'day'), 'day', 1), (span.from ?? 0) + 1);
  return { from: span.from ?? zone.step(zone.floor(to - 1, 'day'), 'day', 1 - DEFAULT_DAYS), to };
}

/**
 * `at`: all up to it, as a span, with its own moment. A time counts itself; a date means its start, and counts nothing of the day. By commit
 * and without `at`: all up to the LSN.
 */
export function untilAt({ parameters, zone, basis, nowMs }: Asked): {
  readonly span: Span;
  readonly at: number;
} {
  const given = parameters.text('at')?.startsWith('lsn:') ? undefined : parameters.time('at', zone);
  if (given !== undefined) return { span: { to: parameters.isDate('at') ? given : given + 1 }, at: given };
  return { span: basis === 'committed' ? {} : { to: nowMs + 1 }, at: nowMs };
}
