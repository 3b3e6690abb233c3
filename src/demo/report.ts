import type { WriteStream } from 'node:tty';
import { NO_ENGINE } from '../analytics/installed.js';
import { paint } from '../cli/style.js';
import type { AnalyticsReport } from './analytics.js';
import { type Row, total } from './reconcile.js';

/** What the demo did and found. Amounts are pence, times milliseconds. */
export interface DemoReport {
  readonly ok: boolean;
  /** Everything that is not as it must be, in words; empty when `ok`. */
  readonly differences: readonly string[];
  readonly lines: number;
  readonly skipped: number;
  readonly holds: number;
  readonly transactions: number;
  readonly terminals: number;
  readonly trade: {
    readonly seconds: number;
    readonly transactions_per_s: number;
    readonly p50_ms: number;
    readonly p99_ms: number;
    /** Sold into the queue on disk. */
    readonly queued: number;
    /** Sent again after an unknown outcome, and known to the ledger by their ids. */
    readonly duplicates: number;
  };
  readonly kill: {
    /** Acknowledged before it. */
    readonly acknowledged: number;
    readonly down_ms: number;
    /** From the start of the process to ready. */
    readonly recovery_ms: number;
    /** Waiting in the queues when the server was back. */
    readonly waiting: number;
  };
  readonly acknowledged: number;
  readonly recorded: number;
  readonly accounts: readonly Row[];
  readonly zero_sum: boolean;
  readonly debits: bigint;
  readonly credits: bigint;
  /** ClickHouse beside both; null where it is not installed. */
  readonly analytics: AnalyticsReport | null;
  readonly verify: { readonly ok: boolean; readonly report: Record<string, unknown> };
  /** Where the data is, when it was kept. */
  readonly data?: string;
  /** The address of the dashboard, with the token that opens it, when the server stays up. */
  readonly dashboard?: string;
}

/** The report as one JSON object; amounts are numbers. */
export function toJson(report: DemoReport): string {
  return JSON.stringify(report, (_key, value) => (typeof value === 'bigint' ? Number(value) : value), 2);
}

/** The report for people. */
export function toText(report: DemoReport, stream: WriteStream): string {
  const mark = (holds: boolean) =>
    holds ? paint('green', 'equal', stream) : paint('red', 'DIFFERS', stream);
  const lines = [
    '',
    paint('bold', 'Reconciliation: Kassa beside the file, in pounds', stream),
    columns('', 'Kassa debits', 'Kassa credits', 'file debits', 'file credits'),
    ...tableRows(report.accounts).map(
      ({ name, kassa, file, equal }) =>
        `${columns(name, ...[kassa.debits, kassa.credits, file.debits, file.credits].map(pounds))}  ${mark(equal)}`,
    ),
    '',
    fact('acknowledged = recorded', `${count(report.acknowledged)} = ${count(report.recorded)}`),
    fact('zero-sum', `debits ${pounds(report.debits)}, credits ${pounds(report.credits)}`),
    fact('ClickHouse', analytics(report)),
    fact('chain verified', verified(report)),
    fact('trade', trade(report)),
    fact('killed with SIGKILL', kill(report)),
    ...(report.data === undefined ? [] : [fact('kept', report.data)]),
    '',
    ...report.differences.map((difference) => paint('red', `  ${difference}`, stream)),
    report.ok
      ? paint('green', `All ${count(report.lines)} lines agree to the penny.`, stream)
      : paint('red', `${report.differences.length} differences.`, stream),
    ...(report.analytics === null ? [] : ['', ...dashboard(report, stream)]),
  ];
  return `${lines.join('\n')}\n`;
}

function dashboard({ dashboard: address }: DemoReport, stream: WriteStream): string[] {
  if (address === undefined) {
    return [
      `To see it on the dashboard, leave the server up: ${paint('bold', 'npm run demo -- --keep', stream)}`,
    ];
  }
  return [`The dashboard, until Ctrl-C: ${paint('bold', address, stream)}`];
}

interface TableRow {
  readonly name: string;
  readonly kassa: { debits: bigint; credits: bigint };
  readonly file: { debits: bigint; credits: bigint };
  readonly equal: boolean;
}

const ZERO = { debits: 0n, credits: 0n };

/** Sales by country and VAT one by one; tills and customers, of which there are many, together, except those that differ. */
function tableRows(rows: readonly Row[]): TableRow[] {
  const single = (row: Row): TableRow => ({ ...row, name: row.account, kassa: row.kassa ?? ZERO });
  const together = (prefix: string): TableRow[] => {
    const group = rows.filter(({ account }) => account.startsWith(prefix));
    return [
      {
        name: `${prefix}* (${group.length} accounts)`,
        kassa: total(group.map(({ kassa }) => kassa ?? ZERO)),
        file: total(group.map(({ file }) => file)),
        equal: group.every(({ equal }) => equal),
      },
      ...group.filter(({ equal }) => !equal).map(single),
    ];
  };
  const others = rows.filter(({ account }) => !/^(till|customer):/.test(account));
  return [...others.map(single), ...together('till:'), ...together('customer:')];
}

function columns(name: string, ...figures: readonly string[]): string {
  return `  ${name.padEnd(28)}${figures.map((figure) => figure.padStart(15)).join('')}`;
}

function fact(name: string, text: string): string {
  return `  ${name.padEnd(26)}${text}`;
}

function analytics({ analytics: found }: DemoReport): string {
  if (found === null) return `left out: ${NO_ENGINE}`;
  const { accounts, postings, lsn, behind_ms, differences } = found;
  const equal =
    differences.length === 0 ? 'equal to the ledger and the file' : `${differences.length} DIFFER`;
  return (
    `${count(accounts)} accounts ${equal}; ${count(postings)} postings, all ${count(lsn)} LSNs ` +
    `${(behind_ms / 1000).toFixed(1)} s after the last sale`
  );
}

function verified({ verify: { ok, report } }: DemoReport): string {
  const figures = ['lsn', 'batches', 'segments', 'transactions'].flatMap((name) =>
    typeof report[name] === 'number' ? [`${name} ${count(report[name])}`] : [],
  );
  return `${ok ? 'sound' : 'NOT SOUND'}${figures.length > 0 ? `: ${figures.join(', ')}` : ''}`;
}

function trade({
  trade: { seconds, transactions_per_s, p50_ms, p99_ms, queued, duplicates },
}: DemoReport): string {
  return (
    `${seconds.toFixed(1)} s, ${count(Math.round(transactions_per_s))} transactions/s, p50 ${p50_ms.toFixed(1)} ms, ` +
    `p99 ${p99_ms.toFixed(1)} ms (disk of the till included), ${count(queued)} sold offline, ${count(duplicates)} sent twice`
  );
}

function kill({ kill: { acknowledged, down_ms, recovery_ms, waiting } }: DemoReport): string {
  return (
    `after ${count(acknowledged)} acknowledged; down for ${(down_ms / 1000).toFixed(1)} s, ` +
    `ready ${(recovery_ms / 1000).toFixed(1)} s after its start, ${count(waiting)} waiting on disk then`
  );
}

/** Thousands separated. */
export function count(n: number): string {
  return n.toLocaleString('en-GB');
}

/** Pence as pounds. */
export function pounds(pence: bigint): string {
  return `${(pence / 100n).toLocaleString('en-GB')}.${String(pence % 100n).padStart(2, '0')}`;
}
