import { CLOSED, FROZEN } from '../engine/accounts.js';
import { ID_ENTRY_WORDS, IdKind } from '../engine/ids.js';
import { hashPostings } from '../engine/ledger.js';
import { POSTINGS_MAX } from '../engine/limits.js';
import { asciiText, RecordKind, RecordView } from '../engine/record.js';
import type { State, Tenant } from '../engine/state.js';
import { type Block, BlockKind, BlockReader, CheckpointFault } from './checkpoint-block.js';
import {
  AccountChange,
  Change,
  ENTRY_BYTES_MIN,
  ENTRY_HASH,
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
  REVERSAL_SUMS,
} from './checkpoint-entry.js';
import { type Foot, idsPath, type Run } from './checkpoint-files.js';
import type { Disk } from './disk.js';
import { LOCAL_DISK } from './local-disk.js';

/**
 * Brings an empty state to the LSN of a checkpoint: what the shard owns of it.
 * @param runs as `readRuns` gives them, at least one
 * @throws {CheckpointFault} and then the state is of no use
 */
export function loadCheckpoint(
  state: State,
  data: string,
  runs: readonly Run[],
  disk: Disk = LOCAL_DISK,
): void {
  try {
    new Loader(state, disk).load(data, runs);
  } catch (error) {
    if (error instanceof CheckpointFault) throw error;
    throw new CheckpointFault(`the checkpoint in ${data} cannot be read: ${(error as Error).message}`);
  }
}

/** Accounts that are looked up ahead, see `Replayer`. */
const ACCOUNTS_WARMED = 64;

class Loader {
  private readonly change = new AccountChange();
  private readonly fp = new Uint32Array(4);
  private readonly words = new Uint32Array(2 * POSTINGS_MAX);
  private readonly view = new RecordView();
  private tenant: Tenant | undefined;
  private currency = '';
  private currencyBytes: Uint8Array = Buffer.alloc(0);
  private readonly hashes = new Uint32Array(ACCOUNTS_WARMED);
  private readonly rows = new Int32Array(ACCOUNTS_WARMED);
  /** Keeps the fetches from being left out as useless. */
  fetched = 0;
  /** Open holds of this shard by LSN: fingerprint, presence and payload of each. */
  private readonly holds = new Map<number, Uint8Array>();
  /** The slice of the routes that the shard owns. */
  private readonly low: number;
  private readonly high: number;

  constructor(
    private readonly state: State,
    private readonly disk: Disk,
  ) {
    const { shard, shards } = state;
    this.low = Math.ceil((shard * 4294967296) / shards);
    this.high = Math.ceil(((shard + 1) * 4294967296) / shards) - 1;
  }

  load(data: string, runs: readonly Run[]): void {
    const { ids, accounts } = this.state;
    const [first, ...later] = runs;
    const last = runs.at(-1)!;
    ids.beginFill();
    this.loadIds(idsPath(data), last.idsBytes, last.ids);
    ids.endFill();
    // Every account that the first run speaks of is made by it.
    accounts.beginFill();
    this.loadRun(first!);
    accounts.endFill();
    for (const run of later) this.loadRun(run);
    for (const [lsn, entry] of this.holds) this.openHold(lsn, entry);
  }

  private loadIds(path: string, end: number, expected: number): void {
    const file = this.disk.open(path, 'read');
    try {
      if (file.size() < end) throw new CheckpointFault(`the checkpoint's file ${path} is too short`);
      const reader = new BlockReader(file, path, 0, end);
      let found = 0;
      for (let block = reader.next(); block !== undefined; block = reader.next()) {
        if (block.kind !== BlockKind.ids || block.length !== block.count * ID_ENTRY_WORDS * 4) {
          throw reader.fault('no ids');
        }
        found += block.count;
        this.takeIds(new Uint32Array(block.bytes.buffer, 0, block.count * ID_ENTRY_WORDS));
      }
      if (found !== expected) throw reader.fault(`${found} facts and not ${expected}`);
    } finally {
      file.close();
    }
  }

  private takeIds(words: Uint32Array): void {
    const { state } = this;
    const { ids, shards } = state;
    for (let at = 0; at < words.length; at += ID_ENTRY_WORDS) {
      if (shards > 1 && !state.owns(words[at]!)) continue;
      if (words[at + 5]! >>> 16 === IdKind.reversedBy) this.takeReversedBy(words, at);
      else ids.addPacked(words, at);
    }
  }

  /** A reversal's fact at its original. It is stored under the original's own fingerprint: only its home knows how many came before. */
  private takeReversedBy(words: Uint32Array, at: number): void {
    const { state, fp } = this;
    for (let i = 0; i < 4; i++) fp[i] = words[at + i]!;
    const lsn = words[at + 4]! + (words[at + 5]! & 0xffff) * 4294967296;
    state.ids.settleFill(fp[1]!);
    state.addReversal(this.known(fp), fp, lsn, 0, [], []);
  }

  private known(fp: Uint32Array): number {
    const entry = this.state.ids.find(fp[0]!, fp[1]!, fp[2]!, fp[3]!);
    if (entry < 0) throw new CheckpointFault('the checkpoint speaks of an id that is not in it');
    return entry;
  }

  private loadRun(run: Run): void {
    const file = this.disk.open(run.path, 'read');
    try {
      const reader = new BlockReader(file, run.path, 0, run.bytes);
      const counts = new Map<number, number>();
      const passed = (kind: number, count: number) => {
        counts.set(kind, (counts.get(kind) ?? 0) + count);
      };
      let foot: Foot | undefined;
      for (;;) {
        const block = reader.next(this.low, this.high, passed);
        if (block === undefined) break;
        if (block.kind === BlockKind.accounts) this.takeAccounts(block, run.from === 0);
        else if (block.kind === BlockKind.holds) this.takeHolds(block);
        else if (block.kind === BlockKind.reversals) this.takeReversals(block);
        else if (block.kind === BlockKind.foot) foot = JSON.parse(text(block)) as Foot;
      }
      const isWhole =
        foot !== undefined &&
        foot.accounts === (counts.get(BlockKind.accounts) ?? 0) &&
        foot.holds === (counts.get(BlockKind.holds) ?? 0) &&
        foot.reversals === (counts.get(BlockKind.reversals) ?? 0);
      if (!isWhole) throw reader.fault('other counts than its foot says');
    } finally {
      file.close();
    }
  }

  private takeAccounts(block: Block, isFirst: boolean): void {
    const { change, low, high } = this;
    const { bytes, view, length } = block;
    for (let at = 0, warmed = 0; at < length; warmed--) {
      if (!isFirst && warmed === 0) {
        this.warmAccounts(block, at);
        warmed = ACCOUNTS_WARMED;
      }
      const route = view.getUint32(at + ENTRY_ROUTE, true);
      if (route < low || route > high) {
        at += sizeAt(block, at, ENTRY_BYTES_MIN);
        continue;
      }
      at = change.read(bytes, view, at);
      this.settle(this.rowOf(bytes, view, isFirst), view);
    }
  }

  /** Fetches what the accounts of the next entries will need, so that the processor waits for all of them at once. */
  private warmAccounts(block: Block, at: number): void {
    const { hashes, rows, low, high } = this;
    const { view, length } = block;
    let n = 0;
    for (let i = 0; i < ACCOUNTS_WARMED && at < length; i++) {
      const route = view.getUint32(at + ENTRY_ROUTE, true);
      if (route >= low && route <= high) hashes[n++] = view.getUint32(at + ENTRY_HASH, true);
      at += sizeAt(block, at, ENTRY_BYTES_MIN);
    }
    this.fetched ^= this.state.accounts.warm(hashes, rows, n);
  }

  /** The row of the account in {@link change}, which is made if the entry says so. */
  private rowOf(bytes: Uint8Array, view: DataView, isFirst: boolean): number {
    const { change, state } = this;
    const { accounts } = state;
    const { name, hash } = change;
    const tenant = this.tenantAt(bytes, name.at);
    const idAt = name.at + 2 + bytes[name.at]!;
    const idLength = bytes[idAt - 1]!;
    if (change.has(Change.created)) {
      const { at, size } = change.created;
      const currency = this.currencyAt(bytes, at + 1);
      const c0 = view.getUint32(at + size - 8, true);
      const c1 = view.getUint32(at + size - 4, true);
      return accounts.add(hash, tenant.number, bytes, idAt, idLength, bytes[at]!, currency, c0, c1);
    }
    const row = isFirst ? -1 : accounts.find(hash, tenant.number, bytes, idAt, idLength);
    if (row >= 0) return row;
    const id = asciiText(bytes, idAt, idLength);
    throw new CheckpointFault(`the checkpoint does not say how account ${id} came to be`);
  }

  /** Adds what is in {@link change} to an account. */
  private settle(row: number, view: DataView): void {
    const { change } = this;
    const { accounts } = this.state;
    const { sums } = change;
    accounts.addSums(row, sums[0]!, sums[1]!, sums[2]!, sums[3]!);
    accounts.touch(row, change.lsn);
    const { presence } = change;
    if (presence < Change.min) return;
    if (presence & Change.min) accounts.setMin(row, view.getBigInt64(change.min.at, true));
    if (presence & Change.noMin) accounts.setMin(row, null);
    if (presence & Change.max) accounts.setMax(row, view.getBigInt64(change.max.at, true));
    if (presence & Change.noMax) accounts.setMax(row, null);
    if (presence & Change.flags) {
      const flags = view.getUint8(change.flags.at);
      accounts.setFlag(row, FROZEN, (flags & 1) !== 0);
      accounts.setFlag(row, CLOSED, (flags & 2) !== 0);
    }
    if (presence & (Change.group | Change.metadata)) {
      const group = presence & Change.group ? change.group.text(1) : accounts.group(row);
      const metadata = presence & Change.metadata ? change.metadata.text(2) : accounts.metadata(row);
      accounts.setExtras(row, group, metadata);
    }
  }

  /** The tenant whose name stands behind its length byte. Accounts of one tenant tend to follow each other. */
  private tenantAt(bytes: Uint8Array, at: number): Tenant {
    const last = this.tenant;
    if (last !== undefined && isText(last.name, bytes, at)) return last;
    this.tenant = this.state.tenantNamed(asciiText(bytes, at + 1, bytes[at]!));
    return this.tenant;
  }

  private currencyAt(bytes: Uint8Array, at: number): string {
    if (!isText(this.currencyBytes, bytes, at)) {
      this.currency = asciiText(bytes, at + 1, bytes[at]!);
      this.currencyBytes = Buffer.from(this.currency, 'latin1');
    }
    return this.currency;
  }

  private takeHolds(block: Block): void {
    for (let at = 0; at < block.length; ) {
      const size = sizeAt(block, at, HOLD_END_BYTES);
      const route = block.view.getUint32(at + ENTRY_ROUTE, true);
      if (route >= this.low && route <= this.high) {
        const lsn = block.view.getFloat64(at + HOLD_LSN, true);
        const isOpen = block.bytes[at + HOLD_OPEN] === 1;
        // A copy: the block's memory is used again.
        if (isOpen) this.holds.set(lsn, new Uint8Array(block.bytes.subarray(at, at + size)));
        else if (!this.holds.delete(lsn))
          throw new CheckpointFault(`the hold of LSN ${lsn} ends but was not open`);
      }
      at += size;
    }
  }

  private openHold(lsn: number, bytes: Uint8Array): void {
    const { state, fp, view, words } = this;
    const data = new DataView(bytes.buffer);
    fp[0] = data.getUint32(ENTRY_ROUTE, true);
    for (let i = 0; i < 3; i++) fp[i + 1] = data.getUint32(HOLD_FINGERPRINT + 4 * i, true);
    view
      .over(bytes, data)
      .readPayload(
        HOLD_PAYLOAD,
        RecordKind.pending,
        bytes[HOLD_POSTINGS]!,
        data.getUint16(HOLD_PRESENCE, true),
      );
    hashPostings(view, state.tenantNamed(view.tenant).keys, words);
    state.openHold(this.known(fp), fp, lsn, view, words, 0);
  }

  private takeReversals(block: Block): void {
    const { fp, state } = this;
    for (let at = 0; at < block.length; at += sizeAt(block, at, REVERSAL_SUMS)) {
      fp[0] = block.view.getUint32(at + ENTRY_ROUTE, true);
      if (fp[0] < this.low || fp[0] > this.high) continue;
      for (let i = 0; i < 3; i++) fp[i + 1] = block.view.getUint32(at + REVERSAL_FINGERPRINT + 4 * i, true);
      const reversed = state.reversed.get(this.known(fp));
      if (reversed === undefined)
        throw new CheckpointFault('the checkpoint has sums of an id that was not reversed');
      const legs = block.view.getUint16(at + REVERSAL_LEGS, true);
      while (reversed.sums.length < legs) reversed.sums.push(0n);
      for (let leg = 0; leg < legs; leg++) {
        reversed.sums[leg] = reversed.sums[leg]! + block.view.getBigInt64(at + REVERSAL_SUMS + 8 * leg, true);
      }
    }
  }
}

/** The size of the entry at `at`, so that a walk over entries moves on and ends with its block, whatever a faulty writer put there. */
function sizeAt(block: Block, at: number, least: number): number {
  const size = block.view.getUint16(at, true);
  if (size < least || size > block.length - at) {
    throw new CheckpointFault(`the checkpoint has an entry of ${size} bytes`);
  }
  return size;
}

/** Whether a text stands at `at` behind its length byte. */
function isText(text: Uint8Array, bytes: Uint8Array, at: number): boolean {
  if (bytes[at] !== text.length) return false;
  for (let i = 0; i < text.length; i++) if (bytes[at + 1 + i] !== text[i]) return false;
  return true;
}

function text(block: Block): string {
  return Buffer.from(block.bytes.subarray(0, block.length)).toString('utf8');
}
