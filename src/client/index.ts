/** The terminal's side of Kassa: sells, and never loses or doubles a sale, with or without a connection. */

export type { RefusalCode } from '../../engine/codes.js';
export type {
  AmountInput,
  BalanceBody,
  Metadata,
  PostingInput,
  TransactionBody,
} from '../../engine/types.js';
export {
  ClosedError,
  LedgerError,
  OfflineError,
  QueueError,
  QueueInUseError,
  TerminalError,
  TimeoutError,
} from './errors.js';
export { openTerminal } from './open.js';
export type {
  CaptureInput,
  CaptureResult,
  ConnectionState,
  Delivered,
  GiveUpResult,
  HoldInput,
  HoldResult,
  OperationKind,
  Problem,
  Queued,
  Refused,
  RefusedSale,
  SaleInput,
  SaleResult,
  SettledEvent,
  Terminal,
  TerminalOptions,
  VoidResult,
} from './types.js';
