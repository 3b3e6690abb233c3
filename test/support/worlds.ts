import fc from 'fast-check';
import type { AccountInput, PartInput, PostingInput, TransactionInput } from '../../engine/types.js';
import type { Caller } from '../../src/session.js';
import { caller } from './ledger.js';
import type { Command, Model } from './model.js';
import type { Leg } from './statics.js';

/**
 * Random commands over a world so small that everything collides: ten accounts on several shards, two currencies, thirty ids.
 * What depends on the state (which part of a hold to capture) is drawn as a plan and made concrete when its turn comes.
 */

export type Plan = { readonly who: Who } & (
  | { readonly kind: 'transaction'; readonly body: TransactionInput }
  | { readonly kind: 'batch'; readonly bodies: readonly TransactionInput[] }
  | { readonly kind: 'post'; readonly aim: Aim; readonly part: PartPlan }
  | { readonly kind: 'void'; readonly aim: Aim; readonly code: string | null }
  | { readonly kind: 'reverse'; readonly aim: Aim; readonly id: string; readonly part: PartPlan }
  | { readonly kind: 'createAccount'; readonly body: AccountInput }
  | { readonly kind: 'updateAccount'; readonly id: string; readonly change: Change }
  | { readonly kind: 'read'; readonly op: 'account' | 'balance'; readonly id: string }
  | { readonly kind: 'status'; readonly id: string }
  | { readonly kind: 'again'; readonly back: number }
  | { readonly kind: 'expiring'; readonly body: TransactionInput }
  | { readonly kind: 'restart'; readonly shards: number }
);

/** The nth of those that it fits, or any id at all. */
interface Aim {
  readonly nth: number | null;
  readonly id: string;
}

type Who = 'ann' | 'approver' | 'teller' | 'pos' | 'auditor';
type Change = Partial<Record<'frozen' | 'closed', boolean>> & {
  readonly min_balance?: number | null;
  readonly max_balance?: number | null;
};

/** Which part: the whole, an amount, or of each pair of legs so many percent. */
export type PartPlan =
  | { readonly form: 'whole'; readonly code?: string }
  | { readonly form: 'amount'; readonly amount: number }
  | { readonly form: 'postings'; readonly percents: readonly number[]; readonly skew: boolean };

/** The accounts that exist from the start. `{s}` and `{t}` choose shards of their own. */
export const SEED_ACCOUNTS: readonly AccountInput[] = [
  { id: 'house', currency: 'EUR', type: 'equity' },
  { id: 'cash', currency: 'EUR', type: 'asset' },
  { id: '{s}:till', currency: 'EUR', type: 'asset', max_balance: 300 },
  { id: '{t}:gift', currency: 'EUR', type: 'liability' },
  { id: 'sales', currency: 'EUR', type: 'revenue' },
  { id: '{s}:vat', currency: 'EUR', type: 'liability', min_balance: -40, max_balance: 500 },
  { id: 'usd', currency: 'USD', type: 'asset', min_balance: -50 },
  { id: '{t}:usd', currency: 'USD', type: 'equity' },
];

export const SEED_MONEY: readonly TransactionInput[] = [
  { id: 'seed-1', debit: 'cash', credit: 'house', amount: 150 },
  { id: 'seed-2', debit: 'house', credit: '{t}:gift', amount: 120 },
];

const EUR = ['house', 'cash', '{s}:till', '{t}:gift', 'sales', '{s}:vat'];
const USD = ['usd', '{t}:usd'];
const LATER: readonly AccountInput[] = [
  { id: 'later', currency: 'EUR', type: 'expense', max_balance: 100 },
  { id: '{s}:later', currency: 'EUR', type: 'asset', group: 'riga.store1' },
  { id: '{s}:later', currency: 'EUR', type: 'asset', min_balance: -10 },
];
const IDS = [
  ...['t1', 't2', 't3', 't4', 't5', '{s}:t6', '{s}:t7', '{s}:t8', '{t}:t9', '{t}:t10', '{u}:t11', '{u}:t12'],
  ...['t13', 't14', 't15', '{s}:t16', '{t}:t17', '{u}:t18', 't19', 't20'],
];
const REVERSAL_IDS = [
  'r1',
  'r2',
  '{s}:r3',
  '{t}:r4',
  '{u}:r5',
  'r6',
  'r7',
  '{s}:r8',
  '{t}:r9',
  't1',
  '{s}:t6',
];

const id = fc.constantFrom(...IDS);
const account = fc.oneof(
  { arbitrary: fc.constantFrom('house', ...EUR), weight: 20 },
  { arbitrary: fc.constantFrom(...USD, 'later', '{s}:later', 'ghost'), weight: 3 },
);
const amount = fc.oneof(
  { arbitrary: fc.integer({ min: 1, max: 60 }), weight: 30 },
  { arbitrary: fc.integer({ min: 61, max: 400 }), weight: 6 },
  { arbitrary: fc.constantFrom((1n << 62n) + 7n, (1n << 63n) - 1n), weight: 1 },
);
const options = fc.oneof(
  { arbitrary: fc.constant({}), weight: 6 },
  {
    arbitrary: fc.record(
      {
        code: fc.constantFrom('sale', 'tip'),
        reference: fc.constantFrom('receipt 17', 'r/18'),
        currency: fc.constantFrom('EUR', 'USD'),
        metadata: fc.constantFrom({ a: 1, b: 'x' }, { b: 'x', a: 1 }, { a: [1, { c: null }] }),
        effective_at: fc.constantFrom('2024-02-29T12:00:00.000Z', '2025-01-01T00:00:00.000Z'),
      },
      { requiredKeys: [] },
    ),
    weight: 1,
  },
);
const pending = fc.oneof(
  { arbitrary: fc.constant({}), weight: 5 },
  {
    arbitrary: fc.constantFrom(
      { pending: true },
      { pending: { expires_in: 3600 } },
      { pending: { approval: true } },
    ),
    weight: 4,
  },
);
const short = fc.record({ id, debit: account, credit: account, amount });

/** A long form made of moves, so that the plain sums agree: two postings for each. */
const tag = fc.option(fc.constantFrom('vat21', 'vat9'), { nil: undefined, freq: 3 });
const long = fc
  .record({
    id,
    moves: fc.array(fc.record({ debit: account, credit: account, amount, tag }), {
      minLength: 1,
      maxLength: 3,
    }),
  })
  .map(({ id, moves }) => ({
    id,
    postings: moves.flatMap(({ debit, credit, amount, tag }): PostingInput[] => [
      { account: debit, debit: amount, ...(tag !== undefined && { tag }) },
      { account: credit, credit: amount },
    ]),
  }));
const faulty = fc
  .tuple(
    short,
    fc.constantFrom(
      { amount: 0 },
      { amount: -5 },
      { amount: 1.5 },
      { id: 'white space' },
      { colour: 'red' },
      { code: '' },
      { postings: [{ account: 'cash', debit: 1 }] },
      { reference: 'x'.repeat(65) },
    ),
  )
  .map(([body, fault]) => ({ ...body, ...fault }) as TransactionInput);

const body: fc.Arbitrary<TransactionInput> = fc.oneof(
  {
    arbitrary: fc.tuple(fc.oneof(short, long), options, pending).map((parts) => Object.assign({}, ...parts)),
    weight: 20,
  },
  { arbitrary: faulty, weight: 1 },
);

const part: fc.Arbitrary<PartPlan> = fc.oneof(
  fc.constantFrom<PartPlan>({ form: 'whole' }, { form: 'whole' }, { form: 'whole', code: 'end' }),
  fc.record({ form: fc.constant('amount' as const), amount: fc.integer({ min: 1, max: 50 }) }),
  fc.record({
    form: fc.constant('postings' as const),
    percents: fc.array(fc.constantFrom(0, 30, 60, 100, 130), { minLength: 3, maxLength: 3 }),
    skew: fc.oneof({ arbitrary: fc.constant(false), weight: 8 }, { arbitrary: fc.constant(true), weight: 1 }),
  }),
);
const change: fc.Arbitrary<Change> = fc.oneof(
  { arbitrary: fc.constant({ frozen: false, closed: false }), weight: 3 },
  {
    arbitrary: fc.constantFrom<Change>(
      { frozen: true },
      { closed: true },
      { min_balance: null },
      { min_balance: -30 },
      { min_balance: 20 },
      { max_balance: null },
      { max_balance: 200 },
      { max_balance: 90, min_balance: 0 },
    ),
    weight: 4,
  },
);
const who: fc.Arbitrary<Who> = fc.oneof(
  { arbitrary: fc.constant<Who>('ann'), weight: 12 },
  { arbitrary: fc.constantFrom<Who>('approver', 'teller', 'pos', 'auditor'), weight: 4 },
);
const code = fc.option(fc.constantFrom('gave-up', 'error'), { nil: null, freq: 1 });
const aim: fc.Arbitrary<Aim> = fc.record({ nth: fc.option(fc.nat(30), { nil: null, freq: 6 }), id });

/** Commands that touch the state or read it, without those that take the whole ledger. */
const common: readonly { readonly weight: number; readonly arbitrary: fc.Arbitrary<Plan> }[] = [
  { weight: 30, arbitrary: fc.record({ who, kind: fc.constant('transaction' as const), body }) },
  { weight: 10, arbitrary: fc.record({ who, kind: fc.constant('post' as const), aim, part }) },
  { weight: 7, arbitrary: fc.record({ who, kind: fc.constant('void' as const), aim, code }) },
  {
    weight: 11,
    arbitrary: fc.record({
      who,
      kind: fc.constant('reverse' as const),
      aim,
      id: fc.constantFrom(...REVERSAL_IDS),
      part,
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ who, kind: fc.constant('updateAccount' as const), id: account, change }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      who,
      kind: fc.constant('createAccount' as const),
      body: fc.constantFrom(...LATER),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      who,
      kind: fc.constant('read' as const),
      op: fc.constantFrom('account' as const, 'balance' as const),
      id: account,
    }),
  },
  { weight: 4, arbitrary: fc.record({ who, kind: fc.constant('status' as const), id }) },
  { weight: 9, arbitrary: fc.record({ who, kind: fc.constant('again' as const), back: fc.nat(20) }) },
];

/** One command of a sequence, restarts, batches and holds that expire included. */
export const sequentialPlan: fc.Arbitrary<Plan> = fc.oneof(...common, {
  weight: 5,
  arbitrary: fc.record({
    who,
    kind: fc.constant('batch' as const),
    bodies: fc.array(body, { minLength: 1, maxLength: 7 }),
  }),
});
export const concurrentPlan: fc.Arbitrary<Plan> = fc.oneof(...common);
export const restartPlan: fc.Arbitrary<Plan> = fc.record({
  who: fc.constant('ann' as const),
  kind: fc.constant('restart' as const),
  shards: fc.integer({ min: 1, max: 4 }),
});
export const expiringPlan: fc.Arbitrary<Plan> = fc.tuple(short, fc.boolean()).map(([plain, approval]) => ({
  who: 'ann' as const,
  kind: 'expiring' as const,
  body: { ...plain, pending: { expires_in: 1, ...(approval && { approval }) } },
}));

/** The caller of a plan: `ann` may all, the others have the role of their name. */
export function callerOf(tenant: string, who: Who): Caller {
  return who === 'ann' ? caller(tenant, 'ann') : caller(tenant, who, who);
}

/** Makes a plan concrete. @param earlier what was sent before, for `again`; batches and the like are not commands */
export function commandOf(
  plan: Plan,
  tenant: string,
  model: Model,
  earlier: readonly Command[],
): Command | undefined {
  const by = callerOf(tenant, plan.who);
  switch (plan.kind) {
    case 'transaction':
      return { op: 'transaction', caller: by, body: plan.body };
    case 'post': {
      const id = aimed(plan.aim, model, tenant, 'pending');
      const legs = model.transaction(tenant, id)?.legs ?? [];
      return { op: 'post', caller: by, id, body: concrete(plan.part, legs) };
    }
    case 'void':
      return {
        op: 'void',
        caller: by,
        id: aimed(plan.aim, model, tenant, 'pending'),
        body: plan.code === null ? {} : { code: plan.code },
      };
    case 'reverse': {
      const original = aimed(plan.aim, model, tenant, 'posted');
      const part = concrete(plan.part, model.transaction(tenant, original)?.posted ?? []);
      return { op: 'reverse', caller: by, original, body: { id: plan.id, ...part } };
    }
    case 'createAccount':
      return { op: 'createAccount', caller: by, body: plan.body };
    case 'updateAccount':
      return { op: 'updateAccount', caller: by, id: plan.id, body: plan.change };
    case 'read':
      return { op: plan.op, caller: by, id: plan.id };
    case 'status':
      return { op: 'status', caller: by, id: plan.id };
    case 'again': {
      const command = earlier.at(-1 - plan.back);
      return command && { ...command, caller: by };
    }
    default:
      return undefined;
  }
}

function aimed(aim: Aim, model: Model, tenant: string, status: 'pending' | 'posted'): string {
  const fitting = model
    .transactionIds(tenant)
    .filter((id) => model.transaction(tenant, id)!.status === status && !id.startsWith('seed'));
  return aim.nth === null || fitting.length === 0 ? aim.id : fitting[aim.nth % fitting.length]!;
}

function concrete(plan: PartPlan, legs: readonly Leg[]): PartInput {
  if (plan.form === 'whole') return plan.code === undefined ? {} : { code: plan.code };
  if (plan.form === 'amount') return legs.length > 2 && plan.amount > 5 ? {} : { amount: plan.amount };
  const postings = legs.flatMap(({ account, side, amount, tag }, index): PostingInput[] => {
    const percent = plan.percents[(index >> 1) % plan.percents.length]!;
    const taken = (amount * BigInt(percent)) / 100n + (plan.skew && index === 0 ? 1n : 0n);
    if (taken === 0n) return [];
    const named = { account, ...(tag !== undefined && { tag }) };
    return [side === 'debit' ? { ...named, debit: taken } : { ...named, credit: taken }];
  });
  return postings.length === 0 ? {} : { postings };
}
