import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { DirectoryInUseError, lockDirectory } from '../wal/lock.js';
import { temporaryDirectory } from './support/wal.js';

const LOCK = new URL('../wal/lock.js', import.meta.url).href;

/** Another process that holds the lock until it is killed. */
async function holder(data: string) {
  const code = `
    const { lockDirectory } = await import(${JSON.stringify(LOCK)});
    lockDirectory(${JSON.stringify(data)});
    console.log('locked');
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  await once(child.stdout, 'data');
  return child;
}

describe('the lock of the data directory', () => {
  it('makes the directory when it is not there', () => {
    const data = join(temporaryDirectory(), 'a', 'b');
    lockDirectory(data).release();
    expect(existsSync(data)).toBe(true);
  });

  it('can be taken again after its release, and only then', () => {
    const data = temporaryDirectory();
    const lock = lockDirectory(data);
    expect(() => lockDirectory(data)).toThrow(DirectoryInUseError);
    expect(() => lockDirectory(data)).toThrow(
      `the data directory ${data} is in use by process ${process.pid}`,
    );
    lock.release();
    lockDirectory(data).release();
  });

  it('held by another process is refused with its pid, and ends with its SIGKILL', async () => {
    const data = temporaryDirectory();
    const child = await holder(data);
    try {
      lockDirectory(data);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(DirectoryInUseError);
      expect(error).toMatchObject({ data, pid: child.pid });
    }
    child.kill('SIGKILL');
    await once(child, 'exit');
    lockDirectory(data).release();
  });

  it('does not hinder another directory', () => {
    const first = lockDirectory(temporaryDirectory());
    lockDirectory(temporaryDirectory()).release();
    first.release();
  });
});
