import { createHash } from 'node:crypto';
import { closeSync, fdatasyncSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';

const CHUNK_BYTES = 4 << 20;
/** Written between two syncs, so that no great heap of dirty pages stands in front of the log's own syncs. */
const SYNC_BYTES = 16 << 20;

/** Copies a file, or its first `length` bytes, and syncs the copy. @returns SHA-256 of what was read, hexadecimal, and its length */
export function copyFile(
  from: string,
  to: string,
  onBytes: (bytes: number) => void,
  length = Number.POSITIVE_INFINITY,
): { readonly sha256: string; readonly bytes: number } {
  const out = openSync(to, 'wx');
  try {
    let unsynced = 0;
    const read = readChunks(from, length, (chunk) => {
      for (let at = 0; at < chunk.length; ) at += writeSync(out, chunk, at);
      unsynced += chunk.length;
      if (unsynced >= SYNC_BYTES) {
        fdatasyncSync(out);
        unsynced = 0;
      }
      onBytes(chunk.length);
    });
    fsyncSync(out);
    return read;
  } finally {
    closeSync(out);
  }
}

/** SHA-256 of a file, hexadecimal, and its length. */
export function hashFile(path: string): { readonly sha256: string; readonly bytes: number } {
  return readChunks(path, Number.POSITIVE_INFINITY, () => {});
}

function readChunks(
  path: string,
  length: number,
  each: (chunk: Uint8Array) => void,
): { readonly sha256: string; readonly bytes: number } {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  const fd = openSync(path, 'r');
  try {
    let bytes = 0;
    for (let read = readSync(fd, buffer); read > 0 && bytes < length; read = readSync(fd, buffer)) {
      const chunk = buffer.subarray(0, Math.min(read, length - bytes));
      hash.update(chunk);
      each(chunk);
      bytes += chunk.length;
    }
    return { sha256: hash.digest('hex'), bytes };
  } finally {
    closeSync(fd);
  }
}
