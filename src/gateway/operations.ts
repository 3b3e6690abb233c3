import type { Outcome, Refusal } from '../../engine/types.js';
import type { Session } from '../session.js';
import { pointerTo, refuse } from './refusal.js';

export type Body = { readonly [field: string]: unknown };
type Operation = (session: Session, body: Body) => Promise<Outcome<object>> | Refusal;

/**
 * The `op` of a map frame, and what it asks of the ledger. Bodies go on as they came: the session checks them. Only the
 * fields that HTTP has in its path are taken out here.
 */
const OPERATIONS: ReadonlyMap<unknown, Operation> = new Map<unknown, Operation>([
  ['transaction', (session, body) => session.transaction(body as never)],
  ['batch', (session, body) => session.batch(body as never)],
  ['post', (session, body) => withId(body, 'id', (id, rest) => session.post(id, rest as never))],
  ['void', (session, body) => withId(body, 'id', (id, rest) => session.void(id, rest as never))],
  ['reverse', (session, body) => withId(body, 'original', (id, rest) => session.reverse(id, rest as never))],
  ['status', (session, body) => onlyId(body, 'id', (id) => session.status(id))],
  ['account', (session, body) => session.createAccount(body as never)],
  ['account_get', (session, body) => onlyId(body, 'id', (id) => session.account(id))],
  [
    'account_update',
    (session, body) => withId(body, 'id', (id, rest) => session.updateAccount(id, rest as never)),
  ],
  ['balance', (session, body) => onlyId(body, 'account', (id) => session.balance(id))],
]);

/** @param body the frame without `rid` and `op` */
export function runOperation(session: Session, op: unknown, body: Body): Promise<Outcome<object>> | Refusal {
  const operation = OPERATIONS.get(op);
  if (operation === undefined) {
    return refuse(
      'invalid_request',
      `op must be one of ${[...OPERATIONS.keys()].join(', ')}, subscribe, unsubscribe, ping`,
      {
        pointer: '/op',
      },
    );
  }
  return operation(session, body);
}

function withId(
  body: Body,
  field: 'id' | 'original' | 'account',
  run: (id: string, rest: Body) => ReturnType<Operation>,
): ReturnType<Operation> {
  const { [field]: id, ...rest } = body;
  if (typeof id !== 'string') {
    return refuse('invalid_request', `${field} must be a string`, { pointer: pointerTo(field) });
  }
  return run(id, rest);
}

function onlyId(
  body: Body,
  field: 'id' | 'account',
  run: (id: string) => ReturnType<Operation>,
): ReturnType<Operation> {
  return withId(body, field, (id, rest) => {
    const [unknownField] = Object.keys(rest);
    if (unknownField === undefined) return run(id);
    return refuse('invalid_request', 'unknown field', { pointer: pointerTo(unknownField) });
  });
}
