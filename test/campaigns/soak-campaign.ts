import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { kassa, ServerProcess, until } from '../support/server.js';
import { makeToken } from '../support/token.js';
import { auditSoak } from './soak-audit.js';
import { HOUSE, PURSE_NAMES } from './soak-deeds.js';
import { SoakTill, type TillCounts } from './soak-till.js';
import { checkLife, diskBytes, type Life, lifeOf, type Sample, sample } from './soak-watch.js';

/**
 * Steady mixed trade for long: sales, baskets, batches, holds with all their ends, reversals, new accounts, reads, hang-ups and garbage, over a server
 * that is stopped and killed now and then. Memory grows by what accounts and ids take and by nothing else, and in the end the books are right.
 */

export interface SoakOptions {
  /** Ends after so many operations ... */
  readonly operations: number;
  /** ... or after so long, whichever comes first. */
  readonly minutes: number;
  /** How often the server is ended and started again, by turns with SIGKILL and SIGTERM. */
  readonly restarts: number;
  readonly onProgress?: (operations: number, life: number, megabytes: number) => void;
}

export interface SoakReport extends Readonly<TillCounts> {
  readonly seconds: number;
  readonly lives: readonly Life[];
  readonly records: number;
  readonly expired: number;
  readonly ids: number;
  readonly accounts: number;
  readonly bytesPerId: number;
  readonly bytesPerAccount: number;
  /** On the disk, log and checkpoint together and the log alone. */
  readonly diskBytesPerRecord: number;
  readonly logBytesPerRecord: number;
}

const TILLS = 100;
/** Parts of the whole by which the early restarts are over, and at which the last one comes. */
const EARLY = 0.2;
const LATE = 0.9;
const SHARDS = [2, 1, 4] as const;
const SAMPLE_MS = 250;
const WAIT_MS = 60_000;
const SEGMENT_BYTES = 8 << 20;
const CHECKPOINT_RECORDS = 20_000;
/** Commits of a few records each, as a loaded or idle machine makes them, take whole pages. */
const DISK_BYTES_PER_RECORD_MAX = 600;

/** @throws Error when a law is broken, an answer is wrong or the books are not right */
export async function soak(options: SoakOptions): Promise<SoakReport> {
  const directory = await mkdtemp(join(tmpdir(), 'kassa-soak-'));
  try {
    return await new Soak(options, join(directory, 'data')).run();
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

class Soak {
  private readonly counts: TillCounts = {
    operations: 0,
    refused: 0,
    duplicates: 0,
    reconnects: 0,
    garbage: 0,
    reversals: 0,
  };
  private readonly lives: Life[] = [];
  private tills: readonly SoakTill[] = [];
  private samples: Sample[] = [];

  constructor(
    private readonly options: SoakOptions,
    private readonly data: string,
  ) {}

  async run(): Promise<SoakReport> {
    const startedAtMs = performance.now();
    let server = await this.start(undefined);
    try {
      await openAccounts(server);
      const token = makeToken({ terminal: 'soak' });
      this.tills = Array.from({ length: TILLS }, (_, i) => new SoakTill(i, server.port, token, this.counts));
      for (const till of this.tills) till.open();
      const ends = endsOfLives(this.options.restarts);
      for (const [life, end] of ends.entries()) {
        if (life > 0) server = await this.start(server);
        await this.live(server, this.share(end, startedAtMs));
        if (end < 1) await this.end(server, life);
      }
      await this.quiet(server);
      return await this.conclude(server, startedAtMs);
    } finally {
      await Promise.all(this.tills.map((till) => till.close()));
      await server.kill();
    }
  }

  private start(before: ServerProcess | undefined): Promise<ServerProcess> {
    const shards = SHARDS[this.lives.length % SHARDS.length]!;
    this.samples = [];
    if (before !== undefined) return before.restart({ shards });
    const args = ['--segment-bytes', `${SEGMENT_BYTES}`, '--checkpoint-records', `${CHECKPOINT_RECORDS}`];
    return ServerProcess.start({ data: this.data, shards, args });
  }

  /** Whether a share of the whole is done. */
  private share(share: number, startedAtMs: number): () => boolean {
    const { operations, minutes } = this.options;
    return () =>
      this.counts.operations >= share * operations ||
      performance.now() - startedAtMs >= share * minutes * 60_000;
  }

  /** Trades and looks at the server until this life is over. */
  private async live(server: ServerProcess, isOver: () => boolean): Promise<void> {
    while (!isOver() || this.samples.length < 2) {
      await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
      this.checkTills();
      const one = await sample(server, this.counts);
      this.samples.push(one);
      this.options.onProgress?.(one.operations, this.lives.length + 1, one.ownBytes / 1e6);
    }
  }

  private async end(server: ServerProcess, life: number): Promise<void> {
    const how = life % 2 === 0 ? 'SIGKILL' : 'SIGTERM';
    if (how === 'SIGKILL') await server.kill();
    else {
      const { code } = await server.stop();
      if (code !== 0) throw new Error(`SIGTERM ended it with ${code}: ${server.output()}`);
    }
    this.note(server, how);
  }

  private note(server: ServerProcess, how: string): void {
    const life = lifeOf(server.options.shards!, how, this.samples);
    this.lives.push(life);
    checkLife(life);
  }

  private checkTills(): void {
    for (const { fault } of this.tills) if (fault !== undefined) throw fault;
  }

  /** No new deeds; everything said is answered, every hold has ended. */
  private async quiet(server: ServerProcess): Promise<void> {
    for (const till of this.tills) till.isResting = true;
    await until(
      async () => {
        this.checkTills();
        return this.tills.every(({ isQuiet }) => isQuiet) && (await server.metric('kassa_open_holds')) === 0;
      },
      WAIT_MS,
      () => 'tills or holds do not come to rest',
    );
  }

  private async conclude(server: ServerProcess, startedAtMs: number): Promise<SoakReport> {
    const last = await sample(server, this.counts);
    const figures = await server.metrics();
    const seconds = (performance.now() - startedAtMs) / 1000;
    const { code } = await server.stop();
    if (code !== 0) throw new Error(`SIGTERM ended it with ${code}: ${server.output()}`);
    this.note(server, 'SIGTERM');
    const books = auditSoak(this.data, this.tills);
    const verified = await kassa(['verify', '--data', this.data, '--json']);
    if (verified.code !== 0) throw new Error(`kassa verify: ${verified.stdout}${verified.stderr}`);
    await this.compareBalances(server, books.nets);
    const disk = diskBytes(this.data) / books.records;
    if (disk > DISK_BYTES_PER_RECORD_MAX) throw new Error(`${disk} bytes of disk a record`);
    return {
      ...this.counts,
      seconds,
      lives: this.lives,
      records: books.records,
      expired: books.expired,
      ids: last.ids,
      accounts: last.accounts,
      bytesPerId: figures.get('kassa_remembered_id_bytes')! / last.ids,
      bytesPerAccount: figures.get('kassa_account_bytes')! / last.accounts,
      diskBytesPerRecord: disk,
      logBytesPerRecord: diskBytes(join(this.data, 'log')) / books.records,
    };
  }

  /** Started once more, every account is told as the log adds up. */
  private async compareBalances(before: ServerProcess, nets: ReadonlyMap<string, bigint>): Promise<void> {
    const server = await before.restart();
    try {
      const http = server.http();
      for (const id of [...HOUSE, ...PURSE_NAMES]) {
        const { body } = await http.get(`/v1/accounts/${encodeURIComponent(id)}/balance`);
        const net = BigInt(body['debits_posted'] as number) - BigInt(body['credits_posted'] as number);
        const due = nets.get(id) ?? 0n;
        if (net !== due) throw new Error(`${id} is told as ${net} after a restart, and is ${due}`);
        if (body['debits_pending'] !== 0 || body['credits_pending'] !== 0) {
          throw new Error(`${id} has something pending: ${JSON.stringify(body)}`);
        }
      }
    } finally {
      await server.kill();
    }
  }
}

/** One long life, in which what leaks would show; the others before it are short, and the last restart finds most of the log. */
function endsOfLives(restarts: number): readonly number[] {
  if (restarts === 0) return [1];
  const early = Array.from({ length: restarts - 1 }, (_, i) => (EARLY * (i + 1)) / (restarts - 1));
  return [...early, LATE, 1];
}

async function openAccounts(server: ServerProcess): Promise<void> {
  const houses = HOUSE.map((id) => ({ id, type: id === 'bank' ? 'asset' : 'revenue', min_balance: null }));
  const purses = PURSE_NAMES.map((id) => ({ id, type: 'liability' }));
  const accounts = [...houses, ...purses].map((account) => ({ ...account, currency: 'EUR' }));
  const { status, text } = await server.http().post('/v1/accounts/batch', { accounts });
  if (status !== 200 || text.includes('"ok":false')) throw new Error(`accounts: ${text}`);
}
