import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { hasEmbeddedEngine, NO_ENGINE } from '../analytics/installed.js';
import { signToken } from '../gateway/auth.js';
import { secretKey } from '../gateway/keys.js';
import type { Role } from '../gateway/roles.js';
import { type AnalyticsReport, analyticsReport, caughtUp } from './analytics.js';
import { createAccounts, readBalances } from './api.js';
import { accountsOf, type BookedLine, book } from './booking.js';
import { expectedTotals, reconcile } from './reconcile.js';
import { count, type DemoReport } from './report.js';
import { readSales, type SaleLine, TILLS } from './sales.js';
import { Rate, type Screen } from './screen.js';
import { freePort, ServerProcess, verifyData } from './server.js';
import { type Tally, Trade } from './trade.js';
import { Workplace } from './workplace.js';

const SALES = new URL('../../../src/demo/data/online-retail-10k.csv', import.meta.url);
const TENANT = 'gifts';
const DRAIN_TIMEOUT_MS = 60_000;
const TOKEN_S = 12 * 3_600;
/** How long the server stays down, as a share of the trade. */
const DOWN_SHARE = 0.1;

export interface DemoOptions {
  /** Over which the lines are sold. */
  readonly seconds: number;
  readonly shards: number;
  /** Leaves the directory there, and the server up. */
  readonly keep: boolean;
  readonly screen: Screen;
}

export interface Demo {
  readonly report: DemoReport;
  /** With `keep`: resolves when the server was asked to end, and has ended. */
  readonly ended: () => Promise<void>;
}

type TokenMaker = (role: Role, sub: string, terminal?: string) => Promise<string>;

/**
 * The whole demo: a fresh engine, the accounts of a shop chain, 50 terminals that sell the file, a kill in the middle,
 * and the reconciliation.
 * @throws Error when it cannot be carried out; what is carried out and differs is in the report
 */
export async function runDemo(options: DemoOptions): Promise<Demo> {
  const { screen } = options;
  const workplace = new Workplace(options.keep);
  try {
    const lines = readSales(readFileSync(SALES, 'utf8'));
    const jwtSecret = randomBytes(32).toString('hex');
    const { data, log } = workplace;
    const server = new ServerProcess({
      data,
      log,
      jwtSecret,
      port: await freePort(),
      shards: options.shards,
      analytics: hasEmbeddedEngine(),
    });
    workplace.server = server;
    const token: TokenMaker = (role, sub, terminal) =>
      signToken(
        { tenant: TENANT, sub, role, ...(terminal !== undefined && { terminal }) },
        secretKey(jwtSecret),
        TOKEN_S,
      );

    const startMs = await server.start();
    screen.say(`the engine is ready on ${server.url} (${Math.round(startMs)} ms), its data is in ${data}`);
    const accounts = accountsOf(lines);
    await createAccounts(server.url, await token('admin', 'head-office'), accounts);
    screen.say(`${accounts.length} accounts: tills, customers, sales by country, VAT`);

    const booked = book(lines);
    const trade = new Trade({
      ...{ url: server.url, book: booked, seconds: options.seconds, queue: (till) => workplace.queue(till) },
      token: (till) => token('pos', `cashier-${till}`, `till:${String(till).padStart(2, '0')}`),
    });
    const traded = await tradeThroughKill(trade, server, booked, options);
    const facts = await findings(server, trade, lines, token, screen);
    const verify = await stopAndVerify(server, data, screen);
    const report = summary(lines, booked, trade.tally, traded, facts, verify);
    if (!options.keep) {
      workplace.leave();
      return { report, ended: async () => undefined };
    }
    await server.start();
    const dashboard = `${server.url}/dashboard#token=${await token('auditor', 'manager')}`;
    return {
      report: { ...report, data: workplace.dir, ...(facts.analytics !== null && { dashboard }) },
      ended: () => workplace.untilAsked(),
    };
  } catch (error) {
    workplace.leave();
    throw error;
  } finally {
    screen.hide();
  }
}

interface Traded {
  readonly seconds: number;
  readonly kill: DemoReport['kill'];
}

/** Sells everything while the server is killed in the middle of it and started again. */
async function tradeThroughKill(
  trade: Trade,
  server: ServerProcess,
  booked: readonly BookedLine[],
  { seconds, screen }: DemoOptions,
): Promise<Traded> {
  await trade.open();
  screen.say(`${TILLS} terminals sell ${count(booked.length)} lines in about ${seconds} s`);
  screen.show(liveLine(trade, booked.length));
  const start = performance.now();
  const [kill] = await Promise.all([killInTheMiddle(trade, server, seconds, screen), trade.run()]);
  await trade.drained(DRAIN_TIMEOUT_MS);
  const tradeMs = performance.now() - start;
  screen.hide();
  screen.say(`every queue is empty: ${count(trade.tally.acknowledged.size)} transactions acknowledged`);
  return { seconds: tradeMs / 1000, kill };
}

async function killInTheMiddle(
  trade: Trade,
  server: ServerProcess,
  seconds: number,
  screen: Screen,
): Promise<DemoReport['kill']> {
  await sleep(seconds * 500);
  await server.kill();
  const down = performance.now();
  const acknowledged = trade.tally.acknowledged.size;
  screen.say(
    `the server was killed with SIGKILL after ${count(acknowledged)} transactions; the tills go on selling`,
    'yellow',
  );
  await sleep(seconds * 1000 * DOWN_SHARE);
  const recoveryMs = await server.start();
  const waiting = trade.pending;
  const downMs = performance.now() - down;
  screen.say(
    `the server is back after ${(downMs / 1000).toFixed(1)} s (ready in ${Math.round(recoveryMs)} ms); ` +
      `${count(waiting)} sales wait in the queues`,
    'yellow',
  );
  return { acknowledged, down_ms: downMs, recovery_ms: recoveryMs, waiting };
}

function liveLine(trade: Trade, lines: number): () => string {
  const rate = new Rate();
  return () => {
    const { tally } = trade;
    const perSecond = rate.next(tally.acknowledged.size).toFixed(0).padStart(6);
    const [p50, p99] = [50, 99].map((p) => (tally.latency.percentile(p) / 1e6).toFixed(1));
    const share = `${Math.floor((100 * tally.lines) / lines)} %`.padStart(5);
    return (
      `${share}  ${count(tally.lines)}/${count(lines)} lines  ${perSecond} transactions/s  p50 ${p50} ms  p99 ${p99} ms  ` +
      `${trade.online} online  ${count(trade.pending)} pending`
    );
  };
}

interface Findings {
  readonly recorded: ReadonlySet<string>;
  readonly reconciliation: ReturnType<typeof reconcile>;
  readonly analytics: AnalyticsReport | null;
}

/** Asks the ledger what it has: every transaction by its id, every account by its balance. */
async function findings(
  server: ServerProcess,
  trade: Trade,
  lines: readonly SaleLine[],
  token: TokenMaker,
  screen: Screen,
): Promise<Findings> {
  const auditor = await token('auditor', 'auditor');
  const [recorded, caught] = await Promise.all([
    trade.recorded(),
    hasEmbeddedEngine() ? caughtUp(server.url, auditor) : undefined,
  ]);
  await trade.close();
  const expected = expectedTotals(lines);
  const names = accountsOf(lines).map(({ id }) => id);
  const balances = await readBalances(server.url, auditor, names);
  screen.say(`asked for ${count(recorded.size)} transactions and ${count(balances.size)} balances`);
  const reconciliation = reconcile(expected, balances);
  if (caught === undefined) {
    screen.say(`without analytics: ${NO_ENGINE}`, 'yellow');
    return { recorded, reconciliation, analytics: null };
  }
  const analytics = await analyticsReport(server.url, auditor, caught, expected, balances);
  screen.say(`ClickHouse has all ${count(analytics.postings)} postings, up to LSN ${count(analytics.lsn)}`);
  return { recorded, reconciliation, analytics };
}

async function stopAndVerify(
  server: ServerProcess,
  data: string,
  screen: Screen,
): Promise<DemoReport['verify'] & { exit: number | string }> {
  const exit = await server.stop();
  const verify = await verifyData(data);
  screen.say(`the server ended with ${exit}; the log was verified from its first byte to its last`);
  return { ...verify, exit };
}

function summary(
  lines: readonly SaleLine[],
  booked: readonly BookedLine[],
  tally: Tally,
  { seconds, kill }: Traded,
  { recorded, reconciliation, analytics }: Findings,
  { exit, ok, report }: Awaited<ReturnType<typeof stopAndVerify>>,
): DemoReport {
  const ids = booked.flatMap(({ steps }) => steps.map(({ id }) => id));
  const percentile = (p: number) => tally.latency.percentile(p) / 1e6;
  const differences = [
    ...reconciliation.differing.map(({ account }) => `${account} differs from the file`),
    ...missing('not acknowledged', ids, tally.acknowledged),
    ...missing('acknowledged and not recorded', [...tally.acknowledged], recorded),
    ...missing('recorded and not acknowledged', [...recorded], tally.acknowledged),
    ...tally.refused.map((refusal) => `refused: ${refusal}`),
    ...tally.problems,
    ...(reconciliation.zeroSum ? [] : ['debits and credits differ']),
    ...(analytics?.differences ?? []),
    ...(exit === 0 ? [] : [`the server ended with ${exit} when asked to stop`]),
    ...(ok ? [] : ['verify did not find the data sound']),
  ];
  return {
    ok: differences.length === 0,
    differences,
    lines: lines.length,
    skipped: lines.length - booked.length,
    holds: booked.flatMap(({ steps }) => steps).filter(({ hold }) => hold).length,
    transactions: ids.length,
    terminals: TILLS,
    trade: {
      seconds,
      transactions_per_s: tally.acknowledged.size / seconds,
      p50_ms: percentile(50),
      p99_ms: percentile(99),
      queued: tally.queued,
      duplicates: tally.duplicates,
    },
    kill,
    acknowledged: tally.acknowledged.size,
    recorded: recorded.size,
    accounts: reconciliation.rows,
    zero_sum: reconciliation.zeroSum,
    ...reconciliation.sums,
    analytics,
    verify: { ok, report },
  };
}

/** At most one line of text for a kind of difference. */
function missing(what: string, ids: readonly string[], from: ReadonlySet<string>): string[] {
  const absent = ids.filter((id) => !from.has(id));
  return absent.length === 0 ? [] : [`${what}: ${count(absent.length)}, the first is ${absent[0]}`];
}
