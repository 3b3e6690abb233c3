import { CODES } from '../../engine/codes.js';
import { dataViewOf, fingerprint } from '../../engine/hash.js';
import type { RecordView } from '../../engine/record.js';
import type { Outcome, ReversalInput, TransactionReply } from '../../engine/types.js';
import { refusal } from './answers.js';
import { isPosted } from './bodies.js';
import type { CommandEncoder, Fault } from './encoder.js';
import { viewOf } from './facts.js';
import type { LedgerSession } from './ledger-session.js';
import { encodeReversal, putReversal, type ReversalPart, type ReversedLeg } from './requests.js';
import { transactionReply } from './transaction-replies.js';

/**
 * Reverses a posted transaction, or part of it. The postings to mirror are in the log, so they are read first; how much of them remains is
 * what the original's home said a moment ago. Should other reversals have taken from it meanwhile, the home refuses the now wrong
 * division, and it is worked out anew from fresh sums: each round means that another reversal was posted, so this ends.
 */
export async function reverse(
  session: LedgerSession,
  encoder: CommandEncoder,
  original: string,
  body: ReversalInput,
): Promise<Outcome<TransactionReply>> {
  const part = encodeReversal(encoder, session.prefix, original, body);
  if ('code' in part) return refusal(part);
  const denied = session.denied('transactions:reverse');
  if (denied !== undefined) return denied;
  const content = [encoder.c0, encoder.c1] as const;
  const input = body as unknown as { readonly [field: string]: unknown };
  for (;;) {
    const known = await session.facts(original);
    let refused: number = 0;
    let legs: readonly ReversedLeg[] = [];
    let factLsn = 0;
    if ('ok' in known) {
      if (known.code !== 'transaction_not_found') return known;
      refused = CODES.transaction_not_found.n;
    } else if (!isPosted(known.lookup)) {
      refused = CODES.not_posted.n;
    } else {
      const fact = known.end ?? known.created;
      factLsn = fact.lsn;
      const view = viewOf(fact);
      const divided = divideReversal(view, known.lookup.sums, part);
      if (typeof divided === 'number') refused = divided;
      else legs = divided;
      putReversal(encoder, session.prefix, original, factLsn, input, legs, content);
      encoder.putOriginalWords(
        originalFingerprint(session, original),
        Array.from(view.amounts.subarray(0, view.n)),
      );
      const beyond = session.denied('transactions:reverse');
      if (beyond !== undefined) return beyond;
    }
    if (refused !== 0) {
      // Only the new id's home knows whether this is a copy of what was done before.
      putReversal(encoder, session.prefix, original, factLsn, input, [], content);
      encoder.code = refused;
    }
    const call = session.call();
    if ('ok' in call) return call;
    const answer = await call;
    if (answer.code > CODES.duplicate.n && refused === 0) {
      // What was asked for may have been more than remained by then, so that the refusal speaks of a division nobody asked for.
      const now = await session.lookup(original, true);
      if (!('ok' in now) && !('ok' in known) && String(now.sums) !== String(known.lookup.sums)) continue;
    }
    if (answer.code === CODES.invalid_request.n) return refusal(NO_SUCH_LEG);
    const accounts = legs.map((leg) => leg.account);
    return transactionReply(session, body.id, accounts, false, answer);
  }
}

const NO_SUCH_LEG: Fault = {
  code: 'invalid_request',
  detail:
    'a posting names account, side and tag that the original does not have, or amount is used with more than two postings',
  pointer: '/postings',
};

function originalFingerprint(session: LedgerSession, original: string): Uint32Array {
  const fp = new Uint32Array(4);
  const bytes = Buffer.from(original, 'latin1');
  fingerprint(dataViewOf(bytes), 0, bytes.length, session.prefix.keys, fp);
  return fp;
}

/**
 * What is taken of each leg of the original, in order; or the code that refuses.
 * @param view the original's record
 * @param sums what was reversed of it so far, by leg; legs beyond are 0
 */
export function divideReversal(
  view: RecordView,
  sums: readonly bigint[],
  part: ReversalPart,
): readonly ReversedLeg[] | number {
  const remaining = Array.from({ length: view.n }, (_, leg) => view.amounts[leg]! - (sums[leg] ?? 0n));
  const taken: bigint[] = new Array(view.n).fill(0n);
  if (part.amount !== undefined) {
    if (view.n !== 2) return CODES.invalid_request.n;
    if (remaining.some((left) => part.amount! > left)) return CODES.exceeds_original.n;
    taken.fill(part.amount);
  } else if (part.postings !== undefined) {
    const code = takePostings(view, part.postings, remaining, taken);
    if (code !== 0) return code;
  } else {
    if (remaining.every((left) => left === 0n)) return CODES.exceeds_original.n;
    for (let leg = 0; leg < view.n; leg++) taken[leg] = remaining[leg]!;
  }
  const legs: ReversedLeg[] = [];
  taken.forEach((amount, leg) => {
    if (amount === 0n) return;
    legs.push({ leg, account: view.account(leg), isCredit: view.isCredit(leg), tag: view.tag(leg), amount });
  });
  return legs;
}

/** Takes each posting from the legs that it names, in order. @returns 0 or the code that refuses */
function takePostings(
  view: RecordView,
  postings: NonNullable<ReversalPart['postings']>,
  remaining: bigint[],
  taken: bigint[],
): number {
  for (const { account, isCredit, tag, amount } of postings) {
    let rest = amount;
    let isNamed = false;
    for (let leg = 0; leg < view.n && rest > 0n; leg++) {
      if (view.account(leg) !== account || view.isCredit(leg) !== isCredit || view.tag(leg) !== tag) continue;
      isNamed = true;
      const part = remaining[leg]! < rest ? remaining[leg]! : rest;
      remaining[leg] = remaining[leg]! - part;
      taken[leg] = taken[leg]! + part;
      rest -= part;
    }
    if (rest > 0n) return isNamed ? CODES.exceeds_original.n : CODES.invalid_request.n;
  }
  return 0;
}
