import { RecordKind, RecordView } from '../../engine/record.js';
import type { Refusal } from '../../engine/types.js';
import type { Command } from '../support/model.js';
import type { LogRecord } from './auditor.js';
import type { What } from './call.js';
import type { Tape, TapedCall } from './tape.js';

/** A tape under the knife. */
export class Doctor {
  constructor(readonly tape: Tape) {}

  call(name: string): TapedCall {
    return this.tape.calls.find((call) => call.name === name)!;
  }

  /** The body of an accepted answer. */
  body(name: string): Record<string, unknown> {
    const { outcome } = this.call(name).answer!;
    return (outcome as { body: Record<string, unknown> }).body;
  }

  refuse(name: string, code: Refusal['code'], more: Partial<Refusal> = {}): void {
    this.call(name).answer!.outcome = { ok: false, code, detail: '', ...more };
  }

  /** Nobody heard of it. */
  lose(name: string): void {
    const { answer } = this.call(name);
    delete this.call(name).answer;
    for (const call of this.tape.calls) {
      if (call.answer !== undefined && call.answer.order > answer!.order) call.answer.order--;
      if (call.begun.told > answer!.order) call.begun.told--;
    }
    this.tape.audits.forEach((audit, index) => {
      const isAfter = audit.afterAnswers > answer!.order;
      this.tape.audits[index] = { ...audit, afterAnswers: audit.afterAnswers - (isAfter ? 1 : 0) };
    });
  }

  /** More calls while the named one is under way, each refused before the next one is made. */
  insert(name: string, refused: readonly [Command, Refusal['code']][]): void {
    const { calls, audits } = this.tape;
    const at = calls.findIndex((call) => call.name === name) + 1;
    const { begun, answer } = this.call(name);
    const order = begun.told;
    for (const call of calls) {
      if (call.answer !== undefined && call.answer.order >= order) call.answer.order += refused.length;
      if (calls.indexOf(call) < at) continue;
      call.begun.told += refused.length;
      if (call.what.kind === 'compact') {
        const [rid, ...fields] = call.what.frame;
        call.what = { ...call.what, frame: [Number(rid) + refused.length, ...fields] };
      }
    }
    const more = refused.map(([command, code], n): TapedCall => {
      const outcome = { ok: false as const, code, detail: '' };
      return {
        name: `more ${n}`,
        caller: command.caller,
        what: { kind: 'map', command },
        begun: { ...begun, told: order + n },
        answer: { ...answer!, order: order + n, outcome },
      };
    });
    calls.splice(at, 0, ...more);
    audits.forEach((audit, index) => {
      const [afterCalls, afterAnswers] = [audit.afterCalls + more.length, audit.afterAnswers + more.length];
      audits[index] = { ...audit, afterCalls, afterAnswers };
    });
  }

  /** Changes the log as each audit sees it. */
  log(change: (records: LogRecord[]) => void): void {
    for (const { records } of this.tape.audits) change(records);
  }

  /** Changes the bytes of the first record of a kind about an id. */
  record(
    kind: keyof typeof RecordKind,
    id: string,
    change: (bytes: Uint8Array, view: RecordView) => void,
  ): void {
    this.log((records) => {
      const record = records[indexOf(records, kind, id)];
      if (record !== undefined) change(record.record, viewOf(record));
    });
  }
}

/** A record in fields. */
export function viewOf({ record }: LogRecord): RecordView {
  return new RecordView().over(record).read(0);
}

/** Where in the log the first record of a kind about an id is. */
export function indexOf(records: readonly LogRecord[], kind: keyof typeof RecordKind, id: string): number {
  return records.findIndex((record) => {
    const view = viewOf(record);
    return view.kind === RecordKind[kind] && view.id === id;
  });
}

/** LSNs in a row again, and times that do not go back. */
export function renumber(records: LogRecord[]): void {
  let timeMs = 0;
  records.forEach((record, index) => {
    timeMs = Math.max(timeMs, record.timeMs);
    records[index] = { ...record, lsn: index + 1, timeMs };
  });
}

/** The amount of a posting. */
export function setAmount(view: RecordView, leg: number, amount: bigint): void {
  dataOf(view).setBigInt64(view.accountAt[leg]! - 9, amount, true);
}

/** The bytes of a record as numbers. */
export function dataOf({ bytes }: RecordView): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The command of a call in the map form. */
export function commandOf(what: What): Command {
  if (what.kind !== 'map') throw new Error('not in the map form');
  return what.command;
}
