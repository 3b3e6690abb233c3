import {
  closeSync,
  constants,
  existsSync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statfsSync,
  writeSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { RootDatabase } from 'lmdb';
import { DATA_FILE, type Disk, type EntryReader, type EntryWriter, type OpenFile } from './disk.js';
import { SEGMENT_MAP_BYTES } from './limits.js';
import { PageFile } from './pages.js';

const OPEN_FLAGS = {
  read: constants.O_RDONLY,
  write: constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC,
  edit: constants.O_RDWR | constants.O_CREAT,
} as const;

/**
 * So much of a segment is written with zeros ahead of the commits. A commit within what was written before changes nothing but bytes; one that
 * makes the file longer waits for the file system's journal besides. Commits of 8 KiB on ext4: 347 µs in the mean without it, 210 with it, and the
 * slowest of a thousand is no slower; with 4 MiB at a time that one takes 13 ms.
 */
const ZEROS = new Uint8Array(256 << 10);
/** The two meta pages of a new LMDB file. */
const PROBE_BYTES = 8192;

let lmdb: typeof import('lmdb') | undefined;

/**
 * Loads LMDB's native part, which only the writer needs. Not with this module, which every thread has: a start that is refused ends its
 * threads at once, and one that was just loading a native module took the whole process down with it (napi_throw in a thread that is
 * terminated), in place of the message that says what is damaged.
 */
export function loadLmdb(): typeof import('lmdb') {
  lmdb ??= createRequire(import.meta.url)('lmdb') as typeof import('lmdb');
  return lmdb;
}

class LocalFile implements OpenFile {
  constructor(private readonly fd: number) {}

  size(): number {
    return fstatSync(this.fd).size;
  }

  read(into: Uint8Array, at: number, length: number, position: number): number {
    return readSync(this.fd, into, at, length, position);
  }

  write(from: Uint8Array, at: number, length: number, position: number): number {
    return writeSync(this.fd, from, at, length, position);
  }

  truncate(bytes: number): void {
    ftruncateSync(this.fd, bytes);
  }

  sync(): void {
    fdatasyncSync(this.fd);
  }

  close(): void {
    closeSync(this.fd);
  }
}

/**
 * The entries of a segment as an LMDB environment.
 *
 * LMDB only ever sees files that it made itself in this process, so a log that is opened again goes on in a new
 * segment. LMDB believes all it finds in a file: in a trial with a segment that held only its header, single bits
 * flipped in its meta pages led to segmentation faults, and one in a list of free pages would let it overwrite a batch.
 */
class LmdbEntries implements EntryWriter {
  private readonly db: RootDatabase<Uint8Array, Uint8Array>;
  private readonly key = Buffer.alloc(8);
  private value: Uint8Array = this.key;
  private readonly fd: number;
  /** Zeros, or what LMDB wrote over them, reach up to here. */
  private filledBytes = 0;
  private readonly putValue = (): void => this.db.putSync(this.key, this.value);

  /**
   * @param path of an empty directory
   * @param isSynced whether each commit is; if not, the file has to be synced before anybody relies on it
   */
  constructor(path: string, isSynced: boolean) {
    this.db = loadLmdb().open<Uint8Array, Uint8Array>({
      path,
      noSubdir: false,
      overlappingSync: false,
      noSync: !isSynced,
      keyEncoding: 'binary',
      encoding: 'binary',
      // Not in the package's types: keeps it from queueing anything for a later turn of the event loop.
      ...{ eventTurnBatching: false },
      mapSize: SEGMENT_MAP_BYTES,
    });
    this.fd = openSync(join(path, DATA_FILE), 'r+');
  }

  /** LMDB adds pages at the end of those in use or takes free ones among them, so nothing behind them is of use to it yet. */
  reserve(usedBytes: number, bytes: number, bytesMax: number): void {
    if (usedBytes === 0 || usedBytes + bytes <= this.filledBytes || bytes > ZEROS.length) return;
    const from = Math.max(usedBytes, this.filledBytes);
    const length = Math.min(ZEROS.length, bytesMax - from);
    if (length <= 0) return;
    writeSync(this.fd, ZEROS, 0, length, from);
    this.filledBytes = from + length;
  }

  put(key: number, value: Uint8Array): void {
    this.key.writeUInt32BE(Math.floor(key / 2 ** 32), 0);
    this.key.writeUInt32BE(key % 2 ** 32, 4);
    this.value = value;
    this.db.transactionSync(this.putValue);
  }

  /** Closes at once: with synchronous transactions only, nothing is ever outstanding. */
  close(): void {
    closeSync(this.fd);
    void this.db.close();
  }
}

class LocalDisk implements Disk {
  open(path: string, mode: 'read' | 'write' | 'edit'): OpenFile {
    return new LocalFile(openSync(path, OPEN_FLAGS[mode], 0o644));
  }

  list(path: string): string[] {
    try {
      return readdirSync(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  }

  exists(path: string): boolean {
    return existsSync(path);
  }

  makeDirectory(path: string): boolean {
    return mkdirSync(path, { recursive: true }) !== undefined;
  }

  rename(from: string, to: string): void {
    renameSync(from, to);
  }

  remove(path: string): void {
    rmSync(path, { recursive: true, force: true });
  }

  syncDirectory(path: string): void {
    this.syncFile(path);
  }

  syncFile(path: string): void {
    const fd = openSync(path, 'r');
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  }

  freeBytes(path: string): number {
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize;
  }

  createEntries(directory: string): EntryWriter {
    probe(directory);
    return new LmdbEntries(directory, true);
  }

  openEntries(directory: string): EntryReader {
    return new PageFile(directory);
  }
}

/**
 * Writes and syncs as much as LMDB does first. When that fails within LMDB (3.5.6, the first write of a new file) the whole process ends with a
 * segmentation fault, and nobody hears why.
 */
function probe(directory: string): void {
  const path = join(directory, 'probe');
  const fd = openSync(path, 'wx');
  try {
    writeSync(fd, Buffer.alloc(PROBE_BYTES));
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  rmSync(path);
}

/** The disk of the operating system. */
export const LOCAL_DISK: Disk = new LocalDisk();

/** Starts the entries of a segment in an empty directory; its commits are not synced. */
export function createUnsyncedEntries(directory: string): EntryWriter {
  return new LmdbEntries(directory, false);
}
