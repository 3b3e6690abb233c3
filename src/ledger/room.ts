import type { Control } from '../../engine/control.js';

/**
 * Free bytes of the disk below which no new work is taken. What was admitted by then is still written: a round of the checkpointer takes 150 MiB
 * and leaves 64 MiB (see `wal/checkpoint.ts`), so 214 of these 256 MiB at most; the other 42 MiB are for the log, as are the 64. 131,072
 * sales in flight are 26 MiB of log, and 100 ms at 350,000 sales a second are 7 MiB.
 */
export const MIN_FREE_BYTES = 256 << 20;
const LOOK_EVERY_MS = 100;
/** Work is taken again once this share of the bound is free beyond it, so that it is not taken and refused by turns. */
const MARGIN_SHARE = 1 / 8;

/**
 * Watches the free bytes of the log's disk and tells all threads, by the control words, whether new work may write. The log itself stops the
 * ledger before its disk is full; this keeps it from coming to that.
 */
export class RoomWatch {
  private timer: NodeJS.Timeout | undefined;
  private isShort = false;

  /**
   * @param keptBytes the bound; 0 never refuses anything
   * @param freeBytes asks the file system; what it throws counts as no room
   * @param onChange hears the reason when work begins to be refused, and undefined when it is taken again
   */
  constructor(
    private readonly control: Control,
    private readonly keptBytes: number,
    private readonly freeBytes: () => number,
    private readonly onChange: (reason: string | undefined) => void,
  ) {}

  start(): void {
    this.look();
    this.timer = setInterval(() => this.look(), LOOK_EVERY_MS);
    this.timer.unref();
  }

  stop(): void {
    clearInterval(this.timer);
  }

  look(): void {
    const free = this.measure();
    const needed = this.isShort ? this.keptBytes * (1 + MARGIN_SHARE) : this.keptBytes;
    const isShort = this.keptBytes > 0 && free < needed;
    this.control.setRoom(isShort, free, this.keptBytes);
    if (isShort === this.isShort) return;
    this.isShort = isShort;
    this.onChange(noRoom(this.control));
  }

  private measure(): number {
    try {
      return this.freeBytes();
    } catch {
      return -1;
    }
  }
}

/** Why no work is taken that would write; undefined when there is room. Any thread may ask. */
export function noRoom(control: Control): string | undefined {
  if (!control.isShortOfRoom()) return undefined;
  const free = control.freeBytes();
  const found = free < 0 ? 'it cannot be told how many bytes are free' : `only ${free} bytes are free`;
  return `${found} on the disk of the data directory, and ${control.keptBytes()} are kept (--min-free)`;
}
