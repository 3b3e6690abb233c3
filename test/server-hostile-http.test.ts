import { once } from 'node:events';
import { connect } from 'node:net';
import { beforeAll, describe, expect, test } from 'vitest';
import type { HttpClient } from './support/http-client.js';
import { bytes, SALE, sharedVictim } from './support/victim.js';
import { packFrame } from './support/wire.js';

/**
 * Bodies, paths and bytes that no honest client sends. After each of these the connection (where the contract keeps it) and the server go on: a good sale right after
 * works, and the balances hold the good sales and nothing else.
 */

const TIMEOUT_MS = 60_000;
const PACKED = packFrame(SALE);
const TEXT = JSON.stringify(SALE);

const victim = sharedVictim();
const { server, stillGood } = victim;
let admin: HttpClient;

beforeAll(() => {
  admin = victim.admin();
});

describe('bodies and paths', { timeout: TIMEOUT_MS }, () => {
  test.each<[name: string, body: string | Buffer]>([
    ['nothing', ''],
    ['white space', '  \n'],
    ['half a body', TEXT.slice(0, 30)],
    ['an array', '[]'],
    ['a string', '"x"'],
    ['null', 'null'],
    ['MessagePack', PACKED],
    ['not UTF-8', Buffer.concat([Buffer.from('{"id":"'), bytes('ff fe'), Buffer.from('"}')])],
    ['a byte order mark', Buffer.concat([bytes('ef bb bf'), Buffer.from('{}')])],
    ['a key twice', '{"id":"x","id":"y","debit":"bank","credit":"till","amount":5}'],
    ['nested 1,000,000 deep', '['.repeat(1_000_000)],
    ['nested 100,000 objects deep', '{"a":'.repeat(100_000)],
  ])('%s as body', async (_name, body) => {
    expect(await admin.send('POST', '/v1/transactions', body)).toMatchObject({
      status: 400,
      body: { code: 'invalid_request', status: 400 },
    });
    await stillGood();
  });

  test.each(['text/plain', 'application/x-www-form-urlencoded', 'application/jsonp', ''])(
    'a body as %j',
    async (type) => {
      const body = '{"id":"bad","debit":"bank","credit":"till","amount":5}';
      const answer = await admin.send('POST', '/v1/transactions', body, { 'content-type': type });
      expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
      await stillGood();
    },
  );

  test.each([
    ['GET', '/v1/accounts/%zz', 400],
    ['GET', '/v1/accounts/%ff', 400],
    ['GET', '/v1/accounts/a%2Fb', 400],
    ['GET', '/v1/accounts/%00', 400],
    ['GET', `/v1/accounts/${'x'.repeat(65)}`, 400],
    ['GET', '/v1/accounts/', 404],
    ['GET', '/v1/accounts//balance', 404],
    ['GET', '/v1/nothing', 404],
    ['GET', '/', 404],
    ['GET', '/v1/../health/live', 404],
    ['DELETE', '/v1/accounts/till', 405],
    ['PUT', '/v1/transactions', 405],
    ['POST', '/health/live', 405],
  ])('%s %s → %i', async (method, path, status) => {
    expect(await admin.send(method, path)).toMatchObject({ status });
    await stillGood();
  });

  test.each([
    ['rubbish', 'rubbish\r\n\r\n'],
    ['bytes', bytes('16 03 01 02 00 01 00 01 fc 03 03')],
    ['an endless header', `GET /health/live HTTP/1.1\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`],
    [
      'a body that never comes',
      'POST /v1/transactions HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{"id"',
    ],
    [
      'two lengths',
      'POST /v1/transactions HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef',
    ],
    ['a negative length', 'POST /v1/transactions HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n'],
    [
      'length and chunks',
      'POST /v1/transactions HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
  ])('raw on the socket: %s', async (_name, data) => {
    const socket = connect(server().port, '127.0.0.1');
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    socket.write(data);
    await stillGood();
    socket.destroy();
    await stillGood();
  });

  test.each([
    ['an unmasked frame', bytes('81 02 7b 7d')],
    ['an opcode that does not exist', bytes('83 80 00000000')],
    ['a reserved bit', bytes('c1 80 00000000')],
    ['a control frame of 126 bytes', bytes('89 fe 007e 00000000')],
    ['half a frame', bytes('82 fe ffff 00000000 01')],
    ['a frame that claims 2^63 bytes', bytes('82 ff 8000000000000000 00000000')],
    ['a continuation of nothing', bytes('80 80 00000000')],
  ])('raw on the WebSocket: %s', async (_name, data) => {
    const wire = await server().wire();
    const raw = (wire.socket as unknown as { _socket: { write(data: Buffer): void } })._socket;
    raw.write(data);
    await stillGood();
    wire.close();
    await stillGood();
  });
});
