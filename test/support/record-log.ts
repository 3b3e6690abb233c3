import {
  Has,
  Leg,
  RECORD_HEADER_BYTES,
  RECORD_VERSION,
  RecordKind,
  RecordWriter,
} from '../../engine/record.js';
import { BATCH_HEADER_BYTES } from '../../wal/batch.js';
import { type LocalLog, openLog } from '../../wal/log.js';

export interface LegInput {
  readonly account: string;
  /** Negative: credit. */
  readonly amount: number;
  readonly released?: number;
  /** Of the original, in a reversal. */
  readonly leg?: number;
}

/** Writes a log of records that no ledger has judged, right or wrong; one tenant. */
export class RecordLog {
  private readonly log: LocalLog;
  private readonly payload = new RecordWriter();
  private records: Buffer[] = [];
  /** The LSN of the last record. */
  lsn = 0;

  constructor(data: string) {
    this.log = openLog({ data });
    this.lsn = this.log.last.lsn;
  }

  /** A record as these bytes. */
  raw(record: Buffer): number {
    this.records.push(record);
    return ++this.lsn;
  }

  private start(id: string): RecordWriter {
    const { payload } = this;
    payload.start();
    for (const text of ['shop', 'ann', 'till', id]) payload.text(text);
    return payload;
  }

  private add(kind: number, n: number, presence: number): number {
    const { payload } = this;
    const record = Buffer.alloc(RECORD_HEADER_BYTES + payload.at);
    record.writeUInt32LE(record.length, 0);
    record.writeUInt8(kind, 4);
    record.writeUInt8(RECORD_VERSION, 5);
    record.writeUInt8(n, 6);
    record.writeUInt16LE(presence, 8);
    record.set(payload.bytes.subarray(0, payload.at), RECORD_HEADER_BYTES);
    return this.raw(record);
  }

  /** An asset in EUR, or in another currency. */
  account(id: string, options: { currency?: string; min?: number; max?: number } = {}): number {
    const payload = this.start(id);
    payload.text(options.currency ?? 'EUR');
    if (options.min !== undefined) payload.i64(BigInt(options.min));
    if (options.max !== undefined) payload.i64(BigInt(options.max));
    const limits = (options.min === undefined ? 0 : Has.min) | (options.max === undefined ? 0 : Has.max);
    return this.add(RecordKind.account, 0, Has.currency | limits);
  }

  /** An update that freezes (1) or closes (2). */
  flags(id: string, flags: number): number {
    this.start(id).u8(flags);
    return this.add(RecordKind.accountUpdate, 0, Has.flags);
  }

  transaction(
    id: string,
    debit: string,
    credit: string,
    amount: number,
    kind: number = RecordKind.posted,
  ): number {
    return this.postings(kind, id, [
      { account: debit, amount },
      { account: credit, amount: -amount },
    ]);
  }

  /** @param fields puts what the presence bits announce */
  postings(
    kind: number,
    id: string,
    legs: readonly LegInput[],
    presence = 0,
    fields: (payload: RecordWriter) => void = () => {},
  ): number {
    const payload = this.start(id);
    fields(payload);
    for (const { account, amount, released, leg } of legs) {
      payload.u8(
        (amount < 0 || Object.is(amount, -0) ? Leg.credit : 0) |
          (leg === undefined ? 0 : Leg.leg) |
          (released === undefined ? 0 : Leg.released),
      );
      payload.i64(BigInt(Math.abs(amount)));
      payload.text(account);
      if (leg !== undefined) payload.u8(leg);
      if (released !== undefined) payload.i64(BigInt(released));
    }
    return this.add(kind, legs.length, presence);
  }

  /** An end of a hold of two postings. */
  end(
    kind: number,
    id: string,
    createdLsn: number,
    debit: string,
    credit: string,
    captured: number,
    released: number,
  ): number {
    const legs = [
      { account: debit, amount: captured, released },
      { account: credit, amount: -captured, released },
    ];
    return this.postings(kind, id, legs, Has.created, (payload) => payload.f64(createdLsn));
  }

  /** A reversal of a transaction of two postings. */
  reversal(
    id: string,
    original: string,
    originalLsn: number,
    debit: string,
    credit: string,
    amount: number,
  ): number {
    const legs = [
      { account: credit, amount, leg: 1 },
      { account: debit, amount: -amount, leg: 0 },
    ];
    return this.postings(RecordKind.reversal, id, legs, Has.original, (payload) => {
      payload.text(original);
      payload.f64(originalLsn);
    });
  }

  /** Ends the batch. */
  flush(timeMs = this.lsn): void {
    if (this.records.length === 0) return;
    const batch = Buffer.concat([Buffer.alloc(BATCH_HEADER_BYTES), ...this.records]);
    this.log.append(batch, this.records.length, Math.max(timeMs, this.log.last.timeMs));
    this.records = [];
  }

  close(): void {
    this.flush();
    this.log.close();
  }
}
