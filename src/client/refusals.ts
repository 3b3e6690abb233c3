import { join } from 'node:path';
import { decode, encode } from './codec.js';
import { RecordFile } from './record-file.js';
import type { RefusedSale } from './types.js';

const HEAD = 0;
const REFUSED = 1;
const DISMISSED = 2;
/** Below this size the file is left alone. */
const COMPACT_BYTES = 64 * 1024;

/**
 * What was taken as `queued` and then refused, in the file `refused` beside the journal, until someone dismisses it.
 * Records: `[0, highest seq]`, `[1, seq, sale]`, `[2, seq]`. A refusal is synced here before its mark is written to
 * the journal, so a crash between the two leaves it in both, and what is here counts.
 */
export class Refusals {
  readonly #file: RecordFile;
  readonly #sales = new Map<number, RefusedSale>();
  /** On their way to the disk: nobody sees them yet, but a rewritten file must have them. */
  readonly #adding = new Map<number, RefusedSale>();
  #seqMax = 0;

  private constructor(file: RecordFile) {
    this.#file = file;
  }

  /** @throws the system's errors */
  static async open(dir: string): Promise<{ refusals: Refusals; damagedCopy?: string }> {
    const { file, payloads, damagedCopy } = await RecordFile.open(join(dir, 'refused'));
    const refusals = new Refusals(file);
    for (const payload of payloads) refusals.#replay(payload);
    return damagedCopy === undefined ? { refusals } : { refusals, damagedCopy };
  }

  /** The highest seq ever refused. */
  get seqMax(): number {
    return this.#seqMax;
  }

  has(seq: number): boolean {
    return this.#sales.has(seq);
  }

  list(): readonly RefusedSale[] {
    return [...this.#sales.values()];
  }

  /** Resolves when it is on disk, synced. @throws QueueError when the disk failed */
  async add(seq: number, sale: RefusedSale): Promise<void> {
    this.#seqMax = Math.max(this.#seqMax, seq);
    this.#adding.set(seq, sale);
    await this.#file.append(encode([REFUSED, seq, sale]), true);
    this.#adding.delete(seq);
    this.#sales.set(seq, sale);
  }

  /** Forgets every refusal of an id. @throws QueueError when the disk failed */
  async dismiss(id: string): Promise<void> {
    const seqs = [...this.#sales].filter(([, sale]) => sale.id === id).map(([seq]) => seq);
    await Promise.all(seqs.map((seq) => this.#file.append(encode([DISMISSED, seq]), true)));
    for (const seq of seqs) this.#sales.delete(seq);
    if (this.#file.bytes > COMPACT_BYTES && this.#sales.size === 0) this.#compact();
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  #compact(): void {
    this.#file.rewrite(() => {
      const kept = [...this.#sales, ...this.#adding].map(([seq, sale]) => [REFUSED, seq, sale]);
      return [[HEAD, this.#seqMax], ...kept].map((record) => Uint8Array.from(encode(record)));
    });
  }

  #replay(payload: Uint8Array): void {
    const [tag, seq, sale] = decode(payload) as [number, number, RefusedSale];
    this.#seqMax = Math.max(this.#seqMax, seq);
    if (tag === REFUSED) this.#sales.set(seq, sale);
    if (tag === DISMISSED) this.#sales.delete(seq);
  }
}
