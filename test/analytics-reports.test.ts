import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeJson, encodeJson } from '../src/gateway/json.js';
import { Book, FIRST_MS, LAST_MS } from './support/analytics-book.js';
import { AnalyticsLedger } from './support/analytics-ledger.js';
import {
  dateText,
  figures,
  firstOfDate,
  grouped,
  isCredit,
  isDebit,
  type Leg,
  nextDate,
  onNormalSide,
  sidesOf,
  sum,
  timeOf,
  type View,
  wallText,
} from './support/analytics-model.js';
import { must } from './support/ledger.js';
import { randomFrom } from './support/random.js';

const ZONES = ['UTC', 'Europe/Riga', 'Asia/Kathmandu', 'America/St_Johns', 'Australia/Lord_Howe'];
const BASES = ['effective', 'committed'] as const;
type Basis = (typeof BASES)[number];

let analytics: AnalyticsLedger;
let books: Book[];
let last: number;

beforeAll(async () => {
  analytics = await AnalyticsLedger.open();
  books = [new Book(analytics, 'shop', 7), new Book(analytics, 'other', 8)];
  // Two tenants in turns, so that their records lie between each other's; in several batches, so that sums are in several parts.
  await Promise.all(books.map((book) => book.trade(200)));
  for (let round = 0; round < 5; round++) {
    await analytics.delivered();
    await Promise.all(books.map((book) => book.go(100)));
  }
  last = await analytics.delivered();
}, 120_000);

afterAll(() => analytics.close());

/** As the wire would give it: exact integers, no undefined members. */
function wire(value: unknown): unknown {
  return decodeJson(Buffer.from(encodeJson(value)));
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}

interface Case {
  readonly basis: Basis;
  readonly tz: string;
  readonly lsn: number;
  readonly from: number;
  readonly to: number;
  /** The question's part of the query string. */
  readonly query: string;
}

/** Spans with ragged ends, on quarters, on days of a zone, on months; in both bases and up to any LSN. */
function cases(count: number, seed: number): Case[] {
  const pick = randomFrom(seed);
  return Array.from({ length: count }, (_, i) => {
    const basis = BASES[i % 2]!;
    const tz = ZONES[pick(ZONES.length)]!;
    const lsn = basis === 'committed' && pick(2) === 0 ? 50 + pick(last - 50) : last;
    let from = Date.UTC(2024, 2, 1) + pick(300) * 86_400_000 + pick(86_400_000);
    let to = from + 1 + pick(100 * 86_400_000);
    const round = [1, 1, 60_000, 900_000, 3_600_000, 86_400_000][pick(6)]!;
    if (basis === 'committed') {
      const times = books[0]!.model.legs.map(({ committedMs }) => committedMs);
      from = times[pick(times.length)]!;
      to = Math.max(times[pick(times.length)]!, from + 1);
    } else if (to - from > 2 * round) {
      from -= from % round;
      to -= to % round;
    }
    const asOf = basis === 'committed' ? `&as_of_lsn=${lsn}` : '';
    return {
      basis,
      tz,
      lsn,
      from,
      to,
      query: `basis=${basis}&tz=${tz}${asOf}&from=${iso(from)}&to=${iso(to)}`,
    };
  });
}

function select(book: Book, { basis, lsn, from, to }: View, keep?: (leg: Leg) => boolean): Leg[] {
  return book.model.select({ basis, lsn, from, to, ...(keep !== undefined && { keep }) });
}

/** The filters of the API, as strings and as what they mean. */
const FILTERS: readonly (readonly [query: string, keep: (leg: Leg) => boolean])[] = [
  ['', () => true],
  ['&group=riga', ({ group }) => group === 'riga' || group.startsWith('riga.')],
  ['&prefix=sales', ({ account }) => account.startsWith('sales')],
  ['&tag=vat21', ({ tag }) => tag === 'vat21'],
  ['&code=sale', ({ code }) => code === 'sale'],
  ['&terminal=till:1', ({ terminal }) => terminal === 'till:1'],
  ['&type=revenue', ({ type }) => type === 'revenue'],
  [
    '&group=riga&code=lunch&terminal=till:2',
    (leg) => leg.group.startsWith('riga') && leg.code === 'lunch' && leg.terminal === 'till:2',
  ],
];

const GROUP_KEYS: readonly (readonly [key: string, of: (leg: Leg) => string])[] = [
  ['group', ({ group }) => group],
  ['group:1', ({ group }) => group.split('.')[0]!],
  ['account', ({ account }) => account],
  ['tag', ({ tag }) => tag],
  ['code', ({ code }) => code],
  ['terminal', ({ terminal }) => terminal],
  ['type', ({ type }) => type],
];

/** Parts, the largest first by a figure, then by key. */
function largest<T>(parts: readonly T[], figureOf: (part: T) => bigint): T[] {
  return [...parts].sort((a, b) => {
    const [x, y] = [figureOf(a), figureOf(b)];
    if (x === y) return 0;
    return x > y ? -1 : 1;
  });
}

describe('a balance', () => {
  it('at 1,000 random moments is the sum of what counts then, in both bases', {
    timeout: 300_000,
  }, async () => {
    const pick = randomFrom(1000);
    const [book] = books as [Book];
    const ids = [...book.model.accounts.keys()];
    const times = book.model.legs.flatMap(({ effectiveMs, committedMs }) => [effectiveMs, committedMs]);
    for (let i = 0; i < 1000; i++) {
      const account = ids[pick(ids.length)]!;
      const kind = pick(4);
      // At, right before and right behind something that happened, or anywhere.
      const at =
        pick(2) === 0
          ? times[pick(times.length)]! + pick(3) - 1
          : Date.UTC(2023, 0, 1) + pick(1200) * 86_399_999;
      const moment = Math.min(Math.max(at, FIRST_MS), LAST_MS);
      const lsn = 1 + pick(last);
      let query = `at=${iso(moment)}&basis=${kind === 0 ? 'effective' : 'committed'}`;
      let view: View = { basis: kind === 0 ? 'effective' : 'committed', lsn: last, to: moment + 1 };
      if (kind === 2) {
        query = `at=lsn:${lsn}`;
        view = { basis: 'committed', lsn };
      } else if (kind === 3) {
        query += `&as_of_lsn=${lsn}`;
        view = { ...view, lsn };
      }
      const answer = await analytics.ask('shop', `analytics/accounts/${account}/balance?${query}`);
      const opened = !answer.ok && answer.refusal.code === 'account_not_found';
      if (opened) {
        // Only before the account was.
        expect(lsn).toBeLessThan(ids.length * 2 + 10);
        continue;
      }
      if (!answer.ok) throw new Error(`${query}: ${answer.refusal.detail} ${analytics.log.join()}`);
      const legs = book.model.select({ ...view, keep: (leg) => leg.account === account });
      const { type, currency } = book.model.accounts.get(account)!;
      const sides = sidesOf(legs);
      expect(decodeJson(Buffer.from(answer.body)), `${account} ${query}`).toMatchObject(
        wire({
          ...{ account, currency, type, balance: onNormalSide(type, sides), ...sides },
          debits_pending: sum(legs, isDebit, 'held'),
          credits_pending: sum(legs, isCredit, 'held'),
        }) as object,
      );
    }
  });

  it("equals the ledger's own, with what is reserved", async () => {
    for (const book of books) {
      const session = analytics.ledger.as({ tenant: book.tenant, by: 'ann' });
      for (const account of book.model.accounts.keys()) {
        const engine = must(await session.balance(account));
        const body = await analytics.get(book.tenant, `accounts/${account}/reconcile`, engine);
        const { balance, debits_posted, credits_posted, debits_pending, credits_pending } = engine;
        const sums = wire({ balance, debits_posted, credits_posted, debits_pending, credits_pending });
        expect(body).toMatchObject({
          account,
          lsn: engine.lsn,
          equal: true,
          difference: 0,
          engine: sums,
          postings: sums,
        });
      }
    }
  });
});

describe('overview', () => {
  it('has the totals, series, shops and groups of its span and of the one before', {
    timeout: 120_000,
  }, async () => {
    for (const [i, each] of cases(24, 1).entries()) {
      const book = books[i % 2]!;
      const [filterText, keep] = FILTERS[i % FILTERS.length]!;
      const [keyText, keyOf] = GROUP_KEYS[i % GROUP_KEYS.length]!;
      const currency = i % 3 === 0 ? 'USD' : 'EUR';
      const body = await analytics.get(
        book.tenant,
        `overview?${each.query}&currency=${currency}&group_by=${keyText}${filterText}`,
      );
      const kept = (leg: Leg) => keep(leg) && leg.currency === currency;
      const legs = select(book, each, kept);
      const before = select(book, { ...each, from: Date.parse(body.previous.from), to: each.from }, kept);
      expect(body.period).toMatchObject({ from: iso(each.from), to: iso(each.to) });
      expect(body.previous.to).toBe(iso(each.from));
      expect(body.totals).toEqual(wire(figures(legs)));
      expect(body.previous_totals).toEqual(wire(figures(before)));
      expectSeries(body.series, legs, each);
      expectSeries(body.previous_series, before, each);
      expectShops(body.shops, book, each.basis === 'committed' ? each.lsn : last, legs, before);
      const parts = [...grouped(legs, keyOf)].map(([key, part]) => ({ key, ...figures(part) }));
      expect(body.groups).toEqual(wire(largest(parts, ({ sales }) => sales)));
    }
  });

  /** Buckets follow each other; each has what lies in it; so what all have is the total. */
  function expectSeries(series: unknown[][], legs: Leg[], { basis }: Pick<Case, 'basis'>): void {
    const starts = series.map(([start]) => Date.parse(start as string));
    expect(starts).toEqual([...new Set(starts)].sort((a, b) => a - b));
    for (const [i, row] of series.entries()) {
      const within = legs.filter((leg) => {
        const time = timeOf(leg, basis);
        return time >= starts[i]! && time < (starts[i + 1] ?? Number.POSITIVE_INFINITY);
      });
      const { sales, refunds, net, vat, count } = figures(within);
      expect(row).toEqual(wire([iso(starts[i]!), sales, refunds, net, vat, count]));
    }
    expect(legs.filter((leg) => timeOf(leg, basis) < starts[0]!)).toEqual([]);
  }

  function expectShops(
    shops: { shop: string; net: unknown; tills: { till: string }[] }[],
    book: Book,
    lsn: number,
    legs: Leg[],
    before: Leg[],
  ): void {
    const shopOf = ({ terminal }: Leg) => book.model.groupAt(terminal, lsn) ?? '';
    const previous = grouped(before, shopOf);
    const expected = [...grouped(legs, shopOf)].map(([shop, of]) => ({
      ...{ shop, ...figures(of), previous_net: figures(previous.get(shop) ?? []).net },
      tills: [...grouped(of, ({ terminal }) => terminal)].map(([till, sent]) => ({ till, ...figures(sent) })),
    }));
    const byName = (a: { shop: string }, b: { shop: string }) => (a.shop < b.shop ? -1 : 1);
    const byTill = (a: { till: string }, b: { till: string }) => (a.till < b.till ? -1 : 1);
    const sorted = shops.map((shop) => ({ ...shop, tills: [...shop.tills].sort(byTill) })).sort(byName);
    expect(sorted).toEqual(wire(expected));
    expect(shops.map(({ net }) => net)).toEqual(
      shops.map(({ net }) => net).sort((a, b) => Number(b) - Number(a)),
    );
  }

  it('may be of one shop, in buckets of any size', async () => {
    const [book] = books as [Book];
    const query = 'basis=committed&currency=EUR&period=30d';
    const whole = await analytics.get('shop', `overview?${query}`);
    expect(whole.shops.length).toBeGreaterThan(2);
    for (const { shop } of whole.shops) {
      for (const bucket of ['hour', 'day', 'month']) {
        const body = await analytics.get('shop', `overview?${query}&shop=${shop}&bucket=${bucket}`);
        const legs = book.model.select({
          ...{ basis: 'committed', lsn: last },
          keep: ({ terminal, currency }) =>
            currency === 'EUR' && (book.model.groupAt(terminal, last) ?? '') === shop,
        });
        expect([body.period.bucket, body.totals]).toEqual([bucket, wire(figures(legs))]);
        expectSeries(body.series, legs, { basis: 'committed' });
        expect(body.shops).toMatchObject([{ shop }]);
      }
    }
  });

  it('begins its buckets with the minutes, hours, days and months of the zone', async () => {
    for (const tz of ZONES) {
      for (const [period, length] of [
        ['1d', 13],
        ['7d', 13],
        ['30d', 10],
        ['1y', 7],
      ] as const) {
        const body = await analytics.get(
          'shop',
          `overview?period=${period}&tz=${tz}&until=2024-11-02&currency=EUR`,
        );
        const walls = body.series.map(([start]: [string]) => wallText(Date.parse(start), tz));
        // 2024-10-27 12:34:56 to the minute, the hour, the day, the month
        const rest = '-01 00:00:00'.slice(length - 7);
        const ragged = (body.period.bucket === 'minute' ? ':00' : rest).replaceAll('-', ' ');
        expect(
          walls.every((wall: string) => wall.replaceAll('-', ' ').endsWith(ragged)),
          `${tz} ${period} ${walls}`,
        ).toBe(true);
        expect(Date.parse(body.period.to)).toBe(firstOfDate('2024-11-02', tz));
      }
    }
  });

  it('ends at now without an end of its own, with a whole bucket', async () => {
    for (const [period, unit] of [
      ['1d', 60_000],
      ['7d', 3_600_000],
      ['90d', 86_400_000],
    ] as const) {
      const before = Date.now();
      const { period: span } = await analytics.get('shop', `overview?period=${period}`);
      expect(Date.parse(span.to) % unit).toBe(0);
      expect(Date.parse(span.to)).toBeGreaterThan(before);
      expect(Date.parse(span.to)).toBeLessThanOrEqual(Date.now() + unit);
    }
  });
});

describe('reports over all accounts', () => {
  it('profit-loss has every day of the zone', { timeout: 120_000 }, async () => {
    for (const [i, each] of cases(16, 2).entries()) {
      const book = books[i % 2]!;
      const [filterText, keep] = FILTERS[i % FILTERS.length]!;
      const body = await analytics.get(
        book.tenant,
        `profit-loss?${each.query}&currency=EUR${filterText}&group_by=account`,
      );
      const legs = select(book, each, (leg) => keep(leg) && leg.currency === 'EUR');
      const days = grouped(legs, (leg) => dateText(timeOf(leg, each.basis), each.tz));
      const expected: unknown[] = [];
      const end = dateText(each.to - 1, each.tz);
      for (let date = dateText(each.from, each.tz); date <= end; date = nextDate(date)) {
        const { net, expense, profit } = figures(days.get(date) ?? []);
        expected.push([date, net, expense, profit]);
      }
      const { net, expense, profit } = figures(legs);
      expect(body.days).toEqual(wire(expected));
      expect(body.totals).toEqual(wire({ revenue: net, expense, profit }));
      const parts = [...grouped(legs, ({ account }) => account)].map(([key, part]) => {
        const of = figures(part);
        return { key, revenue: of.net, expense: of.expense, profit: of.profit };
      });
      expect(body.groups).toEqual(wire(largest(parts, ({ revenue }) => revenue)));
    }
  });

  it('balances, trial balance and balance sheet are the books at a moment', {
    timeout: 180_000,
  }, async () => {
    for (const [i, { basis, lsn, tz, to }] of cases(24, 3).entries()) {
      const book = books[i % 2]!;
      const [filterText, keep] = FILTERS[i % FILTERS.length]!;
      const asOf = basis === 'committed' ? `&as_of_lsn=${lsn}` : '';
      const query = `at=${iso(to)}&basis=${basis}&tz=${tz}${asOf}`;
      const all = book.model.select({ basis, lsn, to: to + 1 });
      const touched = all.filter(keep);
      const legs = touched.filter(({ amount }) => amount > 0n);
      const types = grouped(legs, ({ currency, type }) => `${currency} ${type}`);
      const { types: found } = await analytics.get(book.tenant, `balances?${query}${filterText}`);
      expect(found).toEqual(
        wire(
          [...types].map(([key, of]) => {
            const [currency, type] = key.split(' ') as [string, string];
            const sides = sidesOf(of);
            return {
              type,
              currency,
              balance: onNormalSide(type, sides),
              ...sides,
              accounts: new Set(of.map(({ account }) => account)).size,
            };
          }),
        ),
      );
      await expectTrialBalance(book.tenant, `${query}${filterText}`, legs, touched);
      await expectBalanceSheet(
        book.tenant,
        query,
        all.filter(({ amount }) => amount > 0n),
      );
    }
  });

  /** @param touched with what only reserves: an account's group is that of its newest leg of any kind */
  async function expectTrialBalance(
    tenant: string,
    query: string,
    legs: Leg[],
    touched: Leg[],
  ): Promise<void> {
    const rows: unknown[] = [];
    let totals: unknown;
    for (let cursor = ''; ; ) {
      const page = await analytics.get(tenant, `trial-balance?${query}&limit=3${cursor}`);
      rows.push(...page.rows);
      totals ??= page.totals;
      expect(page.totals).toEqual(totals);
      if (page.cursor === undefined) break;
      expect(page.rows).toHaveLength(3);
      cursor = `&cursor=${page.cursor}`;
    }
    const expected = [...grouped(legs, ({ account }) => account)].map(([account, of]) => {
      const newest = touched
        .filter((leg) => leg.account === account)
        .reduce((a, b) => (a.lsn > b.lsn ? a : b));
      const sides = sidesOf(of);
      return {
        ...{ account, type: newest.type, ...(newest.group === '' ? {} : { group: newest.group }) },
        ...{ currency: newest.currency, balance: onNormalSide(newest.type, sides), ...sides },
      };
    });
    expect(rows).toEqual(wire(expected));
    expect(totals).toEqual(
      wire(
        [...grouped(legs, ({ currency }) => currency)].map(([currency, of]) => ({
          currency,
          ...sidesOf(of),
        })),
      ),
    );
  }

  async function expectBalanceSheet(tenant: string, query: string, legs: Leg[]): Promise<void> {
    const { currencies } = await analytics.get(tenant, `balance-sheet?${query}`);
    const balance = (type: string, of: Leg[]) =>
      onNormalSide(type, sidesOf(of.filter((leg) => leg.type === type)));
    const expected = [...grouped(legs, ({ currency }) => currency)].map(([currency, of]) => ({
      currency,
      ...{
        assets: balance('asset', of),
        liabilities: balance('liability', of),
        equity: balance('equity', of),
      },
      earnings: balance('revenue', of) - balance('expense', of),
      balanced: true,
      sections: ['asset', 'liability', 'equity'].flatMap((type) => {
        const own = of.filter((leg) => leg.type === type);
        if (own.length === 0) return [];
        const groups = [...grouped(own, ({ group }) => group)].map(([group, part]) => ({
          group,
          balance: balance(type, part),
        }));
        return [{ type, groups, balance: balance(type, own) }];
      }),
    }));
    expect(currencies).toEqual(wire(expected));
  }

  it('tills and top are sums by a key', { timeout: 120_000 }, async () => {
    for (const [i, each] of cases(16, 4).entries()) {
      const book = books[i % 2]!;
      const legs = select(book, each, (leg) => leg.currency === 'EUR');
      const { tills } = await analytics.get(book.tenant, `tills?${each.query}&currency=EUR`);
      const sent = grouped(
        legs.filter(({ terminal }) => terminal !== ''),
        ({ terminal }) => terminal,
      );
      const expected = [...sent].map(([till, of]) => {
        const shop = book.model.groupAt(till, each.basis === 'committed' ? each.lsn : last);
        return { till, ...(shop === undefined ? {} : { shop }), ...figures(of) };
      });
      const byTill = (a: { till: string }, b: { till: string }) => (a.till < b.till ? -1 : 1);
      expect([...tills].sort(byTill)).toEqual(wire(expected));
      const [by, of] = [
        (['sales', 'refunds', 'count', 'amount'] as const)[i % 4]!,
        (['account', 'terminal', 'code', 'group'] as const)[(i >> 2) % 4]!,
      ];
      const { rows } = await analytics.get(
        book.tenant,
        `top?${each.query}&currency=EUR&by=${by}&of=${of}&limit=3`,
      );
      const parts = [
        ...grouped(
          legs.filter((leg) => leg[of] !== '' && leg.amount > 0n),
          (leg) => leg[of],
        ),
      ].map(([key, part]) => {
        const f = figures(part);
        const { debits, credits } = sidesOf(part);
        const value = {
          sales: f.sales,
          refunds: f.refunds,
          count: BigInt(f.count),
          amount: debits + credits,
        }[by];
        const count = {
          sales: f.count - f.refund_count,
          refunds: f.refund_count,
          count: f.count,
          amount: part.length,
        }[by];
        return { key, value, count };
      });
      expect(rows).toEqual(
        wire(
          largest(
            parts.filter(({ value }) => value > 0n),
            ({ value }) => value,
          ).slice(0, 3),
        ),
      );
    }
  });

  it('takes the currency with the most postings when none is named', async () => {
    const { currencies } = await analytics.get('shop', 'status');
    const counts = [
      ...grouped(
        books[0]!.model.legs.filter(({ amount }) => amount > 0n),
        ({ currency }) => currency,
      ),
    ];
    const expected = counts
      .map(([currency, of]) => ({ currency, count: of.length }))
      .sort((a, b) => b.count - a.count);
    expect(currencies).toEqual(expected);
    expect((await analytics.get('shop', 'overview?period=1d')).currency).toBe(expected[0]!.currency);
  });
});

describe('a statement', () => {
  it('has every posting once, in order, each with the balance after it', { timeout: 240_000 }, async () => {
    const pick = randomFrom(5);
    for (const [i, each] of cases(40, 5).entries()) {
      const book = books[i % 2]!;
      const ids = [...book.model.accounts.keys()];
      const account = i < 8 ? 'bank' : ids[pick(ids.length)]!;
      const { type } = book.model.accounts.get(account)!;
      const order = i % 4 < 2 ? 'asc' : 'desc';
      const [filterText, keep] = [FILTERS[0]!, FILTERS[4]!, FILTERS[5]!][i % 3]!;
      const [amountText, fits] =
        i % 5 === 0
          ? (['&amount_min=100&amount_max=20000', (n: bigint) => n >= 100n && n <= 20_000n] as const)
          : (['', () => true] as const);
      const isOpen = i % 6 === 0;
      const query = isOpen ? each.query.replace(/&from=.*$/, '') : each.query;
      const view = isOpen ? { basis: each.basis, lsn: each.lsn } : each;
      const own = book.model.select({
        basis: each.basis,
        lsn: each.lsn,
        keep: (leg) => leg.account === account && leg.amount > 0n,
      });
      own.sort((a, b) => timeOf(a, each.basis) - timeOf(b, each.basis) || a.lsn - b.lsn || a.leg - b.leg);
      let balance = 0n;
      const after = new Map<Leg, bigint>();
      for (const leg of own) {
        balance += onNormalSide(type, sidesOf([leg]));
        after.set(leg, balance);
      }
      const within = own.filter((leg) =>
        isOpen ? true : timeOf(leg, each.basis) >= each.from && timeOf(leg, each.basis) < each.to,
      );
      const shown = within.filter((leg) => keep(leg) && fits(leg.amount));
      const before = own.filter((leg) => !isOpen && timeOf(leg, each.basis) < each.from);
      const opening = onNormalSide(type, sidesOf(before));
      const rows: unknown[] = [];
      for (let cursor = ''; ; ) {
        const page = await analytics.get(
          book.tenant,
          `accounts/${account}/statement?${query}${filterText}${amountText}&order=${order}&limit=7${cursor}`,
        );
        expect(page).toMatchObject(
          wire({
            opening,
            closing: opening + onNormalSide(type, sidesOf(within)),
            ...sidesOf(shown),
            count: shown.length,
          }) as object,
        );
        rows.push(...page.rows);
        if (page.cursor === undefined) break;
        cursor = `&cursor=${page.cursor}`;
      }
      const expected = (order === 'asc' ? shown : [...shown].reverse()).map((leg) =>
        rowOf(book, leg, after.get(leg)!),
      );
      expect(rows, `${account} ${query} ${JSON.stringify(view)}`).toEqual(wire(expected));
    }
  });

  function rowOf(book: Book, leg: Leg, balance: bigint) {
    const others = book.model.legs.filter(({ lsn, account }) => lsn === leg.lsn && account !== leg.account);
    const { lsn, transaction, kind, side, amount, code, reference, tag, terminal, by } = leg;
    return {
      ...{ lsn, index: 0, leg: leg.leg, transaction, kind },
      ...{ effective_at: iso(leg.effectiveMs), committed_at: iso(leg.committedMs), side, amount, balance },
      ...(code !== '' && { code }),
      ...(reference !== '' && { reference }),
      ...(tag !== '' && { tag }),
      ...(terminal !== '' && { terminal }),
      by,
      counterparts: [...new Set(others.map(({ account }) => account))].sort(),
    };
  }

  it('as CSV has the same rows, page by page along the links', async () => {
    const json = await analytics.get('shop', 'accounts/bank/statement?limit=1000');
    const lines: string[] = [];
    let query: string | undefined = 'format=csv&limit=50';
    let header = '';
    while (query !== undefined) {
      const answer = await analytics.ask('shop', `analytics/accounts/bank/statement?${query}`);
      if (!answer.ok) throw new Error(answer.refusal.detail);
      expect(answer.contentType).toMatch(/^text\/csv/);
      const [head, ...rows] = answer.body.split('\r\n');
      header = head!;
      expect(rows.pop()).toBe('');
      lines.push(...rows);
      const link: string | undefined = answer.headers?.find(([name]) => name === 'Link')?.[1];
      query =
        link === undefined
          ? undefined
          : /^<\/v1\/analytics\/accounts\/bank\/statement\?(.*)>; rel="next"$/.exec(link)![1];
    }
    const names = header.split(',');
    const expected = json.rows.map((row: Record<string, unknown>) =>
      names
        .map((name) => {
          const value = name === 'counterparts' ? (row[name] as string[]).join(' ') : (row[name] ?? '');
          if (typeof value !== 'string') return String(value);
          // The references of the book: a formula is defused, quotes are doubled.
          return value.replace('=SUM(A1)', "'=SUM(A1)").replace('r "1", x', '"r ""1"", x"');
        })
        .join(','),
    );
    expect(lines).toEqual(expected);
    expect(lines.some((line) => line.includes("'=SUM"))).toBe(true);
  });
});

describe('an account', () => {
  it('summary counts, sums, averages and finds the largest', { timeout: 120_000 }, async () => {
    for (const [i, each] of cases(24, 6).entries()) {
      const book = books[i % 2]!;
      const account = ['bank', 'sales', 'vat', 'till:1'][i % 4]!;
      const { type } = book.model.accounts.get(account)!;
      const groupBy = (['day', 'hour', 'month', 'code', 'tag', 'terminal'] as const)[i % 6]!;
      const body = await analytics.get(
        book.tenant,
        `accounts/${account}/summary?${each.query}&group_by=${groupBy}`,
      );
      const legs = select(book, each, (leg) => leg.account === account && leg.amount > 0n);
      const keyOf = (leg: Leg) => {
        const time = timeOf(leg, each.basis);
        if (groupBy === 'day') return dateText(time, each.tz);
        if (groupBy === 'month') return dateText(time, each.tz).slice(0, 7);
        if (groupBy !== 'hour') return leg[groupBy];
        const [, minutes, seconds] = wallText(time, each.tz).slice(11).split(':').map(Number) as [
          number,
          number,
          number,
        ];
        return iso(time - (minutes * 60 + seconds) * 1000 - (((time % 1000) + 1000) % 1000));
      };
      const of = (part: Leg[]) => {
        const sides = sidesOf(part);
        const count = BigInt(part.length);
        return {
          ...{ count, ...sides, sum: onNormalSide(type, sides) },
          avg: count === 0n ? 0n : (2n * (sides.debits + sides.credits) + count) / (2n * count),
          max: part.reduce((max, { amount }) => (amount > max ? amount : max), 0n),
        };
      };
      expect(body.groups).toEqual(
        wire([...grouped(legs, keyOf)].map(([key, part]) => ({ key, ...of(part) }))),
      );
      expect(body.totals).toEqual(wire(of(legs)));
    }
  });

  it('is listed as it stands, page by page', async () => {
    for (const book of books) {
      for (const [query, keep, isShown] of [
        ['', () => true],
        ['&prefix=sales', ({ id }: { id: string }) => id.startsWith('sales')],
        ['&group=riga', ({ group }: { group: string }) => group === 'riga' || group.startsWith('riga.')],
        [
          '&type=asset&currency=EUR',
          ({ type, currency }: { type: string; currency: string }) => type === 'asset' && currency === 'EUR',
        ],
        ['&tag=vat21', () => true, ({ tag }: Leg) => tag === 'vat21'],
        [
          '&code=sale&terminal=till:1&prefix=sales',
          ({ id }: { id: string }) => id.startsWith('sales'),
          ({ code, terminal }: Leg) => code === 'sale' && terminal === 'till:1',
        ],
      ] as const) {
        const found: unknown[] = [];
        for (let cursor = ''; ; ) {
          const page = await analytics.get(book.tenant, `accounts?limit=4${query}${cursor}`);
          found.push(...page.accounts);
          if (page.cursor === undefined) break;
          cursor = `&cursor=${page.cursor}`;
        }
        const now = Date.now();
        const accounts = [...book.model.accounts.values()]
          .filter(keep)
          .sort((a, b) => (a.id < b.id ? -1 : 1));
        const expected = accounts.flatMap(({ id, type, currency, group }) => {
          const own = book.model.legs.filter(
            (leg) =>
              leg.account === id &&
              leg.amount > 0n &&
              leg.effectiveMs <= now &&
              (isShown === undefined || isShown(leg)),
          );
          if (isShown !== undefined && own.length === 0) return [];
          const last = own.length === 0 ? undefined : Math.max(...own.map(({ effectiveMs }) => effectiveMs));
          return {
            ...{ id, type, currency, ...(group === '' ? {} : { group }) },
            balance: onNormalSide(type, sidesOf(own)),
            ...{
              frozen: false,
              closed: false,
              ...(last === undefined ? {} : { last_effective_at: iso(last) }),
            },
          };
        });
        expect(found).toEqual(wire(expected));
      }
    }
  });

  it('is listed as of a moment, with the last posting up to it by its own time', async () => {
    const [book] = books as [Book];
    const committed = book.model.legs.map(({ committedMs }) => committedMs);
    const halfway = committed[committed.length >> 1]!;
    for (const [query, view] of [
      ['at=2024-06-01T12:34:56.789Z', { basis: 'effective', to: Date.UTC(2024, 5, 1, 12, 34, 56, 790) }],
      ['basis=committed', { basis: 'committed' }],
      [`basis=committed&at=${iso(halfway)}`, { basis: 'committed', to: halfway + 1 }],
      [`at=lsn:${last - 50}`, { basis: 'committed', lsn: last - 50 }],
    ] as const) {
      const { accounts } = await analytics.get('shop', `accounts?limit=1000&${query}`);
      expect(accounts).toHaveLength(book.model.accounts.size);
      for (const { id, type, balance, last_effective_at } of accounts) {
        const keep = (leg: Leg) => leg.account === id && leg.amount > 0n;
        const own = book.model.select({ lsn: last, ...view, keep });
        const newest = own.length === 0 ? undefined : Math.max(...own.map(({ effectiveMs }) => effectiveMs));
        expect([query, id, balance, last_effective_at]).toEqual(
          wire([query, id, onNormalSide(type, sidesOf(own)), newest === undefined ? undefined : iso(newest)]),
        );
      }
    }
  });
});

describe('transactions', () => {
  const MADE = ['posted', 'pending', 'reversal'];

  it('are listed newest first with how they stand', { timeout: 120_000 }, async () => {
    for (const book of books) {
      const made = [
        ...grouped(
          book.model.legs.filter(({ kind }) => MADE.includes(kind)),
          ({ lsn }) => String(lsn).padStart(9, '0'),
        ).values(),
      ].reverse();
      const filters: readonly (readonly [string, (legs: Leg[], status: string) => boolean])[] = [
        ['', () => true],
        ['status=posted', (_, status) => status === 'posted'],
        ['status=pending', (_, status) => status === 'pending'],
        [
          'status=voided&account=bank',
          ([...legs], status) => status === 'voided' && legs.some(({ account }) => account === 'bank'),
        ],
        [
          'account=till:1&code=sale',
          ([...legs]) => legs.some(({ account }) => account === 'till:1') && legs[0]!.code === 'sale',
        ],
        ['by=bob&terminal=till:2', ([first]) => first!.by === 'bob' && first!.terminal === 'till:2'],
        [
          'reference=inv-7&group=riga',
          ([...legs]) => legs[0]!.reference === 'inv-7' && legs.some(({ group }) => group.startsWith('riga')),
        ],
        [
          'tag=vat21&prefix=v',
          ([...legs]) => legs.some(({ tag, account }) => tag === 'vat21' && account.startsWith('v')),
        ],
        [
          'account=bank&from=2024-03-31&to=2024-10-27',
          (legs) =>
            legs.some(({ account }) => account === 'bank') &&
            legs[0]!.effectiveMs >= Date.UTC(2024, 2, 31) &&
            legs[0]!.effectiveMs < Date.UTC(2024, 9, 27),
        ],
        [
          'from=2024-03-31&to=2024-10-27',
          ([first]) =>
            first!.effectiveMs >= Date.UTC(2024, 2, 31) && first!.effectiveMs < Date.UTC(2024, 9, 27),
        ],
      ];
      for (const [query, keep] of filters) {
        const found: {
          id: string;
          lsn: number;
          status: string;
          amount: unknown;
          legs: number;
          end?: { status: string; lsn: number };
        }[] = [];
        for (let cursor = ''; ; ) {
          const page = await analytics.get(book.tenant, `transactions?limit=100&${query}${cursor}`);
          found.push(...page.transactions);
          if (page.cursor === undefined) break;
          cursor = `&cursor=${page.cursor}`;
        }
        const expected = made.filter((legs) => keep(legs, book.statuses.get(legs[0]!.transaction)!));
        expect(
          found.map(({ id, lsn, status, legs }) => [id, lsn, status, legs]),
          query,
        ).toEqual(
          expected.map((legs) => [
            legs[0]!.transaction,
            legs[0]!.lsn,
            book.statuses.get(legs[0]!.transaction),
            legs.length,
          ]),
        );
        for (const { id, end, status } of found) {
          const ends = book.model.legs.filter(
            ({ transaction, kind }) => transaction === id && !MADE.includes(kind),
          );
          expect(end?.lsn).toBe(ends[0]?.lsn);
          if (end !== undefined) expect(end.status).toBe(status);
        }
      }
    }
  });
});

describe("a till's end of day", () => {
  it('has its trade, its number, its holds and its drawer', { timeout: 240_000 }, async () => {
    let numbers = 0;
    for (const [i, { basis, lsn, tz }] of cases(48, 9).entries()) {
      const book = books[i % 2]!;
      const till = ['till:1', 'till:2', 'till:3', 'kiosk'][i % 4]!;
      const dates = book.model.select({
        basis,
        lsn,
        keep: (leg) =>
          leg.terminal === till && leg.type === 'revenue' && leg.amount > 0n && leg.effectiveMs > 0,
      });
      const date =
        dates.length === 0 ? '2024-03-31' : dateText(timeOf(dates[(i * 7) % dates.length]!, basis), tz);
      const asOf = basis === 'committed' ? `&as_of_lsn=${lsn}` : '';
      const [filter, keep] = FILTERS[(i >> 2) % FILTERS.length]!;
      const answer = await analytics.ask(
        book.tenant,
        `analytics/tills/${till}/z-report?date=${date}&tz=${tz}&basis=${basis}${asOf}${filter}`,
      );
      if (!answer.ok) {
        expect([answer.refusal.code, dates.length, till]).toEqual(['account_not_found', 0, 'kiosk']);
        continue;
      }
      // biome-ignore lint/suspicious/noExplicitAny: compared below
      const body = decodeJson(Buffer.from(answer.body)) as any;
      const from = firstOfDate(date, tz);
      const to = firstOfDate(nextDate(date), tz);
      const all = book.model.select({ basis, lsn, from, to, keep: (leg) => leg.terminal === till });
      const isTrade = ({ type, amount }: Leg) => type === 'revenue' && amount > 0n;
      const sent = all.filter(keep);
      const trade = sent.filter(isTrade);
      const allTrade = book.model.select({
        basis,
        lsn,
        to,
        keep: (leg) => leg.terminal === till && leg.type === 'revenue' && leg.amount > 0n,
      });
      const days = new Set(allTrade.map((leg) => dateText(timeOf(leg, basis), tz)));
      expect(body.number, `${till} ${date} ${tz} ${basis}`).toBe(all.some(isTrade) ? days.size : 0);
      numbers = Math.max(numbers, body.number);
      const times = trade.map((leg) => timeOf(leg, basis));
      expect(body.first_at).toBe(trade.length === 0 ? null : iso(Math.min(...times)));
      expect(body.last_at).toBe(trade.length === 0 ? null : iso(Math.max(...times)));
      const until = book.model.select({ basis, lsn, to });
      const ended = new Set(
        until.filter(({ kind }) => kind === 'post' || kind === 'void').map(({ transaction }) => transaction),
      );
      const shown = new Set(until.filter(keep).map((leg) => leg.lsn));
      const holds = grouped(
        until.filter(
          (leg) =>
            leg.kind === 'pending' &&
            leg.terminal === till &&
            leg.leg === 0 &&
            shown.has(leg.lsn) &&
            !ended.has(leg.transaction),
        ),
        ({ currency }) => currency,
      );
      for (const of of body.currencies) {
        const own = sent.filter(({ currency }) => currency === of.currency);
        const { sales, refunds, net, vat, count, refund_count } = figures(own);
        const drawer = book.model.accounts.get(till);
        const inDrawer = book.model.select({
          basis,
          lsn,
          to,
          keep: (leg) => leg.account === till && keep(leg),
        });
        const opening = onNormalSide('asset', sidesOf(inDrawer.filter((leg) => timeOf(leg, basis) < from)));
        const within = sidesOf(inDrawer.filter((leg) => timeOf(leg, basis) >= from));
        const pending = book.model.legs.filter(({ lsn: of }) =>
          (holds.get(own[0]?.currency ?? '') ?? []).some(({ lsn: at }) => at === of),
        );
        const first = new Map(
          pending.filter(({ leg }) => leg === 0).map(({ lsn: at, currency }) => [at, currency]),
        );
        const amount = sum(pending, (leg) => isDebit(leg) && leg.currency === first.get(leg.lsn), 'held');
        expect(of).toEqual(
          wire({
            ...{
              currency: of.currency,
              sales,
              sales_count: count - refund_count,
              refunds,
              refund_count,
              net,
              vat,
              gross: net + vat,
            },
            codes: [
              ...grouped(
                own.filter(({ type, amount: n }) => type === 'revenue' && n > 0n),
                ({ code }) => code,
              ),
            ].map(([code, part]) => ({ code, ...sidesOf(part), count: part.length })),
            vat_rates: [
              ...grouped(
                own.filter(
                  ({ type, tag, amount: n }) => type === 'liability' && tag.startsWith('vat') && n > 0n,
                ),
                ({ tag }) => tag,
              ),
            ].map(([tag, part]) => ({
              tag,
              vat: sum(part, isCredit) - sum(part, isDebit),
            })),
            drawer:
              drawer?.currency === of.currency
                ? { opening, ...within, closing: opening + onNormalSide('asset', within) }
                : null,
            holds_open:
              of.currency === own[0]?.currency
                ? { count: holds.get(of.currency)?.length ?? 0, amount }
                : of.holds_open,
          }),
        );
      }
      const named = new Set([...sent.map(({ currency }) => currency), ...holds.keys()]);
      for (const currency of named)
        expect(body.currencies.map((of: { currency: string }) => of.currency)).toContain(currency);
    }
    expect(numbers).toBeGreaterThan(5);
  });
});

describe('a repeated question', () => {
  it('has the same answer, when it is by commit and up to an LSN, whatever came in since', {
    timeout: 120_000,
  }, async () => {
    const paths = [
      ...[
        'overview?period=1d',
        'overview?period=30d&group_by=code',
        'profit-loss?group_by=group',
        'balances?group_by=type',
      ],
      ...[
        'trial-balance?limit=5',
        'balance-sheet',
        'accounts/bank/statement?limit=20&order=desc',
        'accounts/bank/balance',
      ],
      ...[
        'accounts/bank/summary?group_by=hour',
        'tills',
        'tills/till:1/z-report',
        'accounts',
        'transactions?status=posted',
      ],
      ...['top?by=amount&of=account', 'anomalies', 'totals?in=EUR'],
    ];
    const tenant = 'other';
    const by = (path: string, more: string) =>
      `${path}${path.includes('?') ? '&' : '?'}basis=committed${more}`;
    const before = await Promise.all(paths.map((path) => analytics.get(tenant, by(path, ''))));
    await books[1]!.go(60);
    await analytics.delivered();
    for (const [i, path] of paths.entries()) {
      const { as_of_lsn: lsn } = before[i];
      expect(await analytics.get(tenant, by(path, `&as_of_lsn=${lsn}`)), path).toEqual(before[i]);
    }
  });
});
