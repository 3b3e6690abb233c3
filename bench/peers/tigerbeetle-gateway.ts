import type { WebSocket } from 'uWebSockets.js';
import {
  AccountFlags,
  type Client,
  CreateAccountStatus,
  CreateTransferStatus,
  createClient,
  type Transfer,
} from 'tigerbeetle-node';
import { decodeMsgpack, encodeAnswer, encodeMsgpack } from '../../src/gateway/msgpack.js';
import { loadUws } from '../../src/gateway/uws.js';
import { accountIds } from '../load/accounts.js';

/**
 * Takes the same compact frames as Kassa and hands them to TigerBeetle with its own client, as the client's documentation would have it: one
 * client for the process, a call and a promise for each caller, and the client batches the calls that are under way at once by itself. A
 * frame of many sales is one call. Accounts are mapped to their numbers once; a sale's id of 16 bytes is its number of 128 bits.
 * Prints its port.
 */

export interface GatewayOptions {
  readonly clusterPort: number;
  readonly accounts: number;
}

const LEDGER = 1;
const CODE = 1;
const BATCH_MAX = 8189;
const REFUSED = 31;

type Sale = readonly [id: string, debit: string, credit: string, amount: number];

const options = JSON.parse(process.argv[2]!) as GatewayOptions;
const client: Client = createClient({ cluster_id: 0n, replica_addresses: [String(options.clusterPort)] });
const numbers = new Map<string, bigint>();
await createAccounts();

async function createAccounts(): Promise<void> {
  const ids = [...accountIds({ accounts: options.accounts, tags: 0 })];
  for (let at = 0; at < ids.length; at += BATCH_MAX) {
    const batch = ids.slice(at, at + BATCH_MAX).map((id, i) => {
      const number = BigInt(at + i + 1);
      numbers.set(id, number);
      return {
        id: number,
        debits_pending: 0n,
        debits_posted: 0n,
        credits_pending: 0n,
        credits_posted: 0n,
        user_data_128: 0n,
        user_data_64: 0n,
        user_data_32: 0,
        reserved: 0,
        ledger: LEDGER,
        code: CODE,
        flags: AccountFlags.none,
        timestamp: 0n,
      };
    });
    const results = await client.createAccounts(batch);
    if (results.some(({ status }) => status !== CreateAccountStatus.created))
      throw new Error('accounts were not created');
  }
}

const idBytes = Buffer.alloc(16);

function transfer([id, debit, credit, amount]: Sale): Transfer {
  if (idBytes.write(id, 'latin1') !== idBytes.length) throw new Error('an id has not 16 bytes');
  return {
    id: (idBytes.readBigUInt64LE(8) << 64n) | idBytes.readBigUInt64LE(0),
    debit_account_id: numbers.get(debit)!,
    credit_account_id: numbers.get(credit)!,
    amount: BigInt(amount),
    pending_id: 0n,
    user_data_128: 0n,
    user_data_64: 0n,
    user_data_32: 0,
    timeout: 0,
    ledger: LEDGER,
    code: CODE,
    flags: 0,
    timestamp: 0n,
  };
}

/** Replies of one turn of the loop go out together: one system call for many. */
class Replies {
  private readonly waiting = new Map<WebSocket<Socket>, Uint8Array[]>();

  add(ws: WebSocket<Socket>, reply: Uint8Array): void {
    if (this.waiting.size === 0) setImmediate(() => this.flush());
    const list = this.waiting.get(ws);
    if (list === undefined) this.waiting.set(ws, [reply]);
    else list.push(reply);
  }

  private flush(): void {
    for (const [ws, list] of this.waiting) {
      if (!ws.getUserData().isOpen) continue;
      ws.cork(() => {
        for (const reply of list) ws.send(reply, true);
      });
    }
    this.waiting.clear();
  }
}

interface Socket {
  isOpen: boolean;
}

const replies = new Replies();

async function book(ws: WebSocket<Socket>, frame: readonly unknown[]): Promise<void> {
  const rid = frame[0] as number;
  if (!Array.isArray(frame[1])) {
    const [result] = await client.createTransfers([transfer(frame.slice(1) as unknown as Sale)]);
    const ok = result!.status === CreateTransferStatus.created;
    // The reply's size is Kassa's: 32 bits of the time stand for the LSN.
    replies.add(
      ws,
      Buffer.from(encodeAnswer(rid, ok ? 0 : REFUSED, Number(result!.timestamp & 0xffffffffn))),
    );
    return;
  }
  const sales = frame[1] as Sale[];
  const refused: [number, number][] = [];
  let timestamp = 0n;
  for (let at = 0; at < sales.length; at += BATCH_MAX) {
    const results = await client.createTransfers(sales.slice(at, at + BATCH_MAX).map(transfer));
    results.forEach((result, i) => {
      if (result.status !== CreateTransferStatus.created) refused.push([at + i, REFUSED]);
      timestamp = result.timestamp;
    });
  }
  replies.add(ws, encodeMsgpack([rid, 0, Number(timestamp & 0xffffffffn), refused]));
}

const uws = loadUws();
uws
  .App()
  .ws<Socket>('/v1/ws', {
    maxPayloadLength: 1 << 20,
    upgrade: (res, req, context) =>
      res.upgrade<Socket>(
        { isOpen: true },
        req.getHeader('sec-websocket-key'),
        req.getHeader('sec-websocket-protocol'),
        req.getHeader('sec-websocket-extensions'),
        context,
      ),
    message(ws, message) {
      book(ws, decodeMsgpack(Buffer.from(message)) as unknown[]).catch(fail);
    },
    close(ws) {
      ws.getUserData().isOpen = false;
    },
  })
  .listen('127.0.0.1', 0, (socket) => {
    if (socket === false) throw new Error('cannot listen');
    process.stdout.write(`listening on ${uws.us_socket_local_port(socket)}\n`);
  });

function fail(error: Error): never {
  process.stderr.write(`tigerbeetle-gateway: ${error.message}\n`);
  process.exit(1);
}
