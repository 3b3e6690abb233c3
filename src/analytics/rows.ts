import { METADATA_BYTES_MAX } from '../../engine/limits.js';
import { Has, Leg, RecordKind, RecordView } from '../../engine/record.js';
import type { AccountLookup, Label } from './account-lookup.js';
import { putCreated, putState } from './account-state.js';
import type { HoldText, HoldTexts } from './hold-texts.js';
import { binaryText, RowBuffer } from './row-buffer.js';
import { TIME_MAX_MS, TIME_MIN_MS } from './schema.js';

const KINDS: readonly Uint8Array[] = Object.entries(RecordKind).reduce<Uint8Array[]>(
  (kinds, [name, kind]) => {
    kinds[kind] = binaryText(name);
    return kinds;
  },
  [],
);
const NO_LABEL: Label = { bytes: Uint8Array.of(0, 0, 0), currency: '', currencyBytes: Uint8Array.of(0) };
const DEBIT = 1;
const CREDIT = 2;
/** More than a row can take, besides its metadata. */
const ROW_BYTES_MAX = 800;
const TWO_32 = 2 ** 32;

export function clampTime(ms: number): number {
  return ms < TIME_MIN_MS ? TIME_MIN_MS : ms > TIME_MAX_MS ? TIME_MAX_MS : Math.floor(ms);
}

/**
 * The rows of a range of LSNs, encoded from records without a string or an object between. Fields that are texts of up to 127 bytes have the
 * same form in a record as in RowBinary, a length byte and the bytes, and are copied as they are.
 */
export class RowEncoder {
  /** The record to be added next is read into it. */
  readonly view = new RecordView();
  readonly accounts = new RowBuffer();
  readonly transactions = new RowBuffer();
  readonly postings = new RowBuffer();
  /** The amounts as words, low ones first. */
  private readonly amounts = new Uint32Array(this.view.amounts.buffer);
  private readonly released = new Uint32Array(this.view.released.buffer);
  private readonly labels: Label[] = [];
  private holds!: HoldTexts;
  /** Of an end: what its hold was made for. */
  private hold: HoldText | undefined;
  private committedAt = 0;
  /** Of the batch. */
  firstLsn = 0;
  records = 0;
  /** Of the last record's commit. */
  timeMs = 0;

  constructor(private readonly lookup: AccountLookup) {}

  /** Begins a batch. */
  begin(firstLsn: number, holds: HoldTexts): void {
    this.firstLsn = firstLsn;
    this.holds = holds;
    this.records = 0;
    this.accounts.clear();
    this.transactions.clear();
    this.postings.clear();
    this.lookup.beginBatch(this.accounts);
  }

  get lastLsn(): number {
    return this.firstLsn + this.records - 1;
  }

  get bytes(): number {
    return this.accounts.at + this.transactions.at + this.postings.at;
  }

  /** Passes over the next record: it was put aside for good. */
  skip(timeMs: number): void {
    this.mark(timeMs);
  }

  /**
   * Adds the rows of the next record, which is in {@link view}.
   * @param timeMs of its commit
   * @param isKnown whether what has been asked for about accounts is all there is: the rest is left empty
   * @returns false, and nothing is added, when accounts have to be asked for first
   */
  add(timeMs: number, isKnown: boolean): boolean {
    const { view } = this;
    const lsn = this.firstLsn + this.records;
    this.committedAt = clampTime(timeMs);
    if (view.kind === RecordKind.accountUpdate) return this.addUpdated(lsn, timeMs, isKnown);
    if (view.kind === RecordKind.account) {
      this.mark(timeMs);
      this.addCreated(lsn);
      return true;
    }
    for (let leg = 0; leg < view.n; leg++) {
      const label = this.lookup.label(view, leg) ?? (isKnown ? NO_LABEL : undefined);
      if (label === undefined) return false;
      this.labels[leg] = label;
    }
    this.mark(timeMs);
    this.hold = view.has(Has.created) ? this.holds.take(view.createdLsn) : undefined;
    if (view.kind === RecordKind.pending) this.holds.note(lsn, view);
    const effectiveAt = view.has(Has.effectiveAt) ? clampTime(view.effectiveAt) : this.committedAt;
    this.addTransaction(lsn, effectiveAt);
    if (view.n > 0) this.addPostings(lsn, effectiveAt);
    return true;
  }

  private mark(timeMs: number): void {
    this.records++;
    this.timeMs = timeMs;
    this.accounts.mark();
    this.transactions.mark();
    this.postings.mark();
  }

  private addCreated(lsn: number): void {
    const { accounts, view } = this;
    const rowAt = accounts.at;
    this.beginAccount(lsn);
    putCreated(accounts, view);
    this.endAccount();
    this.lookup.created(view, rowAt);
  }

  private addUpdated(lsn: number, timeMs: number, isKnown: boolean): boolean {
    const state = this.lookup.updated(this.view, isKnown);
    if (state === undefined) return false;
    this.mark(timeMs);
    this.beginAccount(lsn);
    putState(this.accounts, state);
    this.endAccount();
    return true;
  }

  private beginAccount(lsn: number): void {
    const { accounts, view } = this;
    accounts.ensure(ROW_BYTES_MAX + METADATA_BYTES_MAX);
    accounts.text(view.bytes, view.tenantAt, view.tenantLength);
    accounts.text(view.bytes, view.idAt, view.idLength);
    accounts.i64(lsn);
  }

  private endAccount(): void {
    const { accounts, view } = this;
    accounts.text(view.bytes, view.byAt, view.byLength);
    accounts.text(view.bytes, view.terminalAt, view.terminalLength);
    accounts.i64(this.committedAt);
    accounts.rows++;
  }

  private addTransaction(lsn: number, effectiveAt: number): void {
    const { transactions: rows, view } = this;
    const { bytes, kind, n } = view;
    rows.ensure(ROW_BYTES_MAX + METADATA_BYTES_MAX);
    rows.text(bytes, view.tenantAt, view.tenantLength);
    rows.i64(lsn);
    rows.u16(0);
    rows.text(bytes, view.idAt, view.idLength);
    rows.put(KINDS[kind]!);
    rows.i64(view.has(Has.created) ? view.createdLsn : lsn);
    if (view.has(Has.original)) rows.text(bytes, view.originalAt, view.originalLength);
    else rows.u8(0);
    rows.u8(n);
    this.putDebits();
    if (n > 0) rows.put(this.labels[0]!.currencyBytes);
    else rows.u8(0);
    this.putCodes(rows);
    this.putSender(rows);
    rows.i64(this.committedAt);
    rows.i64(effectiveAt);
    rows.u8(view.has(Has.expiresAt) ? 0 : 1);
    if (view.has(Has.expiresAt)) rows.i64(clampTime(view.expiresAt));
    rows.u8(view.has(Has.approval) ? 1 : 0);
    this.putMetadata(rows);
    rows.rows++;
  }

  /** The sum of the debits in the first leg's currency, as Int128. */
  private putDebits(): void {
    const { transactions: rows, view, labels, amounts } = this;
    let low = 0;
    let high = 0;
    for (let leg = 0; leg < view.n; leg++) {
      if (view.legFlags[leg]! & Leg.credit || labels[leg]!.currency !== labels[0]!.currency) continue;
      low += amounts[leg * 2]!;
      high += amounts[leg * 2 + 1]!;
    }
    high += Math.floor(low / TWO_32);
    rows.u32(low % TWO_32);
    rows.u32(high % TWO_32);
    rows.u32(Math.floor(high / TWO_32));
    rows.u32(0);
  }

  /** One row for each leg. What is the same in all of them is copied from the first. */
  private addPostings(lsn: number, effectiveAt: number): void {
    const { postings: rows, view } = this;
    const { bytes } = view;
    const metadataLength = view.has(Has.metadata) ? view.metadataLength : 0;
    rows.ensure(view.n * (ROW_BYTES_MAX + metadataLength));
    const start = rows.at;
    rows.text(bytes, view.tenantAt, view.tenantLength);
    rows.i64(lsn);
    rows.u16(0);
    const legAt = rows.at;
    rows.u8(0);
    rows.put(KINDS[view.kind]!);
    rows.text(bytes, view.idAt, view.idLength);
    const headEnd = rows.at;
    this.putLeg(0);
    const codesAt = rows.at;
    this.putCodes(rows);
    const codesEnd = rows.at;
    this.putTag(0);
    const tailAt = rows.at;
    this.putSender(rows);
    rows.i64(this.committedAt);
    rows.i64(effectiveAt);
    this.putMetadata(rows);
    const end = rows.at;
    for (let leg = 1; leg < view.n; leg++) {
      const at = rows.at;
      rows.again(start, headEnd);
      rows.bytes[at + legAt - start] = leg;
      this.putLeg(leg);
      rows.again(codesAt, codesEnd);
      this.putTag(leg);
      rows.again(tailAt, end);
    }
    rows.rows += view.n;
  }

  /** From the account to what is held. */
  private putLeg(leg: number): void {
    const { postings: rows, view } = this;
    rows.text(view.bytes, view.accountAt[leg]!, view.accountLength[leg]!);
    rows.put(this.labels[leg]!.bytes);
    rows.u8(view.legFlags[leg]! & Leg.credit ? CREDIT : DEBIT);
    const low = this.amounts[leg * 2]!;
    const high = this.amounts[leg * 2 + 1]!;
    const { kind } = view;
    if (kind === RecordKind.pending) {
      rows.u64(0, 0);
      rows.u64(low, high);
    } else if (kind === RecordKind.posted || kind === RecordKind.reversal) {
      rows.u64(low, high);
      rows.u64(0, 0);
    } else {
      // An end: what it takes and what it gives back are held no longer.
      rows.u64(low, high);
      const sum = low + this.released[leg * 2]!;
      const heldLow = sum % TWO_32;
      const heldHigh = high + this.released[leg * 2 + 1]! + (sum >= TWO_32 ? 1 : 0);
      rows.u64(-heldLow, heldLow === 0 ? -heldHigh : ~heldHigh);
    }
  }

  private putTag(leg: number): void {
    const { postings: rows, view } = this;
    if (view.legFlags[leg]! & Leg.tag) rows.text(view.bytes, view.tagAt[leg]!, view.tagLength[leg]!);
    else rows.u8(0);
  }

  /** Its own, or those of the hold that it ends. */
  private putCodes(rows: RowBuffer): void {
    const { view, hold } = this;
    if (view.has(Has.code)) rows.text(view.bytes, view.codeAt, view.codeLength);
    else if (hold !== undefined) rows.put(hold.code);
    else rows.u8(0);
    if (view.has(Has.reference)) rows.text(view.bytes, view.referenceAt, view.referenceLength);
    else if (hold !== undefined) rows.put(hold.reference);
    else rows.u8(0);
  }

  private putSender(rows: RowBuffer): void {
    const { view } = this;
    rows.text(view.bytes, view.byAt, view.byLength);
    rows.text(view.bytes, view.terminalAt, view.terminalLength);
  }

  private putMetadata(rows: RowBuffer): void {
    const { view } = this;
    if (view.has(Has.metadata)) rows.long(view.bytes, view.metadataAt, view.metadataLength);
    else rows.u8(0);
  }
}
