import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { openLedger } from '../src/ledger.js';
import { backup } from '../wal/backup.js';
import { BackupError, MANIFEST, readManifest } from '../wal/backup-manifest.js';
import { openLogReader } from '../wal/log.js';
import { positionAfter } from '../wal/log-chain.js';
import { restore } from '../wal/restore.js';
import { listSegments } from '../wal/segment.js';
import { NotForUseError } from '../wal/unfinished.js';
import { verify } from '../wal/verify.js';
import { replayedHash } from './support/recovery.js';
import { copyOf, trade } from './support/traded.js';
import { dataFile, temporaryDirectory } from './support/wal.js';
import { flipBatch, patch } from './support/wal-damage.js';

/** A ledger after two days and one after four, of which the first is the beginning; both closed. */
let early: string;
let late: string;
let earlyLsn: number;
let lateLsn: number;

beforeAll(async () => {
  early = mkdtempSync(join(tmpdir(), 'kassa-early-'));
  earlyLsn = await trade(early, [0]);
  earlyLsn = await trade(early, [1]);
  late = mkdtempSync(join(tmpdir(), 'kassa-late-'));
  cpSync(early, late, { recursive: true });
  await trade(late, [2]);
  lateLsn = await trade(late, [3]);
  return () => {
    rmSync(early, { recursive: true });
    rmSync(late, { recursive: true });
  };
});

/** A directory that is not there yet. */
function newPlace(): string {
  return join(temporaryDirectory(), 'place');
}

function backedUp(data: string): string {
  const to = newPlace();
  backup({ data, to });
  return to;
}

describe('a backup', () => {
  it('is the log up to its end, and verifies as a data directory does', async () => {
    const to = newPlace();
    const report = backup({ data: late, to });
    expect(report).toMatchObject({ lsn: lateLsn, fromLsn: 0, segments: listSegments(late).length });
    expect(listSegments(to)).toEqual(listSegments(late));
    expect(await verify({ data: to })).toMatchObject({ ok: true, lsn: lateLsn });
    expect(replayedHash(to)).toBe(replayedHash(late));
  });

  it('copies only what is new when it is made again', () => {
    const to = backedUp(early);
    const before = listSegments(to).map((first) => statSync(dataFile(to, first)).ino);
    const report = backup({ data: late, to });
    expect(report).toMatchObject({ fromLsn: earlyLsn, lsn: lateLsn });
    expect(report.segmentsWritten).toBe(listSegments(late).length - before.length);
    expect(
      listSegments(to)
        .slice(0, before.length)
        .map((first) => statSync(dataFile(to, first)).ino),
    ).toEqual(before);
    const again = backup({ data: late, to });
    expect(again).toMatchObject({ fromLsn: lateLsn, lsn: lateLsn, segmentsWritten: 0, bytesWritten: 0 });
  });

  it('grows while the ledger is open and its newest segment is written to', async () => {
    const data = temporaryDirectory();
    const to = newPlace();
    const ledger = await openLedger({ data });
    try {
      const session = ledger.as({ tenant: 'shop', by: 'ann' });
      for (const id of ['a', 'b']) await session.createAccount({ id, currency: 'EUR', type: 'equity' });
      for (let i = 0; i < 5; i++) {
        await session.transaction({ id: `x${i}`, debit: 'a', credit: 'b', amount: 1 });
        expect(backup({ data, to })).toMatchObject({ lsn: 3 + i, segments: 1 });
      }
    } finally {
      await ledger.close();
    }
    expect(await verify({ data: to })).toMatchObject({ ok: true, lsn: 7 });
  });

  it('of a ledger without a record can be restored', async () => {
    const data = temporaryDirectory();
    const ledger = await openLedger({ data });
    await ledger.close();
    const to = backedUp(data);
    const restored = newPlace();
    expect(await restore({ from: to, data: restored })).toMatchObject({ lsn: 0, ledger: ledger.id });
    const again = await openLedger({ data: restored });
    expect(again.id).toBe(ledger.id);
    await again.close();
  });

  it('that was interrupted at any step is the one before or a later one, and is finished by the next', async () => {
    const steps = listSegments(late).length;
    const later = backedUp(late);
    for (let step = 0; step < steps; step++) {
      const to = backedUp(early);
      const manifest = readFileSync(join(to, MANIFEST));
      // The state after so many segments were moved into place, with the manifest that was there before.
      for (const first of listSegments(late).slice(0, step + 1)) {
        mkdirSync(join(dataFile(to, first), '..'), { recursive: true });
        copyFileSync(dataFile(later, first), dataFile(to, first));
      }
      writeFileSync(join(to, MANIFEST), manifest);
      mkdirSync(join(to, 'incoming', 'log', 'half'), { recursive: true });
      expect((await verify({ data: to })).findings).toEqual([]);
      const restored = newPlace();
      expect(await restore({ from: to, data: restored })).toMatchObject({ lsn: earlyLsn });
      expect(replayedHash(restored)).toBe(replayedHash(late, earlyLsn));
      expect(backup({ data: late, to })).toMatchObject({ lsn: lateLsn });
      expect(await verify({ data: to })).toMatchObject({ ok: true, lsn: lateLsn });
      expect(readdirSync(to).sort()).toEqual([MANIFEST, 'lock', 'log']);
    }
  });

  it('whose last segment was replaced by a longer one counts up to its manifest', async () => {
    const data = temporaryDirectory();
    const ledger = await openLedger({ data });
    const to = newPlace();
    const session = ledger.as({ tenant: 'shop', by: 'ann' });
    await session.createAccount({ id: 'a', currency: 'EUR', type: 'equity' });
    backup({ data, to });
    const manifest = readFileSync(join(to, MANIFEST));
    await session.createAccount({ id: 'b', currency: 'EUR', type: 'equity' });
    await ledger.close();
    backup({ data, to });
    writeFileSync(join(to, MANIFEST), manifest);
    expect((await verify({ data: to })).findings).toEqual([]);
    expect(await restore({ from: to, data: newPlace() })).toMatchObject({ lsn: 1, leftOut: undefined });
    expect(backup({ data, to })).toMatchObject({ lsn: 2, fromLsn: 1 });
  });
});

describe('a backup is refused', () => {
  it.each([
    ['where another ledger was backed up', () => backedUpOther(), /backup of another ledger/],
    ['where something else is', () => withFile(), /not empty and not a backup \(it holds notes.txt\)/],
    ['into a data directory', () => copyOf(early), /not empty and not a backup/],
    ['within its source', () => join(early, 'backup'), /lie within each other/],
    ['where it is ahead of the source', () => backedUp(late), /ahead of .*, which ends at LSN/],
  ])('%s', async (_what, place, message) => {
    const to = await place();
    const before = existsSync(to)
      ? readdirSync(to)
          .filter((name) => name !== 'lock')
          .sort()
      : [];
    expect(() => backup({ data: early, to })).toThrow(message);
    expect(
      readdirSync(to)
        .filter((name) => name !== 'lock')
        .sort(),
    ).toEqual(before);
    rmSync(join(early, 'backup'), { recursive: true, force: true });
  });

  it('where it has another history of the same ledger', async () => {
    const to = backedUp(late);
    const other = newPlace();
    await restore({ from: to, data: other, toLsn: earlyLsn - 3 });
    await trade(other, [2, 3, 4]);
    expect(() => backup({ data: other, to })).toThrow(/another history/);
    expect(await verify({ data: to })).toMatchObject({ ok: true, lsn: lateLsn });
  });

  it('of a damaged log, with segment and LSN, and keeps what it had', async () => {
    const data = copyOf(late);
    const to = backedUp(early);
    const damagedSegment = listSegments(data)[2]!;
    const harmed = damagedSegment + 5;
    flipBatch(data, damagedSegment, harmed, 90);
    expect(() => backup({ data, to })).toThrow(
      new RegExp(
        `segment ${String(damagedSegment).padStart(16, '0')} at LSN ${harmed}: .*kassa verify --data ${data}`,
      ),
    );
    expect(await verify({ data: to })).toMatchObject({ ok: true, lsn: earlyLsn });
    expect(backup({ data: late, to })).toMatchObject({ lsn: lateLsn });
  });
});

async function backedUpOther(): Promise<string> {
  const data = temporaryDirectory();
  await (await openLedger({ data })).close();
  return backedUp(data);
}

function withFile(): string {
  const path = temporaryDirectory();
  writeFileSync(join(path, 'notes.txt'), 'mine');
  return path;
}

describe('verify of a backup', () => {
  it('finds any changed byte of the manifest', async () => {
    const to = backedUp(early);
    const path = join(to, MANIFEST);
    const sound = readFileSync(path);
    for (let at = 0; at < sound.length; at += 7) {
      // Blanks between the fields say nothing.
      if (/\s/.test(String.fromCharCode(sound[at]!))) continue;
      const harmed = Buffer.from(sound);
      harmed[at] = sound[at]! ^ 1;
      writeFileSync(path, harmed);
      const problem = await verify({ data: to }).then(
        ({ findings }) => findings[0]?.where,
        (error: Error) => error.name,
      );
      expect(problem, `byte ${at}`).toBe('backup');
    }
  });

  it('finds a changed byte anywhere in a segment, and a missing segment', async () => {
    const to = backedUp(late);
    const [first, second] = listSegments(to) as [number, number];
    const size = statSync(dataFile(to, first)).size;
    for (let i = 0; i < 8; i++) {
      const flip = () =>
        patch(dataFile(to, first), Math.floor((size * i) / 8) + 3000, (b) => b.writeUInt8(b[0]! ^ 4), 1);
      flip();
      const { findings } = await verify({ data: to });
      expect(findings).toContainEqual({
        where: 'backup',
        problem: `the file of segment ${first} is not the one that was written`,
      });
      flip();
    }
    rmSync(join(dataFile(to, second), '..'), { recursive: true });
    expect((await verify({ data: to })).findings).toContainEqual({
      where: 'backup',
      problem: `segment ${second} is missing`,
    });
  });
});

describe('a restore', () => {
  it('to any LSN equals a replay to it, and a server starts on it', async () => {
    const from = backedUp(late);
    const reader = openLogReader({ data: late });
    const manyInOne = [...reader.batchesFrom(1)].filter(({ count }) => count > 1);
    reader.close();
    expect(manyInOne.length).toBeGreaterThan(0);
    const inside = manyInOne.map(({ firstLsn }) => firstLsn);
    const segments = listSegments(late);
    const cuts = new Set([1, 2, ...inside, ...segments, ...segments.map((first) => first - 1), lateLsn]);
    cuts.delete(0);
    for (const toLsn of cuts) {
      const data = newPlace();
      const report = await restore({ from, data, toLsn });
      expect(report.lsn).toBe(toLsn);
      expect(report.leftOut?.records ?? 0).toBe(lateLsn - toLsn);
      expect(replayedHash(data), `LSN ${toLsn}`).toBe(replayedHash(late, toLsn));
      expect(readdirSync(data).sort()).toEqual(['lock', 'log']);
    }
    const data = newPlace();
    await restore({ from, data, toLsn: inside[0]! });
    const ledger = await openLedger({ data, shards: 3 });
    expect(ledger.stats().durableLsn).toBe(inside[0]);
    await ledger.close();
    await trade(data, [1]);
    expect(await verify({ data })).toMatchObject({ ok: true });
  });

  it('to a time equals a replay to the last record committed by then', async () => {
    const from = backedUp(late);
    const reader = openLogReader({ data: late });
    const batches = [...reader.batchesFrom(1)];
    reader.close();
    const times = [...new Set(batches.map(({ timeMs }) => timeMs))];
    for (let i = 0; i < times.length; i += Math.ceil(times.length / 10)) {
      const timeMs = times[i]!;
      const lsn = positionAfter(batches.findLast((batch) => batch.timeMs <= timeMs)!).lsn;
      const data = newPlace();
      expect(await restore({ from, data, toTimeMs: timeMs })).toMatchObject({ lsn, timeMs });
      expect(replayedHash(data)).toBe(replayedHash(late, lsn));
    }
    const data = newPlace();
    const before = times[times.length >> 1]! - 0.5;
    const { leftOut } = await restore({ from, data, toTimeMs: before });
    expect(leftOut).toMatchObject({ firstMs: times[times.length >> 1], lastMs: times.at(-1) });
  });

  it('is refused where it would not be what was asked for', async () => {
    const from = backedUp(early);
    const { takenMs } = readManifest(from);
    const refusals: readonly (readonly [object, RegExp])[] = [
      [{ toLsn: earlyLsn + 1 }, /ends at LSN \d+: there is no LSN/],
      [{ toTimeMs: takenMs + 1000 }, /cannot tell what was committed up to/],
      [{ toTimeMs: 1000 }, /was committed at or before 1970/],
      [{ from: late }, /is not a backup/],
      [{ data: withFile() }, /is not empty \(it holds notes.txt\)/],
      [{ data: early }, /is not empty/],
    ];
    for (const [options, message] of refusals) {
      const data = newPlace();
      await expect(restore({ from, data, ...options })).rejects.toThrow(message);
      expect(existsSync(join(data, 'log'))).toBe(false);
    }
  });

  it('of a damaged backup leaves nothing that a server would start on', async () => {
    const from = backedUp(late);
    const second = listSegments(from)[1]!;
    const data = newPlace();
    flipBatch(from, second, second, 90);
    await expect(restore({ from, data })).rejects.toThrow(BackupError);
    await expect(restore({ from, data, toLsn: second })).rejects.toThrow(/checksum of a batch/);
    expect(existsSync(join(data, 'log'))).toBe(false);
    await expect(openLedger({ data })).rejects.toThrow(NotForUseError);
    // What lies before the damage can still be had.
    expect(await restore({ from, data, toLsn: second - 1 })).toMatchObject({ lsn: second - 1 });
    await (await openLedger({ data })).close();
  });

  it('is what a backup is for: nobody serves the backup itself', async () => {
    const to = backedUp(early);
    await expect(openLedger({ data: to })).rejects.toThrow(/is a backup; .*kassa restore --from/);
    expect(existsSync(join(to, 'checkpoint'))).toBe(false);
  });
});
