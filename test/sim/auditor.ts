import { RecordView } from '../../engine/record.js';
import type { Outcome, TransactionReply } from '../../engine/types.js';
import { AuditError } from './audit-error.js';
import { Books, type Known } from './books.js';
import { type Call, type Deed, describeCall, isTurnedAway } from './call.js';
import { History } from './history.js';
import { factOf, type LogFact } from './log-fact.js';
import { brokenAccount, capturedText, endText, misfit } from './making.js';
import {
  bodyOf,
  type Judge,
  judgeAccount,
  judgeBalance,
  judgeDuplicate,
  judgeRefusal,
  judgeStanding,
  Question,
  wrongReply,
} from './question.js';
import { Span } from './span.js';
import { Windows } from './window.js';

/** A record as the log has it. */
export interface LogRecord {
  readonly lsn: number;
  /** Of its commit, ms since the epoch. */
  readonly timeMs: number;
  readonly record: Uint8Array;
}

export interface LogFacts {
  /** All records of the log, from LSN 1. */
  readonly records: readonly LogRecord[];
  /** Ledger time at which the ledger came to rest: every hold that was due by then has expired. */
  readonly restAt?: number;
}

/**
 * Judges what clients heard by the log alone and the contract, naively: it knows no shards, no earmarks and no checkpoints. It looks at the log
 * when the ledger is down or at rest: every call has its answer or never will.
 *
 * One pass over the records that are new, in the order of their LSNs:
 * - each is the outcome of a call that was made, as the contract decides it in the state before the record, or a due expiry;
 * - each answer is explained by the state at an LSN between what had been told before the question and what was durable at the answer;
 * - a call without an answer may have its record or not. As records are whole, and each is decided anew, half is not possible.
 */
export class Auditor {
  readonly history = new History();
  private readonly books = new Books();
  private seen: readonly LogRecord[] = [];
  private readonly facts: LogFact[] = [];
  /** Calls up to here were judged. */
  private judged = 0;

  /** @throws {AuditError} at the first thing that is wrong */
  audit({ records, restAt }: LogFacts): void {
    this.history.check();
    this.checkKept(records);
    const calls = this.history.calls.slice(this.judged);
    const fresh = this.decode(records);
    const span = new Span(calls, fresh, this.books.lsn);
    const windows = new Windows(questionsIn(calls, span));
    this.explain(windows, []);
    for (const fact of fresh) {
      this.take(fact, span);
      this.books.lsn = fact.lsn;
      this.explain(windows, touchedBy(fact));
    }
    for (const question of windows.left) this.unexplained(windows, question);
    for (const call of calls) this.checkMade(call);
    if (restAt !== undefined) this.checkExpired(restAt);
    this.judged = this.history.calls.length;
    this.seen = records.slice();
  }

  /** The kinds of the records that were judged. */
  get kinds(): readonly LogFact['kind'][] {
    return this.facts.map((fact) => fact.kind);
  }

  /** What was there at the last audit is there still, and whatever was told is there. */
  private checkKept(records: readonly LogRecord[]): void {
    for (const [index, { lsn, timeMs, record }] of records.entries()) {
      const before = this.seen[index];
      if (lsn !== index + 1) throw new AuditError(`LSN ${lsn} where ${index + 1} is due`);
      if (before === undefined) break;
      if (before.timeMs !== timeMs || Buffer.compare(before.record, record) !== 0) {
        throw new AuditError(`LSN ${lsn} is another record than it was`);
      }
    }
    const { length } = records;
    if (length < this.seen.length)
      throw new AuditError(`the log ends at LSN ${length}, and had ${this.seen.length}`);
    for (const call of this.history.calls) {
      const { told } = call;
      if (told === undefined || call.shownLsn <= length) continue;
      throw new AuditError(
        `LSN ${call.shownLsn} was told and is gone, the log ends at ${length}: ${describeCall(call)}`,
      );
    }
  }

  private decode(records: readonly LogRecord[]): LogFact[] {
    const view = new RecordView();
    const fresh: LogFact[] = [];
    for (const { lsn, timeMs, record } of records.slice(this.seen.length)) {
      const last = this.facts.at(-1);
      if (last !== undefined && timeMs < last.timeMs)
        throw new AuditError(`LSN ${lsn} is older than the one before`);
      const fact = factOf(view.over(record).read(0), lsn, timeMs);
      fresh.push(fact);
      this.facts.push(fact);
    }
    return fresh;
  }

  private explain(windows: Windows, touched: readonly string[]): void {
    const question = windows.pass(this.books, touched);
    if (question !== undefined) this.unexplained(windows, question);
  }

  private unexplained(windows: Windows, question: Question): never {
    const lines = [`no LSN from ${question.from} to ${question.to} explains`, `  ${question.text}`];
    if (question.why !== undefined) lines.push(`at LSN ${this.books.lsn} ${question.why}`);
    if (question.earlyAt !== undefined) {
      lines.push(`it was true at LSN ${question.earlyAt}, before what explains an answer that had been told`);
    }
    for (const other of windows.behind(question)) {
      lines.push(
        `after an answer that is not explained by then (${other.why ?? 'nor what was told before it'})`,
        `  ${other.text}`,
      );
    }
    throw new AuditError(lines.join('\n'));
  }

  /** Applies a record after finding out whose it is. */
  private take(fact: LogFact, span: Span): void {
    const { books } = this;
    const deed = fact.kind === 'expire' ? undefined : this.makerOf(fact, span);
    if (deed === undefined) this.expire(fact);
    else {
      deed.made = fact.lsn;
      books.model.decide(deed.command).apply!(fact.lsn);
    }
    this.remember(fact, deed);
    const broken = brokenAccount(books, fact);
    if (broken !== undefined) throw new AuditError(`LSN ${fact.lsn} (${factText(fact)}): ${broken}`);
    if (
      deed?.result?.outcome?.ok &&
      (fact.kind === 'posted' || fact.kind === 'pending' || fact.kind === 'reversal')
    ) {
      const wrong = wrongReply(books, deed);
      if (wrong !== undefined) throw new AuditError(`${wrong}: ${describeCall(deed.call)}`);
    }
  }

  private makerOf(fact: LogFact, span: Span): Deed {
    const reasons: string[] = [];
    for (const deed of span.candidates(fact)) {
      const why = misfit(this.books, deed, fact);
      if (why === undefined) return deed;
      reasons.push(`  ${describeCall(deed.call)}\n    does not lead to it: ${why}`);
    }
    const others = reasons.length === 0 ? span.others(fact) : reasons;
    throw new AuditError([`LSN ${fact.lsn} (${factText(fact)}) is nobody's`, ...others].join('\n'));
  }

  /** A hold that ran out of time, not before. */
  private expire(fact: LogFact): void {
    const { tenant, id, lsn, timeMs } = fact;
    const text = `LSN ${lsn} (${factText(fact)})`;
    const hold = this.books.model.transaction(tenant, id);
    const created = this.books.transaction(tenant, id)?.created.fact;
    if (hold?.status !== 'pending')
      throw new AuditError(`${text}: ${hold === undefined ? 'not there' : hold.status}`);
    const expiresAt = created!.fields['expires_at'];
    if (expiresAt === undefined) throw new AuditError(`${text}: it was to stand for ever`);
    if (timeMs < Number(expiresAt))
      throw new AuditError(`${text}: at ${timeMs}, due at ${Number(expiresAt)}`);
    const due = endText(
      hold.legs,
      hold.legs.map(() => 0n),
    );
    if (capturedText(fact.legs) !== due)
      throw new AuditError(`${text}: gives back ${capturedText(fact.legs)}, due is ${due}`);
    if (fact.fields['created'] !== created!.lsn) throw new AuditError(`${text}: of another hold`);
    this.books.model.expire(tenant, id);
  }

  /** Takes the record into the facts about its id, its original and its accounts. */
  private remember(fact: LogFact, deed: Deed | undefined): void {
    const { known, changedAt } = this.books;
    const key = `${fact.tenant}/${fact.id}`;
    const entry = { fact, deed };
    for (const leg of fact.legs) changedAt.set(`${fact.tenant}/${leg.account}`, fact.lsn);
    switch (fact.kind) {
      case 'account':
      case 'accountUpdate':
        changedAt.set(key, fact.lsn);
        return;
      case 'post':
      case 'void':
      case 'expire':
        known.get(key)!.end = entry;
        return;
      case 'reversal': {
        const original = known.get(`${fact.tenant}/${String(fact.fields['original'])}`)!;
        original.reversals.push(entry);
        countReversed(original, fact);
        break;
      }
    }
    known.set(key, { created: entry, reversals: [], reversed: new Map() });
  }

  /** Whatever was accepted has its record, and is told as what it is. */
  private checkMade(call: Call): void {
    if (call.told === undefined) return;
    const text = () => describeCall(call);
    const { refusedWhole } = call;
    if (refusedWhole !== undefined && call.deeds.length > 0 && !isTurnedAway(refusedWhole)) {
      throw new AuditError(`a batch refused whole: ${text()}`);
    }
    for (const { result, command, made } of call.deeds) {
      if (result === undefined) continue;
      const isNew = result.code === 'ok' && call.what.kind !== 'accounts';
      const mustBeMade = ['transaction', 'reverse', 'createAccount', 'updateAccount'].includes(command.op);
      if (isNew && mustBeMade && made === undefined)
        throw new AuditError(`accepted, and not in the log: ${text()}`);
      if (!result.outcome?.ok || call.isBatch || call.what.kind === 'accounts') continue;
      if (result.outcome.created !== this.isCreation(made)) {
        throw new AuditError(`told as ${result.outcome.created ? 'new' : 'known'}, and is not: ${text()}`);
      }
    }
    if (call.what.kind === 'compactBatch') this.checkBatchLsn(call);
  }

  /** Whether a record is the first about its id or account: then its answer is a 201. */
  private isCreation(made: number | undefined): boolean {
    if (made === undefined) return false;
    return !['post', 'void', 'accountUpdate'].includes(this.facts[made - 1]!.kind);
  }

  /** "lsn is the highest": of those accepted, and no other than one of its entries has. */
  private checkBatchLsn(call: Call): void {
    const lsns = call.deeds.map(({ result, command, made }) => {
      if (result?.code === 'ok') return made!;
      if (result?.code !== 'duplicate' || command.op !== 'transaction') return 0;
      return this.books.transaction(command.caller.tenant, command.body.id)!.created.fact.lsn;
    });
    const accepted = call.deeds.map(({ made }) => made ?? 0);
    const { batchLsn } = call;
    if (batchLsn < Math.max(0, ...accepted) || !(batchLsn === 0 || lsns.includes(batchLsn))) {
      throw new AuditError(
        `the highest LSN is not ${batchLsn}, entries have ${lsns.join()}: ${describeCall(call)}`,
      );
    }
  }

  private checkExpired(restAt: number): void {
    for (const [key, { created, end }] of this.books.known) {
      const expiresAt = created.fact.fields['expires_at'];
      if (end !== undefined || expiresAt === undefined || Number(expiresAt) > restAt) continue;
      throw new AuditError(
        `hold ${key} (LSN ${created.fact.lsn}) was due at ${Number(expiresAt)} and stands at ${restAt}`,
      );
    }
  }
}

/** What the answers of these calls claim of the books. */
function questionsIn(calls: readonly Call[], span: Span): Question[] {
  const told = calls.filter((call) => call.told !== undefined && call.refusedWhole === undefined);
  return told.flatMap((call) => call.deeds.flatMap((deed) => questionsOf(deed, span)));
}

/** What one answered command claims. */
function questionsOf(deed: Deed, span: Span): Question[] {
  const { command, result } = deed;
  if (result === undefined || isTurnedAway(result.code)) return [];
  const ask = (judge: Judge, first = 0, { from, to } = span.windowOf(deed)) =>
    new Question(deed, Math.max(from, first), to, judge);
  if (result.code !== 'ok' && result.code !== 'duplicate') return [ask(judgeRefusal(deed))];
  switch (command.op) {
    case 'transaction':
    case 'reverse':
      if (result.code === 'duplicate') return [ask(judgeDuplicate(deed))];
      return balancesOf(result.outcome).map(([id, shown, lsn]) =>
        ask(judgeBalance(deed, id, shown), lsn, span.wholeWindowOf(deed)),
      );
    case 'post':
    case 'void':
    case 'status':
      return [ask(judgeStanding(deed))];
    default:
      return [ask(judgeAccount(deed), (bodyOf(result.outcome!) as { readonly lsn: number }).lsn)];
  }
}

function balancesOf(outcome: Outcome<object> | undefined): [id: string, shown: bigint, lsn: number][] {
  if (!outcome?.ok) return [];
  const { balances, lsn } = outcome.body as TransactionReply;
  return Object.entries(balances ?? {}).map(([id, shown]) => [id, shown, lsn]);
}

/** Leg by leg of the record that is reversed, all reversals together never exceed it: counted again, from the records. */
function countReversed(original: Known, fact: LogFact): void {
  const mirrored = (original.end ?? original.created).fact;
  for (const { leg, account, side, amount, tag } of fact.legs) {
    const of = mirrored.legs[leg ?? -1];
    const sum = (original.reversed.get(leg ?? -1) ?? 0n) + amount;
    if (of === undefined || of.account !== account || of.side === side || of.tag !== tag || sum > of.amount) {
      throw new AuditError(
        `LSN ${fact.lsn} (${factText(fact)}) takes ${sum} of leg ${leg} of LSN ${mirrored.lsn}`,
      );
    }
    original.reversed.set(leg!, sum);
  }
}

function touchedBy(fact: LogFact): string[] {
  const { tenant, id, kind } = fact;
  const keys = fact.legs.map((leg) => `a${tenant}/${leg.account}`);
  keys.push(kind === 'account' || kind === 'accountUpdate' ? `a${tenant}/${id}` : `t${tenant}/${id}`);
  if (kind === 'reversal') keys.push(`t${tenant}/${String(fact.fields['original'])}`);
  return keys;
}

function factText({ kind, tenant, id, by }: LogFact): string {
  return `${kind} ${tenant}/${id}${by === '' ? '' : ` by ${by}`}`;
}
