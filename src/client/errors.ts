import type { RefusalCode } from '../../engine/codes.js';

/** What every error of the client has in common: `name` tells the kind, `message` says what happened. */
export class TerminalError extends Error {
  override name = 'TerminalError';
}

/** There is no connection, and the question cannot be answered without one. */
export class OfflineError extends TerminalError {
  override name = 'OfflineError';
}

/** The ledger did not answer in `timeout_ms`. The question changed nothing; ask again. */
export class TimeoutError extends TerminalError {
  override name = 'TimeoutError';
}

/** The terminal was closed. */
export class ClosedError extends TerminalError {
  override name = 'ClosedError';
}

/** Another process, or another terminal of this one, has this queue directory open. */
export class QueueInUseError extends TerminalError {
  override name = 'QueueInUseError';
}

/**
 * The queue's disk failed; `cause` has the system's error. A sale that gets this was not sent; only with
 * `journal: 'offline'` it may have been, and `status` tells.
 */
export class QueueError extends TerminalError {
  override name = 'QueueError';
}

/** The ledger refused a question (`balance`, `status`). */
export class LedgerError extends TerminalError {
  override name = 'LedgerError';
  constructor(
    readonly code: RefusalCode,
    detail: string,
  ) {
    super(detail);
  }
}
