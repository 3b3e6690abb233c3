import { join } from 'node:path';
import {
  DATA_FILE,
  type Disk,
  type EntryCommit,
  type EntryReader,
  type EntryWriter,
  type OpenFile,
} from '../../wal/disk.js';
import { PageFault } from '../../wal/pages.js';
import type { Dice } from '../support/dice.js';
import { LOOKED, type Looked } from './plan.js';
import { Bytes, Directory, Entries, type Platter } from './platter.js';

/** What a segment's bookkeeping seems to take for each commit, so that a few dozen commits fill the smallest segment. */
const COMMIT_PAGES = 8;
const PAGE_BYTES = 512;

/** The process is gone: thrown wherever it would go on. */
export class Crash extends Error {}

/** A fault that the disk reports. */
export class DiskFault extends Error {}

/** What an error goes back to. */
export function rootOf(error: unknown): Error {
  const { cause } = error as Error;
  return cause instanceof Error ? rootOf(cause) : (error as Error);
}

/** What a disk does wrong on demand. */
export interface DiskFaults {
  /** Commits until one fails; undefined for none. */
  commitsLeft: number | undefined;
  /** Bytes that may still be written to files until there is no space. */
  fileBytesLeft: number;
  freeBytes: number;
}

/** One process's view of a platter: it ends with the process. */
export class MemoryDisk implements Disk {
  readonly faults: DiskFaults = {
    commitsLeft: undefined,
    fileBytesLeft: Number.MAX_SAFE_INTEGER,
    freeBytes: Number.MAX_SAFE_INTEGER,
  };
  private isDead = false;

  /** @param look called before and after whatever others may see; the process may die in it */
  constructor(
    readonly platter: Platter,
    private readonly dice: Dice,
    private readonly look: (at: Looked) => void,
  ) {}

  /** The process has died: nothing more happens here. */
  kill(): void {
    this.isDead = true;
  }

  /** @throws Crash when the process is gone, or goes now */
  check(at: Looked = LOOKED.bytes): void {
    if (this.isDead) throw new Crash();
    this.look(at);
    if (this.isDead) throw new Crash();
  }

  open(path: string, mode: 'read' | 'write' | 'edit'): OpenFile {
    this.check();
    let node = this.platter.find(path);
    if (node === undefined && mode !== 'read') {
      this.takeBytes(1);
      node = new Bytes();
      this.platter.change({ ...this.platter.place(path), node });
    }
    if (!(node instanceof Bytes)) throw new Error(`ENOENT: no such file, open '${path}'`);
    const file = new MemoryFile(this, node);
    if (mode === 'write') file.truncate(0);
    return file;
  }

  list(path: string): string[] {
    this.check();
    const node = this.platter.find(path);
    return node instanceof Directory ? [...node.names.keys()] : [];
  }

  exists(path: string): boolean {
    this.check();
    return this.platter.find(path) !== undefined;
  }

  makeDirectory(path: string): boolean {
    this.check(LOOKED.names);
    if (this.platter.find(path) !== undefined) return false;
    this.takeBytes(1);
    this.platter.change({ ...this.platter.place(path), node: new Directory() });
    this.check(LOOKED.names);
    return true;
  }

  rename(from: string, to: string): void {
    this.check(LOOKED.names);
    const node = this.platter.find(from);
    if (node === undefined) throw new Error(`ENOENT: no such file, rename '${from}'`);
    this.platter.change(
      { ...this.platter.place(from), node: undefined },
      { ...this.platter.place(to), node },
    );
    this.check(LOOKED.names);
  }

  /** Names go one after the other, as `rm -r` does it. */
  remove(path: string): void {
    this.check();
    const node = this.platter.find(path);
    if (node === undefined) return;
    if (node instanceof Directory) for (const name of [...node.names.keys()]) this.remove(join(path, name));
    this.platter.change({ ...this.platter.place(path), node: undefined });
  }

  syncDirectory(path: string): void {
    this.check(LOOKED.names);
    const node = this.platter.find(path);
    if (!(node instanceof Directory)) throw new Error(`ENOENT: no such directory, ${path}`);
    this.platter.syncDirectory(node);
    this.check(LOOKED.names);
  }

  syncFile(path: string): void {
    this.check();
    const node = this.platter.find(path);
    if (node === undefined || node instanceof Directory) throw new Error(`ENOENT: no such file, ${path}`);
    node.sync();
    this.check();
  }

  freeBytes(): number {
    return this.faults.freeBytes;
  }

  createEntries(directory: string): EntryWriter {
    this.check(LOOKED.names);
    this.takeBytes(1);
    const node = new Entries();
    this.platter.change({ ...this.platter.place(join(directory, DATA_FILE)), node });
    return new MemoryEntryWriter(this, node);
  }

  openEntries(directory: string): EntryReader {
    this.check();
    const node = this.platter.find(join(directory, DATA_FILE));
    if (node === undefined) throw new PageFault('its data file is missing');
    if (!(node instanceof Entries)) throw new PageFault('page 0 is not a meta page');
    return new MemoryEntryReader(this, node);
  }

  /** Room for bytes of a file. */
  takeBytes(bytes: number): void {
    if (this.faults.fileBytesLeft < bytes) throw new DiskFault('ENOSPC: no space left on device');
    this.faults.fileBytesLeft -= bytes;
  }

  /** Whether the commit that begins now fails. */
  takeCommitFault(): boolean {
    const { faults } = this;
    if (faults.commitsLeft === undefined || faults.commitsLeft-- > 0) return false;
    faults.commitsLeft = undefined;
    return true;
  }

  /** Whether something that may go either way does. */
  toss(): boolean {
    return this.dice.chance(50);
  }
}

class MemoryFile implements OpenFile {
  constructor(
    private readonly disk: MemoryDisk,
    private readonly node: Bytes,
  ) {}

  size(): number {
    return this.node.size;
  }

  read(into: Uint8Array, at: number, length: number, position: number): number {
    this.disk.check();
    return this.node.read(into, at, length, position);
  }

  write(from: Uint8Array, at: number, length: number, position: number): number {
    this.disk.check();
    this.disk.takeBytes(length);
    this.disk.platter.touch(this.node);
    this.node.write(from.subarray(at, at + length), position);
    return length;
  }

  truncate(bytes: number): void {
    this.disk.check();
    this.disk.platter.touch(this.node);
    this.node.truncate(bytes);
  }

  sync(): void {
    this.disk.check();
    this.node.sync();
    this.disk.check();
  }

  close(): void {
    // Nothing is kept open.
  }
}

class MemoryEntryWriter implements EntryWriter {
  constructor(
    private readonly disk: MemoryDisk,
    private readonly node: Entries,
  ) {}

  /** Commits of this disk take no longer when a file grows. */
  reserve(): void {}

  put(key: number, value: Uint8Array): void {
    const { disk, node } = this;
    disk.check();
    const last = node.list.at(-1);
    if (last !== undefined && last.key >= key) throw new Error(`key ${key} after ${last.key}`);
    node.pending = { key, value: Buffer.from(value) };
    disk.platter.touch(node);
    disk.check();
    if (disk.takeCommitFault()) {
      // It is not even known whether it is visible.
      if (disk.toss()) node.list.push(node.pending);
      node.pending = undefined;
      throw new DiskFault('EIO: i/o error, the commit failed');
    }
    node.list.push(node.pending);
    node.pending = undefined;
    node.sync();
    disk.check();
  }

  close(): void {
    // What was committed is durable.
  }
}

/** All entries seem to lie in one leaf. */
class MemoryEntryReader implements EntryReader {
  readonly pageSize = PAGE_BYTES;
  leafSize = 0;

  constructor(
    private readonly disk: MemoryDisk,
    private readonly node: Entries,
  ) {}

  meta(): EntryCommit {
    const { list, txnidFlips } = this.node;
    let bytes = 0;
    for (const { value } of list) bytes += value.length;
    return {
      txnid: list.length ^ txnidFlips,
      lastPage: Math.ceil(bytes / PAGE_BYTES) + COMMIT_PAGES * list.length,
    };
  }

  seek(): { readonly meta: EntryCommit; readonly isLastLeaf: boolean } {
    this.disk.check();
    this.leafSize = this.node.list.length;
    return { meta: this.meta(), isLastLeaf: true };
  }

  leafKey(index: number): number {
    return this.node.list[index]!.key;
  }

  leafFloor(key: number): number {
    let index = this.leafSize - 1;
    while (index >= 0 && this.leafKey(index) > key) index--;
    return index;
  }

  leafValue(index: number): Uint8Array {
    return Buffer.from(this.node.list[index]!.value);
  }

  close(): void {
    // Nothing is kept open.
  }
}
