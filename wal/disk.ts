/*
 * What log and checkpoint need of a disk. Everything above (sealing, chaining, rolling, checking, recovering, checkpoints) is written
 * against this, so that it also runs over a disk in memory that forgets what was not synced. `local-disk.ts` is the one of the operating
 * system, with LMDB for the entries of a segment.
 *
 * Paths are whole paths. Every method throws what the file system says, unless it says otherwise here.
 */

/** An open file of bytes. */
export interface OpenFile {
  /** Bytes. */
  size(): number;
  /** Reads up to `length` bytes from `position` on into `into` at `at`. @returns how many; 0 at the end of the file */
  read(into: Uint8Array, at: number, length: number, position: number): number;
  /** @returns how many bytes of `from`, from `at` on, were written */
  write(from: Uint8Array, at: number, length: number, position: number): number;
  truncate(bytes: number): void;
  /** What was written is on the disk when this returns. */
  sync(): void;
  close(): void;
}

/** A commit of the entries of a segment. */
export interface EntryCommit {
  /** 1, 2, ... */
  readonly txnid: number;
  /** Units in use, beside the first. */
  readonly lastPage: number;
}

/** The entries of a segment, opened for reading beside the one who writes them: keys in ascending order, each with its value. */
export interface EntryReader {
  /** Entries are stored in units of so many bytes. */
  readonly pageSize: number;
  /** The newest commit. @throws PageFault when it cannot be told which that is */
  meta(): EntryCommit;
  /**
   * Goes to the leaf that holds the greatest key at or below `key` in the newest commit and keeps a copy of it.
   * @returns the commit, and whether no leaf comes after this one
   * @throws PageFault
   */
  seek(key: number): { readonly meta: EntryCommit; readonly isLastLeaf: boolean };
  /** Entries in the leaf of the last {@link seek}; 0 before the first. */
  readonly leafSize: number;
  leafKey(index: number): number;
  /** Index of the greatest key of the leaf at or below `key`, or -1. */
  leafFloor(key: number): number;
  /** A copy of an entry's value. @throws PageFault */
  leafValue(index: number): Uint8Array;
  close(): void;
}

/** The entries of a new segment, for the one who writes them. */
export interface EntryWriter {
  /**
   * Tells that the next commit needs so many bytes behind the first `usedBytes`, so that it may find them there: a sync that makes a file longer
   * takes longer. Changes nothing that was committed, and makes the file no longer than `bytesMax`.
   * @throws what the disk says
   */
  reserve(usedBytes: number, bytes: number, bytesMax: number): void;
  /**
   * One commit of one entry; returns after it is synced. The key is above all that are there.
   * @throws what went wrong; the entry may then be there or not
   */
  put(key: number, value: Uint8Array): void;
  close(): void;
}

/** A disk. */
export interface Disk {
  /** `read`: it must be there. `write`: made, or emptied. `edit`: made if it is not there, else as it is. */
  open(path: string, mode: 'read' | 'write' | 'edit'): OpenFile;
  /** Names in a directory, in no order; none when it is not there. */
  list(path: string): string[];
  exists(path: string): boolean;
  /** Makes a directory if it is not there; its parent must be. @returns whether it was made */
  makeDirectory(path: string): boolean;
  /** Gives a file or directory another name at once; a file of that name is gone. */
  rename(from: string, to: string): void;
  /** Removes a file, or a directory with all that is in it, if it is there. */
  remove(path: string): void;
  /** Makes the names in a directory durable. */
  syncDirectory(path: string): void;
  /** Makes the bytes of a file durable that another may have written. */
  syncFile(path: string): void;
  /** Bytes that may still be written to the disk that holds a path. */
  freeBytes(path: string): number;
  /** Starts the entries of a segment in an empty directory, as the file {@link DATA_FILE}. */
  createEntries(directory: string): EntryWriter;
  /** @throws PageFault when the directory has no entries that can be read */
  openEntries(directory: string): EntryReader;
}

/** The file in a segment's directory that holds its entries. */
export const DATA_FILE = 'data.mdb';
