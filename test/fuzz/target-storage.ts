import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { NewerRecordError, RecordError, RecordView } from '../../engine/record.js';
import { State } from '../../engine/state.js';
import { BATCH_HEADER_BYTES, BatchError, forEachRecord, hashBatch, parseBatch } from '../../wal/batch.js';
import { CheckpointFault } from '../../wal/checkpoint-block.js';
import { idsPath, type Run, readRuns } from '../../wal/checkpoint-files.js';
import { loadCheckpoint } from '../../wal/checkpoint-load.js';
import { mergeRuns } from '../../wal/checkpoint-merge.js';
import { DamagedLogError, NewerFormatError } from '../../wal/errors.js';
import { LOCAL_DISK } from '../../wal/local-disk.js';
import { openLogReader } from '../../wal/log.js';
import { decodeSegmentHeader, encodeSegmentHeader, listSegments } from '../../wal/segment.js';
import { SegmentFile } from '../../wal/segment-file.js';
import type { Dice } from '../support/dice.js';
import { mutate } from './mutate.js';
import { skewed } from './odds.js';
import { accepted, claim, type Target } from './target.js';

/**
 * What is read from the disk, with wrong content under right checksums too: those guard against a disk, not against a fault of our own that
 * wrote it. No decoder may crash, hang or allocate by what a length says.
 * @param data a sound data directory, only read. @param scratch an empty directory of this thread's own
 */
export function storageTargets(data: string, scratch: string): readonly Target[] {
  const batches = readBatches(data);
  const reader = openLogReader({ data });
  reader.close();
  return [
    batchTarget(batches),
    recordTarget(batches, reader.ledger.key),
    headerTarget(data, reader.ledger),
    segmentTarget(data, scratch),
    runTarget(data, scratch, reader.ledger.id, reader.ledger.key),
    idsTarget(data, scratch, reader.ledger.id, reader.ledger.key),
  ];
}

function readBatches(data: string): readonly Buffer[] {
  const reader = openLogReader({ data });
  try {
    return Array.from(reader.batchesFrom(1), (batch) => Buffer.from(batch.bytes));
  } finally {
    reader.close();
  }
}

function batchTarget(batches: readonly Buffer[]): Target {
  return {
    name: 'batches',
    make(dice) {
      const bytes = mutate(dice, dice.pick(batches), dice.pick(batches));
      if (bytes.length >= BATCH_HEADER_BYTES && dice.chance(70)) sealAnew(bytes);
      return bytes;
    },
    run(input) {
      const parsed = accepted(() => parseBatch(input), BatchError, NewerFormatError);
      if (parsed === undefined) return;
      let end = BATCH_HEADER_BYTES;
      let count = 0;
      forEachRecord(parsed.value, (_bytes, offset, size) => {
        claim(offset === end && size >= 4, 'records do not follow each other');
        end += size;
        count++;
      });
      claim(end === input.length && count === parsed.value.count, 'records do not fill the batch');
      hashBatch(input);
    },
  };
}

/** Length and checksum as they would be if this had been written so. */
function sealAnew(bytes: Buffer): void {
  bytes.writeUInt32LE(bytes.length, 64);
  bytes.writeUInt32LE(0, 20);
  bytes.writeUInt32LE(crc32(bytes), 20);
}

function recordTarget(batches: readonly Buffer[], key: Uint8Array): Target {
  const records: Buffer[] = [];
  for (const bytes of batches) {
    forEachRecord(parseBatch(bytes), (_, offset, size) =>
      records.push(bytes.subarray(offset, offset + size)),
    );
  }
  const view = new RecordView();
  let state = new State(0, 1, key);
  let replayed = 0;
  return {
    name: 'records',
    make(dice) {
      const bytes = mutate(dice, dice.pick(records), dice.pick(records));
      if (bytes.length >= 4 && dice.chance(80)) bytes.writeUInt32LE(bytes.length, 0);
      return bytes;
    },
    run(input) {
      // A view over nothing else: what lies beyond the record must not be looked at.
      const bytes = Uint8Array.from(input);
      const size = input.length < 4 ? 0 : Buffer.from(input).readUInt32LE(0);
      // Sizes are the batch's business, which was judged before.
      if (size > input.length) return;
      view.over(bytes);
      const read = accepted(() => view.read(0), RecordError, NewerRecordError, RangeError);
      if (read === undefined) return;
      claim(view.end === size, `a record of ${size} bytes is read up to ${view.end}`);
      if (++replayed % 500 === 0) state = new State(0, 1, key);
      accepted(() => state.replay(view, replayed), Error);
    },
  };
}

function headerTarget(data: string, ledger: { id: string; key: Uint8Array; createdMs: number }): Target {
  const previous = { lsn: 6, timeMs: 5, hash: new Uint8Array(32).fill(9) };
  const sound = encodeSegmentHeader({ ledger, firstLsn: 7, previous });
  return {
    name: 'segment headers',
    make(dice) {
      const bytes = mutate(dice, sound, sound);
      if (bytes.length < 20 || dice.chance(30)) return bytes;
      bytes.writeUInt32LE(0, 16);
      bytes.writeUInt32LE(crc32(bytes), 16);
      return bytes;
    },
    run(input) {
      accepted(
        () => decodeSegmentHeader(input, join(data, 'log', '0000000000000007'), 7),
        DamagedLogError,
        NewerFormatError,
      );
    },
  };
}

/** The pages of a whole segment: opened, its end found, every batch read. */
function segmentTarget(data: string, scratch: string): Target {
  const first = listSegments(data)[0]!;
  const name = String(first).padStart(16, '0');
  const sound = readFileSync(join(data, 'log', name, 'data.mdb'));
  mkdirSync(join(scratch, 'log', name), { recursive: true });
  const path = join(scratch, 'log', name, 'data.mdb');
  return {
    name: 'LMDB pages',
    make: (dice) => harmPages(dice, sound),
    run(input) {
      writeFileSync(path, input);
      const open = accepted(() => new SegmentFile(scratch, first), DamagedLogError, NewerFormatError);
      if (open === undefined) return;
      const segment = open.value;
      let read = 0;
      accepted(
        () => {
          for (let batch = segment.batchAt(first); batch !== undefined; read++)
            batch = segment.batchAt(batch.firstLsn + batch.count);
        },
        DamagedLogError,
        NewerFormatError,
      );
      segment.close();
      claim(read <= sound.length / 100, 'more batches than fit into the file');
    },
  };
}

const PAGE = 4096;
/** Offsets within a page where something of a page's or a meta page's header stands. */
const FIELDS = [0, 8, 16, 18, 20, 22, 24, 28, 32, 48, 102, 128, 136, 144, 152];

function harmPages(dice: Dice, sound: Buffer): Buffer {
  const bytes = Buffer.from(sound);
  const pages = bytes.length / PAGE;
  for (let n = 1 + skewed(dice, 6); n > 0; n--) {
    const page = dice.chance(40) ? dice.below(2) : dice.below(pages);
    const at = page * PAGE + (dice.chance(60) ? dice.pick(FIELDS) : dice.below(dice.chance(70) ? 256 : PAGE));
    const other = dice.below(pages) * PAGE;
    const kind = dice.below(8);
    if (kind < 3) bytes[at]! ^= 1 << dice.below(8);
    else if (kind < 5)
      bytes.writeUInt16LE(
        dice.pick([0, 1, 2, 8, 24, 64, 4072, 4095, 65_535]),
        Math.min(at, bytes.length - 2),
      );
    else if (kind < 6) bytes.writeUInt16LE(dice.below(pages), Math.min(at, bytes.length - 2));
    else if (kind < 7) bytes.copyWithin(page * PAGE, other, other + PAGE);
    else return bytes.subarray(0, dice.below(bytes.length + 1));
  }
  return bytes;
}

/** A run of the checkpoint with wrong entries under right checksums: loaded whole and in slices, and merged. */
function runTarget(data: string, scratch: string, ledger: string, key: Uint8Array): Target {
  const copy = join(scratch, 'run');
  const runs = copyCheckpoint(data, copy, ledger);
  const path = runs[0]!.path;
  const sound = readFileSync(path);
  return {
    name: 'checkpoint runs',
    make: (dice) => harmBlocks(dice, sound),
    run(input) {
      writeFileSync(path, input);
      loadAll(
        copy,
        runs.map((run) => (run.path === path ? { ...run, bytes: input.length } : run)),
        key,
      );
      const read = accepted(() => readRuns(copy, ledger), CheckpointFault);
      if (read === undefined) return;
      const merged = accepted(
        () => mergeRuns(copy, ledger, read.value, LOCAL_DISK, () => false),
        CheckpointFault,
        RangeError,
        Error,
      );
      if (merged !== undefined) writeFileSync(path, sound);
    },
  };
}

function idsTarget(data: string, scratch: string, ledger: string, key: Uint8Array): Target {
  const copy = join(scratch, 'ids');
  const runs = copyCheckpoint(data, copy, ledger);
  const path = idsPath(copy);
  const sound = readFileSync(path);
  return {
    name: 'checkpoint ids',
    make: (dice) => harmBlocks(dice, sound),
    run(input) {
      writeFileSync(path, input);
      loadAll(
        copy,
        runs.map((run) => ({ ...run, idsBytes: Math.min(run.idsBytes, input.length) })),
        key,
      );
    },
  };
}

function copyCheckpoint(data: string, copy: string, ledger: string): readonly Run[] {
  mkdirSync(join(copy, 'checkpoint'), { recursive: true });
  for (const name of readdirSync(join(data, 'checkpoint'))) {
    writeFileSync(join(copy, 'checkpoint', name), readFileSync(join(data, 'checkpoint', name)));
  }
  return readRuns(copy, ledger);
}

/** Into one shard that owns all, and into one of three that passes over the rest. */
function loadAll(data: string, runs: readonly Run[], key: Uint8Array): void {
  for (const [shard, shards] of [
    [0, 1],
    [1, 3],
  ] as const) {
    accepted(() => loadCheckpoint(new State(shard, shards, key), data, runs), CheckpointFault);
  }
}

const BLOCK_HEADER = 32;

/** Changes within blocks, whose checksums are put right afterwards, as far as there are blocks. */
function harmBlocks(dice: Dice, sound: Buffer): Buffer {
  const bytes = dice.chance(30) ? mutate(dice, sound, sound) : Buffer.from(sound);
  if (dice.chance(20)) return bytes;
  for (let at = 0; at + BLOCK_HEADER <= bytes.length; ) {
    const header = bytes.subarray(at, at + BLOCK_HEADER);
    if (header.readUInt32LE(0) !== 0x424b434b) break;
    const payload = bytes.subarray(at + BLOCK_HEADER, at + BLOCK_HEADER + header.readUInt32LE(8));
    if (dice.chance(50)) harmPayload(dice, payload, header);
    header.writeUInt32LE(crc32(payload), 24);
    header.writeUInt32LE(crc32(header.subarray(0, 28)), 28);
    at += BLOCK_HEADER + payload.length;
  }
  return bytes;
}

function harmPayload(dice: Dice, payload: Buffer, header: Buffer): void {
  if (payload.length < 8) return;
  for (let n = 1 + skewed(dice, 4); n > 0; n--) {
    const at = dice.below(payload.length - 4);
    // An entry begins with its size, so the first bytes of a block are one.
    if (dice.chance(30))
      payload.writeUInt16LE(dice.pick([0, 1, 2, 8, 15, 16, 65_535]), dice.chance(50) ? 0 : at);
    else if (dice.chance(50)) payload[at]! ^= 1 << dice.below(8);
    else payload.writeUInt32LE(dice.pick([0, 1, 2 ** 31, 2 ** 32 - 1]), at);
  }
  if (dice.chance(20)) header.writeUInt32LE(dice.pick([0, 1, 2 ** 31]), 12);
  if (dice.chance(10)) header.writeUInt16LE(dice.below(8), 4);
}
