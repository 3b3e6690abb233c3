import { randomBytes, randomUUID } from 'node:crypto';
import type { LedgerIdentity } from '../../wal/store.js';
import { isPlainObject, parseTime } from '../ledger/fields.js';
import { EXPORT_FORMAT, type Foot, type Head } from './format.js';
import { LineFault } from './line-fault.js';

const HEAD = new Set(['kassa_export', 'ledger', 'from_lsn', 'to_lsn', 'tenant', 'by', 'committed_at']);
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const KEY = /^[0-9a-f]{32}$/;
const SHA256 = /^[0-9a-f]{64}$/;

/** The head of a file, or of what should be one. @throws {LineFault} */
export function parseHead(value: unknown): Head {
  if (!isPlainObject(value) || value['kassa_export'] === undefined) {
    throw new LineFault(
      'invalid_request',
      'the first line must be a head like {"kassa_export":1,"tenant":"shop"}',
    );
  }
  const { kassa_export: format, from_lsn: from, to_lsn: to, tenant, by } = value;
  if (format !== EXPORT_FORMAT) {
    throw new LineFault(
      'invalid_request',
      `/kassa_export: this Kassa reads format ${EXPORT_FORMAT}, and not ${format}`,
    );
  }
  for (const field of Object.keys(value)) {
    if (!HEAD.has(field))
      throw new LineFault('invalid_request', `unknown field ${JSON.stringify(field)} in the head`);
  }
  if (from !== undefined && !(Number.isSafeInteger(from) && (from as number) >= 1)) {
    throw new LineFault('invalid_request', '/from_lsn: an LSN is 1 or more');
  }
  if (
    to !== undefined &&
    !(Number.isSafeInteger(to) && (to as number) >= ((from as number | undefined) ?? 1) - 1)
  ) {
    throw new LineFault('invalid_request', '/to_lsn: an LSN from from_lsn - 1 on');
  }
  for (const name of [tenant, by]) {
    if (name !== undefined && typeof name !== 'string')
      throw new LineFault('invalid_request', '/tenant and /by are texts');
  }
  if (value['committed_at'] !== undefined && parseTime(value['committed_at']) === undefined) {
    throw new LineFault(
      'invalid_request',
      '/committed_at: a time is RFC 3339, UTC, with at most milliseconds',
    );
  }
  if (value['ledger'] !== undefined) identityOf(value as unknown as Head);
  return value as unknown as Head;
}

/** The ledger that a head names. @throws {LineFault} */
export function identityOf({ ledger }: Head): LedgerIdentity | undefined {
  if (ledger === undefined) return undefined;
  const createdMs = parseTime(ledger.created_at);
  const isSound = UUID.test(ledger.id) && KEY.test(ledger.key) && createdMs !== undefined;
  if (!isSound)
    throw new LineFault('invalid_request', '/ledger: id, key and created_at as an export has them');
  return { id: ledger.id, key: Buffer.from(ledger.key, 'hex'), createdMs };
}

/** A ledger of its own. */
export function newIdentity(createdMs: number): LedgerIdentity {
  return { id: randomUUID(), key: randomBytes(16), createdMs };
}

/** The foot, or undefined when the line is a record's. @throws {LineFault} */
export function parseFoot(value: unknown): Foot | undefined {
  if (!isPlainObject(value) || value['kassa_export_end'] === undefined) return undefined;
  const { kassa_export_end: format, records, sha256, ...rest } = value;
  const isSound =
    format === EXPORT_FORMAT &&
    Number.isSafeInteger(records) &&
    SHA256.test(sha256 as string) &&
    Object.keys(rest).length === 0;
  if (!isSound) throw new LineFault('invalid_request', 'the last line is not one that this Kassa writes');
  return value as unknown as Foot;
}
