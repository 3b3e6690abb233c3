import { once } from 'node:events';
import { WebSocket } from 'ws';
import { CODES, codeName } from '../../engine/codes.js';
import { packFrame, unpackFrame } from '../support/wire.js';
import { GrowingBytes } from './growing-bytes.js';
import {
  capturedOf,
  GROUP,
  HOLD_S,
  idOf,
  isBatch,
  type Kind,
  kindOf,
  legsOf,
  purseOf,
  reversalId,
} from './soak-deeds.js';

/** What is known of a deed. `either`: refused, while another copy of it may have been under way; in the log once or not at all. */
export const KNOWN = { no: 0, sent: 1, done: 2, refused: 3, either: 4 } as const;

const WINDOW = 8;
const RECONNECT_MS = 20;
const HOLDS_MAX = 64;
/** What honest tills may be told. */
const REFUSALS = new Set([
  'insufficient_funds',
  'expired',
  'already_posted',
  'already_voided',
  'exceeds_original',
]);
const TRANSIENT = new Set(['not_ready', 'overloaded']);
const GARBAGE = [
  Buffer.from([0xc1]),
  Buffer.from([0x93, 1]),
  '{"rid":',
  '[[[[',
  Buffer.from([0x82, 0xa1, 0x61, 1]),
];

type MapReply = { readonly [field: string]: unknown } & { readonly rid: number; readonly ok: boolean };
type Reply =
  | readonly [rid: number, n: number, lsn?: number, others?: readonly (readonly [number, number])[]]
  | MapReply;

interface Sent {
  readonly n: number;
  readonly kind: Kind;
  /** The hold that is ended, the sale that is reversed or asked about. */
  readonly target: number;
  readonly frame: (rid: number) => unknown;
  copies: number;
}

export interface TillCounts {
  /** Requests that were answered; of a batch each sale. */
  operations: number;
  refused: number;
  duplicates: number;
  reconnects: number;
  garbage: number;
  /** Reversals that were booked. */
  reversals: number;
}

/** One of the tills: a connection with several deeds in flight, made again whenever it is lost, and everything said until it is answered. */
export class SoakTill {
  readonly created = new GrowingBytes();
  readonly ended = new GrowingBytes();
  next = 0;
  private readonly flying = new Map<number, Sent>();
  private again: Sent[] = [];
  private readonly holds: number[] = [];
  private lastSale = -1;
  private lastLsn = 0;
  private rid = 0;
  private garbageDue = 0;
  private socket: WebSocket | undefined;
  private isClosed = false;
  private connecting: Promise<void> = Promise.resolve();
  /** No new deeds; what was said is still brought to its end. */
  isResting = false;
  fault: Error | undefined;

  constructor(
    readonly till: number,
    private readonly port: number,
    private readonly token: string,
    private readonly counts: TillCounts,
  ) {}

  /** Begins to trade; ends with {@link close}. */
  open(): void {
    this.connecting = this.connect();
  }

  async close(): Promise<void> {
    this.isClosed = true;
    this.socket?.terminate();
    await this.connecting;
  }

  /** Nothing is in flight, and nothing waits to be said again. */
  get isQuiet(): boolean {
    return this.flying.size === 0 && this.again.length === 0;
  }

  private async connect(): Promise<void> {
    while (!this.isClosed) {
      const socket = new WebSocket(`ws://127.0.0.1:${this.port}/v1/ws`, {
        headers: { authorization: `Bearer ${this.token}` },
        perMessageDeflate: false,
      });
      socket.on('error', () => undefined);
      const gone = new Promise<void>((resolve) => socket.once('close', () => resolve()));
      const isUp = await Promise.race([once(socket, 'open').then(() => true), gone.then(() => false)]).catch(
        () => false,
      );
      if (isUp) {
        this.socket = socket;
        this.garbageDue = 0;
        socket.on('message', (data, isBinary) => {
          if (socket === this.socket) this.receive(data as Buffer, isBinary);
        });
        this.fill();
        await gone;
        this.socket = undefined;
        this.counts.reconnects++;
        this.again.push(...this.flying.values());
        this.flying.clear();
      } else {
        socket.terminate();
        await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS));
      }
    }
  }

  /** Says things until the window is full. */
  private fill(): void {
    while (this.flying.size < WINDOW && this.socket !== undefined && !this.isClosed) {
      const sent = this.again.pop() ?? (this.isResting ? undefined : this.nextDeed());
      if (sent === undefined) return;
      sent.copies++;
      const rid = ++this.rid;
      this.flying.set(rid, sent);
      this.socket.send(packFrame(sent.frame(rid)), { binary: true });
    }
  }

  /** @returns undefined when the connection was hung up */
  private nextDeed(): Sent | undefined {
    const { till } = this;
    for (;;) {
      const n = this.next++;
      const kind = kindOf(till, n);
      switch (kind) {
        case 'sale':
        case 'basket':
          return isBatch(till, n) ? this.batch(n) : this.sale(n, kind);
        case 'hold':
          return this.hold(n);
        case 'account': {
          const body = { id: idOf(till, n, 'account'), type: 'asset', currency: 'EUR' };
          return this.sent(n, kind, -1, (rid) => ({ rid, op: 'account', ...body }));
        }
        case 'end':
          if (this.holds.length > 0) return this.end(n);
          break;
        case 'reversal':
          if (this.lastSale >= 0) return this.reversal(n);
          break;
        case 'status':
          if (this.lastSale >= 0) return this.status(n);
          break;
        case 'balance':
          return this.sent(n, kind, -1, (rid) => ({ rid, op: 'balance', account: purseOf(till, n) }));
        case 'garbage':
          this.garbageDue++;
          this.counts.garbage++;
          this.socket!.send(GARBAGE[n % GARBAGE.length]!);
          break;
        default:
          this.socket!.terminate();
          this.socket = undefined;
          return undefined;
      }
    }
  }

  private sent(n: number, kind: Kind, target: number, frame: Sent['frame']): Sent {
    return { n, kind, target, frame, copies: 0 };
  }

  private sale(n: number, kind: 'sale' | 'basket'): Sent {
    const compact = compactOf(this.till, n, kind);
    this.created.set(n, KNOWN.sent);
    return this.sent(n, kind, -1, (rid) => [rid, ...compact]);
  }

  private batch(n: number): Sent {
    const numbers = Array.from({ length: GROUP }, (_, i) => n + i);
    const entries = numbers.map((each) => compactOf(this.till, each, 'sale'));
    for (const each of numbers) this.created.set(each, KNOWN.sent);
    this.next = n + GROUP;
    return this.sent(n, 'sale', GROUP, (rid) => [rid, entries]);
  }

  private hold(n: number): Sent {
    const [[debit, amount], [credit]] = legsOf(this.till, n) as [[string, number], [string, number]];
    const body = { id: idOf(this.till, n, 'hold'), debit, credit, amount, pending: { expires_in: HOLD_S } };
    this.created.set(n, KNOWN.sent);
    return this.sent(n, 'hold', -1, (rid) => ({ rid, op: 'transaction', ...body }));
  }

  private end(n: number): Sent {
    const target = this.holds.shift()!;
    const id = idOf(this.till, target, 'hold');
    const amount = capturedOf(this.till, target);
    this.ended.set(target, KNOWN.sent);
    return this.sent(n, 'end', target, (rid) =>
      amount === 0 ? { rid, op: 'void', id } : { rid, op: 'post', id, amount },
    );
  }

  private reversal(n: number): Sent {
    const target = this.lastSale;
    this.lastSale = -1;
    const body = {
      id: reversalId(this.till, n, target),
      original: idOf(this.till, target, 'sale'),
      amount: 1,
    };
    this.created.set(n, KNOWN.sent);
    return this.sent(n, 'reversal', target, (rid) => ({ rid, op: 'reverse', ...body }));
  }

  private status(n: number): Sent {
    const id = idOf(this.till, this.lastSale, 'sale');
    // What it must say is known now; another sale may be the last one when the answer comes.
    return this.sent(n, 'status', this.lastLsn, (rid) => ({ rid, op: 'status', id }));
  }

  private receive(data: Buffer, isBinary: boolean): void {
    try {
      this.take((isBinary ? unpackFrame(data) : JSON.parse(data.toString())) as Reply);
    } catch (error) {
      this.fault ??= new Error(`till ${this.till}: ${(error as Error).message}`, { cause: error });
    }
    this.fill();
  }

  private take(reply: Reply): void {
    const rid = 'rid' in reply ? reply.rid : Array.isArray(reply) ? (reply[0] as number) : undefined;
    const sent = rid === undefined ? undefined : this.flying.get(rid);
    if (sent === undefined) {
      if (rid !== undefined || (reply as MapReply)['code'] !== 'invalid_request' || --this.garbageDue < 0) {
        throw new Error(`nobody asked for ${JSON.stringify(reply)}`);
      }
      return;
    }
    this.flying.delete(rid!);
    const [code, lsn] = verdictOf(reply);
    if (TRANSIENT.has(code)) {
      this.again.push(sent);
      return;
    }
    this.counts.operations += sent.kind === 'sale' && sent.target === GROUP ? GROUP : 1;
    if (sent.kind === 'balance' || sent.kind === 'status') checkRead(sent, reply as MapReply);
    else if (sent.target === GROUP && sent.kind === 'sale') this.noteBatch(sent, reply as readonly unknown[]);
    else this.note(sent, sent.n, code, lsn);
  }

  private noteBatch(sent: Sent, [, n, , others]: readonly unknown[]): void {
    const refused = new Map(others as readonly (readonly [number, number])[]);
    if (n !== 0) throw new Error(`a batch got ${n}`);
    for (let i = 0; i < GROUP; i++) this.note(sent, sent.n + i, codeName(refused.get(i) ?? 0), 0);
  }

  private note({ kind, target, copies }: Sent, n: number, code: string, lsn: number): void {
    const [states, at] = kind === 'end' ? [this.ended, target] : [this.created, n];
    if (code !== 'ok' && code !== 'duplicate') {
      if (!REFUSALS.has(code)) throw new Error(`${kind} ${n} got ${code}`);
      this.counts.refused++;
      states.set(at, copies > 1 ? KNOWN.either : KNOWN.refused);
      return;
    }
    if (code === 'duplicate') this.counts.duplicates++;
    states.set(at, KNOWN.done);
    if (kind === 'reversal') this.counts.reversals++;
    if (kind === 'hold' && this.holds.length < HOLDS_MAX) this.holds.push(n);
    if (kind === 'sale' && lsn > 0) [this.lastSale, this.lastLsn] = [n, lsn];
  }
}

function compactOf(till: number, n: number, kind: 'sale' | 'basket'): unknown[] {
  const legs = legsOf(till, n);
  const id = idOf(till, n, kind);
  return legs.length === 2 ? [id, legs[0]![0], legs[1]![0], legs[0]![1]] : [id, legs];
}

function verdictOf(reply: Reply): readonly [code: string, lsn: number] {
  if (!('rid' in reply)) return [codeName(reply[1]), reply[2] ?? 0];
  if (!reply.ok) return [reply['code'] as string, 0];
  return [reply['duplicate'] === true ? codeName(CODES.duplicate.n) : 'ok', reply['lsn'] as number];
}

function checkRead({ kind, target, n }: Sent, reply: MapReply): void {
  const { balance, credits_posted: credits, debits_posted: debits, lsn } = reply as Record<string, unknown>;
  const isRight = kind === 'balance' ? balance === (credits as number) - (debits as number) : lsn === target;
  if (!reply.ok || !isRight) throw new Error(`${kind} ${n} (LSN ${target}) told ${JSON.stringify(reply)}`);
}
