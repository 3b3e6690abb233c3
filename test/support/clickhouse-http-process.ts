import { rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type ClickHouseClient, ClickHouseLogLevel, createClient } from '@clickhouse/client';
import { createChdbConnection } from 'chdb/connection';
import { quote } from '../../src/analytics/database.js';
import type { Fault, FromFront, Seen, ToFront } from './clickhouse-http.js';

/**
 * What `@clickhouse/client` needs of a ClickHouse server, over the embedded engine: see clickhouse-http.ts. Each request has a connection
 * of its own to the engine, so that nothing of one is left to another.
 */

/** Who may come in, and the profile they have. */
const USERS = new Map([
  ['default', { password: '', readonly: 0 }],
  ['kassa', { password: 'secret word', readonly: 0 }],
  ['reader', { password: 'read/only', readonly: 2 }],
  ['strict', { password: 'strict', readonly: 1 }],
]);

/** HTTP statuses of ClickHouse's errors; 500 for the others. (src/Server/HTTPHandler.cpp) */
const STATUS = new Map([
  [6, 400],
  [27, 400],
  [43, 400],
  [47, 404],
  [53, 400],
  [60, 404],
  [62, 400],
  [81, 404],
  [164, 500],
  [516, 403],
]);

interface Running {
  readonly id: string;
  readonly done: Promise<void>;
  isKilled: boolean;
}

const directory = process.argv[2]!;
const running = new Set<Running>();
let faults: { fault: Fault; left: number }[] = [];
/** Statements that are still on their way here, by what they wait for. */
let late: { readonly match: string; readonly carryOut: () => Promise<unknown> }[] = [];
let isAway = false;
let inputs = 0;

function connect(): ClickHouseClient {
  return createClient({
    connection: createChdbConnection({ path: directory }),
    log: { level: ClickHouseLogLevel.OFF },
  } as never);
}
// The engine stays open while nobody asks.
connect();

class Refused extends Error {
  constructor(
    readonly code: number,
    readonly type: string,
    message: string,
  ) {
    super(message);
  }
}

const server = createServer((request, response) => {
  handle(request, response).catch((error: Error & { code?: string; type?: string }) => {
    if (response.destroyed || response.headersSent) return;
    const code = Number(error.code ?? 0);
    response.writeHead(STATUS.get(code) ?? 500, { 'X-ClickHouse-Exception-Code': String(code) });
    response.end(
      `Code: ${code}. DB::Exception: ${error.message} (${error.type ?? 'UNKNOWN'}) (version 26.7.2.1)\n`,
    );
  });
});
server.on('connection', (socket) => {
  if (isAway) socket.destroy();
});

async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url!, 'http://localhost');
  if (url.pathname === '/ping') {
    response.end('Ok.\n');
    return;
  }
  const body = await bodyOf(request);
  const fromUrl = url.searchParams.get('query');
  const statement = fromUrl ?? body.toString('utf8');
  const id = url.searchParams.get('query_id') ?? '';
  const waits = url.searchParams.get('wait_end_of_query') === '1';
  process.send!({ type: 'seen', statement, id, waits } satisfies Seen);

  let settle: () => void = () => {};
  const entry: Running = { id, isKilled: false, done: new Promise((resolve) => (settle = resolve)) };
  running.add(entry);
  try {
    const fault = take(statement, url.searchParams.get('database'));
    const how = fault?.how;
    if (how === 'error') {
      response.writeHead(500).end('upstream connect error\n');
      return;
    }
    if (how === 'refuse') throw new Refused(252, 'TOO_MANY_PARTS', 'Too many parts (300)');
    if (how === 'hang') {
      while (!response.destroyed && !entry.isKilled) await new Promise((resolve) => setTimeout(resolve, 20));
      if (entry.isKilled) throw new Refused(394, 'QUERY_WAS_CANCELLED', 'Query was cancelled');
      return;
    }
    if (how === 'cut before') {
      response.destroy();
      return;
    }
    const data = fromUrl === null ? undefined : body;
    const run = () => carryOut(request, url.searchParams, statement, data, entry);
    if (how === 'late') {
      response.destroy();
      late.push({ match: fault!.match ?? '', carryOut: run });
      return;
    }
    const answer = await run();
    const due = late.filter(({ match }) => statement.includes(match));
    late = late.filter((one) => !due.includes(one));
    for (const one of due) await one.carryOut();
    response.setHeader('X-ClickHouse-Query-Id', id);
    response.setHeader('X-ClickHouse-Summary', JSON.stringify(answer.summary));
    response.setHeader('Content-Length', answer.bytes.length);
    if (how === 'cut after') {
      response.setHeader('Content-Length', answer.bytes.length + 10);
      response.write(answer.bytes.subarray(0, Math.floor(answer.bytes.length / 2)));
      setTimeout(() => response.destroy(), 20);
      return;
    }
    response.end(answer.bytes);
  } finally {
    running.delete(entry);
    settle();
  }
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** The fault that this statement meets. */
function take(statement: string, database: string | null): Fault | undefined {
  const met = faults.find(
    ({ fault }) => statement.includes(fault.match ?? '') && database === (fault.database ?? database),
  );
  if (met === undefined) return undefined;
  if (--met.left === 0) faults = faults.filter((other) => other !== met);
  return met.fault;
}

async function carryOut(
  request: IncomingMessage,
  search: URLSearchParams,
  statement: string,
  data: Buffer | undefined,
  entry: Running,
): Promise<{ bytes: Buffer; summary: unknown }> {
  const user = userOf(request);
  const kill = /^\s*KILL QUERY WHERE (.*?)(?: SYNC| ASYNC)?\s*$/s.exec(statement);
  if (kill !== null) return await killQueries(kill[1]!, search);
  const client = connect();
  const path = join(directory, `input-${inputs++}.bin`);
  try {
    const database = search.get('database') ?? 'default';
    await client.command({ query: `USE \`${database.replaceAll('`', '\\`')}\`` });
    for (const [name, value] of search) {
      if (name.startsWith('param_')) await client.command({ query: `SET ${name} = ${quote(value)}` });
    }
    if (user.readonly !== 0) await client.command({ query: `SET readonly = ${user.readonly}` });
    if (entry.isKilled) throw new Refused(394, 'QUERY_WAS_CANCELLED', 'Query was cancelled');
    const result = await client.exec({
      query: data === undefined ? statement : withData(statement, data, path),
      clickhouse_settings: user.readonly === 0 ? { default_format: 'TabSeparated' } : {},
    } as never);
    const chunks: Buffer[] = [];
    for await (const chunk of result.stream) chunks.push(chunk as Buffer);
    return { bytes: Buffer.concat(chunks), summary: result.summary };
  } finally {
    await client.close();
    rmSync(path, { force: true });
  }
}

function userOf({ headers }: IncomingMessage): { readonly readonly: number } {
  let name = headers['x-clickhouse-user'] as string | undefined;
  let password = headers['x-clickhouse-key'] as string | undefined;
  const basic = /^Basic (.*)$/.exec(headers.authorization ?? '');
  if (basic !== null) {
    const text = Buffer.from(basic[1]!, 'base64').toString('utf8');
    name = text.slice(0, text.indexOf(':'));
    password = text.slice(text.indexOf(':') + 1);
  }
  const user = USERS.get(name ?? 'default');
  if (user === undefined || user.password !== (password ?? '')) {
    throw new Refused(516, 'AUTHENTICATION_FAILED', `${name}: Authentication failed: password is incorrect`);
  }
  return user;
}

/** The engine takes binary data from a file only: `input('…')` becomes that file. Other data follows the statement, as it does over HTTP. */
function withData(statement: string, data: Buffer, path: string): string {
  const format = /\sFORMAT\s+(\w+)\s*$/.exec(statement);
  const input = /\binput\(('(?:[^'\\]|\\.)*')\)/.exec(statement);
  if (format === null || input === null) return `${statement}\n${data.toString('utf8')}`;
  writeFileSync(path, data);
  return statement
    .slice(0, format.index)
    .replace(input[0], () => `file(${quote(path)}, '${format[1]}', ${input[1]})`);
}

/** By `query_id = '…'` or the beginning of it. Those at work are waited for: the engine cannot be stopped from here. */
async function killQueries(
  condition: string,
  search: URLSearchParams,
): Promise<{ bytes: Buffer; summary: unknown }> {
  const match = /^(?:query_id = |startsWith\(query_id, )(?:'([^']*)'|\{(\w+):String\})\)?$/.exec(
    condition.trim(),
  );
  if (match === null) throw new Refused(62, 'SYNTAX_ERROR', `no such condition here: ${condition}`);
  const text = match[1] ?? search.get(`param_${match[2]}`) ?? '';
  const meant = [...running].filter(({ id }) =>
    condition.startsWith('starts') ? id.startsWith(text) : id === text,
  );
  for (const entry of meant) entry.isKilled = true;
  await Promise.all(meant.map(({ done }) => done));
  const lines = meant.map(({ id }) => `finished\t${id}\tdefault\t\n`);
  return { bytes: Buffer.from(lines.join('')), summary: {} };
}

process.on('message', (message: ToFront) => {
  if (message.type === 'fault') faults.push({ fault: message.fault, left: message.fault.times ?? 1 });
  if (message.type === 'away') {
    isAway = message.isAway;
    if (isAway) server.closeAllConnections();
  }
  process.send!({ type: 'done', id: message.id } satisfies FromFront);
});
process.on('disconnect', () => process.exit(0));

server.keepAliveTimeout = 10_000;
server.listen(Number(process.argv[3] ?? 0), '127.0.0.1', () => {
  process.send!({ type: 'ready', port: (server.address() as AddressInfo).port } satisfies FromFront);
});
