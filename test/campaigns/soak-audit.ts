import { eachRecord, type LoggedRecord } from '../support/log-records.js';
import { GrowingBytes } from './growing-bytes.js';
import { capturedOf, HOUSE, kindOf, legsOf, PURSE_NAMES, parseId, postingsOf } from './soak-deeds.js';
import { KNOWN, type SoakTill } from './soak-till.js';

/** Reads the log of a soak from its first record to its last: what was acknowledged is there once and whole, and nothing that was refused. */

/** Slots of a deed: what it created, and for a hold how it ended. */
const CREATED = 1;
const ENDED = 2;
const EXPIRED = 4;

export interface Books {
  readonly records: number;
  readonly expired: number;
  /** Debits less credits, by account. */
  readonly nets: ReadonlyMap<string, bigint>;
}

/** @throws Error for the first thing that is not right */
export function auditSoak(data: string, tills: readonly SoakTill[]): Books {
  const nets = new Map<string, bigint>();
  const logged = tills.map(() => new GrowingBytes());
  const opening = new Set([...HOUSE, ...PURSE_NAMES]);
  let records = 0;
  let expired = 0;
  for (const record of eachRecord(data)) {
    records++;
    if (record.kind === 'account' && opening.delete(record.id)) continue;
    const slot = check(record, logged);
    if (slot === EXPIRED) expired++;
    if (record.kind === 'pending' || record.kind === 'void' || record.kind === 'expire') continue;
    for (const { account, amount } of record.postings) nets.set(account, (nets.get(account) ?? 0n) + amount);
  }
  for (const [t, till] of tills.entries()) compare(till, logged[t]!);
  const sum = [...nets.values()].reduce((total, net) => total + net, 0n);
  if (sum !== 0n) throw new Error(`all accounts together are out of balance by ${sum}`);
  return { records, expired, nets };
}

/** A record is what the till's deed of that number says, and is there for the first time. @returns the slot it takes */
function check(record: LoggedRecord, logged: readonly GrowingBytes[]): number {
  const { lsn, kind, id, postings } = record;
  const deed = parseId(id);
  const of = deed === undefined ? undefined : logged[deed.till];
  if (deed === undefined || of === undefined)
    throw new Error(`LSN ${lsn} is a ${kind} of ${id}, which nobody asked for`);
  const due = dueOf(record, deed);
  const text = (list: LoggedRecord['postings']) =>
    list.map(({ account, amount }) => `${account} ${amount}`).join();
  if (due !== undefined && text(due) !== text(postings)) {
    throw new Error(`LSN ${lsn}, ${kind} of ${id}, posts ${text(postings)}, and not ${text(due)}`);
  }
  const slot = kind === 'expire' ? EXPIRED : kind === 'post' || kind === 'void' ? ENDED : CREATED;
  const before = of.get(deed.n);
  const isEnd = slot !== CREATED;
  if ((before & (isEnd ? ENDED | EXPIRED : CREATED)) !== 0)
    throw new Error(`LSN ${lsn} is a second ${kind} of ${id}`);
  if (isEnd && (before & CREATED) === 0) throw new Error(`LSN ${lsn} ends ${id}, which is not there`);
  of.set(deed.n, before | slot);
  return slot;
}

/** @returns undefined where the record's postings say nothing new */
function dueOf(
  { kind, id }: LoggedRecord,
  { letter, till, n, original }: NonNullable<ReturnType<typeof parseId>>,
): LoggedRecord['postings'] | undefined {
  const letters: { readonly [kind: string]: string } = {
    posted: 'sk',
    pending: 'h',
    post: 'h',
    void: 'h',
    expire: 'h',
    reversal: 'r',
    account: 'a',
  };
  if (!letters[kind]?.includes(letter)) throw new Error(`a ${kind} of ${id}`);
  const made = kindOf(till, n);
  const isDue = { s: 'sale', k: 'basket', h: 'hold', r: 'reversal', a: 'account' }[letter] === made;
  if (!isDue) throw new Error(`${id} where a ${made} was due`);
  switch (kind) {
    case 'posted':
    case 'pending':
      return postingsOf(legsOf(till, n));
    case 'post': {
      const captured = capturedOf(till, n);
      return postingsOf(legsOf(till, n), (amount) => Math.sign(amount) * captured);
    }
    case 'reversal':
      return postingsOf(legsOf(till, original), (amount) => -Math.sign(amount));
    default:
      return undefined;
  }
}

/** What the till was told agrees with what is there. */
function compare(till: SoakTill, logged: GrowingBytes): void {
  for (let n = 0; n < till.next; n++) {
    const slots = logged.get(n);
    const said = [
      ['created', till.created.get(n), (slots & CREATED) !== 0],
      ['ended', till.ended.get(n), (slots & ENDED) !== 0],
    ] as const;
    for (const [what, known, isThere] of said) {
      const kind = kindOf(till.till, n);
      // Whether an account was there before it does not matter to who creates it: nothing is kept about it.
      if (kind === 'account') continue;
      const isWrong =
        known === KNOWN.sent ||
        (known === KNOWN.done && !isThere) ||
        ((known === KNOWN.refused || known === KNOWN.no) && isThere);
      if (isWrong)
        throw new Error(
          `deed ${n} of till ${till.till}, a ${kind}: ${what} is known as ${known}, there: ${isThere}`,
        );
    }
  }
}
