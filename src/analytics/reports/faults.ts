import { clickhouseCode, isDisconnection } from '../failure.js';
import { ReportError } from '../report-error.js';

/** What ClickHouse's error codes mean to who asked. */
const CODES: { readonly [code: number]: ReportError } = {
  // TIMEOUT_EXCEEDED, TOO_SLOW
  159: new ReportError(
    'overloaded',
    'the report took longer than 10 s and was ended; ask for a shorter span or narrow it',
  ),
  160: new ReportError(
    'overloaded',
    'the report took longer than 10 s and was ended; ask for a shorter span or narrow it',
  ),
  // MEMORY_LIMIT_EXCEEDED
  241: new ReportError(
    'overloaded',
    'the report needed more memory than it may have; ask for a shorter span or narrow it',
  ),
  // TOO_MANY_SIMULTANEOUS_QUERIES
  202: new ReportError('overloaded', 'ClickHouse has too many queries at once; retry later'),
  // TOO_MANY_ROWS_OR_BYTES
  396: new ReportError('too_large', 'the answer has too many rows; ask for a shorter span or narrow it'),
  // UNKNOWN_TABLE, UNKNOWN_DATABASE: not there before the sink has made them
  60: new ReportError('not_ready', 'not ready: ClickHouse has no tables of this ledger yet'),
  81: new ReportError('not_ready', 'not ready: ClickHouse has no tables of this ledger yet'),
  // NETWORK_ERROR, SOCKET_TIMEOUT, ALL_CONNECTION_TRIES_FAILED
  210: new ReportError('not_ready', 'not ready: ClickHouse does not answer'),
  209: new ReportError('not_ready', 'not ready: ClickHouse does not answer'),
  279: new ReportError('not_ready', 'not ready: ClickHouse does not answer'),
};

/** The refusal for an error that is ClickHouse's state and not a fault of a report; undefined for all others. */
export function faultOf(error: unknown): ReportError | undefined {
  const code = clickhouseCode(error);
  if (code !== undefined) return CODES[code];
  return isDisconnection(error)
    ? new ReportError('not_ready', 'not ready: ClickHouse does not answer')
    : undefined;
}
