import { describe, expect, it } from 'vitest';
import { RecordKind } from '../engine/record.js';
import type { Database } from '../src/analytics/database.js';
import { Reports } from '../src/analytics/reports/reports.js';
import { MadeLog } from './support/made-log.js';
import { temporaryDirectory } from './support/wal.js';
import { embedded, watchedSink } from './support/watched-sink.js';

/** What a statement says while postings come in between the questions that it is made of. */

const WAIT_MS = 30_000;

interface Page {
  readonly closing: number;
  readonly rows: readonly { readonly amount: number; readonly balance: number }[];
}

describe('a statement, newest first', () => {
  it.each(['what it adds up to', 'its rows'] as const)(
    'has each balance right though a sale comes in before ClickHouse reads %s',
    async (late) => {
      const data = temporaryDirectory();
      const log = new MadeLog(data);
      for (const id of ['till', 'sales'])
        log.add(RecordKind.account, { tenant: 'shop', id, currency: 'EUR' });
      const sell = (amount: bigint) => {
        log.add(RecordKind.posted, { tenant: 'shop', id: `sale-${amount}` }, [
          { account: 'till', credit: false, amount },
          { account: 'sales', credit: true, amount },
        ]);
        log.flush();
      };
      for (const amount of [1n, 10n, 100n]) sell(amount);
      const database = await embedded(data);
      const sink = watchedSink(data, database);
      const deliver = async () => {
        sink.durable(log.lsn);
        expect(await sink.reached(log.lsn, WAIT_MS)).toBe(true);
      };
      await deliver();

      let goOn = () => {};
      const isIn = new Promise<void>((resolve) => {
        goOn = resolve;
      });
      const held: Database = Object.assign(Object.create(database) as Database, {
        rows: async (...[sql, ...rest]: Parameters<Database['rows']>) => {
          const isRows = sql.includes('OVER (ORDER BY effective_at');
          const isSums = sql.includes('groupArraySorted');
          if ((isRows && late === 'its rows') || (isSums && late !== 'its rows')) await isIn;
          const answer = await database.rows(sql, ...rest);
          if ((isSums && late === 'its rows') || (isRows && late !== 'its rows')) {
            sell(1000n);
            await deliver();
            goOn();
          }
          return answer;
        },
      });
      const reports = new Reports({
        ...{ database: held, sqlDatabase: undefined, zone: 'UTC', sink },
        durableLsn: () => log.lsn,
        onTiming: () => undefined,
        log: () => undefined,
      });
      const path = 'analytics/accounts/till/statement';
      const asked = { type: 'ask', id: 1, tenant: 'shop', who: 'ann', method: 'GET' } as const;
      // With an end, so that the first page is looked for in the hour before it.
      const query = 'order=desc&limit=2&to=2026-05-30T13:00:00Z';
      const answer = await reports.answer({ ...asked, path, query }, new AbortController().signal);
      if (!answer.ok) throw new Error(answer.refusal.detail);
      const { rows } = JSON.parse(answer.body) as Page;
      const right = new Map([
        [1000, 1111],
        [100, 111],
        [10, 11],
      ]);
      expect(rows).toHaveLength(2);
      for (const { amount, balance } of rows) expect([amount, balance]).toEqual([amount, right.get(amount)]);
      log.close();
    },
  );
});
