import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  ClosedError,
  type ConnectionState,
  LedgerError,
  OfflineError,
  openTerminal,
  type Problem,
  QueueInUseError,
  type RefusedSale,
  type SaleInput,
  type SettledEvent,
  type Terminal,
  type TerminalOptions,
  TimeoutError,
} from '../src/client/index.js';
import { FakeLedger, FakeServer, until } from './client-fake-server.js';

let dir: string;
let ledger: FakeLedger;
let server: FakeServer;
let port: number;
let open: Terminal[];
let settled: SettledEvent[];
let refused: RefusedSale[];
let problems: Problem[];
let states: ConnectionState[];

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'kassa-till-'));
  ledger = new FakeLedger();
  server = new FakeServer(ledger);
  port = await server.listen();
  open = [];
  settled = [];
  refused = [];
  problems = [];
  states = [];
});

afterEach(async () => {
  await Promise.all(open.map((till) => till.close()));
  await server.close();
  rmSync(dir, { recursive: true, force: true });
});

async function terminal(options: Partial<TerminalOptions> = {}): Promise<Terminal> {
  const till = await openTerminal({
    url: `http://127.0.0.1:${port}`,
    queue: join(dir, 'queue'),
    reconnect_min_ms: 5,
    reconnect_max_ms: 20,
    onSettled: (event) => settled.push(event),
    onRefused: (sale) => refused.push(sale),
    onProblem: (problem) => problems.push(problem),
    onConnection: (state) => states.push(state),
    ...options,
  });
  open.push(till);
  return till;
}

async function online(options: Partial<TerminalOptions> = {}): Promise<Terminal> {
  const till = await terminal(options);
  await until(() => till.state === 'online', 'online');
  return till;
}

function sale(id: string, amount = 100): SaleInput {
  return { id, debit: 'till:1', credit: 'sales', amount };
}

function isVoid(frame: unknown): boolean {
  return (frame as { op?: unknown }).op === 'void';
}

/** Stops the server and starts it again over the same ledger and port. */
async function restart(prepare: (server: FakeServer) => void = () => {}): Promise<void> {
  await server.close();
  server = new FakeServer(ledger);
  prepare(server);
  await server.listen(port);
}

/** Stops the server and waits until the terminal knows. */
async function goOffline(till: Terminal): Promise<void> {
  await server.close();
  await until(() => till.state === 'offline', 'offline');
}

describe('a terminal with a connection', () => {
  it('posts a sale and says at which LSN', async () => {
    const till = await online();
    expect(await till.sell(sale('s1', 250))).toEqual({
      status: 'posted',
      id: 's1',
      lsn: 1,
      duplicate: false,
    });
    expect(ledger.balance('till:1')).toBe(250n);
    expect(till.pending).toBe(0);
  });

  it('posts sales of many postings and exact amounts up to 2^63-1', async () => {
    const till = await online();
    const all = 2n ** 63n - 1n;
    const postings = [
      { account: 'till:1', debit: all },
      { account: 'sales', credit: all - 7n },
      { account: 'vat', credit: '7', tag: 'VAT20' },
    ];
    expect(await till.sell({ postings })).toMatchObject({ status: 'posted' });
    expect(ledger.balance('till:1')).toBe(all);
    expect(ledger.balance('sales')).toBe(7n - all);
  });

  it('makes ids of its name that differ', async () => {
    const till = await online({ name: '{store17}:till3' });
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => till.sell({ debit: 'a', credit: 'b', amount: 1 })),
    );
    expect(new Set(answers.map(({ id }) => id)).size).toBe(50);
    for (const { id } of answers) expect(id).toMatch(/^\{store17\}:till3:[A-Za-z0-9._:@{}-]{1,48}$/);
  });

  it('says that a sale with a known id is a duplicate', async () => {
    const till = await online();
    await till.sell(sale('s1'));
    expect(await till.sell(sale('s1'))).toMatchObject({ status: 'posted', lsn: 1, duplicate: true });
    expect(ledger.balance('till:1')).toBe(100n);
  });

  it('tells a refusal with its code and forgets it', async () => {
    ledger.limited.add('sales');
    const till = await online();
    expect(await till.sell(sale('s1'))).toEqual({ status: 'refused', id: 's1', code: 'insufficient_funds' });
    expect(till.refused()).toEqual([]);
    expect(till.pending).toBe(0);
  });

  it('holds, captures and voids', async () => {
    const till = await online();
    expect(await till.hold({ ...sale('h1'), expires_in: 60 })).toMatchObject({ status: 'pending' });
    expect(ledger.balance('till:1')).toBe(0n);
    expect(await till.capture('h1')).toMatchObject({ status: 'posted', id: 'h1' });
    expect(ledger.balance('till:1')).toBe(100n);
    await till.hold(sale('h2'));
    expect(await till.void('h2')).toMatchObject({ status: 'voided' });
    expect(await till.capture('h2')).toEqual({ status: 'refused', id: 'h2', code: 'already_voided' });
  });

  it('sends a capture only after the hold under the same id was answered', async () => {
    const till = await online();
    const answers = await Promise.all([till.hold(sale('h1')), till.capture('h1'), till.sell(sale('s2'))]);
    expect(answers.map(({ status }) => status)).toEqual(['pending', 'posted', 'posted']);
  });

  it('answers questions: status and balance, with amounts as bigint', async () => {
    const till = await online();
    await till.sell(sale('s1', 30));
    expect(await till.status('s1')).toMatchObject({
      status: 'posted',
      postings: [{ debit: 30n }, { credit: 30n }],
    });
    expect(await till.status('never')).toBeUndefined();
    expect(await till.balance('till:1')).toMatchObject({ balance: 30n, available: null });
    await expect(till.balance('nobody')).rejects.toThrow(LedgerError);
  });

  it('answers questions asked before the first connection is there', async () => {
    ledger.balances.set('till:1', 5n);
    const till = await terminal();
    expect(await till.balance('till:1')).toMatchObject({ balance: 5n });
  });

  it('puts what does not fit the window into one frame, in order', async () => {
    const till = await online({ window: 4 });
    const ids = Array.from({ length: 100 }, (_, index) => `s${index}`);
    const answers = await Promise.all(ids.map((id) => till.sell(sale(id, 1))));
    expect(answers.every(({ status }) => status === 'posted')).toBe(true);
    expect(ledger.order).toEqual(ids);
    expect(server.frames.length).toBeLessThan(12);
  });

  it('refuses malformed input before it takes it', async () => {
    const till = await online();
    await expect(till.sell(sale('s 1'))).rejects.toThrow(RangeError);
    for (const amount of [0, -1, 1.5, 2 ** 53, 2n ** 63n, '1e3', '', '-5']) {
      await expect(till.sell({ debit: 'a', credit: 'b', amount })).rejects.toThrow(RangeError);
    }
    await expect(till.sell({ postings: [{ account: 'a', debit: 1, credit: 1 }] })).rejects.toThrow(
      RangeError,
    );
    expect(till.pending).toBe(0);
  });
});

describe('a terminal without a connection', () => {
  it('queues sales and delivers them in order with their ids when the server is back', async () => {
    const till = await online();
    await goOffline(till);
    const ids = Array.from({ length: 30 }, (_, index) => `s${index}`);
    for (const id of ids) expect(await till.sell(sale(id, 1))).toEqual({ status: 'queued', id });
    expect(till.pending).toBe(30);
    await restart();
    await till.drained();
    expect(ledger.order).toEqual(ids);
    expect(settled.map(({ id }) => id)).toEqual(ids);
    expect(settled.every((event) => event.kind === 'sale' && !event.duplicate)).toBe(true);
    expect(states).toEqual(['online', 'offline', 'online']);
  });

  it('drains holds, captures and sales in the order they were made', async () => {
    const till = await online();
    await goOffline(till);
    await till.sell(sale('s1'));
    await till.hold(sale('h1'));
    await till.capture('h1');
    await till.hold(sale('h2'));
    await till.void('h2');
    await till.sell({ ...sale('s2'), metadata: { table: 4 } });
    await restart();
    await till.drained();
    expect(settled.map(({ id, status }) => `${id} ${status}`)).toEqual([
      ...['s1 posted', 'h1 pending', 'h1 posted', 'h2 pending', 'h2 voided', 's2 posted'],
    ]);
    expect(ledger.balance('till:1')).toBe(300n);
  });

  it('keeps the queue over its own death and delivers it first next time', async () => {
    const till = await online();
    await goOffline(till);
    await till.sell(sale('s1'));
    await till.sell(sale('s2'));
    await till.close();
    await restart();
    const next = await terminal();
    expect(next.pending).toBe(2);
    expect(await next.sell(sale('s3'))).toMatchObject({ status: 'posted' });
    await next.drained();
    expect(ledger.order).toEqual(['s1', 's2', 's3']);
    await next.close();
    expect((await online()).pending).toBe(0);
  });

  it('stamps what it takes offline with the time of the sale, unless told not to', async () => {
    const till = await online();
    await goOffline(till);
    const before = new Date().toISOString();
    const fields = { debit: 'till:1', credit: 'sales', amount: 100 };
    await till.sell(fields);
    await till.sell({ ...fields, effective_at: new Date(0) });
    await restart();
    await till.drained();
    const [, entries] = server.frames[0] as [number, unknown[][]];
    expect(entries[0]![6]! >= before).toBe(true);
    expect(entries[1]![6]).toBe('1970-01-01T00:00:00.000Z');
  });

  it('adds nothing to what has an id of the application, which may try that id again', async () => {
    const till = await online();
    await till.hold(sale('h1'));
    await goOffline(till);
    await till.sell(sale('s1'));
    await till.capture('h1');
    await restart();
    await till.drained();
    expect(await till.sell(sale('s1'))).toMatchObject({ status: 'posted', duplicate: true });
    expect(JSON.stringify(server.frames)).not.toContain('effective_at');
  });

  it('cannot answer questions, and says so', async () => {
    const till = await online();
    await goOffline(till);
    await expect(till.balance('till:1')).rejects.toThrow(OfflineError);
    await expect(till.status('s1')).rejects.toThrow(OfflineError);
  });

  it('keeps a queued sale that the ledger refuses, tells of it, and lists it until it is dismissed', async () => {
    const till = await online();
    ledger.limited.add('sales');
    await goOffline(till);
    await till.sell(sale('s1'));
    await till.sell({ id: 's2', debit: 'a', credit: 'b', amount: 5 });
    await restart();
    await till.drained();
    expect(refused).toMatchObject([
      { id: 's1', kind: 'sale', code: 'insufficient_funds', body: { amount: 100 } },
    ]);
    expect(settled.map(({ id }) => id)).toEqual(['s2']);
    await till.close();
    const next = await online();
    expect(next.pending).toBe(0);
    expect(next.refused()).toEqual(refused);
    await next.dismiss('s1');
    await next.close();
    expect((await online()).refused()).toEqual([]);
  });

  it('is alone with its queue', async () => {
    const till = await online();
    await expect(terminal()).rejects.toThrow(QueueInUseError);
    await till.close();
    await online();
  });
});

describe('an unknown outcome', () => {
  it('is resolved by sending the same sale again: booked once', async () => {
    server.treat = () => 'no_answer';
    const till = await online();
    const answer = till.sell(sale('s1'));
    await until(() => ledger.order.length === 1, 'the sale arrived');
    server.cut();
    expect(await answer).toEqual({ status: 'queued', id: 's1' });
    await until(() => server.frames.length > 1, 'the sale was sent again');
    server.treat = () => 'normal';
    server.cut();
    await till.drained();
    expect(settled).toMatchObject([{ id: 's1', status: 'posted', lsn: 1, duplicate: true }]);
    expect(ledger.balance('till:1')).toBe(100n);
  });

  it('is answered as queued in time, and a late answer still counts', async () => {
    let release = false;
    server.treat = () => (release ? 'normal' : 'ignore');
    const till = await online({ timeout_ms: 20, heartbeat_ms: 60_000 });
    expect(await till.sell(sale('s1'))).toMatchObject({ status: 'queued' });
    release = true;
    await till.drained();
    expect(settled).toMatchObject([{ id: 's1', status: 'posted' }]);
    await expect(
      (async () => {
        release = false;
        await till.balance('till:1');
      })(),
    ).rejects.toThrow(TimeoutError);
  });

  it('makes a refusal final by voiding the id first, so that no late copy can be booked', async () => {
    ledger.limited.add('sales');
    server.treat = () => 'ignore';
    const till = await online();
    const answer = till.sell(sale('s1'));
    await until(() => server.frames.length === 1, 'the first copy was sent');
    server.treat = () => 'normal';
    server.cut();
    expect(await answer).toMatchObject({ status: 'queued' });
    await till.drained();
    expect(refused).toMatchObject([{ id: 's1', code: 'insufficient_funds' }]);
    ledger.limited.clear();
    const lateCopy = ledger.create('s1', [], '', false);
    expect(lateCopy).toEqual(['already_voided', 0]);
  });

  it('that turns out to be booked after a refusal is a booked sale', async () => {
    ledger.limited.add('sales');
    server.treat = () => 'ignore';
    const till = await online();
    void till.sell(sale('s1'));
    await until(() => server.frames.length === 1, 'the first copy was sent');
    server.treat = (frame) => {
      if (JSON.stringify(frame).includes('void')) {
        ledger.limited.clear();
        ledger.create(
          's1',
          [
            ['till:1', 100n],
            ['sales', -100n],
          ],
          'late',
          false,
        ); // the late copy overtakes the void
      }
      return 'normal';
    };
    server.cut();
    await till.drained();
    expect(settled).toMatchObject([{ id: 's1', status: 'posted', lsn: 1 }]);
    expect(refused).toEqual([]);
  });

  it('stays unknown as long as the ledger forbids the void, and holds nothing else up', async () => {
    ledger.limited.add('sales');
    server.treat = () => 'ignore';
    const till = await online();
    void till.sell(sale('s1'));
    await until(() => server.frames.length === 1, 'the first copy was sent');
    server.treat = (frame) => (isVoid(frame) ? 'forbidden' : 'normal');
    server.cut();
    await until(() => problems.length === 1 && server.frames.filter(isVoid).length > 1, 'forbidden twice');
    expect(problems).toMatchObject([{ kind: 'forbidden' }]);
    expect(await till.sell({ id: 's2', debit: 'a', credit: 'b', amount: 1 })).toMatchObject({
      status: 'posted',
    });
    expect([refused, till.pending]).toEqual([[], 1]);
    const legs: [string, bigint][] = [['sales', 1n]];
    ledger.known.set('s1', { content: 'late', status: 'posted', lsn: 7, legs }); // the late copy arrives
    server.treat = () => 'normal';
    await till.drained();
    expect(settled).toMatchObject([{ id: 's1', status: 'posted', lsn: 7 }]);
    expect(refused).toEqual([]);
  });

  it('of a capture is not ended by a refusal that may pass before a late copy arrives', async () => {
    const till = await online();
    await till.hold(sale('h1'));
    server.treat = () => 'ignore';
    const answer = till.capture('h1');
    await until(() => server.frames.length === 2, 'the first copy was sent');
    server.treat = () => 'account_frozen';
    server.cut();
    expect(await answer).toMatchObject({ status: 'queued' });
    await until(() => problems.length === 1, 'refused for now');
    expect(problems).toMatchObject([{ kind: 'undecided' }]);
    server.treat = () => 'normal';
    await till.drained();
    expect(settled).toMatchObject([{ id: 'h1', kind: 'capture', status: 'posted' }]);
    expect(refused).toEqual([]);
  });

  it('survives a process that dies between sending and the answer', async () => {
    server.treat = () => 'no_answer';
    const till = await online();
    void till.sell(sale('s1'));
    await until(() => ledger.order.length === 1, 'the sale arrived');
    await till.close();
    server.treat = () => 'normal';
    const next = await online();
    await next.drained();
    expect(settled).toMatchObject([{ id: 's1', duplicate: true }]);
    expect(ledger.balance('till:1')).toBe(100n);
  });
});

describe('a process that is killed', () => {
  it('leaves every sale that it called queued on disk, and each is booked once', async () => {
    await server.close();
    const client = new URL('../src/client/index.js', import.meta.url).href;
    const script = `
      import { openTerminal } from ${JSON.stringify(client)};
      const till = await openTerminal({ url: 'ws://127.0.0.1:${port}', queue: ${JSON.stringify(join(dir, 'queue'))}, timeout_ms: 1 });
      for (let n = 0; ; n += 1) {
        const sales = [1, 2, 3].map((part) => till.sell({ id: 's' + n + '.' + part, debit: 'a', credit: 'b', amount: 1 }));
        for (const { id } of await Promise.all(sales)) process.stdout.write(id + '\\n');
      }`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
      if (output.split('\n').length > 60) child.kill('SIGKILL');
    });
    await new Promise((resolve) => child.once('close', resolve));
    const told = output.split('\n').slice(0, -1);
    await restart();
    const till = await terminal();
    await till.drained();
    expect(ledger.order.slice(0, told.length)).toEqual(told);
    expect(ledger.order.length - told.length).toBeLessThanOrEqual(3);
    expect(new Set(ledger.order).size).toBe(ledger.order.length);
  });
});

describe('a sale given up', () => {
  it('is voided before it is forgotten: a late copy finds a tombstone', async () => {
    const till = await online();
    expect(await till.giveUp('s1')).toMatchObject({ status: 'given_up', id: 's1' });
    expect(await till.sell(sale('s1'))).toEqual({ status: 'refused', id: 's1', code: 'already_voided' });
  });

  it('leaves the queue and is voided when the server is back', async () => {
    const till = await online();
    await goOffline(till);
    await till.sell(sale('s1'));
    await till.sell(sale('s2'));
    expect(await till.giveUp('s1')).toEqual({ status: 'queued', id: 's1' });
    expect(till.pending).toBe(2);
    await till.close();
    await restart();
    const next = await online();
    await next.drained();
    expect(ledger.order).toEqual(['s2']);
    expect(ledger.known.get('s1')!.status).toBe('voided');
    expect(settled.map(({ id, status }) => `${id} ${status}`)).toEqual(['s2 posted', 's1 given_up']);
  });

  it('that was booked already stands, and the caller is told', async () => {
    server.treat = () => 'no_answer';
    const till = await online({ timeout_ms: 30 });
    expect(await till.sell(sale('s1'))).toMatchObject({ status: 'queued' });
    const answer = till.giveUp('s1');
    server.treat = () => 'normal';
    server.cut();
    const result = await answer;
    await till.drained();
    const told = result.status === 'queued' ? settled : [result];
    expect(told).toMatchObject([{ id: 's1', status: 'posted', lsn: 1 }]);
    expect(ledger.balance('till:1')).toBe(100n);
  });

  it('while it is in flight is answered with queued: only the ledger knows how it ends', async () => {
    server.treat = () => 'ignore';
    const till = await online();
    const sold = till.sell(sale('s1'));
    await until(() => server.frames.length === 1, 'sent');
    const once = till.giveUp('s1');
    const givenUp = till.giveUp('s1');
    expect(await once).toEqual({ status: 'queued', id: 's1' }); // the later one answers for the id
    server.treat = () => 'normal';
    ledger.create('s1', [], 'late', false);
    server.cut();
    expect(await sold).toEqual({ status: 'queued', id: 's1' });
    const result = await givenUp;
    await till.drained();
    const told = result.status === 'queued' ? settled : [result];
    expect(told).toMatchObject([{ id: 's1', status: 'posted', lsn: 1 }]);
  });

  it('is not forgotten when the ledger forbids it: it is tried again, and nothing is held up', async () => {
    server.treat = (frame) => (isVoid(frame) ? 'forbidden' : 'normal');
    const till = await online({ timeout_ms: 50 });
    expect(await till.giveUp('s1')).toEqual({ status: 'queued', id: 's1' });
    expect(problems).toMatchObject([{ kind: 'forbidden' }]);
    expect(await till.sell(sale('s2'))).toMatchObject({ status: 'posted' });
    expect(till.pending).toBe(1);
    server.treat = () => 'normal';
    await till.drained();
    expect(settled).toMatchObject([{ id: 's1', status: 'given_up' }]);
    expect(refused).toEqual([]);
  });

  it('twice while it is forbidden leaves one, and the queue as it was', async () => {
    server.treat = (frame) => (isVoid(frame) ? 'forbidden' : 'normal');
    const till = await online({ timeout_ms: 20 });
    await till.giveUp('s1');
    await goOffline(till);
    await till.sell(sale('s2'));
    await till.giveUp('s1');
    expect(till.pending).toBe(2);
    await restart();
    await till.drained();
    expect(ledger.order).toEqual(['s2']);
    expect(ledger.known.get('s1')!.status).toBe('voided');
  });

  it('takes its refusal off the list', async () => {
    ledger.limited.add('sales');
    const till = await online();
    await goOffline(till);
    await till.sell(sale('s1'));
    await restart();
    await until(() => refused.length === 1, 'refused');
    await till.giveUp('s1');
    await until(() => till.refused().length === 0, 'dismissed');
  });
});

describe('a server in trouble', () => {
  it.each(['overloaded', 'not_ready', 'rate_limited'] as const)(
    '%s is not a refusal: it is asked again',
    async (code) => {
      let times = 3;
      server.treat = () => (times-- > 0 ? code : 'normal');
      const till = await online();
      const answers = await Promise.all([till.sell(sale('s1')), till.sell(sale('s2'))]);
      expect(answers.map(({ status }) => status)).toEqual(['posted', 'posted']);
      expect(ledger.order).toEqual(['s1', 's2']);
      expect(refused).toEqual([]);
    },
  );

  it('that refuses a whole batch gets its entries one by one', async () => {
    const till = await online();
    await goOffline(till);
    for (const id of ['s1', 's2', 's3']) await till.sell(sale(id));
    await restart((next) => {
      next.treat = (frame) =>
        Array.isArray(frame) && Array.isArray(frame[1]) ? 'invalid_request' : 'normal';
    });
    await till.drained();
    expect(ledger.order).toEqual(['s1', 's2', 's3']);
    expect(refused).toEqual([]);
  });

  it('that goes silent is noticed by its heartbeat', async () => {
    await server.close();
    server = new FakeServer(ledger, false);
    await server.listen(port);
    server.treat = () => 'ignore';
    const till = await online({ heartbeat_ms: 20 });
    void till.sell(sale('s1'));
    await until(() => states.includes('offline'), 'the silence was noticed');
    await restart();
    await till.drained();
    expect(ledger.order).toEqual(['s1']);
  });

  it('that never answers one request loses the connection, not the sale', async () => {
    let first = true;
    server.treat = () => {
      const treatment = first ? 'ignore' : 'normal';
      first = false;
      return treatment;
    };
    const till = await online({ timeout_ms: 20 });
    void till.sell(sale('s1'));
    await till.drained();
    expect(ledger.order).toEqual(['s1']);
    expect(states).toContain('offline');
  });

  it.each([
    [401, 'unauthenticated'],
    [403, 'forbidden'],
  ])('that answers %i at the door is a problem to report and to try again', async (status, kind) => {
    server.handshake = () => (problems.length < 2 ? status : 101);
    const till = await terminal();
    await until(() => till.state === 'online', 'let in');
    expect(problems.map((problem) => problem.kind)).toEqual([kind, kind]);
  });

  it.each(['two\nlines', new Error('none')])('without a usable token is tried again (%s)', async (bad) => {
    let good = false;
    const till = await terminal({
      async token() {
        if (good) return ' fresh\n';
        if (bad instanceof Error) throw bad;
        return bad;
      },
    });
    await until(() => problems.length === 2, 'tried twice');
    expect([problems[0]!.kind, till.state]).toEqual(['unauthenticated', 'offline']);
    expect(problems[0]!.detail).not.toContain('lines');
    const seen: (string | undefined)[] = [];
    server.handshake = (request) => {
      seen.push(request.headers.authorization);
      return 101;
    };
    good = true;
    await until(() => till.state === 'online', 'online');
    expect(seen).toEqual(['Bearer fresh']);
  });

  it('that closes with 4001 makes the terminal come back with a fresh token', async () => {
    const seen: (string | undefined)[] = [];
    server.handshake = (request) => {
      seen.push(request.headers.authorization);
      return 101;
    };
    let count = 0;
    const till = await online({ token: async () => `token${++count}` });
    server.hangUp(4001);
    await until(() => seen.length === 2 && till.state === 'online', 'back');
    expect(seen).toEqual(['Bearer token1', 'Bearer token2']);
    expect(problems).toMatchObject([{ kind: 'unauthenticated' }]);
  });
});

describe('journal: offline', () => {
  it('keeps a sale whose connection is lost, and answers queued only then', async () => {
    server.treat = () => 'no_answer';
    const till = await online({ journal: 'offline' });
    const answer = till.sell(sale('s1'));
    await until(() => ledger.order.length === 1, 'the sale arrived');
    await server.close();
    expect(await answer).toMatchObject({ status: 'queued' });
    await till.close();
    server = new FakeServer(ledger);
    await server.listen(port);
    const next = await online();
    await next.drained();
    expect(settled).toMatchObject([{ id: 's1', duplicate: true }]);
  });
});

describe('journal: offline, with a queue', () => {
  it('lets nothing overtake a sale that is being written', async () => {
    const till = await online({ journal: 'offline', window: 1 });
    const first = till.sell(sale('s1'));
    const second = till.sell(sale('s2')); // the window is full: to the disk first
    await first;
    const third = till.sell(sale('s3'));
    await Promise.all([second, third]);
    expect(ledger.order).toEqual(['s1', 's2', 's3']);
  });
});

describe('a closed terminal', () => {
  it('takes nothing more and leaves those who wait with an answer', async () => {
    server.treat = () => 'ignore';
    const till = await online();
    const answer = till.sell(sale('s1'));
    await until(() => server.frames.length === 1, 'sent');
    const drained = till.drained();
    drained.catch(() => {});
    await till.close();
    expect(await answer).toMatchObject({ status: 'queued' });
    await expect(drained).rejects.toThrow(ClosedError);
    await expect(till.sell(sale('s2'))).rejects.toThrow(ClosedError);
    await expect(till.status('s1')).rejects.toThrow(ClosedError);
    expect(till.state).toBe('closed');
  });
});
