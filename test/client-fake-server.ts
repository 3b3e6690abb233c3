import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pack, unpack } from 'msgpackr';
import { type WebSocket, WebSocketServer } from 'ws';
import { CODES, type Code } from '../engine/codes.js';

type Fields = { [field: string]: unknown };
type Leg = [account: string, signed: bigint];

interface Known {
  content: string;
  status: 'posted' | 'pending' | 'voided';
  lsn: number;
  legs: Leg[];
}

/** The rules a terminal depends on, in the shortest form: ids for ever, balances with a minimum, holds, tombstones. */
export class FakeLedger {
  readonly known = new Map<string, Known>();
  readonly balances = new Map<string, bigint>();
  /** Accounts that may not fall below zero. */
  readonly limited = new Set<string>();
  /** Ids in the order they were booked. */
  readonly order: string[] = [];
  #lsn = 0;

  create(id: string, legs: Leg[], content: string, pending: boolean): [Code, number] {
    const known = this.known.get(id);
    if (known !== undefined) {
      if (known.content === 'tombstone') return ['already_voided', 0];
      return known.content === content ? ['duplicate', known.lsn] : ['id_reused', 0];
    }
    const sum = legs.reduce((total, [, amount]) => total + amount, 0n);
    if (sum !== 0n) return ['unbalanced', 0];
    for (const [account, amount] of legs) {
      if (this.limited.has(account) && this.balance(account) + amount < 0n) return ['insufficient_funds', 0];
    }
    this.#lsn += 1;
    this.known.set(id, { content, status: pending ? 'pending' : 'posted', lsn: this.#lsn, legs });
    this.order.push(id);
    if (!pending) this.#apply(legs);
    return ['ok', this.#lsn];
  }

  end(id: string, status: 'posted' | 'voided'): [Code, number] {
    const known = this.known.get(id);
    if (known === undefined) {
      if (status === 'posted') return ['transaction_not_found', 0];
      this.#lsn += 1;
      this.known.set(id, { content: 'tombstone', status: 'voided', lsn: this.#lsn, legs: [] });
      return ['ok', this.#lsn];
    }
    if (known.status === 'pending') {
      known.status = status;
      this.#lsn += 1;
      known.lsn = this.#lsn;
      if (status === 'posted') this.#apply(known.legs);
      return ['ok', this.#lsn];
    }
    if (known.status === status && (known.content.includes('pending') || status === 'voided'))
      return ['ok', known.lsn];
    if (known.status === 'voided') return ['already_voided', 0];
    return [known.content.includes('pending') ? 'already_posted' : 'not_pending', 0];
  }

  balance(account: string): bigint {
    return this.balances.get(account) ?? 0n;
  }

  #apply(legs: readonly Leg[]): void {
    for (const [account, amount] of legs) this.balances.set(account, this.balance(account) + amount);
  }
}

/** What happens to a frame: carried out and answered, carried out without an answer, ignored, or refused. */
export type Treatment = 'normal' | 'no_answer' | 'ignore' | Code;

/** A WebSocket server that speaks the compact and the map form over a `FakeLedger`. */
export class FakeServer {
  readonly ledger: FakeLedger;
  /** Decoded frames in the order they came. */
  readonly frames: unknown[] = [];
  treat: (frame: unknown) => Treatment = () => 'normal';
  /** Status of the handshake; 101 lets it in. */
  handshake: (request: IncomingMessage) => number = () => 101;
  readonly #http = createServer();
  #sockets: WebSocketServer;

  constructor(ledger: FakeLedger, autoPong = true) {
    this.ledger = ledger;
    this.#sockets = new WebSocketServer({ noServer: true, autoPong });
    this.#http.on('upgrade', (request, socket, head) => {
      const status = this.handshake(request);
      if (status !== 101) {
        socket.end(`HTTP/1.1 ${status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
        return;
      }
      this.#sockets.handleUpgrade(request, socket, head, (ws) => {
        ws.on('message', (data) => this.#frame(ws, data as Buffer));
        ws.on('error', () => ws.terminate());
      });
    });
  }

  /** @param port of an earlier run, or 0 for any */
  async listen(port = 0): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#http.once('error', reject);
      this.#http.listen(port, '127.0.0.1', resolve);
    });
    return (this.#http.address() as AddressInfo).port;
  }

  get connections(): number {
    return this.#sockets.clients.size;
  }

  /** Cuts every connection without a word. */
  cut(): void {
    for (const ws of this.#sockets.clients) ws.terminate();
  }

  /** Closes every connection with a code. */
  hangUp(code: number): void {
    for (const ws of this.#sockets.clients) ws.close(code);
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) => this.#http.close(() => resolve()));
  }

  #frame(ws: WebSocket, data: Buffer): void {
    const frame: unknown = unpack(data);
    this.frames.push(frame);
    const treatment = this.treat(frame);
    if (treatment === 'ignore') return;
    const refused = treatment in CODES ? (treatment as Code) : undefined;
    const reply = Array.isArray(frame) ? this.#compact(frame, refused) : this.#map(frame as Fields, refused);
    if (treatment !== 'no_answer') ws.send(pack(reply));
  }

  #compact(frame: unknown[], refused: Code | undefined): unknown {
    const [rid, first, ...rest] = frame;
    if (refused !== undefined) return [rid, CODES[refused].n];
    if (!Array.isArray(first)) {
      const [code, lsn] = this.#entry([first, ...rest]);
      return code === 'ok' || code === 'duplicate' ? [rid, CODES[code].n, lsn] : [rid, CODES[code].n];
    }
    const results = (first as unknown[][]).map((entry) => this.#entry(entry));
    const others = results.flatMap(([code], index) => (code === 'ok' ? [] : [[index, CODES[code].n]]));
    return [rid, 0, Math.max(...results.map(([, lsn]) => lsn)), others];
  }

  #entry(entry: unknown[]): [Code, number] {
    const [id, second, credit, amount] = entry as [string, unknown, string, number];
    if (Array.isArray(second)) {
      const legs = (second as [string, number][]).map(([account, signed]): Leg => [account, BigInt(signed)]);
      return this.ledger.create(id, legs, canonical(legs, entry.slice(2)), false);
    }
    const legs: Leg[] = [
      [second as string, BigInt(amount)],
      [credit, -BigInt(amount)],
    ];
    return this.ledger.create(id, legs, canonical(legs, entry.slice(4)), false);
  }

  #map(frame: Fields, refused: Code | undefined): unknown {
    const { rid, op } = frame;
    if (refused !== undefined) return { rid, ok: false, code: refused };
    if (op === 'batch') {
      const results = (frame['transactions'] as Fields[]).map((one) => this.#transaction(one));
      return { rid, ok: true, results };
    }
    if (op === 'transaction') return { rid, ...this.#transaction(frame) };
    const id = frame['id'] as string;
    if (op === 'post') return { rid, ...answer(id, ...this.ledger.end(id, 'posted')) };
    if (op === 'void') return { rid, ...answer(id, ...this.ledger.end(id, 'voided')) };
    if (op === 'status') {
      const known = this.ledger.known.get(id);
      if (known === undefined) return { rid, ok: false, code: 'transaction_not_found' };
      const postings = known.legs.map(([account, n]) =>
        n > 0n ? { account, debit: n } : { account, credit: -n },
      );
      return { rid, ok: true, id, status: known.status, lsn: known.lsn, postings };
    }
    const account = frame['account'] as string;
    if (!this.ledger.balances.has(account))
      return { rid, ok: false, code: 'account_not_found', detail: 'none' };
    return {
      rid,
      ok: true,
      account,
      currency: 'GBP',
      balance: this.ledger.balance(account),
      available: null,
      lsn: 1,
    };
  }

  #transaction(fields: Fields): Fields {
    const { id, postings, debit, credit, amount, code, reference, effective_at, pending, metadata } = fields;
    const legs: Leg[] =
      postings === undefined
        ? [
            [debit as string, BigInt(amount as number)],
            [credit as string, -BigInt(amount as number)],
          ]
        : (postings as Fields[]).map((leg) => [
            leg['account'] as string,
            leg['debit'] === undefined ? -BigInt(leg['credit'] as number) : BigInt(leg['debit'] as number),
          ]);
    const tail = [code ?? null, reference ?? null, effective_at ?? null];
    while (tail.at(-1) === null) tail.pop();
    const content =
      canonical(legs, tail) +
      (pending === undefined ? '' : ' pending') +
      (metadata === undefined ? '' : JSON.stringify(metadata));
    return answer(id as string, ...this.ledger.create(id as string, legs, content, pending !== undefined));
  }
}

function canonical(legs: Leg[], tail: unknown[]): string {
  return `${legs.map(String).join(' ')} ${JSON.stringify(tail)}`;
}

function answer(id: string, code: Code, lsn: number): Fields {
  if (code === 'ok') return { ok: true, id, lsn };
  if (code === 'duplicate') return { ok: true, id, lsn, duplicate: true };
  return { ok: false, id, code };
}

/** Waits until something holds. @throws after ten seconds */
export async function until(holds: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
