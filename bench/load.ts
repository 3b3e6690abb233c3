import { createConnection, type Socket } from 'node:net';

/**
 * The load generator: a process of its own that speaks just enough WebSocket to keep many sales in flight at little cost. Frames are
 * made once per connection and only the digits of the id change; the mask is zero; replies are counted by their headers.
 */

export interface LoadOptions {
  readonly port: number;
  readonly connections: number;
  /** Sales in flight on each connection, one a frame. */
  readonly window: number;
  readonly warmupS: number;
  readonly seconds: number;
  /** Accounts `a0`... and `b0`... that were created. */
  readonly accounts: number;
  /** Makes ids of different runs differ. */
  readonly run: string;
}

export interface LoadResult {
  /** Replies per second, counted while the clock ran. */
  readonly rate: number;
  readonly replies: number;
  /** Replies that were not a success; of an echo always 0. */
  readonly refused: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** CPU seconds of this process while the clock ran. */
  readonly cpuS: number;
}

const DIGITS = 9;

/** A masked binary frame around `[rid, id, debit, credit, amount]`, whose last digits of the id can be set. */
class Sale {
  readonly frame: Buffer;
  private readonly digitsAt: number;
  private next = 0;

  constructor(prefix: string, debit: string, credit: string) {
    const text = (value: string) => [0xd9, value.length, ...Buffer.from(value)];
    const id = `${prefix}${'0'.repeat(DIGITS)}`;
    const head = [0x95, 1, ...text(id)];
    const payload = Buffer.from([...head, ...text(debit), ...text(credit), 0xcd, 4, 210]);
    if (payload.length > 125) throw new Error('the sale is too long for a short frame');
    this.frame = Buffer.concat([Buffer.from([0x82, 0x80 | payload.length, 0, 0, 0, 0]), payload]);
    this.digitsAt = 6 + head.length - DIGITS;
  }

  /** Writes the next sale into `out` at `at`. @returns where it ends */
  write(out: Buffer, at: number): number {
    let number = this.next++;
    for (let i = DIGITS - 1; i >= 0; i--) {
      this.frame[this.digitsAt + i] = 48 + (number % 10);
      number = Math.floor(number / 10);
    }
    this.frame.copy(out, at);
    return at + this.frame.length;
  }
}

class Till {
  private readonly out: Buffer;
  private readonly sentAt: Float64Array;
  private sent = 0;
  private answered = 0;
  private rest: Buffer = Buffer.alloc(0);
  replies = 0;
  refused = 0;

  constructor(
    private readonly socket: Socket,
    private readonly sale: Sale,
    private readonly window: number,
    private readonly latencies: Latencies,
  ) {
    this.out = Buffer.alloc(sale.frame.length * window);
    this.sentAt = new Float64Array(window);
    socket.on('data', (data) => this.take(data as Buffer));
  }

  start(): void {
    this.send(this.window);
  }

  private send(count: number): void {
    const now = performance.now();
    let at = 0;
    for (let i = 0; i < count; i++) {
      at = this.sale.write(this.out, at);
      this.sentAt[this.sent++ % this.window] = now;
    }
    this.socket.write(Buffer.from(this.out.subarray(0, at)));
  }

  private take(data: Buffer): void {
    const bytes = this.rest.length === 0 ? data : Buffer.concat([this.rest, data]);
    const now = performance.now();
    let at = 0;
    let count = 0;
    while (at + 2 <= bytes.length) {
      const length = bytes[at + 1]!;
      if (at + 2 + length > bytes.length) break;
      // A reply: [rid, 0, lsn], or [rid, n] for a refusal; the rid is 1.
      if (bytes[at + 2] !== 0x93 || bytes[at + 4] !== 0) this.refused++;
      // Replies may overtake each other; within a window of equals the first sent stands for the first answered.
      this.latencies.add(now - this.sentAt[this.answered++ % this.window]!);
      at += 2 + length;
      count++;
    }
    this.rest = at === bytes.length ? Buffer.alloc(0) : Buffer.from(bytes.subarray(at));
    this.replies += count;
    if (count > 0) this.send(count);
  }
}

/** Latencies in steps of 10 µs up to 10 s. */
class Latencies {
  private readonly counts = new Uint32Array(1_000_000);
  private total = 0;
  max = 0;

  add(ms: number): void {
    this.counts[Math.min(this.counts.length - 1, Math.floor(ms * 100))]!++;
    this.total++;
    if (ms > this.max) this.max = ms;
  }

  quantile(q: number): number {
    let left = this.total * q;
    for (let i = 0; i < this.counts.length; i++) {
      left -= this.counts[i]!;
      if (left <= 0) return (i + 1) / 100;
    }
    return this.max;
  }

  clear(): void {
    this.counts.fill(0);
    this.total = 0;
    this.max = 0;
  }
}

function connect(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ port, host: '127.0.0.1', noDelay: true });
    socket.once('error', reject);
    socket.write(
      `GET /v1/ws HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
    );
    socket.once('data', (data) => {
      if (!data.toString('latin1').startsWith('HTTP/1.1 101'))
        reject(new Error(`no upgrade: ${data.toString('latin1')}`));
      else resolve(socket);
    });
  });
}

/** Runs the load and counts. */
export async function load(options: LoadOptions): Promise<LoadResult> {
  const latencies = new Latencies();
  const tills: Till[] = [];
  for (let i = 0; i < options.connections; i++) {
    const n = i % options.accounts;
    const sale = new Sale(`${options.run}:${i}:`, `a${n}`, `b${n}`);
    tills.push(new Till(await connect(options.port), sale, options.window, latencies));
  }
  for (const till of tills) till.start();
  await new Promise((resolve) => setTimeout(resolve, options.warmupS * 1000));
  latencies.clear();
  const count = () => tills.reduce((sum, till) => sum + till.replies, 0);
  const before = count();
  const refusedBefore = tills.reduce((sum, till) => sum + till.refused, 0);
  const cpu = process.cpuUsage();
  const start = performance.now();
  await new Promise((resolve) => setTimeout(resolve, options.seconds * 1000));
  const replies = count() - before;
  const elapsedS = (performance.now() - start) / 1000;
  const used = process.cpuUsage(cpu);
  return {
    rate: replies / elapsedS,
    replies,
    refused: tills.reduce((sum, till) => sum + till.refused, 0) - refusedBefore,
    p50: latencies.quantile(0.5),
    p99: latencies.quantile(0.99),
    max: latencies.max,
    cpuS: (used.user + used.system) / 1e6,
  };
}

if (process.argv[1]?.endsWith('load.js')) {
  const result = await load(JSON.parse(process.argv[2]!) as LoadOptions);
  process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
}
