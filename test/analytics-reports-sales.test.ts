import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { accountsOf, book, customerAccount, salesAccount, tillAccount } from '../src/demo/booking.js';
import { expectedTotals } from '../src/demo/reconcile.js';
import { readSales, type SaleLine } from '../src/demo/sales.js';
import { decodeJson, encodeJson } from '../src/gateway/json.js';
import { AnalyticsLedger } from './support/analytics-ledger.js';
import { must, persist } from './support/ledger.js';

/*
 * The real sales file, booked over a real ledger: every total of every report is what the file's own lines add up to, to the penny. The figures are
 * computed here from net, VAT and gross of the lines alone.
 */

const FILE = fileURLToPath(new URL('../../src/demo/data/online-retail-10k.csv', import.meta.url));
const FROM = '2010-12-01';
const TO = '2010-12-06';
const SPAN = `from=${FROM}&to=${TO}`;
const AT_ONCE = 400;
const TENANT = 'dev';

const file = readSales(readFileSync(FILE, 'utf8'));
/** Lines that move money. */
const lines = file.filter(({ net }) => net !== 0n);
let analytics: AnalyticsLedger;

beforeAll(async () => {
  analytics = await AnalyticsLedger.open();
  const as = (terminal?: string) =>
    analytics.ledger.as({ tenant: TENANT, by: 'demo', ...(terminal !== undefined && { terminal }) });
  const accounts = accountsOf(file).map((account) => ({ ...account, ...shopOf(account.id) }));
  for (const result of must(await as().createAccounts({ accounts })).results) expect(result.ok).toBe(true);
  const sessions = Array.from({ length: 50 }, (_, till) => as(tillAccount(till)));
  const running = new Set<Promise<void>>();
  for (const { line, steps } of book(file)) {
    const session = sessions[line.till]!;
    for (const { id, hold, code, postings } of steps) {
      const words = { code, reference: line.invoice, effective_at: line.time };
      const selling = (async () => {
        must(
          await persist(() =>
            session.transaction({ id, postings, ...words, ...(hold && { pending: true }) }),
          ),
        );
        if (hold) must(await persist(() => session.post(id, words)));
      })().finally(() => running.delete(selling));
      running.add(selling);
      if (running.size >= AT_ONCE) await Promise.race(running);
    }
  }
  await Promise.all(running);
  await analytics.delivered();
}, 120_000);

afterAll(() => analytics.close());

/** Ten tills a shop. */
function shopOf(id: string): { readonly group?: string } {
  const till = /^till:(\d)\d$/.exec(id)?.[1];
  return till === undefined ? {} : { group: `uk.shop${till}` };
}

function wire(value: unknown): unknown {
  return decodeJson(Buffer.from(encodeJson(value)));
}

const abs = (n: bigint) => (n < 0n ? -n : n);
const add = (some: readonly SaleLine[], of: (line: SaleLine) => bigint) =>
  some.reduce((sum, line) => sum + of(line), 0n);

function figures(some: readonly SaleLine[]) {
  const sold = some.filter(({ net }) => net > 0n);
  const back = some.filter(({ net }) => net < 0n);
  const sales = add(sold, ({ net }) => net);
  const refunds = add(back, ({ net }) => -net);
  return {
    ...{ sales, refunds, net: add(some, ({ net }) => net), vat: add(some, ({ vat }) => vat) },
    ...{ expense: 0n, profit: add(some, ({ net }) => net), count: some.length, refund_count: back.length },
  };
}

describe('the sales file', () => {
  it('overview: totals, hours, shops and tills', async () => {
    const body = await analytics.get(TENANT, `overview?${SPAN}`);
    expect(body.currency).toBe('GBP');
    expect(body.totals).toMatchObject(wire(figures(lines)) as object);
    expect(body.previous_totals).toMatchObject(wire(figures([])) as object);
    expect(body.series).toHaveLength(5 * 24);
    for (const [start, ...rest] of body.series) {
      const hour = lines.filter(({ time }) => time.slice(0, 13) === start.slice(0, 13));
      const { sales, refunds, net, vat, count } = figures(hour);
      expect(rest).toEqual(wire([sales, refunds, net, vat, count]));
    }
    expect(body.shops).toHaveLength(5);
    for (const { shop, tills, ...of } of body.shops) {
      const own = lines.filter(({ till }) => `uk.shop${Math.floor(till / 10)}` === shop);
      expect(of).toMatchObject(wire(figures(own)) as object);
      expect(tills).toHaveLength(new Set(own.map(({ till }) => till)).size);
      for (const { till, ...at } of tills) {
        expect(at).toMatchObject(
          wire(figures(own.filter((line) => tillAccount(line.till) === till))) as object,
        );
      }
    }
  });

  it('overview by the minute of one day', async () => {
    const body = await analytics.get(TENANT, 'overview?period=1d&until=2010-12-03');
    expect(body.series).toHaveLength(1440);
    for (const [start, ...rest] of body.series) {
      const { sales, refunds, net, vat, count } = figures(
        lines.filter(({ time }) => time.slice(0, 16) === start.slice(0, 16)),
      );
      expect(rest).toEqual(wire([sales, refunds, net, vat, count]));
    }
    expect(body.previous_totals).toMatchObject(
      wire(figures(lines.filter(({ time }) => time.startsWith('2010-12-01')))) as object,
    );
  });

  it('profit and loss of each day', async () => {
    const body = await analytics.get(TENANT, `profit-loss?${SPAN}`);
    const days = ['2010-12-01', '2010-12-02', '2010-12-03', '2010-12-04', '2010-12-05'];
    expect(body.days).toEqual(
      wire(
        days.map((day) => [
          day,
          figures(lines.filter(({ time }) => time.startsWith(day))).net,
          0n,
          figures(lines.filter(({ time }) => time.startsWith(day))).net,
        ]),
      ),
    );
    expect(body.totals).toEqual(
      wire({ revenue: figures(lines).net, expense: 0n, profit: figures(lines).net }),
    );
  });

  it('trial balance: both sides of every account, and of the ledger itself', async () => {
    const expected = expectedTotals(file);
    const { rows, totals, cursor } = await analytics.get(TENANT, 'trial-balance?limit=10000');
    expect(cursor).toBeUndefined();
    expect(rows).toHaveLength(expected.size);
    const session = analytics.ledger.as({ tenant: TENANT, by: 'auditor' });
    let all = 0n;
    for (const { account, debits, credits, balance } of rows) {
      expect({ account, debits, credits }).toEqual(wire({ account, ...expected.get(account) }));
      const engine = must(await session.balance(account));
      expect([balance, debits, credits]).toEqual(
        wire([engine.balance, engine.debits_posted, engine.credits_posted]),
      );
      all += BigInt(debits);
    }
    expect(totals).toEqual(wire([{ currency: 'GBP', debits: all, credits: all }]));
  });

  it('balances, balance sheet and totals', async () => {
    const net = add(lines, (line) => line.net);
    const vat = add(lines, (line) => line.vat);
    const gross = net + vat;
    const { types } = await analytics.get(TENANT, 'balances');
    expect(types.map(({ type, balance }: { type: string; balance: unknown }) => [type, balance])).toEqual(
      wire([
        ['asset', gross],
        ['liability', vat],
        ['revenue', net],
      ]),
    );
    const { currencies } = await analytics.get(TENANT, 'balance-sheet');
    expect(currencies).toMatchObject(
      wire([
        { currency: 'GBP', assets: gross, liabilities: vat, equity: 0n, earnings: net, balanced: true },
      ]) as object,
    );
    const put = {
      method: 'PUT',
      body: { rates: [{ from: 'GBP', to: 'EUR', rate: '1.18', at: '2010-01-01T00:00:00Z' }] },
    } as const;
    expect((await analytics.ask(TENANT, 'rates', put)).ok).toBe(true);
    const euros = (pence: bigint) => (pence * 118n * 2n + 100n) / 200n;
    const { types: converted } = await analytics.get(TENANT, 'totals?in=EUR');
    expect(converted).toEqual(
      wire([
        { type: 'asset', balance: euros(gross), missing: [] },
        { type: 'liability', balance: euros(vat), missing: [] },
        { type: 'revenue', balance: euros(net), missing: [] },
      ]),
    );
  });

  it('tills, top accounts, VAT', async () => {
    const { tills } = await analytics.get(TENANT, `tills?${SPAN}`);
    expect(tills).toHaveLength(new Set(lines.map(({ till }) => till)).size);
    for (const { till, ...of } of tills) {
      expect(of).toMatchObject(
        wire(figures(lines.filter((line) => tillAccount(line.till) === till))) as object,
      );
    }
    const { rows } = await analytics.get(TENANT, `top?${SPAN}&by=sales&of=account`);
    for (const { key, value, count } of rows) {
      const own = lines.filter(({ country, net }) => salesAccount(country) === key && net > 0n);
      expect([value, count]).toEqual(wire([add(own, ({ net }) => net), own.length]));
    }
    const { groups } = await analytics.get(TENANT, `overview?${SPAN}&group_by=tag`);
    const vat = groups.find(({ key }: { key: string }) => key === 'vat20');
    expect(vat.vat).toEqual(wire(add(lines, (line) => line.vat)));
    const summary = await analytics.get(TENANT, `accounts/vat/summary?${SPAN}&group_by=day`);
    expect(summary.totals).toMatchObject(
      wire({
        count: lines.filter((line) => line.vat !== 0n).length,
        sum: add(lines, (line) => line.vat),
        max: lines.reduce((max, line) => (abs(line.vat) > max ? abs(line.vat) : max), 0n),
      }) as object,
    );
  });

  it("every till's end of each day", { timeout: 240_000 }, async () => {
    // The shop was closed on the fourth.
    const days = ['2010-12-01', '2010-12-02', '2010-12-03', '2010-12-04', '2010-12-05'];
    const numbers = new Map<number, number>();
    for (const [i, day] of days.entries()) {
      for (let till = i % 3; till < 50; till += 3) {
        const own = lines.filter((line) => line.till === till && line.time.startsWith(day));
        const body = await analytics.get(TENANT, `tills/${tillAccount(till)}/z-report?date=${day}`);
        const worked = new Set(
          lines
            .filter((line) => line.till === till && line.time.slice(0, 10) <= day)
            .map(({ time }) => time.slice(0, 10)),
        );
        expect([body.date, body.number]).toEqual([day, own.length === 0 ? 0 : worked.size]);
        numbers.set(body.number, (numbers.get(body.number) ?? 0) + 1);
        const [pounds] = body.currencies;
        expect(body.currencies).toHaveLength(1);
        const { sales, refunds, net, vat, refund_count } = figures(own);
        // All that a till takes or gives, at once or as a payment, goes through its drawer.
        const taken = add(
          own.filter((line) => line.gross > 0n),
          ({ gross }) => gross,
        );
        const given = add(
          own.filter((line) => line.gross < 0n),
          ({ gross }) => -gross,
        );
        const opening = add(
          lines.filter((line) => line.till === till && line.time.slice(0, 10) < day),
          ({ gross }) => gross,
        );
        expect(pounds).toMatchObject(
          wire({
            ...{ currency: 'GBP', sales, refunds, net, vat, gross: net + vat },
            ...{ sales_count: own.length - refund_count, refund_count },
            vat_rates: own.every((line) => line.vat === 0n) ? [] : [{ tag: 'vat20', vat }],
            drawer: { opening, debits: taken, credits: given, closing: opening + taken - given },
            holds_open: { count: 0, amount: 0 },
          }) as object,
        );
        for (const { code, debits, credits, count } of pounds.codes) {
          const of = own.filter((line) => (code === 'sale' ? line.net > 0n : line.net < 0n));
          expect([debits, credits, count]).toEqual(
            wire(code === 'sale' ? [0n, figures(of).sales, of.length] : [figures(of).refunds, 0n, of.length]),
          );
        }
      }
    }
    expect([...numbers.keys()].sort()).toEqual([0, 1, 2, 3, 4]);
  });

  it('a statement of each kind of account runs to its balance', async () => {
    const customer = lines.find((line) => line.customer !== undefined)!.customer!;
    for (const [account, sign] of [
      [tillAccount(7), 1n],
      [salesAccount('France'), -1n],
      ['vat', -1n],
      [customerAccount(customer), 1n],
    ] as const) {
      let balance = 0n;
      let count = 0;
      for (let cursor = ''; ; ) {
        const page = await analytics.get(
          TENANT,
          `accounts/${encodeURIComponent(account)}/statement?limit=1000${cursor}`,
        );
        for (const row of page.rows) {
          balance += sign * (row.side === 'debit' ? BigInt(row.amount) : -BigInt(row.amount));
          expect(BigInt(row.balance)).toBe(balance);
          count++;
        }
        if (page.cursor === undefined) {
          const { debits, credits } = expectedTotals(file).get(account)!;
          expect([page.closing, page.debits, page.credits, page.count]).toEqual(
            wire([sign * (debits - credits), debits, credits, count]),
          );
          expect(balance).toBe(sign * (debits - credits));
          break;
        }
        cursor = `&cursor=${page.cursor}`;
      }
    }
  });

  it('finds the largest sales unusual', async () => {
    const { anomalies } = await analytics.get(TENANT, `anomalies?${SPAN}&prefix=sales:&limit=1000`);
    const uk = lines
      .filter(({ country, net }) => country === 'United-Kingdom' && net > 0n)
      .map(({ net }) => Number(net));
    uk.sort((a, b) => a - b);
    const median = uk[Math.floor(uk.length / 2)]!;
    const away = uk.map((net) => Math.abs(net - median)).sort((a, b) => a - b);
    const mad = away[Math.floor(away.length / 2)]!;
    const amounts = anomalies.filter(
      ({ reason, account, lsn }: { reason: string; account: string; lsn: number }) =>
        reason === 'amount' && account === salesAccount('United-Kingdom') && lsn > 0,
    );
    expect(amounts.length).toBeGreaterThan(10);
    for (const { amount, score, usual } of amounts) {
      if (usual !== median) continue;
      expect(score).toBeCloseTo((0.6745 * (Number(amount) - median)) / mad, 1);
      expect(Math.abs(score)).toBeGreaterThanOrEqual(3.5);
    }
    const scores = anomalies.map(({ score }: { score: number }) => Math.abs(score));
    expect(scores).toEqual([...scores].sort((a, b) => b - a));
    expect(Math.max(...amounts.map(({ amount }: { amount: number }) => amount))).toBe(uk.at(-1));
  });
});
