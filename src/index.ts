export type { Code, RefusalCode } from '../engine/codes.js';
export { CODES } from '../engine/codes.js';
export type * from '../engine/types.js';
export { type Ledger, type LedgerOptions, type LedgerStats, openLedger } from './ledger.js';
export { type Caller, type CompactSink, PERMISSIONS, type Permission, type Session } from './session.js';
