import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Batch, forEachRecord, hashBatch } from '../wal/batch.js';
import { DamagedLogError } from '../wal/errors.js';
import { SEGMENT_BYTES_MIN } from '../wal/limits.js';
import { checkedBatches, openLog, openLogReader } from '../wal/log.js';
import { listSegments, SegmentWriter } from '../wal/segment.js';
import type { LogReader } from '../wal/store.js';
import { append, composeBatch, dataFile, temporaryDirectory } from './support/wal.js';

const LOG = new URL('../wal/log.js', import.meta.url).href;
const SUPPORT = new URL('./support/wal.js', import.meta.url).href;
const TINY = { segmentBytes: 256 << 10 };

function readerOf(data: string): LogReader {
  const reader = openLogReader({ data });
  onTestFinished(() => reader.close());
  return reader;
}

function lsnsOf(batches: Iterable<Batch>): number[] {
  const lsns: number[] = [];
  for (const batch of batches) forEachRecord(batch, (_bytes, _offset, _size, lsn) => lsns.push(lsn));
  return lsns;
}

function upTo(lsn: number): number[] {
  return Array.from({ length: lsn }, (_, index) => index + 1);
}

describe('the log', () => {
  it('starts empty, with a ledger of its own', () => {
    const data = join(temporaryDirectory(), 'new');
    const log = openLog({ data, now: () => 1234 });
    expect(log.last).toEqual({ lsn: 0, timeMs: 0, hash: new Uint8Array(32) });
    expect(log.ledger.id).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    expect(log.ledger.key).toHaveLength(16);
    expect(log.ledger.createdMs).toBe(1234);
    expect(readerOf(data).batchAt(1)).toBeUndefined();
    expect([...checkedBatches(data, 1)]).toEqual([]);
    log.close();
    const again = openLog({ data });
    expect(again.ledger.id).toBe(log.ledger.id);
    expect(Buffer.compare(again.ledger.key, log.ledger.key)).toBe(0);
    expect(again.ledger.createdMs).toBe(1234);
    again.close();
  });

  it('gives back what was appended, before and after it is opened again', () => {
    const data = temporaryDirectory();
    const log = openLog({ data });
    const first = composeBatch([10, 20, 5000]);
    const second = composeBatch([70_000, 8]);
    log.append(first, 3, 500);
    const { hash } = log.last;
    log.append(second, 2, 500);
    expect(log.last).toMatchObject({ lsn: 5, timeMs: 500 });
    const check = () => {
      const reader = readerOf(data);
      for (const lsn of [1, 2, 3]) expect(Buffer.compare(reader.batchAt(lsn)!.bytes, first)).toBe(0);
      for (const lsn of [4, 5]) expect(Buffer.compare(reader.batchAt(lsn)!.bytes, second)).toBe(0);
      expect(reader.batchAt(6)).toBeUndefined();
      expect(Buffer.compare(reader.batchAt(4)!.prevHash, hash)).toBe(0);
      expect(() => reader.batchAt(0)).toThrow(RangeError);
    };
    check();
    log.close();
    check();
    const again = openLog({ data });
    expect(again.last).toEqual(log.last);
    append(again);
    expect(again.last.lsn).toBe(6);
    again.close();
    expect(readerOf(data).batchAt(6)?.count).toBe(1);
  });

  it('goes on in a segment of its own after each start, and makes none without an append', () => {
    const data = temporaryDirectory();
    for (let start = 0; start < 3; start++) {
      openLog({ data }).close();
      const log = openLog({ data });
      append(log, 2);
      append(log, 2);
      log.close();
    }
    expect(listSegments(data)).toEqual([1, 5, 9]);
    expect(lsnsOf(checkedBatches(data, 1))).toEqual(upTo(12));
  });

  it('rolls over many segments, none larger than it may be', () => {
    const data = temporaryDirectory();
    let log = openLog({ data, ...TINY });
    for (let round = 0; round < 6; round++) {
      for (let batch = 0; batch < 25; batch++) append(log, 1 + ((batch * 31) % 60), 150 + batch * 10);
      log.close();
      log = openLog({ data, ...TINY });
    }
    const segments = listSegments(data);
    expect(segments.length).toBeGreaterThan(5);
    expect(log.segments).toBe(segments.length);
    for (const first of segments) {
      expect(statSync(dataFile(data, first)).size).toBeLessThanOrEqual(TINY.segmentBytes);
    }
    expect(lsnsOf(checkedBatches(data, 1))).toEqual(upTo(log.last.lsn));
    expect(lsnsOf(readerOf(data).batchesFrom(1))).toEqual(upTo(log.last.lsn));
    log.close();
  });

  it('holds many small batches in one deep tree', () => {
    const data = temporaryDirectory();
    const log = openLog({ data });
    for (let batch = 0; batch < 1500; batch++) append(log, 1 + (batch % 3), 30 + (batch % 7) * 100);
    expect(log.segments).toBe(1);
    expect(lsnsOf(checkedBatches(data, 1))).toEqual(upTo(log.last.lsn));
    const reader = readerOf(data);
    for (let lsn = log.last.lsn; lsn > 0; lsn--) {
      const batch = reader.batchAt(lsn)!;
      expect(lsn >= batch.firstLsn && lsn < batch.firstLsn + batch.count).toBe(true);
    }
    log.close();
  });

  it('is checked from any LSN on, against a hash known from elsewhere', () => {
    const data = temporaryDirectory();
    const log = openLog({ data, ...TINY });
    const hashes = [log.last.hash];
    const firsts: number[] = [];
    for (let batch = 0; batch < 60; batch++) {
      firsts.push(log.last.lsn + 1);
      append(log, 3, 4000);
      hashes.push(log.last.hash);
    }
    firsts.forEach((first, index) => {
      const lsns = lsnsOf(checkedBatches(data, first + 1, hashes[index]));
      expect(lsns[0]).toBe(first);
      expect(lsns.at(-1)).toBe(log.last.lsn);
      const wrong = hashBatch(hashes[index]!);
      expect(() => lsnsOf(checkedBatches(data, first, wrong))).toThrow(DamagedLogError);
    });
    expect([...checkedBatches(data, log.last.lsn + 1, log.last.hash)]).toEqual([]);
    expect(() => [...checkedBatches(data, log.last.lsn + 1, hashes[0])]).toThrow(
      'not the one that was expected',
    );
    expect(() => [...checkedBatches(data, log.last.lsn + 2)]).toThrow('was once known');
    log.close();
  });

  it('refuses what could not be read again, and everything after it', () => {
    const data = temporaryDirectory();
    const attempts: [Uint8Array, number, number][] = [
      [new Uint8Array(72), 0, 1],
      [composeBatch([100]), 2, 1],
      [composeBatch([100]), 1, -1],
      [composeBatch([100]), 1, 1.5],
      [composeBatch([4 << 20]), 1, 1],
      [new Uint8Array(new SharedArrayBuffer(100)).fill(0, 72), 1, 1],
    ];
    for (const [batch, count, timeMs] of attempts) {
      const log = openLog({ data });
      expect(() => log.append(batch, count, timeMs)).toThrow();
      expect(() => append(log)).toThrow('nothing more is appended');
      log.close();
    }
    expect(() => openLog({ data, segmentBytes: 1000 })).toThrow(RangeError);
    expect(lsnsOf(checkedBatches(data, 1))).toEqual([]);
  });

  it('gives a batch that is larger than a segment one of its own', () => {
    const data = temporaryDirectory();
    const log = openLog({ data, segmentBytes: SEGMENT_BYTES_MIN });
    append(log);
    append(log, 1, SEGMENT_BYTES_MIN);
    append(log);
    log.close();
    expect(listSegments(data)).toEqual([1, 2, 3]);
    expect(lsnsOf(checkedBatches(data, 1))).toEqual([1, 2, 3]);
  });

  it('refuses before the disk is full', () => {
    const data = temporaryDirectory();
    let free = 100 << 20;
    const log = openLog({ data, freeBytes: () => free });
    append(log);
    free = 8 << 20;
    expect(() => append(log)).toThrow('no room for the log');
    free = 100 << 20;
    expect(() => append(log)).toThrow('nothing more is appended');
    log.close();
    expect(lsnsOf(checkedBatches(data, 1))).toEqual([1]);
  });

  it('refuses to be read where there is none', () => {
    expect(() => openLogReader({ data: temporaryDirectory() })).toThrow('there is no log');
  });
});

describe('a reader', () => {
  it('sees commits and segments as they come, whoever was there first', () => {
    const data = temporaryDirectory();
    openLog({ data }).close();
    const early = readerOf(data);
    const log = openLog({ data, ...TINY });
    const late = readerOf(data);
    for (let batch = 0; batch < 200; batch++) {
      append(log, 5, 500);
      for (const reader of [early, late]) {
        expect(reader.batchAt(log.last.lsn)?.firstLsn).toBe(log.last.lsn - 4);
        expect(reader.batchAt(log.last.lsn + 1)).toBeUndefined();
      }
    }
    expect(log.segments).toBeGreaterThan(2);
    expect(early.ledger.id).toBe(log.ledger.id);
    log.close();
    expect(lsnsOf(early.batchesFrom(1))).toEqual(upTo(log.last.lsn));
  });

  it('may iterate while it looks up others', () => {
    const data = temporaryDirectory();
    const log = openLog({ data, ...TINY });
    for (let batch = 0; batch < 100; batch++) append(log, 4, 300);
    const reader = readerOf(data);
    const [one, other] = [reader.batchesFrom(1), reader.batchesFrom(201)];
    for (let batch = 0; batch < 50; batch++) {
      expect(one.next().value?.firstLsn).toBe(1 + batch * 4);
      expect(other.next().value?.firstLsn).toBe(201 + batch * 4);
      expect(reader.batchAt(400 - batch)).toBeDefined();
    }
    log.close();
  });

  it('follows a writer that blocks its own thread', { timeout: 60_000 }, async () => {
    const data = temporaryDirectory();
    openLog({ data }).close();
    const shared = new Int32Array(new SharedArrayBuffer(8));
    const code = `
      const { workerData } = require('node:worker_threads');
      (async () => {
        const { openLog } = await import(${JSON.stringify(LOG)});
        const { composeBatch } = await import(${JSON.stringify(SUPPORT)});
        const { data, shared, options } = workerData;
        const log = openLog({ data, ...options });
        while (Atomics.load(shared, 1) === 0) {
          const count = 1 + (log.last.lsn * 7919) % 50;
          log.append(composeBatch(new Array(count).fill(60)), count, log.last.lsn);
          Atomics.store(shared, 0, log.last.lsn);
        }
        log.close();
      })();`;
    const reader = readerOf(data);
    const worker = new Worker(code, { eval: true, workerData: { data, shared, options: TINY } });
    const ended = once(worker, 'exit');
    let followed = 0;
    const deadline = Date.now() + 50_000;
    while (followed < 20_000 && Date.now() < deadline) {
      const durable = Atomics.load(shared, 0);
      for (const batch of reader.batchesFrom(followed + 1)) {
        expect(batch.firstLsn).toBe(followed + 1);
        followed = batch.firstLsn + batch.count - 1;
      }
      expect(followed).toBeGreaterThanOrEqual(durable);
      await setImmediate();
    }
    Atomics.store(shared, 1, 1);
    expect((await ended)[0]).toBe(0);
    expect(followed).toBeGreaterThanOrEqual(20_000);
    expect(listSegments(data).length).toBeGreaterThan(1);
    lsnsOf(checkedBatches(data, 1));
  });
});

describe('after a crash', () => {
  it('in the middle of appends nothing acknowledged is missing', { timeout: 120_000 }, async () => {
    const data = temporaryDirectory();
    const code = `
      const { writeSync } = await import('node:fs');
      const { openLog } = await import(${JSON.stringify(LOG)});
      const { append } = await import(${JSON.stringify(SUPPORT)});
      const log = openLog({ data: ${JSON.stringify(data)}, segmentBytes: ${TINY.segmentBytes} });
      for (;;) {
        append(log, 1 + (log.last.lsn % 40), 200);
        writeSync(1, log.last.lsn + '\\n');
      }`;
    let durable = 0;
    for (let round = 0; round < 20; round++) {
      const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const exited = once(child, 'exit');
      let acknowledged = durable;
      let lines = 0;
      for await (const line of createInterface({ input: child.stdout })) {
        acknowledged = Number(line);
        if (++lines === 1 + ((round * 37) % 60)) child.kill('SIGKILL');
      }
      await exited;
      const log = openLog({ data, ...TINY });
      expect(log.last.lsn).toBeGreaterThanOrEqual(acknowledged);
      expect(lsnsOf(checkedBatches(data, durable + 1)).at(-1)).toBe(log.last.lsn);
      append(log);
      durable = log.last.lsn;
      log.close();
    }
    expect(lsnsOf(checkedBatches(data, 1))).toEqual(upTo(durable));
    expect(listSegments(data).length).toBeGreaterThan(2);
  });

  it('while a segment is made the log goes on', () => {
    const data = temporaryDirectory();
    const log = openLog({ data });
    append(log, 3);
    log.close();
    for (const content of [undefined, '', 'half']) {
      const left = join(data, 'log', 'new-0000000000000004');
      mkdirSync(left);
      if (content !== undefined) writeFileSync(join(left, 'data.mdb'), content);
      const again = openLog({ data });
      expect(existsSync(left)).toBe(false);
      expect(again.last).toEqual(log.last);
      again.close();
    }
  });

  it('right after a segment was made it is used', () => {
    const data = temporaryDirectory();
    const log = openLog({ data });
    append(log, 3);
    log.close();
    SegmentWriter.create(data, { ledger: log.ledger, firstLsn: 4, previous: log.last }, 1 << 20).close();
    const again = openLog({ data });
    expect(again.last).toEqual(log.last);
    const reader = readerOf(data);
    expect(reader.batchAt(4)).toBeUndefined();
    expect([...checkedBatches(data, 4, log.last.hash)]).toEqual([]);
    append(again, 2);
    expect(again.segments).toBe(2);
    expect(reader.batchAt(4)?.count).toBe(2);
    again.close();
    expect(readdirSync(join(data, 'log'))).toEqual(['0000000000000001', '0000000000000004']);
    expect(lsnsOf(checkedBatches(data, 1))).toEqual(upTo(5));
  });

  it('because a write failed what was acknowledged is there', () => {
    const data = temporaryDirectory();
    const code = `
      const { writeSync } = await import('node:fs');
      const { openLog } = await import(${JSON.stringify(LOG)});
      const { append } = await import(${JSON.stringify(SUPPORT)});
      const log = openLog({ data: ${JSON.stringify(data)} });
      for (;;) {
        append(log, 10, 1000);
        writeSync(1, log.last.lsn + '\\n');
      }`;
    const script = 'trap "" XFSZ; ulimit -f 400; exec "$0" --input-type=module -e "$1"';
    const child = spawnSync('sh', ['-c', script, process.execPath, code], { encoding: 'utf8' });
    expect(child.status).not.toBe(0);
    expect(child.stderr).toContain('File too large');
    const acknowledged = Number(child.stdout.trim().split('\n').at(-1));
    expect(acknowledged).toBeGreaterThan(0);
    const log = openLog({ data });
    expect(log.last.lsn).toBe(acknowledged);
    append(log, 10, 1000);
    log.close();
    expect(lsnsOf(checkedBatches(data, 1))).toEqual(upTo(acknowledged + 10));
  });

  it('a copy of the directory is as good as the original', () => {
    const data = temporaryDirectory();
    const log = openLog({ data, ...TINY });
    for (let batch = 0; batch < 50; batch++) append(log, 10, 1000);
    log.close();
    const copy = join(temporaryDirectory(), 'copy');
    cpSync(data, copy, { recursive: true });
    for (const first of listSegments(copy)) rmSync(join(dirname(dataFile(copy, first)), 'lock.mdb'));
    const again = openLog({ data: copy, ...TINY });
    expect(again.last).toEqual(log.last);
    append(again);
    again.close();
    appendFileSync(dataFile(data, 1), Buffer.alloc(100));
    expect(lsnsOf(checkedBatches(data, 1))).toEqual(upTo(log.last.lsn));
  });
});
