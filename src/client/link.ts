/**
 * One WebSocket to the server that is made again whenever it is lost.
 *
 * A socket can be dead without saying so (a cable pulled, a NAT that forgot): writes succeed, nothing comes back. So
 * silence is tested: after `heartbeat_ms` without a byte from the server it is pinged, after as long again the socket
 * is torn down. Attempts to connect are spaced by a growing pause, which starts small again only when the server has
 * answered something: a server that accepts and hangs up is not a healthy one.
 */

import { WebSocket } from 'ws';
import { backoffMs } from './backoff.js';
import { decode, encode } from './codec.js';
import type { Problem } from './types.js';

const CONNECT_TIMEOUT_MS = 10_000;
const CLOSE_TIMEOUT_MS = 500;
/** The server closes with it when the token expires. */
const CLOSE_TOKEN_EXPIRED = 4001;

export interface LinkOptions {
  readonly url: string;
  readonly token: string | (() => string | Promise<string>) | undefined;
  readonly heartbeatMs: number;
  readonly reconnectMinMs: number;
  readonly reconnectMaxMs: number;
}

export interface LinkEvents {
  up(): void;
  /** A connection, or an attempt to make one, ended. What was sent on it may have arrived or not. */
  down(): void;
  message(value: unknown): void;
  problem(problem: Problem): void;
}

export class Link {
  readonly #options: LinkOptions;
  readonly #events: LinkEvents;
  #socket: WebSocket | undefined;
  #up = false;
  #closed = false;
  #heard = false;
  #pinged = false;
  #attempts = 0;
  #retry: NodeJS.Timeout | undefined;
  #heartbeat: NodeJS.Timeout | undefined;

  constructor(options: LinkOptions, events: LinkEvents) {
    this.#options = options;
    this.#events = events;
  }

  get up(): boolean {
    return this.#up;
  }

  /** Begins to connect, and to keep connected. */
  start(): void {
    void this.#connect();
  }

  /** Sends a frame. Call it only while `up`. */
  send(value: unknown): void {
    this.#socket?.send(encode(value), { binary: true });
  }

  /** Gives this connection up, as if it had been lost, and makes another. */
  drop(): void {
    this.#socket?.terminate();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    const socket = this.#socket;
    if (socket === undefined) return;
    if (this.#up) {
      socket.close(1000);
      setTimeout(() => socket.terminate(), CLOSE_TIMEOUT_MS).unref();
    } else {
      socket.terminate();
    }
    this.#lost(socket);
  }

  async #connect(): Promise<void> {
    let socket: WebSocket;
    try {
      const bearer = await this.#token();
      if (this.#closed) return;
      socket = new WebSocket(this.#options.url, {
        perMessageDeflate: false,
        handshakeTimeout: CONNECT_TIMEOUT_MS,
        ...(bearer === undefined ? {} : { headers: { authorization: `Bearer ${bearer}` } }),
      });
    } catch (error) {
      if (this.#closed) return;
      // There was no token, or one that no header can carry.
      this.#events.problem({ kind: 'unauthenticated', detail: `no usable token: ${String(error)}` });
      this.#events.down();
      this.#retryLater();
      return;
    }
    this.#socket = socket;
    socket.on('open', () => this.#opened(socket));
    socket.on('message', (data) => this.#message(socket, data as Buffer));
    socket.on('pong', () => this.#sign());
    socket.on('ping', () => this.#sign());
    socket.on('unexpected-response', (_request, response) => {
      this.#refused(response.statusCode ?? 0);
      response.resume();
      socket.terminate();
      this.#lost(socket);
    });
    socket.on('error', () => socket.terminate());
    socket.on('close', (code) => {
      if (code === CLOSE_TOKEN_EXPIRED && socket === this.#socket) this.#refused(401);
      this.#lost(socket);
    });
  }

  /** Without the line end that a token read from a file comes with. */
  async #token(): Promise<string | undefined> {
    const { token } = this.#options;
    return (typeof token === 'function' ? await token() : token)?.trim();
  }

  #opened(socket: WebSocket): void {
    if (socket !== this.#socket) return;
    this.#up = true;
    this.#heard = false;
    this.#pinged = false;
    this.#heartbeat = setInterval(() => this.#beat(socket), this.#options.heartbeatMs);
    this.#events.up();
  }

  #message(socket: WebSocket, data: Buffer): void {
    if (socket !== this.#socket) return;
    this.#sign();
    let value: unknown;
    try {
      value = decode(data);
    } catch {
      socket.terminate(); // not a Kassa server, or a broken one
      return;
    }
    this.#attempts = 0;
    this.#events.message(value);
  }

  #sign(): void {
    this.#heard = true;
    this.#pinged = false;
  }

  #beat(socket: WebSocket): void {
    if (this.#pinged) {
      socket.terminate();
      return;
    }
    if (!this.#heard) {
      this.#pinged = true;
      socket.ping();
    }
    this.#heard = false;
  }

  #refused(status: number): void {
    if (status === 401)
      this.#events.problem({ kind: 'unauthenticated', detail: 'the server refused the token' });
    if (status === 403)
      this.#events.problem({ kind: 'forbidden', detail: 'the server does not let this token in' });
  }

  /** Each socket ends here once. */
  #lost(socket: WebSocket): void {
    if (socket !== this.#socket) return;
    this.#socket = undefined;
    this.#up = false;
    clearInterval(this.#heartbeat);
    this.#events.down();
    this.#retryLater();
  }

  #retryLater(): void {
    if (this.#closed) return;
    const { reconnectMinMs, reconnectMaxMs } = this.#options;
    const pause = backoffMs(this.#attempts, reconnectMinMs, reconnectMaxMs);
    this.#attempts += 1;
    this.#retry = setTimeout(() => void this.#connect(), pause);
  }
}

/** The address of the socket: `http` becomes `ws`, an empty path `/v1/ws`. @throws TypeError, RangeError */
export function socketUrl(text: string): string {
  const url = new URL(text.replace(/^http/, 'ws'));
  if (url.protocol !== 'ws:' && url.protocol !== 'wss:')
    throw new RangeError(`not a WebSocket address: ${text}`);
  if (url.href.includes('#')) throw new RangeError(`the address of a socket has no fragment: ${text}`);
  if (url.pathname === '/') url.pathname = '/v1/ws';
  return url.href;
}
