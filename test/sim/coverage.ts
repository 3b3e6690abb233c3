import type { PartInput, TransactionInput } from '../../engine/types.js';
import { legsOf } from '../support/statics.js';
import type { Auditor } from './auditor.js';
import type { Call, Deed } from './call.js';
import { subjectOf } from './making.js';

/**
 * What a history has in it, counted by classes. A generator that never makes a combination tests nothing of it, and nobody notices: so what
 * is counted here is asserted to occur.
 */
export function coverageOf(auditor: Auditor): Map<string, number> {
  const counts = new Map<string, number>();
  const count = (what: string | undefined) => {
    if (what !== undefined) counts.set(what, (counts.get(what) ?? 0) + 1);
  };
  const { calls } = auditor.history;
  for (const call of calls) {
    count(call.isLost ? 'a call without an answer' : undefined);
    count(`said as ${call.what.kind}`);
    for (const deed of call.deeds) for (const what of classesOf(deed)) count(what);
  }
  for (const kind of auditor.kinds) count(`record: ${kind}`);
  for (const what of encounters(calls)) count(what);
  return counts;
}

function classesOf(deed: Deed): string[] {
  const { command, result, call, made } = deed;
  const { caller } = command;
  const found = [`op: ${command.op}`];
  if (result !== undefined) found.push(`${command.op}: ${result.code}`);
  if (call.isLost && command.op === 'transaction')
    found.push(made === undefined ? 'lost, and not done' : 'lost, and done');
  if (caller.accounts !== undefined)
    found.push(result?.code === 'forbidden' ? 'beyond reach' : 'limited caller');
  if (made !== undefined && caller.terminal !== undefined) found.push('made from a terminal');
  if (command.op === 'transaction' && made !== undefined) found.push(...formOf(command.body));
  if (command.op === 'updateAccount' && made !== undefined) {
    found.push(
      ...Object.entries(command.body).map(
        ([field, value]) => `update: ${field}${value === false ? ' undone' : ''}`,
      ),
    );
  }
  if ((command.op === 'post' || command.op === 'reverse') && made !== undefined) {
    found.push(`${command.op} of ${partOf(command.body)}`);
  }
  return found;
}

function formOf(body: TransactionInput): string[] {
  const legs = legsOf(body);
  const accounts = new Set(legs.map((leg) => leg.account));
  const tags = new Set([body.id, ...accounts].map((id) => /\{(.+?)\}/.exec(id)?.[1] ?? id));
  const found = [
    body.postings === undefined ? 'short form' : 'long form',
    tags.size === 1 ? 'one tag' : 'several tags',
  ];
  if (legs.length > 16) found.push('many postings');
  if (legs.length === 64) found.push('64 postings');
  if (accounts.size < legs.length) found.push('an account more than once');
  if (legs.some((leg) => leg.amount > 1n << 60n)) found.push('a huge amount');
  if (legs.some((leg) => leg.tag !== undefined)) found.push('a tagged posting');
  for (const option of ['code', 'reference', 'effective_at', 'metadata', 'currency'] as const) {
    if (body[option] !== undefined) found.push(`with ${option}`);
  }
  if (typeof body.pending !== 'object') return body.pending === true ? [...found, 'a plain hold'] : found;
  const { expires_in, approval } = body.pending;
  if (expires_in !== undefined) found.push('a hold that expires');
  if (approval === true) found.push('a hold for approval');
  return found;
}

function partOf(body: PartInput): string {
  if (body.amount !== undefined) return 'an amount';
  return body.postings === undefined ? 'the whole' : 'postings';
}

/** What happened while something else was under way. */
function* encounters(calls: readonly Call[]): Generator<string> {
  let open: Deed[] = [];
  for (const call of calls) {
    open = open.filter((deed) => isOpenAt(deed.call, call));
    for (const deed of call.deeds) {
      for (const other of open) {
        const what = encounter(other, deed);
        if (what !== undefined) yield what;
      }
    }
    open.push(...call.deeds);
  }
}

/** Whether a call had no answer yet when another was made. */
function isOpenAt(call: Call, later: Call): boolean {
  return call.told === undefined ? call.isLost : call.told.order >= later.begun.told;
}

function encounter(first: Deed, second: Deed): string | undefined {
  const [a, b] = [first.command, second.command];
  if (a.caller.tenant !== b.caller.tenant) return undefined;
  if (a.op === 'reverse' && b.op === 'reverse' && a.original === b.original && a.body.id !== b.body.id) {
    return 'reversals of one original at once';
  }
  if (isAboutAccount(a.op) !== isAboutAccount(b.op)) return undefined;
  if (subjectOf(a) !== subjectOf(b)) return undefined;
  return `${[a.op, b.op].sort().join(' and ')} of one at once`;
}

function isAboutAccount(op: string): boolean {
  return ['createAccount', 'updateAccount', 'account', 'balance'].includes(op);
}
