import { Accounts, CLOSED, FROZEN } from './accounts.js';
import { fingerprint, hashAccount, shardOf, type TenantKeys, tenantKeys } from './hash.js';
import { type Hold, Holds } from './holds.js';
import { derive, FACT_END, FACT_REVERSAL, IdKind, IdTable } from './ids.js';
import { applyPlan, fillPlan, Plan } from './ledger.js';
import { POSTINGS_MAX } from './limits.js';
import { Has, RecordKind, type RecordView } from './record.js';

/** A tenant as this shard knows it. The number is the shard's own and never logged. */
export interface Tenant {
  readonly number: number;
  readonly name: Uint8Array;
  readonly keys: TenantKeys;
}

/** What has been reversed of a transaction, leg by leg, by how many reversals. Kept at the original's home. */
export interface Reversed {
  readonly sums: bigint[];
  count: number;
  lastLsn: number;
}

/** What is remembered of an id by the record's kind. */
export const ID_KINDS: { readonly [kind: number]: number } = {
  [RecordKind.posted]: IdKind.posted,
  [RecordKind.pending]: IdKind.pending,
  [RecordKind.reversal]: IdKind.reversal,
  [RecordKind.tombstone]: IdKind.tombstone,
  [RecordKind.post]: IdKind.endPosted,
  [RecordKind.void]: IdKind.endVoided,
  [RecordKind.expire]: IdKind.endExpired,
};

/**
 * Everything one shard knows: a pure function of the records up to an LSN (as far as they concern this shard), which {@link replay} computes
 * from the log and the shard's loop keeps up by the same steps.
 */
export class State {
  readonly accounts = new Accounts();
  readonly ids = new IdTable();
  readonly holds = new Holds();
  /** By the original's entry in {@link ids}. */
  readonly reversed = new Map<number, Reversed>();
  private readonly tenants = new Map<string, Tenant>();
  private lastTenant: Tenant | undefined;

  readonly plan = new Plan(POSTINGS_MAX);
  private readonly words = new Uint32Array(RECORD_WORDS_MAX);
  private readonly fp = new Uint32Array(4);

  constructor(
    readonly shard: number,
    readonly shards: number,
    private readonly ledgerKey: Uint8Array,
  ) {}

  /** The tenant of a record or payload. Records of one tenant tend to follow each other. */
  tenantOf(view: RecordView): Tenant {
    const last = this.lastTenant;
    const { bytes, tenantAt, tenantLength } = view;
    if (last !== undefined && last.name.length === tenantLength) {
      let i = 0;
      while (i < tenantLength && last.name[i] === bytes[tenantAt + i]) i++;
      if (i === tenantLength) return last;
    }
    return this.tenantNamed(view.tenant);
  }

  tenantNamed(name: string): Tenant {
    let tenant = this.tenants.get(name);
    if (tenant === undefined) {
      tenant = {
        number: this.tenants.size,
        name: Buffer.from(name, 'latin1'),
        keys: tenantKeys(this.ledgerKey, name),
      };
      this.tenants.set(name, tenant);
    }
    this.lastTenant = tenant;
    return tenant;
  }

  /** The tenants that this shard has met. */
  knownTenants(): IterableIterator<Tenant> {
    return this.tenants.values();
  }

  owns(route: number): boolean {
    return this.shards === 1 || shardOf(route, this.shards) === this.shard;
  }

  /** Remembers an id or, for an end, the fact about it. @returns the entry */
  remember(fp: Uint32Array, kind: number, lsn: number, c0: number, c1: number): number {
    const fact = kind >= RecordKind.post && kind <= RecordKind.expire ? FACT_END : 0;
    return this.ids.add(fp[0]!, derive(fp[1]!, fact), fp[2]!, fp[3]!, lsn, ID_KINDS[kind]!, c0, c1);
  }

  /** The entry of an id's end, or -1. */
  findEnd(fp: Uint32Array): number {
    return this.ids.find(fp[0]!, derive(fp[1]!, FACT_END), fp[2]!, fp[3]!);
  }

  /** Opens a hold for a remembered pending transaction; copies what it needs. */
  openHold(
    entry: number,
    fp: Uint32Array,
    lsn: number,
    view: RecordView,
    words: Uint32Array,
    wordsAt: number,
  ): void {
    const hold: Hold = {
      entry,
      fingerprint: fp.slice(0, 4),
      lsn,
      expiresAt: view.has(Has.expiresAt) ? view.expiresAt : 0,
      approval: view.has(Has.approval),
      creator: view.by,
      n: view.n,
      presence: view.presence,
      payload: view.bytes.slice(view.from, view.end),
      words: words.slice(wordsAt, wordsAt + 2 * view.n),
    };
    this.holds.add(hold);
  }

  /**
   * Adds what a reversal takes from its original, whose home this is, and remembers the fact.
   * @param legs the original's leg by posting of the reversal
   */
  addReversal(
    entry: number,
    fp: Uint32Array,
    lsn: number,
    n: number,
    legs: ArrayLike<number>,
    amounts: ArrayLike<bigint>,
  ): void {
    let reversed = this.reversed.get(entry);
    if (reversed === undefined) {
      reversed = { sums: [], count: 0, lastLsn: 0 };
      this.reversed.set(entry, reversed);
    }
    for (let i = 0; i < n; i++) {
      const leg = legs[i]!;
      while (reversed.sums.length <= leg) reversed.sums.push(0n);
      reversed.sums[leg] = reversed.sums[leg]! + amounts[i]!;
    }
    reversed.lastLsn = Math.max(reversed.lastLsn, lsn);
    const word1 = derive(fp[1]!, FACT_REVERSAL + reversed.count++);
    this.ids.add(fp[0]!, word1, fp[2]!, fp[3]!, lsn, IdKind.reversedBy, 0, 0);
  }

  /** Adds an account from its record. @returns its row */
  addAccount(view: RecordView, tenant: Tenant, hash: number, lsn: number): number {
    const { accounts } = this;
    const row = accounts.add(
      hash,
      tenant.number,
      view.bytes,
      view.idAt,
      view.idLength,
      view.n,
      view.currency,
      view.c0,
      view.c1,
    );
    if (view.has(Has.min)) accounts.setMin(row, view.min);
    if (view.has(Has.max)) accounts.setMax(row, view.max);
    if (view.has(Has.group) || view.has(Has.metadata)) accounts.setExtras(row, view.group, view.metadata);
    accounts.touch(row, lsn);
    return row;
  }

  /** Makes the changes of an account's update. */
  updateAccount(view: RecordView, row: number, lsn: number): void {
    const { accounts } = this;
    if (view.has(Has.min)) accounts.setMin(row, view.min);
    if (view.has(Has.noMin)) accounts.setMin(row, null);
    if (view.has(Has.max)) accounts.setMax(row, view.max);
    if (view.has(Has.noMax)) accounts.setMax(row, null);
    if (view.has(Has.flags)) {
      accounts.setFlag(row, FROZEN, (view.flags & 1) !== 0);
      accounts.setFlag(row, CLOSED, (view.flags & 2) !== 0);
    }
    if (view.has(Has.group) || view.has(Has.metadata)) {
      const group = view.has(Has.group) ? view.group : accounts.group(row);
      const metadata = view.has(Has.metadata) ? view.metadata : accounts.metadata(row);
      accounts.setExtras(row, group, metadata);
    }
    accounts.touch(row, lsn);
  }

  /**
   * Applies one record of the log: adds up outcomes, decides nothing.
   * @throws when the record speaks of an account or id that no earlier record made, which means a damaged log
   */
  replay(view: RecordView, lsn: number): void {
    const tenant = this.tenantOf(view);
    hashRecord(view, tenant.keys, this.words, 0);
    this.replayHashed(view, tenant, lsn, this.words, 0);
  }

  /** As {@link replay}, with what {@link hashRecord} gave in `words` from `at` on. */
  replayHashed(view: RecordView, tenant: Tenant, lsn: number, words: Uint32Array, at: number): void {
    const { kind } = view;
    if (kind >= RecordKind.account) {
      this.replayAccount(view, tenant, lsn, words[at]!, words[at + 1]!);
      return;
    }
    const { plan, accounts, fp } = this;
    const wordsAt = at + 4;
    const code = fillPlan(plan, view, words, wordsAt, accounts, tenant.number, this.shard, this.shards);
    if (code !== 0) throw new Error(`record ${lsn} posts to ${view.account(plan.leg)}, which is not there`);
    applyPlan(plan, accounts, lsn);
    for (let i = 0; i < 4; i++) fp[i] = words[at + i]!;
    if (this.owns(fp[0]!)) this.replayId(view, lsn, words, wordsAt);
    if (kind === RecordKind.reversal) {
      fingerprint(view.view, view.originalAt, view.originalAt + view.originalLength, tenant.keys, fp);
      if (!this.owns(fp[0]!)) return;
      const original = this.ids.find(fp[0]!, fp[1]!, fp[2]!, fp[3]!);
      if (original < 0) throw new Error(`record ${lsn} reverses ${view.original}, which is not there`);
      this.addReversal(original, fp, lsn, view.n, view.legs, view.amounts);
    }
  }

  /** Fetches what accounts and ids with these hashes will need, see `Replayer`. @returns nothing of meaning */
  warm(
    accounts: Uint32Array,
    rows: Int32Array,
    accountCount: number,
    ids: Uint32Array,
    idCount: number,
  ): number {
    return this.accounts.warm(accounts, rows, accountCount) ^ this.ids.warm(ids, idCount);
  }

  /** Of the id in {@link fp}. */
  private replayId(view: RecordView, lsn: number, words: Uint32Array, wordsAt: number): void {
    const { fp } = this;
    const entry = this.remember(fp, view.kind, lsn, view.c0, view.c1);
    if (view.kind === RecordKind.pending) this.openHold(entry, fp, lsn, view, words, wordsAt);
    else if (view.kind >= RecordKind.post && view.kind <= RecordKind.expire) {
      const of = this.ids.find(fp[0]!, fp[1]!, fp[2]!, fp[3]!);
      if (of < 0) throw new Error(`record ${lsn} ends ${view.id}, which is not there`);
      this.holds.remove(of);
    }
  }

  private replayAccount(view: RecordView, tenant: Tenant, lsn: number, route: number, hash: number): void {
    if (!this.owns(route)) return;
    if (view.kind === RecordKind.account) {
      this.addAccount(view, tenant, hash, lsn);
      return;
    }
    const row = this.accounts.find(hash, tenant.number, view.bytes, view.idAt, view.idLength);
    if (row < 0) throw new Error(`record ${lsn} changes ${view.id}, which is not there`);
    this.updateAccount(view, row, lsn);
  }
}

/** Words that {@link hashRecord} puts out at most. */
export const RECORD_WORDS_MAX = 4 + 2 * POSTINGS_MAX;
const id = new Uint32Array(4);

/**
 * The hashes that applying a record needs, into `out` from `at` on: of a transaction the fingerprint of its id, then route and hash of
 * each leg's account; of an account's record its route and hash. @returns how many words
 */
export function hashRecord(view: RecordView, keys: TenantKeys, out: Uint32Array, at: number): number {
  if (view.kind >= RecordKind.account) {
    hashAccount(view.view, view.idAt, view.idAt + view.idLength, keys, out, at);
    return 2;
  }
  fingerprint(view.view, view.idAt, view.idAt + view.idLength, keys, id);
  for (let i = 0; i < 4; i++) out[at + i] = id[i]!;
  for (let leg = 0; leg < view.n; leg++) {
    const from = view.accountAt[leg]!;
    hashAccount(view.view, from, from + view.accountLength[leg]!, keys, out, at + 4 + 2 * leg);
  }
  return 4 + 2 * view.n;
}
