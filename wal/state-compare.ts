import { createHash } from 'node:crypto';
import { CLOSED, FROZEN, HAS_MAX, HAS_MIN } from '../engine/accounts.js';
import { dataViewOf, hashAccount } from '../engine/hash.js';
import { ID_ENTRY_WORDS, IdKind } from '../engine/ids.js';
import type { State, Tenant } from '../engine/state.js';

/** The flags of an account that are logged. */
const LOGGED_FLAGS = FROZEN | CLOSED | HAS_MIN | HAS_MAX;

/** The tenants of a state by their number in it. */
export function tenantsOf(state: State): Tenant[] {
  return [...state.knownTenants()];
}

/** `tenant/id` of an account. */
export function accountName(state: State, tenants: readonly Tenant[], row: number): string {
  return `${Buffer.from(tenants[state.accounts.tenant(row)]!.name).toString('latin1')}/${state.accounts.name(row)}`;
}

/**
 * A hash of everything that shards know, in hexadecimal. It does not depend on the order in which they came to know it nor on how many they
 * are: one state replayed from the whole log and those of four shards recovered from a checkpoint give the same.
 */
export function stateHash(...states: readonly State[]): string {
  const sum = Buffer.alloc(32);
  for (const state of states) {
    const tenants = tenantsOf(state);
    for (let row = 0; row < state.accounts.count; row++) mix(sum, accountText(state, tenants, row));
    for (const item of idItems(state)) mix(sum, item);
  }
  return sum.toString('hex');
}

function mix(sum: Buffer, item: string): void {
  const hash = createHash('sha256').update(item).digest();
  // Added and not XORed: what is there twice must not cancel out.
  let carry = 0;
  for (let i = 0; i < sum.length; i++) {
    carry += sum[i]! + hash[i]!;
    sum[i] = carry;
    carry >>>= 8;
  }
}

function accountText(state: State, tenants: readonly Tenant[], row: number): string {
  return [accountName(state, tenants, row), ...accountFields(state, row).map(([, value]) => value)].join('|');
}

/** All that is known of an account beside its name. */
function accountFields(state: State, row: number): (readonly [name: string, value: unknown])[] {
  const { accounts } = state;
  const flags = accounts.flags(row) & LOGGED_FLAGS;
  return [
    ['type', accounts.type(row)],
    ['currency', accounts.currency(row)],
    ['posted debits', accounts.debitsPosted(row)],
    ['posted credits', accounts.creditsPosted(row)],
    ['pending debits', accounts.debitsPending(row)],
    ['pending credits', accounts.creditsPending(row)],
    ['flags', flags],
    ['minimum', accounts.min(row)],
    ['maximum', accounts.max(row)],
    ['last LSN', accounts.lsn(row)],
    ['creation', `${accounts.createdHash(row, 0)}.${accounts.createdHash(row, 1)}`],
    ['group', accounts.group(row)],
    ['metadata', accounts.metadata(row)],
  ];
}

function* idItems(state: State): Generator<string> {
  const words = new Uint32Array(ID_ENTRY_WORDS);
  for (let entry = 0; entry < state.ids.count; entry++) {
    state.ids.copy(entry, words);
    // Which of a transaction's reversals its home heard of first is no knowledge: settles may overtake each other.
    if (state.ids.kind(entry) === IdKind.reversedBy) words[1] = 0;
    const reversed = state.reversed.get(entry);
    const hold = state.holds.get(entry);
    yield `id|${words.join('.')}`;
    if (reversed !== undefined) {
      yield `reversed|${words.join('.')}|${reversed.sums.join('.')}|${reversed.count}|${reversed.lastLsn}`;
    }
    if (hold !== undefined) {
      const { fingerprint, lsn, expiresAt, approval, creator, n, presence, payload } = hold;
      yield `hold|${fingerprint.join('.')}|${lsn}|${expiresAt}|${approval}|${creator}|${n}|${presence}|${hold.words.join('.')}|${Buffer.from(payload).toString('hex')}`;
    }
  }
}

/**
 * What the states of one shard and one checkpoint differ in.
 * @param expected from the log; `found` from the checkpoint
 * @param most differences to name
 */
export function differences(expected: State, found: State, most: number): string[] {
  const problems: string[] = [];
  for (const problem of allDifferences(expected, found)) {
    problems.push(problem);
    if (problems.length === most) break;
  }
  return problems;
}

function* allDifferences(expected: State, found: State): Generator<string> {
  yield* accountDifferences(expected, found);
  yield* idDifferences(expected, found);
  const counts: readonly (readonly [string, number, number])[] = [
    ['accounts', expected.accounts.count, found.accounts.count],
    ['facts about ids', expected.ids.count, found.ids.count],
    ['ids', expected.ids.ids, found.ids.ids],
    ['open holds', expected.holds.count, found.holds.count],
    ['reversed transactions', expected.reversed.size, found.reversed.size],
  ];
  for (const [what, e, f] of counts) if (e !== f) yield `it has ${f} ${what}, and the log ${e}`;
}

function* accountDifferences(expected: State, found: State): Generator<string> {
  const tenants = tenantsOf(expected);
  const words = new Uint32Array(2);
  for (let row = 0; row < expected.accounts.count; row++) {
    const tenant = tenants[expected.accounts.tenant(row)]!;
    const id = Buffer.from(expected.accounts.name(row), 'latin1');
    const name = accountName(expected, tenants, row);
    hashAccount(dataViewOf(id), 0, id.length, tenant.keys, words, 0);
    const number = found.tenantNamed(Buffer.from(tenant.name).toString('latin1')).number;
    const other = found.accounts.find(words[1]!, number, id, 0, id.length);
    if (other < 0) {
      yield `account ${name} is missing`;
      continue;
    }
    const theirs = accountFields(found, other);
    for (const [i, [field, value]] of accountFields(expected, row).entries()) {
      const [, it] = theirs[i]!;
      if (value !== it) yield `account ${name}: ${field} ${it} and not ${value}`;
    }
  }
}

function* idDifferences(expected: State, found: State): Generator<string> {
  const words = new Uint32Array(ID_ENTRY_WORDS);
  const theirs = new Uint32Array(ID_ENTRY_WORDS);
  for (let entry = 0; entry < expected.ids.count; entry++) {
    expected.ids.copy(entry, words);
    const lsn = expected.ids.lsn(entry);
    const other = found.ids.find(words[0]!, words[1]!, words[2]!, words[3]!);
    if (other < 0) {
      yield `the fact of LSN ${lsn} about an id is missing`;
      continue;
    }
    found.ids.copy(other, theirs);
    if (words.some((word, i) => word !== theirs[i])) yield `the fact of LSN ${lsn} about an id is another`;
    const reversal = expected.reversed.get(entry);
    const theirReversal = found.reversed.get(other);
    if (reversalText(reversal) !== reversalText(theirReversal)) {
      yield `what was reversed of the transaction of LSN ${lsn}: ${reversalText(theirReversal)} and not ${reversalText(reversal)}`;
    }
    const hold = expected.holds.get(entry);
    const theirHold = found.holds.get(other);
    const isSame =
      hold?.lsn === theirHold?.lsn &&
      hold?.presence === theirHold?.presence &&
      (hold === undefined || Buffer.compare(hold.payload, theirHold!.payload) === 0);
    if (!isSame) yield `the hold of LSN ${lsn} differs`;
  }
}

function reversalText(
  reversed: { sums: readonly bigint[]; count: number; lastLsn: number } | undefined,
): string {
  if (reversed === undefined) return 'nothing';
  return `${reversed.sums.join(', ')} by ${reversed.count}, the last at LSN ${reversed.lastLsn}`;
}
