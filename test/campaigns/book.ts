import type { TransactionInput } from '../../engine/types.js';
import type { Caller } from '../../src/session.js';
import { type Deed, FORMS, type Form, keyOf, type Verdict } from '../support/deeds.js';
import type { Fields } from '../support/exact-json.js';

/** What the shops of a campaign say, and what became of each of it. */

export type Random = (below: number) => number;

/** The shops' own; terminals have one each. */
export const OFFICE: Caller = { tenant: 'shop', by: 'ann', terminal: 'office' };
/** A house without limits, two sides for sales, and tills that may not be overdrawn. */
export const HOUSE = ['bank', 'sales', 'vat'] as const;
export const TILLS = ['t0', 't1', '{s1}:t2', '{s1}:t3', '{s2}:t4', 't5'] as const;

/** What honest shops may be told. Anything else is a fault. */
const REFUSALS = new Set([
  'insufficient_funds',
  'limit_exceeded',
  'account_frozen',
  'account_closed',
  'exceeds_original',
  'expired',
  'already_posted',
  'already_voided',
  // While the server stops; nothing was done.
  'not_ready',
]);
const HOLDS_S = [1, 1, 1, 2, 3, 3600] as const;

export interface Said {
  readonly deed: Deed;
  readonly key: string;
  readonly form: Form;
  /**
   * `sent`: no answer yet, so it is in the log once or not at all. `done`: acknowledged. `refused`: neither this delivery nor, if it was given
   * up, any other is in the log.
   */
  state: 'sent' | 'done' | 'refused';
  verdict?: Extract<Verdict, { lsn: number }>;
}

export class Book {
  readonly said = new Map<string, Said>();
  /** Accounts that were told with their balance, in the order of the answers. */
  readonly seen: Fields[] = [];
  readonly accounts: string[] = [];
  readonly refusals = new Map<string, number>();
  /** Acknowledged sales to reverse and holds to end; each is taken once. */
  private readonly reversible: TransactionInput[] = [];
  private readonly open: TransactionInput[] = [];
  private serial = 0;

  constructor(
    readonly random: Random,
    /** Makes the ids of several ledgers of one campaign differ. */
    private readonly prefix: string,
    private readonly office: Caller = OFFICE,
  ) {}

  /** The accounts that trade begins with. */
  openingDeeds(): Deed[] {
    const houses = HOUSE.map((id) => ({
      id,
      currency: 'EUR',
      type: id === 'bank' ? ('asset' as const) : ('revenue' as const),
      min_balance: null,
    }));
    const tills = TILLS.map((id) => ({ id, currency: 'EUR', type: 'liability' as const }));
    return [...houses, ...tills].map((body) => ({ op: 'createAccount', caller: this.office, body }));
  }

  /** Takes back what may keep a till from delivering: it asks again until its account thaws. */
  thawingDeeds(): Deed[] {
    return TILLS.map((id) => ({
      op: 'updateAccount',
      caller: this.office,
      id,
      body: { group: `g${this.serial++}`, frozen: false, max_balance: null },
    }));
  }

  /** Notes that deeds are being said. */
  say(form: Form, deeds: readonly Deed[]): Said[] {
    return deeds.map((deed) => {
      const said: Said = { deed, key: keyOf(deed), form, state: 'sent' };
      if (this.said.has(said.key)) throw new Error(`${said.key} is said twice`);
      this.said.set(said.key, said);
      return said;
    });
  }

  /** Notes the first answer to a deed. @throws for one that no honest shop may get */
  answered(said: Said, verdict: Verdict): void {
    if (said.state !== 'sent') throw new Error(`${said.key} is answered twice`);
    if ('code' in verdict) {
      this.refuse(said, verdict.code);
      return;
    }
    said.state = 'done';
    said.verdict = verdict;
    const { deed } = said;
    if (deed.op === 'createAccount') this.accounts.push(deed.body.id);
    if (deed.op !== 'transaction' || deed.caller !== this.office) return;
    if (deed.body.pending === undefined) this.reversible.push(deed.body);
    // The others are left to their time.
    else if (this.random(2) === 0) this.open.push(deed.body);
  }

  refuse(said: Said, code: string): void {
    if (!REFUSALS.has(code)) throw new Error(`${said.key} (${said.form}) got ${code}`);
    said.state = 'refused';
    this.refusals.set(code, (this.refusals.get(code) ?? 0) + 1);
  }

  /** It was never answered, is not in the log, and will not be said again: it must not appear. */
  giveUp(said: Said): void {
    said.state = 'refused';
  }

  nextId(name = 'd'): string {
    return `${['', '{s1}', '{s2}'][this.random(3)]}${this.prefix}${name}${this.serial++}`;
  }

  anyTill(): string {
    return TILLS[this.random(TILLS.length)]!;
  }

  /** What an office says next, and how. */
  next(): { readonly form: Form; readonly deeds: readonly Deed[] } {
    const form = FORMS[this.random(FORMS.length)]!;
    if (form === 'batch' || form === 'compact batch') {
      return { form, deeds: Array.from({ length: 1 + this.random(6) }, () => this.sale(form)) };
    }
    if (form === 'compact' || form === 'compact json') return { form, deeds: [this.sale(form)] };
    return { form, deeds: [this.any(form)] };
  }

  private any(form: Form): Deed {
    const dice = this.random(20);
    if (dice === 0) return { op: 'void', caller: this.office, id: this.nextId('never') };
    if (dice === 1) return this.newAccount();
    if (dice <= 3) return this.accountChange();
    if (dice <= 9) {
      const hold = this.open.shift();
      if (hold !== undefined) return this.end(hold);
    }
    if (dice <= 12) {
      const original = this.reversible.splice(this.random(this.reversible.length), 1)[0];
      if (original !== undefined) return this.reversal(original);
    }
    return dice <= 17 ? this.hold() : this.sale(form);
  }

  sale(form: Form): Deed & { op: 'transaction' } {
    const { random } = this;
    const id = this.nextId();
    const amount = 2 + random(40);
    const till = this.anyTill();
    let body: TransactionInput;
    if (random(5) < 2) body = { id, debit: 'bank', credit: till, amount };
    else if (random(3) > 0) body = { id, debit: till, credit: 'sales', amount };
    else {
      const vat = 1 + random(amount - 1);
      body = {
        id,
        postings: [
          { account: till, debit: amount },
          { account: 'sales', credit: amount - vat },
          { account: 'vat', credit: vat },
        ],
      };
      if (body.postings![1]!.credit === 0) body = { id, debit: till, credit: 'vat', amount };
    }
    const isBare = form.startsWith('compact');
    return {
      op: 'transaction',
      caller: this.office,
      body: isBare || random(3) > 0 ? body : { ...body, metadata: { n: random(100) } },
    };
  }

  hold(caller = this.office): Deed & { op: 'transaction' } {
    const { random } = this;
    const pending = random(6) === 0 ? true : { expires_in: HOLDS_S[random(HOLDS_S.length)]! };
    const body = { id: this.nextId('h'), debit: this.anyTill(), credit: 'sales', amount: 2 + random(30) };
    return { op: 'transaction', caller, body: { ...body, pending } };
  }

  private end(hold: TransactionInput): Deed {
    const { random } = this;
    if (random(3) === 0) return { op: 'void', caller: this.office, id: hold.id };
    const body = random(2) === 0 ? {} : { amount: 1 + random(hold.amount as number) };
    return { op: 'post', caller: this.office, id: hold.id, body };
  }

  private reversal(original: TransactionInput): Deed {
    // It may be reversed once more, and too much of it then be asked for.
    if (this.random(2) === 0) this.reversible.push(original);
    const isPart = original.amount !== undefined && this.random(2) === 0;
    const part = isPart ? { amount: 1 + this.random(original.amount as number) } : {};
    return {
      op: 'reverse',
      caller: this.office,
      original: original.id,
      body: { id: this.nextId('r'), ...part },
    };
  }

  private newAccount(): Deed {
    const body = { id: this.nextId('a'), currency: 'EUR', type: 'asset' as const, group: 'new' };
    return { op: 'createAccount', caller: this.office, body };
  }

  private accountChange(): Deed {
    const { random } = this;
    const group = `g${this.serial++}`;
    const own = this.accounts.length - HOUSE.length - TILLS.length;
    if (own > 0 && random(4) === 0) {
      const id = this.accounts[HOUSE.length + TILLS.length + random(own)]!;
      return { op: 'updateAccount', caller: this.office, id, body: { group, closed: random(2) === 0 } };
    }
    const change =
      random(2) === 0
        ? { frozen: random(4) === 0 }
        : {
            frozen: false,
            min_balance: -random(200),
            max_balance: random(3) === 0 ? 500 + random(5000) : null,
          };
    return { op: 'updateAccount', caller: this.office, id: this.anyTill(), body: { group, ...change } };
  }
}
