import { once } from 'node:events';
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import type { HttpClient } from './support/http-client.js';
import { HAS_PROC, openFiles, ownBytes } from './support/process-figures.js';
import { ServerProcess, until } from './support/server.js';
import { createAccounts } from './support/shop.js';
import { makeToken } from './support/token.js';
import { Relay, Unfinished } from './support/vanishing.js';

/** Peers that vanish without closing their connection are noticed, and what they cost is given back. */

const TIMEOUT_MS = 600_000;
const WAIT_MS = 90_000;
/** The shortest there is: a silent peer is pinged after 5 s and given up 4 s later. */
const IDLE_TIMEOUT = ['--idle-timeout-s', '9'];
const VANISHING = 100;
const WAVES = 2;
/** Some are owed replies when they vanish: by far more than the kernel holds for a peer that does not read. */
const OWED = 4;
const OWED_BYTES = 28 << 20;
/** More than they are owed: so it is the silence that closes them. */
const BACKPRESSURE = ['--backpressure-bytes', `${1 << 26}`];
/** Of `status` of the large transaction. */
const REPLY_BYTES = 5_000;
/** What of a wave may stay with the allocator. */
const WAVE_SLACK_BYTES = 48 << 20;

/** A transaction whose `status` is long. */
async function postLarge(http: HttpClient): Promise<void> {
  const credit = { account: 'till', credit: 1, tag: 'a-tag-of-some-length' };
  const postings = [{ account: 'bank', debit: 63 }, ...Array.from({ length: 63 }, () => credit)];
  const large = { id: 'large', postings, metadata: { note: 'n'.repeat(1000) } };
  expect(await http.post('/v1/transactions', large)).toMatchObject({ status: 201 });
}

async function connectThrough(relay: Relay): Promise<WebSocket> {
  const headers = { authorization: `Bearer ${makeToken()}` };
  const peer = new WebSocket(`ws://127.0.0.1:${relay.port}/v1/ws`, { headers });
  peer.on('error', () => undefined);
  await once(peer, 'open');
  return peer;
}

/** Asks for much on each of these connections, and waits until all of it has reached the server and is answered. */
async function owe(server: ServerProcess, relay: Relay, peers: readonly WebSocket[]): Promise<void> {
  const ask = JSON.stringify({ rid: 1, op: 'status', id: 'large' });
  const asks = Math.ceil(OWED_BYTES / REPLY_BYTES);
  const before = relay.forwarded;
  for (let sent = 0; sent < asks; sent++) for (const peer of peers) peer.send(ask);
  await until(
    async () =>
      relay.forwarded - before >= peers.length * asks * ask.length &&
      (await server.metric('kassa_commands_in_flight')) === 0,
    WAIT_MS,
    () => `${relay.forwarded - before} bytes were passed on`,
  );
}

test.skipIf(!HAS_PROC)(
  'half-open connections, with and without unread replies',
  { timeout: TIMEOUT_MS },
  async () => {
    const server = await ServerProcess.fresh({ shards: 2, args: [...IDLE_TIMEOUT, ...BACKPRESSURE] });
    const http = server.http();
    await createAccounts(http, [{ id: 'bank', type: 'asset' }, { id: 'till' }]);
    await postLarge(http);
    const good = await server.wire();
    const filesBefore = openFiles(server.pid);
    const bytesBefore = ownBytes(server.pid);
    const left: number[] = [];
    let sales = 0;
    for (let wave = 0; wave < WAVES; wave++) {
      const relay = await Relay.to(server.port);
      const peers = await Promise.all(Array.from({ length: VANISHING }, () => connectThrough(relay)));
      expect(await server.metric('kassa_connections')).toBe(1 + VANISHING);
      relay.deafen();
      await owe(server, relay, peers.slice(0, OWED));
      const owed = ownBytes(server.pid) - bytesBefore;
      expect(owed).toBeGreaterThan(WAVE_SLACK_BYTES);
      relay.freeze();
      await until(
        async () => {
          expect((await good.compact([`good-${sales++}`, 'bank', 'till', 1]))[1]).toBe(0);
          return (await server.metric('kassa_connections')) === 1;
        },
        WAIT_MS,
        () => 'those that vanished are still connected',
      );
      left.push(ownBytes(server.pid) - bytesBefore);
      relay.tearDown();
      for (const peer of peers) peer.terminate();
    }
    expect(left.at(-1)! - left[0]!, `${left}`).toBeLessThan(WAVE_SLACK_BYTES);
    await until(
      () => openFiles(server.pid) <= filesBefore,
      WAIT_MS,
      () => `${openFiles(server.pid)} files are open, ${filesBefore} were`,
    );
    expect(await http.get('/v1/accounts/till/balance')).toMatchObject({ body: { balance: 63 + sales } });
  },
);

test.skipIf(!HAS_PROC)(
  'requests and upgrades that never end, silent or byte by byte',
  { timeout: TIMEOUT_MS },
  async () => {
    const server = await ServerProcess.fresh();
    const http = server.http();
    await createAccounts(http, [{ id: 'bank', type: 'asset' }, { id: 'till' }]);
    const filesBefore = openFiles(server.pid);
    const get = 'GET /health/live HTTP/1.1\r\nHost: x\r\nX-A: a';
    const upgrade = 'GET /v1/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-A: a';
    const post =
      'POST /v1/transactions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{';
    const { port } = server;
    const unfinished = [
      new Unfinished('nothing at all', port, ''),
      new Unfinished('half a head', port, get),
      new Unfinished('a head byte by byte', port, get, 'a'),
      new Unfinished('half an upgrade', port, upgrade),
      new Unfinished('an upgrade byte by byte', port, upgrade, 'a'),
      new Unfinished('half a body', port, post),
      new Unfinished('a body byte by byte', port, post, ' '),
    ];
    let sales = 0;
    await until(
      async () => {
        const sale = { id: `good-${sales++}`, debit: 'bank', credit: 'till', amount: 1 };
        expect(await http.post('/v1/transactions', sale)).toMatchObject({ status: 201 });
        return unfinished.every(({ isClosed }) => isClosed);
      },
      WAIT_MS,
      () =>
        unfinished
          .filter(({ isClosed }) => !isClosed)
          .map(({ name }) => name)
          .join(', '),
    );
    http.close();
    await until(
      () => openFiles(server.pid) <= filesBefore,
      WAIT_MS,
      () => `${openFiles(server.pid)} files are open, ${filesBefore} were`,
    );
    expect(await server.http().get('/v1/accounts/till/balance')).toMatchObject({ body: { balance: sales } });
  },
);
