import type { WebSocket } from 'uWebSockets.js';
import { loadUws } from '../src/gateway/uws.js';

/**
 * The baseline: a bare uWebSockets.js server that answers each frame with one as long as Kassa's reply to it, `[rid, 0, lsn]`, and does nothing
 * else. Prints its port.
 */

const uws = loadUws();
const reply = Uint8Array.of(0x93, 1, 0, 0xce, 0, 0, 0, 1);
uws
  .App()
  .ws('/v1/ws', {
    maxPayloadLength: 1 << 20,
    message(ws: WebSocket<unknown>) {
      ws.send(reply, true);
    },
  })
  .listen('127.0.0.1', Number(process.argv[2] ?? 0), (socket) => {
    if (socket === false) throw new Error('cannot listen');
    process.stdout.write(`${uws.us_socket_local_port(socket)}\n`);
  });
