import type { Row } from '../database.js';
import { type Asked, big, isDebitNormal, iso, normal, optional, type Report, tableOf } from './asked.js';
import { anyCurrency } from './currencies.js';
import { readCursor, writeCursor } from './cursor.js';
import { both, GROUPS_MAX, readKey } from './filters.js';
import { source } from './source.js';
import { untilAt } from './spans.js';

const LIMIT_MAX = 10_000;
const SIDES = 'sum(debits) AS d, sum(credits) AS c';
/** Accounts that a hold alone has touched have no sums yet. */
const TOUCHED = 'sum(count) > 0';

/** Sums by account type and currency. */
export async function balances(asked: Asked): Promise<Report> {
  const { span, at } = untilAt(asked);
  const key = readKey(asked.parameters);
  const filter = both(anyCurrency(asked), asked.filters.others);
  const from = source(asked, span, { filter });
  const ask = (keys: string, order: string) =>
    asked.rows(
      `SELECT ${keys}, ${SIDES}, uniqExactIf(account, count > 0) AS n FROM ${from} GROUP BY ALL HAVING ${TOUCHED} ORDER BY ${order}`,
      filter.params,
    );
  const types = 'toString(type) AS t, toString(currency) AS m';
  const [rows, groups] = await Promise.all([
    ask(types, 'm, t'),
    key === undefined ? [] : ask(`${key} AS k, ${types}`, `d + c DESC, k, m, t LIMIT ${GROUPS_MAX}`),
  ]);
  const body = ([type, currency, debits, credits, accounts]: Row) => {
    const sums = sidesOf(type as string, debits, credits);
    return { type, currency, ...sums, accounts: big(accounts) };
  };
  return {
    body: {
      at: iso(at),
      types: rows.map(body),
      ...(key !== undefined && { groups: groups.map(([name, ...row]) => ({ key: name, ...body(row) })) }),
    },
  };
}

/** Every account with its sides, in order of its id; both sides' totals are of all of them. */
export async function trialBalance(asked: Asked): Promise<Report> {
  const { span, at } = untilAt(asked);
  const limit = asked.parameters.integer('limit', 1, LIMIT_MAX) ?? 100;
  const key = readKey(asked.parameters);
  const cursor = readCursor(asked.parameters, ['string']);
  const filter = both(anyCurrency(asked), asked.filters.others);
  const page =
    cursor === undefined
      ? filter
      : both(filter, { conditions: ['account > {after:String}'], params: { after: cursor[0] as string } });
  const [rows, totals, groups] = await Promise.all([
    asked.rows(
      'SELECT account, toString(any(type)), toString(argMax(`group`, lsn)), toString(any(currency)), ' +
        `${SIDES} FROM ${source(asked, span, { filter: page })} GROUP BY account HAVING ${TOUCHED} ORDER BY account LIMIT ${limit + 1}`,
      page.params,
    ),
    asked.rows(
      `SELECT toString(currency) AS m, ${SIDES} FROM ${source(asked, span, { filter })} GROUP BY m HAVING ${TOUCHED} ORDER BY m`,
      filter.params,
    ),
    key === undefined
      ? []
      : asked.rows(
          `SELECT ${key} AS k, toString(currency) AS m, ${SIDES} FROM ${source(asked, span, { filter })} ` +
            `GROUP BY k, m HAVING ${TOUCHED} ORDER BY d + c DESC, k, m LIMIT ${GROUPS_MAX}`,
          filter.params,
        ),
  ]);
  const shown = rows.slice(0, limit).map(([account, type, group, currency, debits, credits]) => ({
    account: account as string,
    type: type as string,
    ...optional('group', group),
    currency: currency as string,
    ...sidesOf(type as string, debits, credits),
  }));
  const next = rows.length > limit ? writeCursor([shown.at(-1)!.account]) : undefined;
  const sums = ([currency, debits, credits]: Row) => ({
    currency,
    debits: big(debits),
    credits: big(credits),
  });
  return {
    body: {
      at: iso(at),
      rows: shown,
      totals: totals.map(sums),
      ...(key !== undefined && { groups: groups.map(([name, ...row]) => ({ key: name, ...sums(row) })) }),
      cursor: next,
    },
    table: tableOf(['account', 'type', 'group', 'currency', 'debits', 'credits', 'balance'], shown, next),
  };
}

interface Sheet {
  readonly asset: bigint;
  readonly liability: bigint;
  readonly equity: bigint;
  readonly revenue: bigint;
  readonly expense: bigint;
}

const SHEET_SQL = (['asset', 'liability', 'equity', 'revenue', 'expense'] as const)
  .map((type) => {
    const sides = isDebitNormal(type) ? 'debits - credits' : 'credits - debits';
    return `sumIf(${sides}, type = '${type}')`;
  })
  .join(', ');

/** What is owned, owed and earned, by currency. */
export async function balanceSheet(asked: Asked): Promise<Report> {
  const { span, at } = untilAt(asked);
  const key = readKey(asked.parameters);
  const filter = both(anyCurrency(asked), asked.filters.others);
  const from = source(asked, span, { filter });
  const [sheets, sections, groups] = await Promise.all([
    asked.rows(
      `SELECT toString(currency) AS m, ${SHEET_SQL} FROM ${from} GROUP BY m HAVING ${TOUCHED} ORDER BY m`,
      filter.params,
    ),
    asked.rows(
      'SELECT toString(currency) AS m, toString(type) AS t, grouping(g) AS level, toString(`group`) AS g, ' +
        `${SIDES} FROM ${from} WHERE type IN ('asset', 'liability', 'equity') ` +
        `GROUP BY GROUPING SETS ((m, t, g), (m, t)) HAVING ${TOUCHED} ORDER BY m, t, g`,
      filter.params,
    ),
    key === undefined
      ? []
      : asked.rows(
          `SELECT ${key} AS k, toString(currency) AS m, ${SHEET_SQL} FROM ${from} GROUP BY k, m HAVING ${TOUCHED} ` +
            `ORDER BY sum(debits + credits) DESC, k, m LIMIT ${GROUPS_MAX}`,
          filter.params,
        ),
  ]);
  const sectionsOf = (currency: unknown) =>
    (['asset', 'liability', 'equity'] as const).flatMap((type) => {
      const own = sections.filter(([m, t]) => m === currency && t === type);
      const whole = own.find(([, , level]) => level === '1');
      if (whole === undefined) return [];
      const parts = own
        .filter(([, , level]) => level === '0')
        .map(([, , , group, debits, credits]) => ({
          group,
          balance: sidesOf(type, debits, credits).balance,
        }));
      return [{ type, groups: parts, balance: sidesOf(type, whole[4], whole[5]).balance }];
    });
  return {
    body: {
      at: iso(at),
      currencies: sheets.map(([currency, ...sums]) => ({
        currency,
        ...sheetBody(sheetOf(sums)),
        sections: sectionsOf(currency),
      })),
      ...(key !== undefined && {
        groups: groups.map(([name, currency, ...sums]) => ({
          key: name,
          currency,
          ...sheetBody(sheetOf(sums)),
        })),
      }),
    },
  };
}

function sheetOf(row: Row): Sheet {
  const [asset, liability, equity, revenue, expense] = row.map(big);
  return { asset: asset!, liability: liability!, equity: equity!, revenue: revenue!, expense: expense! };
}

function sheetBody({ asset, liability, equity, revenue, expense }: Sheet) {
  const earnings = revenue - expense;
  return {
    ...{ assets: asset, liabilities: liability, equity, earnings },
    balanced: asset === liability + equity + earnings,
  };
}

/** Both sides, and the balance on the type's normal one. */
function sidesOf(type: string, debits: unknown, credits: unknown) {
  const [d, c] = [big(debits), big(credits)];
  return { balance: normal(type, d, c), debits: d, credits: c };
}
