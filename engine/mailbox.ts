/**
 * Mailboxes: bounded single-producer single-consumer rings of bytes over a SharedArrayBuffer, and the bells that wake
 * their consumers.
 *
 * The naive way, a lock or a `postMessage` per message, costs 45 µs a hop between threads; a batch costs the same once.
 * So a producer writes as much as it has and publishes its tail once, a consumer takes all that is published and
 * releases its head once, and a sleeping consumer is woken only if it has said that it sleeps.
 *
 * Invariants
 * - Head and tail are counters of 8-byte units that only grow (mod 2^32); `tail - head <= capacity`.
 * - Only the producer stores the tail, only the consumer the head. Bytes between them belong to the consumer.
 * - A message is contiguous: one that would wrap is written at the start, behind a skip mark.
 * - A bell is armed (SLEEPING) before the consumer looks a last time, and rung after the tail is stored: with the
 *   sequentially consistent order of Atomics one of the two sees the other, so no wake-up is lost.
 */

const HEAD = 0;
/** A cache line (and its neighbour, which is prefetched with it) away from the head. */
const TAIL = 32;
const CONTROL_BYTES = 256;
const SKIP = 0xffffffff;

/** Bytes of shared memory for a ring that carries `capacity` bytes (a power of two, at least 64). */
export function ringBuffer(capacity: number): SharedArrayBuffer {
  if ((capacity & (capacity - 1)) !== 0 || capacity < 64)
    throw new RangeError('ring capacity: a power of two');
  return new SharedArrayBuffer(CONTROL_BYTES + capacity);
}

abstract class RingEnd {
  protected readonly control: Int32Array;
  readonly capacity: number;
  /** The ring's bytes; offsets handed out are into these. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly u32: Uint32Array;
  readonly f64: Float64Array;

  constructor(buffer: SharedArrayBuffer) {
    this.control = new Int32Array(buffer, 0, CONTROL_BYTES / 4);
    this.capacity = buffer.byteLength - CONTROL_BYTES;
    this.bytes = new Uint8Array(buffer, CONTROL_BYTES);
    this.view = new DataView(buffer, CONTROL_BYTES);
    this.u32 = new Uint32Array(buffer, CONTROL_BYTES);
    this.f64 = new Float64Array(buffer, CONTROL_BYTES);
  }
}

/** The writing end. A message begins with its own length (u32, set by {@link reserve}); the rest is the caller's. */
export class RingProducer extends RingEnd {
  private tail: number;
  private published: number;
  private head: number;

  constructor(buffer: SharedArrayBuffer) {
    super(buffer);
    this.tail = Atomics.load(this.control, TAIL);
    this.published = this.tail;
    this.head = Atomics.load(this.control, HEAD);
  }

  /** True when a message of `bytes` would find room now. */
  hasRoom(bytes: number): boolean {
    const units = (bytes + 7) >>> 3;
    if (this.fits(units)) return true;
    this.head = Atomics.load(this.control, HEAD);
    return this.fits(units);
  }

  private fits(units: number): boolean {
    const all = this.capacity >>> 3;
    const toEnd = all - (this.tail & (all - 1));
    const need = units <= toEnd ? units : units + toEnd;
    return ((this.tail - this.head) | 0) + need <= all;
  }

  /** Takes room for a message of `bytes`, its length word included. @returns its offset, 8-aligned, or -1 without room */
  reserve(bytes: number): number {
    if (!this.hasRoom(bytes)) return -1;
    const units = (bytes + 7) >>> 3;
    const all = this.capacity >>> 3;
    let place = this.tail & (all - 1);
    if (units > all - place) {
      this.u32[place << 1] = SKIP;
      this.tail = (this.tail + all - place) | 0;
      place = 0;
    }
    this.u32[place << 1] = bytes;
    this.tail = (this.tail + units) | 0;
    return place << 3;
  }

  /** Makes everything reserved so far visible. @returns whether there was anything new */
  publish(): boolean {
    if (this.published === this.tail) return false;
    this.published = this.tail;
    Atomics.store(this.control, TAIL, this.tail);
    return true;
  }
}

/** The reading end. */
export class RingConsumer extends RingEnd {
  private head: number;
  private tail: number;
  private released: number;
  private scanned: number;

  constructor(buffer: SharedArrayBuffer) {
    super(buffer);
    this.head = Atomics.load(this.control, HEAD);
    this.scanned = this.head;
    this.released = this.head;
    this.tail = this.head;
  }

  /** The offset of the next message, which stays next until {@link pass}; -1 when there is none. */
  peek(): number {
    if (this.head === this.tail) {
      this.tail = Atomics.load(this.control, TAIL);
      if (this.head === this.tail) return -1;
    }
    const all = this.capacity >>> 3;
    const place = this.head & (all - 1);
    if (this.u32[place << 1] === SKIP) {
      this.head = (this.head + all - place) | 0;
      return this.peek();
    }
    return place << 3;
  }

  /** Takes note of what is published by now: all that {@link peekNoted} shows until the next time. */
  note(): void {
    this.tail = Atomics.load(this.control, TAIL);
  }

  /** As {@link peek}, but nothing that was published after {@link note}. */
  peekNoted(): number {
    return this.head === this.tail ? -1 : this.peek();
  }

  /** Goes behind the message that {@link peek} showed. Its bytes stay valid until {@link release}. */
  pass(): void {
    const place = this.head & ((this.capacity >>> 3) - 1);
    this.head = (this.head + ((this.u32[place << 1]! + 7) >>> 3)) | 0;
  }

  /** The offset of the next message that was not yet seen by scanning, passed or not; -1 when there is none. */
  scan(): number {
    return this.scanTo(Atomics.load(this.control, TAIL));
  }

  /** As {@link scan}, but nothing that was published after {@link note}. */
  scanNoted(): number {
    return this.scanTo(this.tail);
  }

  private scanTo(tail: number): number {
    if (((this.scanned - this.head) | 0) < 0) this.scanned = this.head;
    const all = this.capacity >>> 3;
    for (;;) {
      if (this.scanned === tail) return -1;
      const place = this.scanned & (all - 1);
      if (this.u32[place << 1] === SKIP) {
        this.scanned = (this.scanned + all - place) | 0;
        continue;
      }
      this.scanned = (this.scanned + ((this.u32[place << 1]! + 7) >>> 3)) | 0;
      return place << 3;
    }
  }

  /** Gives the bytes of all passed messages back to the producer. @returns whether there were any */
  release(): boolean {
    if (this.released === this.head) return false;
    this.released = this.head;
    Atomics.store(this.control, HEAD, this.head);
    return true;
  }
}

const AWAKE = 0;
const SLEEPING = 1;

/** The bell of one blocking thread: it arms, looks a last time, and waits; producers ring after they published. */
export class Bell {
  constructor(
    private readonly words: Int32Array,
    private readonly index: number,
  ) {}

  arm(): void {
    Atomics.store(this.words, this.index, SLEEPING);
  }

  disarm(): void {
    Atomics.store(this.words, this.index, AWAKE);
  }

  /** Blocks until rung or for `timeout` ms. Only between {@link arm} and a last look. */
  wait(timeout: number): void {
    Atomics.wait(this.words, this.index, SLEEPING, timeout);
    Atomics.store(this.words, this.index, AWAKE);
  }

  ring(): void {
    if (this.take()) Atomics.notify(this.words, this.index);
  }

  /** Disarms; true for the one caller that found it armed. For consumers woken by other means than `Atomics.wait`. */
  take(): boolean {
    return (
      Atomics.load(this.words, this.index) === SLEEPING &&
      Atomics.compareExchange(this.words, this.index, SLEEPING, AWAKE) === SLEEPING
    );
  }
}
