import { describe, expect, it } from 'vitest';
import type { Database } from '../src/analytics/database.js';
import { MadeLog } from './support/made-log.js';
import { MadeShop } from './support/made-shop.js';
import { answerOf, bodyOf } from './support/one-report.js';
import { temporaryDirectory } from './support/wal.js';
import { embedded, watchedSink } from './support/watched-sink.js';

/** What a statement says while postings come in between the questions that it is made of. */

const WAIT_MS = 30_000;

interface Page {
  readonly rows: readonly { readonly amount: number; readonly balance: number }[];
}

describe('a statement, newest first', () => {
  it.each(['what it adds up to', 'its rows'] as const)(
    'has each balance right though a sale comes in before ClickHouse reads %s',
    async (late) => {
      const data = temporaryDirectory();
      const log = new MadeLog(data);
      const shop = new MadeShop(log);
      for (const amount of [1n, 10n, 100n]) shop.sell(amount);
      log.flush();
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
          const [isFirst, isSecond] = late === 'its rows' ? [isSums, isRows] : [isRows, isSums];
          if (isSecond) await isIn;
          const answer = await database.rows(sql, ...rest);
          if (isFirst) {
            shop.sell(1000n);
            log.flush();
            await deliver();
            goOn();
          }
          return answer;
        },
      });
      const told = { database: held, sink, tenant: 'shop' };
      // With an end, so that the first page is looked for in the hour before it.
      const query = 'order=desc&limit=2&to=2026-05-30T13:00:00Z';
      const answer = await answerOf(told, 'analytics/accounts/till/statement', query);
      const { rows } = JSON.parse(bodyOf(answer)) as Page;
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
