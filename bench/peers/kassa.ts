import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { OPTIONS } from '../../src/config.js';
import { type AccountSet, accountIds } from '../load/accounts.js';
import { lineOf, type Server, startNode, stop } from '../process.js';

export interface KassaOptions extends AccountSet {
  /** An empty directory. */
  readonly data: string;
  readonly shards: number;
  readonly checkpointRecords?: number | undefined;
  /** `--analytics`; off unless said. */
  readonly analytics?: string | undefined;
  readonly profile?: string | undefined;
}

/** Counters of a running server. */
export interface Counters {
  readonly lsn: number;
  readonly commits: number;
  readonly checkpointLsn: number;
  /** Of all segments, unused pages included. */
  readonly logBytes: number;
}

/** @throws Error when there is none of that name */
export type Figures = (name: string) => number;

export interface KassaServer extends Server {
  readonly data: string;
  counters(): Promise<Counters>;
  /** The figures of `/metrics` as they are now, by name. */
  figures(): Promise<Figures>;
  /** Resolves when no checkpoint is due: what is measured next shall not pay for what was measured before. */
  settled(): Promise<void>;
}

const CLI = new URL('../../src/cli.js', import.meta.url);
const CHECKPOINT_POLL_MS = 50;
const ACCOUNTS_TOGETHER = 8192;
/** Every account has a limit, so that each sale is held against two; none is ever reached. */
const MIN_BALANCE = -(10 ** 15);

/** The real server with every rule on, and the accounts of a set in it. */
export async function startKassa(options: KassaOptions): Promise<KassaServer> {
  const { data, shards, checkpointRecords, analytics = 'off', profile } = options;
  const args = ['serve', '--data', data, '--port', '0', '--auth', 'off', '--shards', String(shards)];
  args.push('--analytics', analytics);
  if (checkpointRecords !== undefined) args.push('--checkpoint-records', String(checkpointRecords));
  const child = startNode(CLI, args, { profile });
  const [, port] = await lineOf(child, /"ready on http:\/\/127\.0\.0\.1:(\d+)"/, 'Kassa');
  const url = `http://127.0.0.1:${port}`;
  await createAccounts(url, options);
  await checkpointed(url, checkpointRecords);
  return {
    data,
    port: Number(port),
    pids: [child.pid!],
    stop: () => stop(child),
    settled: () => checkpointed(url, checkpointRecords),
    figures: () => figures(url),
    counters: async () => ({ ...(await counters(url)), logBytes: logBytes(data) }),
  };
}

/** Waits until the log is in a checkpoint as far as it ever will be by itself. */
async function checkpointed(url: string, records = OPTIONS.checkpointRecords.fallback): Promise<void> {
  for (;;) {
    const { lsn, checkpointLsn } = await counters(url);
    if (lsn - checkpointLsn < records) return;
    await setTimeout(CHECKPOINT_POLL_MS);
  }
}

export function accountBody(id: string): object {
  return { id, currency: 'EUR', type: 'asset', min_balance: MIN_BALANCE };
}

async function createAccounts(url: string, set: AccountSet): Promise<void> {
  let accounts: object[] = [];
  const flush = async () => {
    const reply = await fetch(`${url}/v1/accounts/batch`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ accounts }),
    });
    const text = await reply.text();
    if (!reply.ok || text.includes('"ok":false'))
      throw new Error(`accounts were not created: ${text.slice(0, 500)}`);
    accounts = [];
  };
  for (const id of accountIds(set)) {
    accounts.push(accountBody(id));
    if (accounts.length === ACCOUNTS_TOGETHER) await flush();
  }
  if (accounts.length > 0) await flush();
}

async function counters(url: string): Promise<Omit<Counters, 'logBytes'>> {
  const figure = await figures(url);
  return {
    lsn: figure('kassa_durable_lsn'),
    commits: figure('kassa_log_commits'),
    checkpointLsn: figure('kassa_checkpoint_lsn'),
  };
}

async function figures(url: string): Promise<Figures> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return (name) => {
    const found = new RegExp(`^${name} (\\d+)`, 'm').exec(text);
    if (found === null) throw new Error(`there is no metric ${name}`);
    return Number(found[1]);
  };
}

/** Bytes of all segments. */
export function logBytes(data: string): number {
  const log = join(data, 'log');
  return readdirSync(log).reduce((sum, segment) => sum + statSync(join(log, segment, 'data.mdb')).size, 0);
}
