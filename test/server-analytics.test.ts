import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { analyticsHealth, analyticsPid, delivered, isAlive } from './support/analytics-process.js';
import { startClickHouse } from './support/clickhouse-http.js';
import type { Fields } from './support/exact-json.js';
import type { HttpClient } from './support/http-client.js';
import { freePort, kassa, makeDataDirectory, ServerProcess, sharedServer, until } from './support/server.js';

/** Analytics beside a real server: who may ask what, and that whatever becomes of its process, tills do not notice. */

const TIMEOUT_MS = 120_000;
const SOON_MS = 30_000;
/** No till's answer may take longer, whatever happens to analytics; one that waited for it would take 15 s. */
const TILL_MS = 10_000;
/** Between two sales: a till that sold as fast as it can would leave nothing to a process of the lowest priority. */
const SALE_MS = 5;

async function openShop(server: ServerProcess): Promise<void> {
  const http = server.http();
  for (const id of ['till:1', 'till:2', 'sales']) {
    const type = id === 'sales' ? 'revenue' : 'asset';
    const made = await http.post('/v1/accounts', { id, currency: 'EUR', type, min_balance: null });
    expect(made.status).toBe(201);
  }
}

/** Sells one after the other until it is told to stop. @returns how many, and the longest that one took */
function keepSelling(server: ServerProcess): () => Promise<{ sales: number; longestMs: number }> {
  let isOpen = true;
  const selling = (async () => {
    const wire = await server.wire({ role: 'pos', terminal: 'till:1' });
    let [sales, longestMs] = [0, 0];
    while (isOpen) {
      const startMs = performance.now();
      const [, n] = await wire.compact([`busy:${sales}:${startMs}`, 'till:1', 'sales', 100]);
      expect(n).toBe(0);
      longestMs = Math.max(longestMs, performance.now() - startMs);
      sales++;
      await setTimeout(SALE_MS);
    }
    wire.close();
    return { sales, longestMs };
  })();
  // A test that fails before it asks has said why already.
  selling.catch(() => undefined);
  return () => {
    isOpen = false;
    return selling;
  };
}

/** Waits until there is another process than that one, and all that is durable is delivered. */
async function restarted(server: ServerProcess, before: number): Promise<void> {
  await until(
    () => ![undefined, before].includes(analyticsPid(server)),
    SOON_MS,
    () => `no other analytics process: ${server.output()}`,
  );
  await delivered(server);
}

describe('questions over HTTP', { timeout: TIMEOUT_MS }, () => {
  const server = sharedServer({ shards: 2, analytics: 'embedded', args: ['--slow-query-ms', '0'] });
  let admin: HttpClient;

  beforeAll(async () => {
    admin = server().http();
    await openShop(server());
    for (let i = 0; i < 5; i++) {
      await admin.post('/v1/transactions', { id: `t${i}`, debit: 'till:1', credit: 'sales', amount: 250 });
    }
    await delivered(server());
  }, TIMEOUT_MS);

  test.each([
    ['pos', 'GET', 'analytics/overview', 403],
    ['teller', 'GET', 'analytics/live', 403],
    ['approver', 'GET', 'rates', 403],
    ['auditor', 'GET', 'analytics/overview', 200],
    ['auditor', 'GET', 'analytics/live', 200],
    ['auditor', 'GET', 'rates', 200],
    ['auditor', 'PUT', 'rates', 403],
    ['auditor', 'POST', 'analytics/resume', 403],
    ['admin', 'GET', 'analytics/overview', 200],
    ['admin', 'PUT', 'rates', 200],
  ])('%s may %s %s: %i', async (role, method, path, status) => {
    const body = method === 'PUT' ? '{"rates":[{"from":"EUR","to":"USD","rate":"1.1"}]}' : undefined;
    const answer = await server().http({ role }).send(method, `/v1/${path}`, body);
    expect(answer.status).toBe(status);
    if (status === 403) expect(answer.body).toMatchObject({ code: 'forbidden', permission: /^analytics:/ });
  });

  test('pos and teller have no SQL', async () => {
    for (const role of ['pos', 'teller', 'approver']) {
      const answer = await server().http({ role }).post('/v1/analytics/query', { sql: 'SELECT 1' });
      expect(answer).toMatchObject({ status: 403, body: { permission: 'analytics:sql' } });
    }
  });

  test.each([
    ['analytics/accounts/till:1/balance', 200],
    ['analytics/accounts/till%3A1/statement', 200],
    ['analytics/accounts/till:1/reconcile', 200],
    ['analytics/accounts/till:2/balance', 403],
    ['analytics/accounts/till:2/reconcile', 403],
    ['analytics/tills/till:2/z-report', 403],
    ['analytics/overview', 403],
    ['analytics/accounts', 403],
    ['analytics/live', 403],
    ['rates', 403],
  ])('a token that reaches till:1 reads %s: %i', async (path, status) => {
    const limited = server().http({ role: 'auditor', accounts: ['till:1'] });
    const answer = await limited.get(`/v1/${path}`);
    expect(answer.status).toBe(status);
    if (status === 403) expect(answer.body).toMatchObject({ code: 'forbidden' });
  });

  test.each([
    ['GET', '/v1/analytics/', 404, {}],
    ['GET', '/v1/analytics/nothing', 404, {}],
    ['GET', '/v1/analytics/accounts/till:1', 404, {}],
    ['GET', '/v1/analytics/accounts//statement', 404, {}],
    ['GET', '/v1/analytics/accounts/a/b/statement', 404, {}],
    ['GET', '/v1/rates/EUR', 404, {}],
    ['POST', '/v1/analytics/overview', 405, { allow: 'GET' }],
    ['DELETE', '/v1/rates', 405, { allow: 'GET, PUT' }],
    ['GET', '/v1/analytics/query', 405, { allow: 'POST' }],
    ['GET', '/v1/analytics/accounts/%ff/statement', 400, {}],
    ['POST', '/v1/analytics/query', 400, {}],
  ])('%s %s: %i', async (method, path, status, headers) => {
    const answer = await admin.send(method, path);
    expect(answer).toMatchObject({ status, body: { status, code: 'invalid_request' }, headers });
  });

  test('bodies are read as everywhere', async () => {
    const send = (body: string, type = 'application/json') =>
      admin.send('PUT', '/v1/rates', body, { 'content-type': type });
    for (const answer of [
      await send('{"rates":['),
      await send('{"rates":1,"rates":1}'),
      await send('{}', 'text/plain'),
    ])
      expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
    const large = await send(`{"rates":"${'x'.repeat(5 << 20)}"}`);
    expect(large).toMatchObject({ status: 413, body: { code: 'too_large' } });
  });

  test('nobody asks without a token', async () => {
    const answer = await server().httpWith(undefined).get('/v1/analytics/overview');
    expect(answer).toMatchObject({ status: 401, body: { code: 'unauthenticated' } });
  });

  test('reconcile holds the engine’s balance against the postings at the same LSN, while sales go on', async () => {
    const stop = keepSelling(server());
    const lsns: number[] = [];
    for (let i = 0; i < 3; i++) {
      const { status, body } = await admin.get('/v1/analytics/accounts/till:1/reconcile');
      expect(status).toBe(200);
      expect(body).toMatchObject({ account: 'till:1', difference: 0, equal: true });
      expect(body['engine']).toEqual(body['postings']);
      lsns.push(body['lsn'] as number);
    }
    await stop();
    expect(new Set(lsns).size).toBeGreaterThan(1);
    expect(lsns).toEqual(lsns.toSorted((a, b) => a - b));
    const unknown = await admin.get('/v1/analytics/accounts/nobody/reconcile');
    expect(unknown).toMatchObject({ status: 404, body: { code: 'account_not_found' } });
  });

  test('those who leave before their answer leave their places to others', async () => {
    const { lsn } = (await admin.get('/v1/analytics/live')).body;
    const questions = () => server().metric('kassa_analytics_questions');
    for (let round = 0; round < 3; round++) {
      const leaving = server().http();
      const path = `/v1/analytics/balances?min_lsn=${(lsn as number) + 1_000_000}`;
      const gone = Array.from({ length: 30 }, () => leaving.get(path).catch(() => 'gone'));
      await until(
        async () => (await questions()) === 30,
        SOON_MS,
        () => 'the questions are not open',
      );
      leaving.close();
      expect(new Set(await Promise.all(gone))).toEqual(new Set(['gone']));
      await until(
        async () => (await questions()) === 0,
        SOON_MS,
        () => 'the questions stay open',
      );
    }
    expect((await admin.get('/v1/analytics/overview')).status).toBe(200);
  });

  test('rates remember who set them', async () => {
    const rate = { from: 'GBP', to: 'EUR', rate: '1.15' };
    const set = await server()
      .http({ role: 'admin', sub: 'carol' })
      .send('PUT', '/v1/rates', JSON.stringify({ rates: [rate] }));
    expect(set.status).toBe(200);
    const sql = "SELECT DISTINCT who FROM rates WHERE source = 'GBP'";
    const answer = await admin.post('/v1/analytics/query', { sql });
    expect(answer.body['rows']).toEqual([['carol']]);
  });

  test('a summary is the same in one piece and by a bucket that holds all', async () => {
    const path = '/v1/analytics/accounts/till:2/summary';
    const nothing = { count: 0, debits: 0, credits: 0, sum: 0, avg: 0, max: 0 };
    for (const query of ['', '?group_by=day', '?group_by=code']) {
      const empty = await admin.get(`${path}${query}`);
      expect(empty).toMatchObject({ status: 200, body: { groups: [], totals: nothing } });
    }
    await admin.post('/v1/transactions', { id: 'once', debit: 'till:2', credit: 'sales', amount: 70 });
    await delivered(server());
    const once = { count: 1, debits: 70, credits: 0, sum: 70, avg: 70, max: 70 };
    for (const query of ['', '?group_by=hour', '?group_by=day', '?group_by=month', '?group_by=code']) {
      const { status, body } = await admin.get(`${path}${query}`);
      expect({ query, status, totals: body['totals'] }).toEqual({ query, status: 200, totals: once });
      expect(body['groups']).toMatchObject(query === '' ? [] : [once]);
    }
  });

  test('a till’s name may have any character, plus signs too', async () => {
    const till = server().http({ role: 'pos', terminal: 'bar+1' });
    await till.post('/v1/transactions', { id: 'plus', debit: 'till:1', credit: 'sales', amount: 30 });
    await delivered(server());
    for (const name of ['bar+1', 'bar%2B1']) {
      const { status, body } = await admin.get(`/v1/analytics/tills/${name}/z-report`);
      expect({ status, body }).toMatchObject({ status: 200, body: { till: 'bar+1', number: 1 } });
    }
  });

  test('zones may be written in any case', async () => {
    for (const report of ['anomalies', 'profit-loss', 'overview']) {
      const { status } = await admin.get(`/v1/analytics/${report}?tz=europe/riga`);
      expect({ report, status }).toEqual({ report, status: 200 });
    }
  });

  test('what is beyond 2299 comes before any later date, in every zone', async () => {
    const sale = {
      id: 'far',
      debit: 'till:2',
      credit: 'sales',
      amount: 5,
      effective_at: '2500-01-01T00:00:00Z',
    };
    expect((await admin.post('/v1/transactions', sale)).status).toBe(201);
    await delivered(server());
    for (const zone of ['UTC', 'Europe/Riga', 'America/Los_Angeles']) {
      const { body } = await admin.get(`/v1/analytics/accounts/till:2/balance?at=2600-01-01&tz=${zone}`);
      expect({ zone, balance: body['balance'] }).toEqual({ zone, balance: 75 });
    }
  });

  test('a till’s days are numbered by all its trade, whatever the report is narrowed to', async () => {
    const numbers = await Promise.all(
      ['', '?code=none', '?currency=JPY'].map(
        async (query) => (await admin.get(`/v1/analytics/tills/bar+1/z-report${query}`)).body['number'],
      ),
    );
    expect(numbers).toEqual([1, 1, 1]);
  });

  test('a statement names counterparts within the token’s reach only', async () => {
    const counterparts = async (http: HttpClient) => {
      const { body } = await http.get('/v1/analytics/accounts/till:1/statement?limit=1');
      return (body['rows'] as Fields[]).map((row) => row['counterparts']);
    };
    const limited = (accounts: string[]) => server().http({ role: 'auditor', accounts });
    expect(await counterparts(admin)).toEqual([['sales']]);
    expect(await counterparts(limited(['till:1', 'sal']))).toEqual([['sales']]);
    expect(await counterparts(limited(['till:1']))).toEqual([[]]);
  });

  test('SQL runs over the tenant’s own rows, for auditors too', async () => {
    const sql = 'SELECT count() AS n FROM postings';
    const ask = async (claims: object) =>
      await server()
        .http({ role: 'auditor', ...claims })
        .post('/v1/analytics/query', { sql });
    const own = await ask({});
    expect(own).toMatchObject({ status: 200, body: { columns: [{ name: 'n' }], truncated: false } });
    expect((own.body['rows'] as number[][])[0]![0]).toBeGreaterThan(0);
    expect(await ask({ tenant: 'other' })).toMatchObject({ status: 200, body: { rows: [[0]] } });
    expect(await ask({ accounts: ['till:1'] })).toMatchObject({ status: 403 });
  });

  test('CSV is asked for by header or parameter', async () => {
    const accept = { accept: 'text/csv' };
    const path = '/v1/analytics/accounts/till:1/statement';
    const byHeader = await admin.send('GET', path, undefined, accept);
    expect(byHeader.headers['content-type']).toMatch(/^text\/csv/);
    const byParameter = await admin.get(`${path}?limit=2&format=csv`);
    expect(byParameter.headers['content-type']).toMatch(/^text\/csv/);
    expect(byHeader.text.split('\n')[0]).toBe(byParameter.text.split('\n')[0]);
  });

  test('where there is none, or no parameter is known, the answer says so', async () => {
    const accept = { accept: 'text/csv' };
    expect(await admin.send('GET', '/v1/analytics/balances', undefined, accept)).toMatchObject({
      status: 400,
      body: { code: 'invalid_request', pointer: '/format', detail: expect.stringContaining('no CSV') },
    });
    for (const [method, path] of [
      ['GET', 'live?fast=1'],
      ['GET', 'status?fast=1'],
      ['POST', 'resume?fast=1'],
    ] as const) {
      expect(await admin.send(method, `/v1/analytics/${path}`)).toMatchObject({
        status: 400,
        body: { code: 'invalid_request' },
      });
    }
    expect((await admin.send('GET', '/v1/analytics/live', undefined, accept)).status).toBe(200);
  });

  test('live tells of the last seconds', async () => {
    const before = await server().metric('kassa_durable_lsn');
    const stop = keepSelling(server());
    let body: Fields = {};
    await until(
      async () => {
        ({ body } = await admin.get('/v1/analytics/live'));
        const isBusy = (body['durable_lsn'] as number) > before;
        return isBusy && body['transactions_per_second'] !== 0 && body['connections'] === 1;
      },
      SOON_MS,
      () => `no figures: ${JSON.stringify(body)}`,
    );
    await stop();
    expect(body).toMatchObject({ accounts: 3, open_holds: 0, sink: { state: 'running' } });
    expect(body['p50_ms']).toBeLessThanOrEqual(body['p99_ms'] as number);
    expect(body['p99_ms']).toBeLessThan(TILL_MS);
    expect(body['durable_lsn']).toBeLessThanOrEqual(body['lsn'] as number);
  });

  test('health and metrics tell how far it is', async () => {
    await delivered(server());
    await admin.get('/v1/analytics/overview');
    const health = await analyticsHealth(server());
    expect(health).toMatchObject({ state: 'running', lag_lsns: 0, lag_seconds: 0 });
    const metrics = await server().metrics();
    expect(metrics.get('kassa_analytics_cursor')).toBe(metrics.get('kassa_durable_lsn'));
    for (const name of ['rows_total', 'batches_total', 'rss_bytes'])
      expect(metrics.get(`kassa_analytics_${name}`)).toBeGreaterThan(0);
    for (const name of ['halted', 'restarts_total', 'dead_letters_total', 'lag_lsns'])
      expect(metrics.get(`kassa_analytics_${name}`)).toBe(0);
    const { text } = await server().httpWith(undefined).get('/metrics');
    expect(text).toMatch(/^kassa_analytics_query_seconds_count\{report="overview"\} [1-9]/m);
  });

  test('a slow report is in the log, with its tenant and LSN', async () => {
    await admin.get('/v1/analytics/profit-loss');
    await until(
      () => server().stdout().includes('a slow report: profit-loss'),
      SOON_MS,
      () => server().output(),
    );
    const line = server()
      .stdout()
      .split('\n')
      .find((one) => one.includes('a slow report: profit-loss'))!;
    expect(JSON.parse(line)).toMatchObject({
      level: 40,
      report: 'profit-loss',
      tenant: 'shop',
      lsn: expect.any(Number),
    });
  });

  test('the process has the lowest priority and knows no secret', async () => {
    const pid = analyticsPid(server())!;
    const threads = readdirSync(`/proc/${pid}/task`);
    const nices = threads.map(
      (tid) => readFileSync(`/proc/${pid}/task/${tid}/stat`, 'utf8').split(') ')[1]!.split(' ')[16],
    );
    expect(new Set(nices)).toEqual(new Set(['19']));
    expect(readFileSync(`/proc/${pid}/environ`, 'utf8')).not.toContain('KASSA');
  });
});

/** Asks a hung process, from behind one question that is open, until no more is taken, by people who do not wait for their answers. */
async function expectOverload(server: ServerProcess): Promise<void> {
  const sql = `SELECT '${'x'.repeat(1 << 20)}'`;
  const questions = () => server.metric('kassa_analytics_questions');
  let refused: Fields | undefined;
  for (let round = 0; refused === undefined && round < 4; round++) {
    const leaving = server.http();
    for (let i = 0; i < 30; i++) {
      leaving.post('/v1/analytics/query', { sql }).then(
        ({ body }) => {
          refused = body;
        },
        () => undefined,
      );
    }
    await until(
      async () => refused !== undefined || (await questions()) === 31,
      SOON_MS,
      () => 'neither open nor refused',
    );
    leaving.close();
    await until(
      async () => (await questions()) === 1,
      SOON_MS,
      () => 'they stay open',
    );
  }
  expect(refused).toMatchObject({ code: 'overloaded' });
}

describe('a process that fails', { timeout: TIMEOUT_MS }, () => {
  test('by being killed is started again; tills go on, and questions are refused meanwhile', async () => {
    const server = await ServerProcess.fresh({ analytics: 'embedded' });
    await openShop(server);
    await delivered(server);
    const stop = keepSelling(server);
    for (let kill = 1; kill <= 3; kill++) {
      const pid = analyticsPid(server)!;
      process.kill(pid, 'SIGKILL');
      await until(
        () => !isAlive(pid),
        SOON_MS,
        () => 'it lives',
      );
      await restarted(server, pid);
      expect(await server.metric('kassa_analytics_restarts_total')).toBe(kill);
    }
    const { sales, longestMs } = await stop();
    expect(sales).toBeGreaterThan(0);
    expect(longestMs).toBeLessThan(TILL_MS);
    await delivered(server);
    const books = await server.http().get('/v1/analytics/accounts/till:1/reconcile');
    expect(books.body).toMatchObject({ equal: true, engine: { balance: 100 * sales } });
    expect(server.stdout()).toMatch(
      /the analytics process is gone, the next starts in 0\.2 s: it was ended by SIGKILL/,
    );
    expect(await server.stop()).toEqual({ code: 0, signal: null });
  });

  test('by hanging is killed after 15 s and started again; tills go on, and the server does not keep what it is asked', async () => {
    const server = await ServerProcess.fresh({ analytics: 'embedded' });
    await openShop(server);
    await delivered(server);
    const pid = analyticsPid(server)!;
    const stop = keepSelling(server);
    process.kill(pid, 'SIGSTOP');
    const startMs = performance.now();
    const asked = server.http().get('/v1/analytics/overview');
    await expectOverload(server);
    const refused = await asked;
    const tookS = (performance.now() - startMs) / 1000;
    expect(refused).toMatchObject({ status: 503, body: { code: 'not_ready' } });
    expect(refused.body['detail']).toMatch(/it said nothing for \d+ s and was killed/);
    expect(tookS).toBeGreaterThan(13);
    await restarted(server, pid);
    const { longestMs } = await stop();
    expect(longestMs).toBeLessThan(TILL_MS);
    expect((await server.http().get('/v1/analytics/overview')).status).toBe(200);
    expect(await server.stop()).toEqual({ code: 0, signal: null });
  });

  test('does not keep the server from stopping, hung or not', async () => {
    const server = await ServerProcess.fresh({ analytics: 'embedded' });
    await delivered(server);
    const pid = analyticsPid(server)!;
    process.kill(pid, 'SIGSTOP');
    const asked = server.http().get('/v1/analytics/overview');
    await until(
      async () => (await server.metric('kassa_analytics_questions')) === 1,
      SOON_MS,
      () => 'not asked',
    );
    const stopped = server.stop();
    // By the stop, and not by what finds out in the end that it hangs.
    expect(await asked).toMatchObject({ status: 503, body: { code: 'not_ready', detail: 'stopping' } });
    expect(await stopped).toEqual({ code: 0, signal: null });
    expect(isAlive(pid)).toBe(false);
  });

  test.each([
    ['', 'SIGKILL'],
    ['in good order', 'SIGTERM'],
  ] as const)('ends with the server, however that ends %s', async (_, signal) => {
    const server = await ServerProcess.fresh({ analytics: 'embedded' });
    await delivered(server);
    const pid = analyticsPid(server)!;
    server.signal(signal);
    await server.exited;
    await until(
      () => !isAlive(pid),
      SOON_MS,
      () => `process ${pid} outlives the server`,
    );
    // And whoever starts the server again has its analytics.
    const again = await server.restart();
    onTestFinished(() => again.kill());
    await delivered(again);
  });

  test('ends with the server even when it is stuck', async () => {
    // A stand-in for the server, which is killed, and one for an engine that never gives the thread back.
    const watch = new URL('../src/analytics/orphan-watch.js', import.meta.url).href;
    const stuck = `
      const { Worker } = require('node:worker_threads');
      new Worker(new URL(${JSON.stringify(watch)}), { workerData: process.ppid })
        .once('online', () => {
          require('node:fs').writeSync(1, process.pid + '\\n');
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
        });`;
    const parent = spawn(
      process.execPath,
      [
        '-e',
        `require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(stuck)}], { stdio: ['ignore', 'inherit', 'inherit'] }); setInterval(() => {}, 1000)`,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    onTestFinished(() => {
      parent.kill('SIGKILL');
    });
    const line = await new Promise<string>((resolve) =>
      parent.stdout!.setEncoding('utf8').once('data', resolve),
    );
    const pid = Number(line);
    expect(isAlive(pid)).toBe(true);
    parent.kill('SIGKILL');
    await until(
      () => !isAlive(pid),
      SOON_MS,
      () => `process ${pid} is still there`,
    );
  });
});

describe('analytics that is not there', { timeout: TIMEOUT_MS }, () => {
  test('off: questions are refused, the live figures are not', async () => {
    const server = await ServerProcess.fresh({ analytics: 'off' });
    expect(analyticsPid(server)).toBeUndefined();
    const http = server.http();
    const refused = await http.get('/v1/analytics/overview');
    expect(refused).toMatchObject({ status: 503, body: { code: 'not_ready', detail: 'analytics is off' } });
    expect(await http.get('/v1/analytics/live')).toMatchObject({
      status: 200,
      body: { lsn: 0, sink: { state: 'off' } },
    });
    expect(await analyticsHealth(server)).toEqual({ state: 'off', reason: 'analytics is off' });
    expect(await server.metric('kassa_analytics_up')).toBe(0);
    expect(await server.metric('kassa_analytics_lag_lsns')).toBe(0);
  });

  test('a server that is away: tills go on, questions are refused, and the reason is told', async () => {
    const url = `http://ann:pass-word@127.0.0.1:${await freePort()}/shop`;
    const server = await ServerProcess.fresh({ analytics: 'default', env: { KASSA_ANALYTICS: url } });
    await openShop(server);
    const stop = keepSelling(server);
    await until(
      async () => (await analyticsHealth(server))['state'] === 'retrying',
      SOON_MS,
      () => server.output(),
    );
    const health = await analyticsHealth(server);
    expect(health['reason']).toMatch(/ECONNREFUSED/);
    expect(health['lag_lsns']).toBeGreaterThan(0);
    expect(await server.http().get('/v1/analytics/overview')).toMatchObject({
      status: 503,
      body: { code: 'not_ready' },
    });
    expect((await stop()).longestMs).toBeLessThan(TILL_MS);
    expect(await server.stop()).toEqual({ code: 0, signal: null });
    expect(server.output()).not.toContain('pass-word');
  });

  test('a server that goes and comes back: all that was sold meanwhile is delivered', async () => {
    const front = await startClickHouse();
    onTestFinished(() => front.stop());
    const { href } = front.url;
    const server = await ServerProcess.fresh({ analytics: href });
    await openShop(server);
    await delivered(server);
    await front.away(true);
    const stop = keepSelling(server);
    await until(
      async () => (await analyticsHealth(server))['state'] === 'retrying',
      SOON_MS,
      () => server.output(),
    );
    await front.away(false);
    await delivered(server);
    const { sales, longestMs } = await stop();
    expect(longestMs).toBeLessThan(TILL_MS);
    await delivered(server);
    const admin = server.http();
    const { body } = await admin.get('/v1/analytics/accounts/till:1/reconcile');
    expect(body).toMatchObject({ equal: true, engine: { balance: 100 * sales } });
    expect(await server.metric('kassa_analytics_retries_total')).toBeGreaterThan(0);
    expect(await server.metric('kassa_analytics_restarts_total')).toBe(0);
    // SQL of analysts has a user of its own there, or is refused.
    const sql = { sql: 'SELECT count() FROM postings' };
    const refused = await admin.post('/v1/analytics/query', sql);
    expect(refused).toMatchObject({ status: 503, body: { code: 'not_ready' } });
    expect(refused.body['detail']).toContain('KASSA_ANALYTICS_SQL_URL');
    expect(await server.stop()).toEqual({ code: 0, signal: null });
    const reader = { KASSA_ANALYTICS_SQL_URL: front.urlOf('reader', 'read/only').href };
    const again = await server.restart({ env: reader });
    onTestFinished(() => again.kill());
    await delivered(again);
    expect(await again.http().post('/v1/analytics/query', sql)).toMatchObject({
      status: 200,
      body: { rows: [[2 * sales]] },
    });
  });
});

describe('the dashboard', { timeout: TIMEOUT_MS }, () => {
  const server = sharedServer();

  test('is served without a token, with what it names, and lets nothing in from elsewhere', async () => {
    const http = server().httpWith(undefined);
    const page = await http.get('/dashboard');
    expect(page).toMatchObject({
      status: 200,
      headers: {
        'content-type': 'text/html; charset=utf-8',
        'content-security-policy': expect.stringMatching(/^default-src 'self'; (?!.*unsafe)/),
        'x-content-type-options': 'nosniff',
      },
    });
    expect((await http.get('/dashboard/')).text).toBe(page.text);
    expect(page.text).not.toMatch(/(src|href)="(https?:)?\/\//);
    const named = [...page.text.matchAll(/(?:src|href)="([^"#]+)"/g)].map((match) => match[1]!);
    expect(named.length).toBeGreaterThan(2);
    const paths = [...named];
    const seen = new Set<string>();
    for (let path = paths.pop(); path !== undefined; path = paths.pop()) {
      if (seen.has(path)) continue;
      seen.add(path);
      const file = await http.get(path);
      expect(file, path).toMatchObject({ status: 200, headers: { 'x-content-type-options': 'nosniff' } });
      if (!path.endsWith('.js')) continue;
      expect(file.headers['content-type']).toBe('text/javascript; charset=utf-8');
      for (const [, module] of file.text.matchAll(/(?:from|import)\s*'(\.?\.?\/[^']+)'/g))
        paths.push(new URL(module!, `http://host${path}`).pathname);
    }
    expect(seen.size).toBeGreaterThan(10);
  });

  test('is not sent again to whoever has it', async () => {
    const http = server().httpWith(undefined);
    const { headers } = await http.get('/dashboard');
    const again = await http.send('GET', '/dashboard', undefined, { 'if-none-match': headers.etag! });
    expect(again).toMatchObject({ status: 304, text: '' });
    const other = await http.send('GET', '/dashboard', undefined, { 'if-none-match': '"other"' });
    expect(other.status).toBe(200);
  });

  test.each([
    '/dashboard/nothing.js',
    '/dashboard/../package.json',
    '/dashboard/%2e%2e/package.json',
    '/dashboards',
  ])('has nothing at %s', async (path) => {
    expect((await server().httpWith(undefined).get(path)).status).toBe(404);
  });

  test('is only read', async () => {
    const answer = await server().httpWith(undefined).post('/dashboard', {});
    expect(answer).toMatchObject({ status: 405, headers: { allow: 'GET' } });
  });
});

describe('beside the rest', { timeout: TIMEOUT_MS }, () => {
  test('several gateways ask one process', async () => {
    const server = await ServerProcess.fresh({ shards: 2, analytics: 'embedded', args: ['--gateways', '2'] });
    await openShop(server);
    await delivered(server);
    const wires = await Promise.all(Array.from({ length: 16 }, () => server.wire({ role: 'pos' })));
    await Promise.all(wires.map((wire, i) => wire.compact([`g:${i}`, 'till:1', 'sales', 100])));
    // Each client has a connection of its own, and the kernel deals them out to the gateways.
    const clients = Array.from({ length: 16 }, () => server.http());
    await until(
      async () => {
        const lives = await Promise.all(clients.map((http) => http.get('/v1/analytics/live')));
        return lives.every(({ body }) => body['connections'] === 16);
      },
      SOON_MS,
      () => 'not all gateways count all connections',
    );
    const books = await Promise.all(
      clients.map((http) => http.get('/v1/analytics/accounts/till:1/reconcile')),
    );
    for (const { status, body } of books) {
      expect(status).toBe(200);
      expect(body).toMatchObject({ equal: true, engine: { balance: 1600 } });
    }
    const pid = analyticsPid(server)!;
    process.kill(pid, 'SIGKILL');
    await restarted(server, pid);
    for (const http of clients) expect((await http.get('/v1/analytics/overview')).status).toBe(200);
    expect(await server.stop()).toEqual({ code: 0, signal: null });
  });

  test('it lies in the data directory, disturbs no tool there, and is no part of a backup', async () => {
    const server = await ServerProcess.fresh({ analytics: 'embedded' });
    await openShop(server);
    await (await server.wire()).compact(['b:1', 'till:1', 'sales', 500]);
    await delivered(server);
    const { data } = server.options;
    const [to, restored] = [
      join(await makeDataDirectory(), 'backup'),
      join(await makeDataDirectory(), 'data'),
    ];
    expect((await kassa(['backup', '--data', data, '--to', to])).code).toBe(0);
    expect(await server.stop()).toEqual({ code: 0, signal: null });
    expect(readdirSync(data)).toContain('analytics');
    expect(await kassa(['verify', '--data', data])).toMatchObject({ code: 0 });
    expect(readdirSync(to)).not.toContain('analytics');
    expect((await kassa(['restore', '--from', to, '--data', restored])).code).toBe(0);
    // Delivered anew, from the first record on.
    const again = await ServerProcess.start({ data: restored, analytics: 'embedded' });
    onTestFinished(() => again.kill());
    await delivered(again);
    const { body } = await again.http().get('/v1/analytics/accounts/till:1/reconcile');
    expect(body).toMatchObject({ equal: true, engine: { balance: 500 } });
  });

  test('a page of this machine may ask without a token, one of another site may not', async () => {
    const server = await ServerProcess.fresh({ analytics: 'embedded', args: ['--auth', 'off'] });
    await delivered(server);
    const http = server.httpWith(undefined);
    const from = (headers: { readonly [name: string]: string }) =>
      http.send('GET', '/v1/analytics/overview', undefined, headers);
    const own = `http://127.0.0.1:${server.port}`;
    expect((await from({ 'sec-fetch-site': 'same-origin', referer: `${own}/dashboard` })).status).toBe(200);
    expect((await from({ origin: own })).status).toBe(200);
    expect((await from({ origin: 'https://evil.example' })).status).toBe(403);
    expect((await from({ host: 'evil.example' })).status).toBe(403);
  });
});
