import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AccountInput, TransactionInput } from '../engine/types.js';
import { toCsv } from '../src/analytics/reports/csv.js';
import { faultOf } from '../src/analytics/reports/faults.js';
import { REPORT_PATHS } from '../src/analytics/reports/routes.js';
import { decodeJson } from '../src/gateway/json.js';
import type { Session } from '../src/session.js';
import { AnalyticsLedger } from './support/analytics-ledger.js';
import { must, refusal, until } from './support/ledger.js';
import { answerOf, bodyOf } from './support/one-report.js';

/** What is asked, how it is refused, and what is not a sum: waiting, rates, limits, other tenants, what is unusual. */

const TENANT = 'shop';
let analytics: AnalyticsLedger;
let ann: Session;

beforeAll(async () => {
  analytics = await AnalyticsLedger.open('Europe/Riga');
  ann = analytics.ledger.as({ tenant: TENANT, by: 'ann', terminal: 'till:1' });
  await open(ann, { id: 'till:1', type: 'asset', group: 'riga.store1' });
  await open(ann, { id: 'sales', type: 'revenue' });
  await open(ann, { id: 'loan', type: 'liability' });
  await open(ann, { id: 'old', type: 'asset' });
  const stranger = analytics.ledger.as({ tenant: 'other', by: 'eve' });
  await open(stranger, { id: 'secret', type: 'asset' });
  await sell('s1', 100, '2024-03-30T21:30:00.000Z');
  await sell('s2', 200, '2024-03-31T20:59:59.999Z');
  await sell('s3', 400, '2024-03-31T21:00:00.000Z');
  await analytics.delivered();
}, 60_000);

afterAll(() => analytics.close());

async function open(session: Session, account: Omit<AccountInput, 'currency'>): Promise<void> {
  must(await session.createAccount({ currency: 'EUR', min_balance: null, ...account }));
}

async function sell(
  id: string,
  amount: number,
  effective_at?: string,
  more: Partial<TransactionInput> = {},
): Promise<number> {
  const body = {
    id,
    debit: 'till:1',
    credit: 'sales',
    amount,
    ...(effective_at && { effective_at }),
    ...more,
  };
  return must(await ann.transaction(body)).lsn;
}

async function refused(path: string, more: Parameters<AnalyticsLedger['ask']>[2] = {}, tenant = TENANT) {
  const answer = await analytics.ask(tenant, path, more);
  if (answer.ok) throw new Error(`${path} was answered: ${answer.body}`);
  return [answer.refusal.code, answer.refusal.pointer];
}

describe('a question that is wrong', () => {
  it.each([
    ['balances?colour=red', '/colour'],
    ['balances?at=2024-01-01&at=2024-01-02', '/at'],
    ['balances?at=yesterday', '/at'],
    ['balances?at=2024-02-30', '/at'],
    ['balances?at=2024-02-01T25:00:00Z', '/at'],
    ['balances?at=2024-02-01T00:00:00.1234Z', '/at'],
    ['balances?at=lsn:x', '/at'],
    ['balances?at=lsn:5&basis=effective', '/at'],
    ['balances?as_of_lsn=5', '/as_of_lsn'],
    ['balances?basis=committed&as_of_lsn=-1', '/as_of_lsn'],
    ['balances?basis=cash', '/basis'],
    ['balances?tz=Mars/Olympus', '/tz'],
    ['balances?type=money', '/type'],
    ['balances?group_by=colour', '/group_by'],
    ['balances?group_by=group:0', '/group_by'],
    ['balances?prefix=%zz', '/prefix'],
    ['balances?at=%', '/at'],
    [`balances?code=${'a'.repeat(600)}`, '/code'],
    ['overview?period=2d', '/period'],
    ['overview?from=2024-01-01', '/to'],
    ['overview?to=2024-01-01', '/from'],
    ['overview?from=2024-01-01&to=2024-02-01&period=1d', '/period'],
    ['overview?from=1950-01-01&to=2024-01-01&bucket=day', '/from'],
    ['overview?from=1950-01-01&to=2024-01-01&bucket=minute', '/from'],
    ['profit-loss?from=2024-01-02&to=2024-01-02', '/to'],
    ['profit-loss?from=1950-01-01&to=2024-01-01', '/from'],
    ['trial-balance?cursor=x', '/cursor'],
    [`trial-balance?cursor=${Buffer.from('[1]').toString('base64url')}`, '/cursor'],
    ['trial-balance?limit=0', '/limit'],
    ['trial-balance?limit=10001', '/limit'],
    ['accounts/till:1/statement?limit=1001', '/limit'],
    ['accounts/till:1/statement?amount_min=1.5', '/amount_min'],
    ['accounts/till:1/statement?amount_max=9223372036854775808', '/amount_max'],
    ['accounts/till:1/statement?order=up', '/order'],
    ['accounts/till:1/statement?format=xml', '/format'],
    ['accounts/%zz/statement', '/id'],
    ['accounts/till:1/summary?group_by=account', '/group_by'],
    ['tills/till:1/z-report?date=2024-01-01T00:00:00Z', '/date'],
    ['transactions?status=lost', '/status'],
    ['top?by=luck', '/by'],
    ['top?of=tag', '/of'],
    ['totals', '/in'],
    ['totals?in=euro', '/in'],
    ['overview?format=csv', '/format'],
    ['status?colour=red', '/colour'],
    ['status?tz=Mars/Olympus', '/tz'],
    // What a report would not apply.
    ...['currency=EUR', 'type=asset', 'basis=effective', 'tz=UTC', 'as_of_lsn=1'].map((parameter) => [
      `accounts/till:1/reconcile?${parameter}`,
      `/${parameter.replace(/=.*/, '')}`,
    ]),
    ...['profit-loss', 'trial-balance', 'tills'].map((report) => [
      `${report}?format=csv&group_by=type`,
      '/group_by',
    ]),
  ])('%s is refused with its parameter', async (path, pointer) => {
    expect(await refused(`analytics/${path}`)).toEqual(['invalid_request', pointer]);
  });

  it.each([
    'analytics/accounts/nobody/statement',
    'analytics/accounts/nobody/balance',
    'analytics/accounts/nobody/summary',
    'analytics/accounts/secret/balance',
    'analytics/accounts/sales/balance?at=lsn:1',
    'analytics/tills/nobody/z-report',
  ])('%s finds no account', async (path) => {
    expect(await refused(path)).toEqual(['account_not_found', undefined]);
  });

  it.each([
    ['GET', 'analytics/nothing'],
    ['GET', 'analytics/accounts/a/b/c'],
    ['POST', 'analytics/balances'],
    ['PUT', 'analytics/overview'],
  ] as const)('%s %s is no report', async (method, path) => {
    expect(await refused(path, { method })).toEqual(['invalid_request', undefined]);
    expect(REPORT_PATHS).not.toContainEqual({ method, path });
  });
});

describe('a moment', () => {
  const balance = async (query: string) =>
    (await analytics.get(TENANT, `accounts/till:1/balance?${query}`)).balance;

  it('counts itself when it is a time, and nothing of its day when it is a date', async () => {
    expect(await balance('at=2024-03-31T20:59:59.999Z')).toBe(300);
    expect(await balance('at=2024-03-31T20:59:59.998Z')).toBe(100);
    expect(await balance('at=2024-03-31T21:00:00Z')).toBe(700);
    // A day of Riga that has 23 hours: from 2024-03-30T22:00Z to 2024-03-31T21:00Z.
    expect(await balance('at=2024-03-31')).toBe(100);
    expect(await balance('at=2024-04-01')).toBe(300);
    expect(await balance('at=2024-04-01&tz=UTC')).toBe(700);
    expect(await balance('at=1000-01-01')).toBe(0);
    expect(await balance('at=9999-01-01')).toBe(700);
  });

  it('may have an offset, with a plus sign that came as a space too', async () => {
    for (const at of [
      '2024-04-01T00:00:00%2B03:00',
      '2024-04-01T00:00:00+03:00',
      '2024-03-31T17:00:00-04:00',
    ]) {
      expect(await balance(`at=${at}`)).toBe(700);
    }
  });

  it('is in days of the zone that the server has, unless another is named', async () => {
    const days = async (more: string) =>
      (await analytics.get(TENANT, `profit-loss?from=2024-03-30&to=2024-04-02${more}`)).days.map(
        ([, revenue]: unknown[]) => revenue,
      );
    expect(await days('')).toEqual([100, 200, 400]);
    expect(await days('&tz=UTC')).toEqual([100, 600, 0]);
    expect((await analytics.get(TENANT, 'balances')).tz).toBe('Europe/Riga');
  });
});

describe('an answer', () => {
  it('waits for the LSN that it must have', async () => {
    const waiting = analytics.get(
      TENANT,
      `accounts/till:1/balance?min_lsn=${analytics.ledger.stats().lsn + 1}`,
    );
    const lsn = await sell('s4', 1, '2024-05-01T00:00:00.000Z');
    await analytics.delivered();
    const { balance, as_of_lsn } = await waiting;
    expect([balance, as_of_lsn >= lsn]).toEqual([701, true]);
  });

  it('of status is of what the question waited for', async () => {
    const lsn = analytics.ledger.stats().lsn + 1;
    const waiting = analytics.get(TENANT, `status?min_lsn=${lsn}`);
    await sell('s5', 1, '2024-05-01T00:00:00.000Z');
    await analytics.delivered();
    const { as_of_lsn, cursor } = await waiting;
    expect([as_of_lsn >= lsn, cursor >= lsn]).toEqual([true, true]);
  });

  it('names the commit time of its own LSN, whatever comes in meanwhile', async () => {
    const { database, sink } = analytics;
    let lsn = sink.cursor().lsn;
    const moving = {
      status: () => sink.status(),
      cursor: () => ({ lsn: ++lsn, timeMs: lsn * 1000 }),
      reached: async () => true,
      resume: () => {},
    };
    for (const report of ['balances', 'status']) {
      const told = { database, sink: moving, tenant: TENANT };
      const body = bodyOf(await answerOf(told, `analytics/${report}`, ''));
      const { as_of, as_of_lsn } = JSON.parse(body) as { as_of: string; as_of_lsn: number };
      expect(Date.parse(as_of)).toBe(as_of_lsn * 1000);
    }
  });

  it('is not ready when that does not come within ten seconds', { timeout: 30_000 }, async () => {
    const far = analytics.ledger.stats().lsn + 1_000;
    const codes = await Promise.all([
      refused(`analytics/balances?min_lsn=${far}`),
      refused(`analytics/balances?basis=committed&as_of_lsn=${far}`),
      refused(`analytics/balances?at=lsn:${far}`),
    ]);
    expect(codes).toEqual(Array(3).fill(['not_ready', undefined]));
  });

  it('of another tenant has nothing of this one', async () => {
    for (const path of [
      'status',
      'overview',
      'balances',
      'trial-balance',
      'balance-sheet',
      'tills',
      'transactions',
      'top',
      'anomalies',
      'totals?in=EUR',
    ]) {
      expect(
        JSON.stringify(await analytics.get('nobody', path), (_, n) => (typeof n === 'bigint' ? `${n}` : n)),
      ).not.toMatch(/till:1|"s1"|"loan"|riga\./);
    }
    expect((await analytics.get('other', 'accounts')).accounts.map(({ id }: { id: string }) => id)).toEqual([
      'secret',
    ]);
    expect((await analytics.get('other', 'transactions')).transactions).toEqual([]);
  });

  it('has its time measured, by report', async () => {
    analytics.timings.length = 0;
    await analytics.get(TENANT, 'accounts/till:1/statement');
    await refused('analytics/nothing');
    expect(analytics.timings.map(([report]) => report)).toEqual(['statement', 'unknown']);
    for (const [, seconds] of analytics.timings) expect(seconds).toBeGreaterThan(0);
  });

  it('may be a table as CSV', async () => {
    const answer = await analytics.ask(TENANT, 'analytics/trial-balance?format=csv&limit=1&at=2024-04-01');
    expect(answer).toMatchObject({
      ok: true,
      contentType: expect.stringMatching(/^text\/csv/),
      body: 'account,type,group,currency,debits,credits,balance\r\nsales,revenue,,EUR,0,300,300\r\n',
      headers: [
        [
          'Link',
          expect.stringMatching(
            /^<\/v1\/analytics\/trial-balance\?format=csv&limit=1&at=2024-04-01&cursor=[\w-]+>; rel="next"$/,
          ),
        ],
      ],
    });
  });

  it('of SQL comes from the part that judges statements', async () => {
    const ask = { method: 'POST', body: { sql: 'SELECT 1' } } as const;
    // A server without a read-only user is told so; the embedded engine has one connection more, which this ledger was not given.
    expect(await refused('analytics/query', ask)).toEqual(['not_ready', undefined]);
    expect(await refused('analytics/query', { method: 'POST', body: { sql: 7 } })).toEqual([
      'invalid_request',
      '/sql',
    ]);
  });

  it('to resume is given at once', async () => {
    expect(await analytics.ask(TENANT, 'analytics/resume', { method: 'POST' })).toMatchObject({ ok: true });
    expect(await refused('analytics/resume?now=1', { method: 'POST' })).toEqual(['invalid_request', '/now']);
  });
});

describe('the order', () => {
  const TIES = 'ties';

  beforeAll(async () => {
    const as = (terminal: string) => analytics.ledger.as({ tenant: TIES, by: 'ann', terminal });
    await open(as('till:a'), { id: 'sales', type: 'revenue' });
    // In no order.
    for (const [till, group] of [
      ['till:c', 'riga'],
      ['till:a', 'oslo'],
      ['till:d', 'bern'],
      ['till:b', 'oslo'],
    ] as const) {
      await open(as(till), { id: till, type: 'asset', group });
      const times = ['1969-07-20T12:00:00.000Z', '1999-12-31T12:00:00.000Z', '2024-01-01T12:00:00.000Z'];
      for (const [i, effective_at] of times.entries()) {
        const sale = { id: `${till}:${i}`, debit: till, credit: 'sales', amount: 100, effective_at };
        must(await as(till).transaction(sale));
      }
    }
    await analytics.delivered();
  });

  it('of tills and shops that sold as much is that of their names', async () => {
    const span = 'from=2024-01-01&to=2024-01-02';
    const { tills } = await analytics.get(TIES, `tills?${span}`);
    expect(tills.map(({ till }: { till: string }) => till)).toEqual(['till:a', 'till:b', 'till:c', 'till:d']);
    const { shops } = await analytics.get(TIES, `overview?${span}`);
    expect(shops).toMatchObject([
      { shop: 'oslo', tills: [{ till: 'till:a' }, { till: 'till:b' }] },
      { shop: 'bern' },
      { shop: 'riga' },
    ]);
  });

  it('of the buckets of a summary is that of time', async () => {
    for (const [unit, keys] of [
      ['month', ['1969-07', '1999-12', '2024-01']],
      ['day&from=1999-01-01', ['1999-12-31', '2024-01-01']],
    ] as const) {
      const { groups } = await analytics.get(TIES, `accounts/till:a/summary?group_by=${unit}`);
      expect(groups.map(({ key }: { key: string }) => key)).toEqual(keys);
    }
  });
});

describe('CSV', () => {
  it('quotes what it must, and takes the sting out of formulas', () => {
    const cells = [
      'a',
      'a,b',
      'say "x"',
      'two\r\nlines',
      '=1+1',
      '+1',
      '-1',
      '@a',
      '\tx',
      -5n,
      7,
      true,
      undefined,
      null,
      '=a,"b"',
    ];
    expect(toCsv(['h'], [cells])).toBe(
      `h\r\na,"a,b","say ""x""","two\r\nlines",'=1+1,'+1,'-1,'@a,'\tx,-5,7,true,,,"'=a,""b"""\r\n`,
    );
  });
});

describe('what ClickHouse itself refuses', () => {
  const settings = {
    max_execution_time: 1,
    max_memory_usage: 50_000_000,
    max_result_rows: 10,
    result_overflow_mode: 'throw',
  };

  it.each([
    ['SELECT sum(sipHash64(number)) FROM numbers(100000000000)', 'overloaded'],
    ['SELECT groupArray(number) FROM numbers(100000000)', 'overloaded'],
    ['SELECT number FROM numbers(1000)', 'too_large'],
    ['SELECT * FROM no_such_table', 'not_ready'],
    ['SELECT no_such_column FROM postings', undefined],
  ])('%s', async (sql, code) => {
    const fault = await analytics.database.rows(sql, {}, { settings }).then(() => undefined, faultOf);
    expect(fault?.code).toBe(code);
  });
});

describe('a fault', () => {
  it('of a socket is that ClickHouse does not answer, and one of the server itself is none of these', () => {
    for (const code of ['ECONNREFUSED', 'EAI_AGAIN', 'ENOTFOUND']) {
      expect(faultOf(Object.assign(new Error(), { code }))?.code).toBe('not_ready');
    }
    for (const error of [new TypeError('x'), Object.assign(new Error(), { code: 'ERR_INVALID_ARG_TYPE' })]) {
      expect(faultOf(error)).toBeUndefined();
    }
  });
});

describe('holds', () => {
  it('that expire give back what they reserved, and are listed so', async () => {
    const body = {
      id: 'h1',
      debit: 'till:1',
      credit: 'sales',
      amount: 50,
      pending: { expires_in: 1 },
    } as const;
    const reply = must(await ann.transaction(body));
    await analytics.delivered();
    const pending = async () => {
      const { debits_pending, credits_pending } = await analytics.get(
        TENANT,
        'accounts/till:1/balance?basis=committed',
      );
      return [debits_pending, credits_pending];
    };
    expect(await pending()).toEqual([50, 0]);
    const expiry = Date.parse(reply.committed_at) + 1_000;
    await until('the hold has expired', () => Date.now() > expiry + 50);
    refusal(await ann.post('h1'), 'expired');
    await analytics.delivered();
    expect(await pending()).toEqual([0, 0]);
    const { transactions } = await analytics.get(TENANT, 'transactions?status=expired');
    expect(transactions).toMatchObject([
      { id: 'h1', status: 'expired', kind: 'pending', end: { status: 'expired' } },
    ]);
    expect(
      (await analytics.get(TENANT, 'accounts/till:1/balance?at=lsn:'.concat(String(reply.lsn))))
        .debits_pending,
    ).toBe(50);
  });

  it('that were given up before they came are listed as voided', async () => {
    must(await ann.void('never'));
    await analytics.delivered();
    const { transactions } = await analytics.get(TENANT, 'transactions?status=voided');
    expect(transactions).toMatchObject([{ id: 'never', status: 'voided', kind: 'tombstone', legs: 0 }]);
  });
});

describe('accounts', () => {
  it('are listed frozen and closed', async () => {
    const admin = analytics.ledger.as({ tenant: TENANT, by: 'admin' });
    must(await admin.updateAccount('old', { closed: true, group: 'attic' }));
    must(await admin.updateAccount('loan', { frozen: true }));
    await analytics.delivered();
    const { accounts } = await analytics.get(TENANT, 'accounts');
    expect(accounts).toMatchObject([
      { id: 'loan', frozen: true, closed: false },
      { id: 'old', group: 'attic', frozen: false, closed: true, balance: 0 },
      { id: 'sales' },
      { id: 'till:1', group: 'riga.store1' },
    ]);
    expect((await analytics.get(TENANT, 'accounts?group=attic')).accounts).toHaveLength(1);
  });
});

describe('exchange rates', () => {
  const put = (rates: unknown) =>
    analytics.ask(TENANT, 'rates', { method: 'PUT', body: { rates }, who: 'ann' });

  it.each([
    [undefined, '/rates'],
    [[], '/rates'],
    ['all', '/rates'],
    [[7], '/rates/0'],
    [[{ from: 'EUR', to: 'USD', rate: 1.08 }], '/rates/0/rate'],
    [[{ from: 'EUR', to: 'USD', rate: '0' }], '/rates/0/rate'],
    [[{ from: 'EUR', to: 'USD', rate: '-1' }], '/rates/0/rate'],
    [[{ from: 'EUR', to: 'USD', rate: '1e3' }], '/rates/0/rate'],
    [[{ from: 'EUR', to: 'USD', rate: '1.0000000000000000001' }], '/rates/0/rate'],
    [[{ from: 'eur', to: 'USD', rate: '1' }], '/rates/0/from'],
    [[{ from: 'EUR', to: 'EUR', rate: '1' }], '/rates/0/to'],
    [[{ from: 'EUR', to: 'USD', rate: '1', at: 'now' }], '/rates/0/at'],
    [[{ from: 'EUR', to: 'USD', rate: '1', why: 'x' }], '/rates/0/why'],
    [
      [
        { from: 'EUR', to: 'USD', rate: '1' },
        { from: 'USD', to: 'EUR', rate: '1' },
        { from: 'EUR', to: 'USD', rate: '1.1' },
      ],
      '/rates/2',
    ],
  ])('%j is refused', async (rates, pointer) => {
    const answer = await put(rates);
    expect(answer).toMatchObject({ ok: false, refusal: { code: 'invalid_request', pointer } });
  });

  it('are those in force at a moment, and convert each type and currency once', async () => {
    const admin = analytics.ledger.as({ tenant: TENANT, by: 'admin' });
    for (const [id, type, currency] of [
      ['yen', 'asset', 'JPY'],
      ['yen:debt', 'liability', 'JPY'],
      ['crown', 'asset', 'CZK'],
      ['crown:gift', 'revenue', 'CZK'],
    ] as const) {
      must(await admin.createAccount({ id, type, currency, min_balance: null }));
    }
    must(await admin.transaction({ id: 'y', debit: 'yen:debt', credit: 'yen', amount: 333 }));
    must(await admin.transaction({ id: 'c', debit: 'crown', credit: 'crown:gift', amount: 7 }));
    await analytics.delivered();
    const answers = await Promise.all([
      put([
        { from: 'JPY', to: 'USD', rate: '2', at: '2020-01-01T00:00:00Z' },
        { from: 'USD', to: 'EUR', rate: '0.8', at: '2020-01-01T00:00:00Z' },
      ]),
      put([
        { from: 'JPY', to: 'USD', rate: '0.5', at: '2021-01-01T00:00:00Z' },
        { from: 'JPY', to: 'USD', rate: '9', at: '2199-01-01T00:00:00Z' },
      ]),
    ]);
    expect(answers.map(({ ok }) => ok)).toEqual([true, true]);
    // Of two for one time, the one set later is in force.
    expect((await put([{ from: 'JPY', to: 'USD', rate: '1.500', at: '2021-01-01T00:00:00Z' }])).ok).toBe(
      true,
    );
    const read = async (query: string) => {
      const answer = await analytics.ask(TENANT, `rates?${query}`);
      if (!answer.ok) throw new Error(answer.refusal.detail);
      const { rates } = decodeJson(Buffer.from(answer.body)) as { rates: { from: string; rate: string }[] };
      return rates.map(({ from, rate }) => `${from} ${rate}`);
    };
    expect(await read('')).toEqual(['JPY 1.5', 'USD 0.8']);
    expect(await read('at=2020-06-01')).toEqual(['JPY 2', 'USD 0.8']);
    expect(await read('at=2019-06-01')).toEqual([]);
    // The end of the day before, and the moment itself.
    expect(await read('at=2021-01-01&tz=UTC')).toEqual(['JPY 2', 'USD 0.8']);
    expect(await read('at=2021-01-01T00:00:00Z')).toEqual(['JPY 1.5', 'USD 0.8']);
    const { types } = await analytics.get(TENANT, 'totals?in=USD');
    const { balance } = await analytics.get(TENANT, 'accounts/till:1/balance');
    // Yen: -333 · 1.5 = -499.5, away from zero. Euros by the opposite rate: divided by 0.8. Crowns: no rate.
    const euros = Math.round(balance / 0.8);
    expect(types).toEqual([
      { type: 'asset', balance: euros - 500, missing: ['CZK'] },
      { type: 'liability', balance: -500, missing: [] },
      { type: 'revenue', balance: euros, missing: ['CZK'] },
    ]);
    expect((await analytics.ask('other', 'rates')).ok).toBe(true);
    const stranger = await analytics.ask('other', 'rates');
    expect(stranger.ok && (decodeJson(Buffer.from(stranger.body)) as { rates: unknown[] }).rates).toEqual([]);
  });
});

describe('anomalies', () => {
  it('are a large sale, a burst, and one in the night, each against the habits of its account', async () => {
    const tenant = 'habits';
    const bob = analytics.ledger.as({ tenant, by: 'bob' });
    for (const [id, type] of [
      ['till', 'asset'],
      ['sales', 'revenue'],
      ['new', 'asset'],
    ] as const)
      await open(bob, { id, type });
    const book = async (id: string, amount: number, at: string, debit = 'till') =>
      must(await bob.transaction({ id, debit, credit: 'sales', amount, effective_at: at })).lsn;
    // Sixty days of six sales about noon, of 900 to 1,100.
    for (let day = 0; day < 60; day++) {
      const date = new Date(Date.UTC(2024, 0, 1 + day)).toISOString().slice(0, 10);
      for (let i = 0; i < 6; i++) {
        await book(
          `d${day}:${i}`,
          900 + ((day * 7 + i * 31) % 200),
          `${date}T${10 + i}:${10 + ((day * 3) % 40)}:00.000Z`,
        );
      }
    }
    const large = await book('large', 50_000, '2024-03-05T12:00:00.000Z');
    const night = await book('night', 1_000, '2024-03-06T00:30:00.000Z');
    let burst = 0;
    for (let i = 0; i < 30; i++) burst = await book(`burst${i}`, 1_000, `2024-03-07T11:${10 + i}:00.000Z`);
    // Too few postings to have habits.
    await book('first', 1_000_000, '2024-03-05T03:00:00.000Z', 'new');
    await analytics.delivered();
    const { anomalies } = await analytics.get(
      tenant,
      'anomalies?from=2024-03-01&to=2024-03-10&tz=UTC&prefix=till',
    );
    const found = new Map(anomalies.map((one: { reason: string }) => [one.reason, one]));
    expect([...found.keys()].sort()).toEqual(['amount', 'hour', 'rate']);
    expect(found.get('amount')).toMatchObject({
      lsn: large,
      transaction: 'large',
      account: 'till',
      amount: 50_000,
      currency: 'EUR',
    });
    expect(found.get('hour')).toMatchObject({
      lsn: night,
      transaction: 'night',
      detail: expect.stringContaining('at 00:30'),
    });
    expect(found.get('rate')).toMatchObject({
      lsn: burst,
      detail: expect.stringContaining('30 postings in this hour'),
    });
    expect(anomalies.every(({ account }: { account: string }) => account !== 'new')).toBe(true);
    // By commit the same sale has the same time.
    const byCommit = await analytics.get(tenant, 'anomalies?basis=committed&prefix=till');
    expect(byCommit.anomalies).toContainEqual(
      expect.objectContaining({ transaction: 'large', effective_at: '2024-03-05T12:00:00.000Z' }),
    );
    // Nothing of it is unusual before it happened.
    expect(
      (await analytics.get(tenant, 'anomalies?from=2024-02-01&to=2024-03-01&tz=UTC&prefix=till')).anomalies,
    ).toEqual([]);
  });
});

// The last: it throws rows away.
describe('after postings have expired', () => {
  it('an account is still reconciled, out of the sums', async () => {
    const { database } = analytics;
    const engine = must(await ann.balance('till:1'));
    await sell('behind', 5);
    const lsn = await analytics.delivered();
    await database.command(
      "ALTER TABLE postings DELETE WHERE transaction IN ('s1', 's2', 'h1') SETTINGS mutations_sync = 1",
    );
    expect((await analytics.get(TENANT, 'accounts/till:1/reconcile', engine)).equal).toBe(false);
    // A day of retention that lasted until the day after tomorrow.
    await database.command(
      'INSERT INTO retention (days, since) SETTINGS async_insert = 0 VALUES (1, now64(3) - INTERVAL 1 DAY), (0, now64(3) + INTERVAL 3 DAY)',
    );
    const { balance, debits_posted, credits_posted, debits_pending, credits_pending } = engine;
    const sums = JSON.parse(
      JSON.stringify({ balance, debits_posted, credits_posted, debits_pending, credits_pending }, (_, n) =>
        typeof n === 'bigint' ? Number(n) : n,
      ),
    );
    expect(await analytics.get(TENANT, 'accounts/till:1/reconcile', engine)).toMatchObject({
      equal: true,
      difference: 0,
      lsn: engine.lsn,
      postings: sums,
    });
    const later = must(await ann.balance('till:1'));
    expect([later.lsn, (await analytics.get(TENANT, 'accounts/till:1/reconcile', later)).equal]).toEqual([
      lsn,
      true,
    ]);
    const wrong = { ...later, debits_posted: later.debits_posted + 1n, balance: later.balance + 1n };
    expect(await analytics.get(TENANT, 'accounts/till:1/reconcile', wrong)).toMatchObject({
      equal: false,
      difference: 1,
    });
  });
});
