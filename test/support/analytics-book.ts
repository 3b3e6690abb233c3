import type { PostingInput, TransactionInput } from '../../engine/types.js';
import type { Session } from '../../src/session.js';
import type { AnalyticsLedger } from './analytics-ledger.js';
import { type Leg, Model } from './analytics-model.js';
import { must } from './ledger.js';
import { randomFrom } from './random.js';

/**
 * A random book, the same for the same seed but for what the clock gives: traded over the real ledger, and written down leg by leg in a
 * model as the contract says it must come out.
 */

/** Clocks change in Riga on 2024-03-31T01:00Z and 2024-10-27T01:00Z. */
const DAY_MS = 86_400_000;
const MOMENTS = [
  ...[
    '2024-03-30T21:59:59.999Z',
    '2024-03-30T22:00:00.000Z',
    '2024-03-31T00:59:59.999Z',
    '2024-03-31T01:00:00.000Z',
  ],
  ...[
    '2024-03-31T20:59:59.999Z',
    '2024-03-31T21:00:00.000Z',
    '2024-10-26T21:00:00.000Z',
    '2024-10-27T00:30:00.000Z',
  ],
  ...[
    '2024-10-27T01:00:00.000Z',
    '2024-10-27T01:30:00.000Z',
    '2024-10-27T22:00:00.000Z',
    '2024-10-28T21:59:59.999Z',
  ],
  ...[
    '2024-03-31T18:14:59.999Z',
    '2024-03-31T18:15:00.000Z',
    '2024-12-31T23:59:59.999Z',
    '2025-01-01T00:00:00.000Z',
  ],
].map((text) => Date.parse(text));
const CODES = [undefined, 'sale', 'lunch', 'refund'] as const;
const TILLS = ['till:1', 'till:2', 'till:3', 'kiosk'] as const;
/** Times beyond what the tables hold count as the first and last they hold. */
export const FIRST_MS = Date.UTC(1900, 0, 1);
export const LAST_MS = Date.UTC(2300, 0, 1) - 1;

const ACCOUNTS = [
  ['till:1', 'asset', 'EUR', 'riga.store1'],
  ['till:2', 'asset', 'EUR', 'riga.store1'],
  ['till:3', 'asset', 'USD', 'riga.store17'],
  ['bank', 'asset', 'EUR', ''],
  ['bank:usd', 'asset', 'USD', 'bank'],
  ['sales', 'revenue', 'EUR', 'sales'],
  ['sales:food', 'revenue', 'EUR', 'sales.food'],
  ['sales:usd', 'revenue', 'USD', 'sales'],
  ['vat', 'liability', 'EUR', 'tax'],
  ['vat:usd', 'liability', 'USD', 'tax'],
  ['loan', 'liability', 'EUR', 'bank'],
  ['rent', 'expense', 'EUR', 'cost'],
  ['goods:usd', 'expense', 'USD', 'cost.goods'],
  ['capital', 'equity', 'EUR', ''],
  ['huge:a', 'asset', 'XTS', 'huge'],
  ['huge:b', 'revenue', 'XTS', 'huge'],
] as const;

interface Hold {
  readonly id: string;
  readonly legs: readonly PostingInput[];
  readonly lsn: number;
  readonly words: Pick<TransactionInput, 'code' | 'reference' | 'effective_at'>;
}

export class Book {
  readonly model = new Model();
  private readonly pick: (below: number) => number;
  private readonly open: Hold[] = [];
  private readonly posted: { readonly id: string; readonly legs: readonly PostingInput[] }[] = [];
  /** What an original's reversals have taken of it in all. */
  private readonly reversed = new Map<string, bigint>();
  private readonly sessions = new Map<string, Session>();
  private serial = 0;
  /** Status by id, for the list of transactions. */
  readonly statuses = new Map<string, string>();

  constructor(
    private readonly analytics: AnalyticsLedger,
    readonly tenant: string,
    seed: number,
  ) {
    this.pick = randomFrom(seed);
  }

  async trade(steps: number): Promise<void> {
    for (const [id, type, currency, group] of ACCOUNTS) {
      const free = { min_balance: null, ...(group === '' ? {} : { group }) };
      const { lsn } = must(await this.as('ann').createAccount({ id, type, currency, ...free }));
      this.model.accounts.set(id, { id, type, currency, group, groups: [[lsn, group]] });
    }
    await this.huge();
    await this.go(steps);
  }

  /** Some steps more. */
  async go(steps: number): Promise<void> {
    for (let step = 0; step < steps; step++) {
      const dice = this.pick(20);
      if (dice === 0) await this.regroup();
      else if (dice <= 3) await this.end();
      else if (dice <= 5) await this.reverse();
      else await this.create();
    }
  }

  private as(by: string, terminal?: string): Session {
    const key = `${by} ${terminal}`;
    let session = this.sessions.get(key);
    if (session === undefined) {
      session = this.analytics.ledger.as({
        tenant: this.tenant,
        by,
        ...(terminal !== undefined && { terminal }),
      });
      this.sessions.set(key, session);
    }
    return session;
  }

  /** Close to all that 64 bits hold, on both sides. */
  private async huge(): Promise<void> {
    const amount = 2n ** 61n + 12_345n;
    for (let i = 0; i < 3; i++) {
      const legs = [
        { account: 'huge:a', ...(i === 1 ? { credit: amount } : { debit: amount }) },
        { account: 'huge:b', ...(i === 1 ? { debit: amount } : { credit: amount }) },
      ];
      await this.send(legs, {});
    }
  }

  private word<T>(words: readonly T[]): T {
    return words[this.pick(words.length)]!;
  }

  private amount(): bigint {
    return BigInt(this.word([1, 5, 99, 100, 12_345, 1_000_000]) + this.pick(50));
  }

  /** Now when undefined. */
  private moment(): number | undefined {
    const dice = this.pick(10);
    if (dice < 2) return undefined;
    if (dice < 6) return this.word(MOMENTS);
    if (dice === 6) return this.word([Date.UTC(1899, 5, 1), Date.UTC(2400, 0, 1), Date.UTC(2031, 1, 3)]);
    return Date.UTC(2024, 2, 20) + this.pick(250) * DAY_MS + this.pick(DAY_MS);
  }

  private legs(): PostingInput[] {
    const dice = this.pick(12);
    const amount = this.amount();
    if (dice < 6) {
      const vat = amount / 5n;
      const till = this.word(['till:1', 'till:2', 'bank']);
      const [inward, outward] =
        this.pick(6) === 0 ? (['credit', 'debit'] as const) : (['debit', 'credit'] as const);
      const sale = { account: this.word(['sales', 'sales:food']), [outward]: amount };
      const rest =
        vat === 0n ? [] : [{ account: 'vat', [outward]: vat, tag: this.word(['vat21', 'vat12', 'other']) }];
      return [
        { account: till, [inward]: amount + vat } as PostingInput,
        sale as PostingInput,
        ...(rest as PostingInput[]),
      ];
    }
    if (dice < 8) {
      return [
        { account: 'till:3', debit: amount, tag: 'cash' },
        { account: 'sales:usd', credit: amount },
      ];
    }
    if (dice === 8)
      return [
        { account: 'rent', debit: amount },
        { account: 'bank', credit: amount },
      ];
    if (dice === 9)
      return [
        { account: 'goods:usd', debit: amount },
        { account: 'bank:usd', credit: amount },
      ];
    if (dice === 10)
      return [
        { account: 'bank', debit: amount },
        { account: this.word(['capital', 'loan']), credit: amount },
      ];
    // Two currencies in one transaction, an account twice.
    return [
      ...[
        { account: 'bank', debit: amount },
        { account: 'bank', debit: 3n, tag: 'fee' },
        { account: 'capital', credit: amount + 3n },
      ],
      ...[
        { account: 'bank:usd', debit: 2n * amount },
        { account: 'vat:usd', credit: 2n * amount, tag: 'vat5' },
      ],
    ];
  }

  private describe(): Pick<TransactionInput, 'code' | 'reference' | 'effective_at'> {
    const code = this.word(CODES);
    const at = this.moment();
    return {
      ...(code !== undefined && { code }),
      ...(this.pick(3) === 0 && { reference: this.word(['=SUM(A1)', 'r "1", x', 'inv-7']) }),
      ...(at !== undefined && { effective_at: new Date(at).toISOString() }),
    };
  }

  private async create(): Promise<void> {
    await this.send(this.legs(), this.describe(), this.pick(4) === 0);
  }

  private async send(
    legs: readonly PostingInput[],
    words: Pick<TransactionInput, 'code' | 'reference' | 'effective_at'>,
    isHold = false,
  ): Promise<void> {
    const id = `tx:${++this.serial}`;
    const terminal = this.pick(5) === 0 ? undefined : this.word(TILLS);
    const session = this.as(this.word(['ann', 'bob']), terminal);
    const body = { id, postings: legs, ...words, ...(isHold && { pending: true }) };
    const { lsn, committed_at } = must(await session.transaction(body));
    const kind = isHold ? 'pending' : 'posted';
    const taken = legs.map((leg) => amountOf(leg));
    this.write(
      lsn,
      kind,
      id,
      session,
      committed_at,
      words,
      legs,
      isHold ? legs.map(() => 0n) : taken,
      isHold ? taken : [],
    );
    this.statuses.set(id, kind);
    if (isHold) this.open.push({ id, legs, lsn, words });
    else this.posted.push({ id, legs });
  }

  /** Ends a hold in one of the ways there are. */
  private async end(): Promise<void> {
    const [hold] = this.open.splice(this.pick(Math.max(1, this.open.length)), 1);
    if (hold === undefined) return;
    const session = this.as(this.word(['ann', 'bob']), this.pick(2) === 0 ? undefined : this.word(TILLS));
    const words = this.describe();
    // What an end does not say of itself its hold has said.
    const { code, reference } = hold.words;
    const counted = {
      ...(code !== undefined && { code }),
      ...(reference !== undefined && { reference }),
      ...words,
    };
    const freed = hold.legs.map((leg) => -amountOf(leg));
    if (this.pick(3) === 0) {
      const { end } = must(await session.void(hold.id, words));
      this.write(
        end!.lsn,
        'void',
        hold.id,
        session,
        end!.committed_at,
        counted,
        hold.legs,
        freed.map(() => 0n),
        freed,
      );
      this.statuses.set(hold.id, 'voided');
      return;
    }
    const whole = amountOf(hold.legs[0]!);
    const part =
      hold.legs.length === 2 && this.pick(2) === 0 ? 1n + BigInt(this.pick(Number(whole))) : undefined;
    const { end } = must(
      await session.post(hold.id, { ...words, ...(part !== undefined && { amount: part }) }),
    );
    const taken = hold.legs.map((leg) => part ?? amountOf(leg));
    this.write(end!.lsn, 'post', hold.id, session, end!.committed_at, counted, hold.legs, taken, freed);
    this.statuses.set(hold.id, 'posted');
  }

  private async reverse(): Promise<void> {
    const original = this.posted[this.pick(Math.max(1, this.posted.length))];
    if (original === undefined || original.legs.length !== 2) return;
    const left = amountOf(original.legs[0]!) - (this.reversed.get(original.id) ?? 0n);
    if (left <= 0n) return;
    const amount = left > 2n ** 60n ? left : 1n + BigInt(this.pick(Number(left)));
    this.reversed.set(original.id, (this.reversed.get(original.id) ?? 0n) + amount);
    const id = `tx:${++this.serial}`;
    const session = this.as('ann', this.word(TILLS));
    const words = this.describe();
    const { lsn, committed_at } = must(await session.reverse(original.id, { id, amount, ...words }));
    const legs = original.legs.map(({ account, debit, tag }) => ({
      account,
      ...(debit === undefined ? { debit: amount } : { credit: amount }),
      ...(tag !== undefined && { tag }),
    }));
    this.write(
      lsn,
      'reversal',
      id,
      session,
      committed_at,
      words,
      legs,
      legs.map(() => amount),
      [],
    );
    this.statuses.set(id, 'posted');
  }

  /** From here on the account's postings count elsewhere. */
  private async regroup(): Promise<void> {
    const id = this.word(['till:1', 'sales:food', 'bank']);
    const group = this.word(['riga.store2', 'sales.food.hot', 'tartu']);
    const { lsn } = must(await this.as('ann').updateAccount(id, { group }));
    const account = this.model.accounts.get(id)!;
    account.group = group;
    account.groups.push([lsn, group]);
  }

  private write(
    lsn: number,
    kind: string,
    transaction: string,
    { caller }: Session,
    committedAt: string,
    words: Pick<TransactionInput, 'code' | 'reference' | 'effective_at'>,
    legs: readonly PostingInput[],
    amounts: readonly bigint[],
    held: readonly bigint[],
  ): void {
    const committedMs = Date.parse(committedAt);
    const effective = words.effective_at === undefined ? committedMs : Date.parse(words.effective_at);
    for (const [leg, { account, debit, tag = '' }] of legs.entries()) {
      const { type, currency, group } = this.model.accounts.get(account)!;
      const entry: Leg = {
        ...{ lsn, leg, transaction, kind, account, type, group, currency, tag, committedMs },
        side: debit === undefined ? 'credit' : 'debit',
        amount: amounts[leg]!,
        held: held[leg] ?? 0n,
        code: words.code ?? '',
        reference: words.reference ?? '',
        by: caller.by,
        terminal: caller.terminal ?? '',
        effectiveMs: Math.min(Math.max(effective, FIRST_MS), LAST_MS),
      };
      this.model.legs.push(entry);
    }
  }
}

function amountOf({ debit, credit }: PostingInput): bigint {
  return BigInt(debit ?? credit!);
}
