import { Has, RECORD_HEADER_BYTES, RECORD_VERSION, RecordKind, RecordWriter } from '../engine/record.js';
import { BATCH_HEADER_BYTES } from '../wal/batch.js';
import { type LocalLog, openLog } from '../wal/log.js';
import { randomNumbers } from './load/accounts.js';

/** Writes logs of any size with the log's own code, without a ledger that decides each record. */

/** As at a good load: a commit of so much takes no longer to sync than a small one. */
const BATCH_BYTES = 1 << 17;
/** Larger than any record written here. */
const RECORD_ROOM = 16_384;
const ACCOUNT_TYPES = 5;

export interface LogSize {
  readonly accounts: number;
  /** Sales of two postings, on accounts at random. */
  readonly transactions: number;
}

/** Sixteen bytes, as the targets of memory have them. */
export function accountName(n: number): string {
  return `acct:${String(n).padStart(11, '0')}`;
}

/** Fills an empty data directory. */
export function fillLog(data: string, size: LogSize): void {
  const filler = new LogFiller(openLog({ data }));
  const { payload } = filler;
  const random = randomNumbers(1);
  const begin = (id: string) => {
    payload.start();
    for (const text of ['tenant', 'cashier-1', 'till-1', id]) payload.text(text);
  };
  for (let i = 0; i < size.accounts; i++) {
    begin(accountName(i));
    payload.text('EUR');
    filler.add(RecordKind.account, i % ACCOUNT_TYPES, Has.currency);
  }
  for (let i = 0; i < size.transactions; i++) {
    begin(`sale-${i}`);
    for (let leg = 0; leg < 2; leg++) {
      payload.u8(leg);
      payload.u64(1 + (i % 1000));
      payload.text(accountName(random(size.accounts)));
    }
    filler.add(RecordKind.posted, 2, 0);
  }
  filler.close();
}

/** Writes a record into a batch at `at`, its content hash zero. @returns where it ends */
export function putRecord(
  batch: Uint8Array,
  at: number,
  kind: number,
  n: number,
  presence: number,
  payload: RecordWriter,
): number {
  const size = RECORD_HEADER_BYTES + payload.at;
  const view = new DataView(batch.buffer, batch.byteOffset + at, size);
  view.setUint32(0, size, true);
  view.setUint8(4, kind);
  view.setUint8(5, RECORD_VERSION);
  view.setUint8(6, n);
  view.setUint16(8, presence, true);
  batch.set(payload.bytes.subarray(0, payload.at), at + RECORD_HEADER_BYTES);
  return at + size;
}

class LogFiller {
  readonly payload = new RecordWriter();
  private readonly batch = new Uint8Array(BATCH_BYTES + RECORD_ROOM);
  private end = BATCH_HEADER_BYTES;
  private count = 0;
  private timeMs = Date.now();

  constructor(private readonly log: LocalLog) {}

  /** Adds the record whose payload was composed in {@link payload}. */
  add(kind: number, n: number, presence: number): void {
    this.end = putRecord(this.batch, this.end, kind, n, presence, this.payload);
    this.count++;
    if (this.end >= BATCH_BYTES) this.flush();
  }

  close(): void {
    this.flush();
    this.log.close();
  }

  private flush(): void {
    if (this.count > 0) this.log.append(this.batch.subarray(0, this.end), this.count, this.timeMs++);
    this.end = BATCH_HEADER_BYTES;
    this.count = 0;
  }
}
