import type { AccountBody, TransactionReply } from '../../engine/types.js';
import { legsOf } from '../support/statics.js';
import { AuditError } from './audit-error.js';
import { type Call, type Deed, describeCall } from './call.js';
import type { LogFact } from './log-fact.js';
import { factKey, makingKey } from './making.js';

/** Others of the same id that are shown with a record that is nobody's. */
const OTHERS_SHOWN = 6;

interface Range {
  readonly from: number;
  readonly to: number;
}

/**
 * The calls and records between two audits. No call reaches over an audit: it was answered or lost before.
 */
export class Span {
  private readonly deeds = new Map<string, Deed[]>();
  /** By tenant and id: the LSN of a transaction that was made in this span. */
  private readonly createdAt = new Map<string, number>();
  /** What the order of a batch adds to when its entries were decided. */
  private readonly bounds = new Map<Deed, { from: number; to: number }>();
  private readonly end: number;

  /** @param start the LSN before the first of the records */
  constructor(
    calls: readonly Call[],
    facts: readonly LogFact[],
    private readonly start: number,
  ) {
    this.end = start + facts.length;
    for (const { kind, tenant, id, lsn } of facts) {
      const isCreation =
        kind === 'posted' || kind === 'pending' || kind === 'reversal' || kind === 'tombstone';
      if (isCreation) this.createdAt.set(`${tenant}/${id}`, lsn);
    }
    for (const call of calls) {
      if (call.isOpen) throw new AuditError(`under way at an audit: ${describeCall(call)}`);
      for (const deed of call.deeds) this.file(deed);
      if (call.told !== undefined && call.isBatch) this.orderBatch(call);
    }
  }

  private file(deed: Deed): void {
    const key = makingKey(deed.command);
    if (key === undefined) return;
    const others = this.deeds.get(key);
    if (others === undefined) this.deeds.set(key, [deed]);
    else others.push(deed);
  }

  /** The LSNs at one of which the answer was true. */
  windowOf(deed: Deed): Range {
    const { from, to } = this.wholeWindowOf(deed);
    const bounds = this.bounds.get(deed);
    return { from: Math.max(from, bounds?.from ?? from), to: Math.min(to, bounds?.to ?? to) };
  }

  /** The LSNs at which what an answer shows besides may have been looked up: an entry's balances are when the batch is done. */
  wholeWindowOf({ call }: Deed): Range {
    return { from: Math.max(this.start, call.begun.lsn), to: Math.min(this.end, call.told!.durable) };
  }

  /** The commands that may have led to a record: those that say so first, those without an answer last. */
  candidates(fact: LogFact): Deed[] {
    const all = this.deeds.get(factKey(fact)) ?? [];
    const ranked = all.flatMap((deed) => {
      const rank = rankOf(deed, fact);
      return rank === undefined ? [] : [{ deed, rank }];
    });
    return ranked.sort((a, b) => a.rank - b.rank).map(({ deed }) => deed);
  }

  /** What was asked about the same id, for a message. */
  others(fact: LogFact): string[] {
    const all = this.deeds.get(factKey(fact)) ?? [];
    return all.slice(-OTHERS_SHOWN).map((deed) => `  ${describeCall(deed.call)}`);
  }

  /** Entries that share an account or an id are decided in their order. */
  private orderBatch(call: Call): void {
    for (const deed of call.deeds) this.bounds.set(deed, { from: 0, to: this.end });
    for (const later of call.deeds) {
      const keys = sharedKeys(later);
      for (const earlier of call.deeds.slice(0, later.index)) {
        if (!sharedKeys(earlier).some((key) => keys.includes(key))) continue;
        this.orderPair(earlier, later);
      }
    }
  }

  private orderPair(earlier: Deed, later: Deed): void {
    const [first, second] = [this.madeAt(earlier), this.madeAt(later)];
    const [before, after] = [this.bounds.get(earlier)!, this.bounds.get(later)!];
    if (first !== undefined) after.from = Math.max(after.from, first);
    if (second !== undefined) before.to = Math.min(before.to, second - 1);
    if (first === undefined || second === undefined || first < second) return;
    const text = describeCall(earlier.call);
    throw new AuditError(
      `entry ${earlier.index} has LSN ${first}, entry ${later.index} LSN ${second}: ${text}`,
    );
  }

  /** The LSN of an accepted entry; a compact batch does not tell it, but its id has only one. */
  private madeAt({ command, result, call }: Deed): number | undefined {
    if (result?.code !== 'ok' || command.op !== 'transaction') return undefined;
    if (result.outcome?.ok) return (result.outcome.body as TransactionReply).lsn;
    return this.createdAt.get(`${call.caller.tenant}/${command.body.id}`);
  }
}

function sharedKeys({ command }: Deed): string[] {
  if (command.op !== 'transaction') return [];
  return [`t${command.body.id}`, ...legsOf(command.body).map((leg) => `a${leg.account}`)];
}

/** How likely a command led to a record: 0 when its answer says so, 2 when it has none; undefined when it cannot have. */
function rankOf(deed: Deed, { lsn, kind }: LogFact): number | undefined {
  const { call, command, result } = deed;
  const { told, begun } = call;
  if (deed.made !== undefined || lsn <= begun.durable) return undefined;
  if (told === undefined) return 2;
  if (call.refusedWhole !== undefined || result?.code !== 'ok' || lsn > told.durable) return undefined;
  const outcome = result.outcome?.ok ? result.outcome : undefined;
  switch (command.op) {
    case 'transaction':
    case 'reverse': {
      const named = outcome === undefined ? result.lsn : (outcome.body as TransactionReply).lsn;
      return named === undefined || named === lsn ? 0 : undefined;
    }
    case 'createAccount':
    case 'updateAccount': {
      const named = (outcome!.body as AccountBody).lsn;
      if (named < lsn) return undefined;
      // Entries of a batch do not say whether the account was new.
      if (call.what.kind === 'accounts') return 1.5;
      return named === lsn ? 0 : 1;
    }
    case 'void':
      // Whoever closed the id is told so; a hold's end is not told apart from a copy of it.
      if (outcome!.created !== (kind === 'tombstone')) return undefined;
      return outcome!.created ? 0 : 1;
    default:
      return 1;
  }
}
