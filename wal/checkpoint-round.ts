import { CLOSED, FROZEN, HAS_MAX, HAS_MIN } from '../engine/accounts.js';
import { CODES } from '../engine/codes.js';
import { fingerprint } from '../engine/hash.js';
import { derive, FACT_END, ID_ENTRY_WORDS, IdKind } from '../engine/ids.js';
import { applyPlan, fillPlan } from '../engine/ledger.js';
import { Has, RecordKind, type RecordView, RecordWriter } from '../engine/record.js';
import { Replayer, type ReplayTarget } from '../engine/replay.js';
import { ID_KINDS, State, type Tenant } from '../engine/state.js';
import { BATCH_HEADER_BYTES, type Batch } from './batch.js';
import { BlockKind, BlockWriter, CheckpointFault, Stopped } from './checkpoint-block.js';
import {
  AccountChange,
  Change,
  compareNames,
  ENTRY_ROUTE,
  HOLD_END_BYTES,
  HOLD_FINGERPRINT,
  HOLD_LSN,
  HOLD_OPEN,
  HOLD_PAYLOAD,
  HOLD_POSTINGS,
  HOLD_PRESENCE,
  REVERSAL_FINGERPRINT,
  REVERSAL_LEGS,
  REVERSAL_LSN,
  REVERSAL_SUMS,
  type Span,
} from './checkpoint-entry.js';
import type { Foot } from './checkpoint-files.js';
import type { Disk, OpenFile } from './disk.js';

/** Facts of a block: 256 KiB. */
const FACTS_PER_BLOCK = 8192;

/** Words kept of an account's row, and where. */
const NOTE = 4;
const NOTE_ROUTE = 0;
const NOTE_HASH = 1;
const NOTE_CHANGE = 2;
/** Where its name begins in `names`. */
const NOTE_NAME = 3;
const NAMES_FIRST = 1 << 15;

/** A hold that the run opened, or (`entry` undefined) ended though it was opened before. */
interface HoldChange {
  readonly route: number;
  readonly entry: Uint8Array | undefined;
}

interface ReversalChange {
  readonly fingerprint: Uint32Array;
  readonly sums: bigint[];
}

/**
 * What a run of records did, for the next run of a checkpoint: adds up outcomes as the shards do when they replay, but without knowing what
 * was before. Of an account it knows what was added; that a hold of an earlier run has ended, by its LSN. Memory grows with the accounts
 * and holds that are touched; facts about ids are appended to their file as they come.
 */
export class Round implements ReplayTarget {
  private readonly state: State;
  private readonly replayer = new Replayer(this);
  private readonly fp = new Uint32Array(4);
  /** By the account's row: route, table hash, and what else than its sums is known of it. */
  private notes = new Uint32Array(1024 * NOTE);
  /** Tenant and id of each account, as its entry will have them. */
  private names = new Uint8Array(NAMES_FIRST);
  private namesEnd = 0;
  private readonly holds = new Map<number, HoldChange>();
  private readonly reversals = new Map<number, ReversalChange>();
  private readonly idsFile: OpenFile;
  private readonly ids: BlockWriter;
  /** Facts about ids so far. */
  facts = 0;
  private readonly factWords: Uint32Array;
  /** What is not a sum of the account that is being written. */
  private readonly fields = new RecordWriter();

  /**
   * @param idsPath the file of facts, which is cut to `idsBytes`: what lies beyond is of a round that was never finished
   */
  constructor(ledgerKey: Uint8Array, idsPath: string, idsBytes: number, disk: Disk) {
    this.state = new State(0, 1, ledgerKey);
    this.idsFile = disk.open(idsPath, 'edit');
    if (this.idsFile.size() < idsBytes) {
      this.idsFile.close();
      throw new CheckpointFault(`the checkpoint's file ${idsPath} is too short`);
    }
    this.idsFile.truncate(idsBytes);
    this.ids = new BlockWriter(this.idsFile, idsBytes);
    this.ids.start(BlockKind.ids);
    this.factWords = new Uint32Array(
      this.ids.bytes.buffer,
      this.ids.bytes.byteOffset,
      FACTS_PER_BLOCK * ID_ENTRY_WORDS,
    );
  }

  /** Accounts touched so far. */
  get accounts(): number {
    return this.state.accounts.count;
  }

  close(): void {
    this.idsFile.close();
  }

  /** Makes the facts durable. @returns the bytes of their file */
  syncIds(): number {
    this.ids.sync();
    return this.ids.at;
  }

  /** Adds a batch. @throws when a record cannot be what was written */
  add(batch: Batch): void {
    const { bytes, firstLsn } = batch;
    this.replayer.replay(bytes, BATCH_HEADER_BYTES, firstLsn, 0, Number.MAX_SAFE_INTEGER);
  }

  /** LSN of the record that was looked at last, for errors. */
  get lsn(): number {
    return this.replayer.lsn;
  }

  tenantOf(view: RecordView): Tenant {
    return this.state.tenantOf(view);
  }
  owns(): boolean {
    return true;
  }
  warm(accounts: Uint32Array, rows: Int32Array, accountCount: number): number {
    return this.state.accounts.warm(accounts, rows, accountCount);
  }

  replayHashed(view: RecordView, tenant: Tenant, lsn: number, words: Uint32Array, at: number): void {
    const { kind } = view;
    if (kind >= RecordKind.account) {
      this.addAccount(view, tenant, lsn, words[at]!, words[at + 1]!);
      return;
    }
    const { state, fp } = this;
    const { plan, accounts } = state;
    const wordsAt = at + 4;
    for (;;) {
      const code = fillPlan(plan, view, words, wordsAt, accounts, tenant.number, 0, 1);
      if (code === 0) break;
      if (code !== CODES.account_not_found.n) throw new RangeError(`record ${lsn} overflows a sum`);
      const { leg } = plan;
      const [route, hash] = [words[wordsAt + leg * 2]!, words[wordsAt + leg * 2 + 1]!];
      this.addRow(view, tenant, route, hash, view.accountAt[leg]!, view.accountLength[leg]!);
    }
    applyPlan(plan, accounts, lsn);
    for (let i = 0; i < 4; i++) fp[i] = words[at + i]!;
    const isEnd = kind >= RecordKind.post && kind <= RecordKind.expire;
    this.addFact(isEnd ? FACT_END : 0, lsn, ID_KINDS[kind]!, view.c0, view.c1);
    if (kind === RecordKind.pending) this.openHold(view, lsn);
    else if (isEnd) this.endHold(view, lsn);
    else if (kind === RecordKind.reversal) this.addReversal(view, tenant, lsn);
  }

  private addAccount(view: RecordView, tenant: Tenant, lsn: number, route: number, hash: number): void {
    const { state } = this;
    if (view.kind === RecordKind.account) {
      const created = state.addAccount(view, tenant, hash, lsn);
      this.note(created, route, hash, Change.created);
      this.addName(tenant.name, view.bytes, view.idAt, view.idLength);
      return;
    }
    let row = state.accounts.find(hash, tenant.number, view.bytes, view.idAt, view.idLength);
    if (row < 0) row = this.addRow(view, tenant, route, hash, view.idAt, view.idLength);
    state.updateAccount(view, row, lsn);
    let change = this.notes[row * NOTE + NOTE_CHANGE]!;
    if (view.has(Has.min)) change = (change | Change.min) & ~Change.noMin;
    if (view.has(Has.noMin)) change = (change | Change.noMin) & ~Change.min;
    if (view.has(Has.max)) change = (change | Change.max) & ~Change.noMax;
    if (view.has(Has.noMax)) change = (change | Change.noMax) & ~Change.max;
    if (view.has(Has.flags)) change |= Change.flags;
    if (view.has(Has.group)) change |= Change.group;
    if (view.has(Has.metadata)) change |= Change.metadata;
    this.notes[row * NOTE + NOTE_CHANGE] = change;
  }

  /** An account that was there before the run. Its type and currency are not known here. */
  private addRow(
    view: RecordView,
    tenant: Tenant,
    route: number,
    hash: number,
    at: number,
    length: number,
  ): number {
    const row = this.state.accounts.add(hash, tenant.number, view.bytes, at, length, 0, '', 0, 0);
    this.note(row, route, hash, 0);
    this.addName(tenant.name, view.bytes, at, length);
    return row;
  }

  private note(row: number, route: number, hash: number, change: number): void {
    const at = row * NOTE;
    if (at === this.notes.length) {
      const bigger = new Uint32Array(at * 2);
      bigger.set(this.notes);
      this.notes = bigger;
    }
    this.notes[at + NOTE_ROUTE] = route;
    this.notes[at + NOTE_HASH] = hash;
    this.notes[at + NOTE_CHANGE] = change;
    this.notes[at + NOTE_NAME] = this.namesEnd;
  }

  private addName(tenant: Uint8Array, bytes: Uint8Array, at: number, length: number): void {
    let end = this.namesEnd;
    if (end + 2 + tenant.length + length > this.names.length) {
      const bigger = new Uint8Array(this.names.length * 2);
      bigger.set(this.names);
      this.names = bigger;
    }
    const { names } = this;
    names[end++] = tenant.length;
    for (let i = 0; i < tenant.length; i++) names[end++] = tenant[i]!;
    names[end++] = length;
    for (let i = 0; i < length; i++) names[end++] = bytes[at + i]!;
    this.namesEnd = end;
  }

  /** Packs a fact about the id in {@link fp} as the table of ids does. */
  private addFact(fact: number, lsn: number, kind: number, c0: number, c1: number): void {
    const { ids, factWords, fp } = this;
    const at = ids.end >> 2;
    factWords[at] = fp[0]!;
    factWords[at + 1] = derive(fp[1]!, fact);
    factWords[at + 2] = fp[2]!;
    factWords[at + 3] = fp[3]!;
    factWords[at + 4] = lsn;
    factWords[at + 5] = (Math.floor(lsn / 4294967296) & 0xffff) | (kind << 16);
    factWords[at + 6] = c0;
    factWords[at + 7] = c1;
    this.facts++;
    ids.added(ids.end + ID_ENTRY_WORDS * 4, fp[0]!);
  }

  private openHold(view: RecordView, lsn: number): void {
    const { fp } = this;
    const size = HOLD_PAYLOAD + view.end - view.from;
    const entry = new Uint8Array(size);
    const data = new DataView(entry.buffer);
    data.setUint16(0, size, true);
    entry[HOLD_OPEN] = 1;
    entry[HOLD_POSTINGS] = view.n;
    data.setUint32(ENTRY_ROUTE, fp[0]!, true);
    data.setFloat64(HOLD_LSN, lsn, true);
    for (let i = 0; i < 3; i++) data.setUint32(HOLD_FINGERPRINT + 4 * i, fp[i + 1]!, true);
    data.setUint16(HOLD_PRESENCE, view.presence, true);
    entry.set(view.bytes.subarray(view.from, view.end), HOLD_PAYLOAD);
    this.holds.set(lsn, { route: fp[0]!, entry });
  }

  private endHold(view: RecordView, lsn: number): void {
    if (!view.has(Has.created)) throw new RangeError(`record ${lsn} does not say what it ends`);
    const { createdLsn } = view;
    if (!this.holds.delete(createdLsn)) this.holds.set(createdLsn, { route: this.fp[0]!, entry: undefined });
  }

  private addReversal(view: RecordView, tenant: Tenant, lsn: number): void {
    const { fp } = this;
    fingerprint(view.view, view.originalAt, view.originalAt + view.originalLength, tenant.keys, fp);
    // Under the original's own fingerprint: how many reversals came before is for the reader to count.
    this.addFact(0, lsn, IdKind.reversedBy, 0, 0);
    let reversal = this.reversals.get(view.originalLsn);
    if (reversal === undefined) {
      reversal = { fingerprint: fp.slice(), sums: [] };
      this.reversals.set(view.originalLsn, reversal);
    }
    const { sums } = reversal;
    for (let i = 0; i < view.n; i++) {
      const leg = view.legs[i]!;
      while (sums.length <= leg) sums.push(0n);
      sums[leg] = sums[leg]! + view.amounts[i]!;
    }
  }

  /** Writes what was added up. @throws {Stopped} */
  write(block: BlockWriter, shouldStop: () => boolean): Foot {
    this.writeAccounts(block, shouldStop);
    this.writeHolds(block);
    this.writeReversals(block);
    return { accounts: this.accounts, holds: this.holds.size, reversals: this.reversals.size };
  }

  private writeAccounts(block: BlockWriter, shouldStop: () => boolean): void {
    const { accounts } = this.state;
    const { notes, names } = this;
    const change = new AccountChange();
    const { sums } = change;
    block.start(BlockKind.accounts);
    for (const row of this.sortedRows()) {
      if (block.end === 0 && shouldStop()) throw new Stopped('stopped');
      const note = row * NOTE;
      const nameAt = notes[note + NOTE_NAME]!;
      const nameEnd = row + 1 < accounts.count ? notes[note + NOTE + NOTE_NAME]! : this.namesEnd;
      change.route = notes[note + NOTE_ROUTE]!;
      change.hash = notes[note + NOTE_HASH]!;
      change.lsn = accounts.lsn(row);
      change.name.over(names, nameAt, nameEnd - nameAt);
      sums[0] = accounts.debitsPosted(row);
      sums[1] = accounts.creditsPosted(row);
      sums[2] = accounts.debitsPending(row);
      sums[3] = accounts.creditsPending(row);
      change.presence = notes[note + NOTE_CHANGE]!;
      if (change.presence !== 0) this.describe(change, row);
      change.write(block);
    }
  }

  /** Completes a change by what is not a sum. */
  private describe(change: AccountChange, row: number): void {
    const { accounts } = this.state;
    const { fields } = this;
    const flags = accounts.flags(row);
    if ((change.presence & Change.created) !== 0) {
      change.presence =
        Change.created |
        (flags & HAS_MIN ? Change.min : 0) |
        (flags & HAS_MAX ? Change.max : 0) |
        (flags & (FROZEN | CLOSED) ? Change.flags : 0) |
        (accounts.group(row) !== '' ? Change.group : 0) |
        (accounts.metadata(row) !== '' ? Change.metadata : 0);
    }
    fields.start();
    if (change.has(Change.created)) {
      fields.u8(accounts.type(row));
      fields.text(accounts.currency(row));
      fields.u32(accounts.createdHash(row, 0));
      fields.u32(accounts.createdHash(row, 1));
    }
    let at = this.field(change.created, 0);
    if (change.has(Change.min)) fields.i64(accounts.min(row));
    at = this.field(change.min, at);
    if (change.has(Change.max)) fields.i64(accounts.max(row));
    at = this.field(change.max, at);
    if (change.has(Change.flags)) fields.u8((flags & FROZEN ? 1 : 0) | (flags & CLOSED ? 2 : 0));
    at = this.field(change.flags, at);
    if (change.has(Change.group)) fields.text(accounts.group(row));
    at = this.field(change.group, at);
    if (change.has(Change.metadata)) fields.long(Buffer.from(accounts.metadata(row)));
    this.field(change.metadata, at);
  }

  /** Makes a field what was written from `at` on. @returns where it ends */
  private field(span: Span, at: number): number {
    const { bytes, at: end } = this.fields;
    span.over(bytes, at, end - at);
    return end;
  }

  /**
   * Rows in the order of `compareAccounts`. By route first, as numbers that carry the row in their low bits (2^21 rows at most, which the
   * limit of a round makes sure of): 40 ms for 400,000 rows and 250 ms with a comparing function. Those of one route then among themselves.
   */
  private sortedRows(): Uint32Array {
    const { notes, names } = this;
    const { count } = this.state.accounts;
    if (count > ROWS_MAX) throw new RangeError(`${count} accounts in one round`);
    const keys = new Float64Array(count);
    for (let row = 0; row < count; row++) keys[row] = notes[row * NOTE + NOTE_ROUTE]! * ROWS_MAX + row;
    keys.sort();
    const rows = Uint32Array.from(keys, (key) => key % ROWS_MAX);
    const compare = (a: number, b: number): number =>
      notes[a * NOTE + NOTE_HASH]! - notes[b * NOTE + NOTE_HASH]! ||
      compareNames(names, notes[a * NOTE + NOTE_NAME]!, names, notes[b * NOTE + NOTE_NAME]!);
    for (let from = 0; from < count; ) {
      let to = from + 1;
      while (to < count && routeOf(keys[to]!) === routeOf(keys[from]!)) to++;
      if (to - from > 1) rows.subarray(from, to).sort(compare);
      from = to;
    }
    return rows;
  }

  private writeHolds(block: BlockWriter): void {
    block.start(BlockKind.holds);
    for (const lsn of sortedKeys(this.holds)) {
      const { route, entry } = this.holds.get(lsn)!;
      if (entry !== undefined) {
        block.copy(entry, 0, entry.length, route);
        continue;
      }
      const { view, bytes, end } = block;
      view.setUint16(end, HOLD_END_BYTES, true);
      bytes[end + HOLD_OPEN] = 0;
      bytes[end + HOLD_POSTINGS] = 0;
      view.setUint32(end + ENTRY_ROUTE, route, true);
      view.setFloat64(end + HOLD_LSN, lsn, true);
      block.added(end + HOLD_END_BYTES, route);
    }
  }

  private writeReversals(block: BlockWriter): void {
    block.start(BlockKind.reversals);
    for (const lsn of sortedKeys(this.reversals)) {
      const { fingerprint, sums } = this.reversals.get(lsn)!;
      writeReversal(block, lsn, fingerprint, sums);
    }
  }
}

const ROWS_MAX = 1 << 21;

function routeOf(key: number): number {
  return Math.floor(key / ROWS_MAX);
}

/** Puts an entry of sums that were reversed into a block. */
export function writeReversal(
  block: BlockWriter,
  lsn: number,
  fp: ArrayLike<number>,
  sums: readonly bigint[],
): void {
  const { view, end } = block;
  const size = REVERSAL_SUMS + 8 * sums.length;
  view.setUint16(end, size, true);
  view.setUint16(end + REVERSAL_LEGS, sums.length, true);
  view.setUint32(end + ENTRY_ROUTE, fp[0]!, true);
  view.setFloat64(end + REVERSAL_LSN, lsn, true);
  for (let i = 0; i < 3; i++) view.setUint32(end + REVERSAL_FINGERPRINT + 4 * i, fp[i + 1]!, true);
  for (let leg = 0; leg < sums.length; leg++)
    view.setBigInt64(end + REVERSAL_SUMS + 8 * leg, sums[leg]!, true);
  block.added(end + size, fp[0]!);
}

function sortedKeys(map: ReadonlyMap<number, unknown>): Float64Array {
  return Float64Array.from(map.keys()).sort();
}
