import { Has, RecordView } from '../../engine/record.js';
import { recordOffset } from '../../wal/batch.js';
import type { LogReader } from '../../wal/store.js';

/** Holds that are remembered; of older ones the record is read again. */
const HOLDS_MAX = 1 << 17;
const NO_TEXT = Uint8Array.of(0);

/** What a hold was said to be, each with its length byte; empty where it was not said. */
export interface HoldText {
  readonly code: Uint8Array;
  readonly reference: Uint8Array;
}

const NOTHING: HoldText = { code: NO_TEXT, reference: NO_TEXT };

/**
 * Code and reference of holds, for their ends: a capture that names none of its own is of what the hold was made for, and what is held by code
 * comes to nothing again.
 */
export class HoldTexts {
  private readonly open = new Map<number, HoldText>();
  private readonly view = new RecordView();

  constructor(private readonly reader: LogReader) {}

  /** Notes a hold whose record comes by. */
  note(lsn: number, hold: RecordView): void {
    this.open.set(lsn, textOf(hold));
    if (this.open.size > HOLDS_MAX) this.open.delete(this.open.keys().next().value!);
  }

  /** Of the hold that an end is of. It is asked for once, and read from the log when it was forgotten. @throws DamagedLogError */
  take(holdLsn: number): HoldText {
    const known = this.open.get(holdLsn);
    if (known !== undefined) {
      this.open.delete(holdLsn);
      return known;
    }
    const batch = this.reader.batchAt(holdLsn)!;
    return textOf(this.view.over(batch.bytes).read(recordOffset(batch, holdLsn)));
  }
}

function textOf(hold: RecordView): HoldText {
  if (!hold.has(Has.code | Has.reference)) return NOTHING;
  return {
    code: hold.has(Has.code) ? hold.bytes.slice(hold.codeAt - 1, hold.codeAt + hold.codeLength) : NO_TEXT,
    reference: hold.has(Has.reference)
      ? hold.bytes.slice(hold.referenceAt - 1, hold.referenceAt + hold.referenceLength)
      : NO_TEXT,
  };
}
