import { expect } from 'vitest';
import { type Deed, FORMS, Shop } from './deeds.js';
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

const LOGGED_AS = {
  sale: 'posted',
  hold: 'pending',
  capture: 'post',
  void: 'void',
  tombstone: 'tombstone',
  reversal: 'reversal',
  account: 'account',
} as const;

export class Dealer {
  readonly done = new Map<Deed, number>();
  readonly refused = new Map<Deed, string>();
  readonly unknown = new Set<Deed>();
  private readonly holds: (Deed & { kind: 'hold' })[] = [];
  private readonly sales: (Deed & { kind: 'sale' })[] = [];
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
      const deed = this.next();
      this.unknown.add(deed);
      try {
        this.book(deed, await shop.perform(deed));
      } catch {
        return;
      }
    }
  }

  private book(deed: Deed, verdict: { readonly lsn: number } | { readonly code: string }): void {
    this.unknown.delete(deed);
    if ('code' in verdict) {
      this.refused.set(deed, verdict.code);
      return;
    }
    this.done.set(deed, verdict.lsn);
    if (deed.kind === 'hold') this.holds.push(deed);
    if (deed.kind === 'sale') this.sales.push(deed);
  }

  private next(): Deed {
    const { random } = this;
    const id = `${['', '{s1}', '{s2}'][random(3)]}d${this.serial++}`;
    const [debit, credit] = ['bank', TILLS[random(TILLS.length)]!] as const;
    const amount = 1 + random(40);
    const dice = random(12);
    if (dice === 0) return { kind: 'tombstone', id };
    if (dice === 1) return { kind: 'account', id };
    if (dice <= 3) return { kind: 'hold', id, debit, credit, amount, expires_in: 3600 };
    const hold = dice <= 5 ? this.holds.shift() : undefined;
    if (hold !== undefined && dice === 4) return { kind: 'void', id: hold.id };
    if (hold !== undefined) return { kind: 'capture', id: hold.id, amount: 1 + random(hold.amount) };
    const sale = dice === 6 ? this.sales.shift() : undefined;
    if (sale !== undefined)
      return { kind: 'reversal', id, original: sale.id, amount: 1 + random(sale.amount) };
    return { kind: 'sale', id, debit, credit, amount, form: FORMS[random(FORMS.length)]! };
  }

  /** Asks a server that was started anew about everything, then stops it and reads its log. */
  async audit(server: ServerProcess): Promise<void> {
    const shop = await Shop.open(server.port);
    await inLanes([...this.unknown], async (deed) => {
      const lsn = await shop.settle(deed);
      this.book(deed, lsn === undefined ? { code: 'never done' } : { lsn });
    });
    await inLanes([...this.done], async ([deed, lsn]) => {
      expect([deed, await shop.settle(deed)]).toEqual([deed, lsn]);
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
    for (const [deed, lsn] of this.done) expect([deed, logged.get(keyOf(deed))]).toEqual([deed, lsn]);
    for (const [deed, code] of this.refused)
      expect([deed, code, logged.get(keyOf(deed))]).toEqual([deed, code, undefined]);
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

function keyOf(deed: Deed): string {
  return `${LOGGED_AS[deed.kind]} ${deed.id}`;
}
