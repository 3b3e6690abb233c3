import { CLOSED, FROZEN, HAS_MAX, HAS_MIN } from '../engine/accounts.js';
import { fingerprint, hashAccount } from '../engine/hash.js';
import { ID_ENTRY_WORDS, IdKind } from '../engine/ids.js';
import { hashPostings, judgeLimits } from '../engine/ledger.js';
import { AMOUNT_MAX, POSTINGS_MAX } from '../engine/limits.js';
import { Has, RecordKind, RecordView } from '../engine/record.js';
import { State } from '../engine/state.js';
import { type Batch, forEachRecord, recordOffset } from './batch.js';
import { accountName, tenantsOf } from './state-compare.js';
import type { LogReader } from './store.js';

/** Says that something about the record at `lsn` is wrong. */
export type Report = (lsn: number, problem: string) => void;

/**
 * Replays records and holds each against the rules that the shards judged it by, as far as they can be judged afterwards. It shares the
 * steps of the replay with the shards but not their decisions.
 */
export class Audit {
  readonly state: State;
  /** Records that posted, reserved or reversed. */
  transactions = 0;
  private readonly view = new RecordView();
  private readonly held = new RecordView();
  private readonly fp = new Uint32Array(4);
  private readonly words = new Uint32Array(2 * POSTINGS_MAX);
  private readonly sums = new Map<string, bigint>();

  constructor(
    ledgerKey: Uint8Array,
    private readonly report: Report,
  ) {
    this.state = new State(0, 1, ledgerKey);
  }

  /** Replays a batch. @throws when a record cannot be replayed, and then what follows cannot be judged */
  add(batch: Batch): void {
    this.view.over(batch.bytes);
    forEachRecord(batch, (_bytes, offset, _size, lsn) => {
      this.view.read(offset);
      this.addRecord(lsn);
    });
  }

  private addRecord(lsn: number): void {
    const { view, state } = this;
    const isAccount = view.kind >= RecordKind.account;
    if (isAccount) this.judgeAccount(lsn);
    else this.judgeId(lsn);
    state.replay(view, lsn);
    if (isAccount) return;
    if (
      view.kind === RecordKind.posted ||
      view.kind === RecordKind.pending ||
      view.kind === RecordKind.reversal
    ) {
      this.transactions++;
    }
    this.judgePostings(lsn);
  }

  private judgeAccount(lsn: number): void {
    const { view, state, words } = this;
    if (view.kind !== RecordKind.account) return;
    const tenant = state.tenantOf(view);
    hashAccount(view.view, view.idAt, view.idAt + view.idLength, tenant.keys, words, 0);
    const row = state.accounts.find(words[1]!, tenant.number, view.bytes, view.idAt, view.idLength);
    if (row >= 0) this.report(lsn, `account ${view.id} is created a second time`);
  }

  /** Ids are used once, holds end once, and an end says which hold it ends and all of its legs. */
  private judgeId(lsn: number): void {
    const { view, state, fp } = this;
    const tenant = state.tenantOf(view);
    fingerprint(view.view, view.idAt, view.idAt + view.idLength, tenant.keys, fp);
    const entry = state.ids.find(fp[0]!, fp[1]!, fp[2]!, fp[3]!);
    const isEnd = view.kind >= RecordKind.post && view.kind <= RecordKind.expire;
    if (!isEnd) {
      if (entry >= 0) this.report(lsn, `the id ${view.id} was used before, at LSN ${state.ids.lsn(entry)}`);
      return;
    }
    const hold = entry < 0 ? undefined : state.holds.get(entry);
    if (hold === undefined) {
      this.report(lsn, `it ends ${view.id}, which is not an open hold`);
      return;
    }
    if (!view.has(Has.created) || view.createdLsn !== hold.lsn) {
      this.report(lsn, `it says that ${view.id} was created at LSN ${view.createdLsn} and not ${hold.lsn}`);
    }
    const { held } = this;
    held.over(hold.payload).readPayload(0, RecordKind.pending, hold.n, hold.presence);
    if (!sameLegs(view, held)) this.report(lsn, `it does not end what ${view.id} reserved`);
    if (view.kind !== RecordKind.post) {
      for (let leg = 0; leg < view.n; leg++) {
        if (view.amounts[leg] !== 0n) this.report(lsn, 'it posts though it only releases');
      }
    }
  }

  /** Debits equal credits per currency; limits, flags and ranges hold on every account touched. */
  private judgePostings(lsn: number): void {
    const { view, state, sums } = this;
    const { accounts, plan } = state;
    sums.clear();
    for (let leg = 0; leg < view.n; leg++) {
      const row = plan.rowOfLeg[leg]!;
      const currency = accounts.currency(row);
      const amount = view.amounts[leg]!;
      const isRelease = view.kind >= RecordKind.post && view.kind <= RecordKind.expire;
      if (amount < 0n || (amount === 0n && !isRelease)) this.report(lsn, `a posting of ${amount}`);
      sums.set(currency, (sums.get(currency) ?? 0n) + (view.isCredit(leg) ? -amount : amount));
    }
    for (const [currency, sum] of sums) if (sum !== 0n) this.report(lsn, `unbalanced by ${sum} ${currency}`);
    const isJudged = view.kind !== RecordKind.void && view.kind !== RecordKind.expire;
    for (let i = 0; i < plan.n; i++) {
      const row = plan.rows[i]!;
      const problem = this.problemOf(row, isJudged);
      if (problem !== undefined) {
        this.report(lsn, `account ${accountName(state, tenantsOf(state), row)} ${problem}`);
      }
    }
  }

  private problemOf(row: number, isJudged: boolean): string | undefined {
    const { accounts } = this.state;
    const flags = accounts.flags(row);
    if (isJudged && flags & (FROZEN | CLOSED)) return flags & CLOSED ? 'was closed' : 'was frozen';
    const debits = accounts.debitsPosted(row);
    const credits = accounts.creditsPosted(row);
    const debitsPending = accounts.debitsPending(row);
    const creditsPending = accounts.creditsPending(row);
    if (debits < 0n || credits < 0n || debitsPending < 0n || creditsPending < 0n) return 'has a negative sum';
    if (debits + debitsPending > AMOUNT_MAX || credits + creditsPending > AMOUNT_MAX)
      return 'has a sum beyond 2^63-1';
    const min = flags & HAS_MIN ? accounts.min(row) : null;
    const max = flags & HAS_MAX ? accounts.max(row) : null;
    if ((min !== null || max !== null) && judgeLimits(accounts, row, min, max) !== 0) {
      return `broke a limit, with a balance of ${accounts.balance(row)}`;
    }
    return undefined;
  }

  /** What must hold at the end: sums of all accounts, what holds reserve, what was reversed. */
  conclude(lsn: number, reader: LogReader): void {
    this.judgeSums(lsn);
    this.judgePending(lsn);
    this.judgeReversals(reader);
  }

  private judgeSums(lsn: number): void {
    const { state } = this;
    const { accounts } = state;
    const tenants = tenantsOf(state);
    const sums = new Map<string, { posted: bigint; pending: bigint }>();
    for (let row = 0; row < accounts.count; row++) {
      const tenant = Buffer.from(tenants[accounts.tenant(row)]!.name).toString('latin1');
      const key = `${accounts.currency(row)} of tenant ${tenant}`;
      const sum = sums.get(key) ?? { posted: 0n, pending: 0n };
      sum.posted += accounts.debitsPosted(row) - accounts.creditsPosted(row);
      sum.pending += accounts.debitsPending(row) - accounts.creditsPending(row);
      sums.set(key, sum);
    }
    for (const [key, { posted, pending }] of sums) {
      if (posted !== 0n) this.report(lsn, `all accounts in ${key} together are off by ${posted}`);
      if (pending !== 0n) this.report(lsn, `all that is pending in ${key} together is off by ${pending}`);
    }
  }

  private judgePending(lsn: number): void {
    const { state } = this;
    const { accounts } = state;
    const { words, held: view } = this;
    const debits = new Map<number, bigint>();
    const credits = new Map<number, bigint>();
    for (const hold of state.holds.values()) {
      view.over(hold.payload).readPayload(0, RecordKind.pending, hold.n, hold.presence);
      const tenant = state.tenantOf(view);
      hashPostings(view, tenant.keys, words);
      for (let leg = 0; leg < view.n; leg++) {
        const at = view.accountAt[leg]!;
        const row = accounts.find(
          words[leg * 2 + 1]!,
          tenant.number,
          view.bytes,
          at,
          view.accountLength[leg]!,
        );
        const side = view.isCredit(leg) ? credits : debits;
        side.set(row, (side.get(row) ?? 0n) + view.amounts[leg]!);
      }
    }
    const tenants = tenantsOf(state);
    for (let row = 0; row < accounts.count; row++) {
      const isRight =
        accounts.debitsPending(row) === (debits.get(row) ?? 0n) &&
        accounts.creditsPending(row) === (credits.get(row) ?? 0n);
      if (!isRight) {
        this.report(
          lsn,
          `account ${accountName(state, tenants, row)} has other sums pending than open holds reserve`,
        );
      }
    }
  }

  /** Sums of reversals only grow, so it is enough to look at them at the end. */
  private judgeReversals(reader: LogReader): void {
    const { state } = this;
    const { ids } = state;
    const words = new Uint32Array(ID_ENTRY_WORDS);
    const view = new RecordView();
    for (const [entry, { sums }] of state.reversed) {
      ids.copy(entry, words);
      const end = ids.kind(entry) === IdKind.pending ? state.findEnd(words) : entry;
      const lsn = ids.lsn(end < 0 ? entry : end);
      const batch = reader.batchAt(lsn)!;
      view.over(batch.bytes).read(recordOffset(batch, lsn));
      const isPosted =
        view.kind !== RecordKind.pending && view.kind !== RecordKind.void && view.kind !== RecordKind.expire;
      if (!isPosted) this.report(lsn, `${view.id} was reversed but never posted`);
      sums.forEach((sum, leg) => {
        if (leg >= view.n || sum > view.amounts[leg]!) {
          this.report(lsn, `more was reversed of posting ${leg} of ${view.id} than it had: ${sum}`);
        }
      });
    }
  }
}

/** Whether an end's legs are those of the hold, captured and released parts together. */
function sameLegs(end: RecordView, hold: RecordView): boolean {
  if (end.n !== hold.n) return false;
  for (let leg = 0; leg < end.n; leg++) {
    const isSame =
      end.isCredit(leg) === hold.isCredit(leg) &&
      end.amounts[leg]! + end.released[leg]! === hold.amounts[leg]! &&
      end.account(leg) === hold.account(leg) &&
      end.tag(leg) === hold.tag(leg);
    if (!isSame) return false;
  }
  return true;
}
