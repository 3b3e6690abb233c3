/** ClickHouse beside the ledger and the file: waits until it has everything, then compares every account. */

import { setTimeout as sleep } from 'node:timers/promises';
import { readSink, readTrialBalance, type SinkStatus, type TrialBalanceRow } from './api.js';
import type { Balance, Totals } from './reconcile.js';

const CATCH_UP_TIMEOUT_MS = 60_000;
const POLL_MS = 50;

export interface AnalyticsReport {
  /** The last LSN of the ledger, which ClickHouse has reached. */
  readonly lsn: number;
  /** Rows in ClickHouse. */
  readonly postings: number;
  /** From the last acknowledgement until everything was there. */
  readonly behind_ms: number;
  readonly accounts: number;
  readonly debits: bigint;
  readonly credits: bigint;
  /** In words; empty when every account agrees with the file and with the ledger. */
  readonly differences: readonly string[];
}

/** ClickHouse once it has everything. */
export interface CaughtUp {
  readonly status: SinkStatus;
  readonly behindMs: number;
}

/** @throws Error for answers other than expected */
export async function analyticsReport(
  url: string,
  token: string,
  { status, behindMs }: CaughtUp,
  expected: ReadonlyMap<string, Totals>,
  ledger: ReadonlyMap<string, Balance>,
): Promise<AnalyticsReport> {
  const rows = await readTrialBalance(url, token);
  const sum = (side: 'debits' | 'credits') => rows.reduce((total, row) => total + row[side], 0n);
  return {
    lsn: Number(status.cursor),
    postings: Number(status.currencies.reduce((total, { count }) => total + count, 0n)),
    behind_ms: behindMs,
    accounts: rows.length,
    debits: sum('debits'),
    credits: sum('credits'),
    differences: compareTrialBalance(rows, expected, ledger),
  };
}

/** Every account on either side, in words where something differs. */
export function compareTrialBalance(
  rows: readonly TrialBalanceRow[],
  expected: ReadonlyMap<string, Totals>,
  ledger: ReadonlyMap<string, Balance>,
): string[] {
  const found = new Map(rows.map((row) => [row.account, row]));
  const accounts = [...new Set([...expected.keys(), ...ledger.keys(), ...found.keys()])].sort();
  return accounts.flatMap((account) => {
    const [row, file, engine] = [found.get(account), expected.get(account), ledger.get(account)];
    if (row === undefined) return [`ClickHouse has no ${account}`];
    const equalsFile = row.debits === file?.debits && row.credits === file.credits;
    const equalsEngine =
      row.debits === engine?.debits_posted &&
      row.credits === engine.credits_posted &&
      row.balance === engine.balance;
    return [
      ...(equalsFile ? [] : [`${account} in ClickHouse differs from the file`]),
      ...(equalsEngine ? [] : [`${account} in ClickHouse differs from the ledger`]),
    ];
  });
}

/**
 * Waits until ClickHouse has all that the ledger has now. Its process starts anew after the kill, so at first there may be no answer.
 * @throws Error when it does not get there in time
 */
export async function caughtUp(url: string, token: string): Promise<CaughtUp> {
  const started = performance.now();
  let why = '';
  // Known after the first answer: each costs the ClickHouse that is waited for some work.
  let lsn = 0n;
  while (performance.now() < started + CATCH_UP_TIMEOUT_MS) {
    try {
      const status = await readSink(url, token, lsn);
      if (status.state === 'running' && status.cursor >= status.durable_lsn) {
        return { status, behindMs: performance.now() - started };
      }
      lsn = status.durable_lsn;
      why = status.reason ?? `it is ${status.state}, at ${status.cursor} of ${status.durable_lsn}`;
    } catch (error) {
      why = (error as Error).message;
    }
    await sleep(POLL_MS);
  }
  throw new Error(`ClickHouse has not caught up in ${CATCH_UP_TIMEOUT_MS / 1000} s: ${why}`);
}
