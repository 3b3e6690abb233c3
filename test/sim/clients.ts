import type { BalanceBody, TransactionInput, TransactionReply } from '../../engine/types.js';
import type { Caller } from '../../src/session.js';
import type { Command } from '../support/model.js';
import { type Leg, legsOf, transactionFaults } from '../support/statics.js';
import type { Auditor } from './auditor.js';
import { type Call, type Deed, describeCall, isTurnedAway, type What } from './call.js';
import { Cast } from './cast.js';
import { Draw, swarm } from './draw.js';
import { FollowUps } from './follow-ups.js';
import type { Connection, History } from './history.js';
import { Storms } from './storms.js';
import {
  accountBody,
  changedMind,
  compactFields,
  description,
  faultyBody,
  holdBody,
  partBody,
  reworded,
  transactionBody,
  updateBody,
} from './wording.js';

export interface ClientOptions {
  /** Calls under way above which an action starts nothing new. Default 24. */
  readonly inFlightMax?: number;
}

/** What an action does, and how often. */
const ACTIONS = {
  transaction: 22,
  hold: 12,
  batch: 6,
  post: 10,
  void: 5,
  tombstone: 2,
  reverse: 9,
  status: 5,
  balance: 6,
  account: 3,
  update: 5,
  create: 3,
  again: 6,
  follow: 16,
  mind: 3,
  fault: 2,
  storm: 30,
} as const;

/** Answers that clients look back at. */
const ANSWERS_REMEMBERED = 60;
/** Where the draws of those who act on an answer at once begin, downwards by call. */
const PROMPT = -1000;

/** A transaction that some client has sent, whatever became of it. */
export interface Sent {
  readonly tenant: string;
  readonly id: string;
  readonly legs: readonly Leg[];
  readonly isHold: boolean;
  readonly body: TransactionInput | undefined;
  /** What led to it. */
  readonly deed: Deed | undefined;
}

/**
 * The clients of a world: they say everything that the contract has, in few accounts and few ids, and behave as clients do. They send again
 * what had no answer, ask first, give up, change their minds, send copies at once and late.
 *
 * What an action does depends on the seed, the action's number and what clients have seen. So one can be left out and the rest stays alike.
 */
export class Clients {
  readonly cast: Cast;
  /** Transactions that were sent, the newest last. */
  readonly sent: Sent[] = [];
  private readonly history: History;
  private readonly storms: Storms;
  private readonly followUps = new FollowUps(this);
  /** Calls that had no answer when the ledger went down, and those turned away: somebody is still waiting. */
  private unsettled: Call[] = [];
  private readonly actions: Readonly<Record<keyof typeof ACTIONS, number>>;
  private readonly inFlightMax: number;
  /** How often a client acts on an answer at once. */
  private readonly promptPercent: number;
  private action = 0;

  constructor(
    private readonly seed: number,
    auditor: Auditor,
    options: ClientOptions = {},
  ) {
    this.history = auditor.history;
    this.cast = new Cast(seed);
    this.storms = new Storms(this, seed);
    // Whatever a world leaves out, money moves in it.
    this.actions = { ...swarm(seed, -2, ACTIONS), transaction: ACTIONS.transaction, storm: ACTIONS.storm };
    this.inFlightMax = options.inFlightMax ?? 24;
    this.promptPercent = new Draw(seed, PROMPT).pick([0, 15, 40]);
    this.history.onAnswered = (call) => this.heard(call);
  }

  /** The ledger is up, for the first time or again. */
  connect(connection: Connection): void {
    this.history.connect(connection);
  }

  /** The ledger went down, by a crash or in good order: nobody hears of what is under way. */
  crashed(): void {
    this.unsettled.push(...this.history.calls.filter((call) => call.isOpen));
    this.history.disconnect();
  }

  /** Calls without an answer. */
  get inFlight(): number {
    return this.history.inFlight;
  }

  /** Everything that was said and heard, a line each. */
  get script(): readonly string[] {
    return this.history.calls.map(describeCall);
  }

  /** Does the kth action: starts a few calls, or none when many are under way. Needs a connection. */
  act(k: number): void {
    this.action = k;
    const draw = new Draw(this.seed, k);
    if (k < 3) this.open(k);
    else if (this.inFlight >= this.inFlightMax) return;
    else if (this.unsettled.length > 0 && draw.chance(35)) this.settle(draw);
    else this.do(draw);
  }

  /** Acts on an answer before any thread takes another turn: whoever is asked now, however far behind, must know of it. */
  private heard(call: Call): void {
    const draw = new Draw(this.seed, PROMPT - call.n);
    if (this.inFlight >= this.inFlightMax || !draw.chance(this.promptPercent)) return;
    this.followUps.act(draw, call.caller, [call]);
  }

  /** Asks for everything that there is, when nothing is under way: the answers must be all that is durable. */
  inspect(): void {
    const { history, cast } = this;
    history.knowDurable();
    for (const tenant of cast.tenants) {
      const caller = cast.admin(tenant);
      const ids = new Set(this.sent.flatMap((sent) => (sent.tenant === tenant ? [sent.id] : [])));
      for (const id of ids) this.say(caller, { op: 'status', caller, id });
      for (const { id } of cast.accounts) this.say(caller, { op: 'account', caller, id });
    }
  }

  /** The first actions make the world: most accounts, and some money. */
  private open(k: number): void {
    const { cast } = this;
    const draw = new Draw(this.seed, k);
    if (k === 2) {
      this.start(cast.admin(cast.tenants[0]!), { kind: 'batch', bodies: this.funding(draw) });
      return;
    }
    const tenant = cast.tenants[k];
    if (tenant === undefined) return;
    const bodies = cast.accounts.filter((_, index) => index < 6 || draw.chance(85));
    this.start(cast.admin(tenant), { kind: 'accounts', bodies });
  }

  /** Some money for most accounts of the first currency: without it nearly everything would be refused. */
  private funding(draw: Draw): TransactionInput[] {
    const { cast } = this;
    const [house, ...others] = cast.pools[0] as [string, ...string[]];
    return others.map((account) => {
      const [debit, credit] = cast.isDebitNormal(account) ? [account, house] : [house, account];
      return { id: this.id(draw), debit, credit, amount: draw.between(10, 70) };
    });
  }

  private do(draw: Draw): void {
    const { cast } = this;
    const tenant = cast.tenant(draw);
    const caller = cast.caller(draw, tenant);
    const id = cast.id(draw, this.action);
    const what = draw.weighted(this.actions);
    switch (what) {
      case 'transaction':
        this.transaction(draw, caller, transactionBody(draw, cast, id));
        break;
      case 'hold':
        this.transaction(draw, caller, holdBody(draw, cast, id));
        break;
      case 'batch':
        this.batch(draw, caller);
        break;
      case 'post':
        this.post(draw, caller);
        break;
      case 'void':
        this.void(draw, caller, this.aimed(draw, tenant, true)?.id ?? id);
        break;
      case 'tombstone':
        this.void(draw, caller, id);
        break;
      case 'reverse':
        this.reverse(draw, caller, id);
        break;
      case 'status':
        this.say(caller, { op: 'status', caller, id: this.aimed(draw, tenant)?.id ?? id });
        break;
      case 'balance':
      case 'account':
        this.say(caller, { op: what, caller, id: draw.pick(cast.accounts).id });
        break;
      case 'update':
        this.update(draw, caller);
        break;
      case 'create':
        this.say(caller, { op: 'createAccount', caller, body: accountBody(draw, cast) });
        break;
      case 'again':
        this.again(draw, caller);
        break;
      case 'follow':
        this.followUps.act(draw, caller, this.history.answers);
        break;
      case 'mind':
        this.changeMind(draw, caller);
        break;
      case 'fault':
        this.transaction(draw, caller, faultyBody(draw, cast, id));
        break;
      case 'storm':
        this.storms.raise(draw, caller);
        break;
    }
  }

  /** Any change; or the closing of an account that was seen empty, which else would hardly ever be done. */
  private update(draw: Draw, caller: Caller): void {
    const empty = draw.chance(30) ? this.seenEmpty(caller.tenant) : undefined;
    if (empty !== undefined) {
      const admin = this.cast.admin(caller.tenant);
      this.say(admin, { op: 'updateAccount', caller: admin, id: empty, body: { closed: true } });
      return;
    }
    const id = draw.chance(95) ? draw.pick(this.cast.accounts).id : 'ghost';
    this.say(caller, { op: 'updateAccount', caller, id, body: updateBody(draw) });
  }

  /** An account of the tenant that had nothing on it when it was read last. */
  private seenEmpty(tenant: string): string | undefined {
    return [...this.seen(tenant).values()].find(
      (body) => body.balance === 0n && body.debits_pending === 0n && body.credits_pending === 0n,
    )?.account;
  }

  /** What was on an account when it was shown last, whatever showed it. */
  lastShown(tenant: string, account: string): bigint | undefined {
    const { answers } = this.history;
    const oldest = Math.max(0, answers.length - ANSWERS_REMEMBERED);
    for (let n = answers.length - 1; n >= oldest; n--) {
      const { caller, deeds } = answers[n]!;
      const outcome = caller.tenant === tenant ? deeds[0]?.result?.outcome : undefined;
      if (outcome === undefined || !outcome.ok) continue;
      const body = outcome.body as Partial<BalanceBody & TransactionReply>;
      const shown = body.account === account ? body.balance : body.balances?.[account];
      if (shown !== undefined) return BigInt(shown);
    }
    return undefined;
  }

  /** Accounts of the tenant as they were read lately. */
  private seen(tenant: string): Map<string, BalanceBody> {
    const reads = this.history.answers.slice(-ANSWERS_REMEMBERED).flatMap(({ caller, deeds }) => {
      const outcome = caller.tenant === tenant ? deeds[0]?.result?.outcome : undefined;
      return outcome?.ok && 'credits_pending' in outcome.body ? [outcome.body as BalanceBody] : [];
    });
    return new Map(reads.map((body) => [body.account, body]));
  }

  /** Somebody waits for an answer: asks first, sends again, or gives up and closes the id. */
  private settle(draw: Draw): void {
    const call = draw.recent(this.unsettled)!;
    const { caller, what } = call;
    this.unsettled = this.unsettled.filter((other) => other !== call);
    const { command } = call.deeds[0]!;
    const how = draw.weighted({ again: 55, ask: 20, giveUp: 15, forget: 10 });
    if (how === 'forget') return;
    if (how === 'ask' && command.op === 'transaction') {
      this.say(caller, { op: 'status', caller, id: command.body.id });
      // It is asked about first, and sent again by a later action.
      this.unsettled.push(call);
    } else if (how === 'giveUp' && command.op === 'transaction') {
      this.void(draw, caller, command.body.id);
      this.unsettled.push(call);
    } else this.start(caller, this.renumbered(what));
  }

  /** A copy of something sent before, perhaps in other words, by another one, while the first is under way. */
  private again(draw: Draw, caller: Caller): void {
    const call = draw.recent(this.history.calls, 20);
    if (call === undefined) return;
    const { what } = call;
    const by = draw.chance(70) ? call.caller : { ...caller, tenant: call.caller.tenant };
    if (what.kind === 'map') {
      const command = { ...what.command, caller: by } as Command;
      if (command.op === 'transaction') this.transaction(draw, by, this.inOtherWords(draw, command.body));
      else this.say(by, command);
    } else if (what.kind === 'compact') this.transaction(draw, by, this.inOtherWords(draw, what.body));
    else this.start(by, this.renumbered(what));
  }

  private inOtherWords(draw: Draw, body: TransactionInput): TransactionInput {
    return draw.chance(40) && transactionFaults(body).size === 0 ? reworded(draw, body) : body;
  }

  private changeMind(draw: Draw, caller: Caller): void {
    const sent = draw.recent(this.sent);
    if (sent?.body === undefined || transactionFaults(sent.body).size > 0) return;
    this.transaction(draw, { ...caller, tenant: sent.tenant }, changedMind(draw, sent.body));
  }

  /** Sends a transaction in the map form or, where it can be said so, in the compact one. */
  transaction(draw: Draw, caller: Caller, body: TransactionInput): void {
    const fields = draw.chance(50) ? compactFields(body) : undefined;
    if (fields === undefined) this.say(caller, { op: 'transaction', caller, body });
    else this.start(caller, { kind: 'compact', frame: [this.history.nextCall, ...fields], body });
  }

  private batch(draw: Draw, caller: Caller): void {
    const { cast } = this;
    const ids = Array.from({ length: 4 }, () => cast.id(draw, this.action));
    const bodies = Array.from({ length: draw.between(1, 7) }, (): TransactionInput => {
      const old = draw.recent(this.sent);
      if (draw.chance(10) && old?.body !== undefined && old.tenant === caller.tenant) return old.body;
      if (draw.chance(5)) return faultyBody(draw, cast, draw.pick(ids));
      const make = draw.chance(25) ? holdBody : transactionBody;
      return make(draw, cast, draw.pick(ids));
    });
    this.batchOf(draw, caller, bodies);
  }

  /** Sends a batch in either form; the compact one leaves out what cannot be said in it. */
  batchOf(draw: Draw, caller: Caller, bodies: readonly TransactionInput[]): void {
    const entries = bodies.map(compactFields);
    if (draw.chance(40)) {
      this.start(caller, { kind: 'batch', bodies });
      return;
    }
    const sayable = bodies.filter((_, i) => entries[i] !== undefined);
    if (sayable.length === 0) return;
    const frame = [this.history.nextCall, entries.filter((fields) => fields !== undefined)];
    this.start(caller, { kind: 'compactBatch', frame, bodies: sayable });
  }

  private post(draw: Draw, caller: Caller): void {
    const hold = this.aimed(draw, caller.tenant, true);
    const id = hold?.id ?? this.cast.id(draw, this.action);
    this.say(caller, { op: 'post', caller, id, body: partBody(draw, hold?.legs ?? []) });
  }

  private void(draw: Draw, caller: Caller, id: string): void {
    this.sent.push({ tenant: caller.tenant, id, legs: [], isHold: false, body: undefined, deed: undefined });
    this.say(caller, { op: 'void', caller, id, body: draw.chance(70) ? {} : description(draw) });
  }

  private reverse(draw: Draw, caller: Caller, id: string): void {
    const original = this.aimed(draw, caller.tenant);
    if (original === undefined) return;
    this.reverseOf(draw, caller, id, original);
  }

  reverseOf(draw: Draw, caller: Caller, id: string, original: Sent): void {
    const body = { id, ...partBody(draw, original.legs) };
    const legs = original.legs.map(
      (leg) => ({ ...leg, side: leg.side === 'debit' ? 'credit' : 'debit' }) as Leg,
    );
    const call = this.start(caller, {
      kind: 'map',
      command: { op: 'reverse', caller, original: original.id, body },
    });
    this.sent.push({ tenant: caller.tenant, id, legs, isHold: false, body: undefined, deed: call.deeds[0] });
  }

  /** A transaction of the tenant that was sent: one of those known to be there most likely, and a newer one. */
  aimed(draw: Draw, tenant: string, isHold?: true): Sent | undefined {
    const isKnown = draw.chance(80);
    const fitting = this.sent.filter(({ tenant: of, isHold: holds, deed }) => {
      const isWanted = of === tenant && (isHold === undefined || holds);
      return isWanted && (!isKnown || deed?.result?.code === 'ok');
    });
    return draw.recent(fitting, 6);
  }

  /** An id for this action. */
  id(draw: Draw): string {
    return this.cast.id(draw, this.action);
  }

  say(caller: Caller, command: Command): void {
    this.start(caller, { kind: 'map', command });
  }

  private start(caller: Caller, what: What): Call {
    const call = this.history.start(this.action, caller, what);
    for (const deed of call.deeds) this.noteDeed(deed);
    // An answer of a frame may be there already: what was turned away is tried again.
    if (isTurnedAway(call.deeds[0]?.result?.code)) this.unsettled.push(call);
    return call;
  }

  private noteDeed(deed: Deed): void {
    const { command } = deed;
    if (command.op !== 'transaction') return;
    const { body } = command;
    const isHold = body.pending !== undefined && body.pending !== false;
    this.sent.push({ tenant: command.caller.tenant, id: body.id, legs: legsOf(body), isHold, body, deed });
  }

  /** A frame has a number of its own. */
  private renumbered(what: What): What {
    if (what.kind !== 'compact' && what.kind !== 'compactBatch') return what;
    return { ...what, frame: [this.history.nextCall, ...what.frame.slice(1)] };
  }
}
