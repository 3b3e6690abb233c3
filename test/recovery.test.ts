import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { RecordKind } from '../engine/record.js';
import { type Ledger, openLedger } from '../src/ledger.js';
import { Checkpointer } from '../wal/checkpoint.js';
import { checkpointDirectory, idsPath, readRuns } from '../wal/checkpoint-files.js';
import { openLogReader } from '../wal/log.js';
import { listSegments } from '../wal/segment.js';
import { move } from './support/ledger.js';
import { RecordLog } from './support/record-log.js';
import {
  answersAfter,
  logEnd,
  recoveredHash,
  replayedHash,
  tradeDay,
  untilCheckpointed,
} from './support/recovery.js';
import { dataFile, temporaryDirectory } from './support/wal.js';
import { patch, removeMark, reseal } from './support/wal-damage.js';

const NEVER = Number.MAX_SAFE_INTEGER;
const DAYS = 3;

async function open(data: string, shards: number, checkpointRecords: number): Promise<Ledger> {
  const ledger = await openLedger({ data, shards, checkpointRecords });
  onTestFinished(() => ledger.close());
  return ledger;
}

/** A directory whose checkpoint stands in the middle of its log, in two runs; the answers of its ledger. */
let template: string;
let answers: string;
let half: number;

beforeAll(async () => {
  template = mkdtempSync(join(tmpdir(), 'kassa-'));
  let ledger = await openLedger({ data: template, shards: 2, checkpointRecords: 1 });
  await tradeDay(ledger, 0);
  await tradeDay(ledger, 1);
  await untilCheckpointed(ledger);
  await move(ledger.as({ tenant: 'riga', by: 'ann' }), 'one-more', 'cash', 'sales', 1);
  half = await untilCheckpointed(ledger);
  expect(readRuns(template, ledger.id).length).toBeGreaterThan(1);
  await ledger.close();
  ledger = await openLedger({ data: template, shards: 1, checkpointRecords: NEVER });
  await tradeDay(ledger, 2);
  answers = await answersAfter(ledger, DAYS);
  await ledger.close();
});

afterAll(() => rmSync(template, { recursive: true, force: true }));

/** A copy of the template that a test may harm. */
function copy(): string {
  const data = join(temporaryDirectory(), 'data');
  cpSync(template, data, { recursive: true });
  return data;
}

function flip(path: string, at: number, bit: number): void {
  patch(path, at, (bytes) => bytes.writeUInt8(bytes[0]! ^ (1 << bit)), 1);
}

function shorten(path: string, bytes: number): void {
  truncateSync(path, statSync(path).size - bytes);
}

function checkpointFiles(data: string): string[] {
  return readdirSync(checkpointDirectory(data)).map((name) => join(checkpointDirectory(data), name));
}

describe('a start', () => {
  it('goes from the checkpoint and the rest of the log, whatever the number of shards', async () => {
    const data = copy();
    expect(recoveredHash(data, 3)).toEqual({ hash: replayedHash(data), checkpointLsn: half, faults: [] });
    const ledger = await open(data, 4, NEVER);
    expect(ledger.stats().checkpointLsn).toBe(half);
    expect(await answersAfter(ledger, DAYS)).toBe(answers);
  });

  it('does not need the checkpoint: one that is gone is made anew', async () => {
    const data = copy();
    rmSync(checkpointDirectory(data), { recursive: true });
    const ledger = await open(data, 2, 1);
    expect(await answersAfter(ledger, DAYS)).toBe(answers);
    await untilCheckpointed(ledger);
    await ledger.close();
    expect(recoveredHash(data, 1)).toEqual({
      hash: replayedHash(data),
      checkpointLsn: logEnd(data).lsn,
      faults: [],
    });
  });

  it('finds every flipped bit of a checkpoint and does without it', () => {
    const data = copy();
    const expected = replayedHash(data);
    for (const path of checkpointFiles(data)) {
      const { size } = statSync(path);
      for (let i = 0; i < 40; i++) {
        const at = Math.floor((size * i) / 40);
        flip(path, at, i % 8);
        const { hash, checkpointLsn, faults } = recoveredHash(data, 1);
        expect({ path, at, hash, faults: faults.length }).toEqual({ path, at, hash: expected, faults: 1 });
        expect(checkpointLsn).toBe(0);
        flip(path, at, i % 8);
      }
    }
    expect(recoveredHash(data, 1)).toEqual({ hash: expected, checkpointLsn: half, faults: [] });
  });

  it('replaces a damaged checkpoint while the ledger runs, even if only some shards saw the damage', async () => {
    const data = copy();
    const run = checkpointFiles(data).find((path) => path.includes('/0000000000000000-'))!;
    flip(run, 700, 3);
    const { faults } = recoveredHash(data, 8);
    expect(faults.length).toBeGreaterThan(0);
    const ledger = await open(data, 8, 1);
    expect(await answersAfter(ledger, DAYS)).toBe(answers);
    await untilCheckpointed(ledger);
    await ledger.close();
    expect(recoveredHash(data, 2)).toMatchObject({ hash: replayedHash(data), faults: [] });
  });

  it('does without a checkpoint that misses a file or part of one, or is of another ledger', async () => {
    const stranger = temporaryDirectory();
    const other = await open(stranger, 1, 1);
    await tradeDay(other, 0);
    await untilCheckpointed(other);
    await other.close();
    const harms: ((data: string) => void)[] = [
      (data) => rmSync(idsPath(data)),
      (data) => rmSync(checkpointFiles(data).find((path) => path.includes('/0000000000000000-'))!),
      (data) => shorten(checkpointFiles(data).find((path) => path.endsWith('.run'))!, 1),
      (data) => shorten(idsPath(data), 32),
      (data) => {
        rmSync(checkpointDirectory(data), { recursive: true });
        cpSync(checkpointDirectory(stranger), checkpointDirectory(data), { recursive: true });
      },
    ];
    for (const harm of harms) {
      const data = copy();
      harm(data);
      expect(recoveredHash(data, 1)).toEqual({
        hash: replayedHash(data),
        checkpointLsn: 0,
        faults: [expect.any(String)],
      });
      const { key, ledger, lsn } = logEnd(data);
      const checkpointer = new Checkpointer(data, { id: ledger, key, createdMs: 0 }, true);
      checkpointer.advance(lsn, () => false);
      expect(recoveredHash(data, 2)).toEqual({ hash: replayedHash(data), checkpointLsn: lsn, faults: [] });
    }
  });

  it('replaces a checkpoint whose damage is only found when its runs are merged', () => {
    const data = copy();
    const { key, ledger, lsn } = logEnd(data);
    const checkpointer = new Checkpointer(data, { id: ledger, key, createdMs: 0 }, true);
    checkpointer.advance(20, () => false);
    const [path] = readRuns(data, ledger).map((run) => run.path);
    flip(path!, statSync(path!).size - 60, 1);
    // The second run is larger than the first, so both are merged: that fails, and the next round begins from the log's first record.
    expect(checkpointer.advance(lsn, () => false)).toBe(true);
    expect(checkpointer.position.lsn).toBe(0);
    expect(checkpointer.advance(lsn, () => false)).toBe(false);
    expect(recoveredHash(data, 2)).toEqual({ hash: replayedHash(data), checkpointLsn: lsn, faults: [] });
  });

  it('needs nothing of a round that could not be written', () => {
    const data = copy();
    const { key, ledger, lsn } = logEnd(data);
    const checkpointer = new Checkpointer(data, { id: ledger, key, createdMs: 0 }, true);
    mkdirSync(idsPath(data));
    expect(() => checkpointer.advance(lsn, () => false)).toThrow('EISDIR');
    expect(recoveredHash(data, 2)).toEqual({ hash: replayedHash(data), checkpointLsn: 0, faults: [] });
    rmdirSync(idsPath(data));
    checkpointer.advance(lsn, () => false);
    expect(recoveredHash(data, 2)).toEqual({ hash: replayedHash(data), checkpointLsn: lsn, faults: [] });
  });

  it('refuses a log that ends before its checkpoint', async () => {
    const data = copy();
    const { key, ledger, lsn } = logEnd(data);
    new Checkpointer(data, { id: ledger, key, createdMs: 0 }, false).advance(lsn, () => false);
    // The newest segment is lost.
    const newest = listSegments(data).at(-1)!;
    rmSync(join(data, 'log', String(newest).padStart(16, '0')), { recursive: true });
    removeMark(data);
    await expect(openLedger({ data, shards: 2 })).rejects.toThrow(
      new RegExp(
        `damaged in segment .* at LSN ${newest}: the log ends at LSN ${newest - 1}, but there is a checkpoint of LSN ${lsn}`,
      ),
    );
  });

  it('refuses a log that goes on otherwise than the checkpoint knows, or does not hang together above it', async () => {
    const data = copy();
    const reader = openLogReader({ data });
    const before = reader.batchAt(half)!.firstLsn;
    const [next, after] = [half + 1, reader.batchAt(half + 1)!.count + half + 1];
    reader.close();
    const segmentOf = (lsn: number) => listSegments(data).findLast((first) => first <= lsn)!;
    for (const lsn of [before, next, after]) {
      const file = dataFile(data, segmentOf(lsn));
      const kept = readFileSync(file);
      // Another time of the commit, with the right checksum: only the hash that the next batch carries can tell.
      reseal(data, segmentOf(lsn), lsn, (batch) => batch.writeUInt8(batch[30]! ^ 1, 30));
      await expect(openLedger({ data, shards: 2 })).rejects.toThrow(
        /the log is damaged in segment \d{16} at LSN \d+/,
      );
      writeFileSync(file, kept);
    }
    const ledger = await open(data, 2, NEVER);
    expect(ledger.stats().checkpointLsn).toBe(half);
  });

  it('checks the chain of the whole log when it has to do without the checkpoint', async () => {
    const data = copy();
    const [first] = listSegments(data);
    // Another time, with its checksum put right: only the next batch's hash tells.
    reseal(data, first!, 1, (batch) => batch.writeUInt8(batch[24]! ^ 1, 24));
    const [run] = readRuns(data, logEnd(data).ledger);
    flip(run!.path, run!.bytes >> 1, 1);
    await expect(openLedger({ data, shards: 2 })).rejects.toThrow(
      'the batch does not carry the hash of the batch before it',
    );
  });

  it('refuses records that cannot be what was written, by segment and LSN', async () => {
    const harms: ((log: RecordLog) => void)[] = [
      (log) => log.raw(Buffer.from([8, 0, 0, 0, 1, 1, 2, 0])),
      (log) => log.transaction('x', 'cash', 'nowhere', 5),
      (log) => log.end(RecordKind.void, 'unknown', 1, 'cash', 'house', 0, 5),
    ];
    for (const harm of harms) {
      const data = logThatEndsWith(harm);
      await expect(openLedger({ data, shards: 1 })).rejects.toThrow(
        /the log is damaged in segment 0000000000000001 at LSN 4: .*kassa verify/,
      );
    }
  });

  it('says of a record that only a newer Kassa knows that it is that, and not damage', async () => {
    const data = logThatEndsWith((log) =>
      log.raw(Buffer.from([18, 0, 0, 0, 77, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])),
    );
    await expect(openLedger({ data, shards: 1 })).rejects.toThrow(
      'written by a newer Kassa: a record of kind 77, version 1, at LSN 4',
    );
  });

  it('does not begin a new ledger where only the log is gone', async () => {
    const data = copy();
    rmSync(join(data, 'log'), { recursive: true });
    removeMark(data);
    await expect(openLedger({ data, shards: 1 })).rejects.toThrow(
      `the log is gone, but there is a checkpoint of LSN ${half}`,
    );
    expect(readdirSync(checkpointDirectory(data)).length).toBeGreaterThan(1);
  });
});

/** A directory with a small sound log and what `harm` appends to it. */
function logThatEndsWith(harm: (log: RecordLog) => void): string {
  const data = temporaryDirectory();
  const log = new RecordLog(data);
  log.account('cash');
  log.account('house');
  log.transaction('sale', 'cash', 'house', 5);
  log.flush();
  harm(log);
  log.close();
  return data;
}
