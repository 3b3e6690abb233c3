import type { TransactionInput } from '../../engine/types.js';
import type { Caller } from '../../src/session.js';
import type { Clients } from './clients.js';
import { type Draw, swarm } from './draw.js';

const STORMS = {
  reversals: 20,
  ends: 20,
  copies: 15,
  opposite: 20,
  circle: 12,
  change: 15,
  tombstone: 12,
  readers: 15,
  spend: 15,
  purses: 35,
  doomed: 30,
  batches: 15,
  accounts: 5,
} as const;

/** Several calls at once that get in each other's way: what a till, its twin and the office do in the same moment. */
export class Storms {
  private readonly weights: Readonly<Record<keyof typeof STORMS, number>>;

  constructor(
    private readonly clients: Clients,
    seed: number,
  ) {
    this.weights = swarm(seed, -3, STORMS);
  }

  raise(draw: Draw, caller: Caller): void {
    this[draw.weighted(this.weights)](draw, caller);
  }

  private by(draw: Draw, tenant: string): Caller {
    return this.clients.cast.caller(draw, tenant);
  }

  /** Two and three reversals of one original, and of a reversal of it. */
  private reversals(draw: Draw, caller: Caller): void {
    const { clients } = this;
    const original = clients.aimed(draw, caller.tenant);
    if (original === undefined) return;
    for (let n = draw.between(2, 3); n > 0; n--) {
      clients.reverseOf(draw, this.by(draw, caller.tenant), clients.id(draw), original);
    }
    this.ask(draw, caller, original.id);
  }

  /** Post, void and another post of one hold. */
  private ends(draw: Draw, caller: Caller): void {
    const { clients } = this;
    const { tenant } = caller;
    const hold = clients.aimed(draw, tenant, true);
    if (hold === undefined) return;
    const part = () => (draw.chance(50) ? {} : { amount: draw.between(1, 30) });
    for (let n = draw.between(2, 4); n > 0; n--) {
      const by = this.by(draw, tenant);
      if (draw.chance(30)) clients.say(by, { op: 'void', caller: by, id: hold.id });
      else clients.say(by, { op: 'post', caller: by, id: hold.id, body: part() });
    }
    if (draw.chance(50)) clients.reverseOf(draw, this.by(draw, tenant), clients.id(draw), hold);
    this.ask(draw, caller, hold.id);
  }

  /** Copies of one body at once, one of them with another body under the same id. */
  private copies(draw: Draw, caller: Caller): void {
    const { clients } = this;
    const body = this.sale(draw);
    for (let n = draw.between(2, 4); n > 0; n--)
      clients.transaction(draw, this.by(draw, caller.tenant), body);
    const other = { ...body, amount: 1 };
    if (draw.chance(50)) clients.transaction(draw, caller, other);
    this.ask(draw, caller, body.id);
  }

  /** Transfers between two accounts in both directions. */
  private opposite(draw: Draw, caller: Caller): void {
    const { clients } = this;
    const [a, b] = draw.shuffled(draw.pick(clients.cast.pools)) as [string, string];
    for (let n = draw.between(2, 4); n > 0; n--) {
      const [debit, credit] = n % 2 === 0 ? [a, b] : [b, a];
      const body = { id: clients.id(draw), debit, credit, amount: draw.between(1, 60) };
      clients.transaction(
        draw,
        this.by(draw, caller.tenant),
        draw.chance(25) ? { ...body, pending: true } : body,
      );
    }
    this.read(caller, [a, b]);
  }

  /** Three accounts, each paying the next. */
  private circle(draw: Draw, caller: Caller): void {
    const { clients } = this;
    const ring = draw.shuffled(clients.cast.pools[0]!).slice(0, 3);
    for (const [index, debit] of ring.entries()) {
      const credit = ring[(index + 1) % ring.length]!;
      clients.transaction(draw, caller, { id: clients.id(draw), debit, credit, amount: draw.between(1, 60) });
    }
    this.read(this.by(draw, caller.tenant), ring);
  }

  /** A limit, a freeze or a closing while money moves on the account. */
  private change(draw: Draw, caller: Caller): void {
    const { clients } = this;
    const admin = clients.cast.admin(caller.tenant);
    const account = draw.pick(clients.cast.pools[0]!);
    const body = draw.pick([
      { frozen: true },
      { min_balance: draw.below(30) },
      { max_balance: draw.between(10, 90) },
      { closed: true },
    ]);
    this.spendOn(draw, caller.tenant, account, 2);
    clients.say(admin, { op: 'updateAccount', caller: admin, id: account, body });
    this.spendOn(draw, caller.tenant, account, 1);
    this.read(admin, [account]);
    if (draw.chance(70)) {
      const undone = { frozen: false, closed: false };
      clients.say(admin, { op: 'updateAccount', caller: admin, id: account, body: undone });
    }
  }

  /** A void of an id that was never seen, while the transaction is on its way. */
  private tombstone(draw: Draw, caller: Caller): void {
    const { clients } = this;
    const body = draw.chance(50) ? this.sale(draw) : { ...this.sale(draw), pending: true };
    const voiding = () => clients.say(caller, { op: 'void', caller, id: body.id });
    if (draw.chance(50)) voiding();
    clients.transaction(draw, caller, body);
    if (draw.chance(70)) voiding();
    this.ask(draw, caller, body.id);
  }

  /** Two readers of two accounts, while money moves between them. */
  private readers(draw: Draw, caller: Caller): void {
    const { clients } = this;
    const pool = draw.shuffled(clients.cast.pools[0]!);
    const [a, b] = pool as [string, string];
    this.read(caller, [a]);
    clients.transaction(draw, caller, {
      id: clients.id(draw),
      debit: a,
      credit: b,
      amount: draw.between(1, 20),
    });
    clients.transaction(draw, caller, {
      id: clients.id(draw),
      debit: b,
      credit: a,
      amount: draw.between(1, 20),
    });
    this.read(this.by(draw, caller.tenant), [b, a]);
    this.read(caller, [b]);
  }

  /** Several want the same scarce money. */
  private spend(draw: Draw, caller: Caller): void {
    const account = draw.pick(draw.pick(this.clients.cast.pools));
    this.spendOn(draw, caller.tenant, account, draw.between(2, 4));
    this.read(caller, [account]);
  }

  private spendOn(draw: Draw, tenant: string, account: string, times: number): void {
    const { clients } = this;
    const pool = clients.cast.pools.find((ids) => ids.includes(account))!;
    for (let n = times; n > 0; n--) {
      const other = draw.pick(pool);
      const [debit, credit] = draw.chance(50) ? [account, other] : [other, account];
      const body = { id: clients.id(draw), debit, credit, amount: draw.between(5, 60) };
      const pending = { expires_in: draw.between(1, 3) };
      clients.transaction(draw, this.by(draw, tenant), draw.chance(30) ? { ...body, pending } : body);
    }
  }

  /**
   * Several take the same from two accounts, as much as each has once and not twice: whoever has it from one stands in the way of the others.
   */
  private purses(draw: Draw, caller: Caller): void {
    const { clients } = this;
    const { tenant } = caller;
    const [house, ...others] = draw.pick(clients.cast.pools) as [string, ...string[]];
    const rich = others.filter((id) => (clients.lastShown(tenant, id) ?? 0n) > 0n);
    const chosen = draw.shuffled(rich.length > 1 ? rich : others).slice(0, 2);
    const taken = chosen.map((id) => this.taken(draw, tenant, id));
    const net = taken.reduce((sum, { debit = 0, credit = 0 }) => sum + debit - credit, 0);
    if (net !== 0) taken.push(net > 0 ? { account: house, credit: net } : { account: house, debit: -net });
    for (let n = draw.between(3, 6); n > 0; n--) {
      const body = { id: clients.id(draw), postings: draw.shuffled(taken) };
      if (taken.length > 1) clients.transaction(draw, clients.cast.admin(tenant), body);
    }
    this.read(caller, chosen);
  }

  /**
   * Some take most of what an account has and are refused elsewhere, where nobody is; others, who want the same money at that moment, can have it:
   * all the time nobody else does.
   */
  private doomed(draw: Draw, caller: Caller): void {
    const { clients } = this;
    const { tenant } = caller;
    const [house, ...others] = draw.pick(clients.cast.pools) as [string, ...string[]];
    const rich = others.filter((id) => (clients.lastShown(tenant, id) ?? 0n) > 0n);
    const taken = this.taken(draw, tenant, draw.pick(rich.length > 0 ? rich : others));
    const { debit, credit } = taken;
    const back = debit === undefined ? { debit: credit! } : { credit: debit };
    const nobody = `{${draw.pick(['a', 'b', 'c', 'd', 'e', 'f'])}}:nobody`;
    for (let n = draw.between(2, 5); n > 0; n--) {
      const account = n > 1 && draw.chance(65) ? nobody : house;
      const body = { id: clients.id(draw), postings: draw.shuffled([taken, { account, ...back }]) };
      clients.transaction(draw, clients.cast.admin(tenant), body);
    }
    this.read(caller, [taken.account]);
  }

  /** A posting that takes more than half of what an account was last shown to have. */
  private taken(
    draw: Draw,
    tenant: string,
    id: string,
  ): { account: string; debit?: number; credit?: number } {
    const { clients } = this;
    const shown = Number(clients.lastShown(tenant, id) ?? 0n);
    const amount = shown > 0 && shown < 1000 ? draw.between((shown >> 1) + 1, shown) : draw.between(1, 40);
    return clients.cast.isDebitNormal(id) ? { account: id, credit: amount } : { account: id, debit: amount };
  }

  /** A batch in which one entry pays for the next, while others use its ids: each has to wait for the one before, whatever that waits for. */
  private batches(draw: Draw, caller: Caller): void {
    const { clients } = this;
    const [a, b, c] = draw.shuffled(draw.pick(clients.cast.pools)) as [string, string, string?];
    const bodies = Array.from({ length: draw.between(2, 5) }, (_, n): TransactionInput => {
      const [debit, credit] = n % 2 === 0 ? [a, b] : [b, a];
      return { id: clients.id(draw), debit, credit, amount: draw.between(1, 50) };
    });
    const rival = { id: draw.pick(bodies).id, debit: c ?? a, credit: b, amount: draw.between(20, 90) };
    clients.transaction(draw, this.by(draw, caller.tenant), rival);
    clients.batchOf(draw, caller, bodies);
    if (draw.chance(40)) clients.batchOf(draw, caller, bodies);
  }

  /** One account made by two who do not agree. */
  private accounts(draw: Draw, caller: Caller): void {
    const { clients } = this;
    const given = draw.pick(clients.cast.accounts);
    const other = { ...given, max_balance: 77 };
    for (const body of draw.shuffled([given, other, given])) {
      const by = draw.chance(70) ? clients.cast.admin(caller.tenant) : this.by(draw, caller.tenant);
      clients.say(by, { op: 'createAccount', caller: by, body });
    }
    this.read(caller, [given.id]);
  }

  private sale(draw: Draw): TransactionInput {
    const { clients } = this;
    const pool = draw.pick(clients.cast.pools);
    return {
      id: clients.id(draw),
      debit: draw.pick(pool),
      credit: draw.pick(pool),
      amount: draw.between(1, 40),
    };
  }

  private ask(draw: Draw, caller: Caller, id: string): void {
    if (draw.chance(60)) this.clients.say(caller, { op: 'status', caller, id });
  }

  private read(caller: Caller, ids: readonly string[]): void {
    for (const id of ids) this.clients.say(caller, { op: 'balance', caller, id });
  }
}
