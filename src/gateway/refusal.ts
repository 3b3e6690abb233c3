import { CODES, type RefusalCode } from '../../engine/codes.js';
import type { Refusal } from '../../engine/types.js';

/** A refusal that the gateway itself decides; the ledger never heard of the command. */
export function refuse(code: RefusalCode, detail: string, more?: Partial<Refusal>): Refusal {
  return { ok: false, code, detail, ...more };
}

/** What a client is told when nothing was done for lack of readiness or room. */
export function refuseAdmission(code: 'not_ready' | 'overloaded', reason: string | undefined): Refusal {
  if (code === 'not_ready') return refuse(code, `not ready: ${reason ?? 'stopping'}`);
  return refuse(code, 'too many commands are in flight; nothing was done, retry later');
}

/** JSON pointer to a member of the body (RFC 6901). */
export function pointerTo(field: string): string {
  return `/${field.replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

/**
 * The body of an `application/problem+json` answer (RFC 9457).
 * @param status HTTP status when it is not the code's own (unknown path or method)
 */
export function toProblem(refusal: Refusal, status: number = CODES[refusal.code].http): object {
  const { ok: _, code, detail, ...more } = refusal;
  return { type: `urn:kassa:problem:${code}`, title: CODES[code].title, status, detail, code, ...more };
}
