import { State } from '../../engine/state.js';
import type { AccountInput } from '../../engine/types.js';
import type { Ledger } from '../../src/ledger.js';
import type { Session } from '../../src/session.js';
import { openLog, openLogReader } from '../../wal/log.js';
import { recover, replayLog } from '../../wal/recover.js';
import { stateHash } from '../../wal/verify.js';
import { must, until } from './ledger.js';

/** Trade of several days that leaves everything there is in a ledger, so that a state that lost any of it differs. */

const TENANTS = ['riga', 'vilnius'] as const;
const ACCOUNTS: readonly AccountInput[] = [
  { id: 'house', currency: 'EUR', type: 'equity' },
  { id: 'cash', currency: 'EUR', type: 'asset', group: 'shop.front', metadata: { till: 3, name: 'žalia' } },
  { id: '{s}:till', currency: 'EUR', type: 'asset', max_balance: 1_000_000 },
  { id: '{t}:gift', currency: 'EUR', type: 'liability', min_balance: -5000 },
  { id: 'sales', currency: 'EUR', type: 'revenue' },
  { id: 'usd', currency: 'USD', type: 'asset', min_balance: null, metadata: { rate: [1, 2] } },
  { id: '{t}:usd', currency: 'USD', type: 'equity' },
];

/** One day for every tenant. Days are numbered from 0 and build on the day before. */
export async function tradeDay(ledger: Ledger, day: number): Promise<void> {
  for (const tenant of TENANTS)
    await tradeDayOf(ledger.as({ tenant, by: 'ann', terminal: `till-${day}` }), day);
}

async function tradeDayOf(session: Session, day: number): Promise<void> {
  const before = day - 1;
  if (day === 0) {
    for (const account of ACCOUNTS) must(await session.createAccount(account));
    must(await session.transaction({ id: 'fund', debit: 'cash', credit: 'house', amount: 500_000 }));
  }
  must(
    await session.createAccount({ id: `{s}:day-${day}`, currency: 'EUR', type: 'expense', group: `d${day}` }),
  );
  for (let i = 0; i < 5; i++) {
    must(
      await session.transaction({
        id: `sale-${day}-${i}`,
        debit: '{s}:till',
        credit: 'sales',
        amount: 100 + i,
      }),
    );
  }
  must(
    await session.transaction({
      id: `split-${day}`,
      postings: [
        { account: 'cash', debit: 120 },
        { account: 'sales', credit: 100, tag: 'vat21' },
        { account: '{t}:gift', credit: 20 },
        { account: 'usd', debit: 7 },
        { account: '{t}:usd', credit: 7 },
      ],
      metadata: { day },
    }),
  );
  for (const name of ['part', 'whole', 'void', 'open']) {
    const pending = name === 'open' ? { expires_in: 3600, approval: true } : true;
    must(
      await session.transaction({
        id: `${name}-${day}`,
        debit: '{s}:till',
        credit: 'cash',
        amount: 50,
        pending,
      }),
    );
  }
  must(await session.void(`never-${day}`));
  if (day > 0) {
    must(await session.post(`part-${before}`, { amount: 30 }));
    must(await session.post(`whole-${before}`));
    must(await session.void(`void-${before}`));
    must(await session.reverse(`sale-${before}-0`, { id: `back-${day}`, amount: 40 }));
    must(await session.reverse(`part-${before}`, { id: `back-part-${day}`, amount: 10 }));
    must(await session.reverse('sale-0-1', { id: `often-${day}`, amount: 1 }));
  }
  if (day > 1) must(await session.reverse(`back-${before}`, { id: `again-${day}`, amount: 15 }));
  must(await session.updateAccount(`{s}:day-${day}`, { frozen: true, min_balance: -10 - day }));
  if (day > 0) {
    must(
      await session.updateAccount(`{s}:day-${before}`, { frozen: false, min_balance: null, max_balance: 77 }),
    );
    must(await session.updateAccount(`{s}:day-${before}`, { closed: day % 2 === 0, group: null }));
    must(await session.updateAccount('cash', day % 2 === 0 ? { group: `g${day}` } : { metadata: { day } }));
  }
}

/** Everything that can be asked after so many days, as JSON. */
export async function answersAfter(ledger: Ledger, days: number): Promise<string> {
  const answers: unknown[] = [];
  for (const tenant of TENANTS) {
    const session = ledger.as({ tenant, by: 'ann' });
    for (const { id } of ACCOUNTS) answers.push(await session.account(id), await session.balance(id));
    for (let day = 0; day < days; day++) {
      answers.push(await session.account(`{s}:day-${day}`));
      const names = [
        'split',
        'part',
        'whole',
        'void',
        'open',
        'never',
        'back',
        'back-part',
        'often',
        'again',
      ];
      const ids = [
        ...names.map((name) => `${name}-${day}`),
        ...[0, 1, 2, 3, 4].map((i) => `sale-${day}-${i}`),
      ];
      for (const id of ids) answers.push(await session.status(id));
    }
  }
  return JSON.stringify(answers, (_, value) => (typeof value === 'bigint' ? `${value}n` : value), 1);
}

/** Waits until the checkpoint stands at the log's end. */
export async function untilCheckpointed(ledger: Ledger): Promise<number> {
  return until('the checkpoint stands at the end', () => {
    const { checkpointLsn, durableLsn } = ledger.stats();
    return checkpointLsn === durableLsn && checkpointLsn;
  });
}

export interface LogEnd {
  readonly key: Uint8Array;
  readonly ledger: string;
  readonly lsn: number;
}

/** The end of the log of a ledger that is closed. */
export function logEnd(data: string): LogEnd {
  const log = openLog({ data });
  const { ledger, last } = log;
  log.close();
  return { key: ledger.key, ledger: ledger.id, lsn: last.lsn };
}

/** The hash of what so many shards recover, and what they started from. */
export function recoveredHash(
  data: string,
  shards: number,
): { readonly hash: string; readonly checkpointLsn: number; readonly faults: readonly string[] } {
  const { key, lsn } = logEnd(data);
  const recovered = Array.from({ length: shards }, (_, shard) =>
    recover(() => new State(shard, shards, key), data, lsn),
  );
  return {
    hash: stateHash(...recovered.map(({ state }) => state)),
    checkpointLsn: Math.min(...recovered.map(({ checkpointLsn }) => checkpointLsn)),
    faults: recovered.flatMap(({ fault }) => (fault === undefined ? [] : [fault])),
  };
}

/** The hash of what one shard replays from the log alone, up to an LSN. */
export function replayedHash(data: string, toLsn?: number): string {
  const { key, lsn } = logEnd(data);
  const state = new State(0, 1, key);
  const reader = openLogReader({ data });
  replayLog(state, reader, data, 0, toLsn ?? lsn);
  reader.close();
  return stateHash(state);
}
