import type { TransactionReply } from '../../engine/types.js';
import type { Caller } from '../../src/session.js';
import type { Command } from '../support/model.js';
import { type Leg, legsOf } from '../support/statics.js';
import type { Call, Deed } from './call.js';
import type { Clients } from './clients.js';
import type { Draw } from './draw.js';
import { subjectOf } from './making.js';

/**
 * What clients do at once on what was told just now, which whoever is asked must know by then: they ask about it, or spend all that came in.
 * A thread that has lost its core meanwhile is found out by no one else.
 */
export class FollowUps {
  constructor(private readonly clients: Clients) {}

  /** @param answers in the order in which they came */
  act(draw: Draw, caller: Caller, answers: readonly Call[]): void {
    const { clients } = this;
    const call = draw.recent(answers.slice(-2));
    const deed = call?.deeds.find(({ result }) => result?.code === 'ok');
    const legs = deed === undefined ? [] : this.legsIn(deed.command);
    if (call === undefined || deed === undefined || legs.length === 0) return;
    const by = { ...caller, tenant: call.caller.tenant };
    const what = draw.weighted({ read: 25, spend: 50, ask: 25 });
    const { account, amount } = draw.pick(legs);
    const { command } = deed;
    if (what === 'read') clients.say(by, { op: 'balance', caller: by, id: account });
    else if (what === 'ask') {
      const id = command.op === 'reverse' && draw.chance(70) ? command.original : subjectOf(command);
      clients.say(by, { op: 'status', caller: by, id });
    } else this.spendAll(draw, by, account, shownBalance(deed, account) ?? amount);
  }

  /** Takes so much out of the account. */
  private spendAll(draw: Draw, caller: Caller, account: string, amount: bigint): void {
    const { cast } = this.clients;
    const pool = cast.pools.find((ids) => ids.includes(account));
    if (pool === undefined || amount <= 0n) return;
    const { type } = cast.accounts.find(({ id }) => id === account)!;
    const [other, isDebitNormal] = [draw.pick(pool), type === 'asset' || type === 'expense'];
    const [debit, credit] = isDebitNormal ? [other, account] : [account, other];
    this.clients.transaction(draw, caller, { id: this.clients.id(draw), debit, credit, amount });
  }

  /** The legs that a command moves, as far as clients know. */
  private legsIn(command: Command): readonly Leg[] {
    if (command.op === 'transaction') return legsOf(command.body);
    if (command.op !== 'reverse' && command.op !== 'post' && command.op !== 'void') return [];
    const { tenant } = command.caller;
    const id = subjectOf(command);
    const sent = this.clients.sent.findLast(
      (other) => other.tenant === tenant && other.id === id && other.legs.length > 0,
    );
    return sent?.legs ?? [];
  }
}

/** The balance that the answer to a transaction shows. */
function shownBalance({ result }: Deed, account: string): bigint | undefined {
  if (!result?.outcome?.ok) return undefined;
  return (result.outcome.body as Partial<TransactionReply>).balances?.[account];
}
