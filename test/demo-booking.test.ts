import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareTrialBalance } from '../src/demo/analytics.js';
import { accountsOf, book } from '../src/demo/booking.js';
import { parseCsv } from '../src/demo/csv.js';
import { expectedTotals, reconcile, total } from '../src/demo/reconcile.js';
import { pounds } from '../src/demo/report.js';
import { pence, readSales, vatOf } from '../src/demo/sales.js';

const text = readFileSync(new URL('../../src/demo/data/online-retail-10k.csv', import.meta.url), 'utf8');
const lines = readSales(text);
const booked = book(lines);
const steps = booked.flatMap((line) => line.steps);

/** Debits and credits per account, added up from the postings of the transactions. */
function postedTotals(): Map<string, { debits: bigint; credits: bigint }> {
  const totals = new Map<string, { debits: bigint; credits: bigint }>();
  for (const { account, debit, credit } of steps.flatMap(({ postings }) => postings)) {
    const sums = totals.get(account) ?? { debits: 0n, credits: 0n };
    sums.debits += BigInt(debit ?? 0);
    sums.credits += BigInt(credit ?? 0);
    totals.set(account, sums);
  }
  return totals;
}

describe('the text of the file', () => {
  it('is read with its quotes', () => {
    expect(parseCsv('a,b\n"x, ""y""",\r\n"1\n2",3')).toEqual([
      ['a', 'b'],
      ['x, "y"', ''],
      ['1\n2', '3'],
    ]);
    expect(parseCsv('a,')).toEqual([['a', '']]);
    expect(() => parseCsv('"a')).toThrow(SyntaxError);
  });

  it('is read whatever its fields hold', () => {
    const field = fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', ' ', 'é') });
    fc.assert(
      fc.property(fc.array(fc.array(field, { minLength: 2, maxLength: 4 }), { minLength: 1 }), (records) => {
        const quoted = records.map((record) => record.map((f) => `"${f.replaceAll('"', '""')}"`).join(','));
        expect(parseCsv(`${quoted.join('\n')}\n`)).toEqual(records);
      }),
    );
  });

  it('with another header, price, quantity or time is refused, naming the line', () => {
    const header = text.slice(0, text.indexOf('\n'));
    const line = (quantity: string, time: string, price: string) =>
      `${header}\n536365,x,y,${quantity},${time},${price},,EIRE\n`;
    expect(readSales(line('1', '2010-12-01 08:26:00', '2.55'))).toHaveLength(1);
    expect(() => readSales('a,b\n')).toThrow(SyntaxError);
    expect(() => readSales(line('1.5', '2010-12-01 08:26:00', '2.55'))).toThrow('line 1');
    expect(() => readSales(line('1', '1/12/2010', '2.55'))).toThrow('line 1');
    expect(() => readSales(line('1', '2010-12-01 08:26:00', '2.555'))).toThrow('line 1');
  });
});

describe('money', () => {
  it('is read from decimal text without floating point', () => {
    expect(['2.55', '2.5', '2', '0.0', '1.10', '90071992547409.93'].map(pence)).toEqual([
      ...[255n, 250n, 200n, 0n, 110n, 9007199254740993n],
    ]);
    for (const wrong of ['', '-1', '1.234', '.5', '1e3', ' 1'])
      expect(() => pence(wrong)).toThrow(SyntaxError);
  });

  it('has 20 % VAT, half up, the same for refunds', () => {
    expect([0n, 1n, 2n, 3n, 7n, 8n, 255n, 1530n].map(vatOf)).toEqual([0n, 0n, 0n, 1n, 1n, 2n, 51n, 306n]);
    expect([-3n, -8n, -1530n].map(vatOf)).toEqual([-1n, -2n, -306n]);
  });

  it('is shown in pounds', () => {
    expect([0n, 5n, 123456789n].map(pounds)).toEqual(['0.00', '0.05', '1,234,567.89']);
  });
});

describe('the booking of the file', () => {
  it('has the lines that the file has', () => {
    expect(lines).toHaveLength(10_000);
    expect(booked).toHaveLength(9_954);
    expect(steps).toHaveLength(17_662);
    expect(steps.filter(({ hold }) => hold)).toHaveLength(988);
    expect(steps.filter(({ code }) => code === 'payment')).toHaveLength(7_708);
    expect(steps.filter(({ code }) => code === 'refund')).toHaveLength(100);
    expect(new Set(steps.map(({ id }) => id)).size).toBe(17_662);
    expect(new Set(booked.map(({ line }) => line.till)).size).toBe(50);
  });

  it('balances in every transaction', () => {
    for (const { id, postings } of steps) {
      const sum = postings.reduce((s, p) => s + BigInt(p.debit ?? 0) - BigInt(p.credit ?? 0), 0n);
      expect(sum, id).toBe(0n);
      expect(new Set(postings.map(({ account }) => account)).size, id).toBe(postings.length);
    }
  });

  it('of the first line is what the rules say', () => {
    const [first] = booked;
    expect(first!.line).toEqual({
      ...{ number: 1, invoice: '536365', time: '2010-12-01T08:26:00.000Z', till: 15, customer: '17850' },
      ...{ country: 'United-Kingdom', net: 1530n, vat: 306n, gross: 1836n },
    });
    expect(first!.steps).toEqual([
      {
        ...{ id: 'line:1', hold: false, code: 'sale' },
        postings: [
          { account: 'customer:17850', debit: 1836n },
          { account: 'sales:United-Kingdom', credit: 1530n },
          { account: 'vat', credit: 306n, tag: 'vat20' },
        ],
      },
      {
        ...{ id: 'paid:1', hold: false, code: 'payment' },
        postings: [
          { account: 'till:15', debit: 1836n },
          { account: 'customer:17850', credit: 1836n },
        ],
      },
    ]);
  });

  it('of a line without VAT has no posting for it', () => {
    const [line] = book([{ ...lines[0]!, net: 2n, vat: 0n, gross: 2n }]);
    expect(line!.steps[0]!.postings).toHaveLength(2);
  });

  it('touches exactly the accounts that are created, each with an id of the alphabet', () => {
    const created = accountsOf(lines).map(({ id }) => id);
    expect(created.toSorted()).toEqual([...postedTotals().keys()].sort());
    for (const id of created) expect(id).toMatch(/^[A-Za-z0-9._:@{}-]{1,64}$/);
  });
});

describe('the totals of the file', () => {
  const totals = expectedTotals(lines);

  it('are these, computed once with decimal arithmetic in another language', () => {
    expect(totals.size).toBe(389);
    expect(totals.get('sales:United-Kingdom')).toEqual({ debits: 343_378n, credits: 16_837_100n });
    expect(totals.get('sales:EIRE')).toEqual({ debits: 750n, credits: 315_473n });
    expect(totals.get('sales:Netherlands')).toEqual({ debits: 0n, credits: 19_260n });
    expect(totals.get('vat')).toEqual({ debits: 71_612n, credits: 3_684_776n });
    expect(totals.get('till:42')).toEqual({ debits: 1_091_465n, credits: 714n });
    expect(total([...totals.values()])).toEqual({ debits: 40_753_789n, credits: 40_753_789n });
  });

  it('are those of the transactions', () => {
    expect(new Map([...totals].sort())).toEqual(new Map([...postedTotals()].sort()));
  });

  it('agree with a sum over the raw text, done another way', () => {
    // Cut each line from its end, where no field is quoted; money in tenths of a penny, VAT by remainder.
    let sales = 0n;
    let vat = 0n;
    for (const line of text.trimEnd().split('\n').slice(1)) {
      const [quantity, , price] = line.split(',').slice(-5) as [string, string, string];
      const net = BigInt(Math.round(Number(price) * 100)) * BigInt(quantity);
      const tenths = net * 2n;
      const rest = ((tenths % 10n) + 10n) % 10n;
      const down = (tenths - rest) / 10n;
      sales += net;
      vat += net >= 0n ? down + (rest >= 5n ? 1n : 0n) : down + (rest > 5n ? 1n : 0n);
    }
    const net = (prefix: string) => {
      const { debits, credits } = total(
        [...totals].flatMap(([a, sums]) => (a.startsWith(prefix) ? [sums] : [])),
      );
      return credits - debits;
    };
    expect(net('sales:')).toBe(sales);
    expect(net('vat')).toBe(vat);
    expect(-net('till:')).toBe(sales + vat);
    expect(net('customer:')).toBe(0n);
  });
});

describe('the reconciliation', () => {
  const expected = new Map([
    ['till:00', { debits: 120n, credits: 0n }],
    ['sales:EIRE', { debits: 0n, credits: 100n }],
    ['vat', { debits: 0n, credits: 20n }],
  ]);
  const found = (debits: bigint, credits: bigint, balance: bigint, pending = 0n) => ({
    ...{ debits_posted: debits, credits_posted: credits, balance },
    ...{ debits_pending: pending, credits_pending: 0n },
  });
  const good = new Map([
    ['till:00', found(120n, 0n, 120n)],
    ['sales:EIRE', found(0n, 100n, 100n)],
    ['vat', found(0n, 20n, 20n)],
  ]);

  it('finds nothing when all agrees', () => {
    const { differing, zeroSum, sums } = reconcile(expected, good);
    expect([differing, zeroSum, sums]).toEqual([[], true, { debits: 120n, credits: 120n }]);
  });

  it.each([
    ['a penny too much', 'vat', found(0n, 21n, 21n), false],
    ['a sale and its refund that the file does not have', 'vat', found(5n, 25n, 20n), true],
    ['a hold still open', 'till:00', found(120n, 0n, 120n, 1n), true],
    ['a balance that is not its sides', 'till:00', found(120n, 0n, 119n), true],
    ['an account nobody expects', 'till:01', found(0n, 0n, 0n, 1n), true],
  ])('finds %s', (_what, account, balance, zeroSum) => {
    const result = reconcile(expected, new Map([...good, [account, balance]]));
    expect(result.differing.map((row) => row.account)).toEqual([account]);
    expect(result.zeroSum).toBe(zeroSum);
  });

  it('finds an account that is missing', () => {
    const result = reconcile(expected, new Map([...good].slice(1)));
    expect(result.differing.map((row) => row.account)).toEqual(['till:00']);
    expect(result.zeroSum).toBe(false);
  });
});

describe('the comparison with ClickHouse', () => {
  const expected = expectedTotals(lines);
  const signOf = (account: string) => (/^(till|customer):/.test(account) ? 1n : -1n);
  const rows = [...expected].map(([account, { debits, credits }]) => ({
    ...{ account, debits, credits, balance: signOf(account) * (debits - credits) },
  }));
  const ledger = new Map(
    rows.map(({ account, debits, credits, balance }) => [
      account,
      {
        balance,
        debits_posted: debits,
        credits_posted: credits,
        debits_pending: 0n,
        credits_pending: 0n,
      },
    ]),
  );

  it('finds nothing where all three agree', () => {
    expect(compareTrialBalance(rows, expected, ledger)).toEqual([]);
  });

  it('names every account with a penny more, none, or one too many', () => {
    const [first, second, ...others] = rows;
    const doctored = [{ ...first!, debits: first!.debits + 1n }, ...others];
    expect(compareTrialBalance(doctored, expected, ledger).sort()).toEqual(
      [
        `ClickHouse has no ${second!.account}`,
        `${first!.account} in ClickHouse differs from the file`,
        `${first!.account} in ClickHouse differs from the ledger`,
      ].sort(),
    );
    const more = [...rows, { account: 'ghost', debits: 1n, credits: 0n, balance: 1n }];
    expect(compareTrialBalance(more, expected, ledger)).toEqual([
      'ghost in ClickHouse differs from the file',
      'ghost in ClickHouse differs from the ledger',
    ]);
    const unbalanced = [{ ...first!, balance: first!.balance + 1n }, ...rows.slice(1)];
    expect(compareTrialBalance(unbalanced, expected, ledger)).toEqual([
      `${first!.account} in ClickHouse differs from the ledger`,
    ]);
  });
});
