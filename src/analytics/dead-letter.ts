import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { RecordView } from '../../engine/record.js';
import { recordOffset } from '../../wal/batch.js';
import type { LogReader } from '../../wal/store.js';
import { isoTime } from '../ledger/bodies.js';
import { Callers } from '../transfer/line-command.js';
import { LineWriter } from '../transfer/record-form.js';

/** Why a record was put aside: the first line of its file. */
export interface Refusal {
  readonly lsn: number;
  readonly table: string;
  readonly reason: string;
}

/**
 * Writes a record that ClickHouse refuses for its content to `<data>/analytics/dead-letters/<first LSN>-<last LSN>.ndjson`: a line with the
 * reason, then the record as `kassa export` has it. A file of the same record is written anew.
 * @returns its path
 */
export function writeDeadLetter(data: string, reader: LogReader, refusal: Refusal): string {
  const directory = join(data, 'analytics', 'dead-letters');
  mkdirSync(directory, { recursive: true });
  const { lsn, table, reason } = refusal;
  const head = {
    refused_by: table,
    reason,
    first_lsn: lsn,
    last_lsn: lsn,
    ledger: reader.ledger.id,
  };
  const batch = reader.batchAt(lsn)!;
  const { bytes, timeMs } = batch;
  const texts = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
  const view = new RecordView().over(bytes).read(recordOffset(batch, lsn));
  const line = new LineWriter(new Callers(reader.ledger.key)).line(view, texts, lsn, timeMs, isoTime(timeMs));
  const path = join(directory, `${lsn}-${lsn}.ndjson`);
  const unfinished = `${path}.part`;
  const fd = openSync(unfinished, 'w', 0o600);
  try {
    writeSync(fd, `${JSON.stringify(head)}\n${line}\n`);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(unfinished, path);
  return path;
}
