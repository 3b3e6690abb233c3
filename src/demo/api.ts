import { parse } from 'lossless-json';
import type { AccountInput } from '../../engine/types.js';
import type { Balance } from './reconcile.js';

const ACCOUNTS_AT_ONCE = 1_000;
const READS_AT_ONCE = 8;
const PAGE_ROWS = 1_000;

/** Creates accounts over HTTP. @throws Error when one of them is refused */
export async function createAccounts(
  url: string,
  token: string,
  accounts: readonly AccountInput[],
): Promise<void> {
  for (let from = 0; from < accounts.length; from += ACCOUNTS_AT_ONCE) {
    const body = JSON.stringify({ accounts: accounts.slice(from, from + ACCOUNTS_AT_ONCE) });
    const reply = await call(`${url}/v1/accounts/batch`, token, body);
    const refused = (reply['results'] as { ok: boolean }[]).find(({ ok }) => !ok);
    if (refused !== undefined) throw new Error(`an account was refused: ${JSON.stringify(refused)}`);
  }
}

/** Reads the balances of accounts over HTTP, exactly. @throws Error for any other answer */
export async function readBalances(
  url: string,
  token: string,
  accounts: readonly string[],
): Promise<Map<string, Balance>> {
  const balances = new Map<string, Balance>();
  const left = [...accounts];
  const reader = async () => {
    for (let account = left.pop(); account !== undefined; account = left.pop()) {
      const path = `/v1/accounts/${encodeURIComponent(account)}/balance`;
      balances.set(account, (await call(url + path, token)) as unknown as Balance);
    }
  };
  await Promise.all(Array.from({ length: READS_AT_ONCE }, reader));
  return balances;
}

/** Where analytics stands, and the last LSN that the ledger has. */
export interface SinkStatus {
  readonly state: string;
  readonly reason?: string;
  readonly cursor: bigint;
  readonly durable_lsn: bigint;
  readonly currencies: readonly { readonly currency: string; readonly count: bigint }[];
}

/** Waits some seconds for an LSN. @throws Error for any other answer, also while analytics is not ready, or not there yet */
export async function readSink(url: string, token: string, minLsn: bigint): Promise<SinkStatus> {
  return (await call(`${url}/v1/analytics/status?min_lsn=${minLsn}`, token)) as unknown as SinkStatus;
}

export interface TrialBalanceRow {
  readonly account: string;
  readonly debits: bigint;
  readonly credits: bigint;
  readonly balance: bigint;
}

/** Reads what ClickHouse has of every account, all pages. @throws Error for any other answer */
export async function readTrialBalance(url: string, token: string): Promise<TrialBalanceRow[]> {
  const rows: TrialBalanceRow[] = [];
  let cursor = '';
  do {
    const page = await call(`${url}/v1/analytics/trial-balance?limit=${PAGE_ROWS}${cursor}`, token);
    rows.push(...(page['rows'] as TrialBalanceRow[]));
    cursor = page['cursor'] === undefined ? '' : `&cursor=${encodeURIComponent(String(page['cursor']))}`;
  } while (cursor !== '');
  return rows;
}

/** Integers come as bigint: amounts must lose no digit. */
async function call(url: string, token: string, body?: string): Promise<Record<string, unknown>> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const response = await fetch(url, body === undefined ? { headers } : { method: 'POST', headers, body });
  const text = await response.text();
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${text}`);
  return parse(text, undefined, exact) as Record<string, unknown>;
}

function exact(number: string): bigint | number {
  return /^-?\d+$/.test(number) ? BigInt(number) : Number(number);
}
