/**
 * An append-only file of checksummed records: what the queue and the list of refusals are made of.
 *
 * A record is `length, crc32 (of the payload), payload`, the two numbers 32-bit little-endian. What holds:
 *
 * - Appends that come while the disk is busy share one write and one sync (group commit). An append that asked to be
 *   durable resolves after the sync that covers it.
 * - A crash can tear only what was not synced: records at the end of the file that nobody was told of. Reading stops
 *   before them. Damage elsewhere (a bad disk) is another matter: records behind it were promised, so the reader looks
 *   for the next good one and goes on, the file is kept as it was found under another name, and the caller is told.
 * - `rewrite` replaces the whole file by a new one: written aside, synced, renamed over the old one, directory synced.
 *   Before the rename the old file counts, after it the new one; there is no in-between.
 * - After the first failed write or sync nothing more is written: what the file holds beyond the last good sync is
 *   unknown, and an append behind a hole could be lost. Every later append fails with the same error.
 */

import { constants } from 'node:fs';
import { copyFile, type FileHandle, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { crc32 } from 'node:zlib';
import { QueueError } from './errors.js';

const HEADER_BYTES = 8;
/** Larger than any record (a transaction of 64 postings with all its fields is under 16 KiB). */
const RECORD_BYTES_MAX = 1 << 20;

interface Waiter {
  readonly bytes: Buffer;
  readonly durable: boolean;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export interface Opened {
  readonly file: RecordFile;
  readonly payloads: readonly Buffer[];
  /** Where the file was copied to because part of it, other than its end, was unreadable. */
  readonly damagedCopy?: string;
}

export class RecordFile {
  readonly #path: string;
  #handle: FileHandle;
  #bytes: number;
  #waiting: Waiter[] = [];
  #rewriter: (() => readonly Uint8Array[]) | undefined;
  #running: Promise<void> | undefined;
  #failed: QueueError | undefined;

  private constructor(path: string, handle: FileHandle, bytes: number) {
    this.#path = path;
    this.#handle = handle;
    this.#bytes = bytes;
  }

  /** Opens or makes the file and reads it. The tail that a crash tore is cut off. @throws the system's errors */
  static async open(path: string): Promise<Opened> {
    await rm(`${path}.new`, { force: true });
    const found = await readFile(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (found === undefined) return { file: await RecordFile.#make(path, []), payloads: [] };
    const { payloads, clean, damaged } = scan(found);
    if (clean) return { file: new RecordFile(path, await open(path, 'a'), found.length), payloads };
    const damagedCopy = `${path}.damaged-${Date.now()}`;
    if (damaged) await copyFile(path, damagedCopy, constants.COPYFILE_EXCL);
    const file = await RecordFile.#make(path, payloads);
    return damaged ? { file, payloads, damagedCopy } : { file, payloads };
  }

  static async #make(path: string, payloads: readonly Uint8Array[]): Promise<RecordFile> {
    const { handle, bytes } = await writeAside(path, payloads);
    return new RecordFile(path, handle, bytes);
  }

  /** Size, what waits to be written not counted. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Appends a record. The payload is copied before this returns.
   * @returns when it is written, or, if `durable`, synced
   * @throws QueueError when the disk failed, now or before
   */
  append(payload: Uint8Array, durable: boolean): Promise<void> {
    if (this.#failed !== undefined) return Promise.reject(this.#failed);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ bytes: framed(payload), durable, resolve, reject });
      this.#wake();
    });
  }

  /** Replaces the file soon; `payloads` is asked for what to keep when it happens, between two appends. */
  rewrite(payloads: () => readonly Uint8Array[]): void {
    this.#rewriter = payloads;
    this.#wake();
  }

  /** Waits for what was appended, and closes. */
  async close(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
    this.#failed ??= new QueueError('the queue is closed');
    await this.#handle.close();
  }

  #wake(): void {
    this.#running ??= this.#run();
  }

  /** The one writer: takes all that waits, writes it, syncs it if anyone asked, tells them; until nothing waits. */
  async #run(): Promise<void> {
    await Promise.resolve(); // what the caller appends before it waits belongs to the same turn
    while (this.#waiting.length > 0 || this.#rewriter !== undefined) {
      const turn = this.#waiting;
      this.#waiting = [];
      try {
        if (this.#failed !== undefined) throw this.#failed;
        await this.#write(turn);
        for (const { resolve } of turn) resolve();
        await this.#replaceIfAsked();
      } catch (cause) {
        this.#failed ??= new QueueError(`cannot write ${this.#path}`, { cause });
        this.#rewriter = undefined;
        for (const { reject } of turn) reject(this.#failed);
      }
    }
    this.#running = undefined; // in the same step as the check above, so that no append slips in between
  }

  async #write(turn: readonly Waiter[]): Promise<void> {
    if (turn.length === 0) return;
    const bytes = Buffer.concat(turn.map((waiter) => waiter.bytes));
    await this.#handle.appendFile(bytes);
    if (turn.some((waiter) => waiter.durable)) await this.#handle.datasync();
    this.#bytes += bytes.length;
  }

  async #replaceIfAsked(): Promise<void> {
    const payloads = this.#rewriter;
    if (payloads === undefined) return;
    this.#rewriter = undefined;
    const { handle, bytes } = await writeAside(this.#path, payloads());
    const old = this.#handle;
    this.#handle = handle;
    this.#bytes = bytes;
    await old.close();
  }
}

async function writeAside(
  path: string,
  payloads: readonly Uint8Array[],
): Promise<{ handle: FileHandle; bytes: number }> {
  const bytes = Buffer.concat(payloads.map(framed));
  const handle = await open(`${path}.new`, 'a');
  await handle.appendFile(bytes);
  await handle.sync();
  await rename(`${path}.new`, path);
  await syncDirectory(dirname(path));
  return { handle, bytes: bytes.length };
}

/** Makes a directory, parents included, that will still be there after a power cut. @throws the system's errors */
export async function makeDirectory(path: string): Promise<void> {
  const dir = resolve(path);
  const first = await mkdir(dir, { recursive: true });
  if (first === undefined) return;
  for (let made = dir; made.length >= first.length; made = dirname(made)) await syncDirectory(dirname(made));
}

async function syncDirectory(dir: string): Promise<void> {
  const handle = await open(dir, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function framed(payload: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + payload.length);
  bytes.writeUInt32LE(payload.length, 0);
  bytes.writeUInt32LE(crc32(payload), 4);
  bytes.set(payload, HEADER_BYTES);
  return bytes;
}

/** The payload of the record at `offset`; undefined when there is no good one. */
function recordAt(bytes: Buffer, offset: number): Buffer | undefined {
  if (offset + HEADER_BYTES > bytes.length) return undefined;
  const length = bytes.readUInt32LE(offset);
  const end = offset + HEADER_BYTES + length;
  if (length === 0 || length > RECORD_BYTES_MAX || end > bytes.length) return undefined;
  const payload = bytes.subarray(offset + HEADER_BYTES, end);
  return crc32(payload) === bytes.readUInt32LE(offset + 4) ? payload : undefined;
}

/** All good records. `clean`: nothing else is in the file. `damaged`: something bad has a good record behind it. */
function scan(bytes: Buffer): { payloads: Buffer[]; clean: boolean; damaged: boolean } {
  const payloads: Buffer[] = [];
  let clean = true;
  let damaged = false;
  let offset = 0;
  while (offset < bytes.length) {
    const payload = recordAt(bytes, offset);
    if (payload === undefined) {
      clean = false;
      offset += 1;
      continue;
    }
    damaged = !clean;
    payloads.push(payload);
    offset += HEADER_BYTES + payload.length;
  }
  return { payloads, clean, damaged };
}
