import { expect } from 'vitest';
import type { Fields } from './exact-json.js';
import type { TokenClaims } from './token.js';

/** The contract's table of codes, number by number. */
export const TABLE: Record<string, readonly [http: number, n: number]> = {
  ok: [200, 0],
  duplicate: [200, 1],
  invalid_request: [400, 16],
  invalid_amount: [400, 17],
  unbalanced: [400, 18],
  unauthenticated: [401, 19],
  forbidden: [403, 20],
  account_not_found: [404, 21],
  transaction_not_found: [404, 22],
  id_reused: [409, 23],
  account_exists: [409, 24],
  already_posted: [409, 25],
  already_voided: [409, 26],
  expired: [409, 27],
  not_pending: [409, 28],
  exceeds_original: [409, 29],
  balance_not_zero: [409, 30],
  insufficient_funds: [422, 31],
  limit_exceeded: [422, 32],
  account_frozen: [422, 33],
  account_closed: [422, 34],
  currency_mismatch: [422, 35],
  overflow: [422, 36],
  too_large: [413, 37],
  rate_limited: [429, 38],
  overloaded: [503, 39],
  not_ready: [503, 40],
  not_posted: [409, 41],
};

/** The largest amount and sum. */
export const MAX = 2n ** 63n - 1n;

/** One refusal as each way in gives it. Ids are fresh for each way, so that they do not meet. */
export interface Case {
  readonly code: string;
  /** What stands beside the code. */
  readonly extras?: Fields;
  readonly as?: TokenClaims;
  /** Method, path, body; `$` in the texts is replaced by a suffix of the way. */
  readonly http: readonly [method: string, path: string, body?: unknown];
  /** Op and fields. */
  readonly map: readonly [op: string, fields: Fields];
  readonly compact?: readonly unknown[];
  /** Given to an admin first; these must be accepted. */
  readonly before?: readonly (readonly [method: string, path: string, body?: unknown])[];
}

const tx = (fields: Fields): Fields => ({ id: 'x$', debit: 'bank', credit: 'till', amount: 5, ...fields });
const hold = tx({ id: 'h$', pending: true });

export const CASES: readonly Case[] = [
  {
    code: 'invalid_request',
    extras: { pointer: '/colour' },
    http: ['POST', '/v1/transactions', tx({ colour: 'red' })],
    map: ['transaction', tx({ colour: 'red' })],
    compact: ['bad id!', 'bank', 'till', 5],
  },
  {
    code: 'invalid_amount',
    extras: { pointer: '/amount' },
    http: ['POST', '/v1/transactions', tx({ amount: 0 })],
    map: ['transaction', tx({ amount: -1 })],
    compact: ['x$', 'bank', 'till', 0],
  },
  {
    code: 'unbalanced',
    extras: { pointer: '/postings' },
    http: [
      'POST',
      '/v1/transactions',
      {
        id: 'x$',
        postings: [
          { account: 'bank', debit: 5 },
          { account: 'till', credit: 4 },
        ],
      },
    ],
    map: [
      'transaction',
      {
        id: 'x$',
        postings: [
          { account: 'bank', debit: 5 },
          { account: 'till', credit: 4 },
        ],
      },
    ],
    compact: [
      'x$',
      [
        ['bank', 5],
        ['till', -4],
      ],
    ],
  },
  {
    code: 'forbidden',
    extras: { permission: 'transactions:create' },
    as: { role: 'auditor' },
    http: ['POST', '/v1/transactions', tx({})],
    map: ['transaction', tx({})],
    compact: ['x$', 'bank', 'till', 5],
  },
  {
    code: 'account_not_found',
    http: ['POST', '/v1/transactions', tx({ debit: 'nobody' })],
    map: ['balance', { account: 'nobody' }],
    compact: ['x$', 'bank', 'nobody', 5],
  },
  {
    code: 'transaction_not_found',
    http: ['GET', '/v1/transactions/none$'],
    map: ['status', { id: 'none$' }],
  },
  {
    code: 'id_reused',
    before: [['POST', '/v1/transactions', tx({})]],
    http: ['POST', '/v1/transactions', tx({ amount: 6 })],
    map: ['transaction', tx({ amount: 6 })],
    compact: ['x$', 'bank', 'till', 6],
  },
  {
    code: 'account_exists',
    http: ['POST', '/v1/accounts', { id: 'bank', type: 'expense', currency: 'EUR' }],
    map: ['account', { id: 'bank', type: 'expense', currency: 'EUR' }],
  },
  {
    code: 'already_posted',
    before: [
      ['POST', '/v1/transactions', hold],
      ['POST', '/v1/transactions/h$/post'],
    ],
    http: ['POST', '/v1/transactions/h$/void'],
    map: ['void', { id: 'h$' }],
  },
  {
    code: 'already_voided',
    before: [
      ['POST', '/v1/transactions/x$/void'],
      ['POST', '/v1/transactions', hold],
      ['POST', '/v1/transactions/h$/void'],
    ],
    http: ['POST', '/v1/transactions/h$/post'],
    map: ['post', { id: 'h$' }],
    compact: ['x$', 'bank', 'till', 5],
  },
  {
    code: 'not_pending',
    before: [['POST', '/v1/transactions', tx({})]],
    http: ['POST', '/v1/transactions/x$/post'],
    map: ['void', { id: 'x$' }],
  },
  {
    code: 'exceeds_original',
    before: [['POST', '/v1/transactions', tx({})]],
    http: ['POST', '/v1/transactions/x$/reverse', { id: 'r$', amount: 6 }],
    map: ['reverse', { id: 'r$', original: 'x$', amount: 6 }],
  },
  {
    code: 'not_posted',
    before: [['POST', '/v1/transactions', hold]],
    http: ['POST', '/v1/transactions/h$/reverse', { id: 'r$' }],
    map: ['reverse', { id: 'r$', original: 'h$' }],
  },
  {
    code: 'balance_not_zero',
    http: ['PATCH', '/v1/accounts/full', { closed: true }],
    map: ['account_update', { id: 'full', closed: true }],
  },
  {
    code: 'insufficient_funds',
    extras: { account: 'full', available: 100, required: 130, shortage: 30 },
    http: ['POST', '/v1/transactions', tx({ debit: 'full', amount: 130 })],
    map: ['transaction', tx({ debit: 'full', amount: 130 })],
    compact: ['x$', 'full', 'till', 130],
  },
  {
    code: 'limit_exceeded',
    extras: { account: 'capped' },
    http: ['POST', '/v1/transactions', tx({ credit: 'capped', amount: 11 })],
    map: ['transaction', tx({ credit: 'capped', amount: 11 })],
    compact: ['x$', 'bank', 'capped', 11],
  },
  {
    code: 'account_frozen',
    extras: { account: 'frozen' },
    http: ['POST', '/v1/transactions', tx({ credit: 'frozen' })],
    map: ['transaction', tx({ credit: 'frozen' })],
    compact: ['x$', 'bank', 'frozen', 5],
  },
  {
    code: 'account_closed',
    extras: { account: 'closed' },
    http: ['POST', '/v1/transactions', tx({ credit: 'closed' })],
    map: ['transaction', tx({ credit: 'closed' })],
    compact: ['x$', 'bank', 'closed', 5],
  },
  {
    code: 'currency_mismatch',
    extras: { account: expect.any(String) },
    http: ['POST', '/v1/transactions', tx({ credit: 'dollars' })],
    map: ['transaction', tx({ credit: 'dollars' })],
    compact: ['x$', 'bank', 'dollars', 5],
  },
  {
    code: 'overflow',
    extras: { account: expect.any(String) },
    http: ['POST', '/v1/transactions', tx({ debit: 'huge', credit: 'huge-too', amount: MAX })],
    map: ['transaction', tx({ debit: 'huge', credit: 'huge-too', amount: MAX })],
    compact: ['x$', 'huge', 'huge-too', MAX],
  },
  {
    code: 'too_large',
    extras: { limit: 1024 },
    http: ['POST', '/v1/transactions', tx({ metadata: { note: 'n'.repeat(1024) } })],
    map: ['transaction', tx({ metadata: { note: 'n'.repeat(1024) } })],
  },
];

/** Puts the suffix of the way into ids and paths. */
export function withSuffix<T>(value: T, suffix: string): T {
  if (typeof value === 'string') return value.replace('$', suffix) as T;
  if (Array.isArray(value)) return value.map((item) => withSuffix(item, suffix)) as T;
  if (typeof value !== 'object' || value === null || 'asymmetricMatch' in value) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withSuffix(item, suffix)])) as T;
}
