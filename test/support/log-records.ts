import { Has, RecordKind, RecordView } from '../../engine/record.js';
import { forEachRecord } from '../../wal/batch.js';
import { openLogReader } from '../../wal/log.js';

/** What a log says, read beside or after the server, without the server's own replay. */

export interface LoggedPosting {
  readonly account: string;
  /** Positive for a debit, negative for a credit. */
  readonly amount: bigint;
}

export interface LoggedRecord {
  readonly lsn: number;
  readonly kind: keyof typeof RecordKind;
  readonly tenant: string;
  readonly id: string;
  /** What was posted, held or captured. */
  readonly postings: readonly LoggedPosting[];
  /** The commit's, milliseconds since 1970. */
  readonly timeMs: number;
  /** Of a hold that expires, milliseconds since 1970. */
  readonly expiresAtMs: number | undefined;
  /** Of an account; empty without one. */
  readonly group: string;
}

const KIND_NAMES = new Map(
  Object.entries(RecordKind).map(([name, kind]) => [kind as number, name as keyof typeof RecordKind]),
);

/** All records in the order of the log. @throws when an LSN is missing or twice there */
export function readRecords(data: string): LoggedRecord[] {
  return [...eachRecord(data)];
}

/** The same one after the other, for logs that are too long to hold at once; `fromLsn` is the first LSN of a batch. */
export function* eachRecord(data: string, fromLsn = 1): Generator<LoggedRecord> {
  let due = fromLsn;
  const reader = openLogReader({ data });
  const view = new RecordView();
  try {
    for (const batch of reader.batchesFrom(fromLsn)) {
      view.over(batch.bytes);
      const records: LoggedRecord[] = [];
      forEachRecord(batch, (_bytes, offset, _size, lsn) => {
        if (lsn !== due) throw new Error(`LSN ${lsn} follows ${due - 1}`);
        due++;
        records.push(toRecord(view.read(offset), lsn, batch.timeMs));
      });
      yield* records;
    }
  } finally {
    reader.close();
  }
}

/** A record as it is stored. */
export interface StoredRecord {
  readonly lsn: number;
  /** Of its commit, ms since the epoch. */
  readonly timeMs: number;
  readonly record: Uint8Array;
}

/** Every record with its bytes. */
export function readLog(data: string): StoredRecord[] {
  const records: StoredRecord[] = [];
  const reader = openLogReader({ data });
  try {
    for (const batch of reader.batchesFrom(1)) {
      const { timeMs } = batch;
      forEachRecord(batch, (bytes, offset, size, lsn) => {
        records.push({ lsn, timeMs, record: bytes.slice(offset, offset + size) });
      });
    }
  } finally {
    reader.close();
  }
  return records;
}

function toRecord(view: RecordView, lsn: number, timeMs: number): LoggedRecord {
  const kind = KIND_NAMES.get(view.kind)!;
  const isAccount = kind === 'account' || kind === 'accountUpdate';
  const postings: LoggedPosting[] = [];
  for (let leg = 0; !isAccount && leg < view.n; leg++) {
    const amount = view.amounts[leg]!;
    postings.push({ account: view.account(leg), amount: view.isCredit(leg) ? -amount : amount });
  }
  const expiresAtMs = view.presence & Has.expiresAt ? view.expiresAt : undefined;
  const group = view.presence & Has.group ? view.group : '';
  return { lsn, kind, tenant: view.tenant, id: view.id, postings, timeMs, expiresAtMs, group };
}

/** Kinds whose postings move balances. */
const POSTED: readonly (keyof typeof RecordKind)[] = ['posted', 'post', 'reversal'];

/**
 * Adds the records up, one after the other.
 * @param check hears the net (debits less credits) of each account that a record touched
 * @returns nets by account at the end
 * @throws when a record's debits and credits differ
 */
export function addUp(
  records: readonly LoggedRecord[],
  check: (account: string, net: bigint, record: LoggedRecord) => void = () => undefined,
): Map<string, bigint> {
  const nets = new Map<string, bigint>();
  for (const record of records) {
    let sum = 0n;
    for (const { account, amount } of record.postings) {
      sum += amount;
      if (POSTED.includes(record.kind)) nets.set(account, (nets.get(account) ?? 0n) + amount);
    }
    if (sum !== 0n) throw new Error(`LSN ${record.lsn} is out of balance by ${sum}`);
    for (const { account } of record.postings) check(account, nets.get(account) ?? 0n, record);
  }
  return nets;
}
