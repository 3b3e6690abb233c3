import { Accounts } from '../../engine/accounts.js';
import { Ask } from '../../engine/earmark.js';
import { type Hold, Holds } from '../../engine/holds.js';
import { ID_ENTRY_WORDS, IdTable } from '../../engine/ids.js';
import { Job } from '../../engine/job.js';
import type { Plan } from '../../engine/ledger.js';
import { RingConsumer } from '../../engine/mailbox.js';
import { Hash } from './hash.js';
import type { SmallWorld } from './small-world.js';

/**
 * A digest of a small world between two steps: two worlds with the same one have the same future, answers and log, whatever way they
 * came there. So a search that has followed one need not follow the other.
 *
 * What counts is named class by class, and a field that is not named fails the run: new state of a shard or a front must be looked at
 * here before it can be searched. Left out are scratch memory, which is written before it is read; what never changes; memory that only
 * finds what is counted elsewhere (indexes); and copies of shared words that are read again before they matter (a ring's ends). Where a ring
 * has got to counts too, so that the room at its end is the same.
 */

/** The fields of a class: those that count, and those that do not. */
const FIELDS: { readonly [name: string]: { readonly counts: string; readonly not: string } } = {
  Shard: {
    counts: 'state owner home out now transactions events',
    // `isFull` is set at the start of each step; `progress` is for the watchdog; the desk of accounts has scratch memory only.
    not: 'isFull progress accounts view detail lookahead peerMemory fronts',
  },
  Outbox: { counts: 'answered', not: 'lowestWait env' },
  State: {
    counts: 'accounts ids holds reversed',
    not: 'tenants lastTenant plan words fp shard shards ledgerKey',
  },
  Owner: {
    counts: 'byAccount byOriginal earmarks standing',
    // Those to be used again are clear; the list of what is to be looked at is empty between steps.
    not: 'asks resources todo accounts state answers',
  },
  Resource: {
    counts: 'taken earmarks queue key isOriginal',
    // The sums of the earmarks, once somebody was judged against them.
    not: 'standing isCounted',
  },
  Ask: {
    counts: 'plan legs resources reads refusal home slot kind original',
    // Finds it among the earmarks of its resources.
    not: 'places',
  },
  Plan: { counts: 'n', not: 'rows debits credits debitsPending creditsPending rowOfLeg remote leg' },
  Change: { counts: 'resources announced row front command', not: '' },
  Read: { counts: 'waiting debits credits debitsPending creditsPending row front slot flags lsn', not: '' },
  Home: {
    counts: 'jobs freeSlots credits waitingForCredit count batches',
    not: 'pool inFlight view state out host',
  },
  Job: {
    counts:
      'slot participantCount asked waiting hold currency front commandSlot flags fingerprint kind n presence words payloadBytes c0 c1 batches',
    not: 'next u32 bytes view participants currencies',
  },
  No: { counts: 'job code wait detail', not: '' },
  TransactionDesk: { counts: 'deferred', not: 'view holdView payload fp currencies captured shard' },
  Writer: { counts: 'nextLsn lastTimeMs', not: 'batch view current store rings env' },
  HeardFront: {
    counts:
      'reserved spilled handlers tags resultBytes left free freeCount inFlight unflushed isFlushPlanned watchers idle',
    not: 'control rings answers shardBells bell times timesSeen oneCommit now defer frontNumber inFlightMax onAnswered listener plannedFlush drain',
  },
  Heard: { counts: 'handler', not: 'listener' },
  BatchRun: {
    counts: 'answersByEntry codesByEntry left highestLsn isComplete entries last batch run',
    // The time goes into the ring.
    not: 'onCodes onAnswers unwatch front time untilTime',
  },
};

const named = new Map<string, readonly string[]>();
for (const [name, { counts }] of Object.entries(FIELDS)) named.set(name, counts.split(' '));
const checked = new WeakMap<object, string>();

/** The fields of an object that count. @throws when it has one that is not named above */
function fieldsOf(object: object): readonly string[] {
  const { name } = object.constructor;
  if (object.constructor === Object) return Object.keys(object);
  const fields = named.get(name);
  if (fields === undefined) throw new Error(`the digest does not know the class ${name}`);
  if (checked.get(object) === undefined) {
    const known = new Set([...fields, ...FIELDS[name]!.not.split(' ')]);
    for (const field of Object.keys(object))
      if (!known.has(field)) throw new Error(`the digest does not know the field ${field} of ${name}`);
    checked.set(object, name);
  }
  return fields;
}

/** The digest of a world whose actors are all between two steps. */
export function digest(world: SmallWorld): string {
  const walk = new Walk();
  const { hash } = walk;
  hash.number(world.now);
  hash.number(world.claimed);
  hash.number(world.durable);
  world.store.hash.into(hash);
  for (const shard of world.shards) walk.value(shard);
  walk.value(world.writer);
  for (const client of world.clients) {
    hash.word(client.begun);
    hash.word(client.open);
    hash.number(client.open > 0 ? client.sentAt : 0);
    client.hash.into(hash);
    walk.value(client.front);
  }
  for (const ring of world.rings) walkRing(ring, hash);
  world.clients.forEach((client, front) => {
    if (world.control.wantsDecisions(front)) walk.value(client.scanned);
  });
  if (world.setting.withBells) {
    for (const { phase, isRung } of world.actors) hash.word(phase.length * 2 + (isRung() ? 1 : 0));
    for (const posts of world.posts) hash.word(posts);
  }
  return hash.value;
}

/** Both ends of a ring and what is between them. */
function walkRing(buffer: SharedArrayBuffer, hash: Hash): void {
  const ring = new RingConsumer(buffer);
  const ends = new Int32Array(buffer, 0, 64);
  hash.word(ends[0]!);
  hash.word(ends[32]!);
  for (let m = ring.peek(); m >= 0; m = ring.peek()) {
    const words = (ring.u32[m >> 2]! + 3) >>> 2;
    for (let i = 0; i < words; i++) hash.word(ring.u32[(m >> 2) + i]!);
    ring.pass();
  }
}

/** Walks what is reachable, each object once. */
class Walk {
  readonly hash = new Hash();
  private readonly seen = new Map<object, number>();

  value(value: unknown): void {
    const { hash } = this;
    switch (typeof value) {
      case 'number':
        hash.number(value);
        return;
      case 'bigint':
        hash.bigint(value);
        return;
      case 'string':
        hash.text(value);
        return;
      case 'boolean':
        hash.word(value ? 3 : 5);
        return;
      case 'undefined':
        hash.word(7);
        return;
      case 'object':
        if (value === null) hash.word(11);
        else this.object(value);
        return;
      case 'function':
        // A handler without state.
        hash.word(13);
        return;
      default:
        throw new Error(`the digest does not know ${typeof value}`);
    }
  }

  private object(object: object): void {
    const { hash } = this;
    const at = this.seen.get(object);
    if (at !== undefined) {
      hash.word(17);
      hash.word(at);
      return;
    }
    this.seen.set(object, this.seen.size);
    if (object instanceof Accounts) this.accounts(object);
    else if (object instanceof IdTable) this.ids(object);
    else if (object instanceof Holds) this.holds(object);
    else if (ArrayBuffer.isView(object))
      hash.bytes(new Uint8Array(object.buffer, object.byteOffset, object.byteLength));
    else if (Array.isArray(object)) this.list(object);
    else if (object instanceof Set) this.list([...object]);
    else if (object instanceof Map) this.list([...object].flat());
    else for (const field of fieldsOf(object)) this.value((object as Record<string, unknown>)[field]);
    if (object instanceof Job) this.job(object);
    else if (object instanceof Ask) this.plan(object.plan, object.legs);
  }

  /** Of memory that is used again, the part in use. */
  private job(job: Job): void {
    this.value(job.participants.slice(0, job.participantCount));
    this.value(job.currencies.slice(0, job.n));
    this.value(job.bytes.slice(0, job.payloadAt + job.payloadBytes));
  }

  private plan(plan: Plan, legs: number): void {
    for (const column of [plan.rows, plan.debits, plan.credits, plan.debitsPending, plan.creditsPending])
      this.value(column.slice(0, plan.n));
    this.value(plan.rowOfLeg.slice(0, legs));
  }

  private list(list: readonly unknown[]): void {
    this.hash.word(list.length);
    for (const value of list) this.value(value);
  }

  private accounts(accounts: Accounts): void {
    const { hash } = this;
    hash.word(accounts.count);
    for (let row = 0; row < accounts.count; row++) {
      hash.text(accounts.name(row));
      hash.word(accounts.flags(row));
      for (const sum of [
        accounts.debitsPosted(row),
        accounts.creditsPosted(row),
        accounts.debitsPending(row),
        accounts.creditsPending(row),
        accounts.min(row),
        accounts.max(row),
      ])
        hash.bigint(sum);
      hash.number(accounts.lsn(row));
      hash.word(accounts.createdHash(row, 0));
      hash.text(accounts.group(row));
      hash.text(accounts.metadata(row));
    }
  }

  /** Holds that have ended stay in the order of expiry until their time, and are then passed over: they do not count. */
  private holds(holds: Holds): void {
    const { heap } = holds as unknown as { readonly heap: readonly Hold[] };
    this.list([...holds.values()]);
    this.list(heap.filter((hold) => holds.get(hold.entry) === hold));
  }

  private readonly words = new Uint32Array(ID_ENTRY_WORDS);
  private ids(ids: IdTable): void {
    this.hash.word(ids.count);
    for (let entry = 0; entry < ids.count; entry++) {
      ids.copy(entry, this.words);
      for (const word of this.words) this.hash.word(word);
    }
  }
}
