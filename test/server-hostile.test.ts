import { once } from 'node:events';
import { connect } from 'node:net';
import { beforeAll, describe, expect, test } from 'vitest';
import type { HttpClient } from './support/http-client.js';
import { within } from './support/server.js';
import { createAccounts } from './support/shop.js';
import { makeToken } from './support/token.js';
import { bytes, rawMap, SALE, sharedVictim } from './support/victim.js';
import { packFrame } from './support/wire.js';

/**
 * Frames that no honest client sends. After each of these the connection (where the contract keeps it) and the server go on: a good sale right after
 * works, and the balances hold the good sales and nothing else.
 */

const TIMEOUT_MS = 60_000;
const MIB = 1 << 20;
const PACKED = packFrame(SALE);
const TEXT = JSON.stringify(SALE);

const victim = sharedVictim();
const { server, stillGood } = victim;
let admin: HttpClient;

beforeAll(() => {
  admin = victim.admin();
});

const UNDECODABLE: readonly (readonly [name: string, frame: string | Buffer])[] = [
  ['an empty binary frame', Buffer.alloc(0)],
  ['an empty text frame', ''],
  ['a truncated map', PACKED.subarray(0, -1)],
  ['a truncated text', TEXT.slice(0, -1)],
  ['half a text', TEXT.slice(0, 20)],
  ['bytes behind the value', Buffer.concat([PACKED, bytes('00')])],
  ['text behind the value', `${TEXT}{}`],
  ['a map nested 100,000 deep', Buffer.alloc(100_000, 0x91)],
  ['a map of maps nested 1,000 deep', Buffer.alloc(3000, bytes('81 a1 61'))],
  ['a text nested 100,000 deep', '['.repeat(100_000)],
  ['a text nested 1,000 deep and closed', `${'['.repeat(1000)}${']'.repeat(1000)}`],
  ['a key twice in a text', TEXT.replace('{', '{"id":"other",')],
  ['a key twice with the same value', TEXT.replace('{', '{"amount":5,')],
  ['a key twice by an escape', TEXT.replace('{', '{"\\u0069d":"bad",')],
  ['a key twice in a posting', TEXT.replace('{', '{"postings":[{"account":"a","account":"b"}],')],
  ['__proto__ twice', TEXT.replace('{', '{"__proto__":1,"__proto__":2,')],
  ['a key twice in a map', rawMap(['rid', 7], ['op', 'ping'], ['op', 'ping'])],
  ['a key twice in a nested map', rawMap(['rid', 7], ['op', rawMap(['a', 1], ['a', 1])])],
  ['an extension', rawMap(['rid', 7], ['op', bytes('d4 01 00')])],
  ['a timestamp', rawMap(['rid', 7], ['op', bytes('d6 ff 00000000')])],
  ['a record of msgpackr', bytes('d4 72 40 91 a3 726964 01')],
  ['binary', rawMap(['rid', 7], ['op', bytes('c4 01 00')])],
  ['an integer as key', rawMap(['rid', 7], [1, 2])],
  ['nil as key', rawMap(['rid', 7], [null, 2])],
  ['the type that does not exist', bytes('c1')],
  ['an array that claims 2^32-1 items', bytes('dd ffffffff')],
  ['a map that claims 2^32-1 members', bytes('df ffffffff')],
  ['a string that claims 2^32-1 bytes', bytes('db ffffffff')],
  ['a string that is not UTF-8', rawMap(['rid', 7], ['op', bytes('a2 c328')])],
  ['a surrogate in UTF-8', rawMap(['rid', 7], ['op', bytes('a3 eda080')])],
  ['half of a surrogate pair in a text', '{"rid":7,"op":"\\ud800"}'],
  ['a number', packFrame(7)],
  ['a text that is a number', '7'],
  ['a text that is null', 'null'],
  ['a text that is a string', '"transaction"'],
  ['NaN in a text', '{"rid":7,"op":"ping","x":NaN}'],
  ['a comment in a text', '{"rid":7,/* */"op":"ping"}'],
  ['a trailing comma', '{"rid":7,"op":"ping",}'],
  ['a control character in a string', '{"rid":7,"op":"pi\nng"}'],
];

describe('frames that cannot be decoded', { timeout: TIMEOUT_MS }, () => {
  test.each(UNDECODABLE)('%s', async (_name, frame) => {
    const wire = await server().wire();
    wire.sendRaw(frame);
    const reply = await wire.nextStray();
    expect(reply).toMatchObject({ ok: false, code: 'invalid_request' });
    expect(reply).not.toHaveProperty('rid');
    await stillGood(wire);
  });

  test('a text frame that is not UTF-8 ends the connection, as WebSocket demands, and nothing else', async () => {
    const wire = await server().wire();
    wire.socket.send(bytes('7b 22 c3 28 22 3a 31 7d'), { binary: false });
    expect([1006, 1007]).toContain((await wire.closed).code);
    await stillGood();
  });

  test.each([[-1], [2 ** 32], [2 ** 53], [1.5], ['1'], [null], [true], [[]], [{}], [undefined]])(
    'rid %j in a map is answered without rid',
    async (rid: unknown) => {
      const wire = await server().wire();
      for (const encoding of ['json', 'msgpack'] as const) {
        wire.sendFrame({ ...SALE, rid }, encoding);
        const reply = await wire.nextStray();
        expect(reply).toMatchObject({ ok: false, code: 'invalid_request' });
        expect(reply).not.toHaveProperty('rid');
      }
      await stillGood(wire);
    },
  );

  test.each([-1, 2 ** 32, 1.5, '1', null, true, undefined])(
    'rid %j in an array is answered without rid',
    async (rid) => {
      const wire = await server().wire();
      for (const encoding of ['json', 'msgpack'] as const) {
        wire.sendFrame([rid, 'bad', 'bank', 'till', 5], encoding);
        expect(await wire.nextStray()).toMatchObject({ ok: false, code: 'invalid_request' });
        wire.sendFrame([], encoding);
        expect(await wire.nextStray()).toMatchObject({ ok: false, code: 'invalid_request' });
      }
      await stillGood(wire);
    },
  );

  test.each([0, 2 ** 31, 2 ** 32 - 1])('rid %i is a good one', async (rid) => {
    const wire = await server().wire();
    for (const encoding of ['json', 'msgpack'] as const) {
      wire.sendFrame({ rid, op: 'ping' }, encoding);
      expect(await wire.nextStray()).toEqual({ rid, ok: true });
    }
    await stillGood(wire);
  });
});

describe('too large', { timeout: TIMEOUT_MS }, () => {
  test('a frame of exactly 1 MiB is read', async () => {
    const wire = await server().wire();
    const text = '{"rid":1,"op":"ping","padding":""}';
    wire.sendRaw(text.replace('""', `"${'x'.repeat(MIB - text.length)}"`));
    expect(await wire.nextStray()).toMatchObject({ rid: 1 });
    await stillGood(wire);
  });

  test.each([MIB + 1, 4 * MIB, 15 * MIB])('a frame of %i bytes closes with 1009', async (size) => {
    for (const frame of [Buffer.alloc(size), 'x'.repeat(size)]) {
      const wire = await server().wire();
      wire.sendRaw(frame);
      expect(await wire.closed).toMatchObject({ code: 1009 });
      await stillGood();
    }
  });

  test('a frame that announces more than 16 MiB is not even read', async () => {
    const wire = await server().wire();
    wire.sendRaw(Buffer.alloc(20 * MIB));
    expect([1006, 1009]).toContain((await wire.closed).code);
    await stillGood();
  });

  test('a frame in many fragments counts as a whole', async () => {
    const wire = await server().wire();
    for (let i = 0; i < 20; i++) wire.socket.send(Buffer.alloc(MIB / 8), { fin: false, binary: true });
    wire.socket.send(Buffer.alloc(1), { fin: true });
    expect(await wire.closed).toMatchObject({ code: 1009 });
    await stillGood();
  });

  test('a body of 4 MiB is read, one more byte is refused with 413', async () => {
    const body = (size: number) => {
      const text = '{"id":""}';
      return text.replace('""', `"${'x'.repeat(size - text.length)}"`);
    };
    expect(await admin.send('POST', '/v1/transactions', body(4 * MIB))).toMatchObject({ status: 400 });
    expect(await admin.send('POST', '/v1/transactions', body(4 * MIB + 1))).toMatchObject({
      status: 413,
      body: { code: 'too_large', limit: 4 * MIB },
    });
    await stillGood();
  });

  test('a body that only turns out to be too large is refused the same', async () => {
    const head = [
      'POST /v1/transactions HTTP/1.1',
      'Host: localhost',
      `Authorization: Bearer ${makeToken()}`,
      'Content-Type: application/json',
      'Transfer-Encoding: chunked',
    ];
    const socket = connect(server().port, '127.0.0.1');
    let answer = '';
    socket.on('error', () => undefined);
    socket.on('data', (data) => {
      answer += data;
    });
    const closed = once(socket, 'close');
    socket.write(`${head.join('\r\n')}\r\n\r\n`);
    const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`;
    for (let i = 0; i < 80 && answer === ''; i++) {
      if (!socket.write(chunk)) await Promise.race([once(socket, 'drain'), closed, once(socket, 'data')]);
    }
    socket.write('0\r\n\r\n');
    if (answer === '') await Promise.race([once(socket, 'data'), closed]);
    socket.destroy();
    // A server that takes no chunked bodies at all may say so.
    expect(answer).toMatch(/^HTTP\/1\.1 (413|400|411|501) /);
    await stillGood();
  });
});

test('connections that vanish take nothing with them', { timeout: TIMEOUT_MS }, async () => {
  const wires = await Promise.all(Array.from({ length: 30 }, () => server().wire()));
  await createAccounts(admin, [{ id: 'vanished', type: 'asset' }, { id: 'vanished:sales' }]);
  const sent = wires.flatMap((wire, w) =>
    Array.from({ length: 50 }, (_, i) => {
      const fields = [`van-${w}-${i}`, 'vanished', 'vanished:sales', 1];
      wire.sendFrame([i, ...fields]);
      return fields;
    }),
  );
  for (const wire of wires) wire.socket.terminate();
  await stillGood();
  // Whatever reached the server is there once; sent again it is the same sale.
  const wire = await server().wire();
  const replies = await within(
    Promise.all(sent.map((fields) => wire.compact(fields))),
    10_000,
    () => 'no answers',
  );
  expect(replies.every(([, n]) => n === 0 || n === 1)).toBe(true);
  expect(await admin.get('/v1/accounts/vanished/balance')).toMatchObject({ body: { balance: sent.length } });
});
