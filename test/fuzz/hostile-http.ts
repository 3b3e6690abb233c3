import { once } from 'node:events';
import { connect } from 'node:net';
import { CODES, type Code } from '../../engine/codes.js';
import { AuthError, checkClaims } from '../../src/gateway/auth.js';
import { decodeJson } from '../../src/gateway/json.js';
import { checkToken, TokenError } from '../../src/gateway/jwt.js';
import { secretKey } from '../../src/gateway/keys.js';
import type { Dice } from '../support/dice.js';
import type { HttpAnswer, HttpClient } from '../support/http-client.js';
import { type ServerProcess, within } from '../support/server.js';
import { makeToken, SECRET } from '../support/token.js';
import { ACCOUNTS, makeId, makeMap, makeTransaction } from './commands.js';
import { askedBy, type FuzzBooks } from './fuzz-books.js';
import { mutate } from './mutate.js';
import { skewed } from './odds.js';
import { spellJson } from './spell-json.js';
import { makeAnyToken } from './target-tokens.js';
import { Entries, makeText } from './values.js';

const ANSWER_MS = 30_000;
const KEY = secretKey(SECRET);

/** A body with anything in it, to any path there is. @throws when the answer is not one of the contract's */
export async function hostileBody(dice: Dice, client: HttpClient, books: FuzzBooks): Promise<void> {
  const { method, path, body } = makeRequest(dice);
  const bytes = dice.chance(60)
    ? body
    : mutate(dice, body, Buffer.from(spellJson(dice, makeTransaction(dice))));
  const isTyped = dice.chance(97);
  const answer = await within(
    client.send(method, path, bytes, isTyped ? {} : { 'content-type': 'text/plain' }),
    ANSWER_MS,
    () => `no answer to ${method} ${path} ${bytes.toString('hex')}`,
  );
  checkAnswer(answer, `${method} ${path} ${bytes.toString('hex')}`);
  if (answer.status >= 300) books.count(answer.body['code']);
  else books.takeBody(answer.body, askedBy(decodeJson(bytes.length === 0 ? Buffer.from('{}') : bytes)));
}

function makeRequest(dice: Dice): { method: string; path: string; body: Buffer } {
  const id = encodeURIComponent(String(dice.chance(95) ? makeId(dice) : makeText(dice)).slice(0, 300));
  const account = encodeURIComponent(dice.pick(ACCOUNTS));
  const json = (value: Entries) => Buffer.from(spellJson(dice, value));
  const fields = () =>
    new Entries(makeMap(dice, 0).pairs.filter(([name]) => name !== 'rid' && name !== 'op'));
  switch (dice.below(8)) {
    case 0:
      return {
        method: 'POST',
        path: '/v1/transactions/batch',
        body: json(new Entries([['transactions', batch(dice)]])),
      };
    case 1:
      return { method: 'POST', path: `/v1/transactions/${id}/post`, body: json(fields()) };
    case 2:
      return { method: 'POST', path: `/v1/transactions/${id}/void`, body: Buffer.alloc(0) };
    case 3:
      return { method: 'POST', path: `/v1/transactions/${id}/reverse`, body: json(fields()) };
    case 4:
      return {
        method: 'PATCH',
        path: `/v1/accounts/${account}`,
        body: json(new Entries([['metadata', fields()]])),
      };
    default:
      return { method: 'POST', path: '/v1/transactions', body: json(makeTransaction(dice)) };
  }
}

function batch(dice: Dice): Entries[] {
  return Array.from({ length: skewed(dice, 20) }, () => makeTransaction(dice));
}

/** @throws unless status and code belong together as the contract says */
function checkAnswer({ status, body, text }: HttpAnswer, sent: string): void {
  if (status < 300) return;
  const code = body['code'] as Code;
  // An unknown path and a method that it does not take have a status of their own.
  const isRight =
    Object.hasOwn(CODES, String(code)) && (CODES[code].http === status || status === 404 || status === 405);
  if (!isRight || body['status'] !== status) throw new Error(`answered ${status} ${text} to ${sent}`);
}

/** A token of any kind. @throws when the server lets in whom it must not, or the other way round */
export async function hostileToken(dice: Dice, server: ServerProcess, books: FuzzBooks): Promise<void> {
  const made = Buffer.from(makeAnyToken(dice));
  const token = (dice.chance(60) ? made : mutate(dice, made, Buffer.from(makeToken()))).toString('latin1');
  // What cannot stand in a header is no matter of tokens.
  if (!/^[\x21-\x7e]+$/.test(token) || token.length > 3000) return;
  const client = server.httpWith(token);
  const answer = await within(
    client.get('/v1/accounts/bank'),
    ANSWER_MS,
    () => `no answer to the token ${token}`,
  );
  client.close();
  checkAnswer(answer, token);
  if (answer.status >= 300) books.count(answer.body['code']);
  if ((answer.status === 401) === isGood(token))
    throw new Error(`answered ${answer.status} to the token ${token}`);
}

function isGood(token: string): boolean {
  try {
    checkClaims(checkToken(token, KEY, Date.now()));
    return true;
  } catch (error) {
    if (error instanceof TokenError || error instanceof AuthError) return false;
    throw error;
  }
}

const HEADS = [
  'GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n',
  'GET /v1/accounts/bank HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer x.y.z\r\n\r\n',
  'POST /v1/transactions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n{"id":"x","debit":1}',
  'POST /v1/transactions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"id"\r\n0\r\n\r\n',
  'GET /v1/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: kassa.v1, bearer.x\r\n\r\n',
].map((head) => Buffer.from(head));

/** Bytes that may begin like a request. None of them has a token, so none may do anything. @throws when the answer is not HTTP, or good */
export async function hostileHead(dice: Dice, port: number): Promise<void> {
  const head = mutate(dice, dice.pick(HEADS), dice.pick(HEADS));
  const sent = `the head ${head.toString('latin1')}`;
  const answer = await exchange(port, head, sent);
  if (answer === '') return;
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1]);
  const isOperating = head.includes('/health') || head.includes('/metrics');
  if (!(status >= 200 && status < 506) || status === 500) throw new Error(`answered ${answer} to ${sent}`);
  if (status < 300 && !isOperating) throw new Error(`took ${sent}`);
}

/** Bytes of a WebSocket, unmasked, cut or with what RFC 6455 does not have. The server may answer or close as it likes, but must go on. */
export async function hostileWire(dice: Dice, port: number): Promise<void> {
  const upgrade = [
    'GET /v1/ws HTTP/1.1',
    'Host: localhost',
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    `Authorization: Bearer ${makeToken({ role: 'auditor' })}`,
  ].join('\r\n');
  const frame = Buffer.from('82880102030480a6716f6f0200000102', 'hex');
  const sizes = [
    Buffer.from('82fe', 'hex'),
    Buffer.from('82ff8000000000000000', 'hex'),
    Buffer.from('81', 'hex'),
    frame,
  ];
  const bytes = mutate(dice, frame, Buffer.concat(sizes));
  const answer = await exchange(
    port,
    Buffer.concat([Buffer.from(`${upgrade}\r\n\r\n`), bytes]),
    bytes.toString('hex'),
  );
  if (!answer.startsWith('HTTP/1.1 101 ')) throw new Error(`no upgrade, but ${answer}`);
}

/** Sends these bytes and no more. @returns what came back until the server closed */
async function exchange(port: number, bytes: Buffer, what: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let answer = '';
  socket.on('error', () => undefined);
  socket.on('data', (data) => {
    answer += data.toString('latin1');
  });
  const closed = once(socket, 'close');
  socket.end(bytes);
  try {
    await within(closed, ANSWER_MS, () => `the connection stays open after ${what}`);
  } finally {
    socket.destroy();
  }
  return answer;
}
