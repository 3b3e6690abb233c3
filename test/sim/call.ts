import { CODES, type Code, codeName, type RefusalCode } from '../../engine/codes.js';
import type { BatchBody, BatchEntry, Outcome, TransactionInput } from '../../engine/types.js';
import type { Caller } from '../../src/session.js';
import type { Command } from '../support/model.js';

/** What a client says in one go, and what became of it. */

export type What =
  | { readonly kind: 'map'; readonly command: Command }
  | { readonly kind: 'batch'; readonly bodies: readonly TransactionInput[] }
  | { readonly kind: 'accounts'; readonly bodies: readonly (Command & { op: 'createAccount' })['body'][] }
  | { readonly kind: 'compact'; readonly frame: readonly unknown[]; readonly body: TransactionInput }
  | {
      readonly kind: 'compactBatch';
      readonly frame: readonly unknown[];
      readonly bodies: readonly TransactionInput[];
    };

/** When something was said, as far as a client can know. */
export interface Begun {
  /** How many calls had been answered. */
  readonly told: number;
  /** The highest LSN that any answer had shown. */
  readonly lsn: number;
  /** The durable LSN. What the call leads to comes after it. */
  readonly durable: number;
  /** Ledger time, ms since the epoch. */
  readonly now: number;
  /** By how much `now` may be wrong, ms. */
  readonly clockErrorMs: number;
}

/** When the answer came. */
export interface Told {
  /** Answers before it. */
  readonly order: number;
  /** Nothing in the answer is beyond it. */
  readonly durable: number;
  readonly now: number;
}

/** What was answered to one command. */
export interface Result {
  readonly code: Code;
  /** Of an accepted command that has a body, or of a refusal with details. Compact answers have none. */
  readonly outcome?: Outcome<object>;
  /** The LSN that a compact answer names. */
  readonly lsn?: number;
}

/** One command of a call: a batch has several, all else one. */
export class Deed {
  result: Result | undefined;
  /** The LSN of the record that it led to, once the auditor has found it. */
  made: number | undefined;

  constructor(
    readonly call: Call,
    readonly index: number,
    readonly command: Command,
  ) {}
}

export class Call {
  readonly deeds: readonly Deed[];
  told: Told | undefined;
  /** The highest LSN that the answer shows. */
  shownLsn = 0;
  /** The ledger went down before the answer came. It may have happened or not. */
  isLost = false;
  /** The batch was refused whole. */
  refusedWhole: RefusalCode | undefined;
  /** The highest LSN of a compact batch. */
  batchLsn = 0;

  constructor(
    /** Calls are numbered in the order in which they are made. */
    readonly n: number,
    /** The client's action that it belongs to. */
    readonly action: number,
    readonly caller: Caller,
    readonly what: What,
    readonly begun: Begun,
  ) {
    this.deeds = commandsOf(caller, what).map((command, index) => new Deed(this, index, command));
  }

  get isOpen(): boolean {
    return this.told === undefined && !this.isLost;
  }

  /** The answer is there: its parts have been taken. */
  answered(told: Told): void {
    this.told = told;
    this.shownLsn = shownLsn(this);
  }

  get isBatch(): boolean {
    return this.deeds.length > 1 || this.what.kind === 'batch' || this.what.kind === 'compactBatch';
  }

  /** Takes the outcome of a call in the map form. */
  takeOutcome(outcome: Outcome<object>): void {
    if (this.what.kind !== 'batch' && this.what.kind !== 'accounts') {
      this.deeds[0]!.result = { code: observedCode(this.deeds[0]!.command, outcome), outcome };
      return;
    }
    if (!outcome.ok) {
      this.refusedWhole = outcome.code;
      return;
    }
    const { results } = outcome.body as BatchBody<object>;
    if (results.length !== this.deeds.length) {
      throw new Error(`${results.length} results of ${this.deeds.length} entries: ${describeCall(this)}`);
    }
    for (const [index, entry] of results.entries()) this.takeEntry(this.deeds[index]!, entry);
  }

  private takeEntry(deed: Deed, entry: BatchEntry<object>): void {
    const { command } = deed;
    if (!entry.ok) {
      const { id } = (command as { readonly body: { readonly id: unknown } }).body;
      const named = (entry as { readonly id?: unknown }).id;
      if (named !== id) throw new Error(`an entry's refusal names ${String(named)}: ${describeCall(this)}`);
      deed.result = { code: entry.code, outcome: entry };
      return;
    }
    const { ok: _, ...body } = entry;
    const isDuplicate = (body as { readonly duplicate?: true }).duplicate === true;
    // An entry does not say whether its account was created now; its LSN does, and the auditor looks at it.
    deed.result = {
      code: isDuplicate ? 'duplicate' : 'ok',
      outcome: { ok: true, created: !isDuplicate, body },
    };
  }

  takeCompact(n: number, lsn: number): void {
    const code = codeName(n);
    if (this.what.kind === 'compactBatch') {
      if (n <= CODES.duplicate.n) throw new Error(`a batch answered as one: ${describeCall(this)}`);
      this.refusedWhole = code as RefusalCode;
    } else this.deeds[0]!.result = { code, ...(n <= CODES.duplicate.n && { lsn }) };
  }

  takeCompactBatch(lsn: number, refused: readonly (readonly [index: number, n: number])[]): void {
    const codes = new Map<number, Code>(refused.map(([index, n]) => [index, codeName(n)]));
    if (codes.size !== refused.length || [...codes.keys()].some((index) => this.deeds[index] === undefined)) {
      throw new Error(`entries named that are not there, or twice: ${describeCall(this)}`);
    }
    for (const deed of this.deeds) deed.result = { code: codes.get(deed.index) ?? 'ok' };
    this.batchLsn = lsn;
  }
}

function commandsOf(caller: Caller, what: What): Command[] {
  switch (what.kind) {
    case 'map':
      return [what.command];
    case 'compact':
      return [{ op: 'transaction', caller, body: what.body }];
    case 'accounts':
      return what.bodies.map((body) => ({ op: 'createAccount', caller, body }));
    default:
      return what.bodies.map((body) => ({ op: 'transaction', caller, body }));
  }
}

/** As a code: what was there before, with just this, is a `duplicate`. */
export function observedCode(command: Command, outcome: Outcome<object>): Code {
  if (!outcome.ok) return outcome.code;
  if (command.op === 'createAccount') return outcome.created ? 'ok' : 'duplicate';
  return (outcome.body as { duplicate?: true }).duplicate === true ? 'duplicate' : 'ok';
}

/** "Nothing was done; retry": true at any time, and says nothing of the books. */
export function isTurnedAway(code: Code | undefined): boolean {
  return code === 'overloaded' || code === 'not_ready';
}

/** The highest LSN that the answer shows. */
function shownLsn(call: Call): number {
  let highest = call.batchLsn;
  const look = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    if (Array.isArray(value)) {
      for (const item of value) look(item);
      return;
    }
    const { lsn, end, reversals } = value as { lsn?: unknown; end?: unknown; reversals?: unknown };
    if (typeof lsn === 'number' && lsn > highest) highest = lsn;
    look(end);
    look(reversals);
  };
  for (const { result } of call.deeds) {
    if (result === undefined) continue;
    look(result);
    if (result.outcome?.ok) look(result.outcome.body);
  }
  return highest;
}

/** One readable line. */
export function describeCall(call: Call): string {
  const { begun, told, what } = call;
  const sent = what.kind === 'map' ? commandText(what.command) : `${what.kind} ${bodiesText(what)}`;
  const from = call.caller.terminal === undefined ? '' : `@${call.caller.terminal}`;
  let end = 'under way';
  if (call.isLost) end = 'no answer';
  if (told !== undefined) end = `${answerText(call)} (answer ${told.order}, durable ${told.durable})`;
  return `#${call.n} (action ${call.action}) ${call.caller.tenant}/${call.caller.by}${from} ${sent} [asked after answer ${begun.told}, LSN ${begun.lsn}] -> ${end}`;
}

function bodiesText(what: Exclude<What, { kind: 'map' }>): string {
  return what.kind === 'compact' || what.kind === 'compactBatch'
    ? plain(what.frame.slice(1))
    : plain(what.bodies);
}

export function commandText(command: Command): string {
  const { op } = command;
  const body = 'body' in command && command.body !== undefined ? ` ${plain(command.body)}` : '';
  if (op === 'reverse') return `reverse ${command.original}${body}`;
  if (op === 'transaction' || op === 'createAccount') return `${op}${body}`;
  return `${op} ${command.id}${body}`;
}

function answerText(call: Call): string {
  if (call.refusedWhole !== undefined) return call.refusedWhole;
  const answers = call.deeds.map(({ result }) => {
    if (result === undefined) return '?';
    if (result.outcome === undefined)
      return `${result.code}${result.lsn === undefined ? '' : ` ${result.lsn}`}`;
    if (result.outcome.ok) return `${result.code} ${plain(result.outcome.body)}`;
    const { ok: _, code: __, detail: ___, ...facts } = result.outcome;
    return Object.keys(facts).length === 0 ? result.code : `${result.code} ${plain(facts)}`;
  });
  const highest = call.what.kind === 'compactBatch' ? ` up to LSN ${call.batchLsn}` : '';
  return `${answers.join(', ')}${highest}`;
}

/** A value in JavaScript's notation, keys and text without quotes where that can be read. */
export function plain(value: unknown): string {
  if (typeof value === 'bigint') return String(value);
  if (Array.isArray(value)) return `[${value.map(plain).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return String(value);
  return `{${Object.entries(value)
    .map(([key, item]) => `${key}: ${plain(item)}`)
    .join(', ')}}`;
}
