import { LOCAL_DISK } from './local-disk.js';
import { checkChain } from './log-chain.js';
import { listSegments, syncSegment } from './segment.js';
import type { LedgerIdentity, LogPosition } from './store.js';

/**
 * Where a log ends that somebody else may be writing, once everything up to there is on the disk. A reader sees a commit a moment before
 * it is synced; whoever copies it elsewhere must not know of more than what the log will know after a power failure. So the end is
 * read first, and then what was read is synced. Only the newest two segments can hold anything that was not.
 * @throws {Error} when there is no log; {DamagedLogError}; {NewerFormatError}
 */
export function durableEnd(data: string): { readonly ledger: LedgerIdentity; readonly end: LogPosition } {
  const chain = checkChain(data);
  if (chain === undefined) throw new Error(`there is no ledger in ${data}`);
  for (const first of listSegments(data).slice(-2)) syncSegment(data, first, LOCAL_DISK);
  return { ledger: chain.header.ledger, end: chain.last };
}
