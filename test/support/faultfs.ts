import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Faults of disk and clock in a real process, on command: a library put before the C library (see faultfs.c) makes calls fail or take long and
 * moves the wall clock, as a file says that both sides have open.
 */

/** The calls that can be meddled with; by `write` also `writev` is meant, by `pwrite` also `pwritev`. */
const OPS = {
  fsync: 1,
  fdatasync: 2,
  pwrite: 4,
  write: 8,
  ftruncate: 16,
  rename: 32,
  pread: 64,
} as const;
export type FaultOp = keyof typeof OPS;

/** Offsets in the file, as in `struct levers`; all u32, but the shift (i64, ns) and the path (80 bytes). */
const AT = {
  failOps: 0,
  error: 4,
  skip: 8,
  count: 12,
  torn: 16,
  delayOps: 20,
  delayMs: 24,
  matched: 28,
  failed: 32,
  delayed: 36,
  shift: 40,
  path: 48,
} as const;
const PATH_BYTES = 80;
const LEVER_BYTES = 128;

export interface Fault {
  readonly ops: readonly FaultOp[];
  readonly error: 'EIO' | 'ENOSPC';
  /** What the path of the file contains. */
  readonly path: string;
  /** So many calls come through first; default 0. */
  readonly skip?: number;
  /** So many fail, and then no more; default: all from then on. */
  readonly count?: number;
  /** A write that fails has written its first half, if it is more than a sector. */
  readonly torn?: boolean;
}

/** Why this machine cannot do it; undefined when it can. */
export function faultFsMissing(): string | undefined {
  if (process.platform !== 'linux') return 'LD_PRELOAD is for Linux';
  return spawnSync('gcc', ['--version']).status === 0 ? undefined : 'gcc is not installed';
}

/** The levers of one process, or of several one after the other. */
export class FaultFs {
  private readonly directory = mkdtempSync(join(tmpdir(), 'kassa-faultfs-'));
  private readonly fd: number;
  /** For the process that is to have faults. */
  readonly env: { readonly LD_PRELOAD: string; readonly KASSA_FAULTFS: string };

  /** Compiles the library. @throws what the compiler says */
  constructor() {
    const source = fileURLToPath(new URL('../../../test/support/faultfs.c', import.meta.url));
    const library = join(this.directory, 'faultfs.so');
    const flags = ['-O1', '-Wall', '-Wextra', '-Werror', '-shared', '-fPIC'];
    const { status, stderr } = spawnSync('gcc', [...flags, '-o', library, source, '-ldl'], {
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(`gcc: ${stderr}`);
    const control = join(this.directory, 'levers');
    this.fd = openSync(control, 'w+');
    writeSync(this.fd, Buffer.alloc(LEVER_BYTES), 0, LEVER_BYTES, 0);
    this.env = { LD_PRELOAD: library, KASSA_FAULTFS: control };
  }

  /** From now on. */
  fail({ ops, error, path, skip = 0, count = 0, torn = false }: Fault): void {
    this.put(AT.failOps, 0);
    this.put(AT.error, constants.errno[error]);
    this.put(AT.skip, skip);
    this.put(AT.count, count);
    this.put(AT.torn, torn ? 1 : 0);
    this.put(AT.matched, 0);
    this.put(AT.failed, 0);
    this.putPath(path);
    this.put(AT.failOps, maskOf(ops));
  }

  /** Makes calls take longer. */
  delay(ops: readonly FaultOp[], path: string, delayMs: number): void {
    this.putPath(path);
    this.put(AT.delayMs, delayMs);
    this.put(AT.delayed, 0);
    this.put(AT.delayOps, maskOf(ops));
  }

  /** No more faults and delays; the clock stays where it is. */
  heal(): void {
    this.put(AT.failOps, 0);
    this.put(AT.delayOps, 0);
  }

  /** Moves the wall clock so far from the true time. */
  shiftClock(ms: number): void {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(ms) * 1_000_000n);
    writeSync(this.fd, bytes, 0, 8, AT.shift);
  }

  /** Calls of the ops and path of {@link fail} since then. */
  get matched(): number {
    return this.get(AT.matched);
  }

  /** Of these, that failed. */
  get failed(): number {
    return this.get(AT.failed);
  }

  /** Calls that wait or have waited since {@link delay}. */
  get delayed(): number {
    return this.get(AT.delayed);
  }

  remove(): void {
    closeSync(this.fd);
    rmSync(this.directory, { recursive: true });
  }

  private put(at: number, value: number): void {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    writeSync(this.fd, bytes, 0, 4, at);
  }

  private get(at: number): number {
    const bytes = Buffer.alloc(4);
    readSync(this.fd, bytes, 0, 4, at);
    return bytes.readUInt32LE();
  }

  private putPath(path: string): void {
    const bytes = Buffer.alloc(PATH_BYTES);
    if (bytes.write(path) >= PATH_BYTES) throw new RangeError(`a path of less than ${PATH_BYTES} bytes`);
    writeSync(this.fd, bytes, 0, PATH_BYTES, AT.path);
  }
}

function maskOf(ops: readonly FaultOp[]): number {
  return ops.reduce((mask, op) => mask | OPS[op], 0);
}
