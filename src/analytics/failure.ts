import { NewerRecordError } from '../../engine/record.js';
import { DamagedLogError, NewerFormatError } from '../../wal/errors.js';
import { HaltError } from './halt-error.js';

/**
 * What a failure of ClickHouse means for the sink.
 * - content: these rows will never be taken. Trying again is of no use.
 * - passing: not there, no room, too busy, not allowed to write just now. The same rows may be taken later.
 * - unknown: neither is sure. Tried again a few times, then taken for content.
 */
export type Meaning = 'content' | 'passing' | 'unknown';

/** Codes of ClickHouse (src/Common/ErrorCodes.cpp) that speak of the rows themselves. */
const CONTENT = new Set([
  6, // CANNOT_PARSE_TEXT
  27, // CANNOT_PARSE_INPUT_ASSERTION_FAILED
  38, // CANNOT_PARSE_DATE
  41, // CANNOT_PARSE_DATETIME
  53, // TYPE_MISMATCH
  69, // ARGUMENT_OUT_OF_BOUND
  70, // CANNOT_CONVERT_TYPE
  72, // CANNOT_PARSE_NUMBER
  117, // INCORRECT_DATA
  131, // TOO_LARGE_STRING_SIZE
  321, // VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
  349, // CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
  407, // DECIMAL_OVERFLOW
  469, // VIOLATED_CONSTRAINT
  691, // UNKNOWN_ELEMENT_OF_ENUM
]);

/** Codes that speak of anything but the rows. */
const PASSING = new Set([
  3, // UNEXPECTED_END_OF_FILE
  32, // ATTEMPT_TO_READ_AFTER_EOF: the connection was cut
  33, // CANNOT_READ_ALL_DATA
  60, // UNKNOWN_TABLE: made again
  74, // CANNOT_READ_FROM_FILE_DESCRIPTOR
  75, // CANNOT_WRITE_TO_FILE_DESCRIPTOR
  76, // CANNOT_OPEN_FILE
  81, // UNKNOWN_DATABASE
  107, // FILE_DOESNT_EXIST
  159, // TIMEOUT_EXCEEDED
  160, // TOO_SLOW
  164, // READONLY
  192, // UNKNOWN_USER
  193, // WRONG_PASSWORD
  194, // REQUIRED_PASSWORD
  201, // QUOTA_EXCEEDED
  202, // TOO_MANY_SIMULTANEOUS_QUERIES
  203, // NO_FREE_CONNECTION
  209, // SOCKET_TIMEOUT
  210, // NETWORK_ERROR
  216, // QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING
  218, // TABLE_IS_DROPPED
  225, // NO_ZOOKEEPER
  236, // ABORTED
  241, // MEMORY_LIMIT_EXCEEDED
  242, // TABLE_IS_READ_ONLY
  243, // NOT_ENOUGH_SPACE
  252, // TOO_MANY_PARTS
  279, // ALL_CONNECTION_TRIES_FAILED
  285, // TOO_FEW_LIVE_REPLICAS
  286, // UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE
  289, // REPLICA_IS_NOT_IN_QUORUM
  290, // LIMIT_EXCEEDED
  317, // REPLICA_STATUS_CHANGED
  319, // UNKNOWN_STATUS_OF_INSERT
  341, // UNFINISHED
  373, // SESSION_IS_LOCKED
  394, // QUERY_WAS_CANCELLED
  395, // FUNCTION_THROW_IF_VALUE_IS_NON_ZERO: a request that came too late
  425, // SYSTEM_ERROR
  439, // CANNOT_SCHEDULE_TASK
  497, // ACCESS_DENIED
  516, // AUTHENTICATION_FAILED
  517, // CANNOT_ASSIGN_ALTER
  733, // TABLE_IS_BEING_RESTARTED
  999, // KEEPER_EXCEPTION
  1000, // POCO_EXCEPTION
]);
const MEMORY_LIMIT_EXCEEDED = 241;

/** Codes that speak of the machine, or of what else goes on there, and not of the files that are read. */
const CIRCUMSTANCES = new Set([
  75, // CANNOT_WRITE_TO_FILE_DESCRIPTOR
  76, // CANNOT_OPEN_FILE: too many are open, or not allowed
  159, // TIMEOUT_EXCEEDED
  160, // TOO_SLOW
  164, // READONLY
  202, // TOO_MANY_SIMULTANEOUS_QUERIES
  236, // ABORTED
  MEMORY_LIMIT_EXCEEDED,
  242, // TABLE_IS_READ_ONLY
  243, // NOT_ENOUGH_SPACE
  252, // TOO_MANY_PARTS
  394, // QUERY_WAS_CANCELLED
  439, // CANNOT_SCHEDULE_TASK
  1001, // STD_EXCEPTION: memory, and the file system
]);

/** ClickHouse's code of an error; undefined when it is not ClickHouse that speaks. */
export function clickhouseCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  const code = Number((error as { readonly code: unknown }).code);
  return Number.isInteger(code) ? code : undefined;
}

/**
 * Whether it is a socket that speaks: ECONNREFUSED, ECONNRESET, EAI_AGAIN, ETIMEDOUT … What Node itself calls ERR_… is a fault of this program, or of how
 * it was set up.
 */
export function isDisconnection(error: unknown): boolean {
  return /^E(?!RR_)[A-Z_]+$/.test(String((error as { readonly code?: unknown } | null)?.code));
}

export function meaningOf(error: unknown): Meaning {
  const code = clickhouseCode(error);
  // Sockets, time-outs, names that do not resolve.
  if (code === undefined || PASSING.has(code)) return 'passing';
  return CONTENT.has(code) ? 'content' : 'unknown';
}

/** ClickHouse had not the memory for so many rows. */
export function isOutOfMemory(error: unknown): boolean {
  return clickhouseCode(error) === MEMORY_LIMIT_EXCEEDED;
}

/** Whether an engine that has its files to itself could not read them: they are torn, or some are gone. */
export function isUnreadable(error: unknown): boolean {
  const code = clickhouseCode(error);
  return code !== undefined && !CIRCUMSTANCES.has(code);
}

/** What no trying again helps with. */
export function isFinal(error: unknown): boolean {
  return [HaltError, DamagedLogError, NewerFormatError, NewerRecordError].some(
    (kind) => error instanceof kind,
  );
}
