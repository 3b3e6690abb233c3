import { join } from 'node:path';
import { decode, encode } from './codec.js';
import { QueueError } from './errors.js';
import type { Operation } from './operation.js';
import { RecordFile } from './record-file.js';

const VERSION = 1;
/** Below this size the file is left alone: rewriting costs two syncs and a rename. */
const COMPACT_BYTES = 256 * 1024;

const HEAD = 0;
const TAKEN = 1;
const SETTLED = 2;

/** An operation that was taken and, as far as the disk knows, not settled. */
export interface Unsettled {
  readonly seq: number;
  readonly op: Operation;
  /** Bytes of its record: what it will about weigh in a frame. */
  readonly bytes: number;
}

/**
 * The offline queue on disk: what was taken, and marks for what has been settled. Records: `[0, version, next seq]`
 * first in a file, `[1, seq, kind, id, body]`, `[2, seq]`. What holds:
 *
 * - `seq` grows for as long as the queue exists, rewritten files included, and is the order of delivery.
 * - A mark may be lost in a crash unless it was asked to be durable: then the operation is delivered once more and
 *   the ledger answers `duplicate`. A mark never reaches the disk before its operation.
 */
export class Journal {
  readonly #file: RecordFile;
  readonly #live = new Map<number, Uint8Array>();
  #liveBytes = 0;
  #nextSeq = 1;

  private constructor(file: RecordFile) {
    this.#file = file;
  }

  /**
   * @param seqMin the first number that may be given out
   * @throws QueueError for a file of a newer version; the system's errors
   */
  static async open(
    dir: string,
    seqMin: number,
  ): Promise<{ journal: Journal; unsettled: Unsettled[]; damagedCopy?: string }> {
    const { file, payloads, damagedCopy } = await RecordFile.open(join(dir, 'journal'));
    const journal = new Journal(file);
    journal.#nextSeq = seqMin;
    const ops = new Map<number, Operation>();
    for (const payload of payloads) journal.#replay(payload, ops);
    if (file.bytes === 0) await file.append(journal.#head(), true);
    const unsettled = [...ops]
      .sort(([a], [b]) => a - b)
      .map(([seq, op]) => ({ seq, op, bytes: journal.#live.get(seq)!.length }));
    return damagedCopy === undefined ? { journal, unsettled } : { journal, unsettled, damagedCopy };
  }

  /** A number for the next operation; its place in the order. */
  takeSeq(): number {
    return this.#nextSeq++;
  }

  /** Resolves with the record's size when the operation is on disk, synced. @throws QueueError when the disk failed */
  async add(seq: number, op: Operation): Promise<number> {
    const payload = Uint8Array.from(encode([TAKEN, seq, op.kind, op.id, op.body]));
    this.#keep(seq, payload);
    await this.#file.append(payload, true);
    return payload.length;
  }

  /** Marks an operation as settled. @returns when it is written, or synced if `durable` @throws QueueError */
  async settle(seq: number, durable: boolean): Promise<void> {
    this.#drop(seq);
    await this.#file.append(encode([SETTLED, seq]), durable);
    if (this.#file.bytes > COMPACT_BYTES && this.#liveBytes < this.#file.bytes / 2) this.#compact();
  }

  async close(): Promise<void> {
    if (this.#live.size === 0) this.#compact();
    await this.#file.close();
  }

  #compact(): void {
    this.#file.rewrite(() => [this.#head(), ...this.#live.values()]);
  }

  #head(): Uint8Array {
    return Uint8Array.from(encode([HEAD, VERSION, this.#nextSeq]));
  }

  #replay(payload: Uint8Array, ops: Map<number, Operation>): void {
    const [tag, first, ...rest] = decode(payload) as [number, number, ...unknown[]];
    if (tag === HEAD) {
      if (first > VERSION) throw new QueueError(`the queue was written by a newer client (format ${first})`);
      this.#nextSeq = Math.max(this.#nextSeq, rest[0] as number);
      return;
    }
    this.#nextSeq = Math.max(this.#nextSeq, first + 1);
    if (tag === SETTLED) {
      this.#drop(first);
      ops.delete(first);
      return;
    }
    const [kind, id, body] = rest as [Operation['kind'], string, Operation['body']];
    this.#keep(first, Uint8Array.from(payload));
    ops.set(first, { kind, id, body });
  }

  #keep(seq: number, payload: Uint8Array): void {
    this.#live.set(seq, payload);
    this.#liveBytes += payload.length;
  }

  #drop(seq: number): void {
    this.#liveBytes -= this.#live.get(seq)?.length ?? 0;
    this.#live.delete(seq);
  }
}
