import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { BATCH_HEADER_BYTES } from '../wal/batch.js';
import type { Disk } from '../wal/disk.js';
import { LOCAL_DISK } from '../wal/local-disk.js';
import { checkedBatches, openLog } from '../wal/log.js';
import { MemoryDisk } from './sim/disk.js';
import { Platter } from './sim/platter.js';
import { Dice } from './support/dice.js';

/** The disk that the simulator runs over loses no more, and no less, than a real one may. */

const SEEDS = 200;

/** What is there after the power failed, over many seeds: `look` of the disk that `prepare` was done on. */
function afterPowerLoss(
  prepare: (disk: MemoryDisk) => void,
  look: (disk: MemoryDisk) => string,
): Set<string> {
  const seen = new Set<string>();
  for (let seed = 1; seed <= SEEDS; seed++) {
    const dice = new Dice(seed);
    const platter = new Platter();
    const disk = new MemoryDisk(platter, dice, () => undefined);
    prepare(disk);
    platter.abandon(dice);
    platter.lose(dice);
    seen.add(look(new MemoryDisk(platter, dice, () => undefined)));
  }
  return seen;
}

function write(disk: Disk, path: string, text: string, at = 0): void {
  const file = disk.open(path, 'edit');
  file.write(Buffer.from(text), 0, text.length, at);
  file.close();
}

function text(disk: Disk, path: string): string {
  if (!disk.exists(path)) return 'nothing';
  const file = disk.open(path, 'read');
  const bytes = Buffer.alloc(file.size());
  file.read(bytes, 0, bytes.length, 0);
  return bytes.toString('latin1').replaceAll('\0', '_');
}

describe('after the power failed', () => {
  test('a synced write is there, and one that was not is kept, lost or torn', () => {
    const seen = afterPowerLoss(
      (disk) => {
        write(disk, '/a', 'old');
        disk.syncFile('/a');
        disk.syncDirectory('/');
        write(disk, '/a', 'NEW');
        write(disk, '/a', '+', 3);
      },
      (disk) => text(disk, '/a'),
    );
    expect([...seen].sort()).toEqual(['NEW', 'NEW+', 'NEd', 'NEd+', 'Nld', 'Nld+', 'old', 'old+']);
  });

  test('a name that its directory was not synced for may be gone, and a rename is done or not', () => {
    const seen = afterPowerLoss(
      (disk) => {
        write(disk, '/new', 'x');
        disk.syncFile('/new');
        disk.syncDirectory('/');
        disk.rename('/new', '/run');
      },
      (disk) => disk.list('/').sort().join(),
    );
    expect([...seen].sort()).toEqual(['new', 'run']);
    const unsynced = afterPowerLoss(
      (disk) => write(disk, '/new', 'x'),
      (disk) => disk.list('/').join(),
    );
    expect([...unsynced].sort()).toEqual(['', 'new']);
  });

  test('a synced directory has its names, and those of the directories that they came from', () => {
    const seen = afterPowerLoss(
      (disk) => {
        disk.makeDirectory('/d');
        disk.syncDirectory('/');
        write(disk, '/a', 'x');
        disk.syncFile('/a');
        disk.rename('/a', '/d/b');
        disk.syncDirectory('/d');
      },
      (disk) => `${disk.list('/').join()} ${text(disk, '/d/b')}`,
    );
    expect([...seen]).toEqual(['d x']);
  });

  test('a commit that returned is there, and one that failed is there whole or not at all', () => {
    const seen = afterPowerLoss(
      (disk) => {
        disk.makeDirectory('/s');
        const entries = disk.createEntries('/s');
        entries.put(0, Buffer.from('header'));
        disk.syncDirectory('/');
        disk.syncDirectory('/s');
        disk.faults.commitsLeft = 1;
        entries.put(1, Buffer.from('one'));
        expect(() => entries.put(2, Buffer.from('two'))).toThrow('the commit failed');
      },
      (disk) => {
        const reader = disk.openEntries('/s');
        reader.seek(Number.MAX_SAFE_INTEGER);
        return Array.from({ length: reader.leafSize }, (_, i) =>
          Buffer.from(reader.leafValue(i)).toString(),
        ).join();
      },
    );
    expect([...seen].sort()).toEqual(['header,one', 'header,one,two']);
  });
});

test('the log is the same over memory as over files', () => {
  const path = mkdtempSync(join(tmpdir(), 'kassa-sim-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  const memory = new MemoryDisk(new Platter(), new Dice(1), () => undefined);
  const written = [
    { data: path, disk: LOCAL_DISK },
    { data: '/data', disk: memory },
  ].map(({ data, disk }) => {
    const identity = { id: '00000000-0000-4000-8000-000000000001', key: new Uint8Array(16) };
    for (let opening = 0; opening < 3; opening++) {
      const log = openLog({ data, disk, now: () => 5, makeIdentity: () => identity });
      for (let batch = 1; batch <= 4; batch++) log.append(records(batch), batch, 1000 * opening + batch);
      log.close();
    }
    return Array.from(checkedBatches(data, 1, undefined, disk), (batch) =>
      Buffer.from(batch.bytes).toString('hex'),
    );
  });
  expect(written[1]).toEqual(written[0]);
  expect(written[1]).toHaveLength(12);
});

/** A batch with so many records of no meaning. */
function records(count: number): Uint8Array {
  const size = 8;
  const batch = Buffer.alloc(BATCH_HEADER_BYTES + count * size);
  for (let i = 0; i < count; i++) batch.writeUInt32LE(size, BATCH_HEADER_BYTES + i * size);
  return batch;
}
