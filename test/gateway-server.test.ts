import { once } from 'node:events';
import { connect } from 'node:net';
import { Packr } from 'msgpackr';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { FRAME_BYTES_MAX } from '../engine/limits.js';
import type { Outcome } from '../engine/types.js';
import { type Config, resolveConfig } from '../src/config.js';
import { FeedLine } from '../src/feed/line.js';
import { createAuthenticator, signToken } from '../src/gateway/auth.js';
import { secretKey } from '../src/gateway/keys.js';
import { type Gateway, startGateway } from '../src/gateway/server.js';
import type { Ledger, LedgerStats } from '../src/ledger.js';
import type { Caller, CompactSink, Session } from '../src/session.js';

const packr = new Packr({ useRecords: false, mapsAsObjects: true, int64AsType: 'bigint' });
const SECRET = 'a secret of more than thirty-two bytes';

/** Answers compact commands on `answerAll`, map commands with what was asked, so that a test sees what arrived. */
class FakeLedger implements Ledger {
  readonly id = 'fake';
  readonly attachments = [];
  readonly feed = new FeedLine(
    ({ port }) => port.close(),
    () => 41,
  );
  onAnswered: (() => void) | undefined;
  readonly callers: Caller[] = [];
  readonly waiting: (() => void)[] = [];
  /** Compact commands wait for `answerAll`. */
  hold = false;
  /** Bytes of padding in every map reply. */
  padding = 0;

  as(caller: Caller): Session {
    this.callers.push(caller);
    const echo = (call: string) => (first?: unknown, second?: unknown) =>
      this.reply({ call, first, second, ...(this.padding > 0 && { padding: 'x'.repeat(this.padding) }) });
    return {
      caller,
      transaction: echo('transaction'),
      batch: echo('batch'),
      post: echo('post'),
      void: echo('void'),
      reverse: echo('reverse'),
      status: echo('status'),
      createAccount: echo('createAccount'),
      createAccounts: echo('createAccounts'),
      account: echo('account'),
      balance: echo('balance'),
      updateAccount: echo('updateAccount'),
      compact: (frame: readonly unknown[], sink: CompactSink) => this.compact(frame, sink),
      compactFrame: () => false,
    } as unknown as Session;
  }

  private async reply(body: { call: string; first?: unknown; second?: unknown }): Promise<Outcome<object>> {
    const id = (body.first as { id?: unknown } | undefined)?.id ?? body.first;
    if (id === 'poor') {
      return {
        ok: false,
        code: 'insufficient_funds',
        detail: 'no',
        account: 'a',
        shortage: 9007199254740993n,
      };
    }
    if (id === 'broken') throw new Error('a bug');
    return { ok: true, created: body.call === 'transaction', body: { ...body, balance: 9007199254740993n } };
  }

  private compact(frame: readonly unknown[], sink: CompactSink): boolean {
    const rid = frame[0] as number;
    if (frame[1] === 'at once') sink.answer(rid, 16, 0);
    else if (Array.isArray(frame[1])) this.later(() => sink.answerBatch(rid, 2 ** 40, [[3, 31]]));
    else this.later(() => sink.answer(rid, 0, 2 ** 33 + rid));
    return true;
  }

  private later(answer: () => void): void {
    this.waiting.push(answer);
    if (!this.hold) setImmediate(() => this.answerAll());
  }

  answerAll(): void {
    for (const answer of this.waiting.splice(0)) answer();
    this.onAnswered?.();
  }

  readonly failed = new Promise<Error>(() => undefined);

  notReady(): undefined {
    return undefined;
  }

  stats(): LedgerStats {
    return { lsn: 42, durableLsn: 41 } as LedgerStats;
  }

  guard(): void {}

  release(): void {}

  async close(): Promise<void> {}
}

const open: { gateway: Gateway; sockets: WebSocket[] }[] = [];
afterEach(async () => {
  for (const { gateway, sockets } of open.splice(0)) {
    for (const socket of sockets) socket.terminate();
    await gateway.close();
  }
});

async function start(given: Partial<Config> = {}, ledger: Ledger | Promise<Ledger> = new FakeLedger()) {
  const config: Config = { ...resolveConfig({}, {}).config, port: 0, auth: 'off', drainS: 5, ...given };
  const gateway = await startGateway({
    ledger,
    config,
    auth: createAuthenticator(config),
    logger: pino({ level: 'silent' }),
  });
  const sockets: WebSocket[] = [];
  open.push({ gateway, sockets });
  const dial = async (
    options: { token?: string; protocols?: string[]; headers?: Record<string, string> } = {},
  ) => {
    const headers = {
      ...options.headers,
      ...(options.token && { authorization: `Bearer ${options.token}` }),
    };
    const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/v1/ws`, options.protocols ?? [], {
      headers,
    });
    sockets.push(socket);
    await once(socket, 'open');
    return new Client(socket);
  };
  const request = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
    fetch(gateway.url + path, {
      method,
      headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
  return { gateway, config, dial, request };
}

/** Keeps what came, so that no frame is lost between two waits. */
class Client {
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly received: unknown[] = [];
  private wake: (() => void) | undefined;

  constructor(readonly socket: WebSocket) {
    this.closed = new Promise((resolve) => {
      socket.once('close', (code, reason) => resolve({ code, reason: reason.toString() }));
    });
    socket.on('error', () => undefined);
    socket.on('message', (data: Buffer, isBinary) => {
      this.received.push(isBinary ? packr.unpack(data) : data.toString());
      this.wake?.();
    });
  }

  send(frame: unknown): void {
    this.socket.send(typeof frame === 'string' ? frame : packr.pack(frame));
  }

  async take(count = 1): Promise<unknown[]> {
    while (this.received.length < count) {
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
    return this.received.splice(0, count);
  }

  async ask(frame: unknown): Promise<unknown> {
    this.send(frame);
    return (await this.take())[0];
  }
}

describe('WebSocket', () => {
  it('answers compact commands in the encoding of their request, with exact 64-bit numbers', async () => {
    const { dial } = await start();
    const client = await dial();
    expect(await client.ask([7, 'id', 'a', 'b', 5])).toEqual([7, 0, 8589934599n]);
    expect(await client.ask('[8,"id","a","b",5]')).toBe('[8,0,8589934600]');
    expect(await client.ask([9, [['id', 'a', 'b', 5]]])).toEqual([9, 0, 1099511627776n, [[3, 31]]]);
    expect(await client.ask('[9,[["id","a","b",5]]]')).toBe('[9,0,1099511627776,[[3,31]]]');
  });

  it('answers faults that are known at once', async () => {
    const { dial } = await start();
    const client = await dial();
    expect(await client.ask([4294967295, 'at once'])).toEqual([4294967295, 16]);
  });

  it('answers every command of a pipelined run, whatever its encoding', async () => {
    const ledger = new FakeLedger();
    const { dial } = await start({}, ledger);
    const client = await dial();
    for (let rid = 0; rid < 1000; rid++) client.send(rid % 3 === 0 ? `[${rid},"id"]` : [rid, 'id']);
    const rids = (await client.take(1000)).map((reply) =>
      typeof reply === 'string' ? JSON.parse(reply)[0] : (reply as unknown[])[0],
    );
    expect(rids.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, rid) => rid));
  });

  it('passes map commands on without rid and op, and answers with the body', async () => {
    const { dial } = await start();
    const client = await dial();
    expect(await client.ask({ rid: 1, op: 'transaction', id: 't', amount: 5, odd: 1 })).toEqual({
      rid: 1,
      ok: true,
      call: 'transaction',
      first: { id: 't', amount: 5, odd: 1 },
      balance: 9007199254740993n,
    });
    const reply = (await client.ask('{"rid":2,"op":"reverse","id":"new","original":"old"}')) as string;
    expect(reply).toContain(
      '"call":"reverse","first":"old","second":{"id":"new"},"balance":9007199254740993}',
    );
    expect(await client.ask({ rid: 3, op: 'balance', account: 'x' })).toMatchObject({
      call: 'balance',
      first: 'x',
    });
    expect(await client.ask({ rid: 4, op: 'ping' })).toEqual({ rid: 4, ok: true });
    expect(await client.ask({ rid: 5, op: 'transaction', id: 'poor' })).toEqual({
      rid: 5,
      ok: false,
      code: 'insufficient_funds',
      detail: 'no',
      account: 'a',
      shortage: 9007199254740993n,
    });
  });

  it.each([
    ['an unknown op', { rid: 1, op: 'steal' }, { rid: 1, pointer: '/op' }],
    ['an op that every object has', { rid: 1, op: 'constructor' }, { rid: 1, pointer: '/op' }],
    ['a read with more fields', { rid: 1, op: 'status', id: 'x', extra: 1 }, { rid: 1, pointer: '/extra' }],
    ['an id that is not a string', { rid: 1, op: 'post', id: 5 }, { rid: 1, pointer: '/id' }],
    ['a rid that is too large', { rid: 2 ** 32, op: 'ping' }, { pointer: '/rid' }],
    ['a rid that is not an integer', { rid: 1.5, op: 'ping' }, { pointer: '/rid' }],
    ['a compact frame without rid', ['x', 'id'], { pointer: '/rid' }],
    ['a number', 5, {}],
  ])('refuses %s and stays', async (_, frame, expected) => {
    const { dial } = await start();
    const client = await dial();
    const reply = (await client.ask(frame)) as { rid?: number };
    expect(reply).toMatchObject({ ok: false, code: 'invalid_request', ...expected });
    if (!('rid' in expected)) expect(reply.rid).toBeUndefined();
    expect(await client.ask({ rid: 9, op: 'ping' })).toEqual({ rid: 9, ok: true });
  });

  it('refuses frames that cannot be decoded, in their encoding, and stays', async () => {
    const { dial } = await start();
    const client = await dial();
    expect(JSON.parse((await client.ask('{"rid":1,')) as string)).toMatchObject({
      ok: false,
      code: 'invalid_request',
    });
    client.socket.send(Buffer.from([0xc1]));
    expect((await client.take())[0]).toMatchObject({ ok: false, code: 'invalid_request' });
    expect(await client.ask({ rid: 9, op: 'ping' })).toEqual({ rid: 9, ok: true });
  });

  it.each([FRAME_BYTES_MAX + 1, 3 * FRAME_BYTES_MAX])(
    'closes with 1009 for a frame of %d bytes',
    async (bytes) => {
      const { dial } = await start();
      const client = await dial();
      client.socket.send(Buffer.alloc(bytes, 0x90));
      expect((await client.closed).code).toBe(1009);
    },
  );

  it('takes a frame of exactly the limit', async () => {
    const { dial } = await start();
    const client = await dial();
    const frame = `[1,"at once","${'x'.repeat(FRAME_BYTES_MAX - 16)}"]`;
    expect(frame.length).toBe(FRAME_BYTES_MAX);
    expect(await client.ask(frame)).toBe('[1,16]');
  });

  it('closes a client that does not read with 1013', async () => {
    const ledger = new FakeLedger();
    ledger.padding = 100_000;
    const { dial } = await start({ backpressureBytes: 1 << 20 }, ledger);
    const client = await dial();
    client.socket.pause();
    for (let rid = 0; rid < 400; rid++) client.send({ rid, op: 'status', id: 'x' });
    await until(async () => (await metric(open[0]!.gateway, 'kassa_connections')) === 0);
    client.socket.resume();
    expect((await client.closed).code).toBe(1013);
  });

  it('sends replies larger than the limit to a client that reads', async () => {
    const ledger = new FakeLedger();
    ledger.padding = 5_000_000;
    const { dial } = await start({ backpressureBytes: 1 << 16 }, ledger);
    const client = await dial();
    for (let rid = 0; rid < 3; rid++) {
      expect(await client.ask({ rid, op: 'status', id: 'x' })).toMatchObject({ rid, ok: true });
    }
  });

  it('refuses what exceeds the commands in flight of one connection', async () => {
    const ledger = new FakeLedger();
    ledger.hold = true;
    const { dial } = await start({ inFlightPerConnection: 2 }, ledger);
    const client = await dial();
    for (let rid = 0; rid < 3; rid++) client.send([rid, 'id']);
    expect(await client.take()).toEqual([[2, 39]]);
    expect(await client.ask({ rid: 3, op: 'status', id: 'x' })).toMatchObject({ rid: 3, code: 'overloaded' });
    ledger.answerAll();
    expect((await client.take(2)).map((reply) => (reply as unknown[])[1])).toEqual([0, 0]);
    client.send([4, 'id']);
    await until(async () => ledger.waiting.length === 1);
    ledger.answerAll();
    expect(await client.take()).toEqual([[4, 0, 8589934596n]]);
  });

  it('drops the answers of a client that has gone', async () => {
    const ledger = new FakeLedger();
    ledger.hold = true;
    const { dial, gateway } = await start({}, ledger);
    const client = await dial();
    client.send([1, 'id']);
    await until(async () => ledger.waiting.length === 1);
    client.socket.terminate();
    await until(async () => (await metric(gateway, 'kassa_connections')) === 0);
    ledger.answerAll();
    expect(await metric(gateway, 'kassa_commands_in_flight')).toBe(0);
  });

  it('closes with 1011 when the outcome of a command is not known', async () => {
    const { dial } = await start();
    const client = await dial();
    client.send({ rid: 1, op: 'status', id: 'broken' });
    expect((await client.closed).code).toBe(1011);
  });
});

describe('tokens', () => {
  const jwt = { auth: 'jwt', jwtSecret: SECRET } as const;
  const claims = { tenant: 'shop', sub: 'anna', role: 'pos', terminal: 't1', accounts: ['till:'] } as const;

  it('opens a socket for a bearer token, and the session is the token’s', async () => {
    const ledger = new FakeLedger();
    const { dial } = await start(jwt, ledger);
    await dial({ token: await signToken(claims, secretKey(SECRET), 60) });
    expect(ledger.callers[0]).toMatchObject({
      tenant: 'shop',
      by: 'anna',
      terminal: 't1',
      accounts: ['till:'],
    });
    expect(ledger.callers[0]?.permissions?.has('transactions:create')).toBe(true);
    expect(ledger.callers[0]?.permissions?.has('accounts:create')).toBe(false);
  });

  it('takes a token from the subprotocols and answers kassa.v1', async () => {
    const { dial } = await start(jwt);
    const token = await signToken(claims, secretKey(SECRET), 60);
    const client = await dial({ protocols: ['kassa.v1', `bearer.${token}`] });
    expect(client.socket.protocol).toBe('kassa.v1');
  });

  it('refuses an upgrade without a valid token with 401', async () => {
    const { dial } = await start(jwt);
    await expect(dial()).rejects.toThrow('401');
    await expect(dial({ token: 'nonsense' })).rejects.toThrow('401');
    await expect(dial({ token: await signToken(claims, secretKey(`${SECRET}!`), 60) })).rejects.toThrow(
      '401',
    );
  });

  it('closes the socket with 4001 when the token expires', async () => {
    const { dial } = await start(jwt);
    const client = await dial({ token: await signToken(claims, secretKey(SECRET), 1) });
    expect((await client.closed).code).toBe(4001);
  });

  it('answers HTTP without a token with 401 and a challenge', async () => {
    const { request } = await start(jwt);
    const response = await request('GET', '/v1/transactions/x');
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toContain('Bearer');
    expect(await response.json()).toMatchObject({ code: 'unauthenticated', status: 401 });
  });

  it('serves HTTP with a token, again and again', async () => {
    const ledger = new FakeLedger();
    const { request } = await start(jwt, ledger);
    const authorization = `Bearer ${await signToken(claims, secretKey(SECRET), 60)}`;
    for (let i = 0; i < 3; i++) {
      expect((await request('GET', '/v1/accounts/a', undefined, { authorization })).status).toBe(200);
    }
    expect(ledger.callers.length).toBe(1);
  });

  it('without tokens, refuses pages of other sites and names that are not this machine', async () => {
    const { dial } = await start();
    await expect(dial({ headers: { origin: 'https://evil.example' } })).rejects.toThrow('403');
    await expect(dial({ headers: { host: 'evil.example' } })).rejects.toThrow('403');
    await dial({ headers: { origin: 'http://localhost:5173' } });
  });
});

describe('HTTP', () => {
  it.each([
    ['POST', '/v1/transactions', { id: 't' }, 'transaction', { id: 't' }, undefined],
    ['POST', '/v1/transactions/batch', { transactions: [] }, 'batch', { transactions: [] }, undefined],
    ['GET', '/v1/transactions/batch', undefined, 'status', 'batch', undefined],
    ['GET', '/v1/transactions/%7Bs1%7D%3At', undefined, 'status', '{s1}:t', undefined],
    ['POST', '/v1/transactions/t/post', { amount: 5 }, 'post', 't', { amount: 5 }],
    ['POST', '/v1/transactions/t/void', undefined, 'void', 't', {}],
    ['POST', '/v1/transactions/t/reverse', { id: 'n' }, 'reverse', 't', { id: 'n' }],
    ['POST', '/v1/accounts', { id: 'a' }, 'createAccount', { id: 'a' }, undefined],
    ['POST', '/v1/accounts/batch', { accounts: [] }, 'createAccounts', { accounts: [] }, undefined],
    ['GET', '/v1/accounts/a', undefined, 'account', 'a', undefined],
    ['PATCH', '/v1/accounts/a', { frozen: true }, 'updateAccount', 'a', { frozen: true }],
    ['GET', '/v1/accounts/a/balance', undefined, 'balance', 'a', undefined],
  ])('%s %s', async (method, path, body, call, first, second) => {
    const { request } = await start();
    const response = await request(method, path, body);
    expect(response.status).toBe(call === 'transaction' ? 201 : 200);
    expect(response.headers.get('content-type')).toBe('application/json');
    const text = await response.text();
    expect(text).toContain('"balance":9007199254740993');
    expect(JSON.parse(text)).toMatchObject({ call, first, ...(second && { second }) });
  });

  it('answers a refusal as a problem with its own fields', async () => {
    const { request } = await start();
    const response = await request('POST', '/v1/transactions', { id: 'poor' });
    expect(response.status).toBe(422);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect(await response.text()).toBe(
      '{"type":"urn:kassa:problem:insufficient_funds","title":"The account would fall below its minimum",' +
        '"status":422,"detail":"no","code":"insufficient_funds","account":"a","shortage":9007199254740993}',
    );
  });

  it.each([
    ['GET', '/nothing', undefined, {}, 404],
    ['GET', '/v1/nothing', undefined, {}, 404],
    ['GET', '/v1/transactions/', undefined, {}, 404],
    ['DELETE', '/v1/accounts/a', undefined, {}, 405],
    ['POST', '/metrics', '{}', {}, 405],
    ['GET', '/v1/accounts/%ff', undefined, {}, 400],
    ['POST', '/v1/transactions', '{"id":', {}, 400],
    ['POST', '/v1/transactions', '{"id":"a","id":"a"}', {}, 400],
    ['POST', '/v1/transactions', '', {}, 400],
    ['POST', '/v1/transactions', '{}', { 'content-type': 'text/plain' }, 400],
    ['GET', '/v1/ws', undefined, {}, 400],
  ])('%s %s of %s is refused as a problem', async (method, path, body, headers, status) => {
    const { request } = await start();
    const response = await request(method, path, body, headers as Record<string, string>);
    expect(response.status).toBe(status);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect(await response.json()).toMatchObject({ status, code: 'invalid_request' });
    if (status === 405) expect(response.headers.get('allow')).toMatch(/GET/);
  });

  it('refuses a body above 4 MiB with 413, declared or not', async () => {
    const { request, gateway } = await start();
    const body = `{"id":"${'x'.repeat(5 << 20)}"}`;
    const declared = await request('POST', '/v1/transactions', body);
    expect(declared.status).toBe(413);
    expect(await declared.json()).toMatchObject({ code: 'too_large', limit: 4 << 20 });
    const streamed = await fetch(`${gateway.url}/v1/transactions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: new Blob([body]).stream(),
      duplex: 'half',
    } as RequestInit);
    expect(streamed.status).toBe(413);
    expect((await request('GET', '/health/live')).status).toBe(200);
  });

  it('answers 500 when a command fails for a fault of the server', async () => {
    const { request } = await start();
    expect((await request('GET', '/v1/transactions/broken')).status).toBe(500);
    expect((await request('GET', '/health/live')).status).toBe(200);
  });

  it('survives clients that vanish in the middle of a request', async () => {
    const { gateway, request } = await start();
    for (let i = 0; i < 20; i++) {
      const socket = connect(gateway.port, '127.0.0.1');
      await once(socket, 'connect');
      const whole = i % 2 === 0;
      socket.write(
        `POST /v1/transactions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${whole ? 10 : 100}\r\n\r\n{"id":"x"}`,
      );
      socket.destroy();
      await once(socket, 'close');
    }
    expect((await request('GET', '/health/live')).status).toBe(200);
    await until(async () => (await metric(gateway, 'kassa_commands_in_flight')) === 0);
  });
});

describe('life of the server', () => {
  it('is live at once and ready when the ledger is', async () => {
    const { promise, resolve } = withResolvers<Ledger>();
    const { request, dial } = await start({}, promise);
    expect((await request('GET', '/health/live')).status).toBe(200);
    const ready = await request('GET', '/health/ready');
    expect(ready.status).toBe(503);
    expect(await ready.json()).toMatchObject({ code: 'not_ready', detail: 'recovering' });
    const early = await request('GET', '/v1/accounts/a');
    expect(early.status).toBe(503);
    expect(early.headers.get('retry-after')).toBe('1');
    await expect(dial()).rejects.toThrow('503');
    resolve(new FakeLedger());
    await until(async () => (await request('GET', '/health/ready')).status === 200);
    await dial();
  });

  it('shows its figures and the ledger’s', async () => {
    const { gateway, dial } = await start();
    const client = await dial();
    await client.ask([1, 'id']);
    expect(await metric(gateway, 'kassa_connections')).toBe(1);
    expect(await metric(gateway, 'kassa_durable_lsn')).toBe(41);
    expect(await metric(gateway, 'kassa_answers_total{channel="ws",code="ok"}')).toBe(1);
  });

  it('answers what is in flight before it stops, refuses what is new, and says goodbye with 1001', async () => {
    const ledger = new FakeLedger();
    ledger.hold = true;
    const { dial, gateway } = await start({}, ledger);
    const client = await dial();
    client.send([1, 'id']);
    await until(async () => ledger.waiting.length === 1);
    const closing = gateway.close();
    expect(await client.ask([2, 'id'])).toEqual([2, 40]);
    ledger.answerAll();
    expect(await client.take()).toEqual([[1, 0, 8589934593n]]);
    expect((await client.closed).code).toBe(1001);
    await closing;
    await expect(fetch(`${gateway.url}/health/live`)).rejects.toThrow();
  });

  it('names the reason when it cannot listen', async () => {
    const { gateway } = await start();
    await expect(start({ port: gateway.port })).rejects.toThrow(/the port is in use/);
    await expect(start({ host: '192.0.2.1' })).rejects.toThrow(/not an address of this machine/);
  });
});

async function metric(gateway: Gateway, name: string): Promise<number> {
  const text = await (await fetch(`${gateway.url}/metrics`)).text();
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${name} `));
  return Number(line?.split(' ').at(-1));
}

/** Waits for a condition; the test's own timeout is the deadline. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setImmediate(resolve));
}

function withResolvers<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((r) => {
    resolve = r;
  });
  return { promise, resolve };
}
