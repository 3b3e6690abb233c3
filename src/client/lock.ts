import { type FileHandle, open } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { QueueInUseError } from './errors.js';

interface Locks {
  tryLock(fd: number): boolean;
}

const { tryLock } = createRequire(import.meta.url)('fs-native-extensions') as Locks;

/**
 * Locks a queue directory for this terminal. The system lets go of the lock when the process dies, however it dies.
 * @returns the open lock file; closing it unlocks
 * @throws QueueInUseError when someone has it, in this process or another
 */
export async function lockQueue(dir: string): Promise<FileHandle> {
  const file = await open(join(dir, 'lock'), 'a');
  let granted = false;
  try {
    granted = tryLock(file.fd);
  } finally {
    if (!granted) await file.close();
  }
  if (!granted) throw new QueueInUseError(`the queue in ${dir} is in use by another terminal`);
  return file;
}
