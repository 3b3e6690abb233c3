import { isUtf8 } from 'node:buffer';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { FRAME_BYTES_MAX } from '../../engine/limits.js';
import { Dice, seedOf } from '../support/dice.js';
import { ServerProcess, within } from '../support/server.js';
import { makeToken } from '../support/token.js';
import { ACCOUNTS, makeCompact, makeMap } from './commands.js';
import { FuzzBooks } from './fuzz-books.js';
import { hostileBody, hostileHead, hostileToken, hostileWire } from './hostile-http.js';
import { HostileSocket } from './hostile-socket.js';
import { mutate } from './mutate.js';
import { spellJson } from './spell-json.js';
import { spellMsgpack } from './spell-msgpack.js';
import { makeValue, type Value } from './values.js';

export interface FramesReport {
  /** What was sent, by way in. */
  readonly sent: { readonly [way: string]: number };
  readonly codes: { readonly [code: string]: number };
  /** Bytes of the server's memory: after the first fifth, at the end, and at its highest; 0 where the system does not tell. */
  readonly memory: { readonly early: number; readonly late: number; readonly highest: number };
  readonly failures: readonly string[];
}

const WINDOW = 64;
const SOCKETS = 4;
const RECENT = 500;
/** What the server may grow by after the first fifth, beside what it remembers. */
const GROWTH_MAX = 256 << 20;
const FAILURES_MAX = 5;

/** Sends so many hostile frames, bodies, heads and tokens to a real server and judges each answer, and the books at the end. */
export async function fuzzFrames(
  count: number,
  seed: number,
  onFrame: (done: number) => void = () => undefined,
): Promise<FramesReport> {
  const root = mkdtempSync(join(tmpdir(), 'kassa-frames-'));
  const server = await ServerProcess.start({
    data: join(root, 'data'),
    shards: 2,
  });
  try {
    return await new Campaign(server, count, seed, onFrame).run();
  } finally {
    await server.kill();
    rmSync(root, { recursive: true, force: true });
  }
}

class Campaign {
  private readonly books = new FuzzBooks();
  private readonly sent: { [way: string]: number } = {};
  private readonly failures: string[] = [];
  /** Seeds of commands that were sent. */
  private readonly recent: number[] = [];
  private done = 0;
  private early = 0;

  constructor(
    private readonly server: ServerProcess,
    private readonly count: number,
    private readonly seed: number,
    private readonly onFrame: (done: number) => void,
  ) {}

  async run(): Promise<FramesReport> {
    await this.createAccounts();
    const sockets = await Promise.all(
      Array.from({ length: SOCKETS }, () => HostileSocket.open(this.server.port, makeToken(), this.books)),
    );
    for (let round = 0; this.done < this.count && this.failures.length < FAILURES_MAX; round++) {
      const dice = new Dice(seedOf(this.seed, 'frames', round));
      await this.guard(round, () => this.round(dice, sockets));
      if (this.early === 0 && this.done >= this.count / 5) this.early = this.memory('VmRSS');
      this.onFrame(Math.min(this.done, this.count));
    }
    for (const socket of sockets) socket.close();
    const memory = { early: this.early, late: this.memory('VmRSS'), highest: this.memory('VmHWM') };
    if (memory.late - memory.early > GROWTH_MAX)
      this.failures.push(`memory grew from ${memory.early} to ${memory.late} bytes`);
    await this.guard(-1, () => this.closeBooks());
    return { sent: this.sent, codes: Object.fromEntries(this.books.codes), memory, failures: this.failures };
  }

  private async guard(round: number, part: () => Promise<void>): Promise<void> {
    try {
      await part();
    } catch (error) {
      this.failures.push(
        `seed ${this.seed}, round ${round}: ${(error as Error).message}; the server said: ${this.server.stderr().slice(-500)}`,
      );
    }
  }

  private async round(dice: Dice, sockets: readonly HostileSocket[]): Promise<void> {
    const { server, books } = this;
    for (const socket of sockets) {
      for (let i = 0; i < WINDOW; i++) this.sendFrame(dice, socket);
    }
    await Promise.all(sockets.map((socket) => socket.settled()));
    const client = server.http();
    await this.all('bodies', 48, () => hostileBody(dice, client, books));
    client.close();
    await this.all('tokens', 16, () => hostileToken(dice, server, books));
    await this.all('heads', 16, () => hostileHead(dice, server.port));
    await this.all('wires', 8, () => hostileWire(dice, server.port));
    if (dice.chance(10)) await this.closing(dice);
  }

  private async all(way: string, count: number, send: () => Promise<void>): Promise<void> {
    this.tally(way, count);
    await Promise.all(Array.from({ length: count }, send));
  }

  private tally(way: string, count: number): void {
    this.sent[way] = (this.sent[way] ?? 0) + count;
    this.done += count;
  }

  private sendFrame(dice: Dice, socket: HostileSocket): void {
    const isBinary = dice.chance(60);
    const bytes = this.makeFrame(dice, isBinary);
    // Those are not answered, but close: see `closing`.
    if (bytes.length > FRAME_BYTES_MAX || (!isBinary && !isUtf8(bytes))) return;
    socket.send(bytes, isBinary);
    this.tally(isBinary ? 'binary frames' : 'text frames', 1);
  }

  /** Some of them ask what was asked before, in another spelling or encoding. */
  private makeFrame(dice: Dice, isBinary: boolean): Buffer {
    const isCopy = this.recent.length > 0 && dice.chance(15);
    const seed = isCopy ? dice.pick(this.recent) : dice.below(2 ** 31);
    this.recent[this.recent.length < RECENT ? this.recent.length : dice.below(RECENT)] = seed;
    const spell = (from: number): Buffer => {
      const command = makeCommand(from, dice.below(2 ** 32));
      return isBinary ? spellMsgpack(dice, command) : Buffer.from(spellJson(dice, command));
    };
    const bytes = spell(seed);
    return dice.chance(60) ? bytes : mutate(dice, bytes, spell(dice.below(2 ** 31)));
  }

  /** Frames that end their connection, with the code that is due. */
  private async closing(dice: Dice): Promise<void> {
    const tooLong = Buffer.alloc(FRAME_BYTES_MAX + 1 + dice.below(FRAME_BYTES_MAX), 0x20);
    await this.expectClose(tooLong, dice.chance(50), [1009]);
    await this.expectClose(Buffer.from([0x22, 0xc3, 0x28, 0x22]), false, [1006, 1007]);
    this.tally('closing frames', 2);
  }

  private async expectClose(bytes: Buffer, isBinary: boolean, codes: readonly number[]): Promise<void> {
    const url = `ws://127.0.0.1:${this.server.port}/v1/ws`;
    const socket = new WebSocket(url, { headers: { authorization: `Bearer ${makeToken()}` } });
    socket.on('error', () => undefined);
    const closed = new Promise<number>((resolve) => socket.once('close', resolve));
    socket.once('open', () => socket.send(bytes, { binary: isBinary }));
    const code = await within(closed, 30_000, () => 'the connection stays open');
    if (!codes.includes(code)) throw new Error(`closed with ${code} and not ${codes.join(' or ')}`);
  }

  private async createAccounts(): Promise<void> {
    const accounts = ACCOUNTS.map((id) => ({
      id,
      type: 'asset',
      currency: id === 'usd' ? 'USD' : 'EUR',
      min_balance: null,
    }));
    const client = this.server.http();
    const { status, text } = await client.post('/v1/accounts/batch', { accounts });
    client.close();
    if (status !== 200) throw new Error(`no accounts: ${text}`);
  }

  /** Asks every account, stops the server, and reads its log. */
  private async closeBooks(): Promise<void> {
    const client = this.server.http();
    const balances = new Map<string, bigint>();
    for (const id of ACCOUNTS) {
      const { body } = await client.get(`/v1/accounts/${encodeURIComponent(id)}/balance`);
      balances.set(id, BigInt(body['debits_posted'] as number) - BigInt(body['credits_posted'] as number));
    }
    client.close();
    const exit = await this.server.stop();
    if (exit.code !== 0)
      this.failures.push(
        `the server ended with ${JSON.stringify(exit)}: ${this.server.stderr().slice(-500)}`,
      );
    this.failures.push(
      ...(await this.books.problems(this.server.options.data, balances)).slice(0, FAILURES_MAX),
    );
  }

  private memory(field: 'VmRSS' | 'VmHWM'): number {
    const path = `/proc/${this.server.pid}/status`;
    if (!existsSync(path)) return 0;
    return (
      Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync(path, 'utf8'))?.[1] ?? 0) * 1024
    );
  }
}

/** A command or any value; the same seed gives the same one, whatever its rid. */
function makeCommand(seed: number, rid: number): Value {
  const dice = new Dice(seed);
  const what = dice.below(10);
  if (what < 5) return makeCompact(dice, rid);
  return what < 9 ? makeMap(dice, rid) : makeValue(dice, 4);
}
