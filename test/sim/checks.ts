import { State } from '../../engine/state.js';
import { type Batch, forEachRecord, recordSize } from '../../wal/batch.js';
import { readRuns } from '../../wal/checkpoint-files.js';
import { loadCheckpoint } from '../../wal/checkpoint-load.js';
import { checkedBatches, openLogReader } from '../../wal/log.js';
import { recover, replayLog } from '../../wal/recover.js';
import { differences, stateHash } from '../../wal/state-compare.js';
import { Audit } from '../../wal/verify-audit.js';
import type { Dice } from '../support/dice.js';
import type { LogRecord } from './auditor.js';
import type { MemoryDisk } from './disk.js';
import { DATA, type Life } from './life.js';

/**
 * What must be true of a ledger that has just started, or has come to rest: what its shards know is what the log says, by whatever way one
 * comes to know it, and nothing that was durable is missing.
 * @param durable the highest LSN that was ever durable
 * @returns the records of the log
 */
export function checkRecovered(life: Life, disk: MemoryDisk, durable: number, dice: Dice): LogRecord[] {
  const { key, id } = life.log.ledger;
  const { lsn } = life.log.last;
  if (lsn < durable) throw new Error(`the log ends at LSN ${lsn}, but LSN ${durable} was durable`);
  const records: LogRecord[] = [];
  const problems: string[] = [];
  const audit = new Audit(key, (at, problem) => problems.push(`LSN ${at}: ${problem}`));
  const runs = readRuns(DATA, id, disk);
  const end = runs.at(-1)?.end;
  for (const batch of checkedBatches(DATA, 1, undefined, disk)) {
    audit.add(batch);
    addRecords(records, batch);
    if (end === undefined || batch.firstLsn + batch.count - 1 !== end.lsn) continue;
    const found = new State(0, 1, key);
    loadCheckpoint(found, DATA, runs, disk);
    problems.push(...differences(audit.state, found, 3).map((problem) => `the checkpoint: ${problem}`));
  }
  if (records.length !== lsn)
    problems.push(`the log holds ${records.length} records, and ends at LSN ${lsn}`);
  if (end !== undefined && end.lsn > lsn)
    problems.push(`the checkpoint is of LSN ${end.lsn}, and the log ends at ${lsn}`);
  const reader = openLogReader({ data: DATA, disk });
  audit.conclude(lsn, reader);
  reader.close();
  if (problems[0] !== undefined) throw new Error(`verify finds: ${problems.slice(0, 3).join('; ')}`);

  const expected = stateHash(audit.state);
  const live = stateHash(...life.shards.map(({ state }) => state));
  if (live !== expected)
    throw new Error(`the shards know something else than the log says: ${differencesOf(life, disk)}`);
  const shards = 1 + dice.below(4);
  const again = Array.from(
    { length: shards },
    (_, shard) => recover(() => new State(shard, shards, key), DATA, lsn, undefined, disk).state,
  );
  if (stateHash(...again) !== expected)
    throw new Error(`${shards} shards would recover to something else than the log says`);
  return records;
}

function differencesOf({ shards, log }: Life, disk: MemoryDisk): string {
  const reader = openLogReader({ data: DATA, disk });
  const found = shards.flatMap(({ state }) => {
    const expected = new State(state.shard, state.shards, log.ledger.key);
    replayLog(expected, reader, DATA, 0, log.last.lsn, undefined, disk);
    return differences(expected, state, 2).map((problem) => `shard ${state.shard}: ${problem}`);
  });
  reader.close();
  return found.join('; ');
}

function addRecords(records: LogRecord[], batch: Batch): void {
  forEachRecord(batch, (bytes, offset, _size, lsn) => {
    records.push({
      lsn,
      timeMs: batch.timeMs,
      record: bytes.slice(offset, offset + recordSize(bytes, offset)),
    });
  });
}
