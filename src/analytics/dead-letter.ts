import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { RecordView } from '../../engine/record.js';
import { recordOffset } from '../../wal/batch.js';
import type { LogReader } from '../../wal/store.js';
import { isoTime } from '../ledger/bodies.js';
import { Callers } from '../transfer/line-command.js';
import { LineWriter } from '../transfer/record-form.js';
import type { Skip } from './batch-maker.js';

/** Why records were put aside: the first line of their file. */
export interface Refusal extends Skip {
  readonly table: string;
  readonly reason: string;
}

/**
 * Writes records that ClickHouse refuses for their content to `<data>/analytics/dead-letters/<first LSN>-<last LSN>.ndjson`: a line with the
 * reason, then each record as `kassa export` has it. A file of the same records is written anew.
 * @returns its path
 */
export function writeDeadLetter(data: string, reader: LogReader, refusal: Refusal): string {
  const directory = join(data, 'analytics', 'dead-letters');
  mkdirSync(directory, { recursive: true });
  const { firstLsn, lastLsn, table, reason } = refusal;
  const head = {
    refused_by: table,
    reason,
    first_lsn: firstLsn,
    last_lsn: lastLsn,
    ledger: reader.ledger.id,
  };
  const lines = [JSON.stringify(head)];
  const writer = new LineWriter(new Callers(reader.ledger.key));
  const view = new RecordView();
  for (let lsn = firstLsn; lsn <= lastLsn; lsn++) {
    const batch = reader.batchAt(lsn)!;
    const { bytes, timeMs } = batch;
    const texts = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
    view.over(bytes).read(recordOffset(batch, lsn));
    lines.push(writer.line(view, texts, lsn, timeMs, isoTime(timeMs)));
  }
  const path = join(directory, `${firstLsn}-${lastLsn}.ndjson`);
  const unfinished = `${path}.part`;
  const fd = openSync(unfinished, 'w', 0o600);
  try {
    writeSync(fd, `${lines.join('\n')}\n`);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(unfinished, path);
  return path;
}
