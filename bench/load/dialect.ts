import { createConnection, type Socket } from 'node:net';
import type { Names, Postings, Template } from './template.js';

/** What one connection has been told so far. */
export interface Tally {
  /** Replies, one for each message that was sent. */
  replies: number;
  /** Replies that were not a success. */
  refused: number;
}

/** How one kind of server is spoken to: just as much of its protocol as sales need. */
export interface Dialect {
  /** Connects and shakes hands. */
  connect(port: number): Promise<Socket>;
  /** A message of `batch` sales; 0 = one sale by itself. */
  template(names: Names, postings: Postings, batch: number): Template;
  /** Counts the whole replies in `bytes`. @returns where the first incomplete one begins */
  count(bytes: Uint8Array, tally: Tally): number;
}

/**
 * Connects, sends a greeting and waits until it is answered.
 * @param isAnswered looks at all that has come so far @throws when it is not the answer that was hoped for
 */
export function connectAndGreet(
  port: number,
  greeting: Uint8Array | string,
  isAnswered: (answer: Buffer) => boolean,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ port, host: '127.0.0.1', noDelay: true });
    let answer = Buffer.alloc(0);
    const hear = (data: Buffer) => {
      answer = Buffer.concat([answer, data]);
      try {
        if (!isAnswered(answer)) return;
      } catch (error) {
        reject(error);
        socket.destroy();
        return;
      }
      socket.off('error', reject);
      socket.off('data', hear);
      resolve(socket);
    };
    socket.once('error', reject);
    socket.on('data', hear);
    socket.write(greeting);
  });
}
