import { once } from 'node:events';
import { Packr } from 'msgpackr';
import { type RawData, WebSocket } from 'ws';
import { type Fields, readJson, writeJson } from './exact-json.js';

/** A terminal's connection in either encoding, down to the frame. */

export type Encoding = 'json' | 'msgpack';

export interface WireOptions {
  /** Of `call` and `compact`; MessagePack by default. */
  readonly encoding?: Encoding;
  /** Where the token goes. */
  readonly tokenIn?: 'header' | 'subprotocol';
}

export interface Closed {
  readonly code: number;
  readonly reason: string;
}

export type CompactReply = [rid: number, n: number, lsn?: number, refused?: [index: number, n: number][]];
export type MapReply = Fields & { rid: number; ok: boolean; code?: string };

const packr = new Packr({
  useRecords: false,
  mapsAsObjects: true,
  structuredClone: false,
  moreTypes: false,
  // Numbers where they are exact, bigints otherwise; the package's types do not list it.
  int64AsType: 'auto' as 'number',
  largeBigIntToFloat: false,
});

/** Bigints become 64-bit integers, numbers what msgpackr makes of them. */
export function packFrame(value: unknown): Buffer {
  return Buffer.from(packr.pack(value));
}

export function unpackFrame(bytes: Uint8Array): unknown {
  return packr.unpack(bytes);
}

export class Wire {
  readonly closed: Promise<Closed>;
  /** What broke it, if anything did. */
  private error: string | undefined;
  /** How it was closed, once it is. */
  closedWith: Closed | undefined;
  /** Replies that belong to no call, in their order. */
  readonly stray: unknown[] = [];
  private nextRid = 1;
  private readonly waiting = new Map<number, { resolve(reply: never): void; reject(error: Error): void }>();
  private readonly onStray: (() => void)[] = [];
  private readonly followers = new Map<number, (frame: Fields) => void>();

  private constructor(
    readonly socket: WebSocket,
    private readonly encoding: Encoding,
  ) {
    socket.on('message', (data, isBinary) => this.receive(data, isBinary));
    socket.on('error', ({ message }) => {
      this.error = message;
    });
    this.closed = new Promise((resolve) => {
      socket.once('close', (code, reason) => {
        this.closedWith = { code, reason: reason.toString() };
        for (const { reject } of this.waiting.values()) reject(this.closedError());
        this.waiting.clear();
        resolve(this.closedWith);
      });
    });
  }

  /** @throws when the upgrade is refused */
  static async open(port: number, token: string, options: WireOptions = {}): Promise<Wire> {
    const url = `ws://127.0.0.1:${port}/v1/ws`;
    const socket =
      options.tokenIn === 'subprotocol'
        ? new WebSocket(url, ['kassa.v1', `bearer.${token}`])
        : new WebSocket(url, { headers: { authorization: `Bearer ${token}` } });
    const wire = new Wire(socket, options.encoding ?? 'msgpack');
    await once(socket, 'open');
    return wire;
  }

  get isClosed(): boolean {
    return this.closedWith !== undefined;
  }

  private closedError(): Error {
    return new Error(
      `the connection was closed: ${JSON.stringify({ ...this.closedWith, error: this.error })}`,
    );
  }

  /** A map command. @returns its reply. @throws when the connection closes first */
  call(op: string, fields: object = {}, encoding: Encoding = this.encoding): Promise<MapReply> {
    const rid = this.nextRid++;
    return this.exchange(rid, { rid, op, ...fields }, encoding);
  }

  /** A compact command: the frame without its rid. */
  compact(fields: readonly unknown[], encoding: Encoding = this.encoding): Promise<CompactReply> {
    const rid = this.nextRid++;
    return this.exchange(rid, [rid, ...fields], encoding);
  }

  private exchange<T>(rid: number, frame: unknown, encoding: Encoding): Promise<T> {
    const reply = new Promise<T>((resolve, reject) => {
      if (this.isClosed) reject(this.closedError());
      else this.waiting.set(rid, { resolve, reject });
    });
    this.sendFrame(frame, encoding);
    return reply;
  }

  /** Subscribes. @param follower hears of every frame behind the reply. @returns the reply */
  subscribe(
    fields: object,
    follower: (frame: Fields) => void,
    encoding: Encoding = this.encoding,
  ): Promise<MapReply> {
    const rid = this.nextRid++;
    this.followers.set(rid, follower);
    return this.exchange(rid, { rid, op: 'subscribe', ...fields }, encoding);
  }

  sendFrame(frame: unknown, encoding: Encoding = this.encoding): void {
    if (encoding === 'json') this.sendRaw(writeJson(frame));
    else this.sendRaw(packFrame(frame));
  }

  /** A string goes as a text frame, bytes as a binary one. */
  sendRaw(data: string | Buffer): void {
    this.socket.send(data, { binary: typeof data !== 'string' });
  }

  /** The next reply that belongs to no call. */
  async nextStray(): Promise<Fields> {
    while (this.stray.length === 0) {
      if (this.isClosed) throw this.closedError();
      await new Promise<void>((resolve) => {
        this.onStray.push(resolve);
        void this.closed.then(() => resolve());
      });
    }
    return this.stray.shift() as Fields;
  }

  private receive(data: RawData, isBinary: boolean): void {
    const bytes = data as Buffer;
    const reply = isBinary ? unpackFrame(bytes) : readJson(bytes.toString());
    const rid = (Array.isArray(reply) ? reply[0] : (reply as Fields)['rid']) as number;
    const waiting = this.waiting.get(rid);
    if (waiting !== undefined) {
      this.waiting.delete(rid);
      waiting.resolve(reply as never);
      return;
    }
    const follower = this.followers.get(rid);
    if (follower !== undefined) {
      follower(reply as Fields);
      return;
    }
    this.stray.push(reply);
    for (const wake of this.onStray.splice(0)) wake();
  }

  /** Vanishes without a close frame. */
  close(): void {
    this.socket.terminate();
  }
}
