import { once } from 'node:events';
import { Packr } from 'msgpackr';
import { WebSocket } from 'ws';

// A process of its own: ports and open files are limited by process and address. Nothing of vitest is imported here.

/** What a crowd is told, one after the other; it answers each. */
export type CrowdOrder =
  | {
      readonly op: 'open';
      readonly count: number;
      readonly port: number;
      readonly token: string;
      readonly from: string;
    }
  /** Each connection sells one after the other, at this pace, until `rest`. */
  | { readonly op: 'sell'; readonly everyMs: number; readonly prefix: string; readonly tills: number }
  | { readonly op: 'rest' }
  /** Each connection asks for a balance. */
  | { readonly op: 'ask' }
  | { readonly op: 'report' };

export interface CrowdReport {
  readonly open: number;
  /** The fewest pings that one connection has had from the server. */
  readonly pingsMin: number;
  /** Sales acknowledged, and by till. */
  readonly sold: number;
  readonly byTill: readonly number[];
  /** Balances told. */
  readonly asked: number;
  /** The first answers that were not what they had to be. */
  readonly wrong: readonly string[];
  /** Closed connections by code. */
  readonly closed: { readonly [code: number]: number };
}

const AT_ONCE = 50;
const WRONG_MAX = 5;
const packr = new Packr({ useRecords: false, mapsAsObjects: true, structuredClone: false, moreTypes: false });

class Member {
  pings = 0;
  private readonly waiting = new Map<number, (reply: unknown) => void>();
  private rid = 0;

  constructor(readonly socket: WebSocket) {
    socket.on('ping', () => this.pings++);
    socket.on('error', () => undefined);
    socket.on('message', (data) => {
      const reply = packr.unpack(data as Buffer) as number[] | { rid: number };
      const rid = Array.isArray(reply) ? reply[0]! : reply.rid;
      const resolve = this.waiting.get(rid);
      if (resolve === undefined) wrong.push(`nobody asked: ${JSON.stringify(reply)}`);
      this.waiting.delete(rid);
      resolve?.(reply);
    });
    socket.on('close', (code) => {
      closed[code] = (closed[code] ?? 0) + 1;
    });
  }

  call(frame: (rid: number) => unknown): Promise<unknown> {
    const rid = ++this.rid;
    const reply = new Promise((resolve) => this.waiting.set(rid, resolve));
    this.socket.send(Buffer.from(packr.pack(frame(rid))), { binary: true });
    return reply;
  }
}

const members: Member[] = [];
const closed: Record<number, number> = {};
const wrong: string[] = [];
let byTill: number[] = [];
let sold = 0;
let asked = 0;
let isResting = true;
let selling: Promise<unknown> = Promise.resolve();

async function open({ count, port, token, from }: CrowdOrder & { op: 'open' }): Promise<void> {
  const openOne = async (): Promise<void> => {
    while (count-- > 0) {
      const options = {
        headers: { authorization: `Bearer ${token}` },
        localAddress: from,
        perMessageDeflate: false,
      };
      const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/ws`, options);
      await once(socket, 'open');
      members.push(new Member(socket));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, openOne));
}

async function sell(member: Member, m: number, order: CrowdOrder & { op: 'sell' }): Promise<void> {
  const till = m % order.tills;
  let lastLsn = 0;
  for (let i = 0; !isResting; i++) {
    const id = `${order.prefix}${m}.${i}`;
    const reply = (await member.call((rid) => [rid, id, 'bank', `till${till}`, 1])) as number[];
    // Of one connection's sales, one after the other, each is logged later.
    if (reply.length !== 3 || reply[1] !== 0 || !(reply[2]! > lastLsn))
      wrong.push(`${id}: ${JSON.stringify(reply)}`);
    lastLsn = reply[2]!;
    sold++;
    byTill[till]!++;
    await new Promise((resolve) => setTimeout(resolve, order.everyMs));
  }
}

async function ask(member: Member): Promise<void> {
  const reply = (await member.call((rid) => ({ rid, op: 'balance', account: 'bank' }))) as Record<
    string,
    unknown
  >;
  if (reply['ok'] === true && reply['account'] === 'bank') asked++;
  else wrong.push(JSON.stringify(reply));
}

async function obey(order: CrowdOrder): Promise<void> {
  switch (order.op) {
    case 'open':
      return open(order);
    case 'sell':
      isResting = false;
      byTill = Array.from({ length: order.tills }, () => 0);
      selling = Promise.all(members.map((member, m) => sell(member, m, order)));
      return;
    case 'rest':
      isResting = true;
      await selling;
      return;
    case 'ask':
      await Promise.all(members.map(ask));
      return;
    default:
  }
}

function report(): CrowdReport {
  return {
    open: members.filter(({ socket }) => socket.readyState === WebSocket.OPEN).length,
    pingsMin: members.reduce((min, { pings }) => Math.min(min, pings), Number.POSITIVE_INFINITY),
    sold,
    byTill,
    asked,
    wrong: wrong.slice(0, WRONG_MAX),
    closed,
  };
}

process.on('message', (order: CrowdOrder) => {
  obey(order).then(
    () => process.send!(report()),
    (error: Error) => {
      wrong.push(error.message);
      process.send!(report());
    },
  );
});
process.on('disconnect', () => process.exit(0));
