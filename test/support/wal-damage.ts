import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { dataFile, findBatch } from './wal.js';

/** Bytes of a page of LMDB. */
export const PAGE = 4096;

/** Changes some bytes of a file. */
export function patch(path: string, at: number, change: (bytes: Buffer) => void, length = 8): void {
  const fd = openSync(path, 'r+');
  const bytes = Buffer.alloc(length);
  readSync(fd, bytes, 0, length, at);
  change(bytes);
  writeSync(fd, bytes, 0, length, at);
  closeSync(fd);
}

/** Flips a bit of a batch, in all copies of it. */
export function flipBatch(data: string, segment: number, lsn: number, offset: number): void {
  for (const at of findBatch(data, segment, lsn)) {
    patch(dataFile(data, segment), at + offset, (bytes) => bytes.writeUInt8(bytes[0]! ^ 2), 1);
  }
}

/** Changes a batch and puts its checksum right. */
export function reseal(data: string, segment: number, lsn: number, change: (batch: Buffer) => void): void {
  const path = dataFile(data, segment);
  for (const at of findBatch(data, segment, lsn)) {
    const length = readFileSync(path).readUInt32LE(at + 64);
    const put = (batch: Buffer) => {
      change(batch);
      batch.writeUInt32LE(0, 20);
      batch.writeUInt32LE(crc32(batch), 20);
    };
    patch(path, at, put, length);
  }
}

/** Changes the key of an entry, in all copies of its leaf. */
export function moveKey(path: string, from: number, to: number): void {
  const node = Buffer.from([8, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  node.writeBigUInt64BE(BigInt(from), 2);
  const bytes = readFileSync(path);
  for (let at = bytes.indexOf(node); at >= 0; at = bytes.indexOf(node, at + 1)) {
    patch(path, at + 2, (key) => key.writeBigUInt64BE(BigInt(to)));
  }
}

/** Puts the other meta page's field over this one's. */
export function copyField(path: string, page: number, at: number): void {
  const other = readFileSync(path).readBigUInt64LE((1 - page) * PAGE + at);
  patch(path, page * PAGE + at, (bytes) => bytes.writeBigUInt64LE(other));
}

/** Changes the first payload of a kind of block of a checkpoint's file and puts the checksums right. */
export function changeBlock(path: string, kind: number, change: (payload: Buffer) => void): void {
  const bytes = readFileSync(path);
  for (let at = 0; at < bytes.length; ) {
    const header = bytes.subarray(at, at + 32);
    const payload = bytes.subarray(at + 32, at + 32 + header.readUInt32LE(8));
    at += 32 + payload.length;
    if (header.readUInt16LE(4) !== kind) continue;
    change(payload);
    header.writeUInt32LE(crc32(payload), 24);
    header.writeUInt32LE(crc32(header.subarray(0, 28)), 28);
    break;
  }
  writeFileSync(path, bytes);
}

/** Removes the mark that says how far the log went, as a data directory of an older Kassa has none. */
export function removeMark(data: string): void {
  for (const name of readdirSync(data)) if (name.startsWith('durable-')) rmSync(join(data, name));
}
