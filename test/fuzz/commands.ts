import type { Dice } from '../support/dice.js';
import { skewed } from './odds.js';
import { Entries, makeInteger, makeText, makeValue, type Value } from './values.js';

/** Accounts that the campaigns on a server create first; the last ones never exist. */
export const ACCOUNTS = ['bank', 'side', 'till:1', 'till:2', '{s}:till', '{t}:till', 'usd'] as const;
const NOBODY = ['nobody', 'a b', '', 'x'.repeat(64), 'x'.repeat(65)] as const;
const OPS = [
  'transaction',
  'post',
  'void',
  'reverse',
  'batch',
  'status',
  'account',
  'account_get',
  'account_update',
  'balance',
  'ping',
  'subscribe',
  'unsubscribe',
];
const WORDS = [
  'x',
  'VAT',
  'riga.store17',
  '',
  'c'.repeat(32),
  'c'.repeat(33),
  '2026-02-03T04:05:06.789Z',
  '2026-02-30T00:00:00Z',
];

/** Something else than the field should hold, now and then. */
function spoilt(dice: Dice, value: Value): Value {
  if (dice.chance(94)) return value;
  return dice.chance(50) ? makeValue(dice, 2) : makeInteger(dice);
}

/** An id: mostly of few, so that copies, ends and reversals meet; sometimes a new one. */
export function makeId(dice: Dice): Value {
  const id = dice.chance(50) ? `f-${dice.below(2000)}` : `{${'abcd'[dice.below(4)]}}:f-${dice.below(2000)}`;
  return spoilt(dice, dice.chance(40) ? `n-${dice.below(2 ** 31)}` : id);
}

function makeAccount(dice: Dice): Value {
  return spoilt(dice, dice.chance(96) ? dice.pick(ACCOUNTS) : dice.pick(NOBODY));
}

function makeAmount(dice: Dice): Value {
  if (dice.chance(85)) return BigInt(1 + dice.below(100));
  return dice.chance(70) ? makeInteger(dice) : makeValue(dice, 1);
}

type Pairs = [key: string, value: Value][];

function describe(dice: Dice): Pairs {
  const pairs: Pairs = [];
  if (dice.chance(15)) pairs.push(['code', spoilt(dice, dice.pick(WORDS))]);
  if (dice.chance(15)) pairs.push(['reference', spoilt(dice, dice.pick(WORDS))]);
  if (dice.chance(10)) pairs.push(['effective_at', spoilt(dice, dice.pick(WORDS.slice(-2)))]);
  if (dice.chance(10))
    pairs.push(['metadata', spoilt(dice, new Entries([[makeText(dice), makeValue(dice, 2)]]))]);
  return pairs;
}

/** Postings that balance, most of the time. */
function makePostings(dice: Dice): Value {
  const amount = BigInt(1 + dice.below(100));
  const count = dice.chance(90) ? 2 + dice.below(4) : dice.below(70);
  const postings: Value[] = [];
  for (let i = 1; i < count; i++) postings.push(makePosting(dice, 'credit', amount));
  postings.push(makePosting(dice, 'debit', amount * BigInt(Math.max(1, count - 1))));
  return spoilt(dice, postings);
}

function makePosting(dice: Dice, side: string, amount: bigint): Value {
  const pairs: Pairs = [
    ['account', makeAccount(dice)],
    [side, dice.chance(95) ? amount : makeAmount(dice)],
  ];
  if (dice.chance(20)) pairs.push(['tag', spoilt(dice, dice.pick(WORDS))]);
  if (dice.chance(3)) pairs.push([makeText(dice), makeValue(dice, 1)]);
  return new Entries(pairs);
}

/** The fields of a transaction, in any order. */
export function makeTransaction(dice: Dice): Entries {
  const pairs: Pairs = [['id', makeId(dice)]];
  if (dice.chance(60)) {
    pairs.push(['debit', makeAccount(dice)], ['credit', makeAccount(dice)], ['amount', makeAmount(dice)]);
  } else pairs.push(['postings', makePostings(dice)]);
  if (dice.chance(20)) {
    const hold = new Entries([['expires_in', BigInt(dice.pick([1, 60, 3600, 0, 2 ** 31]))]]);
    pairs.push(['pending', spoilt(dice, dice.chance(50) ? true : hold)]);
  }
  if (dice.chance(10)) pairs.push(['currency', spoilt(dice, dice.pick(['EUR', 'USD', 'eur']))]);
  pairs.push(...describe(dice));
  if (dice.chance(4)) pairs.push(dice.pick(pairs));
  if (dice.chance(3)) pairs.push([makeText(dice), makeValue(dice, 2)]);
  return new Entries(dice.chance(30) ? pairs.reverse() : pairs);
}

function fieldsOf(dice: Dice, op: string): Pairs {
  const id: Pairs = [['id', makeId(dice)]];
  switch (op) {
    case 'transaction':
      return [...makeTransaction(dice).pairs] as Pairs;
    case 'batch':
      return [
        [
          'transactions',
          spoilt(
            dice,
            Array.from({ length: skewed(dice, 30) }, () => makeTransaction(dice)),
          ),
        ],
      ];
    case 'post':
      return [
        ...id,
        ...(dice.chance(30) ? ([['amount', makeAmount(dice)]] as Pairs) : []),
        ...describe(dice),
      ];
    case 'reverse':
      return [
        ...id,
        ['original', makeId(dice)],
        ...(dice.chance(30) ? ([['amount', makeAmount(dice)]] as Pairs) : []),
      ];
    case 'account':
      return [
        ['id', makeAccount(dice)],
        ['currency', 'EUR'],
        ['type', spoilt(dice, 'asset')],
        ...describe(dice),
      ];
    case 'account_update':
      return [
        ['id', makeAccount(dice)],
        ['metadata', makeValue(dice, 2)],
      ];
    case 'balance':
      return [['account', makeAccount(dice)]];
    case 'account_get':
      return [['id', makeAccount(dice)]];
    case 'subscribe':
      return describeSubscription(dice);
    case 'unsubscribe':
      return [['subscription', makeInteger(dice)]];
    case 'ping':
      return [];
    default:
      return [...id, ...describe(dice)];
  }
}

function describeSubscription(dice: Dice): Pairs {
  const pairs: Pairs = [];
  if (dice.chance(50)) pairs.push(['from_lsn', spoilt(dice, BigInt(dice.below(200)))]);
  if (dice.chance(50)) pairs.push(['accounts', spoilt(dice, [makeAccount(dice), '{s}*'])]);
  return pairs;
}

/** A map frame with this rid. */
export function makeMap(dice: Dice, rid: number): Entries {
  const op = dice.chance(50) ? 'transaction' : dice.pick(OPS);
  const pairs: Pairs = [['rid', spoilt(dice, BigInt(rid))], ['op', spoilt(dice, op)], ...fieldsOf(dice, op)];
  if (dice.chance(4)) pairs.push(dice.pick(pairs));
  return new Entries(pairs);
}

/** What follows the rid of a compact frame. */
function makeEntry(dice: Dice): Value[] {
  const entry: Value[] = [makeId(dice)];
  if (dice.chance(70)) entry.push(makeAccount(dice), makeAccount(dice), makeAmount(dice));
  else {
    const amount = BigInt(1 + dice.below(100));
    entry.push(
      spoilt(dice, [
        [makeAccount(dice), amount],
        [makeAccount(dice), dice.chance(95) ? -amount : makeAmount(dice)],
      ]),
    );
  }
  for (let n = skewed(dice, 4); n > 0; n--)
    entry.push(dice.chance(50) ? null : spoilt(dice, dice.pick(WORDS)));
  return entry;
}

/** A compact frame with this rid, single or a batch. */
export function makeCompact(dice: Dice, rid: number): Value {
  const number = spoilt(dice, BigInt(rid));
  if (dice.chance(85)) return [number, ...makeEntry(dice)];
  return [
    number,
    Array.from({ length: skewed(dice, 30) }, () => (dice.chance(95) ? makeEntry(dice) : makeValue(dice, 2))),
  ];
}
