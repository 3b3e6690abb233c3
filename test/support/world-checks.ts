import { CLOSED, CONTENDED, FROZEN, HAS_MAX, HAS_MIN } from '../../engine/accounts.js';
import { CODES, codeName } from '../../engine/codes.js';
import { Command, Op, Result } from '../../engine/command.js';
import { dataViewOf, fingerprint, hashAccount } from '../../engine/hash.js';
import { derive, FACT_REVERSAL, ID_ENTRY_WORDS, IdKind } from '../../engine/ids.js';
import { Bell, RingConsumer, RingProducer, ringBuffer } from '../../engine/mailbox.js';
import { RecordKind, type RecordView } from '../../engine/record.js';
import { Shard } from '../../engine/shard.js';
import { State } from '../../engine/state.js';
import { accountBody, parseLookup } from '../../src/ledger/bodies.js';
import { KEY, type Reply, type Sent } from './world.js';
import { needsApproval } from './world-commands.js';

/** What must be true of a world that has come to rest. Each check throws what it found. */

/** What the checks look at. */
export interface Rested {
  readonly shards: readonly Shard[];
  /** Records by LSN - 1. */
  readonly log: readonly Uint8Array[];
  readonly replies: readonly Reply[];
  /** Commands that were not answered. */
  readonly inFlight: number;
  readonly claimed: number;
  readonly durable: number;
  record(lsn: number): RecordView;
}

export function claim(holds: boolean, what: () => string): void {
  if (!holds) throw new Error(what());
}

function row(state: State, tenant: string, id: string): number {
  const { keys, number } = state.tenantNamed(tenant);
  const bytes = Buffer.from(id, 'latin1');
  const words = new Uint32Array(2);
  hashAccount(dataViewOf(bytes), 0, bytes.length, keys, words, 0);
  return state.owns(words[0]!) ? state.accounts.find(words[1]!, number, bytes, 0, bytes.length) : -1;
}

function fingerprintOf(state: State, tenant: string, id: string): Uint32Array {
  const bytes = Buffer.from(id, 'latin1');
  const fp = new Uint32Array(4);
  fingerprint(dataViewOf(bytes), 0, bytes.length, state.tenantNamed(tenant).keys, fp);
  return fp;
}

/** Everything the states of a ledger know, as text, whatever the number of shards. */
export function dump(states: readonly State[]): string {
  const lines: string[] = [];
  const sum = (of: (state: State) => number) => states.reduce((total, state) => total + of(state), 0);
  lines.push(
    `accounts ${sum((s) => s.accounts.count)} ids ${sum((s) => s.ids.ids)} facts ${sum((s) => s.ids.count)}`,
  );
  lines.push(`holds ${sum((s) => s.holds.count)} reversed ${sum((s) => s.reversed.size)}`);
  const words = new Uint32Array(ID_ENTRY_WORDS);
  for (const state of states) {
    const tenants = [...state.knownTenants()].map(({ name }) => Buffer.from(name).toString());
    for (let at = 0; at < state.accounts.count; at++) {
      const tenant = tenants[state.accounts.tenant(at)];
      lines.push(`${tenant} account ${state.accounts.name(at)} ${accountText(state, at)}`);
    }
    for (let entry = 0; entry < state.ids.count; entry++) {
      state.ids.copy(entry, words);
      if (state.ids.kind(entry) <= IdKind.reversal)
        lines.push(`id ${words.subarray(0, 4).join('-')} ${idText(state, entry, words)}`);
    }
  }
  return lines.sort().join('\n');
}

function accountText({ accounts }: State, at: number): string {
  const sums = [
    accounts.debitsPosted(at),
    accounts.creditsPosted(at),
    accounts.debitsPending(at),
    accounts.creditsPending(at),
  ];
  const flags = accounts.flags(at) & 0x7f;
  return [
    sums,
    flags,
    accounts.min(at),
    accounts.max(at),
    accounts.currency(at),
    accounts.lsn(at),
    accounts.group(at),
  ].join(' ');
}

/** What is known of an id. @param fp its fingerprint */
function idText(state: State, entry: number, fp: Uint32Array): string {
  const { ids } = state;
  claim(state.owns(fp[0]!), () => `shard ${state.shard} knows an id that is not its own`);
  const content = `${fp[6]}-${fp[7]}`;
  const parts = [`kind ${ids.kind(entry)} at ${ids.lsn(entry)} content ${content}`];
  const end = state.findEnd(fp);
  if (end >= 0) parts.push(`end ${ids.kind(end)} at ${ids.lsn(end)}`);
  const hold = state.holds.get(entry);
  if (hold !== undefined)
    parts.push(
      `open ${hold.lsn} ${hold.expiresAt} ${hold.creator} ${hold.n} ${hold.words.join()} ${Buffer.from(hold.payload).toString('hex')}`,
    );
  const reversed = state.reversed.get(entry);
  if (reversed !== undefined) {
    const lsns = Array.from({ length: reversed.count }, (_, k) =>
      ids.lsn(ids.find(fp[0]!, derive(fp[1]!, FACT_REVERSAL + k), fp[2]!, fp[3]!)),
    );
    parts.push(`reversed ${reversed.sums} last ${reversed.lastLsn} by ${lsns.sort((a, b) => a - b)}`);
  }
  return parts.join(' ');
}

/** Nothing is left over: no job, no earmark, no queue, no flag of one, every claimed LSN durable. */
export function checkQuiet(world: Rested): void {
  claim(world.inFlight === 0, () => `${world.inFlight} commands were never answered`);
  claim(world.durable === world.claimed, () => `LSN ${world.claimed} claimed, ${world.durable} durable`);
  claim(world.log.length === world.durable, () => `${world.log.length} records for ${world.durable} LSNs`);
  for (const { state, home, owner } of world.shards) {
    claim(home.count === 0, () => `shard ${state.shard} has ${home.count} jobs left`);
    claim(owner.standing === 0, () => `shard ${state.shard} has ${owner.standing} earmarks left`);
    for (let at = 0; at < state.accounts.count; at++) {
      claim(
        (state.accounts.flags(at) & CONTENDED) === 0,
        () => `${state.accounts.name(at)} is still contended`,
      );
    }
  }
}

/** At rest every shard has all its credits for every other. */
export function checkCredits(shards: readonly Shard[], credits: number): void {
  for (const { state, home } of shards) {
    const left = (home as unknown as { readonly credits: readonly number[] }).credits;
    claim(
      left.every((count) => count === credits),
      () => `shard ${state.shard} has ${left.join()} credits at rest, and not ${credits} for each`,
    );
  }
}

/** The states of fresh shards after the log. */
export function replayed(world: Rested, shards: number, toLsn = world.log.length): State[] {
  return Array.from({ length: shards }, (_, shard) => {
    const state = new State(shard, shards, KEY);
    for (let lsn = 1; lsn <= toLsn; lsn++) state.replay(world.record(lsn), lsn);
    return state;
  });
}

/**
 * Walks the log record by record and calls `at` with the state at each LSN, 0 included. What must hold at every LSN is checked on the way:
 * balanced records, limits, flags, reversals within their originals, one creation and one end an id.
 */
export function walk(world: Rested, at: (state: State, lsn: number) => void): void {
  const state = new State(0, 1, KEY);
  const seen = new Map<string, number>();
  at(state, 0);
  for (let lsn = 1; lsn <= world.log.length; lsn++) {
    const view = world.record(lsn);
    const { kind } = view;
    if (kind < RecordKind.account) {
      const isEnd = kind === RecordKind.post || kind === RecordKind.void || kind === RecordKind.expire;
      const key = `${view.tenant} ${view.id} ${isEnd ? 'end' : 'creation'}`;
      claim(!seen.has(key), () => `LSN ${lsn} is the second ${key}, after ${seen.get(key)}`);
      seen.set(key, lsn);
      if (kind === RecordKind.post) checkApproval(world, lsn, view.createdLsn);
    }
    state.replay(view, lsn);
    if (kind < RecordKind.account && kind !== RecordKind.tombstone) checkPlan(state, kind, lsn);
    if (kind === RecordKind.reversal) checkReversed(world, state, lsn);
    at(state, lsn);
  }
}

function checkApproval(world: Rested, lsn: number, createdLsn: number): void {
  const hold = world.record(createdLsn);
  const creator = hold.by;
  claim(
    !needsApproval(hold) || world.record(lsn).by !== creator,
    () => `LSN ${lsn}: ${creator} approved his own hold`,
  );
}

/** The plan of the record that was replayed last: balanced in every currency, and within what its accounts allow. */
function checkPlan(state: State, kind: number, lsn: number): void {
  const { plan, accounts } = state;
  const mayTouchFrozen = kind === RecordKind.void || kind === RecordKind.expire;
  const net = new Map<string, bigint>();
  for (let i = 0; i < plan.n; i++) {
    const at = plan.rows[i]!;
    const name = accounts.name(at);
    const currency = accounts.currency(at);
    net.set(
      currency,
      (net.get(currency) ?? 0n) +
        plan.debits[i]! -
        plan.credits[i]! +
        1000003n * (plan.debitsPending[i]! - plan.creditsPending[i]!),
    );
    const flags = accounts.flags(at);
    claim(
      mayTouchFrozen || (flags & (FROZEN | CLOSED)) === 0,
      () => `LSN ${lsn} touches ${name}, which is frozen or closed`,
    );
    const isDebit = accounts.isDebitNormal(at);
    const outflow = isDebit ? accounts.creditsPending(at) : accounts.debitsPending(at);
    const inflow = isDebit ? accounts.debitsPending(at) : accounts.creditsPending(at);
    claim(outflow >= 0n && inflow >= 0n, () => `LSN ${lsn}: negative pending sums on ${name}`);
    const balance = accounts.balance(at);
    claim(
      (flags & HAS_MIN) === 0 || balance - outflow >= accounts.min(at),
      () => `LSN ${lsn} breaks the minimum of ${name}`,
    );
    claim(
      (flags & HAS_MAX) === 0 || balance + inflow <= accounts.max(at),
      () => `LSN ${lsn} breaks the maximum of ${name}`,
    );
  }
  for (const [currency, sum] of net) claim(sum === 0n, () => `LSN ${lsn} is not balanced in ${currency}`);
}

function checkReversed(world: Rested, state: State, lsn: number): void {
  const view = world.record(lsn);
  const fact = world.record(view.originalLsn);
  const fp = fingerprintOf(state, view.tenant, view.original);
  const { sums } = state.reversed.get(state.ids.find(fp[0]!, fp[1]!, fp[2]!, fp[3]!))!;
  sums.forEach((sum, leg) => {
    claim(
      sum <= fact.amounts[leg]!,
      () => `LSN ${lsn} reverses more than there was of leg ${leg} of ${view.original}`,
    );
  });
}

/** Checks every answer against the log. */
export function checkReplies(world: Rested): void {
  const byWait = new Map<number, Reply[]>();
  for (const reply of world.replies) {
    const { op } = reply.sent;
    const isRead =
      reply.code === CODES.ok.n &&
      (op === Op.readAccount || op === Op.createAccount || op === Op.updateAccount);
    const at = isRead ? reply.lsn : reply.wait;
    byWait.set(at, [...(byWait.get(at) ?? []), reply]);
    if (reply.code <= CODES.duplicate.n) checkAccepted(world, reply);
  }
  walk(world, (state, lsn) => {
    for (const reply of byWait.get(lsn) ?? []) {
      const { op } = reply.sent;
      if (reply.code > CODES.duplicate.n) checkRefusal(state, reply);
      else if (op === Op.readAccount || op === Op.createAccount || op === Op.updateAccount)
        checkRead(state, reply);
    }
  });
}

const KINDS: { readonly [op: number]: readonly number[] } = {
  [Op.transaction]: [RecordKind.posted],
  [Op.pending]: [RecordKind.pending],
  [Op.reverse]: [RecordKind.reversal],
  [Op.post]: [RecordKind.post],
  [Op.void]: [RecordKind.void, RecordKind.tombstone],
};

/** What was accepted is in the log under its LSN, and what was told before is in what a read shows. */
function checkAccepted(world: Rested, reply: Reply): void {
  const { sent, lsn } = reply;
  const text = () => `${describe(reply)} at ${lsn}`;
  claim(reply.wait <= world.durable, () => `${text()}: told before it was durable`);
  const kinds = KINDS[sent.op];
  if (kinds !== undefined) {
    const view = world.record(lsn);
    claim(
      view.id === sent.id && view.tenant === sent.tenant && kinds.includes(view.kind),
      () => `${text()}: the log holds ${view.kind} ${view.id}`,
    );
    claim(reply.wait >= lsn, () => `${text()}: waits only for ${reply.wait}`);
    return;
  }
  for (let i = 0; i < reply.toldBefore; i++) {
    const told = world.replies[i]!;
    if (told.code !== CODES.ok.n || KINDS[told.sent.op] === undefined) continue;
    const view = world.record(told.lsn);
    if (view.tenant !== sent.tenant) continue;
    if (sent.op === Op.lookup) checkLookupAfter(world, reply, told.lsn);
    else {
      const isTouched = Array.from({ length: view.n }, (_, leg) => view.account(leg)).includes(sent.id);
      claim(
        !isTouched || lsn >= told.lsn,
        () => `${text()}: shows ${sent.id} without LSN ${told.lsn}, told before`,
      );
    }
  }
}

function checkLookupAfter(world: Rested, reply: Reply, toldLsn: number): void {
  const view = world.record(toldLsn);
  const found = parseLookup(reply.payload);
  const text = () => `${describe(reply)}: does not show LSN ${toldLsn}, told before`;
  if (view.kind === RecordKind.reversal && view.original === reply.sent.id) {
    claim(found.reversals.includes(toldLsn), text);
  }
  if (view.id !== reply.sent.id) return;
  claim(found.lsn === toldLsn || found.endLsn === toldLsn, text);
}

/** A read shows exactly the account at its LSN. */
function checkRead(state: State, reply: Reply): void {
  const { sent, lsn } = reply;
  const body = accountBody(reply.payload, sent.id, lsn);
  const at = row(state, sent.tenant, sent.id);
  const { accounts } = state;
  const expected = [
    accounts.debitsPosted(at),
    accounts.creditsPosted(at),
    accounts.debitsPending(at),
    accounts.creditsPending(at),
  ];
  const shown = [body.debits_posted, body.credits_posted, body.debits_pending, body.credits_pending];
  const flags = accounts.flags(at);
  const properties = [
    (flags & FROZEN) !== 0,
    (flags & CLOSED) !== 0,
    flags & HAS_MIN ? accounts.min(at) : null,
    flags & HAS_MAX ? accounts.max(at) : null,
    accounts.group(at),
  ];
  const told = [body.frozen, body.closed, body.min_balance, body.max_balance, body.group ?? ''];
  claim(
    String(shown) === String(expected),
    () => `${describe(reply)} at ${lsn}: shows ${shown}, and the log says ${expected}`,
  );
  claim(
    String(told) === String(properties),
    () => `${describe(reply)} at ${lsn}: shows ${told}, and the log says ${properties}`,
  );
}

/** Where several of these apply any one may be named. */
const JUDGED = new Set<number>(
  (
    ['insufficient_funds', 'limit_exceeded', 'account_frozen', 'account_closed', 'exceeds_original'] as const
  ).map((code) => CODES[code].n),
);
const OF_CURRENCIES = new Set<number>([CODES.unbalanced.n, CODES.currency_mismatch.n]);

/**
 * A refusal is true of the log up to the LSN that it waited for: a ledger that knows no more refuses the same command for the same reason,
 * so no crash can make it untrue.
 */
function checkRefusal(state: State, reply: Reply): void {
  const { code } = decideAlone(state, reply.sent);
  claim(
    mayStandFor(reply.code, code),
    () => `${describe(reply)}: refused, waiting for ${reply.wait}, where the answer is ${codeName(code)}`,
  );
}

/** Whether a refusal may be told where a ledger alone says `code`: of several that apply any may be named. */
export function mayStandFor(told: number, code: number): boolean {
  if (code === told) return true;
  const isAny = JUDGED.has(code) || OF_CURRENCIES.has(code) || code === CODES.account_not_found.n;
  return (isAny && JUDGED.has(told)) || (JUDGED.has(code) && OF_CURRENCIES.has(told));
}

/** The answer of a ledger of one shard in this state, which a command that changes something changes. */
export function decideAlone(
  state: State,
  sent: Sent,
): { readonly code: number; readonly lsn: number; readonly payload: Uint8Array } {
  const bell = new Bell(new Int32Array(1), 0);
  const [commands, results, log] = [ringBuffer(1 << 14), ringBuffer(1 << 12), ringBuffer(1 << 15)] as const;
  const answers = new RingConsumer(results);
  const shard = new Shard(
    state,
    {
      results: [new RingProducer(results)],
      log: new RingProducer(log),
      peers: [undefined],
      peerBells: [bell],
      writerBell: bell,
      claimLsn: () => Number.MAX_SAFE_INTEGER,
      claimedLsn: () => 0,
      durableLsn: () => 0,
      wakeFront: () => undefined,
      wantsDecisions: () => false,
    },
    [new RingConsumer(commands)],
    [undefined],
  );
  const ring = new RingProducer(commands);
  const size = new Uint32Array(sent.bytes.buffer)[0]!;
  const m = ring.reserve(size);
  ring.bytes.set(sent.bytes.subarray(4, size), m + 4);
  // No time passes: what expired is in the state.
  ring.f64[(m + Command.time) >> 3] = 0;
  ring.publish();
  while (shard.step());
  const answer = answers.peek();
  claim(answer >= 0, () => `${sent.id}: not answered by a ledger of one shard`);
  const payloadBytes = answers.u32[(answer + Result.payloadBytes) >> 2]!;
  return {
    code: answers.bytes[answer + Result.code]!,
    lsn: answers.f64[(answer + Result.lsn) >> 3]!,
    payload: answers.bytes.slice(answer + Result.header, answer + Result.header + payloadBytes),
  };
}

export function describe(reply: Reply): string {
  const op = Object.entries(Op).find(([, n]) => n === reply.sent.op)![0];
  return `${op} ${reply.sent.tenant} ${reply.sent.id} by ${reply.sent.by}: ${codeName(reply.code)}`;
}
