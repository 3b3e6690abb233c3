import { createHash } from 'node:crypto';
import { RecordView } from '../../engine/record.js';
import { type Batch, forEachRecord } from '../../wal/batch.js';
import { durableEnd } from '../../wal/durable-end.js';
import { checkedBatches } from '../../wal/log.js';
import { isoTime } from '../ledger/bodies.js';
import { EXPORT_FORMAT, type Foot, type Head } from './format.js';
import { Callers } from './line-command.js';
import { LineWriter } from './record-form.js';

/** Text gathered before it is hashed and written. */
const CHUNK_CHARACTERS = 1 << 18;

export interface ExportOptions {
  readonly data: string;
  /** The first LSN; default 1. At most one beyond the log's end. */
  readonly fromLsn?: number;
  /** The last LSN; default the log's end when the export begins. */
  readonly toLsn?: number;
  /** Takes the next bytes. */
  readonly write: (bytes: Uint8Array) => void | Promise<void>;
  /** Called now and then, in records. */
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
}

export interface ExportReport {
  readonly ledger: string;
  readonly fromLsn: number;
  readonly toLsn: number;
  readonly records: number;
  /** Of the lines before the last. */
  readonly sha256: string;
}

/**
 * Writes the records of a log as lines, beside a server or without one; see docs/export-format.md. Every batch is checked as it is read.
 * Memory does not grow with the log.
 * @throws {RangeError} for LSNs that are not there; {DamagedLogError}; {NewerFormatError}
 */
export async function exportLog(options: ExportOptions): Promise<ExportReport> {
  const { data, write } = options;
  const { ledger, end } = durableEnd(data);
  const toLsn = options.toLsn ?? end.lsn;
  const fromLsn = options.fromLsn ?? 1;
  if (toLsn > end.lsn)
    throw new RangeError(`the log in ${data} ends at LSN ${end.lsn}: there is no LSN ${toLsn}`);
  if (fromLsn > toLsn + 1)
    throw new RangeError(`LSN ${fromLsn} comes after LSN ${toLsn}, where the export is to end`);
  const hash = createHash('sha256');
  const put = async (text: string): Promise<void> => {
    const bytes = Buffer.from(text);
    hash.update(bytes);
    await write(bytes);
  };
  const head: Head = {
    kassa_export: EXPORT_FORMAT,
    ledger: {
      id: ledger.id,
      key: Buffer.from(ledger.key).toString('hex'),
      created_at: isoTime(ledger.createdMs),
    },
    from_lsn: fromLsn,
    to_lsn: toLsn,
  };
  let text = `${JSON.stringify(head)}\n`;
  const records = toLsn - fromLsn + 1;
  if (records > 0) {
    const lines = new BatchLines(ledger.key, fromLsn, toLsn);
    for (const batch of checkedBatches(data, fromLsn)) {
      text += lines.of(batch);
      const lsn = batch.firstLsn + batch.count - 1;
      if (text.length >= CHUNK_CHARACTERS) {
        await put(text);
        text = '';
        options.onProgress?.({ done: lsn - fromLsn + 1, total: records });
      }
      if (lsn >= toLsn) break;
    }
  }
  await put(text);
  const sha256 = hash.digest('hex');
  const foot: Foot = { kassa_export_end: EXPORT_FORMAT, records, sha256 };
  await write(Buffer.from(`${JSON.stringify(foot)}\n`));
  return { ledger: ledger.id, fromLsn, toLsn, records, sha256 };
}

class BatchLines {
  private readonly writer: LineWriter;
  private readonly view = new RecordView();

  constructor(
    ledgerKey: Uint8Array,
    private readonly fromLsn: number,
    private readonly toLsn: number,
  ) {
    this.writer = new LineWriter(new Callers(ledgerKey));
  }

  of(batch: Batch): string {
    const { view, writer } = this;
    view.over(batch.bytes);
    const texts = Buffer.from(batch.bytes.buffer, batch.bytes.byteOffset, batch.bytes.length).toString(
      'latin1',
    );
    const committedAt = isoTime(batch.timeMs);
    let lines = '';
    forEachRecord(batch, (_bytes, offset, _size, lsn) => {
      if (lsn < this.fromLsn || lsn > this.toLsn) return;
      lines += `${writer.line(view.read(offset), texts, lsn, batch.timeMs, committedAt)}\n`;
    });
    return lines;
  }
}
