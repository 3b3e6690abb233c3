import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** Peers that are gone, or never get on, and do not say so. */

/** Stands between clients and a server, as a network does that may fail without closing anything. */
export class Relay {
  private readonly sockets: Socket[] = [];
  private readonly upstreams: Socket[] = [];
  /** Bytes passed on from clients to the server. */
  forwarded = 0;

  private constructor(readonly port: number) {}

  static async to(serverPort: number): Promise<Relay> {
    const listener = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
    await once(listener, 'listening');
    const relay = new Relay((listener.address() as { port: number }).port);
    listener.on('connection', (client) => relay.join(client, serverPort));
    onTestFinished(() => {
      listener.close();
      relay.tearDown();
    });
    return relay;
  }

  private join(client: Socket, serverPort: number): void {
    const upstream = connect({ port: serverPort, host: '127.0.0.1', allowHalfOpen: true });
    this.sockets.push(client, upstream);
    this.upstreams.push(upstream);
    for (const socket of [client, upstream]) socket.on('error', () => undefined);
    upstream.on('data', (data) => client.write(data));
    client.on('data', (data) => {
      this.forwarded += data.length;
      upstream.write(data);
    });
  }

  /** From now on nothing that the server says is taken from it. */
  deafen(): void {
    for (const socket of this.upstreams) socket.pause();
  }

  /** From now on nothing passes in either direction, and nothing is closed. */
  freeze(): void {
    for (const socket of this.sockets) socket.pause();
  }

  tearDown(): void {
    for (const socket of this.sockets.splice(0)) socket.destroy();
  }
}

const TRICKLE_MS = 500;

/** A request that is begun and never ended: only the server can close it. @param trickle sent again and again, if anything */
export class Unfinished {
  isClosed = false;

  constructor(
    readonly name: string,
    port: number,
    head: string,
    trickle = '',
  ) {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(head);
    const timer = setInterval(() => socket.write(trickle), TRICKLE_MS);
    socket.on('close', () => {
      this.isClosed = true;
      clearInterval(timer);
    });
    socket.resume();
    onTestFinished(() => {
      clearInterval(timer);
      socket.destroy();
    });
  }
}
