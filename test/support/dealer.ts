import { expect } from 'vitest';
import type { Caller } from '../../src/session.js';
import { type Deed, FORMS, type Form, Shop, type Verdict } from './deeds.js';
import { addUp, readRecords } from './log-records.js';
import { kassa, type ServerProcess } from './server.js';
import { createAccounts } from './shop.js';

/**
 * Trades with a server that may fail at any moment, keeps book of every answer, and holds the server that comes after it to that book: what was
 * acknowledged is there, once, where it was said to be; what was refused is not; of what was never answered `status` tells.
 */

const TILLS = ['t0', '{s1}:t1', '{s2}:t2'];
const ACCOUNTS = ['bank', ...TILLS];
/** What a dealer calls its deeds. */
const OWN_ID = /^(\{s[12]\})?d\d+$/;
const LANES = 12;
const OFFICE: Caller = { tenant: 'shop', by: 'ann', terminal: 'office' };

/** A deed of this dealer. */
interface Said {
  readonly deed: Deed;
  readonly form: Form;
  readonly id: string;
  /** Of a sale or a hold. */
  readonly amount: number;
  /** What its record is called. */
  readonly kind: 'posted' | 'pending' | 'post' | 'void' | 'tombstone' | 'reversal' | 'account';
}

export class Dealer {
  /** With their LSN. */
  readonly done = new Map<Said, number>();
  readonly refused = new Map<Said, string>();
  readonly unknown = new Set<Said>();
  private readonly holds: Said[] = [];
  private readonly sales: Said[] = [];
  private serial = 0;
  private isOver = false;

  constructor(private readonly random: (below: number) => number) {}

  /** Nothing that this dealer does is refused for want of money. */
  async open(server: ServerProcess): Promise<void> {
    await createAccounts(
      server.http(),
      ACCOUNTS.map((id) => ({ id, type: 'asset', min_balance: null })),
    );
  }

  /** Trades until {@link stop} or until the connection breaks. */
  async trade(port: number): Promise<void> {
    this.isOver = false;
    const shop = await Shop.open(port);
    await Promise.all(Array.from({ length: LANES }, () => this.lane(shop)));
    shop.close();
  }

  stop(): void {
    this.isOver = true;
  }

  private async lane(shop: Shop): Promise<void> {
    while (!this.isOver) {
      const said = this.next();
      this.unknown.add(said);
      try {
        const [verdict] = await shop.perform(said.form, [said.deed]);
        this.book(said, verdict!);
      } catch {
        return;
      }
    }
  }

  private book(said: Said, verdict: Verdict): void {
    this.unknown.delete(said);
    if ('code' in verdict) {
      this.refused.set(said, verdict.code);
      return;
    }
    this.done.set(said, verdict.lsn);
    if (said.kind === 'pending') this.holds.push(said);
    if (said.kind === 'posted') this.sales.push(said);
  }

  private next(): Said {
    const { random } = this;
    const caller = OFFICE;
    const id = `${['', '{s1}', '{s2}'][random(3)]}d${this.serial++}`;
    const amount = 1 + random(40);
    const sale = { id, debit: 'bank', credit: TILLS[random(TILLS.length)]!, amount };
    const plain = { id, amount, form: 'map' } as const;
    const dice = random(12);
    if (dice === 0) return { ...plain, kind: 'tombstone', deed: { op: 'void', caller, id } };
    if (dice === 1) {
      const body = { id, currency: 'EUR', type: 'asset' } as const;
      return { ...plain, kind: 'account', deed: { op: 'createAccount', caller, body } };
    }
    if (dice <= 3) {
      const body = { ...sale, pending: { expires_in: 3600 } };
      return { ...plain, kind: 'pending', deed: { op: 'transaction', caller, body } };
    }
    const hold = dice <= 5 ? this.holds.shift() : undefined;
    if (hold !== undefined && dice === 4)
      return { ...plain, id: hold.id, kind: 'void', deed: { op: 'void', caller, id: hold.id } };
    if (hold !== undefined) {
      const body = { amount: 1 + random(hold.amount) };
      return { ...plain, id: hold.id, kind: 'post', deed: { op: 'post', caller, id: hold.id, body } };
    }
    const original = dice === 6 ? this.sales.shift() : undefined;
    if (original !== undefined) {
      const body = { id, amount: 1 + random(original.amount) };
      return { ...plain, kind: 'reversal', deed: { op: 'reverse', caller, original: original.id, body } };
    }
    const form = FORMS[random(FORMS.length)]!;
    return { id, amount, form, kind: 'posted', deed: { op: 'transaction', caller, body: sale } };
  }

  /** Asks a server that was started anew about everything, then stops it and reads its log. */
  async audit(server: ServerProcess): Promise<void> {
    const shop = await Shop.open(server.port);
    await inLanes([...this.unknown], async (said) => {
      this.book(said, (await shop.settle(said.deed)) ?? { code: 'never done' });
    });
    await inLanes([...this.done], async ([said, lsn]) => {
      expect([said, await shop.settle(said.deed)]).toMatchObject([said, { lsn }]);
    });
    shop.close();
    const http = server.http();
    const answers = await Promise.all(ACCOUNTS.map((id) => http.get(`/v1/accounts/${id}/balance`)));
    expect(await server.stop()).toEqual({ code: 0, signal: null });
    const nets = this.auditLog(server.options.data);
    ACCOUNTS.forEach((id, i) => {
      expect([id, BigInt(answers[i]!.body['balance'] as number)]).toEqual([id, nets.get(id) ?? 0n]);
    });
    const { code, stdout, stderr } = await kassa(['verify', '--data', server.options.data]);
    expect(code, `${stdout}${stderr}`).toBe(0);
  }

  /** Each deed that was done is in the log once, at its LSN; nothing else is. @returns nets by account */
  private auditLog(data: string): Map<string, bigint> {
    const records = readRecords(data);
    const logged = new Map<string, number>();
    for (const { kind, id, lsn } of records) {
      expect(logged.has(`${kind} ${id}`), `${kind} ${id} twice`).toBe(false);
      logged.set(`${kind} ${id}`, lsn);
    }
    for (const [said, lsn] of this.done) expect([said, logged.get(keyOf(said))]).toEqual([said, lsn]);
    for (const [said, code] of this.refused)
      expect([said, code, logged.get(keyOf(said))]).toEqual([said, code, undefined]);
    expect(records.filter(({ id }) => OWN_ID.test(id)).length).toBe(this.done.size);
    return addUp(records);
  }
}

/** Works on all items, some at a time. */
async function inLanes<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values();
  const lane = async () => {
    for (const item of rest) await work(item);
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}

function keyOf({ kind, id }: Said): string {
  return `${kind} ${id}`;
}
