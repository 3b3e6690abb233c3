import { CommandFlag, Op } from '../../engine/command.js';
import { fingerprint } from '../../engine/hash.js';
import { Has, RecordKind, type RecordView } from '../../engine/record.js';
import type { PostingInput } from '../../engine/types.js';
import { encodeAccount, encodeAccountUpdate } from '../../src/ledger/account-requests.js';
import { prefixOf } from '../../src/ledger/caller.js';
import { CommandEncoder, type Fault } from '../../src/ledger/encoder.js';
import {
  encodeEnd,
  encodeQuestion,
  encodeReversal,
  encodeTransaction,
  putReversal,
  type ReversedLeg,
} from '../../src/ledger/requests.js';
import type { Dice } from './dice.js';
import { composed, KEY, type Sent, type World } from './world.js';

/** Random commands over so few accounts and ids that everything gets in each other's way. */

export const TENANTS = ['dev', 'other'] as const;
const PEOPLE = ['ann', 'bob'] as const;
const EUR = ['house', '{a}:till', '{b}:till', '{c}:gift', '{d}:vat', 'sales'] as const;
const USD = ['{a}:usd', '{e}:usd'] as const;
export const ACCOUNTS = [...EUR, ...USD];
export const IDS = Array.from({ length: 28 }, (_, i) =>
  i % 3 === 0 ? `t${i}` : `{${'abcdef'[i % 6]}}:t${i}`,
);

const encoder = new CommandEncoder();

export class CommandMaker {
  /** All that was made; some of it is sent again. */
  private readonly made: Sent[] = [];
  private readonly dice: Dice;

  constructor(private readonly world: World) {
    this.dice = world.dice;
  }

  /** The command that creates an account; bounds so narrow that they are met. */
  account(id: string, tenant: string): Sent {
    const bounds = {
      house: {},
      '{b}:till': { max_balance: 90 },
      '{d}:vat': { min_balance: -30, max_balance: 60 },
    };
    const body = {
      id,
      currency: id.endsWith('usd') ? 'USD' : 'EUR',
      type: id === 'house' || id.endsWith('usd') ? 'equity' : id.endsWith('gift') ? 'liability' : 'asset',
      ...bounds[id as keyof typeof bounds],
    };
    return this.keep(encodeAccount(encoder, this.prefix(tenant, 'ann'), body), tenant, 'ann', id);
  }

  /** Any command. */
  next(): Sent {
    const { dice } = this;
    const tenant = dice.chance(90) ? TENANTS[0] : TENANTS[1];
    const by = dice.pick(PEOPLE);
    const id = dice.pick(IDS);
    const followUp = this.followUp();
    if (followUp !== undefined) return followUp;
    const what = dice.below(100);
    if (what < 40) return this.transaction(tenant, by, id);
    if (what < 55) return this.end(tenant, by, id, Op.post);
    if (what < 62) return this.end(tenant, by, id, Op.void);
    if (what < 74) return this.reversal(tenant, by, id) ?? this.transaction(tenant, by, id);
    if (what < 82) return this.question(tenant, by, Op.readAccount, dice.pick(ACCOUNTS));
    if (what < 87) return this.question(tenant, by, Op.lookup, id);
    if (what < 92) return this.update(tenant, by, dice.pick(ACCOUNTS));
    if (what < 95) return this.account(dice.pick(ACCOUNTS), tenant);
    return dice.pick(this.made);
  }

  private prefix(tenant: string, by: string) {
    return prefixOf({ tenant, by }, KEY, true);
  }

  private keep(fault: Fault | undefined, tenant: string, by: string, id: string): Sent {
    if (fault !== undefined) throw new Error(`made a faulty command: ${fault.detail}`);
    const sent = composed(encoder, this.world.shardCount, tenant, by, id);
    this.made.push(sent);
    return sent;
  }

  private transaction(tenant: string, by: string, id: string): Sent {
    const { dice } = this;
    const amount = 1 + dice.below(40);
    const from = this.money(tenant);
    let body: object = { id, debit: dice.pick(from), credit: dice.pick(from), amount };
    if (dice.chance(30)) body = { id, postings: this.postings(from, amount) };
    if (dice.chance(5))
      body = { id, postings: [...this.pair('house', 'sales', 3), ...this.pair('{a}:usd', '{e}:usd', 4)] };
    if (dice.chance(3)) body = { id, postings: this.pair('house', '{e}:usd', 3) };
    if (dice.chance(40)) {
      const pending = {
        ...(dice.chance(50) ? { expires_in: 1 + dice.below(3) } : {}),
        approval: dice.chance(25),
      };
      body = { ...body, pending };
    }
    return this.keep(
      encodeTransaction(encoder, this.prefix(tenant, by), body, this.world.now),
      tenant,
      by,
      id,
    );
  }

  private money(tenant: string): readonly string[] {
    if (tenant !== TENANTS[0]) return ['house', 'sales'];
    return this.dice.chance(85) ? EUR : USD;
  }

  private pair(debit: string, credit: string, amount: number): PostingInput[] {
    return [
      { account: debit, debit: amount },
      { account: credit, credit: amount },
    ];
  }

  private postings(from: readonly string[], amount: number): PostingInput[] {
    const { dice } = this;
    const postings: PostingInput[] = [{ account: dice.pick(from), debit: amount * 2 }];
    postings.push(
      { account: dice.pick(from), credit: amount, tag: 'net' },
      { account: dice.pick(from), credit: amount },
    );
    if (dice.chance(50)) postings.push(...this.pair(dice.pick(from), dice.pick(from), 1 + dice.below(20)));
    return postings;
  }

  private end(tenant: string, by: string, id: string, op: number): Sent {
    const { dice } = this;
    const flags =
      (dice.chance(70) ? CommandFlag.mayEndAny : 0) | (dice.chance(70) ? CommandFlag.mayApprove : 0);
    const body = op === Op.post && dice.chance(40) ? { amount: 1 + dice.below(20) } : {};
    return this.keep(encodeEnd(encoder, this.prefix(tenant, by), op, flags, id, body), tenant, by, id);
  }

  /** A read of an account or a lookup of a transaction. */
  question(tenant: string, by: string, op: number, id: string): Sent {
    return this.keep(encodeQuestion(encoder, this.prefix(tenant, by), op, id), tenant, by, id);
  }

  private update(tenant: string, by: string, id: string): Sent {
    const { dice } = this;
    const changes = [
      { frozen: true },
      { frozen: false },
      { frozen: false, closed: false },
      { closed: true },
      { min_balance: -dice.below(50) },
      { max_balance: dice.below(200) },
      { min_balance: null, max_balance: null, group: 'riga.store17' },
    ];
    return this.keep(
      encodeAccountUpdate(encoder, this.prefix(tenant, by), id, dice.pick(changes)),
      tenant,
      by,
      id,
    );
  }

  /** A question about what was told just now: the answer must show it. */
  private followUp(): Sent | undefined {
    const { world } = this;
    const told = world.replies[world.replies.length - 1];
    if (told === undefined || told.lsn === 0) return undefined;
    const view = world.record(told.lsn);
    const isReversal = view.kind === RecordKind.reversal;
    if (!this.dice.chance(isReversal ? 70 : 10)) return undefined;
    if (isReversal) return this.question(view.tenant, 'ann', Op.lookup, view.original);
    if (view.n === 0 || view.kind >= RecordKind.account) return undefined;
    return this.question(view.tenant, 'ann', Op.readAccount, view.account(this.dice.below(view.n)));
  }

  /** A reversal of something that is durable, whether or not so much remains. */
  private reversal(tenant: string, by: string, id: string): Sent | undefined {
    const { dice, world } = this;
    const { length } = world.log;
    for (let tries = 0; tries < 8 && length > 0; tries++) {
      // The newest ones more often, so that several want the same.
      const lsn = dice.chance(60) ? Math.max(1, length - dice.below(4)) : 1 + dice.below(length);
      const original = world.record(lsn);
      const { kind } = original;
      if (kind !== RecordKind.posted && kind !== RecordKind.post && kind !== RecordKind.reversal) continue;
      if (original.tenant !== tenant || original.amounts[0] === 0n) continue;
      const isPart = original.n === 2 && dice.chance(50);
      return this.reversalOf(lsn, by, id, isPart ? 1 + dice.below(Number(original.amounts[0]!)) : undefined);
    }
    return undefined;
  }

  /** The reversal of the fact at `lsn`, or of so much of it, as a front composes it. */
  reversalOf(lsn: number, by: string, id: string, amount?: number): Sent {
    const original = this.world.record(lsn);
    const { tenant } = original;
    const prefix = this.prefix(tenant, by);
    const body = { id, ...(amount === undefined ? {} : { amount }) };
    const checked = encodeReversal(encoder, prefix, original.id, body);
    if ('code' in checked) throw new Error(checked.detail);
    const content = [encoder.c0, encoder.c1] as const;
    putReversal(encoder, prefix, original.id, lsn, body, legsOf(original, checked.amount), content);
    const fp = new Uint32Array(4);
    fingerprint(original.view, original.idAt, original.idAt + original.idLength, prefix.keys, fp);
    encoder.putOriginalWords(fp, Array.from(original.amounts.subarray(0, original.n)));
    return this.keep(undefined, tenant, by, id);
  }

  /** A sale between two accounts. */
  sale(tenant: string, by: string, id: string, debit: string, credit: string, amount: number): Sent {
    const body = { id, debit, credit, amount };
    return this.keep(
      encodeTransaction(encoder, this.prefix(tenant, by), body, this.world.now),
      tenant,
      by,
      id,
    );
  }
}

function legsOf(original: RecordView, amount: bigint | undefined): ReversedLeg[] {
  const legs: ReversedLeg[] = [];
  for (let leg = 0; leg < original.n; leg++) {
    const taken = amount ?? original.amounts[leg]!;
    if (taken === 0n) continue;
    legs.push({
      leg,
      account: original.account(leg),
      isCredit: original.isCredit(leg),
      tag: original.tag(leg),
      amount: taken,
    });
  }
  return legs;
}

/** Whether a record is about a hold that another must approve. */
export function needsApproval(hold: RecordView): boolean {
  return hold.has(Has.approval);
}
