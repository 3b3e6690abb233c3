import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { tryLock } from 'fs-native-extensions';
import { makeDirectory } from './segment.js';

/** Another process, or this one, works on the data directory. */
export class DirectoryInUseError extends Error {
  override readonly name = 'DirectoryInUseError';

  /** @param pid of the holder; undefined when the holder had not yet written it */
  constructor(
    readonly data: string,
    readonly pid: number | undefined,
  ) {
    const holder = pid === undefined ? 'another process' : `process ${pid}`;
    super(`the data directory ${data} is in use by ${holder}`);
  }
}

export interface DirectoryLock {
  /** Gives the directory free. May be called once. */
  release(): void;
}

/**
 * Takes the data directory for this process, and makes it when it is not there. The kernel holds the lock for the
 * open file `<data>/lock`: it ends with the process, however that ends. The file stays, since removing it would let
 * two processes lock two files of one name.
 * @throws {DirectoryInUseError}
 */
export function lockDirectory(data: string): DirectoryLock {
  makeDirectory(data);
  const path = join(data, 'lock');
  const fd = openSync(path, 'a+');
  try {
    if (!tryLock(fd)) throw new DirectoryInUseError(data, readPid(path));
    ftruncateSync(fd);
    writeSync(fd, `${process.pid}\n`);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return { release: () => closeSync(fd) };
}

function readPid(path: string): number | undefined {
  const pid = Number.parseInt(readFileSync(path, 'utf8'), 10);
  return pid > 0 ? pid : undefined;
}
