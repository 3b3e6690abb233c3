import { once } from 'node:events';
import { WebSocket } from 'ws';
import { DecodeError } from '../../src/gateway/decode-error.js';
import { decodeJson } from '../../src/gateway/json.js';
import { decodeMsgpack } from '../../src/gateway/msgpack.js';
import type { Fields } from '../support/exact-json.js';
import { within } from '../support/server.js';
import { type Asked, askedBy, type FuzzBooks } from './fuzz-books.js';

const ANSWER_MS = 30_000;
const NO_RID = 'none';

/**
 * A connection that sends anything and keeps account of what it is owed: one answer to each frame, in the frame's encoding, with its `rid` if it
 * had a usable one; and what it subscribed to. Anything else, and a connection that is closed, is a failure.
 */
export class HostileSocket {
  /** By encoding and rid: the frames that wait for an answer. */
  private readonly owed = new Map<string, Asked[]>();
  /** Encoding and rid of the subscriptions that may stand. */
  private readonly subscribed = new Set<string>();
  private count = 0;
  private failure: Error | undefined;
  private onChange: (() => void) | undefined;

  private constructor(
    private readonly socket: WebSocket,
    private readonly books: FuzzBooks,
  ) {
    socket.on('message', (data, isBinary) => {
      try {
        this.receive(data as Buffer, isBinary);
      } catch (error) {
        this.fail(error as Error);
      }
    });
    socket.on('error', (error) => this.fail(error));
    socket.on('close', (code) => this.fail(new Error(`the connection was closed with ${code}`)));
  }

  static async open(port: number, token: string, books: FuzzBooks): Promise<HostileSocket> {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/ws`, {
      headers: { authorization: `Bearer ${token}` },
    });
    const hostile = new HostileSocket(socket, books);
    await once(socket, 'open');
    return hostile;
  }

  /** @param bytes at most 1 MiB; for a text frame valid UTF-8: the rest is not answered but closes */
  send(bytes: Buffer, isBinary: boolean): void {
    const frame = decoded(bytes, isBinary);
    const key = keyOf(isBinary, ridOf(frame));
    const waiting = this.owed.get(key);
    const asked = askedBy(frame);
    if ((frame as Fields | null | undefined)?.['op'] === 'subscribe') this.subscribed.add(key);
    if (waiting === undefined) this.owed.set(key, [asked]);
    else waiting.push(asked);
    this.count++;
    this.socket.send(bytes, { binary: isBinary });
  }

  /** Waits until everything is answered. @throws when something was not, or was answered wrongly */
  async settled(): Promise<void> {
    const done = new Promise<void>((resolve) => {
      this.onChange = () => {
        if (this.count === 0 || this.failure !== undefined) resolve();
      };
      this.onChange();
    });
    await within(
      done,
      ANSWER_MS,
      () => `${this.count} frames without an answer: ${[...this.owed.keys()].slice(0, 5)}`,
    );
    if (this.failure !== undefined) throw this.failure;
  }

  close(): void {
    this.socket.removeAllListeners('close');
    this.socket.terminate();
  }

  private receive(bytes: Buffer, isBinary: boolean): void {
    const reply = isBinary ? decodeMsgpack(bytes) : decodeJson(bytes);
    const key = keyOf(isBinary, ridOf(reply));
    if ((reply as Fields)['events'] !== undefined && this.subscribed.has(key)) return;
    const waiting = this.owed.get(key);
    if (waiting === undefined) throw new Error(`an answer to nothing: ${JSON.stringify(reply)}`);
    // Of several frames with one rid it cannot be told which this answers.
    const asked = waiting.length === 1 ? waiting[0] : undefined;
    for (const one of waiting.length === 1 ? [] : waiting) this.books.suppose(one.ids);
    waiting.pop();
    if (waiting.length === 0) this.owed.delete(key);
    this.count--;
    if (Array.isArray(reply)) this.takeCompact(reply, asked);
    else this.takeMap(reply as Fields, asked);
    this.onChange?.();
  }

  private takeMap(reply: Fields, asked: Asked | undefined): void {
    if (reply['ok'] === true) this.books.takeBody(reply, asked);
    else if (reply['ok'] === false) this.books.count(reply['code']);
    else throw new Error(`neither ok nor refused: ${JSON.stringify(reply)}`);
  }

  private takeCompact(reply: readonly unknown[], asked: Asked | undefined): void {
    const [, n, lsn, refused = []] = reply as [number, number, number?, [index: number, n: number][]?];
    this.books.countNumber(n);
    for (const [, code] of refused) this.books.countNumber(code);
    if (n > 1) return;
    if (!Number.isSafeInteger(lsn)) throw new Error(`done, but without an LSN: ${JSON.stringify(reply)}`);
    // A duplicate (1) is acknowledged like what is new.
    const out = new Set(refused.filter(([, code]) => code !== 1).map(([index]) => index));
    asked?.ids.forEach((id, index) => {
      if (id !== undefined && !out.has(index)) this.books.acknowledge(id, asked.postings.get(id));
    });
  }

  private fail(error: Error): void {
    this.failure ??= error;
    this.onChange?.();
  }
}

/** As the server reads it; undefined when it cannot. */
function decoded(bytes: Buffer, isBinary: boolean): unknown {
  try {
    return isBinary ? decodeMsgpack(bytes) : decodeJson(bytes);
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

function ridOf(frame: unknown): unknown {
  if (typeof frame !== 'object' || frame === null) return undefined;
  return Array.isArray(frame) ? frame[0] : (frame as Fields)['rid'];
}

/** Only integers from 0 to 2^32-1 are echoed. */
function keyOf(isBinary: boolean, rid: unknown): string {
  const isUsable = typeof rid === 'number' && Number.isInteger(rid) && rid >= 0 && rid < 2 ** 32;
  return `${isBinary ? 'binary' : 'text'} ${isUsable ? rid : NO_RID}`;
}
