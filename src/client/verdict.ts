import type { Code, RefusalCode } from '../../engine/codes.js';
import type { Entry } from './entry.js';
import { creates, type Operation } from './operation.js';

/**
 * What an answer of the ledger means for an entry. `again`: nothing. `aside`: nothing, and asking at once would not
 * help. `void_first`: a refusal that a late copy could undo. `find_posted`: a void found a booking.
 */
export type Verdict = 'again' | 'aside' | 'void_first' | 'find_posted' | 'succeeded' | 'refused';

/** Judges an answer that has come: the entry's `copies` are those still without one. */
export function verdictOn(entry: Entry, code: Code): Verdict {
  if (isTransient(code)) return 'again';
  if (entry.refusal !== undefined || entry.op.kind === 'give_up') return verdictOnVoid(entry, code);
  if (code === 'ok' || code === 'duplicate') return 'succeeded';
  if (entry.copies === 0 || !leavesOpen(entry.op, code)) return 'refused';
  return creates(entry.op) ? 'void_first' : 'aside';
}

/** Only an answer that closes the id, or tells of a booking, ends what was voided. */
function verdictOnVoid({ refusal }: Entry, code: Code): Verdict {
  if (code === 'not_pending' || code === 'already_posted') return 'find_posted';
  if (!closesId(code)) return 'aside';
  return refusal === undefined ? 'succeeded' : 'refused';
}

/** Nothing was done and it is not about this request: ask again later. */
export function isTransient(code: Code): boolean {
  return (
    code === 'overloaded' || code === 'not_ready' || code === 'rate_limited' || code === 'unauthenticated'
  );
}

/** Refusals of a capture that say how things are now, not what became of the hold: a late copy may fare better. */
const PASSING: ReadonlySet<RefusalCode> = new Set<RefusalCode>([
  'account_frozen',
  'account_closed',
  'limit_exceeded',
  'forbidden',
  'transaction_not_found',
]);

/**
 * Whether another copy of the same request, judged afresh, could be booked after this refusal. For what creates a
 * transaction that is every refusal but those that say what became of the id. For a capture it is those that may pass
 * (an account thaws, a limit is raised, another token, a hold that arrives late); the rest hold for every copy. A void
 * books nothing, whichever copy of it arrives.
 */
function leavesOpen(op: Operation, code: RefusalCode): boolean {
  if (op.kind === 'capture') return PASSING.has(code);
  return creates(op) && code !== 'id_reused' && code !== 'already_voided';
}

/** Whether this answer to a void says that nothing was booked under the id and nothing will be. */
function closesId(code: Code): boolean {
  return code === 'ok' || code === 'duplicate' || code === 'already_voided' || code === 'expired';
}
