import type { HttpResponse, WebSocket } from 'uWebSockets.js';
import { loadUws } from '../../src/gateway/uws.js';

/**
 * The baseline: a bare uWebSockets.js server that answers each frame with one as long as Kassa's reply to it, `[rid, 0, lsn]`, and each
 * request with a body as long as Kassa's, and does nothing else. Prints its port.
 */

const REPLY = Uint8Array.of(0x93, 1, 0, 0xce, 0, 0, 0, 1);

const BALANCE = JSON.stringify({
  account: 'a00000000',
  currency: 'EUR',
  balance: 123456,
  available: 1000000000123456,
  debits_posted: 123456,
  credits_posted: 0,
  debits_pending: 0,
  credits_pending: 0,
  lsn: 1234567,
});
const POSTED = JSON.stringify({
  id: 'r000c000t0000000',
  status: 'posted',
  lsn: 1234567,
  committed_at: '2026-01-01T00:00:00.000Z',
  balances: { a00000000: 123456, b00000000: -123456 },
});

/** An exception in a handler would end the process; there is none to be had here but for a response that is gone. */
function reply(res: HttpResponse, status: string, body: string): void {
  res.cork(() => {
    res.writeStatus(status).writeHeader('Content-Type', 'application/json').end(body);
  });
}

const uws = loadUws();
uws
  .App()
  .ws('/v1/ws', {
    maxPayloadLength: 1 << 20,
    message(ws: WebSocket<unknown>) {
      ws.send(REPLY, true);
    },
  })
  .get('/*', (res) => reply(res, '200 OK', BALANCE))
  .post('/*', (res) => {
    let gone = false;
    res.onAborted(() => {
      gone = true;
    });
    res.onData((_chunk, isLast) => {
      if (isLast && !gone) reply(res, '201 Created', POSTED);
    });
  })
  .listen('127.0.0.1', 0, (socket) => {
    if (socket === false) throw new Error('cannot listen');
    process.stdout.write(`listening on ${uws.us_socket_local_port(socket)}\n`);
  });
