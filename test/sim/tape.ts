import { CODES } from '../../engine/codes.js';
import type { Outcome } from '../../engine/types.js';
import type { Caller, CompactSink, Session } from '../../src/session.js';
import { Auditor, type LogRecord } from './auditor.js';
import type { Call, What } from './call.js';
import type { History } from './history.js';

/** A history with its log, to be played to an auditor again, as it was or doctored. */
export interface Tape {
  readonly calls: TapedCall[];
  readonly audits: {
    readonly afterCalls: number;
    readonly afterAnswers: number;
    records: LogRecord[];
    restAt?: number;
  }[];
}

export interface TapedCall {
  readonly name: string;
  caller: Caller;
  what: What;
  begun: { told: number; durable: number; now: number };
  /** None when the ledger went down before. */
  answer?: TapedAnswer;
}

interface TapedAnswer {
  order: number;
  durable: number;
  now: number;
  /** In the map form. */
  outcome?: Outcome<object>;
  /** In the compact form. */
  compact?: { n: number; lsn: number };
}

/** What a history says, as far as it went. @param names by the call's number */
export function tapeOf(history: History, names: ReadonlyMap<Call, string>, audits: Tape['audits']): Tape {
  const calls = history.calls.map((call): TapedCall => {
    const { begun, told, caller, what } = call;
    const name = names.get(call) ?? `call ${call.n}`;
    if (told === undefined) return { name, caller, what, begun: { ...begun } };
    return { name, caller, what, begun: { ...begun }, answer: { ...told, ...rawAnswer(call) } };
  });
  return { calls, audits };
}

/** The answer as the session gave it. */
function rawAnswer({ what, deeds }: Call): Pick<TapedAnswer, 'outcome' | 'compact'> {
  const results = deeds.map((deed) => deed.result!);
  const [first] = results;
  if (what.kind === 'compact') return { compact: { n: CODES[first!.code].n, lsn: first!.lsn ?? 0 } };
  if (what.kind === 'map') return { outcome: first!.outcome! };
  const entries = results.map(({ outcome }) => (outcome!.ok ? { ok: true, ...outcome!.body } : outcome));
  return { outcome: { ok: true, created: false, body: { results: entries } } };
}

/** Calls that wait for what the tape says. */
class Deck {
  durable = 0;
  now = 0;
  private readonly waiting = new Map<number, (answer: TapedAnswer) => void>();
  private next = 0;

  /** Answers whatever is asked with what the tape has for it. */
  session(): Session {
    const taken = (): Promise<unknown> => {
      const n = this.next++;
      return new Promise((resolve) => this.waiting.set(n, ({ outcome }) => resolve(outcome)));
    };
    const compact = (frame: readonly unknown[], sink: CompactSink): boolean => {
      this.waiting.set(this.next++, (answer) =>
        sink.answer(Number(frame[0]), answer.compact!.n, answer.compact!.lsn),
      );
      return true;
    };
    const get = (_: object, name: string) => (name === 'compact' ? compact : taken);
    return new Proxy({}, { get }) as Session;
  }

  async answer(n: number, answer: TapedAnswer): Promise<void> {
    this.durable = answer.durable;
    this.now = answer.now;
    this.waiting.get(n)!(answer);
    // The client's continuations run.
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Plays a tape. @throws what the auditor finds */
export async function playTape(tape: Tape): Promise<void> {
  const auditor = new Auditor();
  const { history } = auditor;
  const deck = new Deck();
  const connection = {
    as: () => deck.session(),
    now: () => deck.now,
    durable: () => deck.durable,
    clockErrorMs: 500,
  };
  const answered = tape.calls
    .flatMap(({ answer }, n) => (answer === undefined ? [] : [{ n, answer }]))
    .sort((a, b) => a.answer.order - b.answer.order);
  let told = 0;
  const tell = async (upTo: number) => {
    for (; told < upTo; told++) await deck.answer(answered[told]!.n, answered[told]!.answer);
  };
  let from = 0;
  for (const { afterCalls, afterAnswers, records, restAt } of tape.audits) {
    history.connect(connection);
    for (const { begun, caller, what } of tape.calls.slice(from, afterCalls)) {
      await tell(begun.told);
      deck.durable = begun.durable;
      deck.now = begun.now;
      history.start(history.nextCall, caller, what);
    }
    await tell(afterAnswers);
    history.disconnect();
    auditor.audit({ records, ...(restAt !== undefined && { restAt }) });
    from = afterCalls;
  }
}
