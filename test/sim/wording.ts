import type {
  AccountInput,
  AccountUpdateInput,
  AmountInput,
  DescribedInput,
  PartInput,
  PendingInput,
  PostingInput,
  TransactionInput,
} from '../../engine/types.js';
import { type Leg, legsOf } from '../support/statics.js';
import { type Cast, VAULTS } from './cast.js';
import type { Draw } from './draw.js';

/** What clients say: bodies of every form that the contract has. */

const HUGE = (1n << 63n) - 1n;

/** A transaction between accounts of one currency, most often; with every option now and then. */
export function transactionBody(draw: Draw, cast: Cast, id: string): TransactionInput {
  const what = draw.weighted({ short: 42, long: 32, wide: 3, mixed: 4, stray: 3, huge: 5, fund: 11 });
  const from = draw.pick(cast.pools);
  const described = description(draw);
  switch (what) {
    case 'short':
      return { id, debit: draw.pick(from), credit: draw.pick(from), amount: amount(draw), ...described };
    case 'long':
      return {
        id,
        postings: postings(draw, from, draw.between(2, 6)),
        ...currency(draw, cast, from),
        ...described,
      };
    case 'wide':
      return { id, postings: postings(draw, from, draw.pick([20, 63, 64])), ...described };
    case 'mixed':
      return { id, postings: [...pair(draw, cast.pools[0]!), ...pair(draw, cast.pools[4]!)], ...described };
    case 'stray':
      return { id, postings: strayPair(draw, cast), ...described };
    case 'huge': {
      const [debit, credit] = draw.shuffled(VAULTS) as [string, string];
      const share = draw.pick([1n, 2n, 4n]);
      return { id, debit, credit, amount: HUGE / share - BigInt(draw.below(3)), ...described };
    }
    case 'fund': {
      const debit = from.find((account) => account.endsWith('house')) ?? from[0]!;
      const [to, isIn] = [draw.pick(from), draw.chance(50)];
      return { id, debit: isIn ? to : debit, credit: isIn ? debit : to, amount: draw.between(20, 120) };
    }
  }
}

/** A transaction that reserves. */
export function holdBody(draw: Draw, cast: Cast, id: string): TransactionInput {
  return { ...transactionBody(draw, cast, id), pending: pending(draw) };
}

function pending(draw: Draw): true | PendingInput {
  if (draw.chance(25)) return true;
  return {
    ...(draw.chance(60) && { expires_in: draw.between(1, 4) }),
    ...(draw.chance(30) && { approval: true }),
  };
}

/** Small beside what the accounts hold, but not by much. */
function amount(draw: Draw): AmountInput {
  const value = draw.between(1, 45);
  return draw.pick<AmountInput>([value, value, BigInt(value), `${value}`]);
}

/** Balanced; accounts come more than once when there are few. */
function postings(draw: Draw, from: readonly string[], n: number): PostingInput[] {
  const amounts = Array.from({ length: n - 1 }, () => draw.between(1, n > 8 ? 4 : 30));
  const signs = amounts.map(() => draw.chance(50));
  const legs = amounts.map((value, i) => posting(draw, draw.pick(from), signs[i]!, value));
  const net = amounts.reduce((sum, value, i) => sum + (signs[i] ? value : -value), 0);
  const last = draw.pick(from);
  if (net !== 0) return [...legs, posting(draw, last, net < 0, Math.abs(net))];
  // The plain sums are equal already: one leg grows, and the last one answers it.
  const grown = posting(draw, legs[0]!.account, signs[0]!, amounts[0]! + 5);
  return [grown, ...legs.slice(1), posting(draw, last, !signs[0]!, 5)];
}

function posting(draw: Draw, account: string, isDebit: boolean, value: AmountInput): PostingInput {
  const tag = draw.chance(15) ? { tag: draw.pick(['net', 'vat21']) } : {};
  return isDebit ? { account, debit: value, ...tag } : { account, credit: value, ...tag };
}

function pair(draw: Draw, from: readonly string[]): PostingInput[] {
  const value = draw.between(1, 30);
  return [posting(draw, draw.pick(from), true, value), posting(draw, draw.pick(from), false, value)];
}

/** The plain sums agree, the currencies do not; or an account that nobody made. */
function strayPair(draw: Draw, cast: Cast): PostingInput[] {
  const [eur, usd] = [cast.pools[0]!, cast.pools[4]!];
  const other = draw.chance(60) ? draw.pick(usd) : 'ghost';
  return [posting(draw, draw.pick(eur), true, 7), posting(draw, other, false, 7)];
}

function currency(draw: Draw, cast: Cast, from: readonly string[]): { currency?: string } {
  if (draw.chance(75)) return {};
  const own = cast.accounts.find((account) => account.id === from[0])!.currency;
  return { currency: draw.chance(80) ? own : 'XAU' };
}

export function description(draw: Draw): DescribedInput {
  if (draw.chance(60)) return {};
  return {
    ...(draw.chance(50) && { code: draw.pick(['sale', 'tip']) }),
    ...(draw.chance(30) && { reference: `receipt ${draw.below(3)}` }),
    ...(draw.chance(30) && { effective_at: draw.pick(['2026-01-02T03:04:05Z', '2026-01-02T03:04:05.000Z']) }),
    ...(draw.chance(20) && {
      metadata: draw.pick([{ a: 1, b: 'x' }, { b: 'x', a: 1 }, { list: [1, null] }]),
    }),
  };
}

/** Part of these legs: the whole, an amount, or postings; too much now and then. */
export function partBody(draw: Draw, legs: readonly Leg[]): PartInput {
  const what = draw.weighted({ whole: 40, amount: 25, postings: 30, odd: 5 });
  const described = description(draw);
  if (what === 'whole' || legs.length === 0) return described;
  if (what === 'amount') return { amount: draw.between(1, Number(least(legs)) + 3), ...described };
  if (what === 'odd') return { postings: strangers(legs), ...described };
  return { postings: portions(draw, legs), ...described };
}

function least(legs: readonly Leg[]): bigint {
  const smallest = legs.reduce((low, leg) => (leg.amount < low ? leg.amount : low), 40n);
  return smallest > 40n ? 40n : smallest;
}

/** Matches debits and credits of the legs with each other until some of them are used up; whole legs now and then. */
function portions(draw: Draw, legs: readonly Leg[]): PostingInput[] {
  const [debits, credits] = (['debit', 'credit'] as const).map((side) =>
    draw.shuffled(legs.filter((leg) => leg.side === side)),
  ) as [Leg[], Leg[]];
  // Of a body that was at fault and had one side only.
  if (debits.length === 0 || credits.length === 0) return strangers(legs);
  const parts: PostingInput[] = [];
  const pairs = draw.between(1, Math.max(1, Math.min(debits.length, credits.length)));
  for (let i = 0; i < pairs; i++) {
    const [debit, credit] = [debits[i]!, credits[i % credits.length]!];
    const most = debit.amount < credit.amount ? debit.amount : credit.amount;
    const value = most > 60n ? most : BigInt(draw.between(1, Number(most) + (draw.chance(10) ? 2 : 0)));
    parts.push(named(debit, value), named(credit, value));
  }
  return parts;
}

function named({ account, side, tag }: Leg, value: bigint): PostingInput {
  const tagged = tag === undefined ? {} : { tag };
  return side === 'debit' ? { account, debit: value, ...tagged } : { account, credit: value, ...tagged };
}

/** Legs that were never there. */
function strangers(legs: readonly Leg[]): PostingInput[] {
  return [
    named({ ...legs[0]!, side: 'debit', tag: 'none' }, 1n),
    named({ ...legs[0]!, side: 'credit', tag: 'none' }, 1n),
  ];
}

export function accountBody(draw: Draw, cast: Cast): AccountInput {
  const given = draw.pick(cast.accounts);
  if (draw.chance(60)) return given;
  return draw.pick<AccountInput>([
    { ...given, max_balance: 500 },
    { ...given, type: 'asset' },
    { id: 'never', currency: 'EUR', type: 'asset', min_balance: 5 },
    { id: '{a}:never', currency: 'EUR', type: 'revenue', max_balance: '-3' },
    { ...given, currency: 'eur' },
    { ...given, group: 'a..b' },
    { id: 'late', currency: 'EUR', type: 'asset', min_balance: -10n },
    { id: '{c}:late', currency: 'USD', type: 'revenue', metadata: { z: [{}] } },
  ]);
}

/** Things that undo each other in turn, so that no world stands still. */
export function updateBody(draw: Draw): AccountUpdateInput {
  return draw.pick<AccountUpdateInput>([
    { frozen: true },
    { frozen: false },
    { closed: true },
    { closed: true },
    { frozen: false, closed: false },
    { frozen: false, closed: false, min_balance: null },
    { closed: true },
    { closed: false },
    { min_balance: -draw.below(40) },
    { min_balance: 0 },
    { max_balance: draw.between(30, 200) },
    { min_balance: null, max_balance: null },
    { group: 'riga.store17', metadata: { k: draw.below(3) } },
    { group: null, metadata: null, frozen: false },
  ]);
}

/** The same content, said otherwise. */
export function reworded(draw: Draw, body: TransactionInput): TransactionInput {
  if (body.postings === undefined) {
    const { debit, credit, amount: value, ...rest } = body;
    if (draw.chance(50)) return { ...rest, debit: debit!, credit: credit!, amount: String(value) };
    return {
      ...rest,
      postings: [
        { account: debit!, debit: value! },
        { account: credit!, credit: value! },
      ],
    };
  }
  const legs = legsOf(body);
  const { postings: _, ...rest } = body;
  const [first, second] = legs as [Leg, Leg];
  const isPlain = legs.length === 2 && first.side === 'debit' && second.side === 'credit';
  if (isPlain && first.tag === undefined && second.tag === undefined && first.amount === second.amount) {
    return { ...rest, debit: first.account, credit: second.account, amount: first.amount };
  }
  return { ...rest, postings: legs.map((leg) => named(leg, leg.amount)) };
}

/** Another body under the same id. */
export function changedMind(draw: Draw, body: TransactionInput): TransactionInput {
  const legs = legsOf(body);
  const changed = legs.map((leg) => named(leg, leg.amount + 1n));
  const { debit: _, credit: __, amount: ___, ...rest } = body;
  return draw.pick<TransactionInput>([
    { ...body, code: body.code === 'other' ? 'sale' : 'other' },
    { ...rest, postings: changed },
    { ...rest, postings: legs.toReversed().map((leg) => named(leg, leg.amount)) },
    { ...body, pending: body.pending === undefined },
    { ...body, metadata: { changed: true } },
  ]);
}

/** A body with a fault that needs no ledger to be seen. */
export function faultyBody(draw: Draw, cast: Cast, id: string): TransactionInput {
  const from = cast.pools[0]!;
  const good = { id, debit: from[0]!, credit: from[1]!, amount: 5 };
  return draw.pick<TransactionInput>([
    { ...good, amount: 0 },
    { ...good, amount: 1.5 },
    { ...good, amount: 1n << 63n },
    { ...good, id: 'no spaces' },
    { ...good, debit: '' },
    { ...good, code: 'x'.repeat(33) },
    { ...good, reference: 'é' },
    { ...good, effective_at: 'yesterday' },
    { ...good, metadata: { text: 'x'.repeat(1100) } },
    {
      id,
      postings: [
        { account: from[0]!, debit: 3 },
        { account: from[1]!, credit: 4 },
      ],
    },
    { id, postings: [{ account: from[0]!, debit: 3 }] },
    {
      id,
      postings: Array.from({ length: 66 }, (_, i) => ({
        account: from[0]!,
        [i % 2 ? 'debit' : 'credit']: 1,
      })),
    },
  ]);
}

/** As a compact frame's fields after the rid, or undefined where that form cannot say it. */
export function compactFields(body: TransactionInput): unknown[] | undefined {
  if (body.currency !== undefined || body.pending !== undefined || body.metadata !== undefined)
    return undefined;
  const options: (string | null)[] = [body.code ?? null, body.reference ?? null, body.effective_at ?? null];
  while (options.at(-1) === null) options.pop();
  if (body.postings === undefined) return [body.id, body.debit, body.credit, body.amount, ...options];
  const signed = body.postings.map(({ account, debit, credit, tag }) => [
    account,
    debit ?? negative(credit!),
    ...(tag === undefined ? [] : [tag]),
  ]);
  return [body.id, signed, ...options];
}

function negative(value: AmountInput): AmountInput {
  return typeof value === 'string' ? `-${value}` : -value;
}
