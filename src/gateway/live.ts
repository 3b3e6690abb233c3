/**
 * Figures of the last seconds: commands' latency and open connections, of all gateways together.
 *
 * Each gateway writes into its own part of shared memory, and whoever is asked adds all of them up. Latencies are counted in a histogram for
 * each second, of which the last ten are kept. Its buckets grow by an eighth of a doubling, so a quantile is right within 9 %.
 */

const SECONDS = 10;
/** One more than is read: the current second is still being written. */
const SLOTS = SECONDS + 1;
const PER_DOUBLING = 8;
/** From 1 µs to 2^24 µs, 17 s. */
const BUCKETS = 24 * PER_DOUBLING + 1;
const SLOT_WORDS = 1 + BUCKETS;
const PART_WORDS = 1 + SLOTS * SLOT_WORDS;

export interface Latency {
  /** Milliseconds; null where nothing was timed. */
  readonly p50: number | null;
  readonly p99: number | null;
}

/** Memory for so many gateways. */
export function liveMemory(gateways: number): SharedArrayBuffer {
  return new SharedArrayBuffer(4 * PART_WORDS * gateways);
}

export class LiveFigures {
  private readonly all: Uint32Array;
  private readonly own: Uint32Array;

  /**
   * @param gateway number of the one that writes here
   * @param seconds whole ones since the machine's epoch, the same for all threads
   */
  constructor(
    memory: SharedArrayBuffer,
    gateway: number,
    private readonly seconds: () => number = monotonicSeconds,
  ) {
    this.all = new Uint32Array(memory);
    this.own = this.all.subarray(gateway * PART_WORDS, (gateway + 1) * PART_WORDS);
  }

  set connections(count: number) {
    this.own[0] = count;
  }

  /** Of all gateways. */
  get connections(): number {
    let sum = 0;
    for (let at = 0; at < this.all.length; at += PART_WORDS) sum += this.all[at]!;
    return sum;
  }

  observe(ms: number): void {
    const second = this.seconds();
    const at = 1 + (second % SLOTS) * SLOT_WORDS;
    const { own } = this;
    if (own[at] !== second) {
      own.fill(0, at, at + SLOT_WORDS);
      own[at] = second;
    }
    own[at + 1 + bucketOf(ms)]!++;
  }

  latency(): Latency {
    const counts = new Float64Array(BUCKETS);
    let total = 0;
    const now = this.seconds();
    for (let at = 0; at < this.all.length; at += SLOT_WORDS) {
      if (at % PART_WORDS === 0) at++;
      const age = now - this.all[at]!;
      if (age < 0 || age >= SECONDS) continue;
      for (let i = 0; i < BUCKETS; i++) {
        counts[i]! += this.all[at + 1 + i]!;
        total += this.all[at + 1 + i]!;
      }
    }
    return { p50: quantile(counts, total, 0.5), p99: quantile(counts, total, 0.99) };
  }
}

function bucketOf(ms: number): number {
  const bucket = Math.ceil(Math.log2(ms * 1000) * PER_DOUBLING);
  return bucket > 0 ? Math.min(bucket, BUCKETS - 1) : 0;
}

/** The upper end of the bucket that the quantile falls in, ms with three digits behind the point. */
function quantile(counts: Float64Array, total: number, of: number): number | null {
  if (total === 0) return null;
  const rank = Math.ceil(of * total);
  let sum = 0;
  for (let i = 0; i < counts.length; i++) {
    sum += counts[i]!;
    if (sum >= rank) return Math.round(2 ** (i / PER_DOUBLING)) / 1000;
  }
  return null;
}

function monotonicSeconds(): number {
  return process.hrtime()[0];
}

/** How fast the log grows, from how far it was durable a few seconds ago. */
export class Pace {
  private readonly marks: { readonly atMs: number; readonly lsn: number }[] = [];

  constructor(private readonly seconds = 5) {}

  /** To be told now and then, twice a second or so. */
  note(atMs: number, lsn: number): void {
    this.marks.push({ atMs, lsn });
    while (this.marks.length > 1 && atMs - this.marks[1]!.atMs >= this.seconds * 1000) this.marks.shift();
  }

  /** Records a second, over the last seconds. */
  perSecond(atMs: number, lsn: number): number {
    const first = this.marks[0];
    if (first === undefined || atMs <= first.atMs) return 0;
    return Math.round(((lsn - first.lsn) * 1000) / (atMs - first.atMs));
  }
}
