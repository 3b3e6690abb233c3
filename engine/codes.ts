/**
 * Every answer code of the wire contract, in one place: name, number in compact replies, HTTP status, title.
 * A test holds this table against the documentation.
 */
export const CODES = {
  ok: { n: 0, http: 200, title: 'Done' },
  duplicate: { n: 1, http: 200, title: 'Already done with the same content' },
  invalid_request: { n: 16, http: 400, title: 'The request is malformed' },
  invalid_amount: { n: 17, http: 400, title: 'An amount is not an integer from 1 to 2^63-1' },
  unbalanced: { n: 18, http: 400, title: 'Debits and credits differ' },
  unauthenticated: { n: 19, http: 401, title: 'No valid token' },
  forbidden: { n: 20, http: 403, title: 'The token does not allow this' },
  account_not_found: { n: 21, http: 404, title: 'No such account' },
  transaction_not_found: { n: 22, http: 404, title: 'No such transaction' },
  id_reused: { n: 23, http: 409, title: 'The id was used with other content' },
  account_exists: { n: 24, http: 409, title: 'The account exists with other content' },
  already_posted: { n: 25, http: 409, title: 'The transaction was posted' },
  already_voided: { n: 26, http: 409, title: 'The transaction was voided' },
  expired: { n: 27, http: 409, title: 'The pending transaction expired' },
  not_pending: { n: 28, http: 409, title: 'The transaction was never pending' },
  exceeds_original: { n: 29, http: 409, title: 'More than what remains of the original' },
  balance_not_zero: { n: 30, http: 409, title: 'The account holds money or has pending transactions' },
  insufficient_funds: { n: 31, http: 422, title: 'The account would fall below its minimum' },
  limit_exceeded: { n: 32, http: 422, title: 'A balance limit would be broken' },
  account_frozen: { n: 33, http: 422, title: 'The account is frozen' },
  account_closed: { n: 34, http: 422, title: 'The account is closed' },
  currency_mismatch: { n: 35, http: 422, title: 'The accounts have different currencies' },
  overflow: { n: 36, http: 422, title: 'A sum would exceed 2^63-1' },
  too_large: { n: 37, http: 413, title: 'The request is too large' },
  rate_limited: { n: 38, http: 429, title: 'Too many requests' },
  overloaded: { n: 39, http: 503, title: 'Too much work in flight; nothing was done' },
  not_ready: { n: 40, http: 503, title: 'Not ready; nothing was done' },
  not_posted: { n: 41, http: 409, title: 'The original is not a posted transaction' },
} as const;

export type Code = keyof typeof CODES;
/** A code that refuses. */
export type RefusalCode = Exclude<Code, 'ok' | 'duplicate'>;

const names = new Map<number, Code>(Object.entries(CODES).map(([name, { n }]) => [n, name as Code]));

/** The name of a code number. @throws when no code has it, which is a bug. */
export function codeName(n: number): Code {
  const name = names.get(n);
  if (name === undefined) throw new Error(`no code has the number ${n}`);
  return name;
}
