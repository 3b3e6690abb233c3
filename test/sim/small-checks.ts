import { CODES } from '../../engine/codes.js';
import { Op } from '../../engine/command.js';
import { available } from '../../engine/ledger.js';
import { readDetail } from '../../engine/shard.js';
import type { State } from '../../engine/state.js';
import { parseLookup } from '../../src/ledger/bodies.js';
import {
  checkCredits,
  checkQuiet,
  checkReplies,
  claim,
  decideAlone,
  describe,
  dump,
  mayStandFor,
  type Rested,
  replayed,
} from '../support/world-checks.js';
import type { Item, Posted, Told } from './small-clients.js';
import { CREDITS, SmallWorld } from './small-world.js';

/**
 * What must be true of a small world at its end, and of what is left of it by a crash.
 *
 * **One order.** There is one order of everything that was told, and it is that of real time where one thing was told before another was
 * asked. It is the order of LSNs: what was accepted stands at its LSN; a read, a lookup, a duplicate or a refusal behind some LSN that was durable
 * no earlier than when it was asked and no later than when it was told, at which a ledger alone would have answered the same. What
 * was told before something was asked was durable then, so it stands before it.
 *
 * For reads this says: a read shows the account exactly as it was at an LSN, and everything on the account that was durable when the read
 * was asked, by whomever and through whatever shard. So of two readers who read two accounts one after the other, in whatever order,
 * none sees a transaction on the second account undone that he saw done on the first. Two reads asked at once may stand on both sides of a transfer:
 * they are not one snapshot of two accounts.
 */

const CREATING = new Set<number>([Op.transaction, Op.pending, Op.reverse]);

/** Checks a world that has come to rest. @param before answers that were told before a crash */
export function checkEnd(world: SmallWorld, before: readonly Told[] = []): void {
  const replies = [...before, ...world.replies];
  const rested: Rested = {
    shards: world.shards,
    log: world.log,
    replies,
    inFlight: world.inFlight,
    claimed: world.claimed,
    durable: world.durable,
    record: (lsn) => world.record(lsn),
  };
  checkQuiet(rested);
  checkCredits(world.shards, CREDITS);
  checkReplies(rested);
  for (const client of world.clients)
    claim(client.begun === client.program.length, () => `client ${client.number} could not do all it wanted`);
  // Those of before the crash have their place in what was durable then, which is still so.
  for (const reply of world.replies) {
    checkShortage(rested, reply);
    place(rested, reply, reply.durableAtSend, reply.durableWhenTold);
  }
  checkAcceptedOnce(replies);
  for (const client of world.clients) checkBatches(rested, client.program, client.replies);
  const live = dump(world.shards.map(({ state }) => state));
  for (const shards of [1, 2, 3])
    claim(
      dump(replayed(rested, shards)) === live,
      () => `the log replayed on ${shards} shards gives another state`,
    );
}

/** A shortage is told with the figures of the LSN that the refusal waited for. */
function checkShortage(world: Rested, { code, payload, wait }: Told): void {
  if (code !== CODES.insufficient_funds.n) return;
  const detail = readDetail(payload, 0);
  const { accounts } = replayed(world, 1, wait)[0]!;
  let row = 0;
  while (accounts.name(row) !== detail.account) row++;
  const free = available(accounts, row);
  const isTrue =
    detail.available === String(free) &&
    BigInt(detail.required) > free &&
    BigInt(detail.shortage) === BigInt(detail.required) - free;
  claim(isTrue, () => `a shortage told as ${JSON.stringify(detail)}, with ${free} available at LSN ${wait}`);
}

/**
 * Where an answer stands in the order of LSNs: the lowest place between two at which it is true.
 * @throws when there is none
 */
function place(world: Rested, reply: Told, from: number, to: number): number {
  const { sent, lsn, code } = reply;
  const isAcceptedNow = code === CODES.ok.n && lsn > reply.durableAtSend && sent.op !== Op.lookup;
  if (isAcceptedNow && sent.op !== Op.readAccount) {
    claim(
      lsn > from && lsn <= to,
      () => `${describe(reply)} at ${lsn}, where only ${from} to ${to} is possible`,
    );
    return lsn;
  }
  for (let at = from; at <= to; at++) {
    if (isTrueAt(replayed(world, 1, at)[0]!, reply)) return at;
  }
  throw new Error(`${describe(reply)}: not what a ledger alone answers at any LSN from ${from} to ${to}`);
}

function isTrueAt(state: State, { sent, code, lsn, payload }: Told): boolean {
  const alone = decideAlone(state, sent);
  if (code > CODES.duplicate.n) return mayStandFor(code, alone.code);
  if (alone.code !== code) return false;
  if (sent.op === Op.lookup) return lookupText(payload) === lookupText(alone.payload);
  // The LSN of a read may be that of an earlier or later record, which does not touch the account.
  if (sent.op === Op.readAccount) return Buffer.from(payload).equals(Buffer.from(alone.payload));
  return sent.op === Op.createAccount || sent.op === Op.updateAccount || alone.lsn === lsn;
}

function lookupText(payload: Uint8Array): string {
  const found = parseLookup(payload);
  const text = (value: unknown) =>
    JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? String(part) : part));
  return text({ ...found, reversals: [...found.reversals].sort((a, b) => a - b) });
}

/** An id is accepted once, whoever asks how often: all others are told of a duplicate. */
function checkAcceptedOnce(replies: readonly Told[]): void {
  const accepted = new Set<string>();
  for (const { sent, code } of replies) {
    if (!CREATING.has(sent.op) || code !== CODES.ok.n) continue;
    claim(!accepted.has(sent.id), () => `${sent.id} was accepted twice`);
    accepted.add(sent.id);
  }
}

/** Entries of a batch that share an account or an id were decided in their order. */
function checkBatches(world: Rested, program: readonly Item[], replies: readonly Told[]): void {
  program.forEach((item, at) => {
    if (!('batch' in item)) return;
    const placed: { readonly keys: readonly string[]; readonly at: number; readonly id: string }[] = [];
    item.batch.forEach((posted, entry) => {
      const reply = replies.find((one) => one.item === at && one.entry === entry)!;
      const keys = keysOf(posted);
      let from = reply.durableAtSend;
      for (const earlier of placed)
        if (earlier.keys.some((key) => keys.includes(key))) from = Math.max(from, earlier.at);
      placed.push({ keys, at: place(world, reply, from, reply.durableWhenTold), id: posted.id });
    });
  });
}

function keysOf({ id, accounts }: Posted): string[] {
  return [`t${id}`, ...accounts.map((account) => `a${account}`)];
}

/**
 * A crash: what is durable is recovered by fresh shards, and every command that was begun and not answered comes again, in two orders. All
 * that was told before must still be so at the end.
 */
export function checkCrash(world: SmallWorld): void {
  const records = world.log.slice();
  const told = world.replies;
  const retries = world.clients.flatMap((client) => client.unanswered());
  if (retries.length === 0) return;
  const reversed = retries.slice().reverse();
  const ways = retries.length === 1 ? [[reversed]] : [retries.map((sent) => [sent]), [reversed]];
  for (const programs of ways) {
    const next = new SmallWorld({ ...world.setting, programs, isNarrow: false, withBells: false }, records);
    next.looking(() => next.rest());
    checkEnd(next, told);
  }
}
