import { ACCOUNT_TYPES } from '../../engine/accounts.js';
import { Has, type RecordView } from '../../engine/record.js';
import type { Row } from './database.js';
import { binaryText, type RowBuffer } from './row-buffer.js';

/** An account as a row of the table `accounts` has it. */
export interface AccountState {
  readonly type: string;
  readonly currency: string;
  readonly group: string;
  readonly min: bigint | undefined;
  readonly max: bigint | undefined;
  readonly frozen: boolean;
  readonly closed: boolean;
  /** JSON text or empty. */
  readonly metadata: string;
}

/** The columns of a state, in the table's order. */
export const STATE_COLUMNS = 'type, currency, `group`, min_balance, max_balance, frozen, closed, metadata';

/** Of an account that no record was delivered for, since it was left out. */
export const NO_STATE: AccountState = {
  type: '',
  currency: '',
  group: '',
  min: undefined,
  max: undefined,
  frozen: false,
  closed: false,
  metadata: '',
};

const TYPES = ACCOUNT_TYPES.map(binaryText);

/** A state from the values of {@link STATE_COLUMNS}. */
export function stateOf([type, currency, group, min, max, frozen, closed, metadata]: Row): AccountState {
  return {
    type: type as string,
    currency: currency as string,
    group: group as string,
    min: min === null ? undefined : BigInt(min as string),
    max: max === null ? undefined : BigInt(max as string),
    frozen: frozen as boolean,
    closed: closed as boolean,
    metadata: metadata as string,
  };
}

/** The state after an account's update. */
export function changedState(view: RecordView, before: AccountState): AccountState {
  return {
    type: before.type,
    currency: before.currency,
    group: view.has(Has.group) ? view.group : before.group,
    min: view.has(Has.min) ? view.min : view.has(Has.noMin) ? undefined : before.min,
    max: view.has(Has.max) ? view.max : view.has(Has.noMax) ? undefined : before.max,
    frozen: view.has(Has.flags) ? (view.flags & 1) !== 0 : before.frozen,
    closed: view.has(Has.flags) ? (view.flags & 2) !== 0 : before.closed,
    metadata: view.has(Has.metadata) ? view.metadata : before.metadata,
  };
}

/** The columns of a new account, straight from its record. */
export function putCreated(rows: RowBuffer, view: RecordView): void {
  rows.put(TYPES[view.n]!);
  rows.text(view.bytes, view.currencyAt, view.currencyLength);
  if (view.has(Has.group)) rows.text(view.bytes, view.groupAt, view.groupLength);
  else rows.u8(0);
  rows.nullable(view.has(Has.min) ? view.min : undefined);
  rows.nullable(view.has(Has.max) ? view.max : undefined);
  rows.u8(0);
  rows.u8(0);
  if (view.has(Has.metadata)) rows.long(view.bytes, view.metadataAt, view.metadataLength);
  else rows.u8(0);
}

/** The same from a state. */
export function putState(rows: RowBuffer, state: AccountState): void {
  for (const text of [state.type, state.currency, state.group]) rows.put(binaryText(text));
  rows.nullable(state.min);
  rows.nullable(state.max);
  rows.u8(state.frozen ? 1 : 0);
  rows.u8(state.closed ? 1 : 0);
  const metadata = Buffer.from(state.metadata);
  rows.long(metadata, 0, metadata.length);
}

/** The state in a row of `accounts` that begins at `at`. */
export function readState(rows: Uint8Array, at: number): AccountState {
  const view = new DataView(rows.buffer, rows.byteOffset, rows.byteLength);
  const text = (): string => {
    let length = rows[at++]!;
    if (length > 127) length = (length & 127) | (rows[at++]! << 7);
    at += length;
    return Buffer.from(rows.buffer, rows.byteOffset + at - length, length).toString('utf8');
  };
  const nullable = (): bigint | undefined => {
    if (rows[at++] === 1) return undefined;
    at += 8;
    return view.getBigInt64(at - 8, true);
  };
  // Tenant, account and LSN come first.
  text();
  text();
  at += 8;
  return {
    type: text(),
    currency: text(),
    group: text(),
    min: nullable(),
    max: nullable(),
    frozen: rows[at++] === 1,
    closed: rows[at++] === 1,
    metadata: text(),
  };
}
